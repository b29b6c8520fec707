/* hist: a log-linear histogram of nanoseconds: 64 slots for each power of two, so that a quantile
 * is off by at most 1.6 %, whatever its size, and adding costs one increment.
 *
 * Owner     whoever embeds it         Thread  one */
#ifndef BENCH_LOAD_HIST_H
#define BENCH_LOAD_HIST_H

#include <stdint.h>

#define LOAD_HIST_SLOTS (64 * 59)

struct load_hist {
    uint64_t count, max;
    uint64_t slot[LOAD_HIST_SLOTS];
};

void load_hist_add(struct load_hist *h, uint64_t ns);
/* Adds all of |from|. */
void load_hist_merge(struct load_hist *h, const struct load_hist *from);
/* The value below which the part |q| (0..1) of all values lies, in microseconds; 0 if empty. */
double load_hist_us(const struct load_hist *h, double q);

#endif
