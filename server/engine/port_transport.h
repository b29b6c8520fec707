/* port_transport: what a way out must offer. The engine never learns which transport it feeds.
 *
 * All calls happen on the client's lane and are never re-entered: a transport reports what
 * happened by gush_client_on_sent and gush_client_on_closed from its own events, not from inside
 * send or close. */
#ifndef GUSH_ENGINE_PORT_TRANSPORT_H
#define GUSH_ENGINE_PORT_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/base/error.h"

#include "server/codec/form.h"

#define GUSH_BURST_MAX 64

/* Room beside a shared frame where a transport keeps what it made of the bytes, once per lane and
 * frame: uni_grpc its slice. Zeroed at first; |drop| is called when the lane is done with it. */
struct gush_frame_cache {
    void (*drop)(struct gush_frame_cache *cache);
    uint64_t room[4];
};

struct gush_frame {
    struct gush_bytes *bytes;       /* borrowed until the write is done */
    struct gush_frame_cache *cache; /* NULL: a frame of this client alone */
};

struct gush_transport {
    const char *name;         /* "uni_sse", as in metrics and logs */
    enum gush_form form;      /* format, dialect and framing of what it is given */
    size_t burst_n;           /* most frames it takes at once, up to GUSH_BURST_MAX */
    bool disconnect_push;     /* has no close code of its own: say the end in a push */
    bool marks;               /* is given, before each message, where its client stands then */
    bool session;             /* tells the client its session id when it connects */
    int64_t ping_interval_ms; /* 0: client.ping_interval */

    /* Writes all |frames| in order. Called only when no write is pending.
     *   GUSH_OK       written; nothing is borrowed any more
     *   GUSH_EAGAIN   under way: |frames| stay borrowed until gush_client_on_sent. The array does
     *                 not: ask gush_client_flight for it again
     *   other         broken: gush_client_on_closed follows from the transport */
    GUSH_MUST_USE gush_err (*send)(void *conn, const struct gush_frame *frames, size_t frames_n);
    /* Ends the connection in this wire's own manner and always ends in gush_client_on_closed, once,
     * later. With a write pending it is abandoned. |code| 3000 is a silent end. */
    void (*close)(void *conn, uint32_t code, const char *reason);
};

#endif
