#include "server/net/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/clock.h"
#include "server/base/mem.h"

#include "server/net/net_priv.h"

#define gush_loop_MAGIC GUSH_MAGIC('l', 'o', 'o', 'p')

struct gush_loop {
    GUSH_MAGIC_FIELD;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t before_poll;
    uv_idle_t call_now;
    uv_timer_t call_later;
    struct gush_lane lane;
    struct gush__item *items;
    uint64_t armed_ms;    /* what call_later waits for; GUSH_LANE_CALL_IDLE: stopped */
    atomic_bool stopping; /* asked for, by any thread */
    bool closing;         /* seen by the loop: items were told */
    bool again;           /* somebody on this thread woke the lane */
    bool started;
    pthread_t thread;
    sem_t ready; /* setup has run */
    gush_loop_fn *setup;
    void *setup_arg;
    char name[16];
    uint8_t *tls_room; /* NULL: no TLS yet */
    uint8_t read_buffer[GUSH_LOOP_READ_BYTES];
};

/* Of this thread. */
static _Thread_local struct gush_loop *current;

struct loop_post {
    struct gush_letter letter;
    struct gush_loop *loop;
    gush_loop_fn *fn;
    void *arg;
};

/* ---- items ---------------------------------------------------------------------------------- */

void gush__item_join(struct gush_loop *loop, struct gush__item *item)
{
    item->next = loop->items;
    item->pprev = &loop->items;
    if (loop->items)
        loop->items->pprev = &item->next;
    loop->items = item;
}

void gush__item_leave(struct gush_loop *loop, struct gush__item *item)
{
    (void)loop;
    GUSH_ASSERT(item->pprev != NULL);
    *item->pprev = item->next;
    if (item->next)
        item->next->pprev = item->pprev;
    item->pprev = NULL;
}

bool gush__loop_stopping(const struct gush_loop *loop)
{
    return loop->closing;
}

void gush__loop_refresh(struct gush_loop *loop)
{
    loop->lane.now_us = gush_clock_mono_us();
}

uv_loop_t *gush__loop_uv(struct gush_loop *loop)
{
    return &loop->uv;
}

uint8_t *gush__loop_tls_room(struct gush_loop *loop)
{
    if (loop->tls_room == NULL)
        loop->tls_room = gush_alloc(GUSH__TLS_ROOM);
    return loop->tls_room;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static uint64_t host_mono_us(void *host)
{
    (void)host;
    return gush_clock_mono_us();
}

static void host_wake(void *host)
{
    struct gush_loop *loop = GUSH_CAST(gush_loop, host);

    if (current == loop) {
        loop->again = true; /* awake already: a turn comes before the next poll */
        return;
    }
    /* fails only on a handle that is closing: see gush_loop_free */
    (void)uv_async_send(&loop->wake);
}

static void on_wake(uv_async_t *handle)
{
    (void)handle; /* leaving the poll is all: the turn comes before the next one */
}

static void on_call_now(uv_idle_t *handle)
{
    (void)handle; /* its existence makes the poll not wait */
}

static void on_call_later(uv_timer_t *handle)
{
    struct gush_loop *loop = GUSH_CAST(gush_loop, handle->data);
    loop->armed_ms = GUSH_LANE_CALL_IDLE;
}

/* Makes the next poll wait until |next_ms| of the lane's clock and not longer. */
static void schedule(struct gush_loop *loop, uint64_t next_ms)
{
    if (next_ms == GUSH_LANE_CALL_NOW) {
        uv_idle_start(&loop->call_now, on_call_now);
        return;
    }
    uv_idle_stop(&loop->call_now);
    if (next_ms == loop->armed_ms)
        return;
    loop->armed_ms = next_ms;
    if (next_ms == GUSH_LANE_CALL_IDLE) {
        uv_timer_stop(&loop->call_later);
        return;
    }
    uint64_t now_ms = gush_clock_mono_us() / 1000;
    uv_update_time(&loop->uv); /* a turn may have taken a while */
    uv_timer_start(&loop->call_later, on_call_later, next_ms > now_ms ? next_ms - now_ms : 0, 0);
}

static void tell_items(struct gush_loop *loop)
{
    for (struct gush__item *item = loop->items, *next; item; item = next) {
        next = item->next; /* stop only begins the end: the list does not change under us */
        item->stop(item);
    }
}

/* Before the poll, not after it: so nothing that any callback of this iteration queued (closing
 * ones come last) can be slept upon. */
static void on_before_poll(uv_prepare_t *handle)
{
    struct gush_loop *loop = GUSH_CAST(gush_loop, handle->data);

    if (!loop->closing && atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        loop->closing = true;
        tell_items(loop);
    }
    loop->again = false;
    uint64_t next_ms = gush_lane_turn(&loop->lane);
    if (loop->again)
        next_ms = GUSH_LANE_CALL_NOW;
    schedule(loop, next_ms);
    /* What the last item left behind as work is done first. */
    if (loop->closing && loop->items == NULL && next_ms != GUSH_LANE_CALL_NOW)
        uv_stop(&loop->uv);
}

static void *thread_main(void *arg)
{
    struct gush_loop *loop = GUSH_CAST(gush_loop, arg);

    current = loop;
    gush_lane_adopt(&loop->lane);
    gush__loop_refresh(loop);
    if (loop->setup)
        loop->setup(loop, loop->setup_arg);
    uv_prepare_start(&loop->before_poll, on_before_poll);
    sem_post(&loop->ready);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    gush_lane_close(&loop->lane);
    return NULL;
}

/* ---- outside -------------------------------------------------------------------------------- */

static gush_err init_handles(struct gush_loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0)
        return GUSH_EIO;
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        uv_loop_close(&loop->uv);
        return GUSH_EIO;
    }
    uv_prepare_init(&loop->uv, &loop->before_poll);
    uv_idle_init(&loop->uv, &loop->call_now);
    uv_timer_init(&loop->uv, &loop->call_later);
    loop->before_poll.data = loop->call_later.data = loop;
    return GUSH_OK;
}

gush_err gush_loop_new(const struct gush_loop_options *options, struct gush_loop **out)
{
    struct gush_loop *loop = GUSH_NEW(struct gush_loop);
    struct gush_lane_host host = {host_mono_us, host_wake, loop};

    loop->magic = gush_loop_MAGIC;
    if (init_handles(loop) != GUSH_OK) {
        gush_free(loop);
        return GUSH_EIO;
    }
    gush_lane_init(&loop->lane, &host, options->lane_index, options->seed);
    loop->lane.worker_index = options->worker_index;
    loop->lane.workers_n = options->workers_n;
    loop->armed_ms = GUSH_LANE_CALL_IDLE;
    snprintf(loop->name, sizeof(loop->name), "%s", options->name ? options->name : "loop");
    sem_init(&loop->ready, 0, 0);
    *out = loop;
    return GUSH_OK;
}

gush_err gush_loop_start(struct gush_loop *loop, gush_loop_fn *setup, void *arg)
{
    GUSH_ASSERT(!loop->started);
    loop->setup = setup;
    loop->setup_arg = arg;
    if (pthread_create(&loop->thread, NULL, thread_main, loop) != 0)
        return GUSH_EIO;
    loop->started = true;
    (void)pthread_setname_np(loop->thread, loop->name); /* for top and debuggers only */
    while (sem_wait(&loop->ready) != 0)
        continue; /* a signal */
    return GUSH_OK;
}

void gush_loop_stop(struct gush_loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    host_wake(loop);
}

void gush_loop_join(struct gush_loop *loop)
{
    if (!loop->started)
        return;
    pthread_join(loop->thread, NULL);
    loop->started = false;
}

void gush_loop_free(struct gush_loop *loop)
{
    if (loop == NULL)
        return;
    GUSH_ASSERT(!loop->started && loop->items == NULL);
    if (!loop->lane.closed) /* never started */
        gush_lane_close(&loop->lane);
    /* Only now: a poster may have found the mailbox empty just before the lane closed, and its
     * wake-up still needs the handle. */
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->before_poll, NULL);
    uv_close((uv_handle_t *)&loop->call_now, NULL);
    uv_close((uv_handle_t *)&loop->call_later, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int left = uv_loop_close(&loop->uv);
    GUSH_ASSERT(left == 0);
    sem_destroy(&loop->ready);
    loop->magic = GUSH_MAGIC_DEAD;
    gush_free(loop->tls_room);
    gush_free(loop);
}

static void post_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct loop_post *post = (struct loop_post *)(void *)letter;
    (void)lane;
    post->fn(post->loop, post->arg);
    gush_free(post);
}

static void post_drop(struct gush_letter *letter)
{
    gush_free(letter);
}

static const struct gush_letter_kind loop_post_kind = {"loop post", post_open, post_drop};

bool gush_loop_post(struct gush_loop *loop, gush_loop_fn *fn, void *arg)
{
    struct loop_post *post = GUSH_NEW(struct loop_post);

    post->letter.kind = &loop_post_kind;
    post->loop = loop;
    post->fn = fn;
    post->arg = arg;
    return gush_lane_post(&loop->lane, &post->letter);
}

struct gush_lane *gush_loop_lane(struct gush_loop *loop)
{
    return &loop->lane;
}

uint8_t *gush_loop_read_buffer(struct gush_loop *loop)
{
    return loop->read_buffer;
}
