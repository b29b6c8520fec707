/* loop: a thread that owns one libuv loop and one lane, and turns the lane once per iteration.
 *
 * Everything that lives on the loop (listeners, connections) is an item of it. Stopping closes all
 * items, goes on until the last has said goodbye, then closes the lane and ends the thread.
 *
 * Owner     server/app                Thread  new, start, stop, join, free: the owner's; post,
 *                                     stop and the lane's wake: any; the rest: the loop's own
 * Lifetime  free only when no thread can post to the lane any more */
#ifndef GUSH_NET_LOOP_H
#define GUSH_NET_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/lane.h"

#define GUSH_LOOP_READ_BYTES                                                                       \
    ((size_t)64 * 1024) /* of the buffer that all connections of a loop share */

struct gush_loop;
typedef void gush_loop_fn(struct gush_loop *loop, void *arg);

struct gush_loop_options {
    unsigned lane_index;              /* over all lanes of the process */
    unsigned worker_index, workers_n; /* among the libuv lanes */
    uint64_t seed;                    /* of the lane's jitter */
    const char *name;                 /* of the thread, at most 15 characters; copied */
};

/* The lane is ready for posts at once; nothing runs before gush_loop_start.
 *   GUSH_EIO   no descriptors left for a loop */
GUSH_MUST_USE gush_err gush_loop_new(const struct gush_loop_options *options,
                                     struct gush_loop **out);
/* Starts the thread, runs |setup| on it (may be NULL) and returns when |setup| has returned. The
 * lane's first turn comes after it.
 *   GUSH_EIO   no thread could be made */
GUSH_MUST_USE gush_err gush_loop_start(struct gush_loop *loop, gush_loop_fn *setup, void *arg);
/* Closes all items and lets the thread end; returns at once. Later calls do nothing. */
void gush_loop_stop(struct gush_loop *loop);
/* Waits for the end of the thread. */
void gush_loop_join(struct gush_loop *loop);
/* After gush_loop_join, or when the loop was never started. NULL is fine. */
void gush_loop_free(struct gush_loop *loop);

/* Runs |fn| on the loop's thread, soon. False: the lane is closed and |fn| will not run. */
bool gush_loop_post(struct gush_loop *loop, gush_loop_fn *fn, void *arg);

struct gush_lane *gush_loop_lane(struct gush_loop *loop);
/* GUSH_LOOP_READ_BYTES bytes for the duration of one callback. */
uint8_t *gush_loop_read_buffer(struct gush_loop *loop);

#endif
