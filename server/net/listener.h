/* listener: accepts on one loop and hands each connection on as a bare descriptor. Knows nothing
 * of what will be spoken: server/http and server/rpc both take from here. A loop may have many.
 *
 * Where the kernel cannot share a port among loops (unix sockets), one listener deals what it
 * accepts out to all loops in turn.
 *
 * Running out of descriptors does not end it: a spare one is given up to accept and close the
 * newcomer, and accepting pauses for a moment instead of spinning.
 *
 * Owner     its loop, from open until close or the loop's stop        Thread  the loop's */
#ifndef GUSH_NET_LISTENER_H
#define GUSH_NET_LISTENER_H

#include <stddef.h>

#include "server/base/error.h"

#include "server/net/loop.h"
#include "server/net/peer.h"

#define GUSH_LISTENER_PAUSE_MS 100
#define GUSH_LISTENER_BATCH    64 /* accepted at most before others get their turn */

struct gush_gate;
struct gush_listener;

/* |fd| is now the callee's: connected, non-blocking, close-on-exec. */
typedef void gush_listener_fn(void *arg, struct gush_loop *loop, int fd,
                              const struct gush_peer *peer);

/* Takes |fd| (from gush_tcp_listen), also on failure.
 *   GUSH_EIO   the loop cannot watch it, or is stopping */
GUSH_MUST_USE gush_err gush_listener_open(struct gush_loop *loop, int fd,
                                          gush_listener_fn *on_accept, void *arg,
                                          struct gush_listener **out);
/* The same; on_accept gets only those whom |gate| (borrowed, gate.h) lets in. */
GUSH_MUST_USE gush_err gush_listener_open_gated(struct gush_loop *loop, int fd,
                                                struct gush_gate *gate, gush_listener_fn *on_accept,
                                                void *arg, struct gush_listener **out);
/* One of those that a dealing listener gives to: on_accept is called on |loop| with |arg|. */
struct gush_listener_seat {
    struct gush_loop *loop;
    void *arg;
};

/* The same on |loop|, which need not have a seat; |gate| may be NULL. |seats| are copied; their
 * loops must be joined, or have lost their posts, before what |arg|s point to is gone. A connection
 * dealt to a loop that ends before it can take it is closed. */
GUSH_MUST_USE gush_err gush_listener_open_dealing(struct gush_loop *loop, int fd,
                                                  struct gush_gate *gate,
                                                  gush_listener_fn *on_accept,
                                                  const struct gush_listener_seat *seats,
                                                  size_t seats_n, struct gush_listener **out);
/* Stops accepting at once, closes who still waits at the gate, and frees itself. Not needed when
 * the loop is stopped. */
void gush_listener_close(struct gush_listener *listener);

#endif
