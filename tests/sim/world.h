/* world: one play: a node, its lanes, the peers on them, the publishers, the broker's model.
 *
 * The director (world_direct) lets things happen in phases, waits for rest behind each, and has the
 * oracle judge; at the end everything is closed and nothing may be left.
 *
 * Owner     the process               Thread  fields say who touches them
 * Lifetime  one play */
#ifndef GUSH_SIM_WORLD_H
#define GUSH_SIM_WORLD_H

#include <stdatomic.h>

#include "server/base/lane.h"

#include "server/engine/client.h"
#include "server/engine/node.h"

#include "tests/sim/model.h"
#include "tests/sim/oracle.h"
#include "tests/sim/peer.h"
#include "tests/sim/plan.h"

#define WORLD_CALL_CODE  (UINT32_C(1) << 20) /* disconnects by the API: and the tick of the call */
#define WORLD_EVENTS_MAX (PLAN_PEERS_MAX * 3)

struct world;

/* A caller of the API, in one phase. */
struct publisher {
    struct world *world;
    uint32_t index, phase;
    struct gush_rng rng;
};

/* Something that happens to a peer on its lane's thread, between turns. */
struct world_event {
    uint64_t due_us;
    void (*happen)(void *arg);
    void *arg;
};

struct world_lane {
    struct gush_lane lane;
    struct world *world;
    char name[16];
    struct stage_signal signal;
    atomic_bool woken;   /* by the engine: it must be turned */
    atomic_bool in_turn; /* statistic of the stage: answers come only inside */
    atomic_bool closed;
    atomic_bool invited; /* who is away may come now */
    /* the lane's */
    uint64_t turn_due_us;
    struct world_event events[WORLD_EVENTS_MAX];
    uint32_t events_n;
    struct wire_message message; /* room for decoding */
};

struct world {
    struct plan plan;
    struct oracle oracle;
    const struct gush_config *config;
    struct gush_host host;
    struct stage_lock random_lock;
    struct gush_rng random; /* lock: random_lock */
    struct gush_token_verifier *verifier;
    struct gush_rng dice; /* the director's */
    struct gush_node *node;
    struct model *model; /* NULL: local streams */
    struct world_lane lanes[PLAN_LANES_MAX];
    struct peer peers[PLAN_PEERS_MAX];
    struct stage_lock conns_lock;
    struct conn *conns; /* lock: conns_lock; newest first */
    uint32_t conns_n;
    atomic_uint publishers_left;
    struct stage_signal publisher_left;
    struct publisher publishers[PLAN_PUBLISHERS_MAX + 1];
    atomic_uint phase;
    atomic_bool calm;    /* peers come back and stay */
    atomic_bool closing; /* peers go and stay away */
    atomic_bool ending;  /* lanes close when their clients are gone */
    atomic_uint frozen_n;
    atomic_bool freeze;
    struct stage_signal thaw[PLAN_LANES_MAX];
    atomic_uint_fast64_t caches_live; /* what transports keep beside frames */
};

/* |config| was patched for |plan|. Runs one play to its end. */
void world_play(const struct plan *plan, const struct gush_config *config,
                const struct stage_options *options);
/* Behind a play: no counted object of the engine is left. */
void world_judge_counters(void);
/* Publications decoded in the last play. */
uint64_t world_deliveries(void);

/* On the lane: |happen| is called |delay_us| from now. */
void world_later(struct world_lane *wl, uint64_t delay_us, void (*happen)(void *arg), void *arg);

/* ---- publisher.c ----------------------------------------------------------------------------- */

/* Actors. */
void publisher_run(void *arg);
void publisher_elsewhere_run(void *arg);
/* The director's own calls, at rest. Reads every stream into the oracle. */
void publisher_read_streams(struct world *w);
/* Who is present; NULL where nobody keeps presence. To be judged while everything stands still. */
struct presence_op *publisher_ask_presence(struct world *w, uint32_t channel);
void publisher_judge_presence(const struct world *w, struct presence_op *op);

#endif
