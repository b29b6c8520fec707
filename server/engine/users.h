/* users: how many connections each user has on this node. Touched at authentication and at close.
 *
 * Owner     the node                  Thread  any; 64 shards, a mutex each */
#ifndef GUSH_ENGINE_USERS_H
#define GUSH_ENGINE_USERS_H

#include "server/base/error.h"
#include "server/base/map.h"
#include "server/base/sync.h"

#define GUSH_USERS_SHARDS 64

struct gush_users {
    const struct gush_hash_key *hash_key;
    atomic_uint_fast64_t n;
    struct gush_users_shard {
        struct gush_mutex lock;
        struct gush_map map;
    } shards[GUSH_USERS_SHARDS];
};

void gush_users_init(struct gush_users *u, const struct gush_hash_key *hash_key);
void gush_users_fini(struct gush_users *u);
/* One more connection of |user|.   GUSH_ELIMIT   it would be more than |limit| (0: no limit) */
GUSH_MUST_USE gush_err gush_users_enter(struct gush_users *u, struct gush_span user, int64_t limit);
void gush_users_leave(struct gush_users *u, struct gush_span user);
uint64_t gush_users_n(const struct gush_users *u);

#endif
