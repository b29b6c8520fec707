#include "transports/sse/sse.h"

#include <inttypes.h>
#include <stdio.h>

#include "server/base/mem.h"

#include "transports/http_push/http_push.h"

struct gush_sse {
    struct gush_http_push *push;
    char first[40]; /* an empty line, and how long to wait before a reconnect */
};

static const struct gush_transport transports[2][2] = {
    /* without ids, with ids; raw, chunked */
    {GUSH_HTTP_PUSH_TRANSPORT("uni_sse", GUSH_FORM_SSE, false),
     GUSH_HTTP_PUSH_TRANSPORT("uni_sse", GUSH_FORM_SSE_CHUNKED, false)},
    {GUSH_HTTP_PUSH_TRANSPORT("uni_sse", GUSH_FORM_SSE, true),
     GUSH_HTTP_PUSH_TRANSPORT("uni_sse", GUSH_FORM_SSE_CHUNKED, true)},
};

static void write_first(char first[static 40], int64_t retry_ms)
{
    if (retry_ms > 0)
        snprintf(first, 40, "\r\nretry: %" PRId64 "\n\n", retry_ms);
    else
        snprintf(first, 40, "\r\n");
}

struct gush_sse *gush_sse_new(struct gush_node *node, const struct gush_cors *cors)
{
    const struct gush_config *config = gush_node_config(node);
    struct gush_sse *sse = GUSH_NEW(struct gush_sse);

    write_first(sse->first, config->uni_sse.retry_ms);
    sse->push = gush_http_push_new(&(struct gush_http_push_options){
        .node = node,
        .cors = cors,
        .raw = &transports[config->uni_sse.event_ids][0],
        .chunked = &transports[config->uni_sse.event_ids][1],
        .path = config->uni_sse.handler_prefix,
        .body_limit = config->uni_sse.max_request_body_size,
        .responses = &config->uni_sse.connect_code_to_http_response,
        .query = true,
        .content_type = GUSH_SPAN_LIT("text/event-stream; charset=utf-8"),
        .first = gush_span_str(sse->first)});
    return sse;
}

void gush_sse_free(struct gush_sse *sse)
{
    if (sse == NULL)
        return;
    gush_http_push_free(sse->push);
    gush_free(sse);
}

gush_err gush_sse_route(struct gush_sse *sse, struct gush_router *router)
{
    return gush_http_push_route(sse->push, router);
}
