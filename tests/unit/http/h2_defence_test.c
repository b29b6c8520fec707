/* What HTTP/2 peers may not do, how long they may take, and how they are asked to go. */
#include "tests/unit/http/h2_world.h"

#define PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define NO_SETTINGS "\0\0\0\4\0\0\0\0\0"

static struct wire w;

/* ---- raw frames ----------------------------------------------------------------------------- */

static void raw_open(void)
{
    peer_close(&p);
    wire_open(&w, world.port);
    wire_send_n(&w, PREFACE NO_SETTINGS, 33);
}

static void raw_frame(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t n)
{
    uint8_t head[9] = {(uint8_t)(n >> 16),
                       (uint8_t)(n >> 8),
                       (uint8_t)n,
                       type,
                       flags,
                       (uint8_t)(stream >> 24),
                       (uint8_t)(stream >> 16),
                       (uint8_t)(stream >> 8),
                       (uint8_t)stream};

    wire_send_n(&w, head, sizeof(head));
    wire_send_n(&w, payload, n);
}

/* Indexed: GET, http, "/"; with :authority "h". */
#define GET_ROOT "\x82\x86\x84\x41\x01h"
/* The same: POST, http, "/upload". */
#define POST_UPLOAD "\x83\x86\x44\x07/upload\x41\x01h"

/* Reads to the end of the connection: with what error code the last GOAWAY said goodbye. */
static int64_t raw_goodbye(void)
{
    int64_t code = -1;
    size_t at = 0;

    (void)wire_ends(&w);
    for (const uint8_t *b = (const uint8_t *)w.got; at + 9 <= w.n;) {
        size_t n = (size_t)b[at] << 16 | (size_t)b[at + 1] << 8 | b[at + 2];
        if (b[at + 3] == NGHTTP2_GOAWAY && at + 17 <= w.n)
            code = (int64_t)b[at + 13] << 24 | b[at + 14] << 16 | b[at + 15] << 8 | b[at + 16];
        at += 9 + n;
    }
    wire_close(&w);
    return code;
}

static void floods_are_calmed(void **state)
{
    static const struct {
        uint8_t type, flags;
        uint32_t stream;
        size_t n;
    } floods[] = {
        {NGHTTP2_PING, 0, 0, 8},          {NGHTTP2_SETTINGS, 0, 0, 0}, {NGHTTP2_PRIORITY, 0, 3, 5},
        {NGHTTP2_DATA, 0, 1, 0},          {NGHTTP2_DATA, 0, 1, 1},     {0xee, 0xff, 0, 100},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, 4},
    };
    static const uint8_t payload[100] = {0, 0, 0, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        raw_open();
        if (floods[i].stream == 1)
            raw_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, POST_UPLOAD, 14);
        /* more than it may cost, and less than the sockets hold */
        for (int n = 0; n < 4000; n++) {
            uint8_t head[109] = {0, 0, (uint8_t)floods[i].n,     floods[i].type, floods[i].flags, 0,
                                 0, 0, (uint8_t)floods[i].stream};
            memcpy(head + 9, payload, sizeof(payload));
            if (send(w.fd, head, 9 + floods[i].n, MSG_NOSIGNAL) < 0)
                break;
        }
        assert_int_equal(raw_goodbye(), NGHTTP2_ENHANCE_YOUR_CALM);
        peer_open(&p, world.port);
    }
}

static void resets_are_counted_by_whomever(void **state)
{
    (void)state;
    raw_open();
    for (uint32_t id = 1; id < 4000; id += 2) {
        uint8_t both[9 + 6 + 13] = {0,          0, 6, NGHTTP2_HEADERS, 5, 0, 0, (uint8_t)(id >> 8),
                                    (uint8_t)id};
        memcpy(both + 9, GET_ROOT, 6);
        memcpy(both + 15,
               (uint8_t[]){0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id, 0,
                           0, 0, 8},
               13);
        if (send(w.fd, both, sizeof(both), MSG_NOSIGNAL) < 0)
            break;
    }
    assert_int_equal(raw_goodbye(), NGHTTP2_ENHANCE_YOUR_CALM);
    /* now the server has to do it: a window that grows too large */
    wire_open(&w, world.port);
    wire_send_n(&w, PREFACE NO_SETTINGS, 33);
    for (uint32_t id = 1; id < 4000; id += 2) {
        uint8_t both[9 + 6 + 13] = {0,          0, 6, NGHTTP2_HEADERS, 4, 0, 0, (uint8_t)(id >> 8),
                                    (uint8_t)id};
        memcpy(both + 9, GET_ROOT, 6);
        memcpy(both + 15,
               (uint8_t[]){0, 0, 4, NGHTTP2_WINDOW_UPDATE, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id,
                           0x7f, 0xff, 0xff, 0xff},
               13);
        if (send(w.fd, both, sizeof(both), MSG_NOSIGNAL) < 0)
            break;
    }
    assert_int_equal(raw_goodbye(), NGHTTP2_ENHANCE_YOUR_CALM);
    peer_open(&p, world.port);
}

/* For two streams that ended, in two ways. */
static void frames_for_the_past(void **state)
{
    static const uint8_t reset[4] = {0, 0, 0, 8};

    (void)state;
    for (int way = 0; way < 4; way++) {
        raw_open();
        raw_frame(NGHTTP2_HEADERS, way % 2 ? 4 : 5, 1, GET_ROOT, 6);
        if (way % 2)
            raw_frame(NGHTTP2_RST_STREAM, 0, 1, reset, 4);
        else
            wire_await_n(&w, 100); /* the answer */
        raw_frame(NGHTTP2_HEADERS, 5, 3, GET_ROOT, 6);
        if (way < 2)
            raw_frame(NGHTTP2_DATA, 1, 1, "x", 1);
        else
            raw_frame(NGHTTP2_HEADERS, 5, 1, GET_ROOT, 6);
        assert_int_equal(raw_goodbye(), NGHTTP2_STREAM_CLOSED);
        peer_open(&p, world.port);
    }
    raw_open();
    raw_frame(NGHTTP2_HEADERS, 5, 5, GET_ROOT, 6);
    raw_frame(NGHTTP2_HEADERS, 5, 3, GET_ROOT, 6); /* never opened */
    assert_int_equal(raw_goodbye(), NGHTTP2_PROTOCOL_ERROR);
    peer_open(&p, world.port);
}

static void a_stream_that_we_reset_has_frames_on_their_way(void **state)
{
    const struct gush_http_limits limits = {.body_ms = 20};

    (void)state;
    with_limits(&limits);
    peer_reset(&p, peer_get(&p, "/nowhere"), NGHTTP2_CANCEL);
    struct peer_stream *s = peer_request(&p, "POST", "/stream", NULL, "x", 1, false);
    peer_await(&p, s->closed); /* 408, and later a reset */
    raw_open();
    raw_frame(NGHTTP2_HEADERS, 4, 1, GET_ROOT, 6);
    raw_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff", 4); /* is answered by a reset */
    raw_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
    wire_await_n(&w, 9 + 18 + 9 + 13 + 13 + 17);
    raw_frame(NGHTTP2_DATA, 1, 1, "x", 1);
    raw_frame(NGHTTP2_HEADERS, 5, 3, GET_ROOT, 6);
    while (memmem(w.got, w.n, "404 page not found", 18) == NULL)
        assert_true(wire_more(&w) > 0);
    wire_close(&w);
    peer_open(&p, world.port);
}

/* Two heads that the library refuses, and a good one, in one piece. */
static void malformed_heads_one_after_the_other(void **state)
{
    static const uint8_t said[] = "\0\0\2\1\5\0\0\0\1\x82\x86"
                                  "\0\0\2\1\5\0\0\0\3\x82\x86"
                                  "\0\0\6\1\5\0\0\0\5" GET_ROOT;

    (void)state;
    raw_open();
    wire_send_n(&w, said, sizeof(said) - 1);
    while (memmem(w.got, w.n, "404 page not found", 18) == NULL)
        assert_true(wire_more(&w) > 0);
    wire_close(&w);
    peer_open(&p, world.port);
}

static void priorities_keep_their_rules(void **state)
{
    (void)state;
    for (uint32_t id = 0; id <= 7; id += 7) {
        raw_open();
        raw_frame(NGHTTP2_PRIORITY, 0, id, "\x80\0\0\x07\x10", 5);
        assert_int_equal(raw_goodbye(), NGHTTP2_PROTOCOL_ERROR);
        peer_open(&p, world.port);
    }
}

static void heads_that_are_bombs(void **state)
{
    static uint8_t block[16000];
    static const uint8_t start[] = {0x82, 0x86, 0x84, 0x41, 1,   'h', 0x40,
                                    1,    'x',  0x7f, 0xa1, 0x1e}; /* 4,000 bytes, remembered */
    size_t n = sizeof(start);

    (void)state;
    raw_open();
    memcpy(block, start, sizeof(start));
    memset(block + n, 'v', 4000);
    n += 4000;
    memset(block + n, 0xbe, 4000); /* and named so often */
    raw_frame(NGHTTP2_HEADERS, 5, 1, block, n + 4000);
    assert_int_equal(raw_goodbye(), NGHTTP2_ENHANCE_YOUR_CALM);
    peer_open(&p, world.port);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void heads_that_are_too_large(void **state)
{
    static char value[17000];
    const char *const fields[] = {"x-long", value, NULL};
    struct peer_stream *s;

    (void)state;
    memset(value, 'v', 16000);
    s = peer_request(&p, "GET", "/echo", fields, NULL, 0, true);
    peer_await(&p, s->closed);
    expect_status(s, "200");
    memset(value, 'v', 16300);
    s = peer_request(&p, "GET", "/echo", fields, NULL, 0, true);
    peer_await(&p, s->closed);
    expect_status(s, "431");
    peer_ping(&p);
}

static void streams_beyond_are_refused(void **state)
{
    const struct gush_http_limits limits = {.streams_max = 2};
    struct peer_stream *s[3];

    (void)state;
    with_limits(&limits);
    for (int i = 0; i < 3; i++) /* before the client has heard of the limit */
        s[i] = peer_get(&p, "/later");
    peer_await(&p, s[2]->closed);
    assert_int_equal(s[2]->code, NGHTTP2_REFUSED_STREAM);
    assert_false(s[0]->closed || s[1]->closed);
    wire_reset(&p.wire);
    peer_free(&p);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void slow_prefaces_and_heads(void **state)
{
    const struct gush_http_limits limits = {.head_ms = 30};

    (void)state;
    with_limits(&limits);
    peer_close(&p);
    wire_open(&w, world.port); /* says nothing */
    assert_true(wire_ends(&w));
    wire_close(&w);
    wire_open(&w, world.port); /* half of the preface */
    wire_send_n(&w, PREFACE, 10);
    assert_true(wire_ends(&w));
    wire_close(&w);
    wire_open(&w, world.port); /* no request */
    wire_send_n(&w, PREFACE NO_SETTINGS, 33);
    assert_int_equal(raw_goodbye(), NGHTTP2_NO_ERROR);
    wire_open(&w, world.port); /* half of a head */
    wire_send_n(&w, PREFACE NO_SETTINGS, 33);
    raw_frame(NGHTTP2_HEADERS, 0, 1, GET_ROOT, 6);
    assert_int_equal(raw_goodbye(), NGHTTP2_ENHANCE_YOUR_CALM);
    peer_open(&p, world.port);
}

static void slow_bodies(void **state)
{
    const struct gush_http_limits limits = {.body_ms = 30};
    struct peer_stream *s;

    (void)state;
    with_limits(&limits);
    s = peer_request(&p, "POST", "/echo", NULL, "x", 1, false);
    peer_await(&p, s->ended);
    assert_string_equal(s->status, "408");
    peer_ping(&p);
}

static void idle_connections_end(void **state)
{
    const struct gush_http_limits limits = {.idle_ms = 30};

    (void)state;
    with_limits(&limits);
    peer_get(&p, "/stream"); /* not idle */
    await_event();
    peer_ping(&p);
    peer_reset(&p, &p.streams[0], NGHTTP2_CANCEL);
    peer_await_end(&p);
    assert_int_equal(p.goaways, 1);
    assert_int_equal(p.goaway_code, NGHTTP2_NO_ERROR);
}

/* ---- draining ------------------------------------------------------------------------------- */

static void drain(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_front_drain(world.front);
}

static void respond_now(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_exchange_respond(world.stream,
                          &(struct gush_http_response){.status = 200, .body = GUSH_SPAN_LIT("ok")});
}

static void a_drain_serves_what_was_asked(void **state)
{
    struct peer_stream *s = peer_get(&p, "/later");

    (void)state;
    await_event();
    on_loop(drain);
    peer_await(&p, p.goaways == 2);
    assert_int_equal(p.goaway_code, NGHTTP2_NO_ERROR);
    assert_int_equal(p.goaway_last, s->id);
    assert_false(p.over);
    on_loop(respond_now);
    peer_await(&p, s->closed);
    assert_string_equal(s->body, "ok");
    peer_await_end(&p);
    /* those who come now are served, and told as well */
    peer_close(&p);
    peer_open(&p, world.port);
    s = peer_get(&p, "/echo");
    peer_await(&p, s->closed);
    expect_status(s, "200");
    peer_await_end(&p);
    assert_true(p.goaways > 0);
}

static void a_drain_does_not_wait_for_a_pong(void **state)
{
    (void)state;
    raw_open();
    raw_frame(NGHTTP2_HEADERS, 5, 1, GET_ROOT, 6);
    wire_await_n(&w, 100);
    on_loop(drain);
    assert_int_equal(raw_goodbye(), NGHTTP2_NO_ERROR);
    peer_open(&p, world.port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(floods_are_calmed, setup, teardown),
        cmocka_unit_test_setup_teardown(resets_are_counted_by_whomever, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_for_the_past, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_we_reset_has_frames_on_their_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(malformed_heads_one_after_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(priorities_keep_their_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(heads_that_are_bombs, setup, teardown),
        cmocka_unit_test_setup_teardown(heads_that_are_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_beyond_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_prefaces_and_heads, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_connections_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_drain_serves_what_was_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_drain_does_not_wait_for_a_pong, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
