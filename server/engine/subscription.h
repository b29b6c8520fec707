/* subscription: one client in one channel: its position, and what it may be given.
 *
 * From subscribe until its reply is queued it is holding: letters wait in |held|, bounded as the
 * connection's queue is. Then it is live.
 *
 * Owner     the client                Thread  the client's lane
 * spec: design 4, 7; client protocol 10 */
#ifndef GUSH_ENGINE_SUBSCRIPTION_H
#define GUSH_ENGINE_SUBSCRIPTION_H

#include "server/base/assert.h"

#include "server/engine/branch.h"
#include "server/engine/node.h"

struct gush_client;

struct gush_held {
    struct gush_delivery **letters;
    uint32_t n, cap;
    uint64_t bytes;
};

#define gush_subscription_MAGIC GUSH_MAGIC('s', 'u', 'b', 's')
struct gush_subscription {
    GUSH_MAGIC_FIELD;
    uint32_t serial; /* names it in answers of a broker; unique in its client */
    struct gush_client *client;
    struct gush_channel *channel; /* counted */
    struct gush_branch *branch;   /* NULL: detached */
    uint32_t index;               /* in the branch */
    bool holding, overflowed;
    bool told; /* its client knows of it */
    bool positioned, recoverable, push_join_leave, presence, join_leave, from_token;
    uint64_t seq;    /* letters up to this are not for us */
    uint64_t offset; /* position, if positioned */
    struct gush_epoch epoch;
    uint64_t expire_due;             /* monotonic ms, 0 never */
    uint64_t below;                  /* a check saw this top above us; 0 none */
    struct gush_publication *member; /* who we are, for presence, join and leave; may be NULL */
    struct gush_held *held;
};

/* Gives a letter to the subscription: position rules, then the client's queue. On the lane, from a
 * branch that is dealing. */
void gush_subscription_deliver(struct gush_subscription *sub, struct gush_delivery *d);
/* The reply is queued: what was held goes out, letters pass from now on. */
void gush_subscription_go_live(struct gush_subscription *sub);
/* Forgets what it held. */
void gush_subscription_drop_held(struct gush_subscription *sub);
/* A second after a check: has it caught up? */
void gush_subscription_recheck(struct gush_subscription *sub);

#endif
