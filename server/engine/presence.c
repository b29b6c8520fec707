#include "server/engine/presence.h"

#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/sync.h"

struct user {
    uint32_t clients_n, name_n;
    uint8_t name[];
};

struct gush_presence {
    struct gush_mutex lock;
    struct gush_map members; /* client id to struct gush_publication */
    struct gush_map users;
    atomic_uint n;
};

static struct gush_span member_key(const void *entry)
{
    return gush_publication_view(entry, GUSH_SPAN_EMPTY).info->client;
}

static struct gush_span user_key(const void *entry)
{
    const struct user *u = entry;
    return gush_span_of(u->name, u->name_n);
}

struct gush_presence *gush_presence_new(const struct gush_hash_key *hash_key)
{
    struct gush_presence *p = GUSH_NEW(struct gush_presence);

    gush_mutex_init(&p->lock);
    gush_map_init(&p->members, member_key, hash_key);
    gush_map_init(&p->users, user_key, hash_key);
    return p;
}

void gush_presence_free(struct gush_presence *p)
{
    if (p == NULL)
        return;
    GUSH_ASSERT(gush_map_n(&p->members) == 0 && gush_map_n(&p->users) == 0);
    gush_map_fini(&p->members);
    gush_map_fini(&p->users);
    gush_mutex_fini(&p->lock);
    gush_free(p);
}

static void user_add(struct gush_presence *p, struct gush_span name)
{
    struct user *u = gush_map_find(&p->users, name);

    if (u == NULL) {
        u = gush_zalloc(1, sizeof *u + name.n);
        u->name_n = (uint32_t)name.n;
        if (name.n)
            memcpy(u->name, name.p, name.n);
        gush_map_insert(&p->users, u);
    }
    u->clients_n++;
}

static void user_remove(struct gush_presence *p, struct gush_span name)
{
    struct user *u = gush_map_find(&p->users, name);

    GUSH_ASSERT(u != NULL && u->clients_n > 0);
    if (--u->clients_n == 0) {
        gush_map_remove(&p->users, name);
        gush_free(u);
    }
}

void gush_presence_add(struct gush_presence *p, struct gush_publication *member)
{
    gush_mutex_lock(&p->lock);
    gush_map_insert(&p->members, gush_publication_ref(member));
    user_add(p, gush_publication_view(member, GUSH_SPAN_EMPTY).info->user);
    atomic_fetch_add_explicit(&p->n, 1, memory_order_relaxed);
    gush_mutex_unlock(&p->lock);
}

void gush_presence_remove(struct gush_presence *p, const struct gush_publication *member)
{
    gush_mutex_lock(&p->lock);
    struct gush_publication *found = gush_map_remove(&p->members, member_key(member));
    GUSH_ASSERT(found == member);
    user_remove(p, gush_publication_view(member, GUSH_SPAN_EMPTY).info->user);
    atomic_fetch_sub_explicit(&p->n, 1, memory_order_relaxed);
    gush_mutex_unlock(&p->lock);
    gush_publication_unref(found);
}

uint32_t gush_presence_n(const struct gush_presence *p)
{
    return p ? atomic_load_explicit(&p->n, memory_order_relaxed) : 0;
}

void gush_presence_read(struct gush_presence *p, struct gush_presence_call *call)
{
    gush_mutex_lock(&p->lock);
    uint32_t n = gush_map_n(&p->members), at = 0;
    call->users_n = gush_map_n(&p->users);
    call->clients_n = n;
    if (!call->stats_only && n > 0) {
        struct gush_publication **members = gush_zalloc(n + 1, sizeof *members);
        call->clients = gush_zalloc(n, sizeof(struct gush_client_info));
        for (uint32_t i = 0; i < n; i++) {
            members[i] = gush_publication_ref(gush_map_next(&p->members, &at));
            call->clients[i] = *gush_publication_view(members[i], GUSH_SPAN_EMPTY).info;
        }
        call->memory = members;
    }
    gush_mutex_unlock(&p->lock);
}

void gush_presence_call_fini(struct gush_presence_call *call)
{
    struct gush_publication **members = call->memory;

    for (size_t i = 0; members && members[i]; i++)
        gush_publication_unref(members[i]);
    gush_free(members);
    gush_free(call->clients);
    call->clients = NULL;
    call->memory = NULL;
}
