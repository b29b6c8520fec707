/* metrics: the pages that tell how the server does: /metrics and /debug/slow.
 *
 * Both ask every lane what waits in its queues, and answer when the last one has told. */
#include "server/base/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/mem.h"

#include "server/codec/json_write.h"

#include "server/engine/slow.h"

#include "server/app/app_priv.h"

#define PAGE_MAX  ((size_t)64 << 20)
#define SLOWEST   20
#define FDS_LOOKS 16384 /* beyond so many, counting them one by one takes too long */

/* ---- the process ----------------------------------------------------------------------------- */

static void set(struct gush_metrics *m, enum gush_metric metric, uint64_t value)
{
    gush_metrics_set(m, metric, GUSH_AT_NONE, value);
}

static void process_memory(struct gush_metrics *m)
{
    FILE *f = fopen("/proc/self/statm", "re");
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char line[128], *rest;

    if (f == NULL)
        return;
    if (fgets(line, sizeof line, f) != NULL) {
        set(m, GUSH_METRIC_PROCESS_VIRTUAL, strtoull(line, &rest, 10) * page);
        set(m, GUSH_METRIC_PROCESS_RESIDENT, strtoull(rest, NULL, 10) * page);
    }
    fclose(f);
}

static void process_time(struct gush_metrics *m)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    uint64_t s = (uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec;
    uint64_t us = (uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec;
    set(m, GUSH_METRIC_PROCESS_CPU, s * 1000000 + us);
}

static void process_descriptors(struct gush_metrics *m)
{
    struct rlimit limit;
    struct stat st;
    uint64_t n = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        set(m, GUSH_METRIC_PROCESS_MAX_FDS, limit.rlim_cur);
    /* Newer kernels say how many there are. */
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
        set(m, GUSH_METRIC_PROCESS_OPEN_FDS, (uint64_t)st.st_size);
        return;
    }
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return;
    while (n < FDS_LOOKS && readdir(d) != NULL) /* NOLINT(concurrency-mt-unsafe): our own d */
        n++;
    closedir(d);
    set(m, GUSH_METRIC_PROCESS_OPEN_FDS, n > 3 ? n - 3 : 0); /* ".", "..", and d itself */
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* One request for a page, until both the lanes and the peer are done with it. */
struct asking {
    struct gush_slow_call slow;
    struct gush_app *app;
    struct gush_exchange *s; /* NULL: the peer is gone */
    void (*write)(struct asking *a, struct gush_buf *out);
    const char *type;
    bool told;
};

static void free_when_done(struct asking *a)
{
    if (a->s || !a->told)
        return;
    gush_slow_call_fini(&a->slow);
    gush_free(a);
}

static void on_closed(void *user)
{
    struct asking *a = user;

    a->s = NULL;
    free_when_done(a);
}

static const struct gush_exchange_events events = {.on_closed = on_closed};

static void told(struct gush_api_call *call)
{
    struct asking *a = GUSH_CONTAINER(call, struct asking, slow.call);
    struct gush_http_field field = {GUSH_SPAN_LIT("Content-Type"), gush_span_str(a->type)};
    struct gush_buf out;

    a->told = true;
    if (a->s == NULL) {
        free_when_done(a);
        return;
    }
    gush_buf_init(&out, PAGE_MAX);
    a->write(a, &out);
    /* on_closed may come as soon as this returns. */
    gush_exchange_respond(a->s,
                          &(struct gush_http_response){.status = gush_buf_ok(&out) ? 200 : 500,
                                                       .fields = &field,
                                                       .fields_n = 1,
                                                       .body = gush_buf_span(&out),
                                                       .compress = true});
    gush_buf_fini(&out);
}

/* The lane has ended, its exchanges with it. */
static void lost(struct gush_api_call *call)
{
    struct asking *a = GUSH_CONTAINER(call, struct asking, slow.call);

    a->told = true;
    a->s = NULL;
    free_when_done(a);
}

static void ask(struct gush_app *app, struct gush_exchange *s, size_t most, const char *type,
                void (*write)(struct asking *a, struct gush_buf *out))
{
    struct asking *a = GUSH_NEW(struct asking);

    a->app = app;
    a->s = s;
    a->write = write;
    a->type = type;
    a->slow.most = most;
    a->slow.call =
        (struct gush_api_call){.home = gush_exchange_lane(s), .done = told, .dropped = lost};
    gush_exchange_watch(s, &events, a);
    gush_slow(app->node, &a->slow);
}

/* ---- /metrics -------------------------------------------------------------------------------- */

static void set_queues(struct gush_metrics *m, const struct gush_slow_sum *sums, const char *name)
{
    uint32_t t = gush_metrics_transport(name);

    gush_metrics_set(m, GUSH_METRIC_QUEUE_CLIENTS, GUSH_AT(t), sums[t].clients);
    gush_metrics_set(m, GUSH_METRIC_QUEUE_MESSAGES, GUSH_AT(t), sums[t].messages);
    gush_metrics_set(m, GUSH_METRIC_QUEUE_BYTES, GUSH_AT(t), sums[t].bytes);
}

/* Where the gate's reasons stand among labels. */
static const uint32_t refusals[GUSH_GATE_REASONS_N] = {
#define X(name, text) [GUSH_GATE_##name] = GUSH_REFUSAL_##name,
    GUSH_GATE_REASONS(X)
#undef X
};
_Static_assert((int)GUSH_GATE_REASONS_N == (int)GUSH_REFUSALS_N, "every reason has its label");

static void set_gate(struct gush_metrics *m, uint32_t listener, struct gush_gate *gate)
{
    struct gush_gate_stats stats = gush_gate_stats(gate);

    gush_metrics_set(m, GUSH_METRIC_GATE_ACCEPTED, GUSH_AT(listener), stats.accepted);
    gush_metrics_set(m, GUSH_METRIC_GATE_ADMITTED, GUSH_AT(listener), stats.admitted);
    gush_metrics_set(m, GUSH_METRIC_GATE_OPEN, GUSH_AT(listener), stats.open);
    gush_metrics_set(m, GUSH_METRIC_GATE_WAITING, GUSH_AT(listener), stats.waiting);
    for (size_t i = 0; i < GUSH_GATE_REASONS_N; i++)
        gush_metrics_set(m, GUSH_METRIC_GATE_REFUSED, GUSH_AT(listener, refusals[i]),
                         stats.refused[i]);
}

static void set_handshakes(struct gush_metrics *m, uint32_t listener,
                           struct gush_tls_server *server)
{
    struct gush_tls_server_stats stats = gush_tls_server_stats(server);
    const uint64_t values[GUSH_HANDSHAKES_N] = {[GUSH_HANDSHAKE_FULL] =
                                                    stats.handshakes - stats.resumed,
                                                [GUSH_HANDSHAKE_RESUMED] = stats.resumed,
                                                [GUSH_HANDSHAKE_FAILED] = stats.failed,
                                                [GUSH_HANDSHAKE_TIMEOUT] = stats.timeouts};

    for (uint32_t i = 0; i < GUSH_HANDSHAKES_N; i++)
        gush_metrics_set(m, GUSH_METRIC_HANDSHAKES, GUSH_AT(listener, i), values[i]);
}

/* Where both listeners share one, its handshakes are the external one's. */
static void set_all_handshakes(struct gush_metrics *m, const struct gush_app *app)
{
    if (app->http_tls.server)
        set_handshakes(m, GUSH_LISTENER_HTTP, app->http_tls.server);
    if (app->http_internal_tls.server)
        set_handshakes(m, GUSH_LISTENER_HTTP_INTERNAL, app->http_internal_tls.server);
}

/* |listener| has the site |site|. */
static void set_versions(struct gush_metrics *m, const struct gush_app *app, uint32_t listener,
                         const struct gush__app_site *site)
{
    uint64_t chosen[GUSH_HTTP_VERSIONS_N] = {0, 0};

    for (size_t d = 0; d < app->doors_n; d++)
        for (size_t i = 0; i < app->loops_n && app->doors[d].site == site; i++) {
            const struct gush_front *front = app->loops[i].fronts[d];
            chosen[GUSH_HTTP_VERSION_1] += gush_front_chosen(front, false);
            chosen[GUSH_HTTP_VERSION_2] += gush_front_chosen(front, true);
        }
    for (uint32_t v = 0; v < GUSH_HTTP_VERSIONS_N; v++)
        gush_metrics_set(m, GUSH_METRIC_HTTP_CONNECTIONS, GUSH_AT(listener, v), chosen[v]);
}

static void set_gates(struct gush_metrics *m, const struct gush_app *app)
{
    static const char *const names[GUSH_LISTENERS_N] = {
#define X(id, text) [GUSH_LISTENER_##id] = (text),
        GUSH_METRICS_LISTENER_MAP(X)
#undef X
    };

    for (size_t d = 0; d < app->doors_n; d++)
        for (uint32_t i = 0; i < GUSH_LISTENERS_N; i++)
            if (app->doors[d].gate && strcmp(app->doors[d].name, names[i]) == 0)
                set_gate(m, i, app->doors[d].gate);
}

static void write_metrics(struct asking *a, struct gush_buf *out)
{
    struct gush_metrics *m = gush_node_metrics(a->app->node);

    gush_node_gauges(a->app->node);
    if (a->app->config->uni_sse.enabled)
        set_queues(m, a->slow.sums, "uni_sse");
    if (a->app->config->uni_http_stream.enabled)
        set_queues(m, a->slow.sums, "uni_http_stream");
    if (a->app->config->uni_grpc.enabled || a->app->config->uni_grpc.on_http_port)
        set_queues(m, a->slow.sums, "uni_grpc");
    set_gates(m, a->app);
    set_all_handshakes(m, a->app);
    set_versions(m, a->app, GUSH_LISTENER_HTTP, &a->app->sites[GUSH__APP_EXTERNAL]);
    set_versions(m, a->app, GUSH_LISTENER_HTTP_INTERNAL, &a->app->sites[GUSH__APP_INTERNAL]);
    process_memory(m);
    process_time(m);
    process_descriptors(m);
    gush_metrics_write(m, out);
}

static void handle_metrics(void *arg, struct gush_exchange *s,
                           const struct gush_http_request *request, struct gush_span body)
{
    (void)request;
    (void)body;
    ask(arg, s, 0, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", write_metrics);
}

/* ---- /debug/slow ----------------------------------------------------------------------------- */

static void write_slow(struct asking *a, struct gush_buf *out)
{
    struct gush_slow_sum all = {0, 0, 0};

    for (size_t i = 0; i < GUSH_TRANSPORTS_N; i++) {
        all.clients += a->slow.sums[i].clients;
        all.messages += a->slow.sums[i].messages;
        all.bytes += a->slow.sums[i].bytes;
    }
    gush_buf_printf(out,
                    "{\"waiting\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64
                    ",\"slowest\":[",
                    all.clients, all.messages, all.bytes);
    for (size_t i = 0; i < a->slow.clients_n; i++) {
        const struct gush_slow_client *c = &a->slow.clients[i];

        gush_buf_put_str(out, i ? ",{\"client\":" : "{\"client\":");
        gush_json_write_string(out, gush_span_of(c->id, sizeof c->id));
        gush_buf_put_str(out, ",\"user\":");
        gush_json_write_string(out, gush_span_of(c->user, c->user_n));
        gush_buf_printf(out, ",\"transport\":\"%s\",\"bytes\":%" PRIu64, c->transport, c->bytes);
        gush_buf_printf(out, ",\"messages\":%u,\"oldest_ms\":%u,\"channel\":", c->messages,
                        c->age_ms);
        gush_json_write_string(out, gush_span_of(c->channel, c->channel_n));
        gush_buf_put_u8(out, '}');
    }
    gush_buf_put_str(out, "]}");
}

static void handle_slow(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                        struct gush_span body)
{
    (void)request;
    (void)body;
    ask(arg, s, SLOWEST, "application/json", write_slow);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Only paths of routes: others are whatever somebody asks for. */
void gush__app_metrics_answered(void *arg, struct gush_span method, struct gush_span path,
                                unsigned status)
{
    const struct gush_app *app = arg;
    struct gush_metrics *m = gush_node_metrics(app->node);
    const struct gush_route *route = gush_router_find(app->external, path);

    if (route == NULL)
        route = gush_router_find(app->internal, path);
    if (route == NULL || route->path == NULL)
        return;
    gush_metrics_add(m, 0, GUSH_METRIC_HTTP_REQUESTS,
                     GUSH_AT(gush_metrics_http_method(method), gush_metrics_path(m, route->path),
                             gush_metrics_http_status(m, status)),
                     1);
}

/* ---- outside --------------------------------------------------------------------------------- */

void gush__app_metrics_init(struct gush_app *app)
{
    gush_metrics_set(gush_node_metrics(app->node), GUSH_METRIC_PROCESS_START, GUSH_AT_NONE,
                     (uint64_t)gush_clock_wall_ms());
}

struct gush_route gush__app_metrics_route(struct gush_app *app)
{
    return (struct gush_route){.path = app->config->prometheus.handler_prefix,
                               .methods = GUSH_ROUTER_ANY,
                               .handle = handle_metrics,
                               .arg = app};
}

struct gush_route gush__app_metrics_slow(struct gush_app *app, const char *path)
{
    return (struct gush_route){
        .path = path, .methods = GUSH_ROUTER_GET, .handle = handle_slow, .arg = app};
}
