/* siphash: keyed hashes of byte strings that come from strangers.
 *
 * Thread    any; no state */
#ifndef GUSH_BASE_SIPHASH_H
#define GUSH_BASE_SIPHASH_H

#include <stdint.h>

#include "server/base/span.h"

/* 16 secret bytes. */
struct gush_hash_key {
    uint64_t k0, k1;
};

/* SipHash-1-3: for tables, where a stranger must not be able to choose where he goes. */
uint64_t gush_hash(const struct gush_hash_key *key, struct gush_span s);

struct gush_siphash {
    uint64_t lo, hi;
};

/* SipHash-2-4 with a result of 128 bits, for what a stranger must not be able to forge; its bytes
 * are those of |lo|, then |hi|, little end first. */
struct gush_siphash gush_siphash_of(const struct gush_hash_key *key, struct gush_span s);

#endif
