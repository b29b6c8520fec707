#include "bench/load/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"

#include "bench/load/record.h"

enum kind { NUMBER, RATE, TEXT, FLAG };

struct option {
    const char *name;
    enum kind kind;
    void *value;
    const char *help;
};

#define OPTIONS_MAX 40

static size_t table(struct load_options *o, struct option *t)
{
    const struct option all[] = {
        {"--grpc", NUMBER, &o->subscribers[LOAD_GRPC], "subscribers over unidirectional gRPC"},
        {"--sse", NUMBER, &o->subscribers[LOAD_SSE], "subscribers over SSE, one connection each"},
        {"--streams", NUMBER, &o->streams, "gRPC subscribers that share a connection (1)"},
        {"--channels", NUMBER, &o->channels, "channels they are spread over (1)"},
        {"--history", FLAG, &o->history, "use the namespace hist, with positions and recovery"},
        {"--rate", RATE, &o->rate, "publications a second, over all channels (20)"},
        {"--size", NUMBER, &o->size, "bytes of a publication (128)"},
        {"--inflight", NUMBER, &o->inflight, "publish calls under way on one channel (1)"},
        {"--warmup", RATE, &o->warmup, "seconds before measuring (2)"},
        {"--duration", RATE, &o->duration, "seconds measured (10)"},
        {"--idle", RATE, &o->idle, "seconds without publications behind connecting (0)"},
        {"--cycle", FLAG, &o->cycle, "behind the warmup reset every connection once"},
        {"--connects", RATE, &o->connects, "subscribers that come for a while, a second"},
        {"--stops", RATE, &o->stops, "streams ended in order, a second"},
        {"--kills", RATE, &o->kills, "connections reset, a second"},
        {"--stalls", RATE, &o->stalls, "connections that stop reading, a second"},
        {"--away-ms", NUMBER, &o->away_ms, "until an ended stream comes back (500)"},
        {"--stay-ms", NUMBER, &o->stay_ms, "how long a visitor stays (2000)"},
        {"--stall-ms", NUMBER, &o->stall_ms, "how long a stalled reader reads nothing (3000)"},
        {"--grace-ms", NUMBER, &o->grace_ms, "waiting for what is missing at the end (5000)"},
        {"--http", NUMBER, &o->http_port, "port of the HTTP server, SSE (21000)"},
        {"--api", NUMBER, &o->api_port, "port of the gRPC API (21001)"},
        {"--uni", NUMBER, &o->uni_port, "port of unidirectional gRPC (21002)"},
        {"--path", TEXT, &o->path, "of SSE (/connection/uni_sse)"},
        {"--key", TEXT, &o->key, "API key (bench-key); empty: none"},
        {"--floor", FLAG, &o->floor, "the server is gush_load floor, at --http"},
        {"--pid", NUMBER, &o->pid, "process of the server, for CPU and memory"},
        {"--window", NUMBER, &o->window, "connects under way at once (64)"},
        {"--poll-gap-us", NUMBER, &o->poll_gap_us, "pause between looks at busy sockets (100)"},
        {"--seed", NUMBER, &o->seed, "of the churn (1)"},
        {"--csv", TEXT, &o->csv, "file for one line of figures a second"},
        {"--label", TEXT, &o->label, "text copied to the output"},
        {"--json", FLAG, &o->json, "print one line of JSON"},
        {"--allow-loss", FLAG, &o->allow_loss, "exit with 0 whatever was lost"},
    };
    memcpy(t, all, sizeof all);
    return sizeof all / sizeof *all;
}

static void usage(const struct option *t, size_t n)
{
    fprintf(stderr, "usage: gush_load [OPTION VALUE]...\n"
                    "       gush_load floor [PORT]\n\n");
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "  %-14s %s\n", t[i].name, t[i].help);
    fprintf(stderr, "\nexit status: 0 well, 1 could not run, 2 usage, 3 lost, repeated or "
                    "disordered\n");
}

static bool set(const struct option *option, const char *text)
{
    char *end = NULL;

    errno = 0;
    if (option->kind == TEXT) {
        *(const char **)option->value = text;
        return true;
    }
    if (text[0] < '0' || text[0] > '9')
        return false;
    if (option->kind == NUMBER)
        *(uint64_t *)option->value = strtoull(text, &end, 10);
    else
        *(double *)option->value = strtod(text, &end);
    return errno == 0 && *end == '\0';
}

static const char *unreasonable(const struct load_options *o)
{
    if (o->subscribers[LOAD_GRPC] + o->subscribers[LOAD_SSE] == 0)
        return "--grpc or --sse: nobody would listen";
    if (o->subscribers[LOAD_GRPC] > 1000000 || o->subscribers[LOAD_SSE] > 1000000)
        return "--grpc, --sse: at most 1000000";
    if (o->streams == 0 || o->channels == 0 || o->channels > 999999 || o->window == 0)
        return "--streams, --channels, --window: at least 1; at most 999999 channels";
    if (o->size < LOAD_RECORD_MIN || o->size > 15000)
        return "--size: from 54 to 15000";
    if (o->inflight == 0 || o->inflight > 32)
        return "--inflight: from 1 to 32";
    if (o->rate > 1e6 || o->rate * (double)o->duration > 1e9)
        return "--rate: at most 1000000";
    if (o->floor && o->subscribers[LOAD_GRPC])
        return "--floor: speaks SSE only";
    if (!o->history && o->stops + o->kills + o->stalls > 0)
        return "--stops, --kills, --stalls: without --history nothing can be recovered";
    return NULL;
}

bool load_options_read(struct load_options *o, int argc, char **argv)
{
    struct option t[OPTIONS_MAX];
    const char *wrong;
    size_t n;

    *o = (struct load_options){.streams = 1,
                               .channels = 1,
                               .size = 128,
                               .inflight = 1,
                               .window = 64,
                               .seed = 1,
                               .http_port = 21000,
                               .api_port = 21001,
                               .uni_port = 21002,
                               .rate = 20,
                               .warmup = 2,
                               .duration = 10,
                               .away_ms = 500,
                               .stay_ms = 2000,
                               .stall_ms = 3000,
                               .poll_gap_us = 100,
                               .grace_ms = 5000,
                               .key = "bench-key",
                               .label = "",
                               .path = "/connection/uni_sse"};
    snprintf(o->run, sizeof o->run, "b%" PRIx64, gush_clock_mono_us());
    n = table(o, t);
    for (int i = 1; i < argc; i++) {
        size_t at = 0;

        while (at < n && strcmp(argv[i], t[at].name) != 0)
            at++;
        if (at == n) {
            usage(t, n);
            return false;
        }
        if (t[at].kind == FLAG) {
            *(bool *)t[at].value = true;
        } else if (i + 1 == argc || !set(&t[at], argv[++i])) {
            fprintf(stderr, "gush_load: %s needs a value\n", t[at].name);
            return false;
        }
    }
    if (o->key[0] == '\0')
        o->key = NULL;
    wrong = unreasonable(o);
    if (wrong)
        fprintf(stderr, "gush_load: %s\n", wrong);
    return wrong == NULL;
}
