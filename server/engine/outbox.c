#include "server/engine/outbox.h"

#include "server/base/assert.h"
#include "server/base/map.h"
#include "server/base/mem.h"

#define FIRST_CAP  4
#define KEEP_CAP   16 /* a larger ring is given back when the queue runs empty */
#define OWN        ((uintptr_t)1)
#define DROPPABLE  ((uintptr_t)2)
#define SUPERSEDED ((uintptr_t)4) /* with DROPPABLE, only while dropping */
#define MOVES      ((uintptr_t)4) /* without DROPPABLE */
#define FLAGS      (OWN | DROPPABLE | SUPERSEDED)

static struct gush_outbox_entry *entry(const struct gush_outbox *q, uint32_t i)
{
    return &q->ring[(q->head + i) & (q->cap - 1)];
}

static uintptr_t bits_of(enum gush_outbox_flag flag)
{
    return flag == GUSH_OUTBOX_DROPPABLE ? DROPPABLE : flag == GUSH_OUTBOX_MOVES ? MOVES : 0;
}

static bool moves(const struct gush_outbox_entry *e)
{
    return (e->what & (DROPPABLE | MOVES)) == MOVES;
}

static bool is_own(const struct gush_outbox_entry *e)
{
    return (e->what & OWN) != 0;
}

/* Of an entry that is not our own frame. */
static struct gush_delivery *delivery_of(const struct gush_outbox_entry *e)
{
    return (struct gush_delivery *)(e->what & ~FLAGS);
}

static struct gush_bytes *bytes_of(const struct gush_outbox_entry *e)
{
    return (struct gush_bytes *)(e->what & ~FLAGS);
}

static void release(struct gush_outbox_entry *e)
{
    if (is_own(e))
        gush_bytes_unref(bytes_of(e));
    else
        gush_delivery_unuse(delivery_of(e));
}

void gush_outbox_fini(struct gush_outbox *q)
{
    q->flight_n = 0;
    q->flight_bytes = 0;
    gush_outbox_clear(q);
    gush_free(q->ring);
    q->ring = NULL;
    q->cap = 0;
}

static void put(struct gush_outbox *q, uintptr_t what, uint32_t bytes_n, uint64_t now_ms)
{
    if (q->n == q->cap) {
        uint32_t cap = q->cap ? q->cap * 2 : FIRST_CAP;
        struct gush_outbox_entry *ring = gush_alloc(cap * sizeof *ring);
        for (uint32_t i = 0; i < q->n; i++)
            ring[i] = *entry(q, i);
        gush_free(q->ring);
        q->ring = ring;
        q->cap = cap;
        q->head = 0;
    }
    q->n++;
    *entry(q, q->n - 1) = (struct gush_outbox_entry){what, bytes_n, (uint32_t)now_ms};
    q->bytes_n += bytes_n;
}

void gush_outbox_put_delivery(struct gush_outbox *q, struct gush_delivery *d, uint32_t bytes_n,
                              enum gush_outbox_flag flag, uint64_t now_ms)
{
    gush_delivery_use(d);
    put(q, (uintptr_t)d | bits_of(flag), bytes_n, now_ms);
}

void gush_outbox_put_bytes(struct gush_outbox *q, struct gush_bytes *b, enum gush_outbox_flag flag,
                           uint64_t now_ms)
{
    GUSH_ASSERT(flag != GUSH_OUTBOX_DROPPABLE);
    put(q, (uintptr_t)b | OWN | bits_of(flag), b->n, now_ms);
}

/* As a frame; returns the letter it comes from, or NULL. */
static struct gush_delivery *frame_of(const struct gush_outbox_entry *e, enum gush_form form,
                                      struct gush_frame *frame)
{
    frame->cache = NULL;
    if (is_own(e)) {
        frame->bytes = bytes_of(e);
        return NULL;
    }
    struct gush_delivery *d = delivery_of(e);
    frame->bytes = gush_frames_again(d->frames, form);
    if (d->cache_form < 0)
        d->cache_form = (int)form;
    if (d->cache_form == (int)form)
        frame->cache = &d->cache;
    return d;
}

bool gush_outbox_frame(const struct gush_outbox *q, uint32_t i, enum gush_form form,
                       struct gush_frame *frame, struct gush_delivery **d)
{
    const struct gush_outbox_entry *e = entry(q, i);

    *d = frame_of(e, form, frame);
    return moves(e);
}

size_t gush_outbox_frames(const struct gush_outbox *q, enum gush_form form,
                          struct gush_frame *frames, size_t max)
{
    size_t n = q->n < max ? q->n : max;

    for (size_t i = 0; i < n; i++)
        (void)frame_of(entry(q, (uint32_t)i), form, &frames[i]);
    return n;
}

static unsigned hex_digits(uint32_t n)
{
    unsigned digits = 1;

    while (n > 15) {
        n >>= 4;
        digits++;
    }
    return digits;
}

/* What a whole chunk of HTTP/1.1 carries. */
static uint32_t chunk_n(uint32_t frame_n)
{
    uint32_t rest = frame_n - 4; /* two CR LF; left are a size and as many bytes as it says */

    return rest - hex_digits(rest - hex_digits(rest));
}

uint32_t gush_outbox_message_n(enum gush_framing framing, uint32_t frame_n)
{
    const uint32_t event = 8; /* "data: " and two LF */
    uint32_t rest;

    switch (framing) {
    case GUSH_FRAMING_NONE:
        break;
    case GUSH_FRAMING_VARINT:
        for (rest = frame_n - 1; rest >= 0x80; rest >>= 7)
            frame_n--;
        return frame_n - 1;
    case GUSH_FRAMING_GRPC:
        return frame_n - 5;
    case GUSH_FRAMING_SSE:
        return frame_n - event;
    case GUSH_FRAMING_SSE_CHUNKED:
        return chunk_n(frame_n) - event;
    case GUSH_FRAMING_LINE:
        return frame_n - 1;
    case GUSH_FRAMING_LINE_CHUNKED:
        return chunk_n(frame_n) - 1;
    }
    return frame_n;
}

static void count_sent(struct gush_outbox_sent *sent, const struct gush_delivery *d,
                       uint32_t frame_n)
{
    static const uint8_t labels[] = {[GUSH_DELIVERY_PUB] = GUSH_FRAME_PUSH_PUBLICATION,
                                     [GUSH_DELIVERY_JOIN] = GUSH_FRAME_PUSH_JOIN,
                                     [GUSH_DELIVERY_LEAVE] = GUSH_FRAME_PUSH_LEAVE};
    unsigned label = labels[d->kind];

    if (frame_n != sent->frame_n) {
        sent->frame_n = frame_n;
        sent->message_n = gush_outbox_message_n(sent->framing, frame_n);
    }
    gush_metrics_bump(&sent->frames[label], 1);
    gush_metrics_bump(&sent->bytes[label], sent->message_n);
}

void gush_outbox_pop(struct gush_outbox *q, size_t n, struct gush_outbox_sent *sent)
{
    GUSH_ASSERT(n <= q->n && q->flight_n == 0);
    for (size_t i = 0; i < n; i++) {
        struct gush_outbox_entry *e = entry(q, 0);
        q->bytes_n -= e->bytes_n;
        if (is_own(e)) {
            gush_bytes_unref(bytes_of(e));
        } else {
            if (sent)
                count_sent(sent, delivery_of(e), e->bytes_n);
            gush_delivery_unuse(delivery_of(e));
        }
        q->head = (q->head + 1) & (q->cap - 1);
        q->n--;
    }
    if (q->n == 0 && q->cap > KEEP_CAP) {
        gush_free(q->ring);
        q->ring = NULL;
        q->cap = q->head = 0;
    }
}

void gush_outbox_fly(struct gush_outbox *q, size_t n)
{
    GUSH_ASSERT(q->flight_n == 0 && n <= q->n);
    q->flight_n = (uint32_t)n;
    for (uint32_t i = 0; i < n; i++)
        q->flight_bytes += entry(q, i)->bytes_n;
}

void gush_outbox_land(struct gush_outbox *q, struct gush_outbox_sent *sent)
{
    size_t n = q->flight_n;

    q->flight_n = 0;
    q->flight_bytes = 0;
    gush_outbox_pop(q, n, sent);
}

void gush_outbox_clear(struct gush_outbox *q)
{
    while (q->n > q->flight_n) {
        struct gush_outbox_entry *e = entry(q, q->n - 1);
        q->bytes_n -= e->bytes_n;
        release(e);
        q->n--;
    }
}

uint32_t gush_outbox_age_ms(const struct gush_outbox *q, uint64_t now_ms)
{
    return q->n ? (uint32_t)now_ms - entry(q, 0)->at_ms : 0;
}

static struct gush_span newest_key(const void *entry)
{
    return gush_delivery_channel(entry);
}

/* Marks what waits and has a newer one of its channel behind it: one look at each entry. */
static void mark_superseded(struct gush_outbox *q, const struct gush_hash_key *hash_key)
{
    struct gush_map newest;

    gush_map_init(&newest, newest_key, hash_key);
    for (uint32_t i = q->n; i-- > q->flight_n;) {
        struct gush_outbox_entry *e = entry(q, i);
        struct gush_delivery *d = delivery_of(e);

        if ((e->what & DROPPABLE) == 0 || d->policy != GUSH_QUEUE_LATEST)
            continue;
        if (gush_map_find(&newest, gush_delivery_channel(d)))
            e->what |= SUPERSEDED;
        else
            gush_map_insert(&newest, d);
    }
    gush_map_fini(&newest);
}

uint32_t gush_outbox_drop(struct gush_outbox *q, const struct gush_hash_key *hash_key,
                          uint64_t keep_bytes, uint32_t keep_n, gush_outbox_drop_fn *each,
                          void *arg)
{
    uint32_t to = q->flight_n, before = q->n;
    uint64_t bytes_n = gush_outbox_waiting_bytes(q);

    mark_superseded(q, hash_key);
    for (uint32_t from = q->flight_n; from < before; from++) {
        struct gush_outbox_entry *e = entry(q, from);
        bool enough = bytes_n <= keep_bytes && before - q->flight_n - (from - to) <= keep_n;
        bool drop = (e->what & DROPPABLE) && !enough &&
                    (delivery_of(e)->policy == GUSH_QUEUE_DROP_OLDEST || (e->what & SUPERSEDED));
        if (drop) {
            bytes_n -= e->bytes_n;
            if (each)
                each(arg, delivery_of(e));
            release(e);
            continue;
        }
        if (e->what & DROPPABLE)
            e->what &= ~SUPERSEDED;
        *entry(q, to++) = *e;
    }
    q->n = to;
    q->bytes_n = bytes_n + q->flight_bytes;
    return before - to;
}

/* ---- whose it is ----------------------------------------------------------------------------- */

#define LOOKS      512 /* at so many entries */
#define CANDIDATES 8

struct candidate {
    const struct gush_delivery *d; /* NULL: free */
    uint64_t weight;
};

/* A channel that has more than a ninth of all weight stays to the end, whatever comes between. */
static void weigh(struct candidate *list, const struct gush_delivery *d, uint64_t weight)
{
    struct gush_span name = gush_delivery_channel(d);
    struct candidate *lightest = &list[0];

    for (size_t i = 0; i < CANDIDATES; i++) {
        if (list[i].d == NULL || gush_span_eq(gush_delivery_channel(list[i].d), name)) {
            list[i].d = d;
            list[i].weight += weight;
            return;
        }
        if (list[i].weight < lightest->weight)
            lightest = &list[i];
    }
    uint64_t off = lightest->weight < weight ? lightest->weight : weight;
    for (size_t i = 0; i < CANDIDATES; i++)
        list[i].weight -= off;
    if (weight > off)
        *lightest = (struct candidate){d, weight - off};
}

const struct gush_delivery *gush_outbox_largest(const struct gush_outbox *q)
{
    struct candidate list[CANDIDATES] = {{NULL, 0}};
    uint32_t looks = q->n < LOOKS ? q->n : LOOKS;
    size_t best = 0;

    for (uint32_t i = 0; i < looks; i++) {
        /* Multiples of the golden ratio are spread evenly, and in step with no pattern. */
        uint64_t part = (uint32_t)(i * 2654435769u);
        const struct gush_outbox_entry *e =
            entry(q, looks == q->n ? i : (uint32_t)(part * q->n >> 32));

        if (!is_own(e))
            weigh(list, delivery_of(e), e->bytes_n);
    }
    for (size_t i = 1; i < CANDIDATES; i++)
        if (list[i].weight > list[best].weight)
            best = i;
    return list[best].d;
}
