/* usage: what a process has used, from outside of it.
 *
 * Thread    any */
#ifndef BENCH_LOAD_USAGE_H
#define BENCH_LOAD_USAGE_H

#include <stdint.h>

struct load_usage {
    uint64_t cpu_ns;             /* the scheduler's clock: all threads, ended ones too */
    uint64_t user_ns, system_ns; /* the same in steps of 10 ms */
    uint64_t rss;                /* bytes; what sockets hold in the kernel is not in it */
};

/* All zero for |pid| 0, and for a process that is gone. */
void load_usage_read(uint64_t pid, struct load_usage *out);

#endif
