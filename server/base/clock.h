/* clock: the real clocks and the real random, for server/app to hand inward. Nothing else reads
 * them: rooms get their time and random as arguments.
 *
 * Thread    any */
#ifndef GUSH_BASE_CLOCK_H
#define GUSH_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t gush_clock_mono_us(void);
/* Unix time in milliseconds. */
int64_t gush_clock_wall_ms(void);
/* Unpredictable bytes (getrandom, buffered per thread). */
void gush_clock_random(void *out, size_t n);

#endif
