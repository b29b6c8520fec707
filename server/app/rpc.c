/* rpc: the gRPC servers, on queues that they share. Each server is a list of services and limits;
 * what the services do is theirs. */
#include "proto/protoset.h"

#include "server/rpc/health.h"
#include "server/rpc/reflection.h"
#include "server/rpc/server.h"

#include "api/grpc/grpc.h"
#include "server/app/app_priv.h"
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

    app->api_grpc = gush_api_grpc_new(app->node);
    options.services[0] = gush_api_grpc_service(app->api_grpc);
    add_services(app, &app->api_services, app->config->grpc_api.reflection, &options);
    app->api_server = gush_rpc_server_new(&options);
    gush_api_grpc_attach(app->api_grpc, app->api_server, queue_lanes(app), app->queues_n);
}

/* The subscribers' server: long streams, lean. */
static void new_uni_server(struct gush_app *app)
{
    int64_t stale_ms = app->config->client.stale_close_delay_ms;
    struct gush_rpc_server_options options = {
        .name = "uni_grpc",
        .queues = app->queues,
        .queues_n = app->queues_n,
        .request_max_bytes = request_max(app->config->uni_grpc.max_receive_message_size),
        .request_timeout_ms = stale_ms > 0 ? (uint64_t)stale_ms : 0,
        .posted_n = UNI_POSTED_N,
        .streams_max = streams_max(&app->config->uni_grpc.net),
        .connections = connections_of(&app->config->uni_grpc.net),
        .lean = true};

    app->grpc_uni = gush_grpc_uni_new(app->node);
    options.services[0] = gush_grpc_uni_service(app->grpc_uni);
    add_services(app, &app->uni_services, app->config->uni_grpc.reflection, &options);
    app->uni_server = gush_rpc_server_new(&options);
}

gush_err gush__app_rpc(struct gush_app *app, char *message, size_t message_n)
{
    (void)message;
    (void)message_n;
    if (app->config->grpc_api.enabled)
        new_api_server(app);
    if (app->config->uni_grpc.enabled)
        new_uni_server(app);
    return GUSH_OK;
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
    gush_api_grpc_free(app->api_grpc);
    gush_grpc_uni_free(app->grpc_uni);
    gush_tls_free(app->api_tls.tls);
    gush_tls_free(app->uni_tls.tls);
}
