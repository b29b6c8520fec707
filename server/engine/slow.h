/* slow: whose queues are not empty. Asked of every lane when somebody wants to know; while nobody
 * does, it costs nothing.
 *
 * Owner     the caller, as every API call (node.h)
 * Thread    any; the lanes look, a slice of their clients at a time
 * Limits    GUSH_SLOW_MAX clients are named; names are cut */
#ifndef GUSH_ENGINE_SLOW_H
#define GUSH_ENGINE_SLOW_H

#include "server/base/metrics.h"

#include "server/engine/node.h"

#define GUSH_SLOW_MAX      100
#define GUSH_SLOW_USER_MAX 64
#define GUSH_SLOW_NAME_MAX 128

struct gush_slow_client {
    char id[36];
    const char *transport;
    uint64_t bytes;    /* queued */
    uint32_t messages; /* queued */
    uint32_t age_ms;   /* of the oldest */
    size_t user_n, channel_n;
    char user[GUSH_SLOW_USER_MAX];
    char channel[GUSH_SLOW_NAME_MAX]; /* with the largest share of the queue; n 0: of none */
};

struct gush_slow_sum {
    uint64_t clients, messages, bytes;
};

struct gush_slow_call {
    struct gush_api_call call;
    size_t most; /* clients to name, up to GUSH_SLOW_MAX */
    /* out; end with gush_slow_call_fini in |done| or |dropped| */
    struct gush_slow_client *clients; /* most bytes first */
    size_t clients_n;
    struct gush_slow_sum sums[GUSH_TRANSPORTS_N]; /* of all, by transport */
    /* the engine's until done */
    struct gush_node *node;
    struct gush_slow_part *parts; /* one per lane */
    atomic_size_t parts_n;        /* still to come */
};

/* No errors. */
void gush_slow(struct gush_node *node, struct gush_slow_call *call);
void gush_slow_call_fini(struct gush_slow_call *call);

struct gush_client;
/* |c| is about to be ended for slowness: counted, and logged, though not too often. */
void gush_slow_disconnected(struct gush_client *c);

#endif
