#include <pthread.h>

#include "tests/unit/rpc/fixture.h"

#define POSTERS   4
#define LETTERS_N 20000

struct mail {
    struct gush_letter letter;
    struct tally *tally;
    unsigned from, number;
};

struct tally {
    struct gush_lane *lane;
    unsigned next[POSTERS]; /* lane */
    atomic_uint opened, dropped, started;
};

static void mail_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct mail *m = GUSH_CONTAINER(letter, struct mail, letter);

    gush_lane_assert(lane);
    GUSH_ASSERT(m->number == m->tally->next[m->from]++); /* in posting order */
    atomic_fetch_add(&m->tally->opened, 1);
    gush_free(m);
}

static void mail_drop(struct gush_letter *letter)
{
    struct mail *m = GUSH_CONTAINER(letter, struct mail, letter);

    atomic_fetch_add(&m->tally->dropped, 1);
    gush_free(m);
}

static const struct gush_letter_kind mail_kind = {"mail", mail_open, mail_drop};

static bool send_mail(struct tally *t, unsigned from, unsigned number)
{
    struct mail *m = GUSH_NEW(struct mail);

    m->letter.kind = &mail_kind;
    m->tally = t;
    m->from = from;
    m->number = number;
    return gush_lane_post(t->lane, &m->letter);
}

struct poster {
    struct tally *t;
    unsigned from;
    pthread_t thread;
};

static void *post_mail(void *arg)
{
    struct poster *p = arg;

    for (unsigned i = 0; i < LETTERS_N; i++) {
        if (!send_mail(p->t, p->from, i))
            break;
    }
    return NULL;
}

static void on_started(void *arg, struct gush_lane *lane)
{
    struct tally *t = arg;

    gush_lane_assert(lane);
    atomic_fetch_add(&t->started, 1);
}

static struct gush_rpc_queue *queue_for(struct tally *t)
{
    struct gush_rpc_queue_options o = {
        .mono_us = fixture_mono_us, .started = on_started, .started_arg = t};
    struct gush_rpc_queue *q = gush_rpc_queue_new(&o);

    t->lane = gush_rpc_queue_lane(q);
    return q;
}

static void letters_of_many_threads_arrive_in_order(void **state)
{
    struct tally t = {0};
    struct gush_rpc_queue *q = queue_for(&t);
    struct poster posters[POSTERS];

    (void)state;
    assert_true(send_mail(&t, 0, 0)); /* before there is a thread */
    t.next[0] = 0;
    assert_int_equal(gush_rpc_queue_start(q), GUSH_OK);
    assert_true(wait_for(&t.opened, 1));
    assert_int_equal(atomic_load(&t.started), 1);
    t.next[0] = 0;
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.t = &t, .from = i};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_mail, &posters[i]), 0);
    }
    assert_true(wait_for(&t.opened, 1 + POSTERS * LETTERS_N));
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    gush_rpc_queue_stop(q);
    gush_rpc_queue_join(q);
    assert_false(send_mail(&t, 0, 0));
    assert_int_equal(atomic_load(&t.dropped), 1);
    gush_rpc_queue_free(q);
}

/* Posters that are still at it when the queue goes down: every letter is opened or dropped. */
static void stopping_under_fire_loses_no_letter(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        struct tally t = {0};
        struct gush_rpc_queue *q = queue_for(&t);
        struct poster posters[POSTERS];

        assert_int_equal(gush_rpc_queue_start(q), GUSH_OK);
        for (unsigned i = 0; i < POSTERS; i++) {
            posters[i] = (struct poster){.t = &t, .from = i};
            assert_int_equal(pthread_create(&posters[i].thread, NULL, post_mail, &posters[i]), 0);
        }
        assert_true(wait_for(&t.opened, round * 10 + 1));
        gush_rpc_queue_stop(q);
        gush_rpc_queue_join(q);
        for (unsigned i = 0; i < POSTERS; i++)
            pthread_join(posters[i].thread, NULL);
        gush_rpc_queue_free(q);
    }
}

/* ---- Timers ---------------------------------------------------------------------------------- */

struct clockwork {
    struct gush_letter letter;
    struct gush_timer timer;
    uint64_t due_ms, fired_ms;
    atomic_uint fired;
};

static void on_timer(void *arg, struct gush_timer *timer)
{
    struct clockwork *c = GUSH_CONTAINER(timer, struct clockwork, timer);
    struct gush_lane *lane = arg;

    c->fired_ms = gush_lane_now_ms(lane);
    atomic_fetch_add(&c->fired, 1);
}

static void wind_up(struct gush_lane *lane, struct gush_letter *letter)
{
    struct clockwork *c = GUSH_CONTAINER(letter, struct clockwork, letter);

    c->due_ms = gush_lane_now_ms(lane) + 40;
    c->timer.fire = on_timer;
    gush_wheel_arm(&lane->wheel, &c->timer, c->due_ms);
}

static const struct gush_letter_kind wind_up_kind = {"wind up", wind_up, errand_drop};

static void a_timer_fires_while_nothing_else_happens(void **state)
{
    struct tally t = {0};
    struct clockwork c = {.letter = {.kind = &wind_up_kind}};
    struct gush_rpc_queue *q = queue_for(&t);

    (void)state;
    assert_int_equal(gush_rpc_queue_start(q), GUSH_OK);
    assert_true(gush_lane_post(t.lane, &c.letter));
    assert_true(wait_for(&c.fired, 1));
    assert_true(c.fired_ms >= c.due_ms);
    gush_rpc_queue_stop(q);
    gush_rpc_queue_join(q);
    gush_rpc_queue_free(q);
}

static void a_queue_that_never_ran_drops_its_mail(void **state)
{
    struct tally t = {0};
    struct gush_rpc_queue *q = queue_for(&t);

    (void)state;
    assert_true(send_mail(&t, 1, 0));
    assert_true(send_mail(&t, 1, 1));
    gush_rpc_queue_free(q); /* never started: they are dropped */
    assert_int_equal(atomic_load(&t.dropped), 2);
    assert_int_equal(atomic_load(&t.opened), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_many_threads_arrive_in_order),
        cmocka_unit_test(stopping_under_fire_loses_no_letter),
        cmocka_unit_test(a_timer_fires_while_nothing_else_happens),
        cmocka_unit_test(a_queue_that_never_ran_drops_its_mail),
    };

    return cmocka_run_group_tests(tests, library_up, library_down);
}
