#include "server/base/siphash.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

static inline void rounds(uint64_t v[4], unsigned n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] = rotl(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] = rotl(v[2], 32);
    }
}

static inline void start(uint64_t v[4], const struct gush_hash_key *key)
{
    v[0] = key->k0 ^ 0x736f6d6570736575u;
    v[1] = key->k1 ^ 0x646f72616e646f6du;
    v[2] = key->k0 ^ 0x6c7967656e657261u;
    v[3] = key->k1 ^ 0x7465646279746573u;
}

static inline void take(uint64_t v[4], uint64_t word, unsigned n)
{
    v[3] ^= word;
    rounds(v, n);
    v[0] ^= word;
}

/* All of |s|, with |n| rounds for each word. */
static inline void take_all(uint64_t v[4], struct gush_span s, unsigned n)
{
    uint64_t last = (uint64_t)s.n << 56;
    size_t at = 0;

    for (; s.n - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, s.p + at, sizeof(word));
        take(v, le64toh(word), n);
    }
    for (unsigned shift = 0; at < s.n; at++, shift += 8)
        last |= (uint64_t)s.p[at] << shift;
    take(v, last, n);
}

static inline uint64_t fold(const uint64_t v[4])
{
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t gush_hash(const struct gush_hash_key *key, struct gush_span s)
{
    uint64_t v[4];

    start(v, key);
    take_all(v, s, 1);
    v[2] ^= 0xff;
    rounds(v, 3);
    return fold(v);
}

struct gush_siphash gush_siphash_of(const struct gush_hash_key *key, struct gush_span s)
{
    struct gush_siphash h;
    uint64_t v[4];

    start(v, key);
    v[1] ^= 0xee;
    take_all(v, s, 2);
    v[2] ^= 0xee;
    rounds(v, 4);
    h.lo = fold(v);
    v[1] ^= 0xdd;
    rounds(v, 4);
    h.hi = fold(v);
    return h;
}
