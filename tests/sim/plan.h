/* plan: what a seed decides before the play begins: how many of what, how fast, how faulty.
 *
 * Lifetime  one play; the configuration is loaded once per process and patched for each */
#ifndef GUSH_SIM_PLAN_H
#define GUSH_SIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/config/config.h"

#include "tests/sim/model.h"
#include "tests/sim/oracle.h"

/*    name    namespace options that matter here */
#define PLAN_KIND_MAP(X)                                                                           \
    X(REC, "rec")     /* history, recovery */                                                      \
    X(POS, "pos")     /* history, positions only */                                                \
    X(RAW, "raw")     /* nothing kept */                                                           \
    X(MEM, "mem")     /* presence, join and leave, nothing kept */                                 \
    X(JLR, "jlr")     /* recovery, presence, join and leave */                                     \
    X(DROP, "drop")   /* nothing kept, drop_oldest */                                              \
    X(LAST, "last")   /* nothing kept, latest */                                                   \
    X(HIST, "hist")   /* history, no positions */                                                  \
    X(CACHE, "cache") /* recovery of the newest publication only */

enum plan_kind {
#define X(name, text) PLAN_##name,
    PLAN_KIND_MAP(X)
#undef X
        PLAN_KINDS_N
};

#define PLAN_LANES_MAX      3
#define PLAN_PEERS_MAX      64
#define PLAN_PUBLISHERS_MAX 3

struct plan {
    uint64_t seed;
    bool remote, elsewhere, doors, removes, meta_expires, keys, odd;
    bool stragglers; /* API calls go on while everything closes */
    bool rude;       /* the end comes in the middle of everything */
    bool lonely;     /* nobody is there for seconds */
    bool tokens;     /* some have a user, and an end */
    bool calls;      /* the API subscribes, unsubscribes, disconnects, refreshes */
    int64_t user_limit;
    bool abrupt; /* a lane closes as soon as its clients are gone */
    uint32_t lanes_n, peers_n, publishers_n, ops_n, phases_n;
    uint32_t channels_n;
    enum plan_kind kinds[ORACLE_CHANNELS_MAX];
    char names[ORACLE_CHANNELS_MAX][16];
    int64_t size, ttl_s, meta_ttl_s;
    uint64_t pace_us;     /* between two things that one actor does */
    uint64_t check_ms;    /* channel_position_check_delay */
    uint64_t patience_us; /* time for the checks behind a broken connection */
    /* peers, each of 256 */
    uint32_t late, very_late, stalls, dies, errors, never_connects;
    uint32_t acts_n; /* things a connection does before its peer rests */
    bool small_queues, short_age;
    int64_t queue_bytes;
    int64_t ping_ms, recovery_limit, stale_ms;
    struct model_faults faults;
};

/* |threads|: a round of stress: more of everything, and nothing that takes many real seconds. */
void plan_make(struct plan *plan, uint64_t seed, bool threads);
/* Once per process. Ends it if the configuration cannot be loaded. */
struct gush_config *plan_config(void);
void plan_patch(const struct plan *plan, struct gush_config *config);
void plan_channels(const struct plan *plan, struct oracle *oracle);

#endif
