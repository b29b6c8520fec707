/* branch: one channel on one lane: the subscribers that this lane serves, and the letters that wait
 * to be dealt to them.
 *
 * |count| and |linked| are under the channel's lock; everything else only the lane touches. Letters
 * that wait are dealt as a batch: all of them to one subscriber, then to the next, so that they
 * leave in one write. While a batch is being dealt, removal leaves a hole and addition appends;
 * holes close afterwards.
 *
 * Owner     the channel while linked, then the FREE delivery on its way to the lane
 * Lifetime  first subscriber of this lane .. behind the last letter posted to it */
#ifndef GUSH_ENGINE_BRANCH_H
#define GUSH_ENGINE_BRANCH_H

#include "server/base/assert.h"
#include "server/base/lane.h"

#include "server/engine/delivery.h"

struct gush_channel;
struct gush_subscription;

#define gush_branch_MAGIC GUSH_MAGIC('b', 'r', 'c', 'h')
struct gush_branch {
    GUSH_MAGIC_FIELD;
    uint32_t count;               /* lock: channel */
    struct gush_channel *channel; /* counted */
    struct gush_lane *lane;
    bool linked; /* lock: channel */
    /* lane only from here on */
    bool in_batch; /* the letters up to |batch_last| are partly dealt */
    uint32_t batch_n;
    struct gush_delivery *batch_last;
    struct gush_work work;
    struct gush_delivery *head, *tail;
    uint32_t at; /* next subscriber of the batch */
    uint32_t n, cap, holes;
    struct gush_subscription **subs;
};

/* |channel| gains a reference. */
struct gush_branch *gush_branch_new(struct gush_channel *channel, struct gush_lane *lane);
void gush_branch_free(struct gush_branch *b);
/* On the lane. */
void gush_branch_add(struct gush_branch *b, struct gush_subscription *sub);
void gush_branch_remove(struct gush_branch *b, struct gush_subscription *sub);
/* Gives |sub| at once what waits to be dealt to it; how many letters that was. It must leave the
 * branch, or be told nothing more, before dealing goes on. Not while dealing. */
uint64_t gush_branch_catch_up(struct gush_branch *b, struct gush_subscription *sub);
/* A delivery arrived in the mailbox: it is dealt behind those that wait. */
void gush_branch_receive(struct gush_lane *lane, struct gush_delivery *d);
uint64_t gush_branch_live(void);

#endif
