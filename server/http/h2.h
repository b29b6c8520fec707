/* h2: HTTP/2. One gush_h2 per loop; its connections come from a front. Each stream of a connection
 * is an exchange.
 *
 * What streams have to say is gathered at the end of the lane's turn, so that one write serves all
 * streams of a connection. What the socket does not take is kept, at most GUSH_H2_REST_MAX of it,
 * and nothing more is made until it is out.
 *
 * Peers pay for what they make us do: see h2_toll.h.
 *
 * Owner     server/http/front         Thread  adopt, drain: the loop's; new, free: while it does
 *                                     not run; connections: the loop's, or after its end
 * Limits    head 431, body 413, streams, time: limits.h. Of one connection: requests that are not
 *           whole yet take GUSH_H2_BODIES_MAX, or one body; others are refused, to be tried
 *           again. Answers that are not out take GUSH_H2_ANSWERS_MAX and two more; requests wait
 * spec      RFC 9113; transports 1 and 2 */
#ifndef GUSH_HTTP_H2_H
#define GUSH_HTTP_H2_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

#include "server/net/loop.h"

#include "server/http/limits.h"
#include "server/http/router.h"

#define GUSH_H2_BODIES_MAX  ((size_t)2 << 20)
#define GUSH_H2_ANSWERS_MAX ((size_t)4 << 20)

struct gush_access_log;
struct gush_conn;
struct gush_forwarded;
struct gush_h2;

/* Everything is borrowed. */
struct gush_h2_options {
    const struct gush_router *router;
    int64_t (*wall_ms)(void);               /* for the date field */
    struct gush_access_log *log;            /* NULL: none */
    const struct gush_forwarded *forwarded; /* NULL: X-Forwarded-For counts for nobody */
    struct gush_http_limits limits;         /* no zeros */
};

struct gush_h2 *gush_h2_new(struct gush_loop *loop, const struct gush_h2_options *options);
/* When its loop has been joined. NULL is fine. */
void gush_h2_free(struct gush_h2 *h2);

/* Takes over |conn|, which is open; |first| is what came on it already. */
void gush_h2_adopt(struct gush_h2 *h2, struct gush_conn *conn, struct gush_span first);

/* Connections now. */
size_t gush_h2_connections(const struct gush_h2 *h2);
/* Those that are not closing. The loop's thread. */
size_t gush_h2_under_way(const struct gush_h2 *h2);
/* Asks all connections, those to come as well, to end when their streams are done. */
void gush_h2_drain(struct gush_h2 *h2);

#endif
