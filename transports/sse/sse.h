/* sse: uni_sse, pushes to browsers as server-sent events (EventSource).
 *
 * The connect request comes in ?cf_connect= or as a POST body. The answer is a stream that begins
 * with an empty line and carries one event per push. Events of clients with positions carry an id,
 * which the browser brings back when it reconnects (engine/marks.h).
 *
 * Owner     server/app                Thread  new, route, free: the main one; the rest on the lanes
 * Limits    those of http_push
 * spec      transports 1, 2, 8 */
#ifndef GUSH_TRANSPORT_SSE_H
#define GUSH_TRANSPORT_SSE_H

#include "server/http/cors.h"
#include "server/http/router.h"

#include "server/engine/node.h"

struct gush_sse;

/* |node| and |cors| are borrowed. */
struct gush_sse *gush_sse_new(struct gush_node *node, const struct gush_cors *cors);
/* When no connection is left: after the loops were joined. NULL is fine. */
void gush_sse_free(struct gush_sse *sse);

/* Serves uni_sse.handler_prefix.
 *   GUSH_EBUSY   another endpoint has that path */
GUSH_MUST_USE gush_err gush_sse_route(struct gush_sse *sse, struct gush_router *router);

#endif
