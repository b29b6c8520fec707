/* rpc: the gRPC servers, on queues that they share, and gRPC on the HTTP listeners. Each of them is
 * a list of services and limits; what the services do is theirs, whatever door a call comes
 * through. */
#include <stdio.h>

#include "proto/protoset.h"

#include "server/rpc/health.h"
#include "server/rpc/reflection.h"
#include "server/rpc/server.h"

#include "api/grpc/grpc.h"
#include "server/app/app_priv.h"
#include "server/rpc_http/rpc_http.h"
#include "transports/grpc_uni/grpc_uni.h"

#define REQUEST_MAX_DEFAULT    ((size_t)4 << 20) /* gRPC's own */
#define API_POSTED_N           64
#define API_REQUEST_TIMEOUT_MS 30000
#define UNI_POSTED_N           16

static size_t request_max(int64_t configured)
{
    return configured > 0 ? (size_t)configured : REQUEST_MAX_DEFAULT;
}

/* The lanes of |app|'s gRPC queues. */
static struct gush_lane *const *queue_lanes(const struct gush_app *app)
{
    return app->lanes + app->loops_n;
}

static uint64_t positive(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

static struct gush_rpc_connections connections_of(const struct gush_grpc_port_config *net)
{
    return (struct gush_rpc_connections){.ping_ms = positive(net->keepalive_time_ms),
                                         .ping_timeout_ms = positive(net->keepalive_timeout_ms),
                                         .peer_ping_min_ms = positive(net->keepalive_min_time_ms),
                                         .age_ms = positive(net->max_connection_age_ms),
                                         .age_grace_ms = positive(net->max_connection_age_grace_ms),
                                         .idle_ms = positive(net->max_connection_idle_ms),
                                         .handshake_ms = positive(net->handshake_timeout_ms)};
}

static unsigned streams_max(const struct gush_grpc_port_config *net)
{
    return (unsigned)positive(net->max_concurrent_streams < INT32_MAX ? net->max_concurrent_streams
                                                                      : INT32_MAX);
}

/* Beside the service that |options| names first: health, always, and reflection if wanted. */
static void add_services(struct gush_app *app, struct gush__app_services *s, bool reflection,
                         struct gush_rpc_server_options *options)
{
    const char *names[GUSH_RPC_SERVICES_MAX + 1] = {options->services[0]->name,
                                                    GUSH_RPC_HEALTH_NAME};

    if (reflection) {
        names[2] = GUSH_RPC_REFLECTION_V1;
        names[3] = GUSH_RPC_REFLECTION_V1ALPHA;
        s->reflection = gush_rpc_reflection_new(queue_lanes(app), app->queues_n, names,
                                                gush_span_of(gush_protoset, gush_protoset_n));
        options->services[2] = gush_rpc_reflection_service_v1(s->reflection);
        options->services[3] = gush_rpc_reflection_service_v1alpha(s->reflection);
    }
    s->health = gush_rpc_health_new(queue_lanes(app), app->queues_n, names);
    options->services[1] = gush_rpc_health_service(s->health);
}

/* The backend's server: short calls, many of them. */
static void new_api_server(struct gush_app *app)
{
    struct gush_rpc_server_options options = {
        .name = "grpc_api",
        .queues = app->queues,
        .queues_n = app->queues_n,
        .request_max_bytes = request_max(app->config->grpc_api.max_receive_message_size),
        .request_timeout_ms = API_REQUEST_TIMEOUT_MS,
        .posted_n = API_POSTED_N,
        .streams_max = streams_max(&app->config->grpc_api.net),
        .connections = connections_of(&app->config->grpc_api.net)};

    options.services[0] = gush_api_grpc_service(app->api_grpc);
    add_services(app, &app->api_services, app->config->grpc_api.reflection, &options);
    app->api_server = gush_rpc_server_new(&options);
    gush_api_grpc_attach(app->api_grpc, app->api_server, queue_lanes(app), app->queues_n);
}

/* The subscribers' server: long streams, lean. */
static void new_uni_server(struct gush_app *app)
{
    struct gush_rpc_server_options options = {
        .name = "uni_grpc",
        .queues = app->queues,
        .queues_n = app->queues_n,
        .request_max_bytes = request_max(app->config->uni_grpc.max_receive_message_size),
        .request_timeout_ms = positive(app->config->client.stale_close_delay_ms),
        .posted_n = UNI_POSTED_N,
        .streams_max = streams_max(&app->config->uni_grpc.net),
        .connections = connections_of(&app->config->uni_grpc.net),
        .lean = true};

    options.services[0] = gush_grpc_uni_service(app->grpc_uni);
    add_services(app, &app->uni_services, app->config->uni_grpc.reflection, &options);
    app->uni_server = gush_rpc_server_new(&options);
}

/* ---- on HTTP --------------------------------------------------------------------------------- */

/* What is offered on one HTTP listener. */
struct offers {
    struct gush__app_rpc_site *site;
    const char *names[GUSH_RPC_SERVICES_MAX + 1];
    size_t names_n;
};

static void offer(struct offers *o, const struct gush_rpc_service *service,
                  const struct gush_rpc_http_limits *limits)
{
    gush_rpc_http_offer(o->site->door, service, limits);
    o->names[o->names_n++] = service->name;
}

/* Health, always, and reflection if wanted, over everything that is offered. */
static void offer_rest(struct gush_app *app, struct offers *o, bool reflection,
                       const struct gush_rpc_http_limits *limits)
{
    struct gush__app_services *s = &o->site->services;

    o->names[o->names_n] = GUSH_RPC_HEALTH_NAME;
    if (reflection) {
        o->names[o->names_n + 1] = GUSH_RPC_REFLECTION_V1;
        o->names[o->names_n + 2] = GUSH_RPC_REFLECTION_V1ALPHA;
        s->reflection = gush_rpc_reflection_new(app->lanes, app->loops_n, o->names,
                                                gush_span_of(gush_protoset, gush_protoset_n));
        gush_rpc_http_offer(o->site->door, gush_rpc_reflection_service_v1(s->reflection), limits);
        gush_rpc_http_offer(o->site->door, gush_rpc_reflection_service_v1alpha(s->reflection),
                            limits);
    }
    s->health = gush_rpc_health_new(app->lanes, app->loops_n, o->names);
    gush_rpc_http_offer(o->site->door, gush_rpc_health_service(s->health), limits);
}

static gush_err new_site(struct gush_app *app, enum gush__app_which which, bool api, bool uni)
{
    const struct gush_config *c = app->config;
    const struct gush_rpc_http_limits api_limits = {
        request_max(c->grpc_api.max_receive_message_size), API_REQUEST_TIMEOUT_MS};
    const struct gush_rpc_http_limits uni_limits = {
        request_max(c->uni_grpc.max_receive_message_size),
        positive(c->client.stale_close_delay_ms)};
    struct offers o = {.site = &app->rpc_sites[which]};
    struct gush_route route;

    if (!api && !uni)
        return GUSH_OK;
    o.site->door = gush_rpc_http_new();
    if (api)
        offer(&o, gush_api_grpc_service(app->api_grpc), &api_limits);
    if (uni)
        offer(&o, gush_grpc_uni_service(app->grpc_uni), &uni_limits);
    offer_rest(app, &o, (api && c->grpc_api.reflection) || (uni && c->uni_grpc.reflection),
               uni ? &uni_limits : &api_limits);
    route = gush_rpc_http_route(o.site->door);
    return gush_router_add(which == GUSH__APP_INTERNAL ? app->internal : app->external, &route);
}

/* Subscribers are served where clients are, backends where the HTTP API is. */
static gush_err new_sites(struct gush_app *app)
{
    const struct gush_config *c = app->config;
    bool api = c->grpc_api.on_http_port, uni = c->uni_grpc.on_http_port;
    bool together = c->http_api.external || app->internal == app->external;
    gush_err err = new_site(app, GUSH__APP_EXTERNAL, api && together, uni);

    if (err == GUSH_OK)
        err = new_site(app, GUSH__APP_INTERNAL, api && !together, false);
    if (api)
        gush_api_grpc_attach(app->api_grpc, NULL, app->lanes, app->loops_n);
    return err;
}

/* ---- all of it ------------------------------------------------------------------------------- */

gush_err gush__app_rpc(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;

    if (c->grpc_api.enabled || c->grpc_api.on_http_port)
        app->api_grpc = gush_api_grpc_new(app->node);
    if (c->uni_grpc.enabled || c->uni_grpc.on_http_port)
        app->grpc_uni = gush_grpc_uni_new(app->node);
    if (c->grpc_api.enabled)
        new_api_server(app);
    if (c->uni_grpc.enabled)
        new_uni_server(app);
    if (new_sites(app) == GUSH_OK)
        return GUSH_OK;
    snprintf(message, message_n, "two handlers for application/grpc");
    return GUSH_ECONFIG;
}

static void end_services(const struct gush__app_services *s)
{
    if (s->health != NULL)
        gush_rpc_health_end(s->health);
    if (s->reflection != NULL)
        gush_rpc_reflection_end(s->reflection);
}

void gush__app_rpc_not_serving(struct gush_app *app)
{
    end_services(&app->api_services);
    end_services(&app->uni_services);
    for (size_t i = 0; i < GUSH__APP_SITES_N; i++)
        end_services(&app->rpc_sites[i].services);
}

static void free_services(const struct gush__app_services *s)
{
    gush_rpc_health_free(s->health);
    gush_rpc_reflection_free(s->reflection);
}

void gush__app_rpc_free(struct gush_app *app)
{
    gush_rpc_server_free(app->api_server);
    gush_rpc_server_free(app->uni_server);
    free_services(&app->api_services);
    free_services(&app->uni_services);
    for (size_t i = 0; i < GUSH__APP_SITES_N; i++) {
        gush_rpc_http_free(app->rpc_sites[i].door);
        free_services(&app->rpc_sites[i].services);
    }
    gush_api_grpc_free(app->api_grpc);
    gush_grpc_uni_free(app->grpc_uni);
    gush_tls_free(app->api_tls.tls);
    gush_tls_free(app->uni_tls.tls);
}
