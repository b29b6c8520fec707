/* http: the server API over HTTP: POST {prefix}/{method}, and POST {prefix} for streams of commands
 * as older clients send them.
 *
 * The key comes in `X-API-Key`, in `Authorization: apikey KEY`, or in `?api_key=`; who has none
 * gets 401. A body that is not what the method expects gets 400. Errors of methods travel inside a
 * 200, or, when http_api.error_mode or the field `X-Centrifugo-Error-Mode` say `transport`, as a
 * status; a batch and the stream of commands always answer inside. While the node shuts down: 503.
 *
 * While lanes are behind, requests wait at the door of their lane. A client that leaves meanwhile
 * takes its request along; once it runs it is done, whoever is there for the answer.
 * Owner     server/app
 * Thread    new, routes, free: the main one; the rest happens on the lanes
 * Lifetime  new .. no lane turns any more .. free
 * Limits    http_api.max_request_body_size (413), from_json.h (413), GUSH_API_HTTP_ANSWER_MAX
 * (500), waiting.h (503) spec: server API 1 */
#ifndef GUSH_API_HTTP_H
#define GUSH_API_HTTP_H

#include "server/base/lane.h"

#include "server/http/router.h"

#include "server/engine/node.h"

#define GUSH_API_HTTP_ANSWER_MAX ((size_t)128 << 20)

struct gush_api_http;

/* |lanes| are those on which requests may come. */
struct gush_api_http *gush_api_http_new(struct gush_node *node, struct gush_lane *const *lanes,
                                        size_t lanes_n);
/* NULL is fine. */
void gush_api_http_free(struct gush_api_http *api);

/* Serves http_api.handler_prefix: nothing if http_api.disabled.
 *   GUSH_EBUSY   another endpoint has one of the paths */
GUSH_MUST_USE gush_err gush_api_http_routes(struct gush_api_http *api, struct gush_router *router);

/* Requests that are not answered yet; when the node is closed, no more come. Any thread. */
size_t gush_api_http_under_way(const struct gush_api_http *api);

#endif
