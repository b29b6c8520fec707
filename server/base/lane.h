/* lane: one thread's share of the server, as a machine that its owner turns.
 *
 * A lane has a mailbox, a timing wheel and two queues of work: dealing (handing letters to
 * subscribers) and flushing (writing what they have). Whoever owns the thread (server/net a libuv
 * loop, server/rpc a completion queue, tests/sim a coroutine) sleeps, wakes, and calls
 * gush_lane_turn, which says when to call again. Nothing blocks a lane.
 *
 * Dealing starts only when everything of the round before was flushed: dealing is much cheaper
 * than writing, and would otherwise fill the queues of readers that are not slow.
 *
 * Owner     server/app               Thread  post, backlog: any; everything else the lane's own
 * Lifetime  outlives every connection and letter of it */
#ifndef GUSH_BASE_LANE_H
#define GUSH_BASE_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/mailbox.h"
#include "server/base/rng.h"
#include "server/base/wheel.h"

#define GUSH_LANES_MAX      64
#define GUSH_LANE_TURN_US   1000 /* a turn lasts at most about this long */
#define GUSH_LANE_CALL_NOW  0
#define GUSH_LANE_CALL_IDLE UINT64_MAX

/* What a lane needs from the owner of its thread. */
struct gush_lane_host {
    uint64_t (*mono_us)(void *host); /* the lane's thread */
    void (*wake)(void *host);        /* any thread: makes the owner call gush_lane_turn soon */
    void *host;
};

/* A piece of work in one of the lane's queues. Embedded; zeroed means not queued. */
struct gush_work {
    struct gush_work *next;
    /* Does some of it. True: done, forget it. False: stays queued, behind the others. The piece
     * may free itself when it returns true. */
    bool (*run)(struct gush_lane *lane, struct gush_work *work);
    bool queued;
};

struct gush_work_queue {
    struct gush_work *head, *tail;
    unsigned n;
};

/* Live objects and totals of one lane: written by the lane, read by anybody (relaxed). */
struct gush_lane_stats {
    atomic_uint_fast64_t clients, subscriptions, deliveries, letters, flushes, slow_disconnects;
    atomic_uint_fast64_t dropped_frames, connects, disconnects;
};

struct gush_lane {
    struct gush_mailbox mailbox;
    struct gush_letter *inbox, *inbox_tail; /* taken, not opened yet */
    struct gush_wheel wheel;
    struct gush_work_queue deal;  /* letters to hand to subscribers */
    struct gush_work_queue flush; /* connections with something to write */
    struct gush_work_queue last;  /* end of the turn: closes found while dealing */
    struct gush_lane_host host;
    uint64_t now_us; /* monotonic, refreshed during a turn */
    struct gush_rng rng;
    unsigned index;                   /* 0 .. lanes_n-1 over all kinds */
    unsigned worker_index, workers_n; /* among libuv lanes; worker_index UINT_MAX on gRPC lanes */
    bool closed;
    bool dealing; /* inside a deal round: removals leave holes */
    /* Deliveries and bytes posted here and not yet flushed. atomic, relaxed: flow control */
    atomic_uint_fast64_t backlog_deliveries, backlog_bytes;
    uint64_t settle_deliveries, settle_bytes; /* dealt this round; taken off when it is flushed */
    void (*on_settled)(void *arg);            /* the backlog shrank; lane's thread; may be NULL */
    void *on_settled_arg;
    struct gush_lane_stats stats;
    pthread_t thread; /* set by gush_lane_adopt; checked by gush_lane_assert */
    bool adopted;
};

void gush_lane_init(struct gush_lane *lane, const struct gush_lane_host *host, unsigned index,
                    uint64_t seed);
/* Binds the lane to the calling thread. */
void gush_lane_adopt(struct gush_lane *lane);
/* Our bug if the calling thread does not own |lane|. */
void gush_lane_assert(const struct gush_lane *lane);

/* Queues |letter| and wakes the lane if needed. False: the lane is closed, and the letter was
 * dropped by its kind. Any thread. */
bool gush_lane_post(struct gush_lane *lane, struct gush_letter *letter);

/* One turn: letters, timers, dealing and flushing in alternation. Returns the monotonic millisecond
 * at which to call again, GUSH_LANE_CALL_NOW or GUSH_LANE_CALL_IDLE; a wake-up always means call
 * again. */
uint64_t gush_lane_turn(struct gush_lane *lane);

/* Runs the work that is queued, drops what is in the mailbox and every later post. Clients must be
 * gone. */
void gush_lane_close(struct gush_lane *lane);

/* Queues unless already queued. */
void gush_lane_deal(struct gush_lane *lane, struct gush_work *work);
void gush_lane_flush(struct gush_lane *lane, struct gush_work *work);
/* Runs at the end of this turn, or of the next one when no turn is under way. */
void gush_lane_last(struct gush_lane *lane, struct gush_work *work);

static inline uint64_t gush_lane_now_ms(const struct gush_lane *lane)
{
    return lane->now_us / 1000;
}

#endif
