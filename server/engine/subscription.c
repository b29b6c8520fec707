#include "server/engine/subscription.h"

#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/engine/client_priv.h"

static bool same_epoch(const struct gush_epoch *a, const struct gush_epoch *b)
{
    return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
}

/* Server-side subscriptions end with their connection: its SDK comes back and recovers. */
static void insufficient(struct gush_subscription *sub)
{
    gush_client_disconnect(sub->client, GUSH_DISCONNECT_INSUFFICIENT_STATE, NULL);
}

static void hold(struct gush_subscription *sub, struct gush_delivery *d)
{
    struct gush_held *h = sub->held;
    uint64_t limit = gush__client_queue_limit(sub->client);

    if (sub->overflowed)
        return; /* the history is read again when the answer comes */
    if (h == NULL)
        h = sub->held = GUSH_NEW(struct gush_held);
    if (d->frames)
        h->bytes += gush_publication_bytes(gush_frames_publication(d->frames)) + 64;
    if (h->bytes > limit) {
        gush_subscription_drop_held(sub);
        sub->overflowed = true;
        return;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 8;
        h->letters = gush_realloc(h->letters, h->cap * sizeof(struct gush_delivery *));
    }
    gush_delivery_use(d);
    h->letters[h->n++] = d;
}

void gush_subscription_drop_held(struct gush_subscription *sub)
{
    struct gush_held *h = sub->held;

    if (h == NULL)
        return;
    for (uint32_t i = 0; i < h->n; i++)
        gush_delivery_unuse(h->letters[i]);
    gush_free(h->letters);
    gush_free(h);
    sub->held = NULL;
}

static void deliver_pub(struct gush_subscription *sub, struct gush_delivery *d)
{
    if (sub->positioned && d->offset > 0) {
        if (sub->epoch.n == 0)
            sub->epoch = d->epoch;
        if (!GUSH_BUG(GUSH_BUG_EPOCH_IGNORED_AT_SEAM) && !same_epoch(&sub->epoch, &d->epoch)) {
            insufficient(sub);
            return;
        }
        if (d->offset <= sub->offset)
            return;
        if (d->offset != sub->offset + 1) {
            insufficient(sub);
            return;
        }
        sub->offset = d->offset;
    }
    gush__client_queue_delivery(sub->client, sub, d);
}

static void check(struct gush_subscription *sub, const struct gush_delivery *d)
{
    if (!sub->positioned)
        return;
    if ((sub->epoch.n && !same_epoch(&sub->epoch, &d->epoch)) ||
        (d->lost && sub->offset > d->offset)) {
        insufficient(sub);
        return;
    }
    if (sub->offset < d->offset) {
        sub->below = d->offset;
        gush__client_recheck_later(sub->client);
    }
}

void gush_subscription_recheck(struct gush_subscription *sub)
{
    bool late = sub->below > sub->offset;

    sub->below = 0;
    if (late && sub->branch)
        insufficient(sub);
}

static void deliver_live(struct gush_subscription *sub, struct gush_delivery *d)
{
    switch (d->kind) {
    case GUSH_DELIVERY_PUB:
        deliver_pub(sub, d);
        break;
    case GUSH_DELIVERY_JOIN:
    case GUSH_DELIVERY_LEAVE:
        if (sub->push_join_leave)
            gush__client_queue_delivery(sub->client, sub, d);
        break;
    case GUSH_DELIVERY_EPOCH:
        if (sub->positioned && !same_epoch(&sub->epoch, &d->epoch))
            insufficient(sub);
        break;
    case GUSH_DELIVERY_CHECK:
        check(sub, d);
        break;
    case GUSH_DELIVERY_DONE:
    case GUSH_DELIVERY_FREE:
        break; /* the branch's own */
    }
}

void gush_subscription_deliver(struct gush_subscription *sub, struct gush_delivery *d)
{
    GUSH_ASSERT(sub->magic == gush_subscription_MAGIC && sub->branch == d->branch);
    if (gush__client_ending(sub->client) || d->seq <= sub->seq)
        return;
    if (sub->holding)
        hold(sub, d);
    else
        deliver_live(sub, d);
}

void gush_subscription_go_live(struct gush_subscription *sub)
{
    struct gush_held *h = sub->held;

    sub->holding = false;
    sub->held = NULL;
    GUSH_ASSERT(!sub->overflowed || !sub->positioned); /* then it was read again */
    sub->overflowed = false;
    if (h == NULL)
        return;
    for (uint32_t i = 0; i < h->n; i++) {
        if (!gush__client_ending(sub->client))
            deliver_live(sub, h->letters[i]);
        gush_delivery_unuse(h->letters[i]);
    }
    gush_free(h->letters);
    gush_free(h);
}
