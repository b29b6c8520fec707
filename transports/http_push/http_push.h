/* http_push: what uni_sse and uni_http_stream share: a session whose pushes travel in the body of
 * one streaming HTTP response, over whatever HTTP version the exchange speaks.
 *
 * An endpoint looks for the connect request in the query or the body, admits the client, starts
 * the response and carries the engine's bursts into it. Frames arrive with all their framing, so a
 * burst is fetched as it is. The end is a disconnect push (unless 3000 or slow) and the end of the
 * stream. With connect_code_to_http_response the head waits for the outcome of the connect: a
 * client that is sent away instead gets a status and a text.
 *
 * Owner     server/app                Thread  new, route, free: the main one; the rest on the lanes
 * Limits    max_request_body_size; GUSH_CONNECT_MEMBERS_MAX members in a request; what
 *           gush_admission_try refuses (503)
 * spec      transports 1, 2, 8 */
#ifndef GUSH_TRANSPORT_HTTP_PUSH_H
#define GUSH_TRANSPORT_HTTP_PUSH_H

#include "server/http/cors.h"
#include "server/http/router.h"

#include "server/engine/node.h"
#include "server/engine/port_transport.h"

struct gush_http_push;

/* Everything is borrowed and outlives the endpoint. */
struct gush_http_push_options {
    struct gush_node *node;
    const struct gush_cors *cors;
    const struct gush_transport *raw, *chunked; /* by GUSH_HTTP_PUSH_TRANSPORT */
    const char *path;
    int64_t body_limit;
    const struct gush_connect_responses *responses;
    bool query;     /* GET, with the connect request in ?cf_connect= */
    bool preflight; /* OPTIONS */
    struct gush_span content_type;
    struct gush_span first; /* bytes behind the head */
};

/* A transport of an endpoint: its name, the form of its frames, and whether the position travels
 * with them. */
#define GUSH_HTTP_PUSH_TRANSPORT(name_, form_, marks_)                                             \
    {                                                                                              \
        .name = (name_), .form = (form_), .burst_n = GUSH_BURST_MAX, .disconnect_push = true,      \
        .session = true, .marks = (marks_), .send = gush_http_push_send,                           \
        .close = gush_http_push_close                                                              \
    }
GUSH_MUST_USE gush_err gush_http_push_send(void *conn, const struct gush_frame *frames,
                                           size_t frames_n);
void gush_http_push_close(void *conn, uint32_t code, const char *reason);

struct gush_http_push *gush_http_push_new(const struct gush_http_push_options *options);
/* When no connection is left: after the loops were joined. NULL is fine. */
void gush_http_push_free(struct gush_http_push *push);

/* Serves the endpoint's path.
 *   GUSH_EBUSY   another endpoint has that path */
GUSH_MUST_USE gush_err gush_http_push_route(struct gush_http_push *push,
                                            struct gush_router *router);

#endif
