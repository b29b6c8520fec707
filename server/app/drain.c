/* drain: taking it all down, in the order in which nobody loses what was accepted. */
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/rpc/library.h"

#include "server/app/app_priv.h"

#define POLL_MS    5
#define CANCEL_MS  2000
#define LAST_CALLS 1000 /* of the shutdown time, kept for API calls under way */

static uint64_t live_clients(const struct gush_app *app)
{
    struct gush_live live;
    gush_node_live(app->node, &live);
    return live.clients;
}

static void close_listeners(struct gush_loop *loop, void *arg)
{
    struct gush__app_loop *l = arg;

    (void)loop;
    for (size_t i = 0; i < l->app->doors_n; i++) {
        if (l->listeners[i])
            gush_listener_close(l->listeners[i]);
        l->listeners[i] = NULL;
        if (l->h1[i])
            gush_h1_drain(l->h1[i]);
    }
}

/* The clients' lanes do the work; nothing tells when the last one went, so look. */
static bool wait_for_clients(const struct gush_app *app, uint64_t until_us)
{
    while (live_clients(app) > 0) {
        if (gush_clock_mono_us() >= until_us)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    return true;
}

static bool stop_server(struct gush_rpc_server *server, uint64_t grace_ms)
{
    if (server == NULL)
        return true;
    gush_rpc_server_stop(server);
    if (gush_rpc_server_wait(server, grace_ms))
        return true;
    gush_rpc_server_cancel(server);
    if (!gush_rpc_server_wait(server, CANCEL_MS))
        gush_log(GUSH_LOG_ERROR, "gRPC calls do not end");
    return false;
}

bool gush_app_drain(struct gush_app *app)
{
    int64_t timeout_ms = app->config->shutdown.timeout_ms;
    uint64_t until_us = gush_clock_mono_us() + (uint64_t)timeout_ms * 1000;

    for (size_t i = 0; i < app->loops_n; i++)
        gush_loop_post(app->loops[i].loop, close_listeners, &app->loops[i]);
    gush_node_disconnect_all(app->node, GUSH_DISCONNECT_SHUTDOWN);
    bool clean = wait_for_clients(app, until_us);
    uint64_t now_us = gush_clock_mono_us();
    uint64_t left_ms = now_us < until_us ? (until_us - now_us) / 1000 : 0;
    stop_server(app->uni_server, left_ms < LAST_CALLS ? left_ms : LAST_CALLS);
    return stop_server(app->api_server, left_ms) && clean;
}

static void stop_threads(struct gush_app *app)
{
    for (size_t i = 0; i < app->queues_n; i++)
        if (app->queues[i])
            gush_rpc_queue_stop(app->queues[i]);
    for (size_t i = 0; i < app->queues_n; i++)
        if (app->queues[i])
            gush_rpc_queue_join(app->queues[i]);
    for (size_t i = 0; i < app->loops_n; i++)
        if (app->loops[i].loop)
            gush_loop_stop(app->loops[i].loop);
    for (size_t i = 0; i < app->loops_n; i++)
        if (app->loops[i].loop)
            gush_loop_join(app->loops[i].loop);
}

static void free_doors(struct gush_app *app)
{
    for (size_t d = 0; d < app->doors_n; d++) {
        for (size_t i = 0; i < app->loops_n; i++) {
            gush_h1_free(app->loops[i].h1[d]);
            if (app->doors[d].fds[i] >= 0)
                close(app->doors[d].fds[i]);
        }
        gush_gate_free(app->doors[d].gate);
        gush_free(app->doors[d].fds);
    }
    gush_census_free(app->census);
}

void gush_app_free(struct gush_app *app)
{
    if (app->started)
        stop_threads(app);
    free_doors(app);
    gush__app_rpc_free(app);
    gush__app_routes_free(app);
    if (app->node)
        gush_node_free(app->node);
    for (size_t i = 0; i < app->queues_n; i++)
        if (app->queues[i])
            gush_rpc_queue_free(app->queues[i]);
    for (size_t i = 0; i < app->loops_n; i++)
        gush_loop_free(app->loops[i].loop);
    if (app->queues_n > 0)
        gush_rpc_library_fini();
    gush_token_verifier_free(app->verifier);
    gush_free(app->queues);
    gush_free(app->loops);
    gush_free(app->lanes);
    gush_free(app);
}
