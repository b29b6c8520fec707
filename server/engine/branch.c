#include "server/engine/branch.h"

#include "server/base/mem.h"

#include "server/engine/channel.h"
#include "server/engine/subscription.h"

#define DEAL_SLICE GUSH_SIM_SMALL(64, 2) /* deliveries between two looks at the queue of work */
/* Letters dealt together, and so written together. More of them make C core keep larger buffers for
 * every stream that was ever flooded: 16 cost 1.7 KB a stream, 4 none that shows. */
#define BATCH_MAX GUSH_SIM_SMALL(4, 3)
#define PREFETCH  4 /* subscriptions ahead */

static atomic_uint_fast64_t live;

uint64_t gush_branch_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

static bool deal(struct gush_lane *lane, struct gush_work *work);

struct gush_branch *gush_branch_new(struct gush_channel *channel, struct gush_lane *lane)
{
    struct gush_branch *b = GUSH_NEW(struct gush_branch);

    b->magic = gush_branch_MAGIC;
    b->channel = gush_channel_ref(channel);
    b->lane = lane;
    b->work.run = deal;
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return b;
}

void gush_branch_free(struct gush_branch *b)
{
    GUSH_ASSERT(b->magic == gush_branch_MAGIC && !b->linked);
    while (b->head) {
        struct gush_delivery *d = b->head;
        b->head = (struct gush_delivery *)(void *)d->letter.next;
        gush_delivery_unuse(d);
    }
    b->magic = GUSH_MAGIC_DEAD;
    gush_channel_unref(b->channel);
    gush_free(b->subs);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    gush_free(b);
}

void gush_branch_add(struct gush_branch *b, struct gush_subscription *sub)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 1;
        b->subs = gush_realloc(b->subs, b->cap * sizeof(struct gush_subscription *));
    }
    sub->index = b->n;
    b->subs[b->n++] = sub;
}

static void move(struct gush_branch *b, uint32_t from, uint32_t to)
{
    b->subs[to] = b->subs[from];
    b->subs[to]->index = to;
}

/* Gives memory back after a crowd left. */
static void shrink(struct gush_branch *b)
{
    if (b->cap <= 16 || b->n > b->cap / 4)
        return;
    b->cap /= 2;
    b->subs = gush_realloc(b->subs, b->cap * sizeof(struct gush_subscription *));
}

void gush_branch_remove(struct gush_branch *b, struct gush_subscription *sub)
{
    GUSH_ASSERT(sub->index < b->n && b->subs[sub->index] == sub);
    if (b->in_batch && !GUSH_BUG(GUSH_BUG_SWAP_REMOVE_WHILE_DEALING)) {
        b->subs[sub->index] = NULL;
        b->holes++;
        return;
    }
    if (sub->index != b->n - 1)
        move(b, b->n - 1, sub->index);
    b->n--;
    shrink(b);
}

static void close_holes(struct gush_branch *b)
{
    uint32_t to = 0;

    if (b->holes == 0)
        return;
    for (uint32_t from = 0; from < b->n; from++) {
        if (b->subs[from] == NULL)
            continue;
        if (from != to)
            move(b, from, to);
        to++;
    }
    b->n = to;
    b->holes = 0;
    shrink(b);
}

void gush_branch_receive(struct gush_lane *lane, struct gush_delivery *d)
{
    struct gush_branch *b = d->branch;

    GUSH_ASSERT(b->magic == gush_branch_MAGIC && b->lane == lane);
    d->letter.next = NULL;
    if (b->tail)
        b->tail->letter.next = &d->letter;
    else
        b->head = d;
    b->tail = d;
    gush_lane_deal(lane, &b->work);
}

static struct gush_delivery *pop(struct gush_branch *b)
{
    struct gush_delivery *d = b->head;

    b->head = (struct gush_delivery *)(void *)d->letter.next;
    if (b->head == NULL)
        b->tail = NULL;
    d->letter.next = NULL;
    return d;
}

static bool is_for_subscribers(const struct gush_delivery *d)
{
    return d->kind != GUSH_DELIVERY_DONE && d->kind != GUSH_DELIVERY_FREE;
}

/* The letters at the head that go to subscribers, up to BATCH_MAX. */
static void begin_batch(struct gush_branch *b)
{
    struct gush_delivery *d = b->head;

    b->in_batch = true;
    b->at = 0;
    b->batch_n = 0;
    while (d && is_for_subscribers(d) && b->batch_n < BATCH_MAX) {
        b->batch_last = d;
        b->batch_n++;
        d = (struct gush_delivery *)(void *)d->letter.next;
    }
}

static void deal_to(struct gush_branch *b, struct gush_subscription *sub)
{
    struct gush_delivery *d = b->head;

    for (;;) {
        gush_subscription_deliver(sub, d);
        if (d == b->batch_last)
            return;
        d = (struct gush_delivery *)(void *)d->letter.next;
    }
}

/* True when every subscriber has the batch. */
static bool deal_batch(struct gush_branch *b)
{
    uint32_t budget = DEAL_SLICE;

    while (b->at < b->n && budget > 0) {
        struct gush_subscription *sub = b->subs[b->at++];
        if (b->at + PREFETCH < b->n && b->subs[b->at + PREFETCH])
            __builtin_prefetch(b->subs[b->at + PREFETCH]);
        budget -= b->batch_n < budget ? b->batch_n : budget;
        if (sub)
            deal_to(b, sub);
    }
    return b->at >= b->n;
}

uint64_t gush_branch_catch_up(struct gush_branch *b, struct gush_subscription *sub)
{
    struct gush_delivery *d = b->head;
    uint64_t n = 0;

    GUSH_ASSERT(!b->lane->dealing);
    if (b->in_batch && sub->index < b->at) /* it has the batch */
        d = (struct gush_delivery *)(void *)b->batch_last->letter.next;
    for (; d; d = (struct gush_delivery *)(void *)d->letter.next) {
        if (!is_for_subscribers(d))
            continue;
        gush_subscription_deliver(sub, d);
        n++;
    }
    return n;
}

static void end_batch(struct gush_lane *lane, struct gush_branch *b)
{
    struct gush_delivery *d;

    b->in_batch = false;
    close_holes(b);
    do {
        d = pop(b);
        bool last = d == b->batch_last;
        lane->settle_deliveries += d->posted_n;
        lane->settle_bytes += gush_delivery_backlog_bytes(d);
        gush_delivery_unuse(d);
        if (last)
            break;
    } while (b->head);
    b->batch_last = NULL;
}

/* False: there is more, others may come first. */
static bool deal(struct gush_lane *lane, struct gush_work *work)
{
    struct gush_branch *b = GUSH_CONTAINER(work, struct gush_branch, work);
    struct gush_delivery *d = b->head;

    GUSH_ASSERT(b->magic == gush_branch_MAGIC && d != NULL);
    if (d->kind == GUSH_DELIVERY_DONE) {
        pop(b);
        d->done(lane, d);
    } else if (d->kind == GUSH_DELIVERY_FREE) {
        pop(b);
        GUSH_ASSERT(b->n == 0 && b->head == NULL);
        gush_delivery_unuse(d);
        gush_branch_free(b);
        return true;
    } else {
        if (!b->in_batch)
            begin_batch(b);
        if (!deal_batch(b))
            return false;
        end_batch(lane, b);
    }
    return b->head == NULL;
}
