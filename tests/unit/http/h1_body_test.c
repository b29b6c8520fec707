/* Request bodies that are given as they come, over real sockets on a real loop. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

#include "server/net/listener.h"
#include "server/net/tcp.h"

#include "server/http/h1.h"

#include "tests/unit/net/wire.h"

#define LONG_BYTES ((size_t)300 * 1000)

/* What the handler does is in the path. */
static struct {
    struct gush_router *router;
    struct gush_loop *loop;
    struct gush_h1 *h1;
    int fd;
    uint16_t port;
    char *bytes; /* LONG_BYTES of them */
    /* of the request under way; loop's, read by the test behind |event| */
    struct gush_exchange *exchange;
    struct gush_buf got;
    size_t largest_n;
    bool ended, holding;
    atomic_size_t got_n;
    atomic_int closed_n;
    sem_t event; /* body's end, or closed */
} world;

static struct wire w;

/* ---- the handler ---------------------------------------------------------------------------- */

static void answer(const char *text)
{
    struct gush_http_response r = {.status = 200, .body = gush_span_str(text)};
    gush_exchange_respond(world.exchange, &r);
}

static void on_body(void *user, struct gush_span bytes)
{
    const char *what = user;

    GUSH_ASSERT(bytes.n > 0 && bytes.n <= GUSH_EXCHANGE_BODY_WINDOW && !world.ended);
    gush_buf_put_span(&world.got, bytes);
    atomic_store(&world.got_n, world.got.n);
    if (strcmp(what, "mid") == 0)
        answer("enough");
    else if (strcmp(what, "abort") == 0)
        gush_exchange_abort(world.exchange);
    else if (!world.holding)
        gush_exchange_take(world.exchange, bytes.n);
}

static void on_body_end(void *user)
{
    char text[40];

    (void)user;
    GUSH_ASSERT(!world.ended);
    world.ended = true;
    snprintf(text, sizeof(text), "[%zu bytes]", world.got.n);
    answer(text);
}

static void on_closed(void *user)
{
    (void)user;
    world.exchange = NULL;
    atomic_fetch_add(&world.closed_n, 1);
    sem_post(&world.event);
}

static const struct gush_exchange_events events = {
    .on_body = on_body, .on_body_end = on_body_end, .on_closed = on_closed};

static void handle(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                   struct gush_span body)
{
    (void)request;
    GUSH_ASSERT(body.n == 0);
    world.exchange = s;
    world.ended = false;
    world.holding = strcmp(arg, "hold") == 0;
    gush_buf_reset(&world.got);
    atomic_store(&world.got_n, 0);
    if (strcmp(arg, "early") == 0) {
        answer("no need");
        return;
    }
    gush_exchange_watch(s, &events, arg);
    if (strcmp(arg, "both") == 0) {
        struct gush_http_response r = {.status = 200, .body = GUSH_SPAN_LIT("first")};
        gush_exchange_start(s, &r);
    }
}

/* ---- the world ------------------------------------------------------------------------------ */

static void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

static void await_got(size_t n)
{
    while (atomic_load(&world.got_n) < n)
        sched_yield();
}

static sem_t done;

static void do_take(struct gush_loop *loop, void *arg)
{
    size_t *n = arg;
    (void)loop;
    gush_exchange_take(world.exchange, *n);
    sem_post(&done);
}

static void take(size_t n)
{
    assert_true(gush_loop_post(world.loop, do_take, &n));
    sem_wait(&done);
}

static void start_listener(struct gush_loop *loop, void *arg)
{
    struct gush_listener *l;
    (void)arg;
    assert_int_equal(gush_listener_open(loop, world.fd, gush_h1_accept, world.h1, &l), GUSH_OK);
}

static void start_world(uint32_t body_ms)
{
    struct gush_loop_options loop_options = {.workers_n = 1, .seed = 1, .name = "h1"};
    struct gush_h1_options options = {
        .router = world.router, .wall_ms = gush_clock_wall_ms, .limits = {.body_ms = body_ms}};
    char message[200];

    assert_int_equal(gush_loop_new(&loop_options, &world.loop), GUSH_OK);
    world.h1 = gush_h1_new(world.loop, &options);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, start_listener, NULL), GUSH_OK);
    wire_open(&w, world.port);
}

static void stop_world(void)
{
    if (w.fd >= 0)
        wire_close(&w);
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    gush_h1_free(world.h1);
    gush_loop_free(world.loop);
}

static int group_setup(void **state)
{
    static char names[][8] = {"eat", "hold", "early", "mid", "abort", "both", "whole"};

    (void)state;
    sem_init(&world.event, 0, 0);
    sem_init(&done, 0, 0);
    gush_buf_init(&world.got, 2 * LONG_BYTES);
    world.bytes = malloc(LONG_BYTES);
    for (size_t i = 0; i < LONG_BYTES; i++)
        world.bytes[i] = (char)('a' + i % 23);
    world.router = gush_router_new();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "/%s", names[i]);
        struct gush_route route = {.path = path,
                                   .methods = GUSH_ROUTER_ANY,
                                   .body_limit = 10,
                                   .handle = handle,
                                   .arg = names[i],
                                   .streaming = strcmp(names[i], "whole") != 0};
        assert_int_equal(gush_router_add(world.router, &route), GUSH_OK);
    }
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    gush_router_free(world.router);
    gush_buf_fini(&world.got);
    free(world.bytes);
    sem_destroy(&world.event);
    sem_destroy(&done);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&world.closed_n, 0);
    atomic_store(&world.got_n, 0);
    while (sem_trywait(&world.event) == 0)
        continue;
    start_world(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop_world();
    return 0;
}

static void send_head(const char *path, const char *fields)
{
    char head[300];
    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, fields);
    wire_send(&w, head);
}

/* The connection still answers. */
static void goes_on(void)
{
    w.n = 0;
    w.got[0] = '\0';
    send_head("/eat", "Content-Length: 3\r\n");
    wire_send(&w, "abc");
    wire_await(&w, "[3 bytes]");
    await_event();
}

/* ---- what goes wrong ------------------------------------------------------------------------ */

static void malformed_chunks(void **state)
{
    (void)state;
    send_head("/eat", "Transfer-Encoding: chunked\r\n");
    wire_send(&w, "3\r\nabc\r\n");
    await_got(3);
    wire_send(&w, "x\r\nPOST /eat HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    assert_true(wire_ends(&w));
    assert_memory_equal(w.got, "HTTP/1.1 400 Bad Request\r\n", 26);
    assert_null(strstr(w.got + 1, "HTTP/1.1 "));
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

static void malformed_behind_an_answer(void **state)
{
    (void)state;
    send_head("/both", "Transfer-Encoding: chunked\r\n");
    wire_await(&w, "5\r\nfirst\r\n");
    wire_send(&w, "x\r\n");
    await_event();
    (void)wire_ends(&w);
    assert_null(strstr(w.got, "0\r\n\r\n")); /* broken off, not ended */
}

static void truncated(void **state)
{
    (void)state;
    send_head("/eat", "Content-Length: 4\r\n");
    wire_send(&w, "abc");
    await_got(3);
    shutdown(w.fd, SHUT_WR);
    await_event();
    assert_false(world.ended);
    (void)wire_ends(&w);
    assert_int_equal(w.n, 0);
}

static void slow_ones_time_out(void **state)
{
    (void)state;
    stop_world();
    start_world(60);
    send_head("/eat", "Content-Length: 4\r\n");
    wire_send(&w, "abc");
    await_event();
    assert_true(wire_ends(&w));
    assert_memory_equal(w.got, "HTTP/1.1 408 Request Timeout\r\n", 30);
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

/* Who is not read does not run out of time. */
static void held_ones_do_not(void **state)
{
    static struct wire other;

    (void)state;
    stop_world();
    start_world(60);
    send_head("/hold", "Content-Length: 300000\r\n");
    wire_send_n(&w, world.bytes, GUSH_EXCHANGE_BODY_WINDOW + 100);
    await_got(GUSH_EXCHANGE_BODY_WINDOW);
    for (int i = 0; i < 3; i++) { /* others run out of it meanwhile */
        wire_open(&other, world.port);
        wire_send(&other, "POST /whole HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
        assert_true(wire_ends(&other));
        assert_memory_equal(other.got, "HTTP/1.1 408 ", 13);
        wire_close(&other);
    }
    assert_int_equal(atomic_load(&world.closed_n), 0);
    take(GUSH_EXCHANGE_BODY_WINDOW);
    await_got(GUSH_EXCHANGE_BODY_WINDOW + 100);
    await_event(); /* and now it does */
    assert_true(wire_ends(&w));
    assert_memory_equal(w.got, "HTTP/1.1 408 ", 13);
}

static void reset_while_held(void **state)
{
    (void)state;
    send_head("/hold", "Content-Length: 300000\r\n");
    wire_send_n(&w, world.bytes, LONG_BYTES);
    await_got(GUSH_EXCHANGE_BODY_WINDOW);
    wire_reset(&w);
    take(GUSH_EXCHANGE_BODY_WINDOW); /* reads again, and so hears of it */
    await_event();
}

/* ---- what goes well ------------------------------------------------------------------------- */

static void nothing_to_give(void **state)
{
    (void)state;
    wire_send(&w, "GET /eat HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "[0 bytes]");
    await_event();
    goes_on();
    send_head("/eat", "Transfer-Encoding: chunked\r\n");
    wire_send(&w, "0\r\n\r\n");
    await_event();
    goes_on();
}

static void in_pieces_and_beyond_any_limit(void **state)
{
    (void)state;
    send_head("/eat", "Content-Length: 300000\r\n");
    wire_send_n(&w, world.bytes, LONG_BYTES);
    wire_await(&w, "[300000 bytes]");
    await_event();
    assert_memory_equal(world.got.p, world.bytes, LONG_BYTES);
    goes_on();
}

static void chunks_in_any_pieces(void **state)
{
    static const char body[] = "5\r\nabcde\r\n10;x=y\r\nfghijklmnopqrstu\r\n0\r\nT: v\r\n\r\n";

    (void)state;
    for (size_t step = 1; step < sizeof(body); step += 3) {
        w.n = 0;
        w.got[0] = '\0';
        send_head("/eat", "Transfer-Encoding: chunked\r\n");
        for (size_t at = 0; at < sizeof(body) - 1; at += step) {
            size_t left = sizeof(body) - 1 - at;
            wire_send_n(&w, body + at, left < step ? left : step);
        }
        wire_await(&w, "[21 bytes]");
        await_event();
        assert_memory_equal(world.got.p, "abcdefghijklmnopqrstu", 21);
    }
    goes_on();
}

/* Not more than the window is given before it is taken, and what is not given is not read. */
static void no_faster_than_it_is_taken(void **state)
{
    size_t n = 0;

    (void)state;
    send_head("/hold", "Content-Length: 300000\r\n");
    wire_send_n(&w, world.bytes, LONG_BYTES); /* the kernel keeps it for us */
    for (n = GUSH_EXCHANGE_BODY_WINDOW; n < LONG_BYTES; n += 1000) {
        await_got(n);
        take(0); /* changes nothing */
        assert_int_equal(atomic_load(&world.got_n), n);
        take(1000);
    }
    wire_await(&w, "[300000 bytes]");
    await_event();
    assert_memory_equal(world.got.p, world.bytes, LONG_BYTES);
    goes_on();
}

static void half_closed_behind_it(void **state)
{
    (void)state;
    send_head("/hold", "Content-Length: 300000\r\n");
    wire_send_n(&w, world.bytes, LONG_BYTES);
    shutdown(w.fd, SHUT_WR);
    for (size_t n = GUSH_EXCHANGE_BODY_WINDOW; n < LONG_BYTES; n += 50000) {
        await_got(n);
        take(50000);
    }
    wire_await(&w, "[300000 bytes]");
    assert_true(wire_ends(&w));
    await_event();
}

static void pipelined_behind_it(void **state)
{
    (void)state;
    wire_send(&w, "POST /eat HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
                  "POST /eat HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n0\r\n\r\n"
                  "GET /eat HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "[2 bytes]");
    wire_await(&w, "[3 bytes]");
    wire_await(&w, "[0 bytes]");
    for (int i = 0; i < 3; i++)
        await_event();
    goes_on();
}

static void invited(void **state)
{
    (void)state;
    send_head("/eat", "Expect: 100-continue\r\nContent-Length: 3\r\n");
    wire_await(&w, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(w.n, 25);
    wire_send(&w, "abc");
    wire_await(&w, "[3 bytes]");
    await_event();
    w.n = 0;
    w.got[0] = '\0';
    send_head("/early", "Expect: 100-continue\r\nContent-Length: 3\r\n");
    assert_true(wire_ends(&w));
    assert_memory_equal(w.got, "HTTP/1.1 200 ", 13);
}

/* What is left of the body cannot be told from a request: the connection ends. */
static void answered_before_the_end(void **state)
{
    static const char *const paths[] = {"/early", "/mid"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        send_head(paths[i], "Content-Length: 100\r\n");
        wire_send(&w, "GET /eat HTTP/1.1\r\nHost: h\r\n\r\n");
        wire_await(&w, i ? "enough" : "no need");
        assert_non_null(strstr(w.got, "\r\nConnection: close\r\n"));
        assert_true(wire_ends(&w));
        assert_null(strstr(w.got, " bytes]"));
        wire_close(&w);
        wire_open(&w, world.port);
    }
    /* unless there is none */
    wire_send(&w, "GET /early HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "no need");
    w.n = 0;
    w.got[0] = '\0';
    send_head("/eat", "Content-Length: 3\r\n");
    wire_send(&w, "abc");
    wire_await(&w, "[3 bytes]");
}

static void aborted(void **state)
{
    (void)state;
    send_head("/abort", "Content-Length: 100\r\n");
    wire_send(&w, "abc");
    await_event();
    assert_false(wire_ends(&w));
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(malformed_chunks),
        TEST(malformed_behind_an_answer),
        TEST(truncated),
        TEST(slow_ones_time_out),
        TEST(held_ones_do_not),
        TEST(reset_while_held),
        TEST(nothing_to_give),
        TEST(in_pieces_and_beyond_any_limit),
        TEST(chunks_in_any_pieces),
        TEST(no_faster_than_it_is_taken),
        TEST(half_closed_behind_it),
        TEST(pipelined_behind_it),
        TEST(invited),
        TEST(answered_before_the_end),
        TEST(aborted),
    };
    return UNIT_RUN(tests, group_setup, group_teardown);
}
