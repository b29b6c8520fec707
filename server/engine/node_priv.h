/* node_priv: what the files of the engine share about the node. */
#ifndef GUSH_ENGINE_NODE_PRIV_H
#define GUSH_ENGINE_NODE_PRIV_H

#include "server/base/metrics.h"

#include "server/engine/admission.h"
#include "server/engine/channel.h"
#include "server/engine/event_id.h"
#include "server/engine/node.h"
#include "server/engine/outbox.h"
#include "server/engine/users.h"

struct gush_client;
struct gush_clients_part;

/* Names a client in answers that come later; a stale one is dropped by its lane. */
struct gush_client_ref {
    uint32_t lane, slot, generation;
};

/* The engine's part of one lane. The lane's thread only. */
struct gush_lane_state {
    struct gush_node *node;
    struct gush_lane *lane;
    struct gush_client_slot {
        struct gush_client *client; /* NULL: free */
        uint32_t generation, next_free;
    } * slots;
    uint32_t slots_n, first_free; /* UINT32_MAX: none */
    struct gush_timer sweep;
    struct gush_timer snapshot; /* of the metrics; the first worker lane's */
    unsigned sweep_shard;       /* where to go on */
    bool sweep_again;           /* more is due somewhere */
    bool sweep_checks;          /* this pass looks for position checks */
    /* calls on clients, the oldest first: answered up to the one that walks, which goes on there */
    struct gush_work calls_work;
    struct gush_clients_part *calls, *calls_tail, *walking;
    struct gush_client *walk_at;
    uint64_t walk_cost; /* since a turn ended */
    /* everybody out: slots looked at, clients told, clients there when it began */
    uint32_t out_at, out_told_n, out_of_n;
    /* what was logged of slow clients this second, and what was not */
    uint64_t slow_said_s, slow_unsaid_n;
    unsigned slow_said_n;
    struct gush_outbox_sent sent[GUSH_TRANSPORTS_N][GUSH_FRAMINGS_N];
};

struct gush_node {
    const struct gush_config *config;
    const struct gush_token_verifier *verifier;
    const struct gush_broker *broker;
    const struct gush_host *host;
    struct gush_lane **lanes;
    size_t lanes_n;
    const char *version;
    struct gush_metrics *metrics;
    atomic_bool closed;
    struct gush_admission admission;
    struct gush_event_id_key event_ids; /* frozen */
    char id[36];
    uint64_t started_ms;
    struct gush_channel_table channels;
    struct gush_users users;
    struct gush_lane_state *states; /* by lane index */
    /* doors that wait for lanes to catch up */
    struct gush_mutex doors_lock;
    struct gush_door *doors;
    unsigned doors_n;
    atomic_bool doors_wait;
    /* generation of the broker's connection, 0 while it is down. atomic: read under channel locks
     */
    atomic_uint_fast64_t remote_generation;
};

/* The position of the channel's namespace among labels of metrics. */
uint32_t gush__node_namespace(const struct gush_node *node, struct gush_span channel);
/* Counts one more on |lane|. Any thread. */
static inline void gush__node_tally(const struct gush_node *node, const struct gush_lane *lane,
                                    enum gush_metric metric, struct gush_metrics_at at)
{
    gush_metrics_add(node->metrics, lane->index, metric, at, 1);
}
uint64_t gush__node_now_ms(const struct gush_node *node); /* monotonic */
int64_t gush__node_wall_ms(const struct gush_node *node);
void gush__node_uuid(const struct gush_node *node, char out[36]);
void gush__node_new_epoch(const struct gush_node *node, struct gush_epoch *out);
uint64_t gush__node_meta_ttl_ms(const struct gush_node *node,
                                const struct gush_channel_options *options);
/* Wakes lanes by bit. No lock held. */
void gush__node_wake(struct gush_node *node, uint64_t lanes);
/* Answers an API call: posts its letter to its home lane. */
void gush__node_answer(struct gush_api_call *call, uint32_t error);
static inline bool gush__keeps_history(const struct gush_channel_options *o)
{
    return o->history_size > 0 && o->history_ttl_s > 0;
}

struct gush_lane_state *gush__lane_state(const struct gush_node *node,
                                         const struct gush_lane *lane);
struct gush_client_ref gush__lane_enter(struct gush_lane_state *s, struct gush_client *client);
void gush__lane_leave(struct gush_lane_state *s, uint32_t slot);
/* NULL: it is gone. */
struct gush_client *gush__lane_client(const struct gush_lane_state *s, struct gush_client_ref ref);

/* A statistic of the lane: written by it alone. */
static inline void gush__count(atomic_uint_fast64_t *counter, int64_t by)
{
    uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, v + (uint64_t)by, memory_order_relaxed);
}

#endif
