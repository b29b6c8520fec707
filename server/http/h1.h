/* h1: HTTP/1.0 and 1.1 over TCP. One gush_h1 per loop; its connections come from a listener.
 *
 * Requests of a connection are answered one at a time; what a client pipelines waits, and while it
 * waits nothing more is read. An idle connection, streaming or not, keeps no buffer. After a
 * refusal the connection goes on only if the request's end is beyond doubt: no body, or a short one
 * with a length, which is read and passed over.
 *
 * Owner     server/app                Thread  accept: the loop's; new, free: while it does not run
 * Limits    head 431, body 413, time for head, body, answer and between requests: limits.h
 * spec      transports 1 and 2 */
#ifndef GUSH_HTTP_H1_H
#define GUSH_HTTP_H1_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

#include "server/net/conn.h"

#include "server/http/access_log.h"
#include "server/http/limits.h"
#include "server/http/router.h"

struct gush_h1;

struct gush_h1_options {
    const struct gush_router *router; /* borrowed */
    int64_t (*wall_ms)(void);         /* for the Date field */
    struct gush_http_limits limits;   /* 0 takes the default of limits.h; a body that is given as
                                         it comes has body_ms for each piece */
    struct gush_access_log *log;      /* NULL: none; borrowed */
    const struct gush_forwarded *forwarded; /* whose word counts; NULL: nobody's; borrowed */
};

struct gush_h1 *gush_h1_new(struct gush_loop *loop, const struct gush_h1_options *options);
/* When its loop has been joined. NULL is fine. */
void gush_h1_free(struct gush_h1 *h1);

/* A gush_listener_fn; |arg| is the gush_h1. Takes |fd|. */
void gush_h1_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer);

/* Takes over |conn|, which is open, with the bytes already read from it (may be empty). Allowed
 * from inside an event of |conn|. */
void gush_h1_adopt(struct gush_h1 *h1, struct gush_conn *conn, struct gush_span first);

/* Connections now. The loop's thread, or after its end. */
size_t gush_h1_connections(const struct gush_h1 *h1);
/* Those of them with a request under way. The same threads. */
size_t gush_h1_under_way(const struct gush_h1 *h1);
/* From now on connections close after their present response, idle ones at once: for a drain. The
 * loop's thread. */
void gush_h1_drain(struct gush_h1 *h1);

#endif
