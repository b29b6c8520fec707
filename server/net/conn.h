/* conn: one stream connection on a loop, in clear text or over TLS: bytes in, bytes out, its end.
 *
 * Reads go into the loop's shared buffer; writes go straight to the kernel. Nothing is kept here
 * for a peer: what the kernel does not take stays with the caller. Over TLS small parts are
 * gathered into records of up to 16 KB; a record that is half sent stays with OpenSSL, and its
 * bytes count as written only when all of it is out.
 *
 * A PROXY header and a handshake, where asked for, come before anything else: until on_open only
 * gush_conn_close and the questions at the end of this header may be called. Who takes too long
 * over them, or gets them wrong, is closed: only on_closed follows.
 *
 * Owner     whoever opened it, until on_closed        Thread  the loop's
 * Lifetime  open to on_closed, which comes exactly once, never from inside a call
 * Limits    one timer per connection, of the owner's use; gush_conn_close takes it over.
 *           While it opens: 552 bytes of PROXY header, and what OpenSSL allows a handshake */
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
#define GUSH_CONN_OPEN_MS   10000

struct gush_conn;
struct gush_tls_server;

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
    /* PROXY header and handshake are done, no byte has come yet. May be NULL. Not called where
     * there is neither. */
    void (*on_open)(void *owner);
};

struct gush_conn_setup {
    const struct gush_conn_ops *ops;
    void *owner;
    struct gush_tls_server *tls; /* borrowed while it opens; NULL: clear text */
    bool proxy;                  /* a PROXY header (proxy.h) comes first, and must */
    uint32_t open_ms;            /* for both together; 0: GUSH_CONN_OPEN_MS */
};

/* What to watch the peer for. */
enum gush_conn_read {
    GUSH_CONN_READ_OFF,  /* nothing: a reset shows at the next write */
    GUSH_CONN_READ_ON,   /* bytes and the end */
    GUSH_CONN_READ_ENDED /* only the end, reported as on_eof even with unread bytes before it */
};

enum gush_conn_end {
    GUSH_CONN_END_GRACEFUL, /* (close_notify,) FIN, then discard what comes for up to
                               GUSH_CONN_LINGER_MS */
    GUSH_CONN_END_NOW,      /* what was written still goes out */
    GUSH_CONN_END_ABORT     /* reset; the kernel forgets what it has not sent */
};

/* Takes |fd| (connected, non-blocking), also on failure. Reading is on.
 *   GUSH_EIO   the loop cannot watch it, or is stopping: |fd| was closed */
GUSH_MUST_USE gush_err gush_conn_open(struct gush_loop *loop, int fd, const struct gush_peer *peer,
                                      const struct gush_conn_ops *ops, void *owner,
                                      struct gush_conn **out);

/* The same, opened as |setup| says. */
GUSH_MUST_USE gush_err gush_conn_open_with(struct gush_loop *loop, int fd,
                                           const struct gush_peer *peer,
                                           const struct gush_conn_setup *setup,
                                           struct gush_conn **out);

/* From the next event on, the connection is |owner|'s. Allowed from inside an event. */
void gush_conn_hand_over(struct gush_conn *conn, const struct gush_conn_ops *ops, void *owner);

/* Over TLS the peer's close_notify is its end, too. Where it comes behind bytes that nobody reads,
 * GUSH_CONN_READ_ENDED sees only the FIN. */
void gush_conn_read(struct gush_conn *conn, enum gush_conn_read mode);

/* Writes |parts| in order; |*written| says how far it came, also on failure. After GUSH_EAGAIN the
 * bytes that were not written must be the first of the next write, however it is cut into parts.
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
/* Whom the PROXY header named, once it was read; else the other end of the socket. */
const struct gush_peer *gush_conn_peer(const struct gush_conn *conn);
bool gush_conn_is_tls(const struct gush_conn *conn);
/* Whether |protocol| was agreed on by ALPN; false in clear text, or where the peer named none. */
bool gush_conn_alpn_is(const struct gush_conn *conn, const char *protocol);

#endif
