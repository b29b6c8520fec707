/* grpc_uni: CentrifugoUniStream over gRPC: one Consume request, then bare pushes until the end.
 *
 * The end is a disconnect push and status OK; a stream that cannot take any more is reset. Request
 * metadata is no source of authentication.
 * Owner     server/app
 * Thread    new, free: the main one; the rest happens on the calls' lanes
 * Lifetime  new .. its doors were freed .. free
 * Limits    its server's; GUSH_CONNECT_MEMBERS_MAX members in a request
 * spec: transports 9, T1, T2 */
#ifndef GUSH_TRANSPORT_GRPC_UNI_H
#define GUSH_TRANSPORT_GRPC_UNI_H

#include "server/rpc/service.h"

#include "server/engine/node.h"

struct gush_grpc_uni;

struct gush_grpc_uni *gush_grpc_uni_new(struct gush_node *node);
void gush_grpc_uni_free(struct gush_grpc_uni *uni);

/* What a server offers to serve this. Valid until free. */
const struct gush_rpc_service *gush_grpc_uni_service(const struct gush_grpc_uni *uni);

#endif
