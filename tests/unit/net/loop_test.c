#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "server/base/assert.h"
#include "server/base/clock.h"

#include "server/net/loop.h"

#include "tests/unit/net/unit.h"

static const struct gush_loop_options options = {.workers_n = 1, .seed = 1, .name = "test"};

static void await(sem_t *sem)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    assert_int_equal(sem_timedwait(sem, &until), 0);
}

static void post_sem(struct gush_loop *loop, void *arg)
{
    (void)loop;
    sem_post(arg);
}

static void never_started_is_freed(void **state)
{
    struct gush_loop *loop;

    (void)state;
    assert_int_equal(gush_loop_new(&options, &loop), GUSH_OK);
    gush_loop_free(loop);
    gush_loop_free(NULL);
}

struct setup_seen {
    pthread_t thread;
    bool ran;
};

static void setup(struct gush_loop *loop, void *arg)
{
    struct setup_seen *seen = arg;
    gush_lane_assert(gush_loop_lane(loop));
    seen->thread = pthread_self();
    seen->ran = true;
}

static void setup_has_run_when_start_returns(void **state)
{
    struct setup_seen seen = {0};
    struct gush_loop *loop;

    (void)state;
    assert_int_equal(gush_loop_new(&options, &loop), GUSH_OK);
    assert_int_equal(gush_loop_start(loop, setup, &seen), GUSH_OK);
    assert_true(seen.ran);
    assert_false(pthread_equal(seen.thread, pthread_self()));
    gush_loop_stop(loop);
    gush_loop_stop(loop);
    gush_loop_join(loop);
    gush_loop_free(loop);
}

static void posts_run_also_from_before_the_start(void **state)
{
    struct gush_loop *loop;
    sem_t sem;

    (void)state;
    sem_init(&sem, 0, 0);
    assert_int_equal(gush_loop_new(&options, &loop), GUSH_OK);
    assert_true(gush_loop_post(loop, post_sem, &sem));
    assert_int_equal(gush_loop_start(loop, NULL, NULL), GUSH_OK);
    await(&sem);
    for (int i = 0; i < 1000; i++)
        assert_true(gush_loop_post(loop, post_sem, &sem));
    for (int i = 0; i < 1000; i++)
        await(&sem);
    gush_loop_stop(loop);
    gush_loop_join(loop);
    assert_false(gush_loop_post(loop, post_sem, &sem)); /* dropped, not leaked */
    gush_loop_free(loop);
    sem_destroy(&sem);
}

struct alarm {
    struct gush_timer timer;
    sem_t rang;
    uint64_t set_us, rang_us;
};

static void on_alarm(void *arg, struct gush_timer *t)
{
    struct alarm *a = GUSH_CONTAINER(t, struct alarm, timer);
    (void)arg;
    a->rang_us = gush_clock_mono_us();
    sem_post(&a->rang);
}

static void set_alarm(struct gush_loop *loop, void *arg)
{
    struct gush_lane *lane = gush_loop_lane(loop);
    struct alarm *a = arg;

    a->timer.fire = on_alarm;
    a->set_us = gush_clock_mono_us();
    gush_wheel_arm(&lane->wheel, &a->timer, gush_lane_now_ms(lane) + 30);
}

static void timers_fire_while_nothing_else_happens(void **state)
{
    struct alarm a = {0};
    struct gush_loop *loop;

    (void)state;
    sem_init(&a.rang, 0, 0);
    assert_int_equal(gush_loop_new(&options, &loop), GUSH_OK);
    assert_int_equal(gush_loop_start(loop, set_alarm, &a), GUSH_OK);
    await(&a.rang);
    assert_in_range(a.rang_us - a.set_us, 29 * 1000, 10 * 1000 * 1000);
    assert_true(gush_loop_post(loop, set_alarm, &a)); /* from a letter, too */
    await(&a.rang);
    assert_in_range(a.rang_us - a.set_us, 29 * 1000, 10 * 1000 * 1000);
    gush_loop_stop(loop);
    gush_loop_join(loop);
    gush_loop_free(loop);
    sem_destroy(&a.rang);
}

struct repeat {
    struct gush_work work;
    int left;
    sem_t done;
};

static bool run_repeat(struct gush_lane *lane, struct gush_work *work)
{
    struct repeat *r = GUSH_CONTAINER(work, struct repeat, work);
    (void)lane;
    if (--r->left > 0)
        return false;
    sem_post(&r->done);
    return true;
}

static void start_repeat(struct gush_loop *loop, void *arg)
{
    struct repeat *r = arg;
    gush_lane_last(gush_loop_lane(loop), &r->work);
}

/* Work that takes several turns must not wait for an event in between. */
static void unfinished_work_goes_on_at_once(void **state)
{
    struct repeat r = {.work.run = run_repeat, .left = 1000};
    struct gush_loop *loop;

    (void)state;
    sem_init(&r.done, 0, 0);
    assert_int_equal(gush_loop_new(&options, &loop), GUSH_OK);
    assert_int_equal(gush_loop_start(loop, start_repeat, &r), GUSH_OK);
    await(&r.done);
    gush_loop_stop(loop);
    gush_loop_join(loop);
    gush_loop_free(loop);
    sem_destroy(&r.done);
}

#define UNDER_WAY_MAX 1000 /* posts of a poster that have not run yet */

struct poster {
    struct gush_loop *loop;
    atomic_bool closed, stopping;
    atomic_int under_way;
};

static void has_run(struct gush_loop *loop, void *arg)
{
    struct poster *p = arg;
    (void)loop;
    atomic_fetch_sub(&p->under_way, 1);
}

/* Never far ahead of the loop: it would come to its end only after all of it. */
static void *post_until_closed(void *arg)
{
    struct poster *p = arg;
    for (;;) {
        while (atomic_load(&p->under_way) >= UNDER_WAY_MAX && !atomic_load(&p->stopping))
            sched_yield();
        atomic_fetch_add(&p->under_way, 1);
        if (!gush_loop_post(p->loop, has_run, p))
            break;
    }
    atomic_store(&p->closed, true);
    return NULL;
}

static void posting_into_the_end_is_safe(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct poster p = {0};
        pthread_t thread;
        assert_int_equal(gush_loop_new(&options, &p.loop), GUSH_OK);
        assert_int_equal(gush_loop_start(p.loop, NULL, NULL), GUSH_OK);
        assert_int_equal(pthread_create(&thread, NULL, post_until_closed, &p), 0);
        gush_loop_stop(p.loop);
        gush_loop_join(p.loop);
        atomic_store(&p.stopping, true); /* what was dropped never runs */
        pthread_join(thread, NULL);
        assert_true(atomic_load(&p.closed));
        gush_loop_free(p.loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_started_is_freed),
        cmocka_unit_test(setup_has_run_when_start_returns),
        cmocka_unit_test(posts_run_also_from_before_the_start),
        cmocka_unit_test(timers_fire_while_nothing_else_happens),
        cmocka_unit_test(unfinished_work_goes_on_at_once),
        cmocka_unit_test(posting_into_the_end_is_safe),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
