/* service: what a gRPC service is, whatever door its calls come through.
 *
 * Owner     whoever implements it; doors borrow it
 * Thread    admit and the events: the call's lane
 * Lifetime  until every door that offers it was freed */
#ifndef GUSH_RPC_SERVICE_H
#define GUSH_RPC_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

#include "server/rpc/call.h"
#include "server/rpc/status.h"

#define GUSH_RPC_MESSAGE_MAX  200
#define GUSH_RPC_SERVICES_MAX 7
#define GUSH_RPC_PIECES_MAX   64

/* What came with the headers; valid during admit only. */
struct gush_rpc_head {
    struct gush_span method; /* last part of the path */
    struct gush_span (*find)(const struct gush_rpc_head *head, const char *key);
    void *door; /* what find looks through */
};
/* First value of |key| (lower case), valid until the next call; p NULL if it is not there. */
struct gush_span gush_rpc_head_find(const struct gush_rpc_head *head, const char *key);

/* Zeroed by the caller: a call let through with note 0. */
struct gush_rpc_verdict {
    enum gush_rpc_status
        status; /* not OK: the call ends here, and the service hears no more of it */
    bool many;  /* the peer may send any number of messages, also none */
    uint32_t note;
    char message[GUSH_RPC_MESSAGE_MAX];
};
/* For a method that the service does not have: UNIMPLEMENTED, in the words that peers know from the
 * reference. |feature| (NULL: none) is what this server would need for it. */
void gush_rpc_verdict_unknown(struct gush_rpc_verdict *verdict, const struct gush_rpc_head *head,
                              const char *feature);

/* All functions run on the call's lane. |call| is named first in a call's life in on_request, or in
 * on_half_close when it has no message at all. */
struct gush_rpc_service {
    const char *name; /* "package.Service" */
    void *ctx;
    void (*admit)(void *ctx, const struct gush_rpc_head *head, struct gush_rpc_verdict *verdict);
    /* The message of the call; with |many| each that was asked for, the first unasked. |message| is
     * borrowed until this returns. */
    void (*on_request)(void *ctx, struct gush_rpc_call *call, struct gush_span message);
    /* The peer will send no more; of a peer that left this may be the first news. Only for calls
     * admitted with |many|; NULL if there are none. */
    void (*on_half_close)(void *ctx, struct gush_rpc_call *call);
    /* The messages of a burst: up to GUSH_RPC_PIECES_MAX of them, each with its 5 bytes; returns
     * how many. They stay as they are until on_sent. NULL if burst is never called. */
    size_t (*pieces)(void *ctx, struct gush_rpc_call *call, struct gush_span *out);
    /* The send or burst reported as GUSH_EAGAIN is over; not |ok|: on_closed follows. NULL if none
     * is made. */
    void (*on_sent)(void *ctx, struct gush_rpc_call *call, bool ok);
    /* The peer left, or the deadline passed, before finish; or a further message could not be
     * taken, and the call is refused for it. Nothing is to be sent or finished any more. May be
     * NULL. */
    void (*on_gone)(void *ctx, struct gush_rpc_call *call);
    /* |call| ends with this. Only for calls that were named before. May be NULL. */
    void (*on_closed)(void *ctx, struct gush_rpc_call *call);
};

/* Which of |services| (the first NULL ends the list) takes the call of |path|, which is
 * "/package.Service/Method"; NULL: |verdict| says why nobody does. |head| has everything but the
 * method. */
const struct gush_rpc_service *
gush_rpc_service_admit(const struct gush_rpc_service *const *services, struct gush_span path,
                       struct gush_rpc_head *head, struct gush_rpc_verdict *verdict);

#endif
