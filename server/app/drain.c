/* drain: taking it all down, in the order in which nobody loses what was accepted.
 *
 *   1  health says NOT_SERVING; who connects is sent elsewhere (3001), new API calls are refused
 *   2  API calls under way are answered: what they published is on its way to the clients
 *   3  listeners close; HTTP/2 and gRPC connections get GOAWAY, so their next calls go elsewhere;
 *      idle HTTP/1 connections close
 *   4  clients are told to go, 3001, paced, every lane alike; each gets what is queued for it first
 *   5  HTTP requests under way, calls and connections end; then the threads */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/rpc/library.h"

#include "api/grpc/grpc.h"
#include "api/http/http.h"
#include "server/app/app_priv.h"

#define POLL_MS     5
#define CANCEL_MS   2000
#define LAST_CALLS  1000 /* of the shutdown time, kept for API calls under way */
#define AT_ONCE     2000 /* clients that may all come back to another node together */
#define PACE_PART   2    /* the paced goodbye takes at most one half of the time */
#define ANSWER_PART 4    /* API calls under way get a quarter before it begins */
/* Clients' queues have 5 s to be written. Whoever is there after that is a gRPC stream on a socket
 * that takes nothing: the library gives such a stream back only with its connection. */
#define GOODBYE_US UINT64_C(5500000)

static uint64_t live_clients(const struct gush_app *app)
{
    struct gush_live live;
    gush_node_live(app->node, &live);
    return live.clients;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

static void close_listeners(struct gush_loop *loop, void *arg)
{
    (void)loop;
    gush__app_doors_close(arg);
}

/* ---- clients --------------------------------------------------------------------------------- */

/* How many of |n| clients may have been told to go |passed_us| after the first. Few go at once.
 * Many are spread, at the configured pace or faster if that would take too long: they will all come
 * back to the other nodes, whose connects cost more than ours. */
static uint64_t told_by(const struct gush_app *app, uint64_t n, uint64_t passed_us)
{
    uint64_t part_us = (uint64_t)app->config->shutdown.timeout_ms * 1000 / PACE_PART;
    uint64_t pace = (uint64_t)app->config->shutdown.pace;
    uint64_t first = pace ? pace : AT_ONCE;

    if (n <= first || passed_us >= part_us)
        return n;
    uint64_t needed = (n - first) * 1000000 / part_us + 1;
    uint64_t told = first + (pace > needed ? pace : needed) * passed_us / 1000000;
    return told < n ? told : n;
}

/* Tells everybody to go; waits until they are gone, or only those are left who do not even take
 * their goodbye. */
static void end_clients(const struct gush_app *app, uint64_t until_us)
{
    uint64_t from_us = gush_clock_mono_us(), now_us = from_us, n = live_clients(app), told = 0;
    bool all_told = false;

    gush_log(GUSH_LOG_INFO, "clients are told to go", GUSH_FU("clients", n));
    while (now_us < until_us) {
        uint64_t may = told_by(app, n, now_us - from_us);

        if (may == n && !all_told)
            gush_node_disconnect_all(app->node, GUSH_DISCONNECT_SHUTDOWN);
        else if (may > told)
            gush_node_disconnect_share(app->node, GUSH_DISCONNECT_SHUTDOWN,
                                       (uint32_t)(may * GUSH_NODE_EVERYBODY / n));
        if (may == n && !all_told && until_us > now_us + GOODBYE_US)
            until_us = now_us + GOODBYE_US;
        all_told = may == n;
        told = may;
        if (live_clients(app) == 0)
            return;
        nap();
        now_us = gush_clock_mono_us();
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

static size_t calls_under_way(const struct gush_app *app)
{
    size_t rpc = app->api_grpc ? gush_api_grpc_under_way(app->api_grpc) : 0;

    return rpc + (app->api_http ? gush_api_http_under_way(app->api_http) : 0);
}

/* New calls are refused by now; those that were taken get their answer. */
static void answer_calls(const struct gush_app *app, uint64_t until_us)
{
    while (calls_under_way(app) > 0 && gush_clock_mono_us() < until_us)
        nap();
}

/* Requests that were read in part, or whose answer is on its way out. */
static bool end_requests(struct gush_app *app, uint64_t until_us)
{
    while (!gush__app_doors_quiet(app)) {
        if (gush_clock_mono_us() >= until_us)
            return false;
        nap();
    }
    return true;
}

/* The port at our end of the TCP connection |fd|; 0: it is none. */
static uint16_t local_port(int fd)
{
    struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof a;
    int type = 0;
    socklen_t type_n = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_n) != 0 || type != SOCK_STREAM ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return 0;
    if (a.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port) : 0;
}

static bool is_port_of(const struct gush_app *app, const struct gush_rpc_server *server,
                       uint16_t port)
{
    const struct gush__app_tls_port *tls =
        server == app->uni_server ? &app->uni_tls : &app->api_tls;

    if (port == 0)
        return false;
    for (size_t i = 0; i < app->doors_n; i++)
        if (app->doors[i].server == server && app->doors[i].port == port)
            return true;
    return tls->port == port;
}

/* Ends every connection of |server|'s port. The library does not end a call whose bytes wait for a
 * socket that takes none, not even a cancelled one, and the sockets are the library's; but at this
 * point nothing else opens or closes any, so their numbers hold still. */
static void hang_up(const struct gush_app *app, const struct gush_rpc_server *server)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe): our own dir */
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] != '.' && is_port_of(app, server, local_port(fd)))
            (void)shutdown(fd, SHUT_RDWR); /* it may have gone by itself */
    }
    closedir(dir);
}

static bool stop_server(const struct gush_app *app, struct gush_rpc_server *server,
                        uint64_t grace_ms)
{
    if (server == NULL)
        return true;
    if (gush_rpc_server_wait(server, grace_ms))
        return true;
    gush_rpc_server_cancel(server);
    hang_up(app, server);
    if (!gush_rpc_server_wait(server, CANCEL_MS))
        gush_log(GUSH_LOG_ERROR, "gRPC calls do not end");
    return false;
}

static uint64_t left_ms(uint64_t until_us)
{
    uint64_t now_us = gush_clock_mono_us();
    return now_us < until_us ? (until_us - now_us) / 1000 : 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Whoever sees GOAWAY and tries again finds no door. */
static void close_doors(struct gush_app *app, uint64_t until_us)
{
    for (size_t i = 0; i < app->loops_n; i++)
        gush_loop_post(app->loops[i].loop, close_listeners, &app->loops[i]);
    for (size_t i = 0; i < app->loops_n; i++)
        while (app->loops[i].runs && !atomic_load(&app->loops[i].closed) &&
               gush_clock_mono_us() < until_us)
            nap();
    if (app->api_server)
        gush_rpc_server_stop(app->api_server);
    if (app->uni_server)
        gush_rpc_server_stop(app->uni_server);
    for (size_t i = 0; i < app->queues_n; i++)
        gush_rpc_queue_run_out(app->queues[i]); /* whose thread did not start */
}

bool gush_app_drain(struct gush_app *app)
{
    uint64_t timeout_us = (uint64_t)app->config->shutdown.timeout_ms * 1000;
    uint64_t from_us = gush_clock_mono_us(), until_us = from_us + timeout_us;

    gush__app_rpc_not_serving(app);
    gush_node_close(app->node);
    answer_calls(app, from_us + timeout_us / ANSWER_PART);
    close_doors(app, until_us);
    end_clients(app, until_us);
    bool in_time = left_ms(until_us) > 0 || live_clients(app) == 0;
    in_time = end_requests(app, until_us) && in_time;
    uint64_t ms = left_ms(until_us);
    stop_server(app, app->uni_server, ms < LAST_CALLS ? ms : LAST_CALLS);
    return stop_server(app, app->api_server, left_ms(until_us)) && in_time;
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

void gush_app_free(struct gush_app *app)
{
    if (app->started)
        stop_threads(app);
    gush__app_doors_free(app);
    gush__app_sites_free(app);
    gush_census_free(app->census);
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
