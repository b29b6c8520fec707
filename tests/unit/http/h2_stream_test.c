/* Streaming responses over HTTP/2, and how they end. */
#include <netinet/tcp.h>

#include "tests/unit/http/h2_world.h"

/* ---- streams -------------------------------------------------------------------------------- */

static void send_burst(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    world.send_err = gush_exchange_send(world.stream);
}

static void end_it(struct gush_loop *loop, void *arg)
{
    const struct gush_http_field fields[] = {
        {GUSH_SPAN_LIT("grpc-status"), GUSH_SPAN_LIT("0")},
        {GUSH_SPAN_LIT("Grpc-Message"), GUSH_SPAN_LIT("")},
    };
    (void)loop;
    (void)arg;
    gush_exchange_end_with(world.stream, fields, 2);
}

static void end_plainly(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_exchange_end(world.stream);
}

static void abort_it(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_exchange_abort(world.stream);
}

static void burst(const char *first, const char *second)
{
    to_send[0] = gush_span_str(first);
    to_send[1] = gush_span_str(second);
    to_send_n = 2;
    on_loop(send_burst);
    assert_int_equal(world.send_err, GUSH_EAGAIN);
    await_event(); /* on_sent */
}

static void streams_bursts_and_trailers(void **state)
{
    struct peer_stream *s = peer_get(&p, "/stream");

    (void)state;
    await_event();
    burst("one,", "two,");
    burst("", "three");
    peer_await(&p, s->body_n == 18);
    assert_string_equal(s->body, "firstone,two,three");
    assert_null(strstr(s->fields, "content-length"));
    on_loop(end_it);
    await_event(); /* on_closed */
    peer_await(&p, s->closed);
    expect_status(s, "200");
    assert_string_equal(s->trailers, "grpc-status: 0\ngrpc-message: \n");
    assert_int_equal(atomic_load(&world.sent_n), 2);
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

static void streams_end_without_trailers(void **state)
{
    struct peer_stream *s = peer_get(&p, "/stream");

    (void)state;
    await_event();
    on_loop(end_plainly);
    peer_await(&p, s->closed);
    expect_status(s, "200");
    assert_string_equal(s->body, "first");
    assert_string_equal(s->trailers, "");
}

static void head_of_a_stream(void **state)
{
    struct peer_stream *s = peer_request(&p, "HEAD", "/stream", NULL, NULL, 0, true);

    (void)state;
    await_event();
    await_event(); /* on_closed */
    peer_await(&p, s->closed);
    expect_status(s, "200");
    assert_int_equal(s->body_n, 0);
}

static void a_long_burst_comes_whole(void **state)
{
    struct peer_stream *s;

    (void)state;
    peer_close(&p);
    peer_open_with(&p, world.port, 1 << 30, false);
    s = peer_get(&p, "/stream");
    await_event();
    for (size_t i = 0; i < GUSH_EXCHANGE_PIECES_MAX; i++)
        to_send[i] = gush_span_of(world.big + i * 10000, i % 3 ? 10000 : i * 10);
    to_send_n = GUSH_EXCHANGE_PIECES_MAX;
    on_loop(send_burst);
    size_t n = 5;
    for (size_t i = 0; i < to_send_n; i++)
        n += to_send[i].n;
    peer_await(&p, s->body_n == n);
    const char *at = s->body + 5;
    for (size_t i = 0; i < to_send_n; at += to_send[i++].n)
        assert_memory_equal(at, to_send[i].p, to_send[i].n);
    await_event(); /* on_sent */
}

static void a_burst_waits_for_the_window(void **state)
{
    struct peer_stream *s;

    (void)state;
    peer_close(&p);
    peer_open_with(&p, world.port, 8, true);
    s = peer_get(&p, "/stream");
    await_event();
    to_send[0] = GUSH_SPAN_LIT("abcdef");
    to_send_n = 1;
    on_loop(send_burst);
    peer_await(&p, s->body_n == 8);
    peer_ping(&p);
    assert_int_equal(atomic_load(&world.sent_n), 0);
    peer_grant(&p, s, 2);
    peer_await(&p, s->body_n == 10);
    peer_grant(&p, s, 100);
    await_event(); /* on_sent */
    peer_await(&p, s->body_n == 11);
    assert_string_equal(s->body, "firstabcdef");
}

/* The handler hears of it at once, even if nothing can be sent any more. */
static void abort_is_told_at_once(void **state)
{
    struct peer_stream *s = peer_get(&p, "/stream");

    (void)state;
    await_event();
    on_loop(abort_it);
    await_event(); /* on_closed */
    peer_await(&p, s->closed);
    assert_int_equal(s->code, NGHTTP2_INTERNAL_ERROR);
    peer_close(&p);
    peer_open_with(&p, world.port, 1 << 30, false);
    peer_get(&p, "/big"); /* and never read */
    peer_get(&p, "/stream");
    await_event();
    to_send[0] = GUSH_SPAN_LIT("abcdef");
    to_send_n = 1;
    on_loop(send_burst);
    on_loop(abort_it);
    await_event(); /* on_closed */
    assert_int_equal(atomic_load(&world.closed_n), 2);
    assert_int_equal(atomic_load(&world.sent_n), 0);
}

static void a_reset_is_told(void **state)
{
    struct peer_stream *s = peer_get(&p, "/stream");

    (void)state;
    await_event();
    peer_reset(&p, s, NGHTTP2_CANCEL);
    await_event(); /* on_closed */
    peer_ping(&p);
    s = peer_get(&p, "/later");
    await_event();
    peer_reset(&p, s, NGHTTP2_CANCEL);
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 2);
}

static void the_end_of_a_connection_is_told(void **state)
{
    (void)state;
    peer_get(&p, "/stream");
    peer_get(&p, "/later");
    await_event();
    await_event();
    wire_reset(&p.wire);
    peer_free(&p);
    await_event();
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 2);
}

static struct gush_exchange *later;

static void answer_later(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_exchange_respond(
        later, &(struct gush_http_response){.status = 200, .body = GUSH_SPAN_LIT("late")});
}

/* Who closes half of the connection gets the answers that are under way, but no endless ones. */
static void half_closed(void **state)
{
    struct peer_stream *s = peer_get(&p, "/later");

    (void)state;
    await_event();
    later = world.stream;
    peer_get(&p, "/stream");
    await_event();
    shutdown(p.wire.fd, SHUT_WR);
    await_event(); /* on_closed of the stream */
    assert_int_equal(atomic_load(&world.closed_n), 1);
    on_loop(answer_later);
    await_event();
    peer_await_end(&p);
    assert_string_equal(s->body, "late");
}

/* Requests that waited for room are answered, too. */
static void half_closed_with_requests_that_wait(void **state)
{
    struct peer_stream *s[4];
    int on = 1, off = 0;

    (void)state;
    peer_close(&p);
    peer_open_with(&p, world.port, 1 << 30, true);
    setsockopt(p.wire.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
    s[0] = peer_get(&p, "/long_head?x"); /* so that no write is full that ends both big ones */
    s[1] = peer_get(&p, "/big");
    s[2] = peer_get(&p, "/big");
    s[3] = peer_get(&p, "/echo");
    setsockopt(p.wire.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
    peer_await(&p, s[1]->has_head); /* the server has read them, and our windows */
    shutdown(p.wire.fd, SHUT_WR);
    peer_await_end(&p);
    for (int i = 0; i < 4; i++)
        expect_status(s[i], "200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_bursts_and_trailers, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_end_without_trailers, setup, teardown),
        cmocka_unit_test_setup_teardown(head_of_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_burst_comes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_burst_waits_for_the_window, setup, teardown),
        cmocka_unit_test_setup_teardown(abort_is_told_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_a_connection_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(half_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(half_closed_with_requests_that_wait, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
