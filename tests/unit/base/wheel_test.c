#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/rng.h"
#include "server/base/wheel.h"

#include "tests/unit/base/unit.h"

#define NO_LIMIT UINT32_MAX
#define MODEL_N  400
#define SPAN_MS  ((UINT64_C(1) << 36) * 4)

struct alarm_clock {
    struct gush_timer timer;
    uint64_t due_ms; /* what the model says; NEVER: not armed */
    struct bench *bench;
};

struct bench {
    struct gush_wheel wheel;
    struct gush_rng rng;
    uint64_t now_ms, before_ms; /* before: of the last advance */
    unsigned fired;
    struct alarm_clock clocks[MODEL_N];
};

static void ring(void *arg, struct gush_timer *t)
{
    struct bench *b = arg;
    struct alarm_clock *c = GUSH_CONTAINER(t, struct alarm_clock, timer);

    assert_false(gush_timer_armed(t));
    assert_true(c->due_ms <= b->now_ms); /* never early */
    c->due_ms = GUSH_WHEEL_NEVER;
    b->fired++;
}

static struct bench *bench_at(uint64_t now_ms)
{
    struct bench *b = GUSH_NEW(struct bench);

    gush_wheel_init(&b->wheel, now_ms);
    gush_rng_seed(&b->rng, now_ms);
    b->now_ms = now_ms;
    for (int i = 0; i < MODEL_N; i++) {
        b->clocks[i].timer.fire = ring;
        b->clocks[i].due_ms = GUSH_WHEEL_NEVER;
        b->clocks[i].bench = b;
    }
    return b;
}

static void arm(struct bench *b, struct alarm_clock *c, uint64_t due_ms)
{
    c->due_ms = due_ms;
    gush_wheel_arm(&b->wheel, &c->timer, due_ms);
}

static void advance(struct bench *b, uint64_t now_ms)
{
    b->before_ms = b->now_ms;
    b->now_ms = now_ms;
    gush_wheel_advance(&b->wheel, now_ms, b, NO_LIMIT);
}

/* What the wheel still holds is what the model says, and it asks to be called in time. */
static void check(struct bench *b)
{
    uint64_t next = gush_wheel_next_ms(&b->wheel), first = GUSH_WHEEL_NEVER;

    for (int i = 0; i < MODEL_N; i++) {
        struct alarm_clock *c = &b->clocks[i];

        assert_int_equal(gush_timer_armed(&c->timer), c->due_ms != GUSH_WHEEL_NEVER);
        if (c->due_ms == GUSH_WHEEL_NEVER)
            continue;
        assert_true(c->due_ms + 4 > b->now_ms); /* late by at most one tick */
        if (c->due_ms < first)
            first = c->due_ms;
    }
    if (first == GUSH_WHEEL_NEVER)
        assert_true(next == GUSH_WHEEL_NEVER);
    else
        assert_true(next < first + 4);
}

static void fire_within(void *arg, struct gush_timer *t)
{
    (void)t;
    gush_wheel_advance(arg, 100, arg, 1);
}

static void advance_within_advance(void)
{
    struct gush_wheel w;
    struct gush_timer t = {.fire = fire_within};

    gush_wheel_init(&w, 0);
    gush_wheel_arm(&w, &t, 0);
    gush_wheel_advance(&w, 0, &w, NO_LIMIT);
}

static void misuse_aborts(void **state)
{
    (void)state;
    assert_true(unit_aborts(advance_within_advance));
}

static void an_empty_wheel(void **state)
{
    struct bench *b = bench_at(12345);

    (void)state;
    assert_true(gush_wheel_next_ms(&b->wheel) == GUSH_WHEEL_NEVER);
    assert_false(gush_wheel_advance(&b->wheel, 12345 + SPAN_MS * 3, b, NO_LIMIT));
    gush_wheel_disarm(&b->wheel, &b->clocks[0].timer);
    assert_int_equal(b->fired, 0);
    gush_free(b);
}

/* One timer, each of many distances, advanced to every millisecond around its time. */
static void never_early_and_one_tick_late_at_most(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 38; bits++) {
        for (uint64_t start = 0; start < 300; start += 61) {
            uint64_t due = start + (UINT64_C(1) << bits);
            struct bench *b = bench_at(start);

            arm(b, &b->clocks[0], due);
            advance(b, due - 1);
            assert_int_equal(b->fired, 0);
            for (uint64_t now = due; b->fired == 0; now++) {
                assert_true(now < due + 4);
                advance(b, now);
            }
            check(b);
            gush_free(b);
        }
    }
}

static void the_past_means_the_next_advance(void **state)
{
    struct bench *b = bench_at(1000);

    (void)state;
    arm(b, &b->clocks[0], 0);
    arm(b, &b->clocks[1], 1000);
    assert_true(gush_wheel_next_ms(&b->wheel) <= 1000);
    advance(b, 1000);
    assert_int_equal(b->fired, 2);
    gush_free(b);
}

static void a_clock_that_goes_back_fires_nothing(void **state)
{
    struct bench *b = bench_at(1000);

    (void)state;
    arm(b, &b->clocks[0], 1004);
    advance(b, 1003);
    assert_false(gush_wheel_advance(&b->wheel, 10, b, NO_LIMIT));
    assert_int_equal(b->fired, 0);
    advance(b, 1004);
    assert_int_equal(b->fired, 1);
    gush_free(b);
}

static uint64_t random_distance(struct gush_rng *rng)
{
    /* Any magnitude is as likely as any other, up to three spans of the levels. */
    return gush_rng_below(rng, UINT64_C(1) << gush_rng_below(rng, 40)) +
           gush_rng_below(rng, 3) / 2 * SPAN_MS;
}

static void same_as_a_list_under_random_schedules(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct bench *b = bench_at(seed % 2 ? seed : SPAN_MS * (seed + 1) - 1000);

        gush_rng_seed(&b->rng, seed);
        for (int step = 0; step < 300; step++) {
            for (uint64_t n = gush_rng_below(&b->rng, 40); n > 0; n--) {
                struct alarm_clock *c = &b->clocks[gush_rng_below(&b->rng, MODEL_N)];

                if (gush_rng_below(&b->rng, 4) == 0) {
                    gush_wheel_disarm(&b->wheel, &c->timer);
                    c->due_ms = GUSH_WHEEL_NEVER;
                } else {
                    arm(b, c, b->now_ms + random_distance(&b->rng));
                }
            }
            if (gush_rng_below(&b->rng, 2))
                advance(b, b->now_ms + random_distance(&b->rng));
            else if (gush_wheel_next_ms(&b->wheel) != GUSH_WHEEL_NEVER)
                advance(b, gush_wheel_next_ms(&b->wheel) > b->now_ms ? gush_wheel_next_ms(&b->wheel)
                                                                     : b->now_ms);
            check(b);
        }
        assert_true(b->fired > 1000);
        gush_free(b);
    }
}

/* Sleeping exactly as next_ms says reaches every timer, without asking for calls in vain for ever.
 */
static void next_ms_leads_to_every_timer(void **state)
{
    struct bench *b = bench_at(77);
    unsigned calls = 0;

    (void)state;
    for (int i = 0; i < MODEL_N; i++)
        arm(b, &b->clocks[i], b->now_ms + random_distance(&b->rng));
    while (gush_wheel_next_ms(&b->wheel) != GUSH_WHEEL_NEVER) {
        advance(b, gush_wheel_next_ms(&b->wheel));
        check(b);
        calls++;
    }
    assert_int_equal(b->fired, MODEL_N);
    assert_true(calls <= MODEL_N * (GUSH_WHEEL_LEVELS + 3));
    gush_free(b);
}

static void the_limit_bounds_each_call(void **state)
{
    struct bench *b = bench_at(0);
    unsigned calls = 0;
    bool more;

    (void)state;
    for (int i = 0; i < MODEL_N; i++)
        arm(b, &b->clocks[i], 100000 + (uint64_t)i % 7);
    b->now_ms = 100100;
    do {
        unsigned before = b->fired;

        more = gush_wheel_advance(&b->wheel, b->now_ms, b, 10);
        assert_true(b->fired - before <= 10);
        if (more)
            assert_true(gush_wheel_next_ms(&b->wheel) <= b->now_ms);
        calls++;
    } while (more);
    assert_int_equal(b->fired, MODEL_N);
    assert_in_range(calls, MODEL_N / 10, MODEL_N);
    gush_free(b);
}

/* Moving timers to a finer level is work as well: all of these share one slot of level 2. */
static void the_limit_bounds_moving_too(void **state)
{
    struct bench *b = bench_at(0);
    unsigned calls = 1;

    (void)state;
    for (int i = 0; i < MODEL_N; i++)
        arm(b, &b->clocks[i], UINT64_C(4) * 64 * 64 + 4000);
    b->now_ms = UINT64_C(4) * 64 * 64;
    while (gush_wheel_advance(&b->wheel, b->now_ms, b, 10)) {
        assert_true(gush_wheel_next_ms(&b->wheel) <= b->now_ms);
        calls++;
    }
    assert_in_range(calls, MODEL_N / 10, MODEL_N / 10 + 1);
    assert_int_equal(b->fired, 0);
    advance(b, b->now_ms + 4000);
    assert_int_equal(b->fired, MODEL_N);
    gush_free(b);
}

/* Rings, and then treats its neighbours at random, itself included. */
static void ring_and_meddle(void *arg, struct gush_timer *t)
{
    struct bench *b = arg;

    ring(arg, t);
    for (int i = 0; i < 3; i++) {
        struct alarm_clock *c = &b->clocks[gush_rng_below(&b->rng, MODEL_N)];

        switch (gush_rng_below(&b->rng, 4)) {
        case 0:
            gush_wheel_disarm(&b->wheel, &c->timer);
            c->due_ms = GUSH_WHEEL_NEVER;
            break;
        case 1: /* in the past: not in this advance */
            c->due_ms = b->before_ms;
            gush_wheel_arm(&b->wheel, &c->timer, b->before_ms);
            break;
        default:
            arm(b, c, b->now_ms + 1 + random_distance(&b->rng));
        }
    }
}

static void arming_and_disarming_while_firing(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct bench *b = bench_at(SPAN_MS - 5000000 + seed);

        for (int i = 0; i < MODEL_N; i++) {
            b->clocks[i].timer.fire = ring_and_meddle;
            arm(b, &b->clocks[i], b->now_ms + random_distance(&b->rng) % 100000);
        }
        for (int step = 0; step < 50; step++) {
            b->before_ms = b->now_ms;
            b->now_ms += random_distance(&b->rng) % 100000;
            if (gush_wheel_advance(&b->wheel, b->now_ms, b, NO_LIMIT)) /* only the re-armed */
                assert_true(gush_wheel_next_ms(&b->wheel) <= b->now_ms);
            for (int i = 0; i < MODEL_N; i++) {
                bool armed = b->clocks[i].due_ms != GUSH_WHEEL_NEVER;

                assert_int_equal(gush_timer_armed(&b->clocks[i].timer), armed);
            }
        }
        assert_true(b->fired > 100);
        gush_free(b);
    }
}

static void ring_for_ever(void *arg, struct gush_timer *t)
{
    struct bench *b = arg;

    b->fired++;
    gush_wheel_arm(&b->wheel, t, 0);
}

static void a_timer_for_the_past_cannot_hold_the_wheel(void **state)
{
    struct bench *b = bench_at(0);

    (void)state;
    b->clocks[0].timer.fire = ring_for_ever;
    gush_wheel_arm(&b->wheel, &b->clocks[0].timer, 50);
    assert_true(gush_wheel_advance(&b->wheel, 1000, b, NO_LIMIT));
    assert_int_equal(b->fired, 1);
    assert_true(gush_wheel_next_ms(&b->wheel) <= 1000);
    assert_true(gush_wheel_advance(&b->wheel, 1000, b, NO_LIMIT));
    assert_int_equal(b->fired, 2);
    gush_free(b);
}

static void free_itself(void *arg, struct gush_timer *t)
{
    ++*(unsigned *)arg;
    gush_free(t);
}

static void a_timer_may_be_freed_inside(void **state)
{
    struct gush_wheel w;
    unsigned fired = 0;

    (void)state;
    gush_wheel_init(&w, 0);
    for (int i = 0; i < 100; i++) {
        struct gush_timer *t = GUSH_NEW(struct gush_timer);

        t->fire = free_itself;
        gush_wheel_arm(&w, t, 40 + (uint64_t)i % 5);
    }
    assert_false(gush_wheel_advance(&w, 100, &fired, NO_LIMIT));
    assert_int_equal(fired, 100);
    assert_true(gush_wheel_next_ms(&w) == GUSH_WHEEL_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(an_empty_wheel),
        cmocka_unit_test(never_early_and_one_tick_late_at_most),
        cmocka_unit_test(the_past_means_the_next_advance),
        cmocka_unit_test(a_clock_that_goes_back_fires_nothing),
        cmocka_unit_test(same_as_a_list_under_random_schedules),
        cmocka_unit_test(next_ms_leads_to_every_timer),
        cmocka_unit_test(the_limit_bounds_each_call),
        cmocka_unit_test(the_limit_bounds_moving_too),
        cmocka_unit_test(arming_and_disarming_while_firing),
        cmocka_unit_test(a_timer_for_the_past_cannot_hold_the_wheel),
        cmocka_unit_test(a_timer_may_be_freed_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
