#include "server/engine/delivery.h"

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/engine/branch.h"
#include "server/engine/marks.h"

static atomic_uint_fast64_t live;

uint64_t gush_delivery_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

struct gush_delivery *gush_delivery_new(enum gush_delivery_kind kind, struct gush_branch *branch,
                                        struct gush_frames *frames)
{
    struct gush_delivery *d = GUSH_NEW(struct gush_delivery);

    d->letter.kind = &gush_delivery_letter;
    d->kind = kind;
    d->branch = branch;
    d->frames = frames ? gush_frames_ref(frames) : NULL;
    d->uses = 1;
    d->cache_form = -1;
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return d;
}

uint64_t gush_delivery_backlog_bytes(const struct gush_delivery *d)
{
    if (d->frames == NULL)
        return 0;
    return (uint64_t)d->posted_n * gush_publication_bytes(gush_frames_publication(d->frames));
}

struct gush_span gush_delivery_channel(const struct gush_delivery *d)
{
    return gush_publication_channel(gush_frames_publication(d->frames));
}

static void delivery_free(struct gush_delivery *d)
{
    if (d->cache.drop)
        d->cache.drop(&d->cache);
    gush_marks_letter_free(d->mark);
    gush_frames_unref(d->frames);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    gush_free(d);
}

void gush_delivery_unuse(struct gush_delivery *d)
{
    GUSH_ASSERT(d->uses > 0);
    if (--d->uses == 0)
        delivery_free(d);
}

static void delivery_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct gush_delivery *d = GUSH_CONTAINER(letter, struct gush_delivery, letter);
    gush_branch_receive(lane, d);
}

/* The lane closed, so its clients are gone and every branch is unlinked; one whose last letter is
 * dropped here goes with it. */
static void delivery_drop(struct gush_letter *letter)
{
    struct gush_delivery *d = GUSH_CONTAINER(letter, struct gush_delivery, letter);
    struct gush_lane *lane = d->branch->lane;

    atomic_fetch_sub_explicit(&lane->backlog_deliveries, d->posted_n, memory_order_relaxed);
    atomic_fetch_sub_explicit(&lane->backlog_bytes, gush_delivery_backlog_bytes(d),
                              memory_order_relaxed);
    if (d->kind == GUSH_DELIVERY_FREE)
        gush_branch_free(d->branch);
    delivery_free(d);
}

const struct gush_letter_kind gush_delivery_letter = {"delivery", delivery_open, delivery_drop};
