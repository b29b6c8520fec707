#include "tests/unit/rpc/fixture.h"

/* "n size" as the request of Count. */
static struct gush_span count_request(char text[64], unsigned n, unsigned size)
{
    int length = snprintf(text, 64, "%u %u", n, size);

    return gush_span_of(text, (size_t)length);
}

static void expect_count(struct ask *a, unsigned n, unsigned size)
{
    grpc_slice got;

    for (unsigned i = 0; i < n; i++) {
        assert_true(ask_next(a, &got));
        assert_int_equal(GRPC_SLICE_LENGTH(got), size);
        for (unsigned at = 0; at < size; at += 97)
            assert_int_equal(GRPC_SLICE_START_PTR(got)[at], 'x');
        grpc_slice_unref(got);
    }
    assert_false(ask_next(a, &got));
    ask_end(a);
    assert_int_equal(a->status, GRPC_STATUS_OK);
}

static void a_stream_arrives_whole_whatever_the_sizes(void **state)
{
    static const struct {
        unsigned n, size;
    } cases[] = {{0, 0},          {1, 0},     {1, 128}, {2, 128},     {BURST, 128},
                 {BURST + 1, 23}, {1000, 24}, {333, 0}, {100, 70000}, {3, 1u << 20}};

    (void)state;
    for (int lean = 0; lean < 2; lean++) {
        struct fixture *f = fixture_new((struct fixture_options){.lean = lean});
        struct peer p = peer_open(f);

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            char text[64];
            struct ask a;

            ask_open(
                &a, &p,
                (struct ask_options){.path = "/test.Stream/Count",
                                     .request = count_request(text, cases[i].n, cases[i].size)});
            expect_count(&a, cases[i].n, cases[i].size);
            ask_free(&a);
        }
        peer_close(&p);
        fixture_free(f);
    }
}

/* Nobody reads: sends block instead of piling up, others go on, and cancel gets rid of it. */
static void cancel_it(struct fixture *f)
{
    struct gush_rpc_call *call = f->flood;

    gush_rpc_call_cancel(call, GUSH_RPC_ABORTED, "too slow");
}

static void a_stuck_reader_is_cut_off(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.lean = true});
    struct peer p = peer_open(f), other = peer_open(f);
    unsigned blocked;
    struct ask a;
    grpc_slice got;

    (void)state;
    ask_open(&a, &p, (struct ask_options){.path = "/test.Stream/Flood"});
    assert_true(wait_for(&f->blocked, 1));
    do { /* until the buffers below are full */
        blocked = atomic_load(&f->blocked);
        expect_echo(&other, "/test.Echo/Later", GUSH_SPAN_LIT("not disturbed"));
    } while (atomic_load(&f->blocked) != blocked);
    assert_true(wait_for(&f->closed, atomic_load(&f->asked) - 1));
    on_lane(f, cancel_it);
    assert_true(wait_for(&f->closed, atomic_load(&f->asked)));
    while (ask_next(&a, &got)) /* what had left before */
        grpc_slice_unref(got);
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_ABORTED);
    ask_free(&a);
    peer_close(&p);
    peer_close(&other);
    fixture_free(f);
}

static void a_peer_that_cancels_closes_the_call_once(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.lean = true});
    struct peer p = peer_open(f);

    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        struct ask a;

        ask_open(&a, &p,
                 (struct ask_options){.path = i % 2 ? "/test.Stream/Hold" : "/test.Stream/Flood"});
        assert_true(wait_for(&f->asked, i));
        grpc_call_cancel(a.call, NULL);
        ask_end(&a);
        assert_int_equal(a.status, GRPC_STATUS_CANCELLED);
        ask_free(&a);
        assert_true(wait_for(&f->closed, i));
    }
    assert_int_equal(atomic_load(&f->gone), 20);
    peer_close(&p);
    fixture_free(f);
}

static void a_connection_that_vanishes_closes_its_calls(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.lean = true});
    struct peer p = peer_open(f);
    struct ask asks[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        ask_open(&asks[i], &p,
                 (struct ask_options){.path = i % 2 ? "/test.Stream/Hold" : "/test.Stream/Flood"});
    assert_true(wait_for(&f->asked, 8));
    for (size_t i = 0; i < 8; i++)
        grpc_call_cancel(asks[i].call, NULL);
    for (size_t i = 0; i < 8; i++) {
        ask_end(&asks[i]);
        ask_free(&asks[i]);
    }
    peer_close(&p);
    assert_true(wait_for(&f->closed, 8));
    fixture_free(f);
}

static void a_held_call_outlives_its_peer(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);
    struct ask a;

    (void)state;
    ask_open(&a, &p,
             (struct ask_options){.path = "/test.Echo/Hold", .request = GUSH_SPAN_LIT("held")});
    assert_true(wait_for(&f->asked, 1));
    grpc_call_cancel(a.call, NULL);
    ask_end(&a);
    ask_free(&a);
    assert_true(wait_for(&f->gone, 1));
    assert_int_equal(atomic_load(&f->closed), 0);
    on_lane(f, answer_all); /* to nobody */
    assert_int_equal(atomic_load(&f->closed), 1);
    peer_close(&p);
    fixture_free(f);
}

static void a_late_answer_arrives(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);

    (void)state;
    for (unsigned i = 1; i <= 4; i++) {
        struct ask a;
        grpc_slice got;

        ask_open(&a, &p,
                 (struct ask_options){.path = "/test.Echo/Hold",
                                      .request = gush_span_of("held", i % 2 ? 4 : 0)});
        assert_true(wait_for(&f->asked, i));
        on_lane(f, answer_all);
        assert_true(ask_next(&a, &got));
        assert_int_equal(grpc_slice_str_cmp(got, "late"), 0);
        grpc_slice_unref(got);
        ask_end(&a);
        assert_int_equal(a.status, GRPC_STATUS_OK);
        ask_free(&a);
    }
    assert_int_equal(atomic_load(&f->gone), 0);
    peer_close(&p);
    fixture_free(f);
}

/* One slice, many streams: the bytes are shared and go when the last send is over. */
static void a_shared_slice_is_dropped_after_its_last_send(void **state)
{
    struct gush_bytes *bytes = gush_bytes_new(1000);
    struct gush_rpc_slice slice, empty;
    struct gush_bytes *none = gush_bytes_new(0);

    (void)state;
    gush_rpc_slice_init(&slice, bytes);
    assert_int_equal(atomic_load(&bytes->refs), 2);
    gush_rpc_slice_fini(&slice);
    assert_int_equal(atomic_load(&bytes->refs), 1);
    gush_bytes_unref(bytes);
    gush_rpc_slice_init(&empty, none);
    assert_int_equal(atomic_load(&none->refs), 1); /* nothing to share */
    gush_rpc_slice_fini(&empty);
    gush_bytes_unref(none);
}

/* ---- Many messages --------------------------------------------------------------------------- */

static void expect_next(struct ask *a, struct gush_span message)
{
    grpc_slice got;

    assert_true(ask_next(a, &got));
    assert_true(
        gush_span_eq(gush_span_of(GRPC_SLICE_START_PTR(got), GRPC_SLICE_LENGTH(got)), message));
    grpc_slice_unref(got);
}

static void a_chat_goes_to_and_fro(void **state)
{
    (void)state;
    for (int lean = 0; lean < 2; lean++) {
        struct fixture *f = fixture_new((struct fixture_options){.lean = lean});
        struct peer p = peer_open(f);
        struct ask a;
        grpc_slice got;

        ask_open(&a, &p,
                 (struct ask_options){.path = "/test.Chat/Echo", .silent = true, .open = true});
        for (unsigned i = 0; i < 100; i++) {
            char text[32];

            snprintf(text, sizeof(text), "%u", i);
            ask_say(&a, gush_span_str(i % 7 ? text : "")); /* empty ones, too */
            expect_next(&a, gush_span_str(i % 7 ? text : ""));
        }
        ask_half_close(&a);
        assert_false(ask_next(&a, &got));
        ask_end(&a);
        assert_int_equal(a.status, GRPC_STATUS_OK);
        assert_message(&a, "bye");
        ask_free(&a);
        peer_close(&p);
        fixture_free(f);
    }
}

static void what_was_said_ahead_is_answered_in_order(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);
    struct ask a;

    (void)state;
    ask_open(&a, &p, (struct ask_options){.path = "/test.Chat/Echo", .silent = true, .open = true});
    for (size_t i = 0; i < 500; i++)
        ask_say(&a, gush_span_of(&i, sizeof(i)));
    ask_half_close(&a);
    for (size_t i = 0; i < 500; i++)
        expect_next(&a, gush_span_of(&i, sizeof(i)));
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_OK);
    ask_free(&a);
    peer_close(&p);
    fixture_free(f);
}

/* The service hears of it: a second finish would be a bug. */
static void a_chat_that_says_too_much_is_refused(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open_with(f, GRPC_COMPRESS_GZIP);
    uint8_t *body = gush_zalloc(1, REQUEST_MAX + 1);
    grpc_slice reply;
    struct ask a;

    (void)state;
    ask_open(&a, &p, (struct ask_options){.path = "/test.Chat/Echo", .silent = true, .open = true});
    ask_say(&a, GUSH_SPAN_LIT("hello"));
    expect_next(&a, GUSH_SPAN_LIT("hello"));
    assert_int_equal(atomic_load(&f->gone), 0);
    ask_say(&a, gush_span_of(body, REQUEST_MAX + 1));
    assert_false(ask_next(&a, &reply));
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_RESOURCE_EXHAUSTED);
    ask_free(&a);
    assert_true(wait_for(&f->closed, 1));
    assert_int_equal(atomic_load(&f->heard), 1);
    assert_int_equal(atomic_load(&f->gone), 1);
    gush_free(body);
    peer_close(&p);
    fixture_free(f);
}

static void a_chat_may_say_nothing(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);

    (void)state;
    expect_end(&p, (struct ask_options){.path = "/test.Chat/Echo", .silent = true}, GRPC_STATUS_OK,
               "bye");
    assert_int_equal(atomic_load(&f->heard), 0);
    peer_close(&p);
    fixture_free(f);
}

static void what_is_not_asked_for_is_not_delivered(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);
    struct ask a;

    (void)state;
    ask_open(&a, &p, (struct ask_options){.path = "/test.Chat/Deaf", .open = true});
    for (unsigned i = 0; i < 20; i++)
        ask_say(&a, GUSH_SPAN_LIT("hello?"));
    assert_true(wait_for(&f->asked, 1));
    expect_echo(&p, "/test.Echo/Later", GUSH_SPAN_LIT("behind them"));
    assert_int_equal(atomic_load(&f->heard), 1);
    grpc_call_cancel(a.call, NULL);
    ask_end(&a);
    ask_free(&a);
    assert_true(wait_for(&f->gone, 1));
    peer_close(&p);
    fixture_free(f);
}

static void a_chat_that_falls_silent_is_ended(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.request_timeout_ms = 60});
    struct peer p = peer_open(f);
    struct ask a;
    grpc_slice got;

    (void)state;
    ask_open(&a, &p, (struct ask_options){.path = "/test.Chat/Echo", .open = true});
    expect_next(&a, GUSH_SPAN_EMPTY);
    assert_false(ask_next(&a, &got));
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_DEADLINE_EXCEEDED);
    assert_message(&a, "no further message came in time");
    ask_free(&a);
    assert_true(wait_for(&f->gone, 1)); /* the service heard of it */
    peer_close(&p);
    fixture_free(f);
}

static void chats_that_break_off_anywhere_close_once(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.queues_n = 2});
    struct peer p = peer_open(f);

    (void)state;
    for (unsigned said = 0; said < 40; said++) {
        struct ask a;

        ask_open(&a, &p,
                 (struct ask_options){.path = "/test.Chat/Echo", .silent = true, .open = true});
        for (unsigned i = 0; i < said; i++)
            ask_say(&a, GUSH_SPAN_LIT("and then"));
        if (said % 3 == 0)
            ask_half_close(&a);
        grpc_call_cancel(a.call, NULL);
        ask_end(&a);
        ask_free(&a);
    }
    peer_close(&p);
    fixture_free(f); /* compares what was opened with what was closed */
}

/* Two messages on a call that has one: the second one is nobody's. */
static void more_than_one_request_where_one_is_due(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);
    struct ask a;

    (void)state;
    ask_open(&a, &p, (struct ask_options){.path = "/test.Echo/Hold", .open = true});
    ask_say(&a, GUSH_SPAN_LIT("another"));
    assert_true(wait_for(&f->asked, 1));
    on_lane(f, answer_all);
    expect_next(&a, GUSH_SPAN_LIT("late"));
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_OK);
    assert_int_equal(atomic_load(&f->asked), 1);
    ask_free(&a);
    peer_close(&p);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_arrives_whole_whatever_the_sizes),
        cmocka_unit_test(a_stuck_reader_is_cut_off),
        cmocka_unit_test(a_peer_that_cancels_closes_the_call_once),
        cmocka_unit_test(a_connection_that_vanishes_closes_its_calls),
        cmocka_unit_test(a_held_call_outlives_its_peer),
        cmocka_unit_test(a_late_answer_arrives),
        cmocka_unit_test(a_shared_slice_is_dropped_after_its_last_send),
        cmocka_unit_test(a_chat_goes_to_and_fro),
        cmocka_unit_test(what_was_said_ahead_is_answered_in_order),
        cmocka_unit_test(a_chat_that_says_too_much_is_refused),
        cmocka_unit_test(a_chat_may_say_nothing),
        cmocka_unit_test(what_is_not_asked_for_is_not_delivered),
        cmocka_unit_test(a_chat_that_falls_silent_is_ended),
        cmocka_unit_test(chats_that_break_off_anywhere_close_once),
        cmocka_unit_test(more_than_one_request_where_one_is_due),
    };

    return cmocka_run_group_tests(tests, library_up, library_down);
}
