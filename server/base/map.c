#include "server/base/map.h"

#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#define FIRST_CAP 8

static char gone;
#define TOMBSTONE ((void *)&gone)

/* One slot more than cap: while it is set an iteration is under way, and remove may not shrink. */
#define WALKING(m) ((m)->slots[(m)->cap])

void gush_map_init(struct gush_map *m, gush_map_key_fn *key_of,
                   const struct gush_hash_key *hash_key)
{
    *m = (struct gush_map){.key_of = key_of, .hash_key = hash_key};
}

void gush_map_fini(struct gush_map *m)
{
    gush_free(m->slots);
    m->slots = NULL;
    m->hashes = NULL;
    m->cap = m->live = m->used = 0;
}

static bool is_entry(const void *slot)
{
    return slot != NULL && slot != TOMBSTONE;
}

/* Puts |entry| into the first free slot of its run; there is one. */
static void settle(struct gush_map *m, void *entry, uint32_t hash)
{
    uint32_t mask = m->cap - 1, i = hash & mask;

    while (is_entry(m->slots[i]))
        i = (i + 1) & mask;
    if (m->slots[i] == NULL)
        m->used++;
    m->slots[i] = entry;
    m->hashes[i] = hash;
    m->live++;
}

/* New slots, at most half full with |n| entries; the tombstones stay behind. */
static void rehash(struct gush_map *m, uint32_t n)
{
    struct gush_map old = *m;
    size_t slots_bytes;
    uint32_t cap = FIRST_CAP;

    while (cap / 2 < n) {
        GUSH_ASSERT(cap <= UINT32_MAX / 4);
        cap *= 2;
    }
    slots_bytes = ((size_t)cap + 1) * sizeof(void *);
    m->slots = gush_zalloc(1, slots_bytes + (size_t)cap * sizeof(uint32_t));
    m->hashes = (uint32_t *)(void *)((char *)m->slots + slots_bytes);
    m->cap = cap;
    m->live = m->used = 0;
    for (uint32_t i = 0; i < old.cap; i++) {
        if (is_entry(old.slots[i]))
            settle(m, old.slots[i], old.hashes[i]);
    }
    GUSH_ASSERT(m->live == old.live);
    gush_free(old.slots);
}

/* Index of the entry with |key|, or cap. */
static uint32_t index_of(const struct gush_map *m, struct gush_span key)
{
    uint32_t mask = m->cap - 1, hash;

    if (m->live == 0)
        return m->cap;
    hash = (uint32_t)gush_hash(m->hash_key, key);
    for (uint32_t i = hash & mask; m->slots[i] != NULL; i = (i + 1) & mask) {
        if (m->slots[i] != TOMBSTONE && m->hashes[i] == hash &&
            gush_span_eq(m->key_of(m->slots[i]), key))
            return i;
    }
    return m->cap;
}

void *gush_map_find(const struct gush_map *m, struct gush_span key)
{
    uint32_t i = index_of(m, key);

    return i == m->cap ? NULL : m->slots[i];
}

void gush_map_insert(struct gush_map *m, void *entry)
{
    struct gush_span key;

    GUSH_ASSERT(is_entry(entry));
    key = m->key_of(entry);
    GUSH_DEBUG_ASSERT(gush_map_find(m, key) == NULL);
    if (m->used >= m->cap / 4 * 3)
        rehash(m, m->live + 1);
    WALKING(m) = NULL;
    settle(m, entry, (uint32_t)gush_hash(m->hash_key, key));
}

void *gush_map_remove(struct gush_map *m, struct gush_span key)
{
    uint32_t i = index_of(m, key);
    void *entry;

    if (i == m->cap)
        return NULL;
    entry = m->slots[i];
    m->live--;
    if (m->slots[(i + 1) & (m->cap - 1)] == NULL) { /* end of its run: nobody looks further */
        m->slots[i] = NULL;
        m->used--;
    } else {
        m->slots[i] = TOMBSTONE;
    }
    if (m->cap > FIRST_CAP && m->live < m->cap / 8 && !WALKING(m))
        rehash(m, m->live);
    return entry;
}

void *gush_map_next(const struct gush_map *m, uint32_t *at)
{
    while (*at < m->cap) {
        void *slot = m->slots[(*at)++];

        if (is_entry(slot)) {
            WALKING(m) = TOMBSTONE;
            return slot;
        }
    }
    if (m->cap)
        WALKING(m) = NULL;
    return NULL;
}
