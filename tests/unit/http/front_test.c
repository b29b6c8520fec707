/* Which version a connection gets by its first bytes; ALPN is in tests/e2e/test_h2.py. */
#include "tests/unit/http/h2_world.h"

#define PREFACE  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define GET_1_1  "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"

static struct wire w;

static int front_setup(void **state)
{
    setup(state);
    peer_close(&p);
    wire_open(&w, world.port);
    return 0;
}

static int front_teardown(void **state)
{
    if (w.fd >= 0)
        wire_close(&w);
    return teardown(state);
}

/* Each byte in a packet of its own, more or less: a round trip between them is not needed. */
static void send_bytewise(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wire_send_n(&w, bytes + i, 1);
}

static void the_preface_means_h2(void **state)
{
    (void)state;
    wire_send_n(&w, PREFACE SETTINGS, 33);
    wire_await_n(&w, 9);
    assert_int_equal(w.got[3], NGHTTP2_SETTINGS);
}

static void byte_by_byte_too(void **state)
{
    (void)state;
    send_bytewise(PREFACE SETTINGS, 33);
    wire_await_n(&w, 9);
    assert_int_equal(w.got[3], NGHTTP2_SETTINGS);
}

static void anything_else_means_h1(void **state)
{
    (void)state;
    wire_send(&w, GET_1_1);
    wire_await(&w, "GET|/echo||1|");
    wire_close(&w);
    wire_open(&w, world.port);
    send_bytewise(GET_1_1, strlen(GET_1_1));
    wire_await(&w, "GET|/echo||1|");
}

/* POST and PUT begin as the preface does. */
static void what_begins_alike_means_h1(void **state)
{
    (void)state;
    send_bytewise("P", 1);
    wire_send(&w, "OST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    wire_await(&w, "abc");
    wire_close(&w);
    wire_open(&w, world.port);
    wire_send(&w, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r");
    wire_send(&w, "x");
    wire_await(&w, "HTTP/1.1 ");
    assert_int_equal(w.got[9], '5'); /* 505 */
    assert_true(wire_ends(&w));
}

static void who_goes_before_the_choice_is_forgotten(void **state)
{
    (void)state;
    wire_send(&w, "PRI");
    wire_close(&w);
    await_no_connections();
    wire_open(&w, world.port);
    wire_send(&w, "PRI");
    wire_reset(&w);
    await_no_connections();
}

static void the_loop_may_stop_before_the_choice(void **state)
{
    (void)state;
    wire_send(&w, "PRI");
    on_loop(count_connections); /* teardown does the rest */
}

static void without_h2c_everything_is_h1(void **state)
{
    (void)state;
    wire_close(&w);
    await_no_connections();
    stop_world();
    world.plain = true;
    start_world(&(struct gush_http_limits){0});
    world.plain = false;
    wire_open(&w, world.port);
    wire_send_n(&w, PREFACE SETTINGS, 33);
    wire_await(&w, "HTTP/1.1 ");
    assert_true(wire_ends(&w));
}

static void a_proxy_header_comes_first(void **state)
{
    (void)state;
    wire_close(&w);
    await_no_connections();
    stop_world();
    world.proxy = true;
    start_world(&(struct gush_http_limits){0});
    world.proxy = false;
    wire_open(&w, world.port);
    wire_send(&w, "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n");
    wire_send_n(&w, PREFACE SETTINGS, 33);
    wire_await_n(&w, 9);
    assert_int_equal(w.got[3], NGHTTP2_SETTINGS);
    wire_close(&w);
    wire_open(&w, world.port);
    wire_send(&w, "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n" GET_1_1);
    wire_await(&w, "GET|/echo||1|");
    wire_close(&w);
    wire_open(&w, world.port);
    wire_send(&w, GET_1_1); /* no header: it is closed */
    (void)wire_ends(&w);
    assert_int_equal(w.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_preface_means_h2, front_setup, front_teardown),
        cmocka_unit_test_setup_teardown(byte_by_byte_too, front_setup, front_teardown),
        cmocka_unit_test_setup_teardown(anything_else_means_h1, front_setup, front_teardown),
        cmocka_unit_test_setup_teardown(what_begins_alike_means_h1, front_setup, front_teardown),
        cmocka_unit_test_setup_teardown(who_goes_before_the_choice_is_forgotten, front_setup,
                                        front_teardown),
        cmocka_unit_test_setup_teardown(the_loop_may_stop_before_the_choice, front_setup,
                                        front_teardown),
        cmocka_unit_test_setup_teardown(without_h2c_everything_is_h1, front_setup, front_teardown),
        cmocka_unit_test_setup_teardown(a_proxy_header_comes_first, front_setup, front_teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
