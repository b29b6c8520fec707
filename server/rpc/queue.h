/* queue: one completion queue, the one thread that polls it, and the lane that lives on it.
 *
 * Everything of a call that belongs to this queue happens on this thread: events of the library,
 * then a turn of the lane, then sleep until the next event or the moment the lane asked for.
 *
 * Owner     server/app
 * Thread    new, start, stop, join, free: the main one; wake-ups (lane.h): any
 * Lifetime  new .. start .. stop, join (after the servers are drained) .. free (after the servers)
 */
#ifndef GUSH_RPC_QUEUE_H
#define GUSH_RPC_QUEUE_H

#include <stdint.h>

#include "server/base/error.h"
#include "server/base/lane.h"

struct gush_rpc_queue;

struct gush_rpc_queue_options {
    unsigned index; /* of its lane, over all lanes */
    uint64_t seed;  /* of its lane's chance */
    uint64_t (*mono_us)(void *clock);
    void *clock;
    /* On the queue's thread, before the first turn. May be NULL. */
    void (*started)(void *arg, struct gush_lane *lane);
    void *started_arg;
};

struct gush_rpc_queue *gush_rpc_queue_new(const struct gush_rpc_queue_options *options);
/* Stopped and joined, or never started; servers that used it are freed. */
void gush_rpc_queue_free(struct gush_rpc_queue *q);
/* Initialised by new, usable at once: letters wait for the thread. */
struct gush_lane *gush_rpc_queue_lane(struct gush_rpc_queue *q);

/* Starts the thread.   GUSH_EIO   the system has no thread for us */
GUSH_MUST_USE gush_err gush_rpc_queue_start(struct gush_rpc_queue *q);
/* Asks the thread to end once no call is left; every server on it must have been stopped. Returns
 * at once. On its thread the lane is closed: later letters are dropped. */
void gush_rpc_queue_stop(struct gush_rpc_queue *q);
void gush_rpc_queue_join(struct gush_rpc_queue *q);
/* Nothing if its thread runs. If it could not be started, and its servers have been stopped: does
 * here what is left to be done there. */
void gush_rpc_queue_run_out(struct gush_rpc_queue *q);

#endif
