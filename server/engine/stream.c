#include "server/engine/stream.h"

#include "server/base/assert.h"
#include "server/base/mem.h"

struct gush_stream *gush_stream_new(const struct gush_epoch *epoch, uint64_t meta_due_ms)
{
    struct gush_stream *s = GUSH_NEW(struct gush_stream);
    s->epoch = *epoch;
    s->meta_due_ms = meta_due_ms;
    return s;
}

void gush_stream_free(struct gush_stream *s)
{
    if (s == NULL)
        return;
    gush_stream_clear(s);
    gush_bytes_unref(s->version_epoch);
    gush_free(s);
}

bool gush_stream_stale_version(const struct gush_stream *s, uint64_t version,
                               struct gush_span version_epoch)
{
    if (version == 0 || version > s->version)
        return false;
    return version_epoch.n == 0 || gush_span_eq(version_epoch, gush_bytes_span(s->version_epoch));
}

static void drop_oldest(struct gush_stream *s)
{
    gush_publication_unref(s->ring[s->head]);
    s->head = (s->head + 1) & (s->cap - 1);
    s->n--;
}

static void grow(struct gush_stream *s)
{
    uint32_t cap = s->cap ? s->cap * 2 : 4;
    struct gush_publication **ring = gush_zalloc(cap, sizeof(struct gush_publication *));

    for (uint32_t i = 0; i < s->n; i++)
        ring[i] = s->ring[(s->head + i) & (s->cap - 1)];
    gush_free(s->ring);
    s->ring = ring;
    s->cap = cap;
    s->head = 0;
}

void gush_stream_append(struct gush_stream *s, struct gush_publication *p, int64_t size,
                        uint64_t version, struct gush_span version_epoch)
{
    GUSH_ASSERT(size > 0);
    gush_publication_set_offset(p, ++s->top);
    while (s->n > 0 && (int64_t)s->n >= size)
        drop_oldest(s);
    if (s->n == s->cap)
        grow(s);
    s->ring[(s->head + s->n) & (s->cap - 1)] = gush_publication_ref(p);
    s->n++;
    /* A publish without version resets it, as the reference's memory engine does. */
    s->version = version;
    if (!gush_span_eq(version_epoch, gush_bytes_span(s->version_epoch))) {
        gush_bytes_unref(s->version_epoch);
        s->version_epoch = version_epoch.n ? gush_bytes_copy(version_epoch) : NULL;
    }
}

void gush_stream_clear(struct gush_stream *s)
{
    while (s->n > 0)
        drop_oldest(s);
    gush_free(s->ring);
    s->ring = NULL;
    s->cap = s->head = 0;
    s->history_due_ms = 0;
}

static struct gush_publication *at(const struct gush_stream *s, uint64_t index)
{
    return s->ring[(s->head + (uint32_t)index) & (s->cap - 1)];
}

size_t gush_stream_read(const struct gush_stream *s, bool has_since, uint64_t since, bool reverse,
                        int64_t limit, struct gush_publication ***out)
{
    uint64_t oldest = s->top - s->n + 1; /* offset of the first kept */
    uint64_t from = 0, n = s->n;         /* index of the first to copy, how many */

    *out = NULL;
    if (has_since && !reverse) {
        from = since >= s->top ? s->n : since < oldest ? 0 : since - oldest + 1;
        n = s->n - from;
    } else if (has_since) {
        /* Reverse from a neighbour that is not in the list yields nothing, as the reference. */
        n = since > oldest && since - 1 <= s->top ? since - oldest : 0;
    }
    uint64_t take = limit >= 0 && (uint64_t)limit < n ? (uint64_t)limit : n;
    if (take == 0)
        return 0;
    *out = gush_zalloc(take, sizeof(struct gush_publication *));
    for (uint64_t i = 0; i < take; i++)
        (*out)[i] = gush_publication_ref(at(s, reverse ? n - 1 - i : from + i));
    return take;
}

void gush_stream_release(struct gush_publication **publications, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gush_publication_unref(publications[i]);
    gush_free(publications);
}
