/* assemble: builds the rooms in the order in which they need each other. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/mem.h"

#include "server/rpc/library.h"

#include "server/app/app_priv.h"

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

/* On each loop's thread, before its first turn. */
static void set_up_loop(struct gush_loop *loop, void *arg)
{
    struct gush__app_loop *l = arg;
    struct gush_app *app = l->app;

    gush_node_lane_start(app->node, gush_loop_lane(loop));
    l->failed = gush__app_doors_listen(l) != GUSH_OK;
    l->runs = true;
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
        err = gush__app_sites(app, message, message_n);
    if (err == GUSH_OK)
        err = gush__app_doors(app, message, message_n);
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
    gush__app_doors_tell(app);
    return GUSH_OK;
}
