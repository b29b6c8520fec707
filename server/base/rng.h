/* rng: a small seeded generator (xoshiro256**) for jitter and simulations. Not for secrets.
 *
 * Owner     whoever embeds it         Thread  one */
#ifndef GUSH_BASE_RNG_H
#define GUSH_BASE_RNG_H

#include <stdint.h>

struct gush_rng {
    uint64_t s[4];
};

void gush_rng_seed(struct gush_rng *r, uint64_t seed);
uint64_t gush_rng_u64(struct gush_rng *r);
/* Uniform in [0, n); n > 0. */
uint64_t gush_rng_below(struct gush_rng *r, uint64_t n);

#endif
