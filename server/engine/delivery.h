/* delivery: a letter to one branch: "give this to your subscribers".
 *
 * Pushed under the channel's lock, so every lane sees one order; waits in its branch's list until
 * it is dealt. Queues of subscribers point to it and keep it alive by a plain count: the lane drops
 * its one atomic reference to the frames when that count ends.
 *
 * Owner     the branch's lane         Thread  posted by any, then the lane's */
#ifndef GUSH_ENGINE_DELIVERY_H
#define GUSH_ENGINE_DELIVERY_H

#include "server/base/lane.h"

#include "server/engine/frames.h"
#include "server/engine/node.h"
#include "server/engine/port_transport.h"

struct gush_branch;
struct gush_mark;

enum gush_delivery_kind {
    GUSH_DELIVERY_PUB,
    GUSH_DELIVERY_JOIN,
    GUSH_DELIVERY_LEAVE,
    GUSH_DELIVERY_EPOCH, /* the stream began anew: positions are void */
    GUSH_DELIVERY_CHECK, /* the remote stream's top, to compare positions with */
    GUSH_DELIVERY_DONE,  /* run |done| behind everything before it */
    GUSH_DELIVERY_FREE   /* the branch is unlinked and empty: free it */
};

struct gush_delivery {
    struct gush_letter letter; /* |next| also links the branch's list */
    enum gush_delivery_kind kind;
    enum gush_queue_policy policy; /* of the channel, for full queues */
    struct gush_branch *branch;
    struct gush_frames *frames; /* PUB, JOIN, LEAVE */
    uint64_t seq, offset;       /* offset 0: not of a stream */
    struct gush_epoch epoch;
    bool lost;         /* CHECK: the broker lost writes, positions above |offset| are void */
    uint32_t posted_n; /* subscribers when it was posted: the lane's backlog */
    uint32_t uses;     /* the lane's plain count */
    int cache_form;    /* form whose bytes |cache| was made of, -1 none */
    struct gush_frame_cache cache;
    struct gush_mark *mark; /* NULL until somebody's position is told with it */
    void (*done)(struct gush_lane *lane, struct gush_delivery *d); /* DONE */
};

extern const struct gush_letter_kind gush_delivery_letter;

/* With one use. |frames| (may be NULL) gains a reference. */
struct gush_delivery *gush_delivery_new(enum gush_delivery_kind kind, struct gush_branch *branch,
                                        struct gush_frames *frames);
static inline void gush_delivery_use(struct gush_delivery *d)
{
    d->uses++;
}
/* Frees it at zero. Lane only. */
void gush_delivery_unuse(struct gush_delivery *d);
/* The channel of its publication; with frames only. */
struct gush_span gush_delivery_channel(const struct gush_delivery *d);
/* What it added to its lane's backlog. */
uint64_t gush_delivery_backlog_bytes(const struct gush_delivery *d);
uint64_t gush_delivery_live(void);

#endif
