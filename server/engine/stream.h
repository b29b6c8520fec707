/* stream: the local history of one channel: epoch, offsets, the newest publications.
 *
 * Owner     its channel               Thread  any, under the channel's lock
 * Limits    size from the namespace; the list lives ttl after the last publish, epoch and top live
 *           meta_ttl after the last touch (both checked by the table's sweep)
 * spec: engines 2, 3 */
#ifndef GUSH_ENGINE_STREAM_H
#define GUSH_ENGINE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "server/engine/node.h"
#include "server/engine/publication.h"

struct gush_stream {
    struct gush_epoch epoch;
    uint64_t top; /* offset of the newest, 0 before the first */
    struct gush_publication **ring;
    uint32_t cap, head, n;
    uint64_t history_due_ms, meta_due_ms; /* monotonic; history 0: no list to expire */
    uint64_t version;
    struct gush_bytes *version_epoch; /* NULL: empty */
};

struct gush_stream *gush_stream_new(const struct gush_epoch *epoch, uint64_t meta_due_ms);
void gush_stream_free(struct gush_stream *s);

/* True: |version| is not newer than what is stored (rule of versioned publishing). */
bool gush_stream_stale_version(const struct gush_stream *s, uint64_t version,
                               struct gush_span version_epoch);
/* Gives |p| the next offset and keeps it, trimming to |size|. A reference is taken. */
void gush_stream_append(struct gush_stream *s, struct gush_publication *p, int64_t size,
                        uint64_t version, struct gush_span version_epoch);
/* Drops the publications, keeps the position. */
void gush_stream_clear(struct gush_stream *s);

/* Copies references of what lies after |since| (before it if |reverse|), at most |limit| (< 0: all)
 * into a new array; *out is NULL when there is none. |has_since| false: from the oldest (newest).
 */
size_t gush_stream_read(const struct gush_stream *s, bool has_since, uint64_t since, bool reverse,
                        int64_t limit, struct gush_publication ***out);
/* Unrefs |n| publications and frees the array. */
void gush_stream_release(struct gush_publication **publications, size_t n);

#endif
