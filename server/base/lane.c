#include "server/base/lane.h"

#include "server/base/assert.h"

#define HALF_TURN_US     (GUSH_LANE_TURN_US / 2)
#define LETTERS_PER_LOOK 32 /* letters or works between two looks at the clock */
#define WORKS_PER_LOOK   GUSH_SIM_SMALL(16, 1)
#define FLUSH_BATCH      GUSH_SIM_SMALL(64, 2)
#define TIMERS_PER_TURN  GUSH_SIM_SMALL(256, 4)

void gush_lane_init(struct gush_lane *lane, const struct gush_lane_host *host, unsigned index,
                    uint64_t seed)
{
    *lane = (struct gush_lane){.host = *host, .index = index, .worker_index = UINT32_MAX};
    gush_mailbox_init(&lane->mailbox);
    gush_rng_seed(&lane->rng, seed);
    lane->now_us = host->mono_us(host->host);
    gush_wheel_init(&lane->wheel, gush_lane_now_ms(lane));
}

void gush_lane_adopt(struct gush_lane *lane)
{
    lane->thread = pthread_self();
    lane->adopted = true;
}

void gush_lane_assert(const struct gush_lane *lane)
{
    GUSH_ASSERT(!lane->adopted || pthread_equal(lane->thread, pthread_self()));
}

bool gush_lane_post(struct gush_lane *lane, struct gush_letter *letter)
{
    switch (gush_mailbox_push(&lane->mailbox, letter)) {
    case GUSH_MAILBOX_QUEUED:
        return true;
    case GUSH_MAILBOX_WAKE:
        if (!GUSH_BUG(GUSH_BUG_WAKE_LEFT_OUT))
            lane->host.wake(lane->host.host);
        return true;
    case GUSH_MAILBOX_CLOSED:
        break;
    }
    letter->kind->drop(letter);
    return false;
}

static void look_at_clock(struct gush_lane *lane)
{
    uint64_t now_us = lane->host.mono_us(lane->host.host);

    if (now_us > lane->now_us)
        lane->now_us = now_us;
}

static void empty_mailbox(struct gush_lane *lane)
{
    struct gush_letter *letters = gush_mailbox_take(&lane->mailbox);

    if (letters == NULL)
        return;
    if (lane->inbox)
        lane->inbox_tail->next = letters;
    else
        lane->inbox = letters;
    while (letters->next)
        letters = letters->next;
    lane->inbox_tail = letters;
}

static void open_letters(struct gush_lane *lane, uint64_t until_us)
{
    for (unsigned n = 1; lane->inbox; n++) {
        struct gush_letter *letter = lane->inbox;

        lane->inbox = letter->next;
        letter->next = NULL;
        atomic_fetch_add_explicit(&lane->stats.letters, 1, memory_order_relaxed);
        letter->kind->open(lane, letter);
        if (n % LETTERS_PER_LOOK == 0) {
            look_at_clock(lane);
            if (lane->now_us >= until_us)
                return;
        }
    }
}

static void enqueue(struct gush_work_queue *q, struct gush_work *work)
{
    GUSH_DEBUG_ASSERT(work->run != NULL);
    if (work->queued)
        return;
    work->queued = true;
    work->next = NULL;
    if (q->head)
        q->tail->next = work;
    else
        q->head = work;
    q->tail = work;
    q->n++;
}

/* Takes the first work off |from| and runs it; what is not done goes to the end of |to|. */
static void run_first(struct gush_lane *lane, struct gush_work_queue *from,
                      struct gush_work_queue *to)
{
    struct gush_work *work = from->head;

    /* All of this before run: it may free the work, or queue it again itself. */
    from->head = work->next;
    from->n--;
    work->next = NULL;
    work->queued = false;
    if (!work->run(lane, work))
        enqueue(to, work);
}

static void run_until(struct gush_lane *lane, struct gush_work_queue *q, uint64_t until_us)
{
    for (unsigned n = 1; q->head; n++) {
        run_first(lane, q, q);
        if (n % WORKS_PER_LOOK == 0) {
            look_at_clock(lane);
            if (lane->now_us >= until_us)
                return;
        }
    }
}

/* Deals until the queue is empty or its time is over. When only one piece of work is left there is
 * nothing to wait for that could join the same writes: then whoever was dealt to is flushed in
 * small batches, while what dealing touched is still in the cache. True: there is such a batch. */
static bool deal(struct gush_lane *lane)
{
    uint64_t until_us = lane->now_us + HALF_TURN_US;
    bool batch = false;

    lane->dealing = true;
    for (unsigned n = 1; lane->deal.head && !batch; n++) {
        run_first(lane, &lane->deal, &lane->deal);
        batch = lane->deal.n == 1 && lane->flush.n >= FLUSH_BATCH;
        if (n % WORKS_PER_LOOK == 0) {
            look_at_clock(lane);
            if (lane->now_us >= until_us)
                break;
        }
    }
    lane->dealing = false;
    return batch;
}

/* Dealing starts only when everything dealt before was flushed. */
static void deal_and_flush(struct gush_lane *lane, uint64_t turn_ends_us)
{
    bool again;

    do {
        look_at_clock(lane);
        again = lane->flush.head == NULL && deal(lane);
        look_at_clock(lane);
        uint64_t half_us = lane->now_us + HALF_TURN_US;
        run_until(lane, &lane->flush, half_us > turn_ends_us ? half_us : turn_ends_us);
    } while (again && lane->flush.head == NULL && lane->now_us < turn_ends_us);
}

/* What the round dealt has been written: it is no longer a backlog. */
static void settle(struct gush_lane *lane)
{
    uint64_t deliveries = lane->settle_deliveries, bytes = lane->settle_bytes;

    if (deliveries == 0 && bytes == 0)
        return;
    lane->settle_deliveries = 0;
    lane->settle_bytes = 0;
    atomic_fetch_sub_explicit(&lane->backlog_deliveries, deliveries, memory_order_relaxed);
    atomic_fetch_sub_explicit(&lane->backlog_bytes, bytes, memory_order_relaxed);
    if (lane->on_settled)
        lane->on_settled(lane->on_settled_arg);
}

/* Once each: what they queue is for the next turn. */
static void run_last(struct gush_lane *lane)
{
    struct gush_work_queue these = lane->last;

    lane->last = (struct gush_work_queue){NULL, NULL, 0};
    while (these.head)
        run_first(lane, &these, &lane->last);
}

uint64_t gush_lane_turn(struct gush_lane *lane)
{
    bool more_timers;

    gush_lane_assert(lane);
    look_at_clock(lane);
    uint64_t start_us = lane->now_us;
    empty_mailbox(lane);
    open_letters(lane, start_us + HALF_TURN_US);
    more_timers = gush_wheel_advance(&lane->wheel, gush_lane_now_ms(lane), lane, TIMERS_PER_TURN);
    deal_and_flush(lane, start_us + GUSH_LANE_TURN_US);
    if (lane->flush.head == NULL)
        settle(lane);
    run_last(lane);
    if (lane->inbox || lane->deal.head || lane->flush.head || lane->last.head || more_timers)
        return GUSH_LANE_CALL_NOW;
    return gush_wheel_next_ms(&lane->wheel);
}

static void drop_all(struct gush_letter *letter)
{
    while (letter) {
        struct gush_letter *next = letter->next;

        letter->kind->drop(letter);
        letter = next;
    }
}

/* With no client left, work only frees: branches whose last letter was taken, clients that are gone
 * but queued. */
static void run_out(struct gush_lane *lane)
{
    while (lane->deal.head || lane->flush.head || lane->last.head) {
        struct gush_work_queue *q = lane->deal.head    ? &lane->deal
                                    : lane->flush.head ? &lane->flush
                                                       : &lane->last;
        run_first(lane, q, q);
    }
}

void gush_lane_close(struct gush_lane *lane)
{
    struct gush_letter *inbox = lane->inbox, *mail = gush_mailbox_close(&lane->mailbox);

    gush_lane_assert(lane);
    lane->closed = true;
    lane->inbox = NULL;
    lane->inbox_tail = NULL;
    run_out(lane);
    drop_all(inbox);
    drop_all(mail);
    run_out(lane);
    settle(lane);
    if (lane->on_settled) /* also for what was dropped */
        lane->on_settled(lane->on_settled_arg);
}

void gush_lane_deal(struct gush_lane *lane, struct gush_work *work)
{
    enqueue(&lane->deal, work);
}

void gush_lane_flush(struct gush_lane *lane, struct gush_work *work)
{
    enqueue(&lane->flush, work);
}

void gush_lane_last(struct gush_lane *lane, struct gush_work *work)
{
    enqueue(&lane->last, work);
}
