#include "server/engine/publication.h"

#include <stdatomic.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

/* One allocation: the struct, the tags, then all bytes. */
struct gush_publication {
    atomic_uint refs;
    uint32_t tags_n;
    struct gush_bytes *channel;
    struct gush_span data;
    uint64_t offset, version;
    int64_t time_ms;
    bool has_info, delta;
    struct gush_client_info info;
    struct gush_tag tags[];
};

static atomic_uint_fast64_t live;

uint64_t gush_publication_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

static struct gush_span keep(uint8_t **at, struct gush_span s)
{
    struct gush_span kept = {*at, s.n};
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

static size_t bytes_of(const struct gush_pub *pub)
{
    size_t n = pub->data.n;
    if (pub->info)
        n += pub->info->user.n + pub->info->client.n + pub->info->conn_info.n +
             pub->info->chan_info.n;
    for (size_t i = 0; i < pub->tags_n; i++)
        n += pub->tags[i].key.n + pub->tags[i].value.n;
    return n;
}

struct gush_publication *gush_publication_new(struct gush_bytes *channel,
                                              const struct gush_pub *pub)
{
    GUSH_ASSERT(channel != NULL);
    size_t head = sizeof(struct gush_publication) + pub->tags_n * sizeof(struct gush_tag);
    struct gush_publication *p = gush_alloc(head + bytes_of(pub));
    uint8_t *at = (uint8_t *)p + head;

    memset(p, 0, sizeof *p);
    atomic_init(&p->refs, 1);
    p->channel = gush_bytes_ref(channel);
    p->data = keep(&at, pub->data);
    p->offset = pub->offset;
    p->version = pub->version;
    p->time_ms = pub->time_ms;
    p->delta = pub->delta;
    if (pub->info) {
        p->has_info = true;
        p->info.user = keep(&at, pub->info->user);
        p->info.client = keep(&at, pub->info->client);
        p->info.conn_info = keep(&at, pub->info->conn_info);
        p->info.chan_info = keep(&at, pub->info->chan_info);
    }
    p->tags_n = (uint32_t)pub->tags_n;
    for (size_t i = 0; i < pub->tags_n; i++) {
        p->tags[i].key = keep(&at, pub->tags[i].key);
        p->tags[i].value = keep(&at, pub->tags[i].value);
    }
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return p;
}

struct gush_publication *gush_publication_ref(struct gush_publication *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void gush_publication_unref(struct gush_publication *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    gush_bytes_unref(p->channel);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    gush_free(p);
}

void gush_publication_set_offset(struct gush_publication *p, uint64_t offset)
{
    p->offset = offset;
}

uint64_t gush_publication_offset(const struct gush_publication *p)
{
    return p->offset;
}

size_t gush_publication_bytes(const struct gush_publication *p)
{
    return p->data.n;
}

struct gush_span gush_publication_channel(const struct gush_publication *p)
{
    return gush_bytes_span(p->channel);
}

struct gush_pub gush_publication_view(const struct gush_publication *p, struct gush_span epoch)
{
    return (struct gush_pub){
        .data = p->data,
        .info = p->has_info ? &p->info : NULL,
        .offset = p->offset,
        .tags = p->tags,
        .tags_n = p->tags_n,
        .delta = p->delta,
        .epoch = epoch,
    };
}
