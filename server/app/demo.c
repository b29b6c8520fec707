/* demo: the page at demo.handler_prefix, with what this port offers written into it. */
#include <string.h>

#include "server/base/assert.h"

#include "server/codec/json_write.h"

#include "server/app/app_priv.h"
#include "server/app/demo_page.h"

#define PAGE_MAX ((size_t)1024 * 1024)

/* Where the page keeps the offers; they take the place of its "{}". */
static const char mark[] = "<script id=\"offers\" type=\"application/json\">";

static void offer(struct gush_buf *b, bool is_on, const char *name, const char *path)
{
    if (!is_on)
        return;
    gush_buf_put_str(b, gush_buf_span(b).p[gush_buf_span(b).n - 1] == '{' ? "\"" : ",\"");
    gush_buf_put_str(b, name);
    gush_buf_put_str(b, "\":");
    gush_json_write_string(b, gush_span_str(path));
}

/* Paths on the external listener only: the page cannot reach another. */
static void offers(struct gush_buf *b, const struct gush_app *app)
{
    const struct gush_config *c = app->config;
    bool is_one_port = app->internal == app->external;

    gush_buf_put_u8(b, '{');
    offer(b, c->uni_sse.enabled, "uni_sse", c->uni_sse.handler_prefix);
    offer(b, c->uni_http_stream.enabled, "uni_http_stream", c->uni_http_stream.handler_prefix);
    offer(b, !c->http_api.disabled && (is_one_port || c->http_api.external), "http_api",
          c->http_api.handler_prefix);
    offer(b, c->health.enabled && is_one_port, "health", c->health.handler_prefix);
    gush_buf_put_u8(b, '}');
}

static void page(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                 struct gush_span body)
{
    const struct gush_app *app = arg;
    static const struct gush_http_field fields[] = {
        {GUSH_SPAN_INIT("Content-Type"), GUSH_SPAN_INIT("text/html; charset=utf-8")},
        {GUSH_SPAN_INIT("Cache-Control"), GUSH_SPAN_INIT("no-cache")}};

    (void)request;
    (void)body;
    gush_exchange_respond(s, &(struct gush_http_response){.status = 200,
                                                          .fields = fields,
                                                          .fields_n = 2,
                                                          .body = gush_buf_span(&app->demo_page),
                                                          .compress = true});
}

struct gush_route gush__app_demo_route(struct gush_app *app)
{
    struct gush_buf *b = &app->demo_page;
    struct gush_span source = gush_span_of(gush_demo_page, gush_demo_page_n);
    const uint8_t *at = memmem(source.p, source.n, mark, sizeof mark - 1);

    GUSH_ASSERT(at != NULL);
    at += sizeof mark - 1;
    gush_buf_init(b, PAGE_MAX);
    gush_buf_put(b, source.p, (size_t)(at - source.p));
    offers(b, app);
    at += sizeof "{}" - 1;
    gush_buf_put(b, at, (size_t)(source.p + source.n - at));
    GUSH_ASSERT(gush_buf_ok(b));
    return (struct gush_route){.path = app->config->demo.handler_prefix,
                               .methods = GUSH_ROUTER_GET | GUSH_ROUTER_HEAD,
                               .handle = page,
                               .arg = app};
}
