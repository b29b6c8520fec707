/* map: open addressing from byte strings to pointers, keyed hash (names come from strangers).
 *
 * The map stores pointers to entries that their owner keeps; each entry can tell its key. It never
 * allocates per entry.
 * Owner     whoever embeds it         Thread  one at a time, or under the owner's lock */
#ifndef GUSH_BASE_MAP_H
#define GUSH_BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/siphash.h"
#include "server/base/span.h"

typedef struct gush_span gush_map_key_fn(const void *entry);

struct gush_map {
    void **slots; /* power of two and one; NULL = free, or the tombstone */
    uint32_t *hashes;
    uint32_t cap, live, used;
    gush_map_key_fn *key_of;
    const struct gush_hash_key *hash_key; /* borrowed */
};

/* No heap until the first insert. |hash_key| outlives the map. */
void gush_map_init(struct gush_map *m, gush_map_key_fn *key_of,
                   const struct gush_hash_key *hash_key);
void gush_map_fini(struct gush_map *m); /* entries are the owner's */
void *gush_map_find(const struct gush_map *m, struct gush_span key);
/* |entry| must not be in the map yet under an equal key (asserted in debug builds). */
void gush_map_insert(struct gush_map *m, void *entry);
/* Removes and returns what was there, or NULL. Shrinks when it became sparse. */
void *gush_map_remove(struct gush_map *m, struct gush_span key);
/* Iteration in no order: start with *at = 0; NULL at the end. Removing the returned entry is
 * allowed, inserting is not. */
void *gush_map_next(const struct gush_map *m, uint32_t *at);

static inline uint32_t gush_map_n(const struct gush_map *m)
{
    return m->live;
}

#endif
