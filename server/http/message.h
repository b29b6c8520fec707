/* message: what an HTTP request and response are made of, whatever the HTTP version.
 *
 * Thread    any; spans are borrowed as said where they are handed over */
#ifndef GUSH_HTTP_MESSAGE_H
#define GUSH_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

#include "server/net/peer.h"

struct gush_forwarded;

enum gush_http_version { GUSH_HTTP_1_0, GUSH_HTTP_1_1, GUSH_HTTP_2 };

struct gush_http_field {
    struct gush_span name, value;
};

struct gush_http_request {
    struct gush_span method, path, query; /* the query without its '?' */
    const struct gush_http_field *fields;
    size_t fields_n;
    enum gush_http_version version;
    const struct gush_peer *peer;
    const struct gush_forwarded *forwarded; /* whom gush_forwarded_client trusts; NULL: nobody */
};

struct gush_http_response {
    unsigned status;
    const struct gush_http_field *fields; /* not Content-Length, Connection, Date, Transfer-... */
    size_t fields_n;
    struct gush_span body;
    bool compress; /* the body may be packed when it is long and the request accepts it */
};

/* The first field of that name (any case), or the empty span; |*found| (may be NULL) tells whether
 * there was one. */
struct gush_span gush_http_field_find(const struct gush_http_field *fields, size_t fields_n,
                                      const char *name, bool *found);

/* |s| without the spaces and tabs around it. */
struct gush_span gush_http_trim(struct gush_span s);

/* "Not Found"; "" for a status that is not in the table. */
const char *gush_http_status_text(unsigned status);

#endif
