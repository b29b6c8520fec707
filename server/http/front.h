/* front: what a new connection goes through before HTTP is spoken on it, and the choice between the
 * versions: by ALPN over TLS; in clear text by the first bytes where HTTP/2 is allowed there, else
 * it is HTTP/1. Nothing of the front stays with a connection that has found its protocol.
 *
 * One per loop and door. Owns an HTTP/1 and an HTTP/2 server.
 *
 * Owner     server/app                Thread  accept, drain: the loop's; new, free: while it does
 *                                     not run; connections: the loop's, or after its end
 * Limits    head_ms for PROXY header and handshake together, and for the first bytes; see limits.h
 * spec      transports 1; RFC 9113 section 3 */
#ifndef GUSH_HTTP_FRONT_H
#define GUSH_HTTP_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/loop.h"
#include "server/net/peer.h"

#include "server/http/limits.h"
#include "server/http/router.h"

struct gush_access_log;
struct gush_forwarded;
struct gush_front;
struct gush_tls_server;

/* Everything is borrowed. */
struct gush_front_options {
    const struct gush_router *router;
    int64_t (*wall_ms)(void); /* for the date field */
    struct gush_http_limits limits;
    struct gush_tls_server *tls; /* NULL: clear text. Its ALPN list says whether h2 is spoken */
    bool proxy;                  /* a PROXY header comes first */
    bool h2c;                    /* clear text: HTTP/2 with prior knowledge, beside HTTP/1 */
    struct gush_access_log *log; /* NULL: none */
    const struct gush_forwarded *forwarded; /* NULL: X-Forwarded-For counts for nobody */
};

struct gush_front *gush_front_new(struct gush_loop *loop, const struct gush_front_options *options);
/* When its loop has been joined. NULL is fine. */
void gush_front_free(struct gush_front *front);

/* A gush_listener_fn; |arg| is the gush_front. Takes |fd|. */
void gush_front_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer);

/* Connections now, those that still open among them. */
size_t gush_front_connections(const struct gush_front *front);
/* What a drain waits for: HTTP/1 with a request under way, HTTP/2 until it closes. The loop's
 * thread. */
size_t gush_front_under_way(const struct gush_front *front);
/* How many connections have chosen HTTP/2, or HTTP/1, so far. Any thread. */
uint64_t gush_front_chosen(const struct gush_front *front, bool h2);
/* From now on connections end: HTTP/1 after the present response, HTTP/2 when those streams are
 * done that the client opened before it heard of it. */
void gush_front_drain(struct gush_front *front);

#endif
