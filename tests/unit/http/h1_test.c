/* The connection machine, over real sockets on a real loop. */
#include <semaphore.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

#include "server/net/conn.h"
#include "server/net/listener.h"
#include "server/net/tcp.h"

#include "server/http/h1.h"

#include "tests/unit/net/wire.h"

#define BODY_LIMIT 1000
#define BIG_BYTES  (24u << 20) /* more than loopback takes without a reader */

static struct {
    struct gush_router *router;
    struct gush_cors *cors;
    struct gush_loop *loop;
    struct gush_h1 *h1;
    int fd;
    uint16_t port;
    char *big;
    /* of /stream and /later; loop's, read by the test behind |event| */
    struct gush_exchange *stream;
    atomic_int closed_n, sent_n;
    gush_err send_err;
    sem_t event;
} world;

static struct wire w, w2;

/* ---- handlers ------------------------------------------------------------------------------- */

static struct gush_span to_send[3];
static size_t to_send_n;

static size_t stream_pieces(void *user, struct gush_span out[GUSH_EXCHANGE_PIECES_MAX])
{
    (void)user;
    memcpy(out, to_send, sizeof(to_send));
    return to_send_n;
}

static void on_stream_sent(void *user)
{
    (void)user;
    atomic_fetch_add(&world.sent_n, 1);
    sem_post(&world.event);
}

static void on_stream_closed(void *user)
{
    (void)user;
    world.stream = NULL;
    atomic_fetch_add(&world.closed_n, 1);
    sem_post(&world.event);
}

static const struct gush_exchange_events stream_events = {
    .pieces = stream_pieces, .on_sent = on_stream_sent, .on_closed = on_stream_closed};

/* Says back what it was asked. */
static void handle_echo(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                        struct gush_span body)
{
    struct gush_buf b;

    gush_buf_init(&b, 8192);
    gush_buf_printf(&b, "%s ", (const char *)arg);
    gush_buf_put_span(&b, request->method);
    gush_buf_put_u8(&b, '|');
    gush_buf_put_span(&b, request->path);
    gush_buf_put_u8(&b, '|');
    gush_buf_put_span(&b, request->query);
    gush_buf_printf(&b, "|%d|%zu|", (int)request->version, request->fields_n);
    gush_buf_put_span(&b, body);
    struct gush_http_response r = {.status = 200, .body = gush_buf_span(&b)};
    gush_exchange_respond(s, &r);
    gush_buf_fini(&b);
}

static void handle_big(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                       struct gush_span body)
{
    struct gush_http_response r = {.status = 200, .body = gush_span_of(world.big, BIG_BYTES)};
    (void)arg;
    (void)request;
    (void)body;
    gush_exchange_respond(s, &r);
}

static void handle_table(void *arg, struct gush_exchange *s,
                         const struct gush_http_request *request, struct gush_span body)
{
    static char rows[5002];

    (void)arg;
    (void)request;
    (void)body;
    for (size_t i = 0; i < sizeof(rows); i++)
        rows[i] = "row"[i % 3];
    rows[sizeof(rows) - 1] = '.';
    struct gush_http_response r = {
        .status = 200, .body = gush_span_of(rows, sizeof(rows)), .compress = true};
    gush_exchange_respond(s, &r);
}

static void handle_stream(void *arg, struct gush_exchange *s,
                          const struct gush_http_request *request, struct gush_span body)
{
    struct gush_http_field type = {GUSH_SPAN_LIT("Content-Type"), GUSH_SPAN_LIT("text/x")};
    struct gush_http_response r = {
        .status = 200, .fields = &type, .fields_n = 1, .body = GUSH_SPAN_LIT("first")};
    (void)arg;
    (void)request;
    (void)body;
    gush_exchange_watch(s, &stream_events, NULL);
    gush_exchange_start(s, &r);
    world.stream = s;
    sem_post(&world.event);
}

static void handle_later(void *arg, struct gush_exchange *s,
                         const struct gush_http_request *request, struct gush_span body)
{
    (void)arg;
    (void)request;
    (void)body;
    gush_exchange_watch(s, &stream_events, NULL);
    world.stream = s;
    sem_post(&world.event);
}

/* ---- the world ------------------------------------------------------------------------------ */

static void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

static void run_and_tell(struct gush_loop *loop, void *arg)
{
    gush_loop_fn *fn;
    memcpy(&fn, &arg, sizeof(fn));
    fn(loop, NULL);
    sem_post(&world.event);
}

/* Runs |fn| on the loop and waits for it. */
static void on_loop(gush_loop_fn *fn)
{
    void *arg;
    memcpy(&arg, &fn, sizeof(arg));
    assert_true(gush_loop_post(world.loop, run_and_tell, arg));
    await_event();
}

static size_t connections;

static void count_connections(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    connections = gush_h1_connections(world.h1);
}

static void await_no_connections(void)
{
    do {
        on_loop(count_connections);
    } while (connections);
}

static void start_listener(struct gush_loop *loop, void *arg)
{
    struct gush_listener *l;
    (void)arg;
    assert_int_equal(gush_listener_open(loop, world.fd, gush_h1_accept, world.h1, &l), GUSH_OK);
}

static void add(const char *path, unsigned methods, gush_exchange_handler *handle, char *arg,
                const struct gush_cors *cors)
{
    struct gush_route route = {.path = path,
                               .methods = methods,
                               .body_limit = BODY_LIMIT,
                               .handle = handle,
                               .arg = arg,
                               .cors = cors};
    assert_int_equal(gush_router_add(world.router, &route), GUSH_OK);
}

static void start_world(const struct gush_h1_options *limits)
{
    struct gush_loop_options loop_options = {.workers_n = 1, .seed = 1, .name = "h1"};
    struct gush_h1_options options = *limits;
    char message[200];

    options.router = world.router;
    options.wall_ms = gush_clock_wall_ms;
    assert_int_equal(gush_loop_new(&loop_options, &world.loop), GUSH_OK);
    world.h1 = gush_h1_new(world.loop, &options);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, start_listener, NULL), GUSH_OK);
}

static void stop_world(void)
{
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    gush_h1_free(world.h1);
    gush_loop_free(world.loop);
}

static int group_setup(void **state)
{
    static char origin[] = "https://*.example.com", *origins[] = {origin};
    static char echo[] = "echo", get[] = "get", post[] = "post";
    size_t bad;

    (void)state;
    sem_init(&world.event, 0, 0);
    world.big = malloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        world.big[i] = (char)('a' + i % 26);
    world.router = gush_router_new();
    assert_int_equal(gush_cors_new(origins, 1, &world.cors, &bad), GUSH_OK);
    add("/echo", GUSH_ROUTER_ANY, handle_echo, echo, NULL);
    add("/get/", GUSH_ROUTER_GET | GUSH_ROUTER_HEAD, handle_echo, get, world.cors);
    add("/post", GUSH_ROUTER_POST, handle_echo, post, world.cors);
    add("/big", GUSH_ROUTER_ANY, handle_big, NULL, NULL);
    add("/table", GUSH_ROUTER_ANY, handle_table, NULL, NULL);
    add("/stream", GUSH_ROUTER_ANY, handle_stream, NULL, NULL);
    add("/later", GUSH_ROUTER_ANY, handle_later, NULL, NULL);
    add("/health", GUSH_ROUTER_ANY, gush_router_health, NULL, NULL);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    gush_router_free(world.router);
    gush_cors_free(world.cors);
    free(world.big);
    sem_destroy(&world.event);
    return 0;
}

static int setup(void **state)
{
    static const struct gush_h1_options none;
    (void)state;
    atomic_store(&world.closed_n, 0);
    atomic_store(&world.sent_n, 0);
    while (sem_trywait(&world.event) == 0)
        continue;
    start_world(&none);
    wire_open(&w, world.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.fd >= 0)
        wire_close(&w);
    stop_world();
    return 0;
}

static void with_limits(const struct gush_h1_options *limits)
{
    wire_close(&w);
    stop_world();
    start_world(limits);
    wire_open(&w, world.port);
}

/* Expects |text| next, ignoring the Date line that must be in between. */
static void expect_response(const char *text, const char *last)
{
    wire_await(&w, last);
    char *date = strstr(w.got, "Date: ");
    assert_non_null(date);
    char *end = strstr(date, "\r\n") + 2;
    assert_int_equal(end - date, 37);
    memmove(date, end, w.n - (size_t)(end - w.got) + 1);
    w.n -= 37;
    assert_memory_equal(w.got, text, strlen(text));
    wire_take(&w, text);
}

/* ---- plain requests ------------------------------------------------------------------------- */

static void answers_and_keeps_the_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        wire_send(&w, "GET /echo?a=1 HTTP/1.1\r\nHost: h\r\n\r\n");
        expect_response("HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\necho GET|/echo|a=1|1|1|",
                        "|1|1|");
        assert_int_equal(w.n, 0);
    }
}

static void closes_when_asked(void **state)
{
    (void)state;
    wire_send(&w, "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    wire_await(&w, "|1|2|");
    assert_non_null(strstr(w.got, "\r\nConnection: close\r\n"));
    assert_true(wire_ends(&w));
}

static void speaks_1_0(void **state)
{
    (void)state;
    wire_send(&w, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    wire_await(&w, "|0|1|");
    assert_memory_equal(w.got, "HTTP/1.0 200 OK\r\n", 17);
    assert_non_null(strstr(w.got, "\r\nConnection: keep-alive\r\n"));
    wire_take(&w, "|0|1|");
    wire_send(&w, "GET /echo HTTP/1.0\r\n\r\n");
    wire_await(&w, "|0|0|");
    assert_non_null(strstr(w.got, "\r\nConnection: close\r\n"));
    assert_true(wire_ends(&w));
}

static void head_has_no_body(void **state)
{
    (void)state;
    wire_send(&w, "HEAD /get HTTP/1.1\r\nHost: h\r\n\r\nGET /get HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "get GET|/get||1|1|");
    assert_non_null(strstr(w.got, "Content-Length: 19\r\n\r\nHTTP/1.1 200"));
}

static void unknown_path(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        wire_send(&w, i ? "GET /get/ HTTP/1.1\r\nHost: h\r\n\r\n"
                        : "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n");
        expect_response("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "X-Content-Type-Options: nosniff\r\nContent-Length: 19\r\n\r\n"
                        "404 page not found\n",
                        "found\n");
    }
    /* with a body on its way the connection ends, but not before the answer */
    wire_send(&w, "POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc");
    wire_await(&w, "404 page not found\n");
    wire_send(&w, "more of the body");
    assert_true(wire_ends(&w));
}

static void wrong_method(void **state)
{
    (void)state;
    wire_send(&w, "DELETE /get HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example.com\r\n\r\n");
    expect_response("HTTP/1.1 405 Method Not Allowed\r\n"
                    "Access-Control-Allow-Origin: https://a.example.com\r\n"
                    "Access-Control-Allow-Credentials: true\r\nContent-Length: 0\r\n\r\n",
                    "\r\n\r\n");
    wire_send(&w, "OPTIONS /get HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.com\r\n\r\n");
    expect_response("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n");
}

static void health(void **state)
{
    (void)state;
    wire_send(&w, "PATCH /health HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_response("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                    "\r\n{}",
                    "{}");
}

/* ---- pieces --------------------------------------------------------------------------------- */

static const char chunked_post[] =
    "POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\none\r\n6\r\n,two,3\r\n0\r\nT: x\r\n\r\n";
static const char length_post[] =
    "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\none,two,3";

static void one_byte_at_a_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(length_post) - 1; i++)
        wire_send_n(&w, length_post + i, 1);
    for (size_t i = 0; i < sizeof(chunked_post) - 1; i++)
        wire_send_n(&w, chunked_post + i, 1);
    wire_await(&w, "post POST|/post||1|2|one,two,3");
    wire_take(&w, "one,two,3");
    wire_await(&w, "post POST|/post||1|2|one,two,3");
}

static void truncated_anywhere_is_survived(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } posts[] = {{chunked_post, sizeof(chunked_post) - 1}, {length_post, sizeof(length_post) - 1}};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        for (size_t n = 0; n < posts[k].n; n++) {
            wire_open(&w2, world.port);
            wire_send_n(&w2, posts[k].bytes, n);
            if (n % 2) {
                wire_reset(&w2);
                continue;
            }
            shutdown(w2.fd, SHUT_WR);
            (void)wire_ends(&w2);
            assert_int_equal(w2.n, 0); /* never an answer to half a request */
            wire_close(&w2);
        }
    }
    wire_close(&w);
    await_no_connections();
}

static void pipelined_ones_are_answered_in_order(void **state)
{
    char expected[32];

    (void)state;
    for (int i = 0; i < 50; i++) {
        char request[64];
        snprintf(request, sizeof(request), "GET /echo?%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
        wire_send(&w, request);
    }
    wire_send_n(&w, chunked_post, sizeof(chunked_post) - 1);
    shutdown(w.fd, SHUT_WR); /* the answers are wanted all the same */
    for (int i = 0; i < 50; i++) {
        snprintf(expected, sizeof(expected), "echo GET|/echo|%d|1|1|", i);
        wire_await(&w, expected);
        wire_take(&w, expected);
    }
    wire_await(&w, "post POST|/post||1|2|one,two,3");
    assert_true(wire_ends(&w));
}

static void half_closed_clients_get_their_answer(void **state)
{
    (void)state;
    wire_send(&w, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    shutdown(w.fd, SHUT_WR);
    wire_await(&w, "echo GET|/echo||1|1|");
    assert_true(wire_ends(&w));
}

static void expectation_is_answered(void **state)
{
    (void)state;
    wire_send(&w, "POST /post HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                  "Content-Length: 3\r\n\r\n");
    wire_await(&w, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(w.n, 25);
    wire_send(&w, "abc");
    wire_await(&w, "post POST|/post||1|3|abc");
    w.n = 0;
    w.got[0] = '\0';
    /* no invitation for what would be refused anyway */
    wire_send(&w, "POST /post HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                  "Content-Length: 1001\r\n\r\n");
    wire_await(&w, "HTTP/1.1 413 ");
    assert_int_equal(strncmp(w.got, "HTTP/1.1 413 ", 13), 0);
    assert_true(wire_ends(&w));
}

/* What was refused with all of its body there does not cost the connection. */
static void bodies_of_refused_requests_are_passed_over(void **state)
{
    (void)state;
    wire_send(&w, "POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nGET / HTTP"
                  "POST /get HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                  "OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
                  "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "echo GET|/echo||1|1|");
    wire_take(&w, "HTTP/1.1 404 Not Found\r\n");
    wire_take(&w, "HTTP/1.1 405 Method Not Allowed\r\n");
    wire_take(&w, "HTTP/1.1 200 OK\r\n");
    wire_take(&w, "HTTP/1.1 200 OK\r\n");
}

/* ---- limits --------------------------------------------------------------------------------- */

static void too_large(const char *request)
{
    wire_open(&w2, world.port);
    wire_send(&w2, request);
    assert_true(wire_ends(&w2));
    assert_memory_equal(w2.got, "HTTP/1.1 413 Content Too Large\r\n", 32);
    assert_non_null(strstr(w2.got, "Content-Length: 0\r\nConnection: close\r\n\r\n"));
    wire_close(&w2);
}

static void bodies_over_the_limit(void **state)
{
    static char big[4000];

    (void)state;
    too_large("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
    too_large("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000000000\r\n\r\nxx");
    too_large("POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\nx");
    snprintf(big, sizeof(big),
             "POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3e8\r\n%01000d\r\n1\r\nx\r\n0\r\n\r\n",
             0);
    too_large(big);
    /* exactly the limit passes */
    snprintf(big, sizeof(big),
             "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n%01000d", 7);
    wire_send(&w, big);
    wire_await(&w, "0007");
}

static void heads_over_the_limit(void **state)
{
    struct gush_h1_options small = {.limits = {.head_bytes = 200}};
    char filler[400];

    (void)state;
    with_limits(&small);
    for (int finished = 0; finished < 2; finished++) {
        wire_open(&w2, world.port);
        snprintf(filler, sizeof(filler), "GET /echo HTTP/1.1\r\nHost: h\r\nX: %0250d%s", 1,
                 finished ? "\r\n\r\n" : "");
        wire_send(&w2, filler);
        assert_true(wire_ends(&w2));
        assert_memory_equal(w2.got, "HTTP/1.1 431 ", 13);
        wire_close(&w2);
    }
    /* exactly 200 bytes pass */
    snprintf(filler, sizeof(filler), "GET /echo HTTP/1.1\r\nHost: h\r\nX: %0*d\r\n\r\n", 200 - 36,
             1);
    assert_int_equal(strlen(filler), 200);
    wire_send(&w, filler);
    wire_await(&w, "echo GET|/echo||1|2|");
}

static void malformed_requests_end_the_connection(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\n", "\x16\x03\x01\x02", "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wire_open(&w2, world.port);
        wire_send(&w2, bad[i]);
        if (i == 1)
            wire_send_n(&w2, "\0\0\0", 3);
        assert_true(wire_ends(&w2));
        assert_memory_equal(w2.got, "HTTP/1.1 400 Bad Request\r\n", 26);
        wire_close(&w2);
    }
}

static void slow_heads_bodies_and_idlers_time_out(void **state)
{
    struct gush_h1_options hasty = {.limits = {.head_ms = 60, .body_ms = 60, .idle_ms = 60}};

    (void)state;
    with_limits(&hasty);
    assert_true(wire_ends(&w)); /* never said anything */
    assert_int_equal(w.n, 0);
    wire_open(&w2, world.port);
    wire_send(&w2, "GET /echo HT");
    assert_true(wire_ends(&w2));
    assert_memory_equal(w2.got, "HTTP/1.1 408 Request Timeout\r\n", 30);
    wire_close(&w2);
    wire_open(&w2, world.port);
    wire_send(&w2, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
    assert_true(wire_ends(&w2));
    assert_memory_equal(w2.got, "HTTP/1.1 408 Request Timeout\r\n", 30);
    wire_close(&w2);
    wire_open(&w2, world.port);
    wire_send(&w2, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(wire_ends(&w2)); /* idle after an answer */
    assert_non_null(strstr(w2.got, "echo GET|/echo||1|1|"));
    wire_close(&w2);
}

/* ---- large answers -------------------------------------------------------------------------- */

static void read_big(void)
{
    size_t got = 0;

    wire_await(&w, "\r\n\r\n");
    wire_take(&w, "\r\n\r\n");
    while (got < BIG_BYTES) {
        if (w.n == 0)
            assert_true(wire_more(&w) > 0);
        size_t n = w.n < BIG_BYTES - got ? w.n : BIG_BYTES - got;
        if (memcmp(w.got, world.big + got, n) != 0)
            fail_msg("other bytes somewhere from %zu to %zu", got, got + n);
        got += n;
        w.n -= n;
        memmove(w.got, w.got + n, w.n + 1);
    }
}

static void packed_for_those_who_accept_it(void **state)
{
    (void)state;
    wire_send(&w, "GET /table HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "Content-Length: 5002\r\n");
    wire_await(&w, "rowrow.");
    assert_non_null(strstr(w.got, "Vary: Accept-Encoding\r\n"));
    assert_null(strstr(w.got, "Content-Encoding"));
    w.n = 0;
    w.got[0] = '\0';
    wire_send(&w, "HEAD /table HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n"
                  "GET /echo HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    wire_await(&w, "echo GET|/echo||1|2|");
    assert_non_null(strstr(w.got, "Content-Encoding: gzip\r\n"));
    assert_null(strstr(w.got, "Content-Length: 5002\r\n"));
    wire_take(&w, "Content-Encoding");
    assert_null(strstr(w.got, "Content-Encoding")); /* short ones are not packed */
    assert_null(strstr(w.got, "row"));
}

static void large_answers_arrive_whole(void **state)
{
    (void)state;
    wire_send(&w, "GET /big HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    read_big();
    wire_await(&w, "echo GET|/echo||1|1|");
}

static void who_takes_no_answer_is_cut_off(void **state)
{
    struct gush_h1_options hasty = {.limits = {.response_ms = 60}};

    (void)state;
    with_limits(&hasty);
    wire_send(&w, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    await_no_connections();
}

/* ---- streams -------------------------------------------------------------------------------- */

static void do_send(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    world.send_err = gush_exchange_send(world.stream);
}

static void do_end(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_exchange_end(world.stream);
}

static void do_abort(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_exchange_abort(world.stream);
}

static void do_respond(struct gush_loop *loop, void *arg)
{
    struct gush_http_response r = {.status = 204};
    (void)loop;
    (void)arg;
    gush_exchange_respond(world.stream, &r);
}

static void do_drain(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_h1_drain(world.h1);
}

static void streams_in_chunks_and_goes_on(void **state)
{
    (void)state;
    wire_send(&w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    assert_int_equal(gush_exchange_framing(world.stream), GUSH_EXCHANGE_CHUNKED);
    expect_response("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nConnection: keep-alive\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
                    "first\r\n");
    to_send[0] = GUSH_SPAN_LIT("3\r\none\r\n");
    to_send[1] = GUSH_SPAN_LIT("3\r\ntwo\r\n");
    to_send_n = 2;
    on_loop(do_send);
    assert_int_equal(world.send_err, GUSH_OK);
    wire_await(&w, "3\r\none\r\n3\r\ntwo\r\n");
    on_loop(do_end);
    wire_await(&w, "0\r\n\r\n");
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 1);
    wire_send(&w, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "echo GET|/echo||1|1|");
}

static void streams_to_a_head_are_mute(void **state)
{
    (void)state;
    wire_send(&w, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    wire_await(&w, "Transfer-Encoding: chunked\r\n\r\n");
    to_send[0] = GUSH_SPAN_LIT("3\r\none\r\n");
    to_send_n = 1;
    on_loop(do_send);
    assert_int_equal(world.send_err, GUSH_OK);
    on_loop(do_end);
    wire_await(&w, "chunked\r\n\r\nHTTP/1.1 200 OK\r\n");
    wire_await(&w, "echo GET|/echo||1|1|");
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

static void streams_raw_in_1_0_until_the_end(void **state)
{
    (void)state;
    wire_send(&w, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    await_event();
    assert_int_equal(gush_exchange_framing(world.stream), GUSH_EXCHANGE_RAW);
    wire_await(&w, "Connection: close\r\n\r\nfirst");
    assert_null(strstr(w.got, "chunked"));
    to_send[0] = GUSH_SPAN_LIT("raw");
    to_send_n = 1;
    on_loop(do_send);
    wire_await(&w, "firstraw");
    on_loop(do_end);
    assert_true(wire_ends(&w));
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

static void stream_end_is_noticed_however_it_comes(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        wire_open(&w2, world.port);
        wire_send(&w2, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
        await_event();
        wire_await(&w2, "first\r\n");
        if (how == 0) {
            wire_close(&w2);
        } else if (how == 1) {
            wire_reset(&w2);
        } else if (how == 2) {
            shutdown(w2.fd, SHUT_WR);
        } else { /* with the next request before it, which nobody read yet */
            wire_send(&w2, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
            wire_send(&w2, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
            shutdown(w2.fd, SHUT_WR);
        }
        await_event();
        assert_int_equal(atomic_load(&world.closed_n), how + 1);
        if (how >= 2)
            wire_close(&w2);
    }
}

/* What a client sends into a stream waits outside, it is not collected here. */
static void chatter_into_a_stream_is_bounded(void **state)
{
    static char noise[1 << 16];
    size_t sent = 0;
    ssize_t k;

    (void)state;
    memset(noise, 'x', sizeof(noise));
    wire_send(&w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    struct timeval short_patience = {0, 300000};
    setsockopt(w.fd, SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof(short_patience));
    while (sent < 64u << 20 && (k = send(w.fd, noise, sizeof(noise), MSG_NOSIGNAL)) > 0)
        sent += (size_t)k;
    assert_true(sent < 64u << 20); /* the kernel stopped taking, since we stopped reading */
    to_send[0] = GUSH_SPAN_LIT("3\r\none\r\n");
    to_send_n = 1;
    on_loop(do_send);
    wire_await(&w, "3\r\none\r\n"); /* and the stream does not mind */
    wire_reset(&w);
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

/* Reads |w| to its end and counts. */
static void *read_all(void *arg)
{
    size_t *total = arg;

    *total = w.n;
    w.n = 0;
    for (ssize_t k; (k = wire_more(&w)) > 0; w.n = 0)
        *total += (size_t)k;
    return NULL;
}

static void full_sockets_say_again_then_sent(void **state)
{
    size_t got = 0;
    pthread_t reader;

    (void)state;
    wire_send(&w, "GET /stream HTTP/1.0\r\n\r\n");
    await_event();
    wire_await(&w, "first");
    wire_take(&w, "first");
    assert_int_equal(pthread_create(&reader, NULL, read_all, &got), 0);
    to_send[0] = gush_span_of(world.big, 1000);
    to_send[1] = gush_span_of(world.big + 1000, 1);
    to_send[2] = gush_span_of(world.big + 1001, BIG_BYTES - 1001);
    to_send_n = 3;
    on_loop(do_send);
    assert_int_equal(world.send_err, GUSH_EAGAIN);
    await_event();
    assert_int_equal(atomic_load(&world.sent_n), 1);
    on_loop(do_end);
    pthread_join(reader, NULL);
    assert_int_equal(got, BIG_BYTES);
}

static void abort_resets(void **state)
{
    (void)state;
    wire_send(&w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    wire_await(&w, "first\r\n");
    on_loop(do_abort);
    assert_false(wire_ends(&w));
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

static void pipelined_behind_a_stream(void **state)
{
    (void)state;
    wire_send(&w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    wire_await(&w, "first\r\n");
    on_loop(do_end);
    wire_await(&w, "0\r\n\r\nHTTP/1.1 200 OK\r\n");
    wire_await(&w, "echo GET|/echo||1|1|");
}

static void answers_later(void **state)
{
    (void)state;
    wire_send(&w, "POST /later HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    assert_int_equal(w.n, 0);
    on_loop(do_respond);
    wire_await(&w, "HTTP/1.1 204 No Content\r\n");
    wire_await(&w, "echo GET|/echo||1|1|");
    assert_true(strstr(w.got, "Content-Length") > strstr(w.got, "200 OK")); /* none in a 204 */
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

static void gone_before_the_answer(void **state)
{
    (void)state;
    wire_send(&w, "POST /later HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    wire_reset(&w);
    await_event();
    assert_int_equal(atomic_load(&world.closed_n), 1);
}

static void draining_closes_after_the_answer(void **state)
{
    (void)state;
    wire_send(&w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    on_loop(do_drain);
    on_loop(do_end);
    wire_await(&w, "0\r\n\r\n");
    assert_true(wire_ends(&w));
}

static void draining_closes_idle_connections_at_once(void **state)
{
    (void)state;
    wire_send(&w, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    wire_await(&w, "echo GET|/echo||1|1|");
    wire_open(&w2, world.port);
    wire_send(&w2, "POST /post HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                   "Content-Length: 3\r\n\r\n");
    wire_await(&w2, "HTTP/1.1 100 Continue\r\n\r\n");
    on_loop(do_drain);
    assert_true(wire_ends(&w));
    wire_send(&w2, "abc"); /* who has begun is heard out */
    wire_await(&w2, "post POST|/post||1|3|abc");
    assert_non_null(strstr(w2.got, "\r\nConnection: close\r\n"));
    assert_true(wire_ends(&w2));
    wire_close(&w2);
}

static void stopping_tells_every_stream(void **state)
{
    (void)state;
    wire_send(&w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    await_event();
    wire_open(&w2, world.port);
    wire_send(&w2, "GET /stre");
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    assert_int_equal(atomic_load(&world.closed_n), 1);
    assert_int_equal(gush_h1_connections(world.h1), 0);
    (void)wire_ends(&w);
    (void)wire_ends(&w2);
    wire_close(&w2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_and_keeps_the_connection),
        TEST(closes_when_asked),
        TEST(speaks_1_0),
        TEST(head_has_no_body),
        TEST(unknown_path),
        TEST(wrong_method),
        TEST(health),
        TEST(one_byte_at_a_time),
        TEST(truncated_anywhere_is_survived),
        TEST(pipelined_ones_are_answered_in_order),
        TEST(half_closed_clients_get_their_answer),
        TEST(expectation_is_answered),
        TEST(bodies_of_refused_requests_are_passed_over),
        TEST(bodies_over_the_limit),
        TEST(heads_over_the_limit),
        TEST(malformed_requests_end_the_connection),
        TEST(slow_heads_bodies_and_idlers_time_out),
        TEST(packed_for_those_who_accept_it),
        TEST(large_answers_arrive_whole),
        TEST(who_takes_no_answer_is_cut_off),
        TEST(streams_in_chunks_and_goes_on),
        TEST(streams_to_a_head_are_mute),
        TEST(streams_raw_in_1_0_until_the_end),
        TEST(stream_end_is_noticed_however_it_comes),
        TEST(chatter_into_a_stream_is_bounded),
        TEST(full_sockets_say_again_then_sent),
        TEST(abort_resets),
        TEST(pipelined_behind_a_stream),
        TEST(answers_later),
        TEST(gone_before_the_answer),
        TEST(draining_closes_after_the_answer),
        TEST(draining_closes_idle_connections_at_once),
        TEST(stopping_tells_every_stream),
    };
    return UNIT_RUN(tests, group_setup, group_teardown);
}
