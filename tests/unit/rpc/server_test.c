#include "tests/unit/rpc/fixture.h"

static void echoes_of_any_size(void **state)
{
    static const size_t sizes[] = {0, 1, 23, 24, 1000, 70000, REQUEST_MAX};
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *body = gush_alloc(sizes[i]);

        memset(body, (int)('a' + i), sizes[i]);
        expect_echo(&p, "/test.Echo/Echo", gush_span_of(body, sizes[i]));
        expect_echo(&p, "/test.Echo/Later", gush_span_of(body, sizes[i]));
        gush_free(body);
    }
    peer_close(&p);
    fixture_free(f);
}

static void what_is_not_there_is_unimplemented(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);

    (void)state;
    expect_end(&p, (struct ask_options){.path = "/test.Echo/Nope"}, GRPC_STATUS_UNIMPLEMENTED,
               "no method Nope");
    expect_end(&p, (struct ask_options){.path = "/test.Other/Echo"}, GRPC_STATUS_UNIMPLEMENTED,
               "unknown service test.Other");
    expect_end(&p, (struct ask_options){.path = "/Echo"}, GRPC_STATUS_UNIMPLEMENTED,
               "malformed method name");
    expect_end(&p, (struct ask_options){.path = "/"}, GRPC_STATUS_UNIMPLEMENTED,
               "malformed method name");
    expect_end(&p, (struct ask_options){.path = "/test.Echo/"}, GRPC_STATUS_UNIMPLEMENTED,
               "no method ");
    expect_echo(&p, "/test.Echo/Echo", GUSH_SPAN_LIT("still here"));
    assert_int_equal(atomic_load(&f->asked), 1);
    peer_close(&p);
    fixture_free(f);
}

static void refused_at_the_door_is_never_asked(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);

    (void)state;
    expect_end(&p, (struct ask_options){.path = "/test.Echo/Secret"}, GRPC_STATUS_UNAUTHENTICATED,
               "locked");
    expect_end(&p, (struct ask_options){.path = "/test.Echo/Secret", .key = "key", .value = "opem"},
               GRPC_STATUS_UNAUTHENTICATED, "locked");
    assert_int_equal(atomic_load(&f->asked), 0);
    expect_end(&p, (struct ask_options){.path = "/test.Echo/Secret", .key = "key", .value = "open"},
               GRPC_STATUS_OK, "");
    assert_int_equal(atomic_load(&f->asked), 1);
    peer_close(&p);
    fixture_free(f);
}

static void an_oversized_request_is_refused(void **state)
{
    uint8_t *body = gush_zalloc(1, REQUEST_MAX + 1);

    (void)state;
    for (int lean = 0; lean < 2; lean++) {
        struct fixture *f = fixture_new((struct fixture_options){.lean = lean});
        struct peer p = peer_open(f);

        expect_end(&p,
                   (struct ask_options){.path = "/test.Echo/Echo",
                                        .request = gush_span_of(body, REQUEST_MAX + 1)},
                   GRPC_STATUS_RESOURCE_EXHAUSTED, NULL);
        assert_int_equal(atomic_load(&f->asked), 0);
        expect_echo(&p, "/test.Echo/Echo", gush_span_of(body, REQUEST_MAX));
        peer_close(&p);
        fixture_free(f);
    }
    gush_free(body);
}

static void a_call_without_message_is_an_error(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);

    (void)state;
    expect_end(&p, (struct ask_options){.path = "/test.Echo/Echo", .silent = true},
               GRPC_STATUS_INVALID_ARGUMENT, "the call has no request message");
    peer_close(&p);
    fixture_free(f);
}

static void a_call_that_never_says_its_request_is_ended(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.request_timeout_ms = 60});
    struct peer p = peer_open(f);
    uint64_t began_us = gush_clock_mono_us();

    (void)state;
    expect_end(&p, (struct ask_options){.path = "/test.Echo/Echo", .silent = true, .open = true},
               GRPC_STATUS_DEADLINE_EXCEEDED, "the request message did not come in time");
    assert_true(gush_clock_mono_us() - began_us >= 60000);
    assert_int_equal(atomic_load(&f->asked), 0);
    expect_echo(&p, "/test.Echo/Later", GUSH_SPAN_LIT("in time"));
    peer_close(&p);
    fixture_free(f);
}

static void a_failure_carries_message_and_details(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);
    struct ask a;
    grpc_slice got;
    bool found = false;

    (void)state;
    ask_open(&a, &p, (struct ask_options){.path = "/test.Echo/Fail"});
    assert_false(ask_next(&a, &got));
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_OUT_OF_RANGE);
    assert_message(&a, "far too far");
    for (size_t i = 0; i < a.trailing.count; i++) {
        grpc_metadata *m = &a.trailing.metadata[i];

        if (grpc_slice_str_cmp(m->key, "grpc-status-details-bin") != 0)
            continue;
        found = true;
        assert_int_equal(GRPC_SLICE_LENGTH(m->value), 9);
        assert_memory_equal(GRPC_SLICE_START_PTR(m->value), "\x01\0details", 9);
    }
    assert_true(found);
    ask_free(&a);
    peer_close(&p);
    fixture_free(f);
}

static void gzip_is_read_whatever_the_stack(void **state)
{
    uint8_t body[5000];
    struct ask_options o = {.path = "/test.Echo/Echo"};

    (void)state;
    memset(body, 'z', sizeof(body));
    o.request = gush_span_of(body, sizeof(body));
    for (int lean = 0; lean < 2; lean++) {
        struct fixture *f = fixture_new((struct fixture_options){.lean = lean});
        struct peer p = peer_open_with(f, GRPC_COMPRESS_GZIP);

        expect_echo(&p, o.path, o.request);
        assert_int_equal(atomic_load(&f->asked), 1);
        peer_close(&p);
        fixture_free(f);
    }
}

/* What the peer's library packs to 1 KB is over the limit all the same, and is not kept. */
static void what_unpacks_to_too_much_is_refused(void **state)
{
    uint8_t *body = gush_zalloc(1, REQUEST_MAX + 1);

    (void)state;
    for (int lean = 0; lean < 2; lean++) {
        struct fixture *f = fixture_new((struct fixture_options){.lean = lean});
        struct peer p = peer_open_with(f, GRPC_COMPRESS_GZIP);

        expect_end(&p,
                   (struct ask_options){.path = "/test.Echo/Echo",
                                        .request = gush_span_of(body, REQUEST_MAX + 1)},
                   GRPC_STATUS_RESOURCE_EXHAUSTED, "request message is over the size limit");
        assert_int_equal(atomic_load(&f->asked), 0);
        expect_echo(&p, "/test.Echo/Echo", gush_span_of(body, REQUEST_MAX));
        peer_close(&p);
        fixture_free(f);
    }
    gush_free(body);
}

static void deflate_is_not_taken(void **state)
{
    uint8_t body[5000] = {0};

    (void)state;
    for (int lean = 0; lean < 2; lean++) {
        struct fixture *f = fixture_new((struct fixture_options){.lean = lean});
        struct peer p = peer_open_with(f, GRPC_COMPRESS_DEFLATE);

        expect_end(&p,
                   (struct ask_options){.path = "/test.Echo/Echo",
                                        .request = gush_span_of(body, sizeof(body))},
                   GRPC_STATUS_UNIMPLEMENTED, NULL);
        assert_int_equal(atomic_load(&f->asked), 0);
        peer_close(&p);
        fixture_free(f);
    }
}

static void a_deadline_ends_the_call(void **state)
{
    (void)state;
    for (int lean = 0; lean < 2; lean++) {
        struct fixture *f = fixture_new((struct fixture_options){.lean = lean});
        struct peer p = peer_open(f);

        expect_end(&p, (struct ask_options){.path = "/test.Echo/Hold", .timeout_ms = 50},
                   GRPC_STATUS_DEADLINE_EXCEEDED, NULL);
        assert_true(wait_for(&f->gone, 1));
        assert_true(wait_for(&f->closed, 1));
        peer_close(&p);
        fixture_free(f);
    }
}

#define MANY 300

static void more_calls_than_posted_requests(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.queues_n = 2, .posted_n = 2});
    struct ask *asks = gush_zalloc(MANY, sizeof(*asks));
    struct peer peers[3];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        peers[i] = peer_open(f);
    for (size_t i = 0; i < MANY; i++)
        ask_open(&asks[i], &peers[i % 3],
                 (struct ask_options){.path = i % 2 ? "/test.Echo/Echo" : "/test.Echo/Later",
                                      .request = gush_span_of(&i, sizeof(i))});
    for (size_t i = 0; i < MANY; i++) {
        grpc_slice got;

        assert_true(ask_next(&asks[i], &got));
        assert_int_equal(GRPC_SLICE_LENGTH(got), sizeof(i));
        assert_memory_equal(GRPC_SLICE_START_PTR(got), &i, sizeof(i));
        grpc_slice_unref(got);
        ask_end(&asks[i]);
        assert_int_equal(asks[i].status, GRPC_STATUS_OK);
        ask_free(&asks[i]);
    }
    for (size_t i = 0; i < 3; i++)
        peer_close(&peers[i]);
    gush_free(asks);
    fixture_free(f);
}

static void pause_it(struct fixture *f)
{
    gush_rpc_server_pause(f->server, f->lane);
}

static void resume_it(struct fixture *f)
{
    gush_rpc_server_resume(f->server, f->lane);
}

static void a_paused_server_takes_only_what_was_posted(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.posted_n = 3});
    struct peer p = peer_open(f);
    struct ask asks[10];

    (void)state;
    on_lane(f, pause_it);
    for (size_t i = 0; i < 10; i++)
        ask_open(&asks[i], &p, (struct ask_options){.path = "/test.Echo/Echo"});
    assert_true(wait_for(&f->closed, 3));
    on_lane(f, pause_it); /* a round trip through the lane: nothing more came */
    assert_int_equal(atomic_load(&f->asked), 3);
    on_lane(f, resume_it);
    assert_true(wait_for(&f->closed, 10));
    for (size_t i = 0; i < 10; i++) {
        grpc_slice got;

        assert_true(ask_next(&asks[i], &got));
        grpc_slice_unref(got);
        ask_end(&asks[i]);
        ask_free(&asks[i]);
    }
    peer_close(&p);
    fixture_free(f);
}

/* Bytes that are no HTTP/2 at all, or stop anywhere within the first frames. */
static void garbage_hurts_nobody_else(void **state)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                                  "\0\0\4\1\4\0\0\0\1\x82\x86\x84\x41";
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);

    (void)state;
    for (size_t n = 0; n < sizeof(preface); n++) {
        char bytes[sizeof(preface)];
        int fds[2];

        memcpy(bytes, preface, sizeof(bytes));
        bytes[n] = (char)(bytes[n] ^ 0x55);
        for (int wrong = 0; wrong < 2; wrong++) {
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
            gush_rpc_server_add_fd(f->server, fds[1]);
            assert_int_equal(write(fds[0], wrong ? bytes : preface, wrong ? sizeof(bytes) : n),
                             wrong ? sizeof(bytes) : n);
            close(fds[0]);
        }
    }
    expect_echo(&p, "/test.Echo/Echo", GUSH_SPAN_LIT("unharmed"));
    gush_rpc_server_add_fd(f->server, -1);
    expect_echo(&p, "/test.Echo/Echo", GUSH_SPAN_LIT("unharmed"));
    peer_close(&p);
    fixture_free(f);
}

static void a_thousand_open_streams_end_cleanly(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){.queues_n = 2, .lean = true});
    struct ask *asks = gush_zalloc(1000, sizeof(*asks));
    struct peer peers[10];

    (void)state;
    for (size_t i = 0; i < 10; i++)
        peers[i] = peer_open(f);
    for (size_t i = 0; i < 1000; i++)
        ask_open(&asks[i], &peers[i % 10], (struct ask_options){.path = "/test.Stream/Hold"});
    assert_true(wait_for(&f->asked, 1000));
    fixture_free(f); /* cancels what does not end by itself */
    for (size_t i = 0; i < 1000; i++) {
        ask_end(&asks[i]);
        assert_int_not_equal(asks[i].status, GRPC_STATUS_OK);
        ask_free(&asks[i]);
    }
    for (size_t i = 0; i < 10; i++)
        peer_close(&peers[i]);
    gush_free(asks);
}

/* The peer keeps its connection and does not look at it: nothing to wait for. */
static void idle_connections_do_not_delay_the_end(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);
    uint64_t began_us;

    (void)state;
    expect_echo(&p, "/test.Echo/Echo", GUSH_SPAN_LIT("idle from now on"));
    began_us = gush_clock_mono_us();
    gush_rpc_server_stop(f->server);
    assert_true(gush_rpc_server_wait(f->server, WAIT_MS));
    assert_true(gush_clock_mono_us() - began_us < WAIT_MS * 1000 / 2);
    fixture_free(f);
    peer_close(&p);
}

static void a_stopping_server_lets_calls_finish(void **state)
{
    struct fixture *f = fixture_new((struct fixture_options){0});
    struct peer p = peer_open(f);
    struct ask a;
    grpc_slice got;

    (void)state;
    ask_open(&a, &p,
             (struct ask_options){.path = "/test.Echo/Hold", .request = GUSH_SPAN_LIT("held")});
    assert_true(wait_for(&f->asked, 1));
    gush_rpc_server_stop(f->server);
    assert_false(gush_rpc_server_wait(f->server, 50));
    on_lane(f, answer_all);
    assert_true(ask_next(&a, &got));
    assert_int_equal(grpc_slice_str_cmp(got, "late"), 0);
    grpc_slice_unref(got);
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_OK);
    ask_free(&a);
    assert_true(gush_rpc_server_wait(f->server, WAIT_MS));
    fixture_free(f);
    peer_close(&p);
}

static void a_server_that_never_started_can_be_freed(void **state)
{
    struct gush_rpc_queue_options qo = {.mono_us = fixture_mono_us};
    struct gush_rpc_queue *q = gush_rpc_queue_new(&qo);
    struct gush_rpc_server_options so = {
        .name = "test", .queues = &q, .queues_n = 1, .posted_n = 1};
    struct gush_rpc_server *server = gush_rpc_server_new(&so);

    (void)state;
    gush_rpc_server_stop(server);
    assert_true(gush_rpc_server_wait(server, 0));
    gush_rpc_queue_stop(q);
    gush_rpc_queue_join(q);
    gush_rpc_server_free(server);
    gush_rpc_queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_of_any_size),
        cmocka_unit_test(what_is_not_there_is_unimplemented),
        cmocka_unit_test(refused_at_the_door_is_never_asked),
        cmocka_unit_test(an_oversized_request_is_refused),
        cmocka_unit_test(a_call_without_message_is_an_error),
        cmocka_unit_test(a_call_that_never_says_its_request_is_ended),
        cmocka_unit_test(a_failure_carries_message_and_details),
        cmocka_unit_test(gzip_is_read_whatever_the_stack),
        cmocka_unit_test(what_unpacks_to_too_much_is_refused),
        cmocka_unit_test(deflate_is_not_taken),
        cmocka_unit_test(a_deadline_ends_the_call),
        cmocka_unit_test(more_calls_than_posted_requests),
        cmocka_unit_test(a_paused_server_takes_only_what_was_posted),
        cmocka_unit_test(garbage_hurts_nobody_else),
        cmocka_unit_test(a_thousand_open_streams_end_cleanly),
        cmocka_unit_test(idle_connections_do_not_delay_the_end),
        cmocka_unit_test(a_stopping_server_lets_calls_finish),
        cmocka_unit_test(a_server_that_never_started_can_be_freed),
    };

    return cmocka_run_group_tests(tests, library_up, library_down);
}
