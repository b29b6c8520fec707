/* presence: who is in one channel, on this node.
 *
 * Its own mutex, never the publish path's; users are counted as they come and go.
 * Owner     the channel               Thread  any
 * Lifetime  made by the first member, freed with the channel */
#ifndef GUSH_ENGINE_PRESENCE_H
#define GUSH_ENGINE_PRESENCE_H

#include "server/base/map.h"

#include "server/engine/node.h"

struct gush_presence;

struct gush_presence *gush_presence_new(const struct gush_hash_key *hash_key);
void gush_presence_free(struct gush_presence *p); /* NULL is fine */
/* |member| carries the client's info; a reference is taken. */
void gush_presence_add(struct gush_presence *p, struct gush_publication *member);
void gush_presence_remove(struct gush_presence *p, const struct gush_publication *member);
/* Clients; |p| may be NULL. */
uint32_t gush_presence_n(const struct gush_presence *p);
/* Fills |call|'s counts, and its clients unless it wants statistics only. */
void gush_presence_read(struct gush_presence *p, struct gush_presence_call *call);

#endif
