/* sites: the two HTTP listeners, external and internal, by what all their addresses share. */
#include <stdio.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"

#include "server/app/app_priv.h"

/* ---- what is served where -------------------------------------------------------------------- */

struct endpoint {
    const char *name; /* as in the log */
    bool enabled, internal;
};

#define ENDPOINTS 10

/* In the order in which the reference tells them, ours last. */
static void all_endpoints(const struct gush_config *c, struct endpoint out[ENDPOINTS])
{
    const struct endpoint all[ENDPOINTS] = {
        {"api", !c->http_api.disabled, !c->http_api.external},
        {"prometheus", c->prometheus.enabled, true},
        {"debug", c->debug.enabled, true},
        {"health", c->health.enabled, true},
        {"uni_sse", c->uni_sse.enabled, false},
        {"uni_http_stream", c->uni_http_stream.enabled, false},
        {"init", c->init.enabled, false},
        {"uni_grpc", c->uni_grpc.on_http_port, false},
        {"grpc_api", c->grpc_api.on_http_port, !c->http_api.external},
        {"demo", c->demo.enabled, false},
    };

    memcpy(out, all, sizeof all);
}

static bool is_at(const struct gush_app *app, const struct endpoint *e,
                  const struct gush__app_site *site)
{
    bool internal = e->internal && app->config->http_server.internal_separate;

    return e->enabled && site == &app->sites[internal ? GUSH__APP_INTERNAL : GUSH__APP_EXTERNAL];
}

size_t gush__app_sites_names(const struct gush_app *app, const struct gush__app_site *site,
                             char *out, size_t out_n)
{
    struct endpoint all[ENDPOINTS];
    struct gush_buf text;
    size_t n = 0;

    all_endpoints(app->config, all);
    gush_buf_init(&text, out_n - 1);
    for (size_t i = 0; i < ENDPOINTS; i++)
        if (is_at(app, &all[i], site))
            gush_buf_printf(&text, "%s%s", n++ ? ", " : "", all[i].name);
    snprintf(out, out_n, "%.*s", (int)text.n, text.n ? (const char *)text.p : "");
    gush_buf_fini(&text);
    return n;
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static gush_err new_tls(const char *name, const struct gush_tls_config *c,
                        struct gush__app_http_tls *out, char *message, size_t message_n)
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    const struct gush_tls_options pems = {.name = name,
                                          .cert_pem = c->cert_pem,
                                          .key_pem = c->key_pem,
                                          .client_ca_pem = c->client_ca_pem};
    struct gush_tls_server_options server = {.name = name, .alpn = alpn};
    gush_err err;

    if (!c->enabled)
        return GUSH_OK;
    err = gush_tls_new(&pems, &out->pems, message, message_n);
    if (err != GUSH_OK)
        return err;
    server.tls = out->pems;
    return gush_tls_server_new(&server, &out->server, message, message_n);
}

static gush_err new_all_tls(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;
    gush_err err =
        new_tls("http_server.tls", &c->http_server.tls, &app->http_tls, message, message_n);

    if (err == GUSH_OK)
        err = new_tls("http_server.internal_tls", &c->http_server.internal_tls,
                      &app->http_internal_tls, message, message_n);
    if (err != GUSH_OK)
        return err;
    app->sites[GUSH__APP_EXTERNAL].tls = app->http_tls.server;
    if (app->http_internal_tls.server)
        app->sites[GUSH__APP_INTERNAL].tls = app->http_internal_tls.server;
    else if (!c->http_server.tls_external)
        app->sites[GUSH__APP_INTERNAL].tls = app->http_tls.server;
    return GUSH_OK;
}

static gush_err new_forwarded(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_string_list *trusted = &app->config->http_server.trusted_proxies;
    size_t bad = 0;

    if (trusted->n == 0 ||
        gush_forwarded_new(trusted->items, trusted->n, &app->forwarded, &bad) == GUSH_OK)
        return GUSH_OK;
    snprintf(message, message_n, "http_server.trusted_proxies: \"%s\" is not a network",
             trusted->items[bad]);
    return GUSH_ECONFIG;
}

/* A variable may say 0: never, as good as. */
static uint32_t millis(int64_t configured)
{
    return configured > 0 && configured < UINT32_MAX ? (uint32_t)configured : UINT32_MAX;
}

/* ---- all ------------------------------------------------------------------------------------- */

gush_err gush__app_sites(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;
    struct gush__app_site *external = &app->sites[GUSH__APP_EXTERNAL];
    struct gush__app_site *internal = &app->sites[GUSH__APP_INTERNAL];
    bool api_is_external = c->http_api.external || !c->http_server.internal_separate;
    gush_err err;

    *external = (struct gush__app_site){
        .name = "http",
        .router = app->external,
        .proxy = c->http_server.proxy_protocol,
        .h2c = c->http_server.h2c_external || c->uni_grpc.on_http_port ||
               (c->grpc_api.on_http_port && api_is_external) ||
               (c->http_server.h2c_internal && !c->http_server.internal_separate)};
    *internal = (struct gush__app_site){
        .name = "http_internal",
        .router = c->http_server.internal_separate ? app->internal : NULL,
        .proxy = c->http_server.internal_proxy_protocol,
        .h2c = c->http_server.h2c_internal || (c->grpc_api.on_http_port && !c->http_api.external)};
    app->access_log = gush_access_log_new(&(struct gush_access_log_options){
        .at_info = c->http_server.access_log,
        .mono_us = gush_clock_mono_us,
        .answered = c->prometheus.instrument_http_handlers ? gush__app_metrics_answered : NULL,
        .answered_arg = app});
    err = new_forwarded(app, message, message_n);
    return err == GUSH_OK ? new_all_tls(app, message, message_n) : err;
}

struct gush_front *gush__app_sites_front(struct gush_app *app, const struct gush__app_site *site,
                                         struct gush_loop *loop, bool is_unix)
{
    const struct gush_config *c = app->config;
    const struct gush_front_options options = {
        .router = site->router,
        .wall_ms = gush_clock_wall_ms,
        .limits = {.head_bytes = (size_t)c->http_server.max_header_size,
                   .head_ms = millis(c->http_server.header_timeout_ms),
                   .body_ms = millis(c->http_server.body_timeout_ms),
                   .response_ms = millis(c->http_server.write_timeout_ms),
                   .idle_ms = millis(c->http_server.idle_timeout_ms),
                   .streams_max = (uint32_t)c->http_server.max_concurrent_streams},
        .tls = is_unix ? NULL : site->tls,
        .proxy = site->proxy,
        .h2c = site->h2c,
        .log = app->access_log,
        .forwarded = app->forwarded};

    return gush_front_new(loop, &options);
}

void gush__app_sites_free(struct gush_app *app)
{
    struct gush__app_http_tls *tls[] = {&app->http_tls, &app->http_internal_tls};

    for (size_t i = 0; i < 2; i++) {
        gush_tls_server_free(tls[i]->server);
        gush_tls_free(tls[i]->pems);
    }
    gush_access_log_free(app->access_log);
    gush_forwarded_free(app->forwarded);
    for (size_t i = 0; i < GUSH__APP_SITES_N; i++)
        gush_gate_free(app->sites[i].gate);
}
