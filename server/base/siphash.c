#include "server/base/siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

static void rounds(uint64_t v[4], unsigned n)
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

static void take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

struct gush_siphash gush_siphash_of(const struct gush_hash_key *key, struct gush_span s)
{
    uint64_t v[4] = {key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du ^ 0xee,
                     key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)s.n << 56;
    struct gush_siphash h;
    size_t at = 0;

    for (; s.n - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, s.p + at, sizeof(word));
        take(v, le64toh(word));
    }
    for (unsigned shift = 0; at < s.n; at++, shift += 8)
        last |= (uint64_t)s.p[at] << shift;
    take(v, last);
    v[2] ^= 0xee;
    rounds(v, 4);
    h.lo = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    rounds(v, 4);
    h.hi = v[0] ^ v[1] ^ v[2] ^ v[3];
    return h;
}
