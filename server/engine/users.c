#include "server/engine/users.h"

#include <string.h>

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/base/mem.h"

/* What one lane has of a user. */
struct lane_part {
    struct gush_client *first; /* the lane's own */
    uint32_t connections_n;    /* lock: shard */
};

struct gush_user {
    struct gush_bytes *name; /* frozen */
    /* lock: shard */
    int64_t connections_n;
    uint64_t numbers;
    uint32_t holds; /* API calls under way */
    struct lane_part lanes[];
};

struct gush_span gush_users_name(const struct gush_user *user)
{
    return gush_bytes_span(user->name);
}

struct gush_client **gush_users_clients(struct gush_user *user, unsigned lane)
{
    return &user->lanes[lane].first;
}

static struct gush_span user_key(const void *entry)
{
    return gush_users_name(entry);
}

void gush_users_init(struct gush_users *u, const struct gush_hash_key *hash_key, unsigned lanes_n)
{
    u->hash_key = hash_key;
    u->lanes_n = lanes_n;
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

static struct gush_users_shard *shard_of(struct gush_users *u, struct gush_span name)
{
    return &u->shards[gush_hash(u->hash_key, name) >> 58];
}

/* Shard locked. */
static struct gush_user *find_or_new(struct gush_users *u, struct gush_users_shard *sh,
                                     struct gush_span name)
{
    struct gush_user *user = gush_map_find(&sh->map, name);

    if (user == NULL) {
        user = gush_zalloc(1, sizeof *user + u->lanes_n * sizeof(struct lane_part));
        user->name = gush_bytes_copy(name);
        gush_map_insert(&sh->map, user);
    }
    return user;
}

/* Shard locked: nobody needs the entry any more? */
static void forget_if_idle(struct gush_users_shard *sh, struct gush_user *user)
{
    if (user->connections_n > 0 || user->holds > 0)
        return;
    gush_map_remove(&sh->map, gush_users_name(user));
    gush_bytes_unref(user->name);
    gush_free(user);
}

gush_err gush_users_enter(struct gush_users *u, struct gush_span name, unsigned lane, int64_t limit,
                          struct gush_user **out, uint64_t *number)
{
    struct gush_users_shard *sh = shard_of(u, name);
    gush_err err = GUSH_OK;

    gush_mutex_lock(&sh->lock);
    struct gush_user *user = find_or_new(u, sh, name);
    if (limit > 0 && user->connections_n >= limit) {
        err = GUSH_ELIMIT;
        forget_if_idle(sh, user);
    } else {
        if (user->connections_n++ == 0)
            atomic_fetch_add_explicit(&u->n, 1, memory_order_relaxed);
        user->lanes[lane].connections_n++;
        *number = ++user->numbers;
        *out = user;
    }
    gush_mutex_unlock(&sh->lock);
    return err;
}

void gush_users_leave(struct gush_users *u, struct gush_user *user, unsigned lane)
{
    struct gush_users_shard *sh = shard_of(u, gush_users_name(user));

    gush_mutex_lock(&sh->lock);
    GUSH_ASSERT(user->connections_n > 0 && user->lanes[lane].connections_n > 0);
    user->lanes[lane].connections_n--;
    if (--user->connections_n == 0)
        atomic_fetch_sub_explicit(&u->n, 1, memory_order_relaxed);
    forget_if_idle(sh, user);
    gush_mutex_unlock(&sh->lock);
}

uint64_t gush_users_n(const struct gush_users *u)
{
    return atomic_load_explicit(&u->n, memory_order_relaxed);
}

struct gush_user *gush_users_hold(struct gush_users *u, struct gush_span name, uint64_t *lanes)
{
    struct gush_users_shard *sh = shard_of(u, name);

    *lanes = 0;
    gush_mutex_lock(&sh->lock);
    struct gush_user *user = gush_map_find(&sh->map, name);
    if (user) {
        user->holds++;
        for (unsigned i = 0; i < u->lanes_n; i++)
            if (user->lanes[i].connections_n > 0)
                *lanes |= UINT64_C(1) << i;
    }
    gush_mutex_unlock(&sh->lock);
    return user;
}

void gush_users_drop(struct gush_users *u, struct gush_user *user)
{
    struct gush_users_shard *sh = shard_of(u, gush_users_name(user));

    gush_mutex_lock(&sh->lock);
    GUSH_ASSERT(user->holds > 0);
    user->holds--;
    forget_if_idle(sh, user);
    gush_mutex_unlock(&sh->lock);
}
