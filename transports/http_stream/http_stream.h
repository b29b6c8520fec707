/* http_stream: uni_http_stream, pushes as lines of JSON in the body of an answer to a POST.
 *
 * The connect request is the body. Nothing comes before the first push; a ping is `{}`.
 *
 * Owner     server/app                Thread  new, route, free: the main one; the rest on the lanes
 * Limits    those of http_push
 * spec      transports 1, 2, 8 */
#ifndef GUSH_TRANSPORT_HTTP_STREAM_H
#define GUSH_TRANSPORT_HTTP_STREAM_H

#include "server/http/cors.h"
#include "server/http/router.h"

#include "server/engine/node.h"

#include "transports/http_push/http_push.h"

/* The endpoint, to be freed by gush_http_push_free. |node| and |cors| are borrowed. */
struct gush_http_push *gush_http_stream_new(struct gush_node *node, const struct gush_cors *cors);

#endif
