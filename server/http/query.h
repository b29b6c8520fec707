/* query: values out of the query part of a URL.
 *
 * Thread    any; no state */
#ifndef GUSH_HTTP_QUERY_H
#define GUSH_HTTP_QUERY_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/error.h"

/* Appends the decoded value of the first |name| to |out| ('+' is a space); |*found| tells whether
 * there is one. Names are compared undecoded.
 *   GUSH_ESYNTAX   a '%' without two hex digits in that value
 *   GUSH_ELIMIT    it does not fit into |out| */
GUSH_MUST_USE gush_err gush_query_find(struct gush_span query, const char *name,
                                       struct gush_buf *out, bool *found);

#endif
