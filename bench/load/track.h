/* track: the order of one subscriber's messages: what is missing, what came twice, what came late.
 *
 * Keys are offsets, or the publisher's count where a channel keeps no stream. A gap counts as lost
 * at once, and no longer when the missing key comes within the next 64.
 *
 * Owner     the subscriber            Thread  one */
#ifndef BENCH_LOAD_TRACK_H
#define BENCH_LOAD_TRACK_H

#include <stdbool.h>
#include <stdint.h>

struct load_track {
    uint64_t top;    /* largest key seen, or where it begins */
    uint64_t window; /* bit i: key top-1-i was seen or is not ours */
    uint64_t floor;  /* keys up to this may come first or not at all */
    bool begun;
};

enum load_verdict { LOAD_NEW, LOAD_LATE, LOAD_DOUBLE };

/* From here on every key above |floor| is ours. */
void load_track_begin(struct load_track *t, uint64_t floor);
/* Judges |key|; |*lost| is what became missing with it. */
enum load_verdict load_track_see(struct load_track *t, uint64_t key, uint64_t *lost);
/* How many keys up to |last| have not come behind the largest one seen. */
uint64_t load_track_missing(const struct load_track *t, uint64_t last);

#endif
