#include "transports/http_stream/http_stream.h"

static const struct gush_transport raw = GUSH_HTTP_PUSH_TRANSPORT("uni_http_stream", GUSH_FORM_LINE,
                                                                  false),
                                   chunked = GUSH_HTTP_PUSH_TRANSPORT(
                                       "uni_http_stream", GUSH_FORM_LINE_CHUNKED, false);

struct gush_http_push *gush_http_stream_new(struct gush_node *node, const struct gush_cors *cors)
{
    const struct gush_config *config = gush_node_config(node);

    return gush_http_push_new(&(struct gush_http_push_options){
        .node = node,
        .cors = cors,
        .raw = &raw,
        .chunked = &chunked,
        .path = config->uni_http_stream.handler_prefix,
        .body_limit = config->uni_http_stream.max_request_body_size,
        .responses = &config->uni_http_stream.connect_code_to_http_response,
        .preflight = true,
        .content_type = GUSH_SPAN_LIT("text/plain; charset=utf-8")});
}
