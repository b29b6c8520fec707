/* reflection: grpc.reflection.v1 and v1alpha: tools ask what this server offers, and get the
 * schemas that it was built from. No key is needed; whoever may not know switches it off.
 *
 * A request is answered before the next one is read. What cannot be found is an error_response, and
 * the stream goes on; what is no protobuf ends it.
 * Owner     server/app
 * Thread    new, free: the main one; end: any; the rest happens on the calls' lanes
 * Lifetime  new .. its door was freed .. free
 * Limits    a request GUSH_RPC_REFLECTION_REQUEST_MAX bytes, a name in it ..._NAME_MAX; a stream
 *           ..._REQUESTS_MAX requests, and the server's request_timeout_ms between them; a lane
 *           ..._STREAMS_MAX streams */
#ifndef GUSH_RPC_REFLECTION_H
#define GUSH_RPC_REFLECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/span.h"

#include "server/rpc/descriptors.h"
#include "server/rpc/service.h"

#define GUSH_RPC_REFLECTION_V1           "grpc.reflection.v1.ServerReflection"
#define GUSH_RPC_REFLECTION_V1ALPHA      "grpc.reflection.v1alpha.ServerReflection"
#define GUSH_RPC_REFLECTION_REQUEST_MAX  ((size_t)4096)
#define GUSH_RPC_REFLECTION_NAME_MAX     ((size_t)1024)
#define GUSH_RPC_REFLECTION_REQUESTS_MAX 10000
#define GUSH_RPC_REFLECTION_STREAMS_MAX  100

struct gush_rpc_reflection;

/* For a door with calls on |lanes|. |names|: its services, borrowed texts, the first NULL ends the
 * list; |set|: the schemas of all of them, borrowed until free. */
struct gush_rpc_reflection *gush_rpc_reflection_new(struct gush_lane *const *lanes, size_t lanes_n,
                                                    const char *const *names, struct gush_span set);
/* |reflection| may be NULL. */
void gush_rpc_reflection_free(struct gush_rpc_reflection *reflection);
/* What a server offers to serve this. Valid until free. */
const struct gush_rpc_service *
gush_rpc_reflection_service_v1(const struct gush_rpc_reflection *reflection);
const struct gush_rpc_service *
gush_rpc_reflection_service_v1alpha(const struct gush_rpc_reflection *reflection);

/* The server goes down: streams end with UNAVAILABLE, new ones are refused. */
void gush_rpc_reflection_end(struct gush_rpc_reflection *reflection);

/* Appends to |reply| the ServerReflectionResponse to |request|. Pure: for the service and its
 * tests. GUSH_ESYNTAX   |request| is no protobuf
 *   GUSH_ELIMIT    |request| is too long */
GUSH_MUST_USE gush_err gush_rpc_reflection_answer(const struct gush_rpc_descriptors *descriptors,
                                                  const char *const *names,
                                                  struct gush_span request, struct gush_buf *reply);

#endif
