/* roster: the open streams of one service, lane by lane, and a way to reach each of them on its
 * lane.
 *
 * For services whose streams stay open: a change of theirs is told to all, and at the end they go
 * without holding up anybody. A stream that does not go by itself is cancelled a second later.
 *
 * Owner     the service
 * Thread    new, free: the main one; look, end, is_ended: any; the rest the stream's lane
 * Lifetime  new .. (its doors were freed) .. free
 * Limits    streams per lane as given */
#ifndef GUSH_RPC_ROSTER_H
#define GUSH_RPC_ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "server/rpc/call.h"

struct gush_rpc_roster;

/* Embedded in what the service keeps for a stream. */
struct gush_rpc_roster_entry {
    struct gush_rpc_call *call;
    struct gush_rpc_roster_entry *prev, *next;
};

/* |look| runs for every stream some time after each look and end. It may finish the call. */
struct gush_rpc_roster *gush_rpc_roster_new(struct gush_lane *const *lanes, size_t lanes_n,
                                            size_t per_lane_max,
                                            void (*look)(struct gush_rpc_roster_entry *entry));
/* No stream is left, and the lanes were closed or never ran. |roster| may be NULL. */
void gush_rpc_roster_free(struct gush_rpc_roster *roster);

/* Enters |call|, from on_request. False: its lane has as many as it may. */
bool gush_rpc_roster_try_add(struct gush_rpc_roster *roster, struct gush_rpc_roster_entry *entry,
                             struct gush_rpc_call *call);
/* From on_closed. */
void gush_rpc_roster_remove(struct gush_rpc_roster *roster, struct gush_rpc_roster_entry *entry);

void gush_rpc_roster_look(struct gush_rpc_roster *roster);
/* Every stream is to end now; so are those that come later. */
void gush_rpc_roster_end(struct gush_rpc_roster *roster);
bool gush_rpc_roster_is_ended(const struct gush_rpc_roster *roster);

#endif
