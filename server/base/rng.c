#include "server/base/rng.h"

#include "server/base/assert.h"

static uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

/* splitmix64: spreads one word of seed over the state, which must not be all zero. */
static uint64_t spread(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void gush_rng_seed(struct gush_rng *r, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++)
        r->s[i] = spread(&seed);
}

uint64_t gush_rng_u64(struct gush_rng *r)
{
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t gush_rng_below(struct gush_rng *r, uint64_t n)
{
    uint64_t reject, v;

    GUSH_ASSERT(n > 0);
    /* 2^64 mod n values at the bottom would make the small results likelier. */
    reject = (0 - n) % n;
    do {
        v = gush_rng_u64(r);
    } while (v < reject);
    return v % n;
}
