/* assemble: builds the rooms in the order in which they need each other. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/net/tcp.h"

#include "server/rpc/library.h"

#include "server/app/app_priv.h"

/* An EventSource carries its token and all its positions in the URL. */
#define HEAD_LIMIT ((size_t)64 * 1024)

/* ---- the engine's host ---------------------------------------------------------------------- */

static int64_t host_wall_ms(void *host)
{
    (void)host;
    return gush_clock_wall_ms();
}

static uint64_t host_mono_ms(void *host)
{
    (void)host;
    return gush_clock_mono_us() / 1000;
}

static void host_random(void *host, void *out, size_t n)
{
    (void)host;
    gush_clock_random(out, n);
}

static const struct gush_host real_host = {host_wall_ms, host_mono_ms, host_random, NULL};

static uint64_t clock_us(void *clock)
{
    (void)clock;
    return gush_clock_mono_us();
}

static uint64_t new_seed(void)
{
    uint64_t seed;
    gush_clock_random(&seed, sizeof seed);
    return seed;
}

/* ---- lanes ---------------------------------------------------------------------------------- */

static size_t by_cores(int64_t configured, size_t most)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (configured > 0)
        return (size_t)configured < most ? (size_t)configured : most;
    /* Two threads that both write all the time want a core each; on one or two there is no more. */
    return cores <= 2 ? 1 : (size_t)cores / 2 < most ? (size_t)cores / 2 : most;
}

static void queue_started(void *arg, struct gush_lane *lane)
{
    struct gush_app *app = arg;
    gush_node_lane_start(app->node, lane);
}

static gush_err new_lanes(struct gush_app *app, char *message, size_t message_n)
{
    bool rpc = app->config->grpc_api.enabled || app->config->uni_grpc.enabled;

    app->loops_n = by_cores(app->config->lanes.workers, GUSH_LANES_MAX / 2);
    app->queues_n = rpc ? by_cores(app->config->lanes.grpc_workers, GUSH_LANES_MAX / 2) : 0;
    app->lanes = gush_zalloc(app->loops_n + app->queues_n, sizeof *app->lanes);
    app->loops = gush_zalloc(app->loops_n, sizeof *app->loops);
    app->queues = gush_zalloc(app->queues_n + 1, sizeof *app->queues);
    for (unsigned i = 0; i < app->loops_n; i++) {
        char name[16];
        snprintf(name, sizeof name, "gush-loop-%u", i);
        struct gush_loop_options o = {.lane_index = i,
                                      .worker_index = i,
                                      .workers_n = (unsigned)app->loops_n,
                                      .seed = new_seed(),
                                      .name = name};
        app->loops[i].app = app;
        if (gush_loop_new(&o, &app->loops[i].loop) != GUSH_OK) {
            snprintf(message, message_n, "no descriptors left for an event loop");
            return GUSH_EIO;
        }
        app->lanes[i] = gush_loop_lane(app->loops[i].loop);
    }
    if (rpc)
        gush_rpc_library_init();
    for (unsigned i = 0; i < app->queues_n; i++) {
        struct gush_rpc_queue_options o = {.index = (unsigned)app->loops_n + i,
                                           .seed = new_seed(),
                                           .mono_us = clock_us,
                                           .started = queue_started,
                                           .started_arg = app};
        app->queues[i] = gush_rpc_queue_new(&o);
        app->lanes[o.index] = gush_rpc_queue_lane(app->queues[i]);
    }
    return GUSH_OK;
}

static gush_err new_node(struct gush_app *app, char *message, size_t message_n)
{
    const char *why = "";

    if (gush_token_verifier_new(&app->config->client.token,
                                app->config->client.insecure_skip_token_signature_verify,
                                &app->verifier, &why) != GUSH_OK) {
        snprintf(message, message_n, "client.token: %s", why);
        return GUSH_ECONFIG;
    }
    struct gush_node_options o = {.config = app->config,
                                  .verifier = app->verifier,
                                  .host = &real_host,
                                  .lanes = app->lanes,
                                  .lanes_n = app->loops_n + app->queues_n,
                                  .version = GUSH_VERSION " OSS"};
    app->node = gush_node_new(&o);
    return GUSH_OK;
}

/* Where to say what went wrong. */
struct failure {
    char *message;
    size_t message_n;
};

/* ---- doors ---------------------------------------------------------------------------------- */

#define WAITING_PARTS 4 /* of this many descriptors one may be waiting at a gate ... */
#define WAITING_MAX   16384

/* ... so that a crowd that says nothing leaves most of them to others. */
static unsigned waiting_max(const struct gush_app *app)
{
    int descriptors = gush_gate_descriptors() / WAITING_PARTS;
    size_t most = descriptors < WAITING_MAX ? (size_t)descriptors : WAITING_MAX;
    size_t each = most / app->loops_n;

    return each > 0 ? (unsigned)each : 1;
}

static uint64_t positive(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

#define OURS_PARTS 16

/* Subscribers leave one of so many descriptors to the ports of the operator: API, health, metrics.
 */
static int descriptors_of(const struct gush_app *app, const struct gush__app_door *door)
{
    int all = gush_gate_descriptors();
    bool is_ours = door->server ? door->server == app->api_server : door->router != app->external;

    return is_ours ? all : all - all / OURS_PARTS;
}

/* Who may come in through |door|. */
static struct gush_gate *new_gate(struct gush_app *app, const struct gush__app_door *door)
{
    const struct gush_grpc_port_config *net = door->net;
    struct gush_gate_options o = {
        .name = door->name, .census = app->census, .descriptors_max = descriptors_of(app, door)};

    if (net) {
        o.most = positive(net->connection_limit);
        o.most_per_address = positive(net->connection_limit_per_address);
        o.first = gush_span_str(GUSH_RPC_PREFACE);
        o.answer = gush_span_str(GUSH_RPC_NOT_HTTP1);
        o.first_ms = positive(net->handshake_timeout_ms);
        o.waiting_max = waiting_max(app);
    }
    return gush_gate_new(&o);
}

/* Binds |host|:|port|, one socket per loop, for what |d| says; its gate goes with it. */
static gush_err open_door(struct gush_app *app, const struct gush__app_door *d, const char *host,
                          int64_t port, struct failure *f)
{

    struct gush__app_door *door = &app->doors[app->doors_n];

    GUSH_ASSERT(app->doors_n < GUSH__APP_DOORS_MAX);
    *door = *d;
    door->fds = gush_alloc(app->loops_n * sizeof(int));
    gush_err err = gush_tcp_listen(host, (uint16_t)port, door->fds, app->loops_n, &door->port,
                                   f->message, f->message_n);
    if (err != GUSH_OK) {
        gush_free(door->fds);
        door->fds = NULL;
        return err;
    }
    door->gate = new_gate(app, door);
    app->doors_n++;
    gush_log(GUSH_LOG_INFO, "listening", GUSH_F("listener", door->name), GUSH_F("address", host),
             GUSH_FU("port", door->port));
    return GUSH_OK;
}

static gush_err open_internal(struct gush_app *app, struct failure *f)
{
    const struct gush_config *c = app->config;
    struct gush__app_door door = {.name = "http_internal", .router = app->internal};
    int64_t port = 0;

    if (app->internal == app->external)
        return GUSH_OK;
    if (gush_parse_i64(gush_span_str(c->http_server.internal_port), &port) != GUSH_OK || port < 0 ||
        port > UINT16_MAX) {
        snprintf(f->message, f->message_n, "http_server.internal_port: \"%s\" is not a port",
                 c->http_server.internal_port);
        return GUSH_ECONFIG;
    }
    return open_door(app, &door, c->http_server.internal_address, port, f);
}

/* A gRPC port and where it is configured. */
struct rpc_port {
    const char *name, *tls_name, *host;
    int64_t port;
    const struct gush_tls_config *tls_config;
    const struct gush_grpc_port_config *net;
    struct gush_rpc_server *server; /* NULL: not served */
    struct gush__app_tls_port *tls;
};

static gush_err open_tls(const struct rpc_port *p, struct failure *f)
{
    struct gush_tls_options o = {.name = p->tls_name,
                                 .cert_pem = p->tls_config->cert_pem,
                                 .key_pem = p->tls_config->key_pem,
                                 .client_ca_pem = p->tls_config->client_ca_pem};
    struct gush_rpc_server_address address = {.host = p->host, .port = (uint16_t)p->port};
    gush_err err = gush_tls_new(&o, &p->tls->tls, f->message, f->message_n);

    if (err == GUSH_OK)
        err = gush_rpc_server_listen_tls(p->server, &address, p->tls->tls, &p->tls->port,
                                         f->message, f->message_n);
    if (err != GUSH_OK)
        return err;
    gush_log(GUSH_LOG_INFO, "listening", GUSH_F("listener", p->name), GUSH_F("address", p->host),
             GUSH_FU("port", p->tls->port), GUSH_F("tls", *o.client_ca_pem ? "mutual" : "server"));
    gush_log(GUSH_LOG_WARN,
             "TLS of the gRPC library: no connection limits, and running out of descriptors ends "
             "the listener; where strangers connect, put a TLS proxy in front",
             GUSH_F("listener", p->name));
    return GUSH_OK;
}

/* Only programs of this machine can reach |host|. */
static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static gush_err open_rpc(struct gush_app *app, const struct rpc_port *p, struct failure *f)
{
    struct gush__app_door door = {.name = p->name, .server = p->server, .net = p->net};
    gush_err err;

    if (p->server == NULL)
        return GUSH_OK;
    err = p->tls_config->enabled ? open_tls(p, f) : open_door(app, &door, p->host, p->port, f);
    if (err == GUSH_OK && !gush_rpc_library_hardened() && !is_loopback(p->host))
        gush_log(GUSH_LOG_WARN,
                 "this gRPC library is for trusted networks: see docs/hostile-networks.md",
                 GUSH_F("listener", p->name), GUSH_F("address", p->host),
                 GUSH_F("library", gush_rpc_library_version()));
    return err;
}

static gush_err open_doors(struct gush_app *app, char *message, size_t message_n)
{
    const struct gush_config *c = app->config;
    struct failure f = {message, message_n};
    struct gush__app_door http = {.name = "http", .router = app->external};
    const struct rpc_port api = {"grpc_api",       "grpc_api.tls",   c->grpc_api.address,
                                 c->grpc_api.port, &c->grpc_api.tls, &c->grpc_api.net,
                                 app->api_server,  &app->api_tls};
    const struct rpc_port uni = {"uni_grpc",       "uni_grpc.tls",   c->uni_grpc.address,
                                 c->uni_grpc.port, &c->uni_grpc.tls, &c->uni_grpc.net,
                                 app->uni_server,  &app->uni_tls};
    gush_err err = open_door(app, &http, c->http_server.address, c->http_server.port, &f);

    if (err == GUSH_OK)
        err = open_internal(app, &f);
    if (err == GUSH_OK)
        err = open_rpc(app, &api, &f);
    if (err == GUSH_OK)
        err = open_rpc(app, &uni, &f);
    return err;
}

/* A gRPC connection arrived on a loop; from here on it is the library's. */
static void accept_rpc(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_rpc_server *server = arg;

    (void)loop;
    (void)peer;
    gush_rpc_server_add_fd(server, fd);
}

/* On each loop's thread, before its first turn. */
static void set_up_loop(struct gush_loop *loop, void *arg)
{
    struct gush__app_loop *l = arg;
    struct gush_app *app = l->app;
    size_t index = (size_t)(l - app->loops);

    gush_node_lane_start(app->node, gush_loop_lane(loop));
    for (size_t i = 0; i < app->doors_n; i++) {
        struct gush__app_door *door = &app->doors[i];
        gush_listener_fn *accepted = accept_rpc;
        void *accepted_arg = door->server;

        if (door->server == NULL) {
            l->h1[i] = gush_h1_new(loop, &(struct gush_h1_options){.router = door->router,
                                                                   .wall_ms = gush_clock_wall_ms,
                                                                   .head_limit = HEAD_LIMIT});
            accepted = gush_h1_accept;
            accepted_arg = l->h1[i];
        }
        if (gush_listener_open_gated(loop, door->fds[index], door->gate, accepted, accepted_arg,
                                     &l->listeners[i]) != GUSH_OK)
            l->failed = true;
        door->fds[index] = -1;
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

gush_err gush_app_new(const struct gush_config *config, struct gush_app **out, char *message,
                      size_t message_n)
{
    struct gush_app *app = GUSH_NEW(struct gush_app);

    app->config = config;
    *out = app; /* also on failure: gush_app_free knows what is there */
    app->census = gush_census_new();
    gush_err err = new_lanes(app, message, message_n);
    if (err == GUSH_OK)
        err = new_node(app, message, message_n);
    if (err == GUSH_OK)
        err = gush__app_routes(app, message, message_n);
    if (err == GUSH_OK)
        err = gush__app_rpc(app, message, message_n);
    if (err == GUSH_OK)
        err = open_doors(app, message, message_n);
    return err;
}

gush_err gush_app_start(struct gush_app *app, char *message, size_t message_n)
{
    app->started = true;
    if (app->api_server)
        gush_rpc_server_start(app->api_server);
    if (app->uni_server)
        gush_rpc_server_start(app->uni_server);
    for (size_t i = 0; i < app->queues_n; i++)
        if (gush_rpc_queue_start(app->queues[i]) != GUSH_OK) {
            snprintf(message, message_n, "no thread for a gRPC queue");
            return GUSH_EIO;
        }
    for (size_t i = 0; i < app->loops_n; i++)
        if (gush_loop_start(app->loops[i].loop, set_up_loop, &app->loops[i]) != GUSH_OK ||
            app->loops[i].failed) {
            snprintf(message, message_n, "an event loop cannot watch its listeners");
            return GUSH_EIO;
        }
    return GUSH_OK;
}
