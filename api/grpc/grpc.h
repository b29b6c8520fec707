/* grpc: the server API over gRPC: centrifugal.centrifugo.api.CentrifugoApi.
 *
 * The key (metadata `authorization: apikey KEY`) is looked at before anything else, also for
 * methods that are not here; without a configured key everybody may call. A request that is no
 * protobuf ends with INTERNAL, one with too many fields with RESOURCE_EXHAUSTED. Errors of methods
 * travel inside the response, or as status when grpc_api.error_mode or the metadata
 * `x-centrifugo-error-mode` say `transport`; a batch always answers inside.
 *
 * While lanes are behind, requests wait at the door of their lane; C core takes no more of them
 * then, other doors as many as may wait. Owner     server/app Thread    new, free: the main one;
 * the rest happens on the calls' lanes Lifetime  new .. its doors were freed .. free Limits    its
 * server's; api/core/methods.h; waiting requests of one lane spec: server API 1.6, 2 */
#ifndef GUSH_API_GRPC_H
#define GUSH_API_GRPC_H

#include <stddef.h>

#include "server/rpc/server.h"

#include "server/engine/node.h"

struct gush_api_grpc;

struct gush_api_grpc *gush_api_grpc_new(struct gush_node *node);
void gush_api_grpc_free(struct gush_api_grpc *api);

/* What a server offers to serve this. Valid until free. */
const struct gush_rpc_service *gush_api_grpc_service(const struct gush_api_grpc *api);
/* Calls will come on |lanes|, none of which was named before: requests can wait there, each lane's
 * in bounded number. |server|, if they are C core's (else NULL), takes no more calls meanwhile.
 * Once for each door, before anything starts. */
void gush_api_grpc_attach(struct gush_api_grpc *api, struct gush_rpc_server *server,
                          struct gush_lane *const *lanes, size_t lanes_n);

/* Requests that are not answered yet; when the node is closed, no more come. Any thread. */
size_t gush_api_grpc_under_way(const struct gush_api_grpc *api);

#endif
