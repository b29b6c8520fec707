/* users: which user has how many connections on which lane. Touched at authentication and close,
 * and by API calls that look for somebody's clients.
 *
 * Two parts. The node's table counts, in 64 shards with a mutex each. Each entry holds, per lane,
 * the list of that user's clients there: only that lane touches it.
 * Owner     the node                  Thread  enter, leave, hold, drop: any; lists: their lane's */
#ifndef GUSH_ENGINE_USERS_H
#define GUSH_ENGINE_USERS_H

#include "server/base/error.h"
#include "server/base/map.h"
#include "server/base/sync.h"

#define GUSH_USERS_SHARDS 64

struct gush_client;
struct gush_user;

struct gush_users {
    const struct gush_hash_key *hash_key;
    unsigned lanes_n;
    atomic_uint_fast64_t n; /* users with a connection */
    struct gush_users_shard {
        struct gush_mutex lock;
        struct gush_map map;
    } shards[GUSH_USERS_SHARDS];
};

void gush_users_init(struct gush_users *u, const struct gush_hash_key *hash_key, unsigned lanes_n);
void gush_users_fini(struct gush_users *u);
/* One more connection of |name| on |lane|; end with gush_users_leave. |*number| orders the
 * connections of one user: later ones have a larger one.
 *   GUSH_ELIMIT   it would be more than |limit| (0: no limit) */
GUSH_MUST_USE gush_err gush_users_enter(struct gush_users *u, struct gush_span name, unsigned lane,
                                        int64_t limit, struct gush_user **out, uint64_t *number);
void gush_users_leave(struct gush_users *u, struct gush_user *user, unsigned lane);
uint64_t gush_users_n(const struct gush_users *u);

/* Keeps the entry while letters travel; |*lanes| are those with connections, by bit. NULL: the user
 * has none. End with gush_users_drop. */
struct gush_user *gush_users_hold(struct gush_users *u, struct gush_span name, uint64_t *lanes);
void gush_users_drop(struct gush_users *u, struct gush_user *user);

struct gush_span gush_users_name(const struct gush_user *user);
/* Head of the list of this user's clients on |lane|. On that lane. */
struct gush_client **gush_users_clients(struct gush_user *user, unsigned lane);

#endif
