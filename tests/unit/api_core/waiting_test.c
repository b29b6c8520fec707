/* The door of a lane, with requests that are only numbers. */
#include "server/base/buf.h"

#include "api/core/waiting.h"
#include "tests/unit/api_core/fixture.h"

struct request {
    struct gush_waiter waiter;
    struct scene *s;
};

struct scene {
    struct fixture *f;
    struct gush_waiting waiting;
    struct gush_buf ran;
    unsigned empty_n;
    bool behind_again; /* the first one to run makes the lanes fall behind */
};

static void set_behind(struct scene *s, bool behind)
{
    struct gush_lane *lane = &s->f->lane;

    atomic_store(&lane->backlog_deliveries, behind ? UINT64_C(1) << 40 : 0);
    if (!behind)
        lane->on_settled(lane->on_settled_arg);
}

static void run(struct gush_waiting *w, struct gush_waiter *waiter, struct gush_span bytes)
{
    struct scene *s = w->owner;

    assert_ptr_equal(GUSH_CONTAINER(waiter, struct request, waiter)->s, s);
    assert_null(waiter->bytes);
    gush_buf_put_span(&s->ran, bytes);
    if (s->behind_again)
        set_behind(s, true);
    s->behind_again = false;
}

static void empty(struct gush_waiting *w)
{
    ((struct scene *)w->owner)->empty_n++;
}

static const struct gush_waiting_ops ops = {run, empty};

static struct scene *scene_new(void)
{
    struct scene *s = GUSH_NEW(struct scene);

    s->f = fixture_new();
    gush_waiting_init(&s->waiting, s->f->node, &s->f->lane, &ops, s);
    gush_buf_init(&s->ran, 100000);
    return s;
}

static void scene_free(struct scene *s)
{
    gush_buf_fini(&s->ran);
    fixture_free(s->f);
    gush_free(s);
}

static void add(struct scene *s, struct request *r, const char *bytes)
{
    *r = (struct request){.s = s};
    assert_true(gush_waiting_room(&s->waiting, strlen(bytes)));
    gush_waiting_add(&s->waiting, &r->waiter, gush_span_str(bytes));
}

static void expect_ran(struct scene *s, const char *what, unsigned empty_n)
{
    for (int i = 0; i < 5; i++)
        turn(s->f);
    assert_true(gush_span_eq_str(gush_buf_span(&s->ran), what));
    assert_int_equal(s->empty_n, empty_n);
}

static void nobody_waits_while_lanes_keep_up(void **state)
{
    struct scene *s = scene_new();

    (void)state;
    assert_false(gush_waiting_must(&s->waiting));
    scene_free(s);
}

static void they_go_on_in_order(void **state)
{
    struct scene *s = scene_new();
    struct request r[3];

    (void)state;
    set_behind(s, true);
    assert_true(gush_waiting_must(&s->waiting));
    add(s, &r[0], "a");
    add(s, &r[1], "b");
    expect_ran(s, "", 0);
    set_behind(s, false);
    assert_true(gush_waiting_must(&s->waiting)); /* behind those who came before */
    add(s, &r[2], "c");
    expect_ran(s, "abc", 1);
    assert_false(gush_waiting_must(&s->waiting));
    scene_free(s);
}

static void the_door_may_close_again(void **state)
{
    struct scene *s = scene_new();
    struct request r[2];

    (void)state;
    set_behind(s, true);
    assert_true(gush_waiting_must(&s->waiting));
    add(s, &r[0], "a");
    add(s, &r[1], "b");
    s->behind_again = true;
    set_behind(s, false);
    expect_ran(s, "a", 0);
    set_behind(s, false);
    expect_ran(s, "ab", 1);
    scene_free(s);
}

static void whoever_leaves_makes_room(void **state)
{
    struct scene *s = scene_new();
    struct request r[3];

    (void)state;
    set_behind(s, true);
    assert_true(gush_waiting_must(&s->waiting));
    for (int i = 0; i < 3; i++)
        add(s, &r[i], i == 0 ? "a" : i == 1 ? "b" : "c");
    assert_true(gush_waiting_leave(&s->waiting, &r[1].waiter));
    assert_false(gush_waiting_leave(&s->waiting, &r[1].waiter));
    assert_int_equal(s->waiting.n, 2);
    assert_int_equal(s->waiting.bytes, 2);
    set_behind(s, false);
    expect_ran(s, "ac", 1);
    assert_false(gush_waiting_leave(&s->waiting, &r[0].waiter));
    scene_free(s);
}

static void all_may_leave(void **state)
{
    struct scene *s = scene_new();
    struct request r;

    (void)state;
    set_behind(s, true);
    assert_true(gush_waiting_must(&s->waiting));
    add(s, &r, "a");
    assert_true(gush_waiting_leave(&s->waiting, &r.waiter));
    set_behind(s, false);
    expect_ran(s, "", 1);
    scene_free(s);
}

static void there_is_room_for_so_much(void **state)
{
    struct scene *s = scene_new();
    struct request *many = gush_zalloc(GUSH_WAITING_MAX, sizeof(*many));

    (void)state;
    set_behind(s, true);
    assert_true(gush_waiting_must(&s->waiting));
    assert_true(gush_waiting_room(&s->waiting, GUSH_WAITING_MAX_BYTES * 2)); /* one always may */
    for (size_t i = 0; i < GUSH_WAITING_MAX; i++) {
        if (i > 0) {
            assert_true(gush_waiting_room(&s->waiting, GUSH_WAITING_MAX_BYTES - i));
            assert_false(gush_waiting_room(&s->waiting, GUSH_WAITING_MAX_BYTES - i + 1));
        }
        add(s, &many[i], "x");
    }
    assert_false(gush_waiting_room(&s->waiting, 0));
    for (size_t i = 0; i < GUSH_WAITING_MAX; i++)
        assert_true(gush_waiting_leave(&s->waiting, &many[i].waiter));
    assert_int_equal(s->waiting.bytes, 0);
    set_behind(s, false);
    expect_ran(s, "", 1);
    gush_free(many);
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_while_lanes_keep_up),
        cmocka_unit_test(they_go_on_in_order),
        cmocka_unit_test(the_door_may_close_again),
        cmocka_unit_test(whoever_leaves_makes_room),
        cmocka_unit_test(all_may_leave),
        cmocka_unit_test(there_is_room_for_so_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
