/* options: what the command line asked for. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/wire.h"

struct load_options {
    uint64_t subscribers[LOAD_WIRES];
    uint64_t streams, channels, size, inflight, window, seed, pid;
    uint64_t http_port, api_port, uni_port;
    double rate, warmup, duration, idle;   /* a second; seconds */
    double connects, stops, kills, stalls; /* a second */
    uint64_t away_ms, stay_ms, stall_ms, poll_gap_us, grace_ms;
    const char *key, *csv, *label, *path;
    bool history, cycle, floor, json, allow_loss;
    char run[24]; /* a name no earlier run had */
};

/* false: it was said on stderr what is wrong. */
bool load_options_read(struct load_options *o, int argc, char **argv);

#endif
