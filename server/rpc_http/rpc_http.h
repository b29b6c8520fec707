/* rpc_http: the gRPC wire on an HTTP port: the door for calls that come as HTTP/2 requests.
 *
 * The same services as behind C core's door (server/rpc/call.h), over exchanges. A call without
 * |many| is given to its service when all of its body is there and is one message; one with |many|
 * message by message, no faster than they are asked for. Whoever breaks the rules of gRPC gets a
 * status, whoever does not speak gRPC one of HTTP: 415 for another content type, 405 for another
 * method than POST.
 *
 * Owner     server/app                Thread  new, offer, route, free: the main one; calls: their
 *                                             exchange's lane
 * Lifetime  new, offer, route .. the protocols that serve the route were freed .. free
 * Limits    a message and the time for it as offered; GUSH_EXCHANGE_BODY_WINDOW of what was not
 *           asked for; GUSH_RPC_SERVICES_MAX services. What long messages that are being read have
 *           beyond GUSH_RPC_HTTP_LONG is at most GUSH_RPC_HTTP_LONG_MAX of a service, or one
 *           message; others are refused: RESOURCE_EXHAUSTED
 * Memory    72 bytes for a call besides its exchange; what is needed to read a request goes
 *           with the request
 * spec      gRPC over HTTP/2 */
#ifndef GUSH_RPC_HTTP_RPC_HTTP_H
#define GUSH_RPC_HTTP_RPC_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "server/http/router.h"
#include "server/rpc/service.h"

#define GUSH_RPC_HTTP_LONG     ((size_t)64 << 10)
#define GUSH_RPC_HTTP_LONG_MAX ((size_t)64 << 20)

struct gush_rpc_http;

struct gush_rpc_http_limits {
    size_t request_max_bytes;    /* one message, packed and opened */
    uint64_t request_timeout_ms; /* from asking for a message to having it; 0: none */
};

struct gush_rpc_http *gush_rpc_http_new(void);
/* No call is left. |door| may be NULL. */
void gush_rpc_http_free(struct gush_rpc_http *door);
/* Serves |service| (borrowed) from now on, before the first call. */
void gush_rpc_http_offer(struct gush_rpc_http *door, const struct gush_rpc_service *service,
                         const struct gush_rpc_http_limits *limits);
/* What a router is given. */
struct gush_route gush_rpc_http_route(struct gush_rpc_http *door);

#endif
