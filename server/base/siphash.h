/* siphash: SipHash-2-4, for what a stranger must not be able to forge. Tables use gush_hash.
 *
 * Thread    any; no state */
#ifndef GUSH_BASE_SIPHASH_H
#define GUSH_BASE_SIPHASH_H

#include "server/base/map.h"

struct gush_siphash {
    uint64_t lo, hi;
};

/* The result of 128 bits; its bytes are those of |lo|, then |hi|, little end first. */
struct gush_siphash gush_siphash_of(const struct gush_hash_key *key, struct gush_span s);

#endif
