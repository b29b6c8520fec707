#include <sched.h>

#include "server/base/assert.h"
#include "server/base/lane.h"
#include "server/base/mem.h"

#include "tests/unit/base/unit.h"

/* A lane whose clock is turned by the work it does; |log| records what ran, one character each. */
struct bench {
    struct gush_lane lane;
    uint64_t now_us;
    unsigned wakes, settled, dropped;
    char log[4096];
    size_t log_n;
};

static struct bench *current;

static uint64_t mono_us(void *host)
{
    return ((struct bench *)host)->now_us;
}

static void wake(void *host)
{
    ((struct bench *)host)->wakes++;
}

static int setup(void **state)
{
    struct bench *b = GUSH_NEW(struct bench);

    b->now_us = 5000000;
    gush_lane_init(&b->lane, &(struct gush_lane_host){mono_us, wake, b}, 3, 1);
    gush_lane_adopt(&b->lane);
    current = b;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    gush_free(*state);
    return 0;
}

static void note(struct bench *b, char c)
{
    assert_true(b->log_n + 1 < sizeof(b->log));
    b->log[b->log_n++] = c;
}

static unsigned count(const struct bench *b, char c)
{
    unsigned n = 0;

    for (size_t i = 0; i < b->log_n; i++)
        n += b->log[i] == c;
    return n;
}

static void erase(struct bench *b)
{
    memset(b->log, 0, sizeof(b->log));
    b->log_n = 0;
}

/* --- letters --- */

struct mail {
    struct gush_letter letter;
    char name;
    uint64_t cost_us;
    struct gush_work *deal, *flush; /* queued when it is opened */
};

static void mail_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct mail *m = (struct mail *)letter;

    gush_lane_assert(lane);
    note(current, m->name);
    current->now_us += m->cost_us;
    if (m->deal)
        gush_lane_deal(lane, m->deal);
    if (m->flush)
        gush_lane_flush(lane, m->flush);
    gush_free(m);
}

static void mail_drop(struct gush_letter *letter)
{
    current->dropped++;
    gush_free(letter);
}

static const struct gush_letter_kind mail_kind = {"mail", mail_open, mail_drop};

static struct mail *mail(char name)
{
    struct mail *m = GUSH_NEW(struct mail);

    m->letter.kind = &mail_kind;
    m->name = name;
    return m;
}

static bool post(struct bench *b, char name, uint64_t cost_us)
{
    struct mail *m = mail(name);

    m->cost_us = cost_us;
    return gush_lane_post(&b->lane, &m->letter);
}

static void only_a_post_onto_empty_wakes(void **state)
{
    struct bench *b = *state;

    assert_true(post(b, 'a', 0));
    assert_int_equal(b->wakes, 1);
    assert_true(post(b, 'b', 0));
    assert_int_equal(b->wakes, 1);
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_IDLE);
    assert_string_equal(b->log, "ab");
    assert_true(post(b, 'c', 0));
    assert_int_equal(b->wakes, 2);
    gush_lane_turn(&b->lane);
    assert_string_equal(b->log, "abc");
    assert_int_equal(atomic_load(&b->lane.stats.letters), 3);
}

static void a_closed_lane_drops_letters(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 60; i++)
        assert_true(post(b, 'a', 100));
    gush_lane_turn(&b->lane);
    assert_int_equal(count(b, 'a'), 32); /* the others are in the inbox */
    assert_true(post(b, 'b', 0));
    gush_lane_close(&b->lane);
    assert_true(b->lane.closed);
    assert_int_equal(b->dropped, 28 + 1);
    assert_false(post(b, 'c', 0));
    assert_int_equal(b->dropped, 30);
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_IDLE);
    gush_lane_close(&b->lane);
    assert_int_equal(count(b, 'a'), 32);
    assert_int_equal(b->wakes, 2);
}

static void letters_use_half_a_turn_and_keep_their_order(void **state)
{
    struct bench *b = *state;
    unsigned turns = 0;

    for (int i = 0; i < 200; i++)
        post(b, (char)('0' + i % 64), 10);
    for (uint64_t next = GUSH_LANE_CALL_NOW; next == GUSH_LANE_CALL_NOW; turns++) {
        uint64_t start = b->now_us;

        next = gush_lane_turn(&b->lane);
        assert_true(b->now_us - start < GUSH_LANE_TURN_US / 2 + 32 * 10);
        post(b, 'z', 10); /* behind all that are there */
        if (turns > 20)
            break;
    }
    assert_true(turns >= 3 && turns < 10);
    for (int i = 0; i < 200; i++)
        assert_int_equal(b->log[i], '0' + i % 64);
    assert_int_equal(b->log[200], 'z');
    gush_lane_close(&b->lane);
}

/* --- timers --- */

static void tick(void *arg, struct gush_timer *t)
{
    (void)t;
    assert_ptr_equal(arg, &current->lane);
    note(current, 't');
}

static void timers_are_fired_and_announced(void **state)
{
    struct bench *b = *state;
    struct gush_timer t = {.fire = tick};

    gush_wheel_arm(&b->lane.wheel, &t, gush_lane_now_ms(&b->lane) + 100);
    assert_int_equal(gush_lane_turn(&b->lane), 5100);
    assert_int_equal(b->log_n, 0);
    b->now_us += 100000;
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_IDLE);
    assert_string_equal(b->log, "t");
}

static void many_timers_take_many_turns(void **state)
{
    static struct gush_timer timers[1000];
    struct bench *b = *state;
    unsigned turns = 1;

    for (int i = 0; i < 1000; i++) {
        timers[i] = (struct gush_timer){.fire = tick};
        gush_wheel_arm(&b->lane.wheel, &timers[i], 5004);
    }
    b->now_us += 5000;
    while (gush_lane_turn(&b->lane) == GUSH_LANE_CALL_NOW)
        turns++;
    assert_int_equal(count(b, 't'), 1000);
    assert_int_equal(turns, 4);
}

static void time_does_not_go_back(void **state)
{
    struct bench *b = *state;

    b->now_us -= 1000000;
    gush_lane_turn(&b->lane);
    assert_int_equal(b->lane.now_us, 5000000);
}

/* --- works --- */

struct job {
    struct gush_work work;
    char name;
    unsigned rounds; /* runs until it is done; 0 is forever */
    uint64_t cost_us;
    bool on_heap, queues_itself;
    struct job *then; /* flushed when it runs */
};

static bool job_run(struct gush_lane *lane, struct gush_work *work)
{
    struct job *j = (struct job *)work;
    bool done = j->rounds && --j->rounds == 0;

    assert_false(work->queued);
    note(current, j->name);
    current->now_us += j->cost_us;
    if (j->then)
        gush_lane_flush(lane, &j->then->work);
    if (j->queues_itself && !done)
        gush_lane_flush(lane, work);
    if (done && j->on_heap)
        gush_free(j);
    return done;
}

static struct job job(char name, unsigned rounds, uint64_t cost_us)
{
    return (struct job){
        .work = {.run = job_run}, .name = name, .rounds = rounds, .cost_us = cost_us};
}

static void dealing_comes_before_flushing(void **state)
{
    struct bench *b = *state;
    struct job flush = job('F', 1, 0), deal = job('D', 1, 0), last = job('L', 1, 0);

    deal.then = &flush;
    gush_lane_deal(&b->lane, &deal.work);
    gush_lane_last(&b->lane, &last.work);
    post(b, 'a', 0);
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_IDLE);
    assert_string_equal(b->log, "aDFL");
}

static void nothing_is_dealt_before_all_is_flushed(void **state)
{
    struct bench *b = *state;
    struct job flush = job('F', 100, 100), deal = job('D', 1, 0);

    gush_lane_flush(&b->lane, &flush.work);
    gush_lane_deal(&b->lane, &deal.work);
    while (flush.rounds) {
        assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_NOW);
        assert_int_equal(count(b, 'D'), 0);
    }
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_IDLE);
    assert_int_equal(count(b, 'D'), 1);
}

static bool deal_flag_run(struct gush_lane *lane, struct gush_work *work)
{
    (void)work;
    note(current, lane->dealing ? 'y' : 'n');
    return true;
}

static void dealing_shows_only_while_dealing(void **state)
{
    struct bench *b = *state;
    struct gush_work deal = {.run = deal_flag_run}, flush = deal, last = deal;

    gush_lane_deal(&b->lane, &deal);
    gush_lane_turn(&b->lane);
    gush_lane_flush(&b->lane, &flush);
    gush_lane_last(&b->lane, &last);
    gush_lane_turn(&b->lane);
    assert_string_equal(b->log, "ynn");
    assert_false(b->lane.dealing);
}

static void works_that_are_not_done_take_turns(void **state)
{
    struct bench *b = *state;
    struct job x = job('x', 3, 0), y = job('y', 1, 0), z = job('z', 2, 0);

    gush_lane_flush(&b->lane, &x.work);
    gush_lane_flush(&b->lane, &y.work);
    gush_lane_flush(&b->lane, &z.work);
    gush_lane_flush(&b->lane, &x.work); /* is queued already */
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_IDLE);
    assert_string_equal(b->log, "xyzxzx");
    gush_lane_flush(&b->lane, &x.work); /* and may come again afterwards */
    x.rounds = 1;
    gush_lane_turn(&b->lane);
    assert_string_equal(b->log, "xyzxzxx");
}

static void a_work_may_free_itself(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 50; i++) {
        struct job *j = gush_alloc(sizeof(*j));

        *j = job('j', 1 + (unsigned)i % 3, 1);
        j->on_heap = true;
        (i % 2 ? gush_lane_deal : gush_lane_flush)(&b->lane, &j->work);
    }
    while (gush_lane_turn(&b->lane) == GUSH_LANE_CALL_NOW)
        ;
    assert_int_equal(count(b, 'j'), 50 * 2 - 1);
}

static void a_work_that_queues_itself_is_queued_once(void **state)
{
    struct bench *b = *state;
    struct job x = job('x', 3, 0), y = job('y', 3, 0);

    x.queues_itself = true;
    gush_lane_flush(&b->lane, &x.work);
    gush_lane_flush(&b->lane, &y.work);
    gush_lane_turn(&b->lane);
    assert_string_equal(b->log, "xyxyxy");
    assert_null(b->lane.flush.head);
}

static bool again_and_done(struct gush_lane *lane, struct gush_work *work)
{
    note(current, 'x');
    if (current->log_n < 3)
        gush_lane_flush(lane, work); /* news came while it ran */
    return true;
}

static void a_done_work_that_queued_itself_runs_again(void **state)
{
    struct bench *b = *state;
    struct gush_work work = {.run = again_and_done};

    gush_lane_flush(&b->lane, &work);
    gush_lane_turn(&b->lane);
    assert_string_equal(b->log, "xxx");
    assert_false(work.queued);
}

static void long_dealing_is_cut_and_what_is_ready_is_flushed(void **state)
{
    struct bench *b = *state;
    struct job flush = job('F', 0, 0), deal = job('D', 60, 50);
    unsigned turns = 0;

    deal.then = &flush;
    gush_lane_deal(&b->lane, &deal.work);
    do {
        uint64_t start = b->now_us;

        flush.rounds = 1;
        erase(b);
        gush_lane_turn(&b->lane);
        assert_in_range(count(b, 'D'), 10, 60 - turns * 10);
        assert_int_equal(count(b, 'F'), 1);
        assert_int_equal(b->log[b->log_n - 1], 'F');
        assert_true(b->now_us - start <= GUSH_LANE_TURN_US / 2 + 16 * 50);
        turns++;
    } while (deal.rounds);
    assert_true(turns > 2);
}

static void flushing_has_half_a_turn_at_least(void **state)
{
    struct bench *b = *state;
    struct job flush = job('F', 0, 10);

    post(b, 'a', 5000); /* far over the turn */
    gush_lane_flush(&b->lane, &flush.work);
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_NOW);
    assert_in_range(count(b, 'F') * 10, GUSH_LANE_TURN_US / 2, GUSH_LANE_TURN_US / 2 + 160);
    erase(b);
    uint64_t start = b->now_us;
    gush_lane_turn(&b->lane); /* alone, it has the whole turn */
    assert_in_range(b->now_us - start, GUSH_LANE_TURN_US, GUSH_LANE_TURN_US + 160);
}

static void on_settled(void *arg)
{
    ((struct bench *)arg)->settled++;
}

static void the_backlog_shrinks_when_all_is_flushed(void **state)
{
    struct bench *b = *state;
    struct job flush = job('F', 0, 100);

    b->lane.on_settled = on_settled;
    b->lane.on_settled_arg = b;
    gush_lane_turn(&b->lane);
    assert_int_equal(b->settled, 0); /* nothing to settle */
    atomic_store(&b->lane.backlog_deliveries, 10);
    atomic_store(&b->lane.backlog_bytes, 1000);
    b->lane.settle_deliveries = 7;
    b->lane.settle_bytes = 700;
    gush_lane_flush(&b->lane, &flush.work);
    gush_lane_turn(&b->lane);
    assert_int_equal(b->settled, 0);
    assert_int_equal(atomic_load(&b->lane.backlog_deliveries), 10);
    flush.rounds = 1;
    gush_lane_turn(&b->lane);
    gush_lane_turn(&b->lane);
    assert_int_equal(b->settled, 1);
    assert_int_equal(atomic_load(&b->lane.backlog_deliveries), 3);
    assert_int_equal(atomic_load(&b->lane.backlog_bytes), 300);
    assert_int_equal(b->lane.settle_bytes, 0);
}

static void last_works_run_once_a_turn(void **state)
{
    struct bench *b = *state;
    struct job x = job('x', 2, 0), y = job('y', 1, 0);

    gush_lane_last(&b->lane, &x.work);
    gush_lane_last(&b->lane, &y.work);
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_NOW);
    assert_string_equal(b->log, "xy");
    assert_true(gush_lane_turn(&b->lane) == GUSH_LANE_CALL_IDLE);
    assert_string_equal(b->log, "xyx");
}

/* --- threads --- */

static void *assert_elsewhere(void *arg)
{
    gush_lane_assert(arg);
    return NULL;
}

static void turn_on_another_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, assert_elsewhere, &current->lane) == 0)
        pthread_join(thread, NULL);
}

static void another_thread_is_our_bug(void **state)
{
    (void)state;
    assert_true(unit_aborts(turn_on_another_thread));
    gush_lane_assert(&current->lane);
}

struct sleeper { /* an owner that sleeps until it is woken */
    struct gush_lane lane;
    pthread_mutex_t m;
    pthread_cond_t c;
    bool woken;
    unsigned opened;
};

struct counted {
    struct gush_letter letter;
};

static atomic_uint counted_dropped;

static void counted_open(struct gush_lane *lane, struct gush_letter *letter)
{
    GUSH_CONTAINER(lane, struct sleeper, lane)->opened++;
    gush_free(letter);
}

static void counted_drop(struct gush_letter *letter)
{
    atomic_fetch_add(&counted_dropped, 1);
    gush_free(letter);
}

static const struct gush_letter_kind counted_kind = {"counted", counted_open, counted_drop};

static uint64_t no_time(void *host)
{
    (void)host;
    return 0;
}

static void sleeper_wake(void *host)
{
    struct sleeper *s = host;

    pthread_mutex_lock(&s->m);
    s->woken = true;
    pthread_cond_signal(&s->c);
    pthread_mutex_unlock(&s->m);
}

static void *post_many(void *arg)
{
    struct sleeper *s = arg;

    for (int i = 0; i < 20000; i++) {
        struct counted *c = GUSH_NEW(struct counted);

        c->letter.kind = &counted_kind;
        gush_lane_post(&s->lane, &c->letter);
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}

/* If a wake were missing the lane would sleep for ever and the test would time out. */
static void a_sleeping_lane_misses_nothing(void **state)
{
    static struct sleeper s = {.m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER};
    pthread_t threads[3];

    (void)state;
    gush_lane_init(&s.lane, &(struct gush_lane_host){no_time, sleeper_wake, &s}, 0, 1);
    gush_lane_adopt(&s.lane);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &s), 0);
    while (s.opened < 50000) {
        pthread_mutex_lock(&s.m);
        while (!s.woken)
            pthread_cond_wait(&s.c, &s.m);
        s.woken = false;
        pthread_mutex_unlock(&s.m);
        while (gush_lane_turn(&s.lane) == GUSH_LANE_CALL_NOW)
            ;
    }
    gush_lane_close(&s.lane);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(s.opened + atomic_load(&counted_dropped), 60000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_a_post_onto_empty_wakes),
        TEST(a_closed_lane_drops_letters),
        TEST(letters_use_half_a_turn_and_keep_their_order),
        TEST(timers_are_fired_and_announced),
        TEST(many_timers_take_many_turns),
        TEST(time_does_not_go_back),
        TEST(dealing_comes_before_flushing),
        TEST(nothing_is_dealt_before_all_is_flushed),
        TEST(dealing_shows_only_while_dealing),
        TEST(works_that_are_not_done_take_turns),
        TEST(a_work_may_free_itself),
        TEST(a_work_that_queues_itself_is_queued_once),
        TEST(a_done_work_that_queued_itself_runs_again),
        TEST(long_dealing_is_cut_and_what_is_ready_is_flushed),
        TEST(flushing_has_half_a_turn_at_least),
        TEST(the_backlog_shrinks_when_all_is_flushed),
        TEST(last_works_run_once_a_turn),
        TEST(another_thread_is_our_bug),
        cmocka_unit_test(a_sleeping_lane_misses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
