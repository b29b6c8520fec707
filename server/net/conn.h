/* conn: one TCP connection on a loop: bytes in, bytes out, and its end.
 *
 * Reads go into the loop's shared buffer; writes go straight to the kernel. Nothing is kept here
 * for a peer: what the kernel does not take stays with the caller.
 *
 * Owner     whoever opened it, until on_closed        Thread  the loop's
 * Lifetime  open to on_closed, which comes exactly once, never from inside a call
 * Limits    one timer per connection, of the owner's use; gush_conn_close takes it over */
#ifndef GUSH_NET_CONN_H
#define GUSH_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/span.h"

#include "server/net/loop.h"
#include "server/net/peer.h"

#define GUSH_CONN_PARTS_MAX 72 /* of one write: a full burst and what a protocol puts around it */
#define GUSH_CONN_LINGER_MS 2000

struct gush_conn;

struct gush_conn_ops {
    /* |p| is the loop's read buffer. */
    void (*on_bytes)(void *owner, const uint8_t *p, size_t n);
    /* The peer will send no more. Reading has stopped; writing may still work. */
    void (*on_eof)(void *owner);
    /* After a write said GUSH_EAGAIN: there is room again. */
    void (*on_writable)(void *owner);
    void (*on_timer)(void *owner);
    /* The connection is gone and so is |conn|, whoever ended it. */
    void (*on_closed)(void *owner);
};

/* What to watch the peer for. */
enum gush_conn_read {
    GUSH_CONN_READ_OFF,  /* nothing: a reset shows at the next write */
    GUSH_CONN_READ_ON,   /* bytes and the end */
    GUSH_CONN_READ_ENDED /* only the end, reported as on_eof even with unread bytes before it */
};

enum gush_conn_end {
    GUSH_CONN_END_GRACEFUL, /* FIN, then discard what comes for up to GUSH_CONN_LINGER_MS */
    GUSH_CONN_END_NOW,      /* what was written still goes out */
    GUSH_CONN_END_ABORT     /* reset; the kernel forgets what it has not sent */
};

/* Takes |fd| (connected, non-blocking), also on failure. Reading is on.
 *   GUSH_EIO   the loop cannot watch it, or is stopping: |fd| was closed */
GUSH_MUST_USE gush_err gush_conn_open(struct gush_loop *loop, int fd, const struct gush_peer *peer,
                                      const struct gush_conn_ops *ops, void *owner,
                                      struct gush_conn **out);

void gush_conn_read(struct gush_conn *conn, enum gush_conn_read mode);

/* Writes |parts| in order; |*written| says how far it came, also on failure.
 *   GUSH_EAGAIN    not everything: on_writable follows
 *   GUSH_ECLOSED   the peer is gone, on_closed follows; or it was closed already */
GUSH_MUST_USE gush_err gush_conn_write(struct gush_conn *conn, const struct gush_span *parts,
                                       size_t parts_n, size_t *written);

/* Only on_closed follows. A later call may only hasten it. */
void gush_conn_close(struct gush_conn *conn, enum gush_conn_end how);

/* Calls on_timer once in |ms| from now, unless set again before. */
void gush_conn_timer_set(struct gush_conn *conn, uint64_t ms);
void gush_conn_timer_clear(struct gush_conn *conn);

bool gush_conn_closing(const struct gush_conn *conn);
struct gush_loop *gush_conn_loop(const struct gush_conn *conn);
const struct gush_peer *gush_conn_peer(const struct gush_conn *conn);

#endif
