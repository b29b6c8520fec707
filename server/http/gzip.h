/* gzip: response bodies packed for requests that accept it. Once per response, whole: what comes
 * out is never longer than what went in, or the response goes as it is.
 *
 * Owner     gush_gzip: on the stack of whoever sends a response      Thread  any
 * Limits    bodies of GUSH_GZIP_BODY_MIN to GUSH_GZIP_BODY_MAX bytes; others go as they are
 * spec      RFC 9110 sections 8.4, 12.5.3 and 12.5.5 */
#ifndef GUSH_HTTP_GZIP_H
#define GUSH_HTTP_GZIP_H

#include <stdbool.h>

#include "server/base/buf.h"

#include "server/http/message.h"

#define GUSH_GZIP_BODY_MIN   ((size_t)1 << 10)
#define GUSH_GZIP_BODY_MAX   ((size_t)4 << 20) /* a lane has others to serve */
#define GUSH_GZIP_FIELDS_MAX 16                /* a response with more goes as it is */

struct gush_gzip {
    struct gush_http_response response; /* the one to send */
    struct gush_buf packed;
    struct gush_http_field fields[GUSH_GZIP_FIELDS_MAX];
};

/* Whether the request takes gzip, by its Accept-Encoding fields and their weights. None, or one
 * that cannot be read: no. */
bool gush_gzip_accepted(const struct gush_http_request *request);

/* Makes z->response out of |r|: packed if |r| asks for it (|compress|), is long enough, and
 * |accepted|. It borrows from |z| and from what |r| borrows; gush_gzip_done releases it. */
void gush_gzip_response(struct gush_gzip *z, bool accepted, const struct gush_http_response *r);
void gush_gzip_done(struct gush_gzip *z);

#endif
