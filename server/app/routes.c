/* routes: which path answers what, on which listener. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/mem.h"

#include "server/engine/admission.h"

#include "api/http/http.h"
#include "server/app/app_priv.h"
#include "transports/http_stream/http_stream.h"
#include "transports/sse/sse.h"

#define ANSWER_MAX ((size_t)64 * 1024)

/* ---- handlers of the app itself ------------------------------------------------------------- */

/* Live objects as one JSON object: tests end when it is all zero. */
static void debug_live(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                       struct gush_span body)
{
    const struct gush_app *app = arg;
    static const struct gush_http_field fields[] = {
        {GUSH_SPAN_INIT("Content-Type"), GUSH_SPAN_INIT("application/json")}};
    struct gush_live live;
    struct gush_buf b;

    (void)request;
    (void)body;
    gush_node_live(app->node, &live);
    gush_buf_init(&b, ANSWER_MAX);
    gush_buf_printf(&b, "{\"clients\":%" PRIu64 ",\"subscriptions\":%" PRIu64, live.clients,
                    live.subscriptions);
    gush_buf_printf(&b, ",\"channels\":%" PRIu64 ",\"branches\":%" PRIu64 ",\"users\":%" PRIu64,
                    live.channels, live.branches, live.users);
    gush_buf_printf(&b, ",\"publications\":%" PRIu64 ",\"frames\":%" PRIu64, live.publications,
                    live.frames);
    gush_buf_printf(&b, ",\"letters\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", live.letters,
                    live.bytes);
    gush_exchange_respond(
        s, &(struct gush_http_response){
               .status = 200, .fields = fields, .fields_n = 1, .body = gush_buf_span(&b)});
    gush_buf_fini(&b);
}

/* Nothing but a connection that is open then: what a client warms up with. */
static void init(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                 struct gush_span body)
{
    struct gush_app *app = arg;
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX + 1] = {
        {GUSH_SPAN_LIT("Content-Type"), GUSH_SPAN_LIT("application/json; charset=utf-8")}};

    (void)body;
    if (!gush_admission_try(app->node, gush_exchange_lane(s))) {
        gush_exchange_respond(s, &(struct gush_http_response){.status = 503});
        return;
    }
    size_t n = gush_cors_fields(app->cors, request, fields + 1);
    gush_exchange_respond(
        s, &(struct gush_http_response){
               .status = 200, .fields = fields, .fields_n = n + 1, .body = GUSH_SPAN_LIT("{}")});
}

/* ---- tables --------------------------------------------------------------------------------- */

/* |err| of adding what is at |path|, told. */
static gush_err added(gush_err err, const char *path, char *message, size_t message_n)
{
    if (err == GUSH_OK)
        return GUSH_OK;
    snprintf(message, message_n, "two handlers on one path: \"%s\"", path);
    return GUSH_ECONFIG;
}

static gush_err add(struct gush_router *router, const struct gush_route *route, char *message,
                    size_t message_n)
{
    return added(gush_router_add(router, route), route->path, message, message_n);
}

static gush_err debug_routes(struct gush_app *app, char *message, size_t message_n)
{
    char path[256];
    struct gush_route slow;

    snprintf(path, sizeof path, "%s/live", app->config->debug.handler_prefix);
    gush_err err =
        add(app->internal,
            &(struct gush_route){
                .path = path, .methods = GUSH_ROUTER_GET, .handle = debug_live, .arg = app},
            message, message_n);
    if (err != GUSH_OK)
        return err;
    snprintf(path, sizeof path, "%s/slow", app->config->debug.handler_prefix);
    slow = gush__app_metrics_slow(app, path);
    return add(app->internal, &slow, message, message_n);
}

static gush_err internal_routes(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;
    gush_err err = GUSH_OK;

    if (c->health.enabled)
        err = add(app->internal,
                  &(struct gush_route){.path = c->health.handler_prefix,
                                       .methods = GUSH_ROUTER_ANY,
                                       .handle = gush_router_health},
                  message, message_n);
    if (err == GUSH_OK && c->debug.enabled)
        err = debug_routes(app, message, message_n);
    if (err == GUSH_OK && c->prometheus.enabled) {
        struct gush_route route = gush__app_metrics_route(app);

        err = add(app->internal, &route, message, message_n);
    }
    return err;
}

static gush_err external_routes(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;
    gush_err err = GUSH_OK;

    if (c->uni_sse.enabled) {
        app->sse = gush_sse_new(app->node, app->cors);
        err = added(gush_sse_route(app->sse, app->external), c->uni_sse.handler_prefix, message,
                    message_n);
    }
    if (err == GUSH_OK && c->uni_http_stream.enabled) {
        app->http_stream = gush_http_stream_new(app->node, app->cors);
        err = added(gush_http_push_route(app->http_stream, app->external),
                    c->uni_http_stream.handler_prefix, message, message_n);
    }
    if (err == GUSH_OK && c->init.enabled)
        err = add(app->external,
                  &(struct gush_route){.path = c->init.handler_prefix,
                                       .methods = GUSH_ROUTER_GET,
                                       .handle = init,
                                       .arg = app},
                  message, message_n);
    if (err == GUSH_OK && c->demo.enabled) {
        struct gush_route route = gush__app_demo_route(app);

        err = add(app->external, &route, message, message_n);
    }
    return err;
}

static gush_err api_routes(struct gush_app *app, char *message, size_t message_n)
{
    struct gush_router *router = app->config->http_api.external ? app->external : app->internal;

    app->api_http = gush_api_http_new(app->node, app->lanes, app->loops_n);
    return added(gush_api_http_routes(app->api_http, router), app->config->http_api.handler_prefix,
                 message, message_n);
}

gush_err gush__app_routes(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;
    size_t bad = 0;

    if (gush_cors_new(c->client.allowed_origins.items, c->client.allowed_origins.n, &app->cors,
                      &bad) != GUSH_OK) {
        snprintf(message, message_n, "client.allowed_origins: \"%s\" is not a pattern",
                 c->client.allowed_origins.items[bad]);
        return GUSH_ECONFIG;
    }
    app->external = gush_router_new();
    app->internal = c->http_server.internal_separate ? gush_router_new() : app->external;
    gush__app_metrics_init(app);
    gush_err err = external_routes(app, message, message_n);
    if (err == GUSH_OK)
        err = api_routes(app, message, message_n);
    return err == GUSH_OK ? internal_routes(app, message, message_n) : err;
}

void gush__app_routes_free(struct gush_app *app)
{
    gush_sse_free(app->sse);
    gush_http_push_free(app->http_stream);
    gush_api_http_free(app->api_http);
    if (app->internal != app->external)
        gush_router_free(app->internal);
    gush_router_free(app->external);
    gush_cors_free(app->cors);
    gush_buf_fini(&app->demo_page);
}
