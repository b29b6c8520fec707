/* bytes: counted immutable bytes. The unit that fan-out shares: encoded once, queued many times.
 *
 * Lifetime  one atomic reference per holder (per lane, not per subscriber)
 * Thread    any; the contents never change after gush_bytes_new's caller has filled them */
#ifndef GUSH_BASE_BYTES_H
#define GUSH_BASE_BYTES_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/base/span.h"

struct gush_bytes {
    atomic_uint refs;
    uint32_t n;
    uint8_t data[];
};

/* |n| uninitialised bytes with one reference; the caller fills |data| before sharing. */
struct gush_bytes *gush_bytes_new(size_t n);
struct gush_bytes *gush_bytes_copy(struct gush_span s);
struct gush_bytes *gush_bytes_ref(struct gush_bytes *b);
/* |b| may be NULL. */
void gush_bytes_unref(struct gush_bytes *b);

static inline struct gush_span gush_bytes_span(const struct gush_bytes *b)
{
    return b ? (struct gush_span){b->data, b->n} : GUSH_SPAN_EMPTY;
}

/* How many exist in this process: for leak checks (relaxed statistic). */
uint64_t gush_bytes_live(void);

#endif
