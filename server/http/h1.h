/* h1: HTTP/1.0 and 1.1 over TCP. One gush_h1 per loop; its connections come from a listener.
 *
 * Requests of a connection are answered one at a time; what a client pipelines waits, and while it
 * waits nothing more is read. An idle connection, streaming or not, keeps no buffer.
 *
 * Owner     server/app                Thread  accept: the loop's; new, free: while it does not run
 * Limits    head 431, body 413, time for head, body, answer and between requests: all below
 * spec      transports 1 and 2 */
#ifndef GUSH_HTTP_H1_H
#define GUSH_HTTP_H1_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

#include "server/net/loop.h"
#include "server/net/peer.h"

#include "server/http/router.h"

struct gush_conn;
struct gush_h1;

struct gush_h1_options {
    const struct gush_router *router; /* borrowed */
    int64_t (*wall_ms)(void);         /* for the Date field */
    struct gush_access_log *log;      /* NULL: none; borrowed */
    const struct gush_forwarded
        *forwarded; /* whose X-Forwarded-For counts; NULL: nobody's; borrowed */
    /* 0 takes the default */
    size_t head_limit;    /* 16 KB */
    uint32_t head_ms;     /* 10 s from the first byte (or from accept) to the end of the head */
    uint32_t body_ms;     /* 30 s more for the body */
    uint32_t response_ms; /* 10 s for a peer to take the end of a response */
    uint32_t idle_ms;     /* 30 s between two requests */
};

struct gush_h1 *gush_h1_new(struct gush_loop *loop, const struct gush_h1_options *options);
/* When its loop has been joined. NULL is fine. */
void gush_h1_free(struct gush_h1 *h1);

/* Takes over |conn|, which is open; |first| is what came on it already. */
void gush_h1_adopt(struct gush_h1 *h1, struct gush_conn *conn, struct gush_span first);
/* A gush_listener_fn; |arg| is the gush_h1. Takes |fd|. */
void gush_h1_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer);

/* Connections now. The loop's thread, or after its end. */
size_t gush_h1_connections(const struct gush_h1 *h1);
/* From now on connections close after their present response: for a drain. */
void gush_h1_drain(struct gush_h1 *h1);

#endif
