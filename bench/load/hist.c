#include "bench/load/hist.h"

static unsigned slot_of(uint64_t v)
{
    unsigned shift;

    if (v < 64)
        return (unsigned)v;
    shift = 57 - (unsigned)__builtin_clzll(v);
    return (shift + 1) * 64 + (unsigned)(v >> shift) - 64;
}

/* The middle of what falls into |slot|. */
static uint64_t value_of(unsigned slot)
{
    unsigned shift;

    if (slot < 64)
        return slot;
    shift = slot / 64 - 1;
    return ((slot % 64 + UINT64_C(64)) << shift) + (UINT64_C(1) << shift) / 2;
}

void load_hist_add(struct load_hist *h, uint64_t ns)
{
    h->count++;
    if (ns > h->max)
        h->max = ns;
    h->slot[slot_of(ns)]++;
}

void load_hist_merge(struct load_hist *h, const struct load_hist *from)
{
    h->count += from->count;
    if (from->max > h->max)
        h->max = from->max;
    for (unsigned i = 0; i < LOAD_HIST_SLOTS; i++)
        h->slot[i] += from->slot[i];
}

double load_hist_us(const struct load_hist *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->count), seen = 0;

    if (h->count == 0)
        return 0;
    if (want >= h->count)
        want = h->count - 1;
    for (unsigned i = 0; i < LOAD_HIST_SLOTS; i++) {
        seen += h->slot[i];
        if (seen > want)
            return (double)value_of(i) / 1000;
    }
    return (double)h->max / 1000;
}
