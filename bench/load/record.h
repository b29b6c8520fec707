/* record: what each publication carries, so that a reader can judge it without decoding JSON.
 *
 *     {"r":"~TTTTTTTTTTTTTTTTTTTSSSSSSSSSSSSCCCCCC~","p":"..."}
 *
 * T is the moment at which it was meant to be sent (19 digits, nanoseconds of the monotonic clock),
 * S counts the channel's publications from 1 (12), C is the number of the channel (6). The text is
 * padded to the size asked for, and is valid JSON.
 *
 * Thread    any */
#ifndef BENCH_LOAD_RECORD_H
#define BENCH_LOAD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

/* No payload is shorter. */
#define LOAD_RECORD_MIN 54

struct load_record {
    uint64_t intended_ns, seq;
    uint32_t channel;
};

/* Appends a payload of |size| bytes, at least LOAD_RECORD_MIN. */
void load_record_write(struct gush_buf *out, const struct load_record *r, size_t size);
/* Finds the record in |s|; false: there is none. |*end| is where the search may go on. */
bool load_record_find(struct gush_span s, struct load_record *r, const uint8_t **end);

#endif
