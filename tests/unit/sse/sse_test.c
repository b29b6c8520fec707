/* uni_sse on a real loop with a real engine, as a client sees it: bytes. */
#include <semaphore.h>
#include <time.h>

#include "server/base/assert.h"
#include "server/base/clock.h"

#include "server/config/config.h"
#include "server/net/listener.h"
#include "server/net/tcp.h"

#include "server/http/h1.h"

#include "tests/unit/net/wire.h"
#include "transports/sse/sse.h"

#define PATH      "/connection/uni_sse"
#define GET(q)    "GET " PATH q " HTTP/1.1\r\nHost: h\r\n\r\n"
#define SUBS(ch)  "?cf_connect=%7B%22subs%22:%7B%22" ch "%22:%7B%7D%7D%7D"
#define BIG_BYTES (1u << 20)

static struct {
    struct gush_config *config;
    struct gush_token_verifier *verifier;
    struct gush_loop *loop;
    struct gush_lane *lanes[1];
    struct gush_node *node;
    struct gush_cors *cors;
    struct gush_router *router;
    struct gush_sse *sse;
    struct gush_h1 *h1;
    uint16_t port;
    int fd;
    sem_t event;
} world;

static struct wire w, w2;

/* ---- the world ------------------------------------------------------------------------------ */

static int64_t wall_ms(void *host)
{
    (void)host;
    return gush_clock_wall_ms();
}

static uint64_t mono_ms(void *host)
{
    (void)host;
    return gush_clock_mono_us() / 1000;
}

static void random_bytes(void *host, void *out, size_t n)
{
    (void)host;
    gush_clock_random(out, n);
}

static const struct gush_host host = {wall_ms, mono_ms, random_bytes, NULL};

static void set_up_loop(struct gush_loop *loop, void *arg)
{
    struct gush_listener *listener;

    (void)arg;
    gush_node_lane_start(world.node, gush_loop_lane(loop));
    assert_int_equal(gush_listener_open(loop, world.fd, gush_h1_accept, world.h1, &listener),
                     GUSH_OK);
}

static void load_config(char **variables)
{
    struct gush_config_sources sources = {.environ = variables};
    char message[400] = "";
    const char *why = "";

    if (gush_config_load(&sources, NULL, NULL, &world.config, message, sizeof(message)) != GUSH_OK)
        fail_msg("%s", message);
    assert_int_equal(
        gush_token_verifier_new(&world.config->client.token, false, &world.verifier, &why),
        GUSH_OK);
}

static void start(char **variables)
{
    struct gush_loop_options loop_options = {.workers_n = 1, .seed = 1, .name = "sse"};
    struct gush_h1_options h1_options = {.wall_ms = gush_clock_wall_ms};
    char message[200];
    size_t bad;

    load_config(variables);
    assert_int_equal(gush_loop_new(&loop_options, &world.loop), GUSH_OK);
    world.lanes[0] = gush_loop_lane(world.loop);
    struct gush_node_options node_options = {.config = world.config,
                                             .verifier = world.verifier,
                                             .host = &host,
                                             .lanes = world.lanes,
                                             .lanes_n = 1,
                                             .version = "1.2.3"};
    world.node = gush_node_new(&node_options);
    assert_int_equal(gush_cors_new(world.config->client.allowed_origins.items,
                                   world.config->client.allowed_origins.n, &world.cors, &bad),
                     GUSH_OK);
    world.router = gush_router_new();
    world.sse = gush_sse_new(world.node, world.cors);
    assert_int_equal(gush_sse_route(world.sse, world.router), GUSH_OK);
    assert_int_equal(gush_sse_route(world.sse, world.router), GUSH_EBUSY);
    h1_options.router = world.router;
    world.h1 = gush_h1_new(world.loop, &h1_options);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, set_up_loop, NULL), GUSH_OK);
}

static void stop(void)
{
    struct gush_live live;

    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    gush_node_live(world.node, &live);
    assert_int_equal(live.clients, 0);
    assert_int_equal(live.subscriptions, 0);
    gush_h1_free(world.h1);
    gush_sse_free(world.sse);
    gush_router_free(world.router);
    gush_cors_free(world.cors);
    gush_node_free(world.node);
    gush_loop_free(world.loop);
    gush_token_verifier_free(world.verifier);
    gush_config_free(world.config);
}

static char anonymous[] = "GUSH_CLIENT_ALLOW_ANONYMOUS_CONNECT_WITHOUT_TOKEN=true",
            subscribe[] = "GUSH_CHANNEL_WITHOUT_NAMESPACE_ALLOW_SUBSCRIBE_FOR_CLIENT=true",
            subscribe2[] = "GUSH_CHANNEL_WITHOUT_NAMESPACE_ALLOW_SUBSCRIBE_FOR_ANONYMOUS=true",
            origins[] = "GUSH_CLIENT_ALLOWED_ORIGINS=https://*.example.com",
            body_limit[] = "GUSH_UNI_SSE_MAX_REQUEST_BODY_SIZE=1000",
            queue_size[] = "GUSH_CLIENT_QUEUE_MAX_SIZE=4194304",
            two_clients[] = "GUSH_CLIENT_CONNECTION_LIMIT=2";

static int setup(void **state)
{
    char *variables[] = {anonymous, subscribe, subscribe2, origins, body_limit, queue_size, NULL};
    (void)state;
    sem_init(&world.event, 0, 0);
    start(variables);
    wire_open(&w, world.port);
    return 0;
}

static int setup_limited(void **state)
{
    char *variables[] = {anonymous, origins, two_clients, NULL};
    (void)state;
    sem_init(&world.event, 0, 0);
    start(variables);
    wire_open(&w, world.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.fd >= 0)
        wire_close(&w);
    stop();
    sem_destroy(&world.event);
    return 0;
}

static void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

static void tell(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    sem_post(&world.event);
}

static void await_clients(uint64_t n)
{
    struct gush_live live;
    do { /* each look is a round trip through the loop */
        assert_true(gush_loop_post(world.loop, tell, NULL));
        await_event();
        gush_node_live(world.node, &live);
    } while (live.clients != n);
}

static void on_published(struct gush_api_call *call)
{
    (void)call;
    sem_post(&world.event);
}

static void on_dropped(struct gush_api_call *call)
{
    (void)call;
    abort();
}

static void publish(const char *channel, const void *data, size_t n)
{
    struct gush_publish_call call = {
        .call = {.home = world.lanes[0], .done = on_published, .dropped = on_dropped},
        .channel = gush_span_str(channel),
        .data = gush_span_of(data, n)};
    gush_publish(world.node, &call);
    await_event();
    assert_int_equal(call.call.error, 0);
}

static void send_once(const char *request)
{
    wire_open(&w2, world.port);
    wire_send(&w2, request);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void refused_with(const char *request, const char *status)
{
    send_once(request);
    wire_await(&w2, "\r\n\r\n");
    if (strncmp(w2.got, status, strlen(status)) != 0)
        fail_msg("%s\nanswered by %s", request, w2.got);
    assert_non_null(strstr(w2.got, "Content-Length: 0\r\n"));
    assert_int_equal(strlen(strstr(w2.got, "\r\n\r\n")), 4);
    wire_close(&w2);
}

#define POST(n, body) "POST " PATH " HTTP/1.1\r\nHost: h\r\nContent-Length: " n "\r\n\r\n" body

static void bad_requests(void **state)
{
    (void)state;
    refused_with(GET("?cf_connect=%"), "HTTP/1.1 400 ");
    refused_with(GET("?cf_connect=x"), "HTTP/1.1 400 ");
    refused_with(GET("?cf_connect=%7B"), "HTTP/1.1 400 ");
    refused_with(GET("?cf_connect=[]"), "HTTP/1.1 400 ");
    refused_with(GET("?cf_connect=%7B%22token%22:5%7D"), "HTTP/1.1 400 ");
    refused_with(POST("0", ""), "HTTP/1.1 400 ");
    refused_with(POST("1", "{"), "HTTP/1.1 400 ");
    refused_with(POST("1001", ""), "HTTP/1.1 413 ");
    refused_with("PUT " PATH " HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ");
    refused_with("HEAD " PATH " HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ");
    refused_with("OPTIONS " PATH " HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example.com\r\n\r\n",
                 "HTTP/1.1 405 Method Not Allowed\r\n"
                 "Access-Control-Allow-Origin: https://a.example.com\r\n");
    await_clients(0);
}

static void head_and_first_bytes(void **state)
{
    (void)state;
    wire_send(&w, GET(""));
    wire_await(&w, "}\n\n\r\n");
    char *date = strstr(w.got, "Date: ");
    assert_non_null(date);
    memmove(date, date + 37, strlen(date + 37) + 1);
    const char *head = "HTTP/1.1 200 OK\r\n"
                       "Content-Type: text/event-stream; charset=utf-8\r\n"
                       "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\n"
                       "Pragma: no-cache\r\nExpire: 0\r\nX-Accel-Buffering: no\r\n"
                       "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "2\r\n\r\n\r\n";
    assert_memory_equal(w.got, head, strlen(head));
    /* one chunk, one event */
    char *event = NULL;
    unsigned long size = strtoul(w.got + strlen(head), &event, 16);
    assert_memory_equal(event, "\r\n", 2);
    event += 2;
    assert_int_equal(strlen(event), size + 2);
    assert_memory_equal(event, "data: {\"connect\":{\"client\":\"", 28);
    assert_non_null(strstr(event, "\"version\":\"1.2.3\""));
    assert_non_null(strstr(event, "\"session\":\""));
}

static void origins_are_told(void **state)
{
    (void)state;
    wire_send(&w, "GET " PATH " HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example.com\r\n"
                  "Access-Control-Request-Headers: x-y\r\n\r\n");
    wire_await(&w, "connect");
    assert_non_null(strstr(w.got, "Access-Control-Allow-Origin: https://a.example.com\r\n"
                                  "Access-Control-Allow-Credentials: true\r\n"
                                  "Access-Control-Allow-Headers: x-y\r\n"));
    send_once("GET " PATH " HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.com\r\n\r\n");
    wire_await(&w2, "connect"); /* served; the browser will not show it */
    assert_null(strstr(w2.got, "Access-Control"));
    wire_close(&w2);
}

static const char event_1[] = "data: {\"channel\":\"c\",\"pub\":{\"data\":{\"n\":1}}}\n\n";

static void publications_are_whole_chunks(void **state)
{
    char expected[128];

    (void)state;
    wire_send(&w, GET(SUBS("c")));
    wire_await(&w, "}\n\n\r\n");
    w.n = 0;
    w.got[0] = '\0';
    publish("c", "{\"n\":1}", 7);
    snprintf(expected, sizeof(expected), "%zx\r\n%s\r\n", sizeof(event_1) - 1, event_1);
    wire_await_n(&w, strlen(expected));
    assert_string_equal(w.got, expected);
}

static void posted_and_null_requests(void **state)
{
    (void)state;
    wire_send(&w, POST("25", "{\"subs\":{\"c\":{}},\"x\":[1]}"));
    wire_await(&w, "\"subs\":{\"c\":{}}");
    send_once(POST("4", "null"));
    wire_await(&w2, "\"connect\"");
    wire_close(&w2);
    send_once(GET("?cf_connect=&x"));
    wire_await(&w2, "\"connect\"");
    wire_close(&w2);
}

static void raw_in_1_0(void **state)
{
    (void)state;
    wire_send(&w, "GET " PATH SUBS("c") " HTTP/1.0\r\n\r\n");
    wire_await(&w, "}\n\n");
    assert_null(strstr(w.got, "chunked"));
    assert_non_null(strstr(w.got, "\r\n\r\n\r\ndata: {\"connect\""));
    wire_take(&w, "}\n\n");
    publish("c", "{\"n\":1}", 7);
    wire_await_n(&w, sizeof(event_1) - 1);
    assert_string_equal(w.got, event_1);
    gush_node_disconnect_all(world.node, 3001);
    wire_await(&w, "data: {\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}\n\n");
    assert_true(wire_ends(&w));
}

static void failed_connects_end_the_stream_properly(void **state)
{
    (void)state;
    wire_send(&w, GET("?cf_connect=%7B%22token%22:%22bad%22%7D"));
    wire_await(&w, "0\r\n\r\n");
    assert_int_equal(strncmp(w.got, "HTTP/1.1 200 ", 13), 0);
    assert_non_null(strstr(w.got, "data: {\"disconnect\":{\"code\":3500,"
                                  "\"reason\":\"invalid token\"}}\n\n\r\n0\r\n\r\n"));
    await_clients(0);
    wire_take(&w, "0\r\n\r\n"); /* the connection serves the next one */
    wire_send(&w, GET(""));
    wire_await(&w, "\"connect\"");
}

static void shutdown_says_so(void **state)
{
    (void)state;
    wire_send(&w, GET(""));
    wire_await(&w, "\"connect\"");
    gush_node_disconnect_all(world.node, 3001);
    wire_await(&w, "data: {\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}\n\n\r\n"
                   "0\r\n\r\n");
    await_clients(0);
}

static void closing_3000_is_silent(void **state)
{
    (void)state;
    wire_send(&w, GET(""));
    wire_await(&w, "}\n\n\r\n");
    gush_node_disconnect_all(world.node, 3000);
    wire_await(&w, "}\n\n\r\n0\r\n\r\n");
    assert_null(strstr(w.got, "disconnect"));
    await_clients(0);
}

static void vanished_ones_are_let_go(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        send_once(GET(SUBS("c")));
        if (i % 4 > 0)
            wire_await(&w2, i % 4 == 1 ? "200" : "connect");
        if (i % 2)
            wire_reset(&w2);
        else
            wire_close(&w2);
    }
    await_clients(0);
}

/* Frames larger than what a socket takes: written in parts, in order, nothing twice. */
static void partial_writes_are_continued(void **state)
{
    static const char before[] = "data: {\"channel\":\"c\",\"pub\":{\"data\":";
    char *big = malloc(BIG_BYTES), *expected = malloc(BIG_BYTES + 100);
    struct wire *r = malloc(sizeof(*r));

    (void)state;
    wire_open(r, world.port);
    wire_send(r, GET(SUBS("c")));
    wire_await(r, "}\n\n\r\n");
    wire_take(r, "}\n\n\r\n");
    for (int i = 0; i < 3; i++) {
        big[0] = '"';
        for (size_t k = 1; k < BIG_BYTES - 1; k++)
            big[k] = (char)('a' + (k * 31 + (size_t)i) % 26);
        big[BIG_BYTES - 1] = '"';
        publish("c", big, BIG_BYTES);
    }
    for (int i = 0; i < 3; i++) {
        for (size_t k = 1; k < BIG_BYTES - 1; k++)
            big[k] = (char)('a' + (k * 31 + (size_t)i) % 26);
        size_t event_n = strlen(before) + BIG_BYTES + strlen("}}\n\n");
        int n = snprintf(expected, 100, "%zx\r\n%s", event_n, before);
        memcpy(expected + n, big, BIG_BYTES);
        memcpy(expected + (size_t)n + BIG_BYTES, "}}\n\n\r\n", 6);
        size_t total = (size_t)n + BIG_BYTES + 6, got = 0;
        while (got < total) {
            if (r->n == 0)
                assert_true(wire_more(r) > 0);
            size_t part = r->n < total - got ? r->n : total - got;
            if (memcmp(r->got, expected + got, part) != 0)
                fail_msg("publication %d differs between %zu and %zu", i, got, got + part);
            got += part;
            r->n -= part;
            memmove(r->got, r->got + part, r->n + 1);
        }
    }
    assert_int_equal(r->n, 0);
    wire_close(r);
    free(r);
    free(big);
    free(expected);
}

static void who_stops_reading_is_reset(void **state)
{
    char *big = malloc(BIG_BYTES);
    struct gush_live live;

    (void)state;
    memset(big, '1', BIG_BYTES);
    wire_send(&w, GET(SUBS("c")));
    wire_await(&w, "connect");
    do {
        publish("c", big, BIG_BYTES);
        gush_node_live(world.node, &live);
    } while (live.clients);
    /* A part of an event may be there, the rest never: the end must not look proper. */
    while (wire_more(&w) > 0)
        w.n = 0;
    assert_null(strstr(w.got, "disconnect"));
    free(big);
}

static void full_server_answers_503(void **state)
{
    static struct wire third;

    (void)state;
    wire_send(&w, GET(""));
    wire_await(&w, "connect");
    send_once(GET(""));
    wire_await(&w2, "connect");
    wire_open(&third, world.port);
    wire_send(&third, "GET " PATH " HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example.com\r\n\r\n");
    wire_await(&third, "\r\n\r\n");
    assert_int_equal(strncmp(third.got, "HTTP/1.1 503 ", 13), 0);
    assert_null(strstr(third.got, "Access-Control"));
    wire_close(&w2);
    await_clients(1);
    third.n = 0;
    third.got[0] = '\0';
    wire_send(&third, GET("")); /* on the connection that was refused before */
    wire_await(&third, "connect");
    wire_close(&third);
}

static void stopping_with_open_streams(void **state)
{
    (void)state;
    wire_send(&w, GET(SUBS("c")));
    wire_await(&w, "connect");
    /* teardown stops the loop and finds no client left */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_requests),
        TEST(head_and_first_bytes),
        TEST(origins_are_told),
        TEST(publications_are_whole_chunks),
        TEST(posted_and_null_requests),
        TEST(raw_in_1_0),
        TEST(failed_connects_end_the_stream_properly),
        TEST(shutdown_says_so),
        TEST(closing_3000_is_silent),
        TEST(vanished_ones_are_let_go),
        TEST(partial_writes_are_continued),
        TEST(who_stops_reading_is_reset),
        cmocka_unit_test_setup_teardown(full_server_answers_503, setup_limited, teardown),
        TEST(stopping_with_open_streams),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
