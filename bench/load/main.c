/* gush_load: puts subscribers and a publisher on a server that speaks Centrifugo's interfaces, and
 * says what each delivery cost, how late it was, and whether any was lost. See bench/README.md. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "server/base/mem.h"

#include "bench/load/floor.h"
#include "bench/load/publisher.h"
#include "bench/load/reader.h"
#include "bench/load/report.h"
#include "bench/load/usage.h"

#define EXIT_LOST          3
#define CONNECT_PATIENCE_S 30 /* without any progress */
/* Refused so often, while nobody got in: it will not get better. */
#define REFUSALS_MAX 3
#define SECOND_NS    UINT64_C(1000000000)

struct load {
    const struct load_options *options;
    struct load_published published;
    struct load_reader *reader;
    struct load_publisher *publisher;
    const struct load_counts *counts;
    struct load_report report;
    FILE *csv;
    double connections, rss_before;
    uint64_t began_ns, sampled; /* the CSV: when it began, and its lines */
};

static void rest(void)
{
    const struct timespec a_moment = {.tv_nsec = 1000000};

    (void)nanosleep(&a_moment, NULL);
}

static double per(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static double seconds_since(uint64_t ns)
{
    return (double)(load_reader_now_ns() - ns) / 1e9;
}

/* One line of figures for each second. */
static void sample(struct load *l)
{
    struct load_usage u;

    if (l->csv == NULL || seconds_since(l->began_ns) < (double)l->sampled)
        return;
    if (l->sampled == 0) {
        fprintf(l->csv, "second,rss,cpu_ms");
#define X(name) fprintf(l->csv, ",%s", #name);
        LOAD_COUNTS(X)
#undef X
        fprintf(l->csv, "\n");
    }
    load_usage_read(l->options->pid, &u);
    fprintf(l->csv, "%" PRIu64 ",%" PRIu64 ",%.1f", l->sampled, u.rss, (double)u.cpu_ns / 1e6);
#define X(name) fprintf(l->csv, ",%" PRIu64, atomic_load(&l->counts->name));
    LOAD_COUNTS(X)
#undef X
    fprintf(l->csv, "\n");
    fflush(l->csv);
    l->sampled++;
}

/* ---- phases --------------------------------------------------------------------------------- */

/* How many publications those who stay must have heard of all that was sent. */
static uint64_t expected(const struct load *l)
{
    const struct load_options *o = l->options;
    uint64_t n = 0;

    for (uint64_t c = 0; c < o->channels; c++) {
        uint64_t readers = 0;

        for (int wire = 0; wire < LOAD_WIRES; wire++)
            readers += (o->subscribers[wire] + o->channels - 1 - c) / o->channels;
        n += readers * atomic_load(&l->published.sent[c]);
    }
    return n;
}

/* Everybody is back and has everything, or nothing has come for the time of grace. */
static void drain(struct load *l)
{
    uint64_t since_ns = load_reader_now_ns(), last = 0;

    while (seconds_since(since_ns) * 1000 < (double)l->options->grace_ms) {
        uint64_t heard = atomic_load(&l->counts->received) - atomic_load(&l->counts->visited);

        if (heard >= expected(l) &&
            atomic_load(&l->counts->live) >= load_reader_population(l->reader))
            return;
        if (heard != last) {
            last = heard;
            since_ns = load_reader_now_ns();
        }
        sample(l);
        rest();
    }
}

static bool connect_all(struct load *l)
{
    uint64_t since_ns = load_reader_now_ns(), last = 0, now;

    while ((now = atomic_load(&l->counts->live)) < load_reader_population(l->reader)) {
        if (now != last) {
            last = now;
            since_ns = load_reader_now_ns();
        }
        if (seconds_since(since_ns) > CONNECT_PATIENCE_S ||
            (atomic_load(&l->counts->connected) == 0 &&
             atomic_load(&l->counts->refused) >= REFUSALS_MAX))
            return false;
        rest();
    }
    return true;
}

static bool publish_for(struct load *l, double seconds)
{
    if (seconds <= 0)
        return true;
    if (load_publisher_begin(l->publisher, seconds) != GUSH_OK)
        return false;
    while (!load_publisher_done(l->publisher)) {
        sample(l);
        rest();
    }
    load_publisher_end(l->publisher);
    return true;
}

/* ---- figures -------------------------------------------------------------------------------- */

static void figure(struct load *l, const char *name, double value)
{
    load_report_add(&l->report, name, value);
}

static void cost_figures(struct load *l, const struct load_usage *from, const struct load_usage *to,
                         uint64_t received, uint64_t reads, double seconds)
{
    double n = (double)received;

    figure(l, "deliveries", n);
    figure(l, "server_cpu_us_per_delivery", per((double)(to->cpu_ns - from->cpu_ns) / 1e3, n));
    figure(l, "server_user_us_per_delivery", per((double)(to->user_ns - from->user_ns) / 1e3, n));
    figure(l, "server_system_us_per_delivery",
           per((double)(to->system_ns - from->system_ns) / 1e3, n));
    figure(l, "server_cores", (double)(to->cpu_ns - from->cpu_ns) / 1e9 / seconds);
    figure(l, "server_rss_mb", (double)to->rss / 1e6);
    figure(l, "messages_per_read", per(n, (double)reads));
}

static void quantiles(struct load *l, const struct load_hist *h, const char *const names[5])
{
    static const double q[] = {0.5, 0.9, 0.99, 0.999};

    if (h->count == 0)
        return;
    for (int i = 0; i < 4; i++)
        figure(l, names[i], load_hist_us(h, q[i]));
    figure(l, names[4], (double)h->max / 1e3);
}

static void latency_figures(struct load *l)
{
    static const char *const both[] = {"p50_us", "p90_us", "p99_us", "p999_us", "max_us"};
    static const char *const wires[][5] = {
        {"grpc_p50_us", "grpc_p90_us", "grpc_p99_us", "grpc_p999_us", "grpc_max_us"},
        {"sse_p50_us", "sse_p90_us", "sse_p99_us", "sse_p999_us", "sse_max_us"}};
    struct load_hist *sum = GUSH_NEW(struct load_hist);
    const struct load_hist *late = load_publisher_lateness(l->publisher);
    const struct load_hist *answer = load_publisher_answering(l->publisher);

    for (int wire = 0; wire < LOAD_WIRES; wire++)
        load_hist_merge(sum, load_reader_latency(l->reader, (enum load_wire)wire));
    quantiles(l, sum, both);
    for (int wire = 0; wire < LOAD_WIRES; wire++) {
        const struct load_hist *h = load_reader_latency(l->reader, (enum load_wire)wire);

        if (h->count != sum->count)
            quantiles(l, h, wires[wire]);
    }
    figure(l, "publish_late_p99_us", load_hist_us(late, 0.99));
    figure(l, "publish_answer_p50_us", load_hist_us(answer, 0.5));
    figure(l, "publish_answer_p99_us", load_hist_us(answer, 0.99));
    gush_free(sum);
}

/* What went wrong; true if nothing did. */
static bool judgement(struct load *l)
{
    const struct load_counts *c = l->counts;
    uint64_t lost = c->lost + load_reader_missing(l->reader, l->published.sent);
    uint64_t failed = load_publisher_failed(l->publisher);

    figure(l, "published", (double)load_publisher_answered(l->publisher));
    figure(l, "publish_failed", (double)failed);
    figure(l, "lost", (double)lost);
    figure(l, "repeated", (double)c->doubles);
    figure(l, "late", (double)c->late);
    figure(l, "wrong", (double)c->wrong);
    figure(l, "refused", (double)c->refused);
    figure(l, "unrecovered", (double)c->unrecovered);
    figure(l, "dropped", (double)c->dropped);
    if (l->options->connects + l->options->stops + l->options->kills + l->options->stalls > 0) {
        figure(l, "dropped_slow", (double)c->dropped_slow);
        figure(l, "recovered", (double)c->recovered);
        figure(l, "connects", (double)c->connected);
        figure(l, "visits", (double)c->visits);
        figure(l, "stops", (double)c->stops);
        figure(l, "kills", (double)c->kills);
        figure(l, "stalls", (double)c->stalls);
    }
    return lost + failed + c->doubles + c->wrong + c->refused + c->unrecovered + c->dropped == 0 &&
           (c->late == 0 || l->options->inflight > 1);
}

static void print(struct load *l)
{
    char codes[400] = "";
    size_t n, at = 0;
    const struct load_code *code = load_reader_codes(l->reader, &n);

    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(codes + at, sizeof codes - at, "%s%" PRIu32 ":%" PRIu64,
                               i ? " " : "", code[i].code, code[i].n);
    load_report_print(&l->report, l->options, codes);
    if (load_reader_complaint(l->reader)[0])
        fprintf(stderr, "gush_load: first refusal: %s\n", load_reader_complaint(l->reader));
}

/* ---- the run -------------------------------------------------------------------------------- */

static bool begin(struct load *l)
{
    const struct load_options *o = l->options;
    struct load_usage before, after;
    uint64_t began_ns = load_reader_now_ns(), idle_ns, connections;
    double n = (double)(o->subscribers[LOAD_GRPC] + o->subscribers[LOAD_SSE]);

    connections =
        (o->subscribers[LOAD_GRPC] + o->streams - 1) / o->streams + o->subscribers[LOAD_SSE];
    l->connections = (double)connections;
    load_usage_read(o->pid, &before);
    l->rss_before = (double)before.rss;
    load_reader_order(l->reader, LOAD_RUN);
    if (!connect_all(l)) {
        fprintf(stderr, "gush_load: %" PRIu64 " of %g subscribers are live; %s\n",
                atomic_load(&l->counts->live), n, load_reader_complaint(l->reader));
        return false;
    }
    load_usage_read(o->pid, &after);
    figure(l, "connections", l->connections);
    figure(l, "connect_ms", seconds_since(began_ns) * 1e3);
    if (o->pid == 0)
        return true;
    figure(l, "connect_cpu_us", (double)(after.cpu_ns - before.cpu_ns) / 1e3 / n);
    figure(l, "rss_per_connection", per((double)after.rss - (double)before.rss, l->connections));
    figure(l, "rss_per_subscriber", ((double)after.rss - (double)before.rss) / n);
    before = after;
    idle_ns = load_reader_now_ns();
    while (seconds_since(idle_ns) < o->idle)
        rest();
    load_usage_read(o->pid, &after);
    if (o->idle > 0)
        figure(l, "idle_cpu_us_per_s", (double)(after.cpu_ns - before.cpu_ns) / 1e3 / n / o->idle);
    return true;
}

/* Everybody goes and comes back: a heap that was used, which a fresh one flatters. */
static bool cycle(struct load *l)
{
    uint64_t all = load_reader_population(l->reader);
    struct load_usage u;

    load_reader_order(l->reader, LOAD_CYCLE);
    while (atomic_load(&l->counts->live) == all)
        rest();
    if (!connect_all(l))
        return false;
    load_usage_read(l->options->pid, &u);
    figure(l, "rss_used_per_connection", ((double)u.rss - l->rss_before) / l->connections);
    return true;
}

static bool measure(struct load *l)
{
    const struct load_options *o = l->options;
    struct load_usage from, to;
    uint64_t received, reads, began_ns;
    bool well;

    if (!publish_for(l, o->warmup))
        return false;
    drain(l);
    if (o->cycle && !cycle(l))
        return false;
    load_publisher_forget(l->publisher);
    received = atomic_load(&l->counts->received);
    reads = atomic_load(&l->counts->reads);
    began_ns = load_reader_now_ns();
    atomic_store(&l->published.measure_from_ns, began_ns);
    load_usage_read(o->pid, &from);
    load_reader_order(l->reader, LOAD_CHURN);
    well = publish_for(l, o->duration);
    figure(l, "deliveries_per_s",
           (double)(atomic_load(&l->counts->received) - received) / seconds_since(began_ns));
    load_reader_order(l->reader, LOAD_RUN);
    drain(l);
    load_usage_read(o->pid, &to);
    cost_figures(l, &from, &to, atomic_load(&l->counts->received) - received,
                 atomic_load(&l->counts->reads) - reads, seconds_since(began_ns));
    return well;
}

static int run(struct load *l)
{
    const struct load_options *o = l->options;
    int status = EXIT_FAILURE;

    l->published.sent = gush_zalloc(o->channels, sizeof *l->published.sent);
    atomic_store(&l->published.measure_from_ns, UINT64_MAX);
    l->publisher = load_publisher_new(o, &l->published);
    if (l->publisher == NULL)
        return EXIT_FAILURE;
    l->began_ns = load_reader_now_ns();
    l->reader = load_reader_start(o, &l->published);
    if (l->reader == NULL)
        return EXIT_FAILURE;
    l->counts = load_reader_counts(l->reader);
    if (begin(l) && measure(l))
        status = EXIT_SUCCESS;
    load_reader_order(l->reader, LOAD_LEAVE);
    while (atomic_load(&l->counts->live))
        rest();
    load_reader_join(l->reader);
    if (status == EXIT_SUCCESS) {
        latency_figures(l);
        if (!judgement(l) && !o->allow_loss)
            status = EXIT_LOST;
        print(l);
    }
    load_reader_free(l->reader);
    load_publisher_free(l->publisher);
    gush_free(l->published.sent);
    return status;
}

static void raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct load_options options;
    struct load l = {.options = &options};
    int status;

    raise_files();
    if (argc > 1 && strcmp(argv[1], "floor") == 0)
        return load_floor_run(argc > 2 ? (uint16_t)strtoul(argv[2], NULL, 10) : 0);
    if (!load_options_read(&options, argc, argv))
        return 2;
    if (options.csv && (l.csv = fopen(options.csv, "we")) == NULL) {
        fprintf(stderr, "gush_load: %s: cannot be written\n", options.csv);
        return EXIT_FAILURE;
    }
    status = run(&l);
    if (l.csv)
        fclose(l.csv);
    return status;
}
