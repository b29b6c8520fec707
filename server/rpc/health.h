/* health: grpc.health.v1, for load balancers and for clients that choose among servers.
 *
 * Check answers once, List for all services, Watch at once and after each change. The empty name
 * stands for the server as a whole. The set of names is fixed: Watch of another one says
 * SERVICE_UNKNOWN and stays open, as the protocol wants it. No key is needed.
 *
 * A watcher that reads slowly is told the newest state only; one message is under way at a time.
 * Owner     server/app
 * Thread    new, free: the main one; set_serving, end: any; the rest happens on the calls' lanes
 * Lifetime  new .. its door was freed .. free
 * Limits    GUSH_RPC_HEALTH_WATCHES_MAX streams a lane, GUSH_RPC_HEALTH_NAMES_MAX services */
#ifndef GUSH_RPC_HEALTH_H
#define GUSH_RPC_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include "server/rpc/service.h"

#define GUSH_RPC_HEALTH_NAME        "grpc.health.v1.Health"
#define GUSH_RPC_HEALTH_NAMES_MAX   GUSH_RPC_SERVICES_MAX
#define GUSH_RPC_HEALTH_WATCHES_MAX 1000

struct gush_rpc_health;

/* For a door with calls on |lanes|. |names|: its services, borrowed texts, the first NULL ends the
 * list. All of them serve. */
struct gush_rpc_health *gush_rpc_health_new(struct gush_lane *const *lanes, size_t lanes_n,
                                            const char *const *names);
/* |health| may be NULL. */
void gush_rpc_health_free(struct gush_rpc_health *health);
/* What a server offers to serve this. Valid until free. */
const struct gush_rpc_service *gush_rpc_health_service(const struct gush_rpc_health *health);

/* Says whether |name| serves; "" the server as a whole, NULL everything. Watchers hear of it soon.
 *   GUSH_EUNKNOWN   there is no such name; nothing changed */
GUSH_MUST_USE gush_err gush_rpc_health_set_serving(struct gush_rpc_health *health, const char *name,
                                                   bool serving);
/* The server goes down: nothing serves any more, and each Watch ends with UNAVAILABLE after it has
 * said so. Check still answers. */
void gush_rpc_health_end(struct gush_rpc_health *health);

#endif
