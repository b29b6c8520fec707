#include "bench/load/reader.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "server/base/mem.h"

#include "bench/load/reader_priv.h"

#define EVENTS   1024
#define TICK_MS  5
#define SMALL_IN 16 /* every so many connections has a small buffer */

uint64_t load_reader_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* ---- queues --------------------------------------------------------------------------------- */

static void queue_init(struct load_queue *q, uint32_t size)
{
    *q = (struct load_queue){.at = gush_zalloc(size, sizeof *q->at), .size = size};
}

void load__queue_put(struct load_queue *q, uint32_t number)
{
    q->at[(q->head + q->n++) % q->size] = number;
}

bool load__queue_take(struct load_queue *q, uint32_t *number)
{
    if (q->n == 0)
        return false;
    *number = q->at[q->head];
    q->head = (q->head + 1) % q->size;
    q->n--;
    return true;
}

/* ---- subscribers ---------------------------------------------------------------------------- */

void load__sub_end(struct load_sub *sub)
{
    struct load_reader *r = sub->slot->reader;

    if (sub->state == LOAD_LIVE)
        LOAD_ADD(r->counts.live, -1);
    else
        r->connecting--;
    sub->state = LOAD_AWAY;
    sub->over = true;
    if (!sub->visitor) {
        sub->due_us = load_reader_now_ns() / 1000 + r->options->away_ms * 1000;
        sub->waits = true;
        load__queue_put(&r->away, sub->number);
    }
}

/* Those whose time has come are opened, as many as may connect at once. */
static void bring_back(struct load_reader *r, uint64_t now_us)
{
    uint32_t number;

    while (r->away.n && r->connecting < r->options->window &&
           r->subs[r->away.at[r->away.head]].due_us <= now_us &&
           load__queue_take(&r->away, &number)) {
        r->subs[number].waits = false;
        load__slot_open(r->subs[number].slot, &r->subs[number]);
    }
}

static void see_off(struct load_reader *r, uint64_t now_us)
{
    uint32_t number;

    while (r->leaving.n && r->subs[r->leaving.at[r->leaving.head]].due_us <= now_us &&
           load__queue_take(&r->leaving, &number)) {
        struct load_sub *sub = &r->subs[number];

        sub->waits = false;
        if (sub->state == LOAD_LIVE)
            load__slot_stop(sub->slot, sub);
    }
}

static void read_on(struct load_reader *r, uint64_t now_us)
{
    uint32_t number;

    while (r->stalled.n && r->slots[r->stalled.at[r->stalled.head]].due_us <= now_us &&
           load__queue_take(&r->stalled, &number))
        load__slot_stall(&r->slots[number], false);
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* Every connection is reset; who was on it comes back. */
static void cycle(struct load_reader *r)
{
    for (uint32_t i = 0; i < r->slots_n; i++)
        load__slot_close(&r->slots[i], true);
    r->cycled = true;
}

/* Every connection ends: in order or by reset, in turn. */
static void leave(struct load_reader *r)
{
    for (uint32_t i = 0; i < r->slots_n; i++)
        load__slot_close(&r->slots[i], i % 2);
    r->away.n = r->leaving.n = r->stalled.n = 0;
}

static void tick(struct load_reader *r, int order)
{
    uint64_t now_us;

    r->now_ns = load_reader_now_ns();
    now_us = r->now_ns / 1000;
    if (order == LOAD_LEAVE) {
        leave(r);
        return;
    }
    if (order == LOAD_CYCLE && !r->cycled)
        cycle(r);
    bring_back(r, now_us);
    see_off(r, now_us);
    read_on(r, now_us);
    if (order == LOAD_CHURN)
        load__churn(r, now_us);
    else
        r->churned_us = now_us;
}

static int look(struct load_reader *r, struct epoll_event *events, bool busy)
{
    struct timespec gap = {.tv_nsec = (long)r->options->poll_gap_us * 1000};
    int n;

    if (busy && gap.tv_nsec) {
        (void)nanosleep(&gap, NULL);
        n = epoll_wait(r->epoll, events, EVENTS, 0);
        if (n > 0)
            return n;
    }
    return epoll_wait(r->epoll, events, EVENTS, TICK_MS);
}

static void *run(void *arg)
{
    struct load_reader *r = arg;
    struct epoll_event events[EVENTS];
    uint64_t ticked_ns = 0;
    int n = 0, order;

    (void)prctl(PR_SET_TIMERSLACK, 1);
    while ((order = atomic_load(&r->order)) != LOAD_RETURN) {
        n = look(r, events, n > 0);
        for (int i = 0; i < n; i++)
            load__slot_readable(events[i].data.ptr);
        if (load_reader_now_ns() - ticked_ns > TICK_MS * UINT64_C(1000000)) {
            tick(r, order);
            ticked_ns = r->now_ns;
        }
    }
    return NULL;
}

/* ---- for main ------------------------------------------------------------------------------- */

static uint32_t slots_for(uint64_t subscribers, uint64_t streams)
{
    return (uint32_t)((subscribers + streams - 1) / streams);
}

/* Makes |n| subscribers with |per| on a connection. */
static void populate(struct load_reader *r, enum load_wire wire, uint32_t n, uint32_t per,
                     bool visitor)
{
    for (uint32_t i = 0; i < n; i++) {
        struct load_sub *sub = &r->subs[r->subs_n];

        if (i % per == 0) {
            load__slot_init(&r->slots[r->slots_n], r, wire);
            r->slots[r->slots_n].first = r->subs_n;
            r->slots[r->slots_n].small = r->options->stalls > 0 && r->slots_n % SMALL_IN == 0;
            r->slots_n++;
        }
        sub->slot = &r->slots[r->slots_n - 1];
        sub->slot->count++;
        sub->number = r->subs_n++;
        sub->channel = (uint32_t)(i % r->options->channels);
        sub->visitor = visitor;
        load_wire_framer_init(&sub->framer, wire);
        if (!visitor) {
            sub->waits = true;
            load__queue_put(&r->away, sub->number);
        }
    }
}

struct load_reader *load_reader_start(const struct load_options *o, struct load_published *p)
{
    struct load_reader *r = GUSH_NEW(struct load_reader);
    uint64_t visitors = (uint64_t)(o->connects * (double)(o->stay_ms + 2000) / 1000) + 8;
    uint64_t subs, slots;

    if (o->connects <= 0)
        visitors = 0;
    subs = o->subscribers[LOAD_GRPC] + o->subscribers[LOAD_SSE] + visitors;
    slots = slots_for(o->subscribers[LOAD_GRPC], o->streams) + o->subscribers[LOAD_SSE] + visitors;
    r->options = o;
    r->published = p;
    r->subs = gush_zalloc(subs, sizeof *r->subs);
    r->slots = gush_zalloc(slots, sizeof *r->slots);
    r->bytes = gush_alloc(LOAD_READ_SIZE);
    r->push = GUSH_NEW(struct load_push);
    queue_init(&r->away, (uint32_t)subs);
    queue_init(&r->leaving, (uint32_t)subs);
    queue_init(&r->stalled, (uint32_t)slots);
    gush_rng_seed(&r->rng, o->seed);
    populate(r, LOAD_GRPC, (uint32_t)o->subscribers[LOAD_GRPC], (uint32_t)o->streams, false);
    populate(r, LOAD_SSE, (uint32_t)o->subscribers[LOAD_SSE], 1, false);
    r->visitors_from = r->next_visitor = r->subs_n;
    r->visitor_slots_from = r->slots_n;
    for (uint64_t i = 0; i < visitors; i++) {
        bool grpc = o->subscribers[LOAD_SSE] == 0 || (o->subscribers[LOAD_GRPC] && i % 2);

        populate(r, grpc ? LOAD_GRPC : LOAD_SSE, 1, 1, true);
    }
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll < 0 || pthread_create(&r->thread, NULL, run, r) != 0) {
        load_reader_free(r);
        return NULL;
    }
    return r;
}

void load_reader_order(struct load_reader *r, enum load_order order)
{
    atomic_store(&r->order, (int)order);
}

const struct load_counts *load_reader_counts(const struct load_reader *r)
{
    return &r->counts;
}

uint64_t load_reader_population(const struct load_reader *r)
{
    return r->visitors_from;
}

void load_reader_join(struct load_reader *r)
{
    load_reader_order(r, LOAD_RETURN);
    pthread_join(r->thread, NULL);
}

uint64_t load_reader_missing(const struct load_reader *r, const load_count *last)
{
    uint64_t missing = 0;

    for (uint32_t i = 0; i < r->visitors_from; i++)
        missing += load_track_missing(&r->subs[i].track, atomic_load(&last[r->subs[i].channel]));
    return missing;
}

const struct load_hist *load_reader_latency(const struct load_reader *r, enum load_wire wire)
{
    return &r->latency[wire];
}

const struct load_code *load_reader_codes(const struct load_reader *r, size_t *n)
{
    *n = r->codes_n;
    return r->codes;
}

const char *load_reader_complaint(const struct load_reader *r)
{
    return r->complaint;
}

void load_reader_free(struct load_reader *r)
{
    for (uint32_t i = 0; i < r->slots_n; i++)
        load__slot_fini(&r->slots[i]);
    for (uint32_t i = 0; i < r->subs_n; i++)
        load_wire_framer_fini(&r->subs[i].framer);
    if (r->epoll >= 0)
        close(r->epoll);
    gush_free(r->away.at);
    gush_free(r->leaving.at);
    gush_free(r->stalled.at);
    gush_free(r->push);
    gush_free(r->bytes);
    gush_free(r->slots);
    gush_free(r->subs);
    gush_free(r);
}
