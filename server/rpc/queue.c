#include "server/rpc/queue.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice_buffer.h>
#include <grpc/support/time.h>
#include <limits.h>
#include <stdio.h>

#include "server/base/mem.h"

#include "server/rpc/rpc_priv.h"

#define EVENTS_PER_TURN 64
#define BELLS_CLOSED    (1u << 31)

/* The queue whose thread this is. */
static _Thread_local struct gush_rpc_queue *current;

/* ---- Events --------------------------------------------------------------------------------- */

static void defer(struct gush_rpc_queue *q, struct gush__tag *tag, bool ok)
{
    tag->ok = ok;
    tag->next = NULL;
    if (q->deferred == NULL)
        q->deferred = tag;
    else
        q->deferred_tail->next = tag;
    q->deferred_tail = tag;
}

static void run_deferred(struct gush_rpc_queue *q)
{
    struct gush__tag *tag;

    while ((tag = q->deferred) != NULL) {
        q->deferred = tag->next;
        tag->done(tag, tag->ok);
    }
}

bool gush__queue_start(struct gush_rpc_queue *q, grpc_call *call, const grpc_op *ops, size_t ops_n,
                       struct gush__tag *tag, bool *ok)
{
    grpc_call_error error;
    void *back = NULL;
    int success = 0;

    GUSH_ASSERT(current == q);
    grpc_completion_queue_thread_local_cache_init(q->cq);
    error = grpc_call_start_batch(call, ops, ops_n, tag, NULL);
    /* One completion that happened inside comes back here instead of through the queue: nearly
     * always ours, but it may be any. */
    if (!grpc_completion_queue_thread_local_cache_flush(q->cq, &back, &success))
        back = NULL;
    GUSH_ASSERT(error == GRPC_CALL_OK);
    if (back == tag) {
        *ok = success != 0;
        return true;
    }
    if (back != NULL)
        defer(q, GUSH_CAST(gush__tag, back), success != 0);
    return false;
}

void gush__queue_start_later(struct gush_rpc_queue *q, grpc_call *call, const grpc_op *ops,
                             size_t ops_n, struct gush__tag *tag)
{
    bool ok = false;

    if (gush__queue_start(q, call, ops, ops_n, tag, &ok))
        defer(q, tag, ok);
}

/* When to stop sleeping; |next_ms| is the lane's word. */
static gpr_timespec deadline_of(const struct gush_rpc_queue *q, uint64_t next_ms)
{
    uint64_t now_ms;

    if (next_ms == GUSH_LANE_CALL_IDLE)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (next_ms == GUSH_LANE_CALL_NOW)
        return gpr_inf_past(GPR_CLOCK_MONOTONIC);
    now_ms = q->options.mono_us(q->options.clock) / 1000;
    if (next_ms <= now_ms)
        return gpr_inf_past(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis((int64_t)(next_ms - now_ms), GPR_TIMESPAN));
}

/* What an event starts is timed from now, not from the last turn, which may be long ago. */
static void look_at_clock(struct gush_rpc_queue *q)
{
    uint64_t now_us = q->options.mono_us(q->options.clock);

    if (now_us > q->lane.now_us)
        q->lane.now_us = now_us;
}

/* Sleeps until an event or the deadline, then takes what else is there, within bounds. */
static void take_events(struct gush_rpc_queue *q, uint64_t next_ms)
{
    gpr_timespec deadline = deadline_of(q, next_ms);

    for (unsigned i = 0; i < EVENTS_PER_TURN; i++) {
        grpc_event event = grpc_completion_queue_next(q->cq, deadline, NULL);
        struct gush__tag *tag;

        if (event.type != GRPC_OP_COMPLETE)
            break;
        if (i == 0)
            look_at_clock(q);
        tag = GUSH_CAST(gush__tag, event.tag);
        tag->done(tag, event.success != 0);
        run_deferred(q);
        deadline = gpr_inf_past(GPR_CLOCK_MONOTONIC);
    }
}

/* ---- Wake-ups ------------------------------------------------------------------------------- */

static uint64_t queue_mono_us(void *host)
{
    struct gush_rpc_queue *q = GUSH_CAST(gush_rpc_queue, host);

    return q->options.mono_us(q->options.clock);
}

static void queue_wake(void *host)
{
    struct gush_rpc_queue *q = GUSH_CAST(gush_rpc_queue, host);
    unsigned bells;
    grpc_call_error error;

    if (current == q) {
        q->again = true; /* awake already: one more turn is enough */
        return;
    }
    bells = atomic_load_explicit(&q->bells, memory_order_relaxed);
    do {
        if (bells & BELLS_CLOSED)
            return;
    } while (!atomic_compare_exchange_weak_explicit(&q->bells, &bells, bells + 1,
                                                    memory_order_acq_rel, memory_order_relaxed));
    error = grpc_call_start_batch(q->bell, NULL, 0, &q->rung, NULL);
    GUSH_ASSERT(error == GRPC_CALL_OK);
}

static void on_rung(struct gush__tag *tag, bool ok)
{
    struct gush_rpc_queue *q = GUSH_CONTAINER(tag, struct gush_rpc_queue, rung);

    (void)ok;
    atomic_fetch_sub_explicit(&q->bells, 1, memory_order_acq_rel);
}

/* ---- Life ----------------------------------------------------------------------------------- */

struct gush_rpc_queue *gush_rpc_queue_new(const struct gush_rpc_queue_options *options)
{
    struct gush_rpc_queue *q = GUSH_NEW(struct gush_rpc_queue);
    struct gush_lane_host host = {queue_mono_us, queue_wake, q};
    gpr_timespec forever = gpr_inf_future(GPR_CLOCK_MONOTONIC);

    q->magic = gush_rpc_queue_MAGIC;
    q->options = *options;
    q->cq = grpc_completion_queue_create_for_next(NULL);
    q->message = grpc_raw_byte_buffer_create(NULL, 0);
    q->nowhere = grpc_lame_client_channel_create("bell", GRPC_STATUS_UNAVAILABLE, "not a channel");
    q->bell = grpc_channel_create_call(q->nowhere, NULL, 0, q->cq,
                                       grpc_slice_from_static_string("/bell"), NULL, forever, NULL);
    GUSH_ASSERT(q->bell != NULL);
    q->rung = (struct gush__tag){.magic = gush__tag_MAGIC, .done = on_rung};
    gush_lane_init(&q->lane, &host, options->index, options->seed);
    q->lane.worker_index = UINT_MAX;
    return q;
}

struct gush_lane *gush_rpc_queue_lane(struct gush_rpc_queue *q)
{
    return &q->lane;
}

/* The end of the lane and of the completion queue, on its thread. */
static void close_queue(struct gush_rpc_queue *q)
{
    grpc_event event;

    gush_lane_close(&q->lane);
    atomic_fetch_or_explicit(&q->bells, BELLS_CLOSED, memory_order_acq_rel);
    while (atomic_load_explicit(&q->bells, memory_order_acquire) != BELLS_CLOSED)
        take_events(q, GUSH_LANE_CALL_IDLE);
    grpc_call_unref(q->bell);
    grpc_channel_destroy(q->nowhere);
    grpc_completion_queue_shutdown(q->cq);
    do {
        event = grpc_completion_queue_next(q->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        GUSH_ASSERT(event.type != GRPC_OP_COMPLETE); /* every tag was counted */
    } while (event.type != GRPC_QUEUE_SHUTDOWN);
}

static void *run_queue(void *arg)
{
    struct gush_rpc_queue *q = GUSH_CAST(gush_rpc_queue, arg);
    uint64_t next_ms = GUSH_LANE_CALL_NOW;

    current = q;
    gush_lane_adopt(&q->lane);
    if (q->options.started)
        q->options.started(q->options.started_arg, &q->lane);
    while (!atomic_load_explicit(&q->stopping, memory_order_acquire) || q->live_n > 0) {
        take_events(q, next_ms);
        q->again = false;
        next_ms = gush_lane_turn(&q->lane);
        if (q->deferred != NULL) {
            run_deferred(q);
            next_ms = GUSH_LANE_CALL_NOW;
        }
        gush_rpc_cork_end(&q->cork);
        if (q->again)
            next_ms = GUSH_LANE_CALL_NOW;
    }
    close_queue(q);
    current = NULL;
    return NULL;
}

gush_err gush_rpc_queue_start(struct gush_rpc_queue *q)
{
    char name[16];

    GUSH_ASSERT(!q->started);
    if (pthread_create(&q->thread, NULL, run_queue, q) != 0)
        return GUSH_EIO;
    q->started = true;
    snprintf(name, sizeof(name), "gush-grpc-%u", q->options.index % 1000);
    pthread_setname_np(q->thread, name);
    return GUSH_OK;
}

void gush_rpc_queue_stop(struct gush_rpc_queue *q)
{
    if (!q->started)
        return;
    atomic_store_explicit(&q->stopping, true, memory_order_release);
    queue_wake(q);
}

void gush_rpc_queue_join(struct gush_rpc_queue *q)
{
    if (!q->started)
        return;
    pthread_join(q->thread, NULL);
}

void gush_rpc_queue_run_out(struct gush_rpc_queue *q)
{
    if (q->started || q->ran_out)
        return;
    q->ran_out = true;
    atomic_store_explicit(&q->stopping, true, memory_order_release);
    run_queue(q);
}

void gush_rpc_queue_free(struct gush_rpc_queue *q)
{
    if (q == NULL)
        return;
    if (!q->started && !q->ran_out) {
        current = q;
        close_queue(q);
        current = NULL;
    }
    grpc_completion_queue_destroy(q->cq);
    grpc_byte_buffer_destroy(q->message);
    gush_free(q->sent_ms);
    gush_rpc_cork_fini(&q->cork);
    q->magic = GUSH_MAGIC_DEAD;
    gush_free(q);
}
