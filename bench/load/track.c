#include "bench/load/track.h"

void load_track_begin(struct load_track *t, uint64_t floor)
{
    *t = (struct load_track){.top = floor, .floor = floor, .window = UINT64_MAX};
}

enum load_verdict load_track_see(struct load_track *t, uint64_t key, uint64_t *lost)
{
    uint64_t gap, back;

    *lost = 0;
    if (!t->begun) {
        t->begun = true;
        if (key <= t->floor) {
            t->top = key;
            return LOAD_NEW;
        }
    }
    if (key > t->top) {
        gap = key - t->top - 1;
        t->window = gap < 63 ? t->window << (gap + 1) : 0;
        if (gap < 64)
            t->window |= UINT64_C(1) << gap;
        t->top = key;
        *lost = gap;
        return LOAD_NEW;
    }
    back = t->top - key;
    if (back == 0 || back > 64 || (t->window >> (back - 1) & 1))
        return LOAD_DOUBLE;
    t->window |= UINT64_C(1) << (back - 1);
    return LOAD_LATE;
}

uint64_t load_track_missing(const struct load_track *t, uint64_t last)
{
    uint64_t from = t->top > t->floor ? t->top : t->floor;

    return last > from ? last - from : 0;
}
