#include "server/base/bytes.h"

#include "server/base/assert.h"
#include "server/base/mem.h"

static atomic_uint_fast64_t live; /* atomic, relaxed: statistic */

struct gush_bytes *gush_bytes_new(size_t n)
{
    struct gush_bytes *b;

    GUSH_ASSERT(n <= UINT32_MAX);
    b = gush_alloc(sizeof(*b) + n);
    atomic_init(&b->refs, 1);
    b->n = (uint32_t)n;
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return b;
}

struct gush_bytes *gush_bytes_copy(struct gush_span s)
{
    struct gush_bytes *b = gush_bytes_new(s.n);

    if (s.n)
        memcpy(b->data, s.p, s.n);
    return b;
}

struct gush_bytes *gush_bytes_ref(struct gush_bytes *b)
{
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);

    GUSH_ASSERT(before != 0 && before != UINT32_MAX);
    return b;
}

void gush_bytes_unref(struct gush_bytes *b)
{
    unsigned before;

    if (b == NULL)
        return;
    /* Acquire as well: whoever frees must see every other holder's last read as done. */
    before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    GUSH_ASSERT(before != 0);
    if (before > 1)
        return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    gush_free(b);
}

uint64_t gush_bytes_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}
