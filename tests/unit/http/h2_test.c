/* Requests and answers over HTTP/2: heads, bodies, windows. */
#include "tests/unit/http/h2_world.h"

/* ---- plain requests ------------------------------------------------------------------------- */

static void answers_many_on_one_connection(void **state)
{
    struct peer_stream *s[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        s[i] = peer_get(&p, i == 1 ? "/echo" : "/echo?a=1&b=?");
    peer_await(&p, s[0]->closed && s[1]->closed && s[2]->closed);
    expect_status(s[0], "200");
    assert_string_equal(s[0]->body, "GET|/echo|a=1&b=?|2|host=h|");
    assert_string_equal(s[1]->body, "GET|/echo||2|host=h|");
    assert_string_equal(s[2]->body, "GET|/echo|a=1&b=?|2|host=h|");
    assert_non_null(strstr(s[0]->fields, "content-type: text/plain\n"));
    assert_non_null(strstr(s[0]->fields, "content-length: 27\n"));
    assert_non_null(strstr(s[0]->fields, " GMT\n"));
}

static void authority_speaks_as_host(void **state)
{
    static const char *const two[] = {"host", "other", "x-a", "1", NULL};
    struct peer_stream *s = peer_request(&p, "GET", "/echo", two, NULL, 0, true);

    (void)state;
    peer_await(&p, s->closed);
    assert_string_equal(s->body, "GET|/echo||2|host=h|x-a=1|");
}

static void head_has_no_body(void **state)
{
    struct peer_stream *s = peer_request(&p, "HEAD", "/echo", NULL, NULL, 0, true);

    (void)state;
    peer_await(&p, s->closed);
    expect_status(s, "200");
    assert_non_null(strstr(s->fields, "content-length: 21\n"));
    assert_int_equal(s->body_n, 0);
}

static void nothing_has_no_length(void **state)
{
    struct peer_stream *s = peer_get(&p, "/bare");

    (void)state;
    peer_await(&p, s->closed);
    expect_status(s, "204");
    assert_null(strstr(s->fields, "content-length"));
    assert_int_equal(s->body_n, 0);
}

static void unknown_path_and_wrong_method(void **state)
{
    static const char *const origin[] = {"origin", "https://a.example.com", NULL};
    struct peer_stream *s = peer_get(&p, "/nowhere"),
                       *t = peer_request(&p, "DELETE", "/echo", origin, NULL, 0, true);

    (void)state;
    peer_await(&p, s->closed && t->closed);
    expect_status(s, "404");
    assert_string_equal(s->body, "404 page not found\n");
    expect_status(t, "405");
    assert_non_null(strstr(t->fields, "access-control-allow-origin: https://a.example.com\n"));
}

static void bad_targets(void **state)
{
    static const char *const targets[] = {"/a#b", "/\xc3\xa9"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct peer_stream *s = peer_get(&p, targets[i]);
        peer_await(&p, s->closed);
        if (s->code == NGHTTP2_NO_ERROR) /* the library may have refused it by itself */
            assert_string_equal(s->status, "400");
    }
}

/* Several connections in turns, each in the middle of one. */
static void heads_of_many_frames(void **state)
{
    static struct peer others[2];
    struct peer *all[] = {&p, &others[0], &others[1]};
    char path[60] = "/long_head?";

    (void)state;
    peer_open(&others[0], world.port);
    peer_open(&others[1], world.port);
    for (size_t i = 0; i < 24; i++) {
        path[11 + i] = 'q';
        peer_get(all[i % 3], path);
    }
    for (size_t i = 0; i < 24; i++) {
        struct peer_stream *s = &all[i % 3]->streams[i / 3];
        peer_await(all[i % 3], s->closed);
        expect_status(s, "200");
        const char *value = strstr(s->fields, "x-long: ");
        assert_non_null(value);
        assert_memory_equal(value + 8, world.big + i + 1, 40000);
    }
    peer_close(&others[0]);
    peer_close(&others[1]);
}

static void a_head_beyond_all_measure(void **state)
{
    struct peer_stream *s = peer_get(&p, "/long_head");

    (void)state;
    peer_await(&p, s->closed);
    assert_int_equal(s->code, NGHTTP2_INTERNAL_ERROR);
    peer_ping(&p);
}

static void long_answers_are_packed(void **state)
{
    static const char *const gzip[] = {"accept-encoding", "gzip", NULL};
    struct peer_stream *s = peer_request(&p, "GET", "/packed", gzip, NULL, 0, true),
                       *t = peer_get(&p, "/packed");

    (void)state;
    peer_await(&p, s->closed && t->closed);
    assert_non_null(strstr(s->fields, "content-encoding: gzip\n"));
    assert_true(s->body_n < 1000);
    assert_int_equal(t->body_n, 5000);
}

/* ---- bodies --------------------------------------------------------------------------------- */

static void collects_a_body(void **state)
{
    struct peer_stream *s = peer_request(&p, "POST", "/echo", NULL, "one ", 4, false);

    (void)state;
    peer_ping(&p);
    assert_false(s->has_head);
    peer_send_body(&p, s, "two ", 4, false);
    peer_send_body(&p, s, "three", 5, true);
    peer_await(&p, s->closed);
    expect_status(s, "200");
    assert_string_equal(s->body, "POST|/echo||2|host=h|one two three");
}

static void too_large_by_its_own_word(void **state)
{
    static const char *const length[] = {"content-length", "1001", NULL};
    struct peer_stream *s = peer_request(&p, "POST", "/echo", length, "", 0, false);

    (void)state;
    peer_await(&p, s->ended);
    assert_string_equal(s->status, "413");
}

static void too_large_as_it_comes(void **state)
{
    struct peer_stream *s = peer_request(&p, "POST", "/echo", NULL, world.big, 1000, false);

    (void)state;
    peer_ping(&p);
    assert_false(s->has_head);
    peer_send_body(&p, s, "x", 1, false);
    peer_await(&p, s->ended);
    assert_string_equal(s->status, "413");
    /* what still comes is passed over, until the server has had enough of it */
    peer_send_body(&p, s, world.big, 300000, false);
    peer_await(&p, s->closed);
    assert_int_equal(s->code, NGHTTP2_NO_ERROR);
    peer_ping(&p);
}

static void a_client_that_stops_by_itself_is_not_reset(void **state)
{
    struct peer_stream *s = peer_request(&p, "POST", "/nowhere", NULL, "x", 1, false);

    (void)state;
    peer_await(&p, s->ended);
    peer_send_body(&p, s, "y", 1, true);
    peer_await(&p, s->closed);
    expect_status(s, "404");
}

static void length_must_agree(void **state)
{
    static const char *const length[] = {"content-length", "3", NULL};
    struct peer_stream *s = peer_request(&p, "POST", "/echo", length, "four", 4, true);

    (void)state;
    peer_await(&p, s->closed);
    assert_int_equal(s->code, NGHTTP2_PROTOCOL_ERROR);
    peer_ping(&p);
}

static void continue_is_said(void **state)
{
    static const char *const expect[] = {"expect", "100-continue", NULL};
    struct peer_stream *s = peer_request(&p, "POST", "/echo", expect, "", 0, false);

    (void)state;
    peer_await(&p, s->informational == 1);
    peer_send_body(&p, s, "body", 4, true);
    peer_await(&p, s->closed);
    expect_status(s, "200");
}

static void gives_a_body_as_it_comes(void **state)
{
    struct peer_stream *s = peer_request(&p, "POST", "/upload", NULL, world.big, 300000, true);

    (void)state;
    await_event();
    /* no more than the window while nothing is taken; others are served meanwhile */
    while (atomic_load(&world.took_n) < 16384)
        peer_ping(&p);
    peer_ping(&p);
    assert_true(atomic_load(&world.took_n) <= GUSH_EXCHANGE_BODY_WINDOW);
    assert_int_equal(atomic_load(&world.ended_n), 0);
    (void)s;
}

static size_t taken_n;

static void take_all(struct gush_loop *loop, void *arg)
{
    size_t n = atomic_load(&world.took_n) - taken_n;

    (void)loop;
    (void)arg;
    assert_true(n <= GUSH_EXCHANGE_BODY_WINDOW);
    taken_n += n;
    gush_exchange_take(world.stream, n);
}

static void take_makes_room(void **state)
{
    struct peer_stream *s = peer_request(&p, "POST", "/upload", NULL, world.big, 300000, true);

    (void)state;
    taken_n = 0;
    await_event();
    while (atomic_load(&world.ended_n) == 0) {
        peer_ping(&p);
        on_loop(take_all);
    }
    assert_int_equal(atomic_load(&world.took_n), 300000);
    assert_false(s->closed);
    wire_reset(&p.wire); /* it would wait for the answer */
    peer_free(&p);
}

static void respond_ok(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_exchange_respond(world.stream,
                          &(struct gush_http_response){.status = 200, .body = GUSH_SPAN_LIT("ok")});
}

static void an_answer_ends_a_body(void **state)
{
    struct peer_stream *s = peer_request(&p, "POST", "/upload", NULL, "abc", 3, false);

    (void)state;
    await_event();
    on_loop(respond_ok);
    await_event(); /* on_closed */
    peer_await(&p, s->ended);
    peer_send_body(&p, s, "def", 3, false);
    peer_await(&p, s->closed);
    assert_int_equal(s->code, NGHTTP2_NO_ERROR);
    assert_string_equal(s->body, "ok");
    assert_int_equal(atomic_load(&world.took_n), 3);
    assert_int_equal(atomic_load(&world.ended_n), 0);
}

/* Many bodies at a time: all of them come through, whatever may be collected at once. */
static void bodies_take_turns(void **state)
{
    struct peer_stream *s[40];

    (void)state;
    for (int i = 0; i < 40; i++)
        s[i] = peer_request(&p, "POST", "/echo", NULL, world.big, 999, false);
    for (int i = 0; i < 40; i++)
        peer_send_body(&p, s[i], "!", 1, true);
    for (int i = 0; i < 40; i++) {
        peer_await(&p, s[i]->closed);
        expect_status(s[i], "200");
    }
}

/* A body that waits behind a large one goes on when that one is done, or gone. */
static void a_body_goes_on_behind_a_large_one(void **state)
{
    for (int resets = 0; resets < 2; resets++) {
        struct peer_stream *large =
            peer_request(&p, "POST", "/large", NULL, world.big, 800000, false);
        struct peer_stream *small[2];

        (void)state;
        while (large->out_n) {
            peer_ping(&p); /* a round trip, and windows with it */
        }
        for (int i = 0; i < 2; i++)
            small[i] = peer_request(&p, "POST", "/large", NULL, world.big, 100000, true);
        peer_ping(&p);
        assert_true(small[0]->out_n > 0 && small[1]->out_n > 0);
        if (resets)
            peer_reset(&p, large, NGHTTP2_CANCEL);
        else
            peer_send_body(&p, large, "!", 1, true);
        for (int i = 0; i < 2; i++) {
            peer_await(&p, small[i]->closed);
            expect_status(small[i], "200");
            assert_string_equal(small[i]->body, "100000");
        }
    }
}

/* ---- answers that are long ------------------------------------------------------------------ */

static void big_answers_come_whole(void **state)
{
    struct peer_stream *s[2];

    (void)state;
    peer_close(&p);
    peer_open_with(&p, world.port, 1 << 20, false);
    for (int i = 0; i < 2; i++)
        s[i] = peer_get(&p, "/big");
    peer_await(&p, s[0]->closed && s[1]->closed);
    for (int i = 0; i < 2; i++) {
        expect_status(s[i], "200");
        assert_int_equal(s[i]->body_n, BIG_BYTES);
        assert_memory_equal(s[i]->body, world.big, BIG_BYTES);
    }
}

static void a_closed_window_stops_only_its_stream(void **state)
{
    struct peer_stream *s;

    (void)state;
    peer_close(&p);
    peer_open_with(&p, world.port, 10, true);
    s = peer_get(&p, "/big");
    peer_await(&p, s->body_n == 10);
    peer_ping(&p);
    peer_grant(&p, s, 5);
    peer_await(&p, s->body_n == 15);
    assert_memory_equal(s->body, world.big, 15);
}

/* Two large answers that nobody takes: others wait, gRPC-like ones are refused, until one is out.
 */
static void answers_have_to_get_out(void **state)
{
    const struct gush_http_limits limits = {.response_ms = 300};
    struct peer_stream *s[4];

    (void)state;
    with_limits(&limits);
    peer_close(&p);
    peer_open_with(&p, world.port, 10, true);
    s[0] = peer_get(&p, "/big");
    s[1] = peer_get(&p, "/big");
    s[2] = peer_get(&p, "/bare");
    s[3] = peer_request(&p, "POST", "/upload", NULL, "x", 1, true);
    peer_await(&p, s[3]->closed);
    assert_int_equal(s[3]->code, NGHTTP2_REFUSED_STREAM);
    assert_false(s[0]->closed || s[1]->closed || s[2]->closed);
    peer_await(&p, s[2]->closed);
    expect_status(s[2], "204");
    assert_true(s[0]->closed && s[1]->closed);
}

/* More than may be collected at a time, from a client that never heard of our windows. */
static void unfinished_bodies_are_bounded(void **state)
{
    static const char head[] = "\x83\x86\x44\x06/large\x41\x01h";
    static struct wire w;
    size_t refused_n = 0;

    (void)state;
    wire_open(&w, world.port);
    wire_send_n(&w, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
    for (uint8_t id = 1; id < 121; id = (uint8_t)(id + 2)) {
        uint8_t frame[9] = {0, 0, sizeof(head) - 1, NGHTTP2_HEADERS, 4, 0, 0, 0, id};
        wire_send_n(&w, frame, 9);
        wire_send_n(&w, head, sizeof(head) - 1);
        for (int i = 0; i < 4; i++) {
            uint8_t data[9] = {0, 0x3f, 0xff, NGHTTP2_DATA, 0, 0, 0, 0, id};
            wire_send_n(&w, data, 9);
            wire_send_n(&w, world.big, 0x3fff);
        }
    }
    /* the oldest gets through */
    wire_send_n(&w, "\0\0\0\0\1\0\0\0\1", 9);
    while (memmem(w.got, w.n, "65532", 5) == NULL)
        assert_true(wire_more(&w) > 0);
    for (size_t at = 0; at + 13 <= w.n;) {
        const uint8_t *b = (const uint8_t *)w.got + at;
        refused_n += b[3] == NGHTTP2_RST_STREAM && b[12] == NGHTTP2_REFUSED_STREAM;
        at += 9 + ((size_t)b[0] << 16 | (size_t)b[1] << 8 | b[2]);
    }
    assert_true(refused_n > 60 - GUSH_H2_BODIES_MAX / 65532 - 2 && refused_n < 60);
    wire_close(&w);
}

static void an_answer_that_nobody_takes_is_broken_off(void **state)
{
    const struct gush_http_limits limits = {.response_ms = 50};
    struct peer_stream *s;

    (void)state;
    with_limits(&limits);
    peer_close(&p);
    peer_open_with(&p, world.port, 10, true);
    s = peer_get(&p, "/big");
    peer_await(&p, s->closed);
    assert_int_equal(s->code, NGHTTP2_CANCEL);
    peer_ping(&p);
}

static void who_never_reads_is_cut_off(void **state)
{
    const struct gush_http_limits limits = {.response_ms = 50};

    (void)state;
    with_limits(&limits);
    peer_close(&p);
    peer_open_with(&p, world.port, 1 << 30, false);
    peer_get(&p, "/big");
    await_no_connections();
}

static void who_never_reads_is_cut_off_with_his_streams(void **state)
{
    const struct gush_http_limits limits = {.response_ms = 50};

    (void)state;
    with_limits(&limits);
    peer_close(&p);
    peer_open_with(&p, world.port, 1 << 30, false);
    peer_get(&p, "/stream");
    await_event();
    peer_get(&p, "/big");
    await_no_connections();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_many_on_one_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(authority_speaks_as_host, setup, teardown),
        cmocka_unit_test_setup_teardown(head_has_no_body, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_has_no_length, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_path_and_wrong_method, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_targets, setup, teardown),
        cmocka_unit_test_setup_teardown(heads_of_many_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(a_head_beyond_all_measure, setup, teardown),
        cmocka_unit_test_setup_teardown(long_answers_are_packed, setup, teardown),
        cmocka_unit_test_setup_teardown(collects_a_body, setup, teardown),
        cmocka_unit_test_setup_teardown(too_large_by_its_own_word, setup, teardown),
        cmocka_unit_test_setup_teardown(too_large_as_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_stops_by_itself_is_not_reset, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(length_must_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(continue_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_a_body_as_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(take_makes_room, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_ends_a_body, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_goes_on_behind_a_large_one, setup, teardown),
        cmocka_unit_test_setup_teardown(big_answers_come_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_window_stops_only_its_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_have_to_get_out, setup, teardown),
        cmocka_unit_test_setup_teardown(unfinished_bodies_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_nobody_takes_is_broken_off, setup, teardown),
        cmocka_unit_test_setup_teardown(who_never_reads_is_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(who_never_reads_is_cut_off_with_his_streams, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
