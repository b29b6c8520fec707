#include "server/engine/users.h"

#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

struct user {
    int64_t connections_n;
    size_t name_n;
    uint8_t name[];
};

static struct gush_span user_key(const void *entry)
{
    const struct user *u = entry;
    return gush_span_of(u->name, u->name_n);
}

void gush_users_init(struct gush_users *u, const struct gush_hash_key *hash_key)
{
    u->hash_key = hash_key;
    for (unsigned i = 0; i < GUSH_USERS_SHARDS; i++) {
        gush_mutex_init(&u->shards[i].lock);
        gush_map_init(&u->shards[i].map, user_key, hash_key);
    }
}

void gush_users_fini(struct gush_users *u)
{
    for (unsigned i = 0; i < GUSH_USERS_SHARDS; i++) {
        GUSH_ASSERT(gush_map_n(&u->shards[i].map) == 0);
        gush_map_fini(&u->shards[i].map);
        gush_mutex_fini(&u->shards[i].lock);
    }
}

static struct gush_users_shard *shard_of(struct gush_users *u, struct gush_span user)
{
    return &u->shards[gush_hash(u->hash_key, user) >> 58];
}

static struct user *find_or_new(struct gush_users *users, struct gush_users_shard *sh,
                                struct gush_span name)
{
    struct user *u = gush_map_find(&sh->map, name);

    if (u == NULL) {
        u = gush_zalloc(1, sizeof *u + name.n);
        u->name_n = name.n;
        if (name.n)
            memcpy(u->name, name.p, name.n);
        gush_map_insert(&sh->map, u);
        atomic_fetch_add_explicit(&users->n, 1, memory_order_relaxed);
    }
    return u;
}

gush_err gush_users_enter(struct gush_users *users, struct gush_span name, int64_t limit)
{
    struct gush_users_shard *sh = shard_of(users, name);
    gush_err err = GUSH_OK;

    gush_mutex_lock(&sh->lock);
    struct user *u = find_or_new(users, sh, name);
    if (limit > 0 && u->connections_n >= limit)
        err = GUSH_ELIMIT;
    else
        u->connections_n++;
    gush_mutex_unlock(&sh->lock);
    return err;
}

void gush_users_leave(struct gush_users *users, struct gush_span name)
{
    struct gush_users_shard *sh = shard_of(users, name);

    gush_mutex_lock(&sh->lock);
    struct user *u = gush_map_find(&sh->map, name);
    GUSH_ASSERT(u != NULL && u->connections_n > 0);
    if (--u->connections_n == 0) {
        gush_map_remove(&sh->map, name);
        gush_free(u);
        atomic_fetch_sub_explicit(&users->n, 1, memory_order_relaxed);
    }
    gush_mutex_unlock(&sh->lock);
}

uint64_t gush_users_n(const struct gush_users *u)
{
    return atomic_load_explicit(&u->n, memory_order_relaxed);
}
