/* query: names and values of URL-encoded pairs: the query part of a URL, or a form in a body.
 *
 * '&' separates pairs, '=' a name from its value, '+' is a space, %xx a byte. Of pairs with the
 * same name the first counts. Decoded values are bytes: whether they are text is for their reader
 * to say.
 *
 * Thread    any; no state
 * Limits    nothing is kept; decoded values go to a buffer with a limit of its own */
#ifndef GUSH_HTTP_QUERY_H
#define GUSH_HTTP_QUERY_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/error.h"

#include "server/http/message.h"

struct gush_query_pair {
    struct gush_span name, value; /* undecoded; a pair without '=' has an empty value */
};

/* Cuts the next pair off |*query|; empty ones are passed over. False: there is none left. */
bool gush_query_next(struct gush_span *query, struct gush_query_pair *out);

/* Appends |s|, decoded.
 *   GUSH_ESYNTAX   a '%' without two hex digits
 *   GUSH_ELIMIT    it does not fit into |out| */
GUSH_MUST_USE gush_err gush_query_decode(struct gush_span s, struct gush_buf *out);

/* Appends the decoded value of the first |name| to |out|; |*found| tells whether there is one.
 * Pairs whose own name cannot be decoded are passed over. GUSH_ESYNTAX, GUSH_ELIMIT   as above, of
 * that value */
GUSH_MUST_USE gush_err gush_query_find(struct gush_span query, const char *name,
                                       struct gush_buf *out, bool *found);

/* The same for a request that may carry a form: |body| first, if its Content-Type says that it is
 * URL-encoded, then the query. */
GUSH_MUST_USE gush_err gush_query_find_form(const struct gush_http_request *request,
                                            struct gush_span body, const char *name,
                                            struct gush_buf *out, bool *found);

#endif
