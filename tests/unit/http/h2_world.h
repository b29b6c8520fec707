/* h2_world: a front with HTTP/2 in clear text on a real loop, its handlers, and a client. */
#ifndef GUSH_TESTS_UNIT_HTTP_H2_WORLD_H
#define GUSH_TESTS_UNIT_HTTP_H2_WORLD_H

#include <semaphore.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

#include "server/net/conn.h"
#include "server/net/listener.h"
#include "server/net/tcp.h"

#include "server/http/front.h"
#include "server/http/h2.h"

#include "tests/unit/http/h2_peer.h"

#define BODY_LIMIT 1000
#define BIG_BYTES  (24u << 20) /* more than loopback takes without a reader */

static struct {
    struct gush_router *router;
    struct gush_cors *cors;
    struct gush_loop *loop;
    struct gush_front *front;
    int fd;
    uint16_t port;
    bool plain, proxy; /* how start_world opens its door */
    char *big;
    /* of /stream, /later and /upload; the loop's, read by the test behind |event| */
    struct gush_exchange *stream;
    atomic_int closed_n, sent_n, ended_n;
    atomic_size_t took_n;
    gush_err send_err;
    sem_t event, ran; /* something happened; on_loop's function has returned */
} world;

static struct peer p;

/* ---- handlers ------------------------------------------------------------------------------- */

static struct gush_span to_send[GUSH_EXCHANGE_PIECES_MAX];
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
    struct gush_exchange **stream = (struct gush_exchange **)user;
    *stream = NULL;
    atomic_fetch_add(&world.closed_n, 1);
    sem_post(&world.event);
}

static void on_upload_body(void *user, struct gush_span bytes)
{
    (void)user;
    atomic_fetch_add(&world.took_n, bytes.n);
}

static void on_upload_end(void *user)
{
    (void)user;
    atomic_fetch_add(&world.ended_n, 1);
    sem_post(&world.event);
}

static const struct gush_exchange_events stream_events = {.pieces = stream_pieces,
                                                          .on_sent = on_stream_sent,
                                                          .on_body = on_upload_body,
                                                          .on_body_end = on_upload_end,
                                                          .on_closed = on_stream_closed};

/* Says back what it was asked. */
static void handle_echo(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                        struct gush_span body)
{
    struct gush_buf b;

    (void)arg;
    gush_buf_init(&b, 65536);
    gush_buf_put_span(&b, request->method);
    gush_buf_put_u8(&b, '|');
    gush_buf_put_span(&b, request->path);
    gush_buf_put_u8(&b, '|');
    gush_buf_put_span(&b, request->query);
    gush_buf_printf(&b, "|%d|", (int)request->version);
    for (size_t i = 0; i < request->fields_n; i++) {
        gush_buf_put_span(&b, request->fields[i].name);
        gush_buf_put_u8(&b, '=');
        gush_buf_put_span(&b, request->fields[i].value);
        gush_buf_put_u8(&b, '|');
    }
    gush_buf_put_span(&b, body);
    struct gush_http_field type = {GUSH_SPAN_LIT("Content-Type"), GUSH_SPAN_LIT("text/plain")};
    struct gush_http_response r = {
        .status = 200, .fields = &type, .fields_n = 1, .body = gush_buf_span(&b)};
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

static void handle_bare(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                        struct gush_span body)
{
    (void)arg;
    (void)request;
    (void)body;
    gush_exchange_respond(s, &(struct gush_http_response){.status = 204});
}

/* Says how long the body is. */
static void handle_large(void *arg, struct gush_exchange *s,
                         const struct gush_http_request *request, struct gush_span body)
{
    struct gush_buf b;
    (void)arg;
    (void)request;
    gush_buf_init(&b, 100);
    gush_buf_put_u64(&b, body.n);
    gush_exchange_respond(s,
                          &(struct gush_http_response){.status = 200, .body = gush_buf_span(&b)});
    gush_buf_fini(&b);
}

/* A head that takes several frames. */
static void handle_long_head(void *arg, struct gush_exchange *s,
                             const struct gush_http_request *request, struct gush_span body)
{
    struct gush_http_field field = {
        GUSH_SPAN_LIT("x-long"),
        gush_span_of(world.big + request->query.n, request->query.n ? 40000 : 100000)};
    struct gush_http_response r = {.status = 200, .fields = &field, .fields_n = 1};
    (void)arg;
    (void)body;
    gush_exchange_respond(s, &r);
}

static void handle_packed(void *arg, struct gush_exchange *s,
                          const struct gush_http_request *request, struct gush_span body)
{
    (void)arg;
    (void)request;
    (void)body;
    gush_exchange_respond(s, &(struct gush_http_response){.status = 200,
                                                          .body = gush_span_of(world.big, 5000),
                                                          .compress = true});
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
    gush_exchange_watch(s, &stream_events, &world.stream);
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
    gush_exchange_watch(s, &stream_events, &world.stream);
    world.stream = s;
    sem_post(&world.event);
}

/* ---- the world ------------------------------------------------------------------------------ */

static void await(sem_t *sem)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(sem, &until), 0);
}

static inline void await_event(void)
{
    await(&world.event);
}

static void run_and_tell(struct gush_loop *loop, void *arg)
{
    gush_loop_fn *fn;
    memcpy(&fn, &arg, sizeof(fn));
    fn(loop, NULL);
    sem_post(&world.ran);
}

/* Runs |fn| on the loop and waits for it. */
static void on_loop(gush_loop_fn *fn)
{
    void *arg;
    memcpy(&arg, &fn, sizeof(arg));
    assert_true(gush_loop_post(world.loop, run_and_tell, arg));
    await(&world.ran);
}

static size_t connections;

static void count_connections(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    connections = gush_front_connections(world.front);
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
    assert_int_equal(gush_listener_open(loop, world.fd, gush_front_accept, world.front, &l),
                     GUSH_OK);
}

static void add(const char *path, unsigned methods, gush_exchange_handler *handle, bool streaming)
{
    struct gush_route route = {.path = path,
                               .methods = methods,
                               .body_limit = handle == handle_large ? 1 << 20 : BODY_LIMIT,
                               .handle = handle,
                               .streaming = streaming,
                               .cors = world.cors};
    assert_int_equal(gush_router_add(world.router, &route), GUSH_OK);
}

static void start_world(const struct gush_http_limits *limits)
{
    struct gush_loop_options loop_options = {.workers_n = 1, .seed = 1, .name = "h2"};
    struct gush_front_options options = {.router = world.router,
                                         .wall_ms = gush_clock_wall_ms,
                                         .limits = *limits,
                                         .proxy = world.proxy,
                                         .h2c = !world.plain};
    char message[200];

    assert_int_equal(gush_loop_new(&loop_options, &world.loop), GUSH_OK);
    world.front = gush_front_new(world.loop, &options);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, start_listener, NULL), GUSH_OK);
}

static void stop_world(void)
{
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    gush_front_free(world.front);
    gush_loop_free(world.loop);
}

static int group_setup(void **state)
{
    static char origin[] = "https://*.example.com", *origins[] = {origin};
    size_t bad;

    (void)state;
    sem_init(&world.event, 0, 0);
    sem_init(&world.ran, 0, 0);
    world.big = malloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        world.big[i] = (char)('a' + i % 26);
    world.router = gush_router_new();
    assert_int_equal(gush_cors_new(origins, 1, &world.cors, &bad), GUSH_OK);
    add("/echo", GUSH_ROUTER_GET | GUSH_ROUTER_HEAD | GUSH_ROUTER_POST, handle_echo, false);
    add("/big", GUSH_ROUTER_ANY, handle_big, false);
    add("/bare", GUSH_ROUTER_ANY, handle_bare, false);
    add("/large", GUSH_ROUTER_ANY, handle_large, false);
    add("/long_head", GUSH_ROUTER_ANY, handle_long_head, false);
    add("/packed", GUSH_ROUTER_ANY, handle_packed, false);
    add("/stream", GUSH_ROUTER_ANY, handle_stream, false);
    add("/later", GUSH_ROUTER_ANY, handle_later, false);
    add("/upload", GUSH_ROUTER_ANY, handle_later, true);
    add("/health", GUSH_ROUTER_ANY, gush_router_health, false);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    gush_router_free(world.router);
    gush_cors_free(world.cors);
    free(world.big);
    sem_destroy(&world.event);
    sem_destroy(&world.ran);
    return 0;
}

static int setup(void **state)
{
    static const struct gush_http_limits none;
    (void)state;
    world.stream = NULL;
    atomic_store(&world.closed_n, 0);
    atomic_store(&world.sent_n, 0);
    atomic_store(&world.ended_n, 0);
    atomic_store(&world.took_n, 0);
    while (sem_trywait(&world.event) == 0)
        continue;
    start_world(&none);
    peer_open(&p, world.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (p.ng)
        peer_close(&p);
    await_no_connections();
    stop_world();
    return 0;
}

static inline void with_limits(const struct gush_http_limits *limits)
{
    peer_close(&p);
    await_no_connections();
    stop_world();
    start_world(limits);
    peer_open(&p, world.port);
}

static inline void expect_status(const struct peer_stream *s, const char *status)
{
    assert_true(s->closed);
    assert_int_equal(s->code, NGHTTP2_NO_ERROR);
    assert_string_equal(s->status, status);
}

#endif
