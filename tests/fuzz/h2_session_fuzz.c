/* Whole HTTP/2 sessions from bytes: what a client sends, cut as the input says, with handlers that
 * answer, stream, take bodies and give up, a socket that fills, and time that passes.
 *
 * The input is a list of orders. A byte below 200 delivers as many bytes (and one) of what follows
 * it; the others make something happen, see obey(). The connection is a fake: the functions of
 * server/net/conn.h that server/http needs are defined here. */
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/base/lane.h"
#include "server/base/mem.h"

#include "server/net/conn.h"

#include "server/http/h2.h"

#define EXCHANGES_MAX 300
#define FRAME_MAX     16384

/* ---- a loop and a connection ---------------------------------------------------------------- */

struct gush_conn {
    const struct gush_conn_ops *ops;
    void *owner;
    bool open, closing, want_write;
    size_t room; /* of the socket */
    struct gush_timer timer;
    struct gush_peer peer;
    /* what was written: frames, whole ones at the end */
    uint8_t head[9];
    size_t head_n, left;
};

static struct gush_lane lane;
static uint64_t clock_us = 1000000;
static struct gush_conn conn;

static uint64_t mono_us(void *host)
{
    (void)host;
    return clock_us;
}

static void wake(void *host)
{
    (void)host;
}

struct gush_lane *gush_loop_lane(struct gush_loop *loop)
{
    (void)loop;
    return &lane;
}

void gush_conn_hand_over(struct gush_conn *c, const struct gush_conn_ops *ops, void *owner)
{
    c->ops = ops;
    c->owner = owner;
}

bool gush_conn_closing(const struct gush_conn *c)
{
    return c->closing || !c->open;
}

const struct gush_peer *gush_conn_peer(const struct gush_conn *c)
{
    return &c->peer;
}

void gush_conn_close(struct gush_conn *c, enum gush_conn_end how)
{
    (void)how;
    c->closing = true;
}

void gush_conn_timer_set(struct gush_conn *c, uint64_t ms)
{
    gush_wheel_arm(&lane.wheel, &c->timer, gush_lane_now_ms(&lane) + ms);
}

void gush_conn_timer_clear(struct gush_conn *c)
{
    gush_wheel_disarm(&lane.wheel, &c->timer);
}

/* The server's frames are proper ones. */
static void judge(struct gush_conn *c, const uint8_t *p, size_t n)
{
    while (n) {
        size_t step = n < c->left ? n : c->left;
        c->left -= step;
        p += step;
        n -= step;
        while (n && c->left == 0 && c->head_n < sizeof(c->head)) {
            c->head[c->head_n++] = *p++;
            n--;
        }
        if (c->head_n == sizeof(c->head)) {
            c->left = (size_t)c->head[0] << 16 | (size_t)c->head[1] << 8 | c->head[2];
            GUSH_ASSERT(c->left <= FRAME_MAX && c->head[3] <= 9);
            c->head_n = 0;
        }
    }
}

gush_err gush_conn_write(struct gush_conn *c, const struct gush_span *parts, size_t parts_n,
                         size_t *written)
{
    GUSH_ASSERT(parts_n > 0 && parts_n <= GUSH_CONN_PARTS_MAX && !c->want_write);
    *written = 0;
    if (gush_conn_closing(c))
        return GUSH_ECLOSED;
    for (size_t i = 0; i < parts_n; i++) {
        size_t n = parts[i].n < c->room ? parts[i].n : c->room;
        judge(c, parts[i].p, n);
        c->room -= n;
        *written += n;
        if (n < parts[i].n) {
            c->want_write = true;
            return GUSH_EAGAIN;
        }
    }
    return GUSH_OK;
}

static void on_timer(void *arg, struct gush_timer *t)
{
    (void)arg;
    (void)t;
    if (conn.open && !conn.closing)
        conn.ops->on_timer(conn.owner);
}

static void turn(void)
{
    for (int i = 0; i < 1000 && gush_lane_turn(&lane) == GUSH_LANE_CALL_NOW; i++)
        continue;
}

/* The connection is gone. */
static void gone(void)
{
    if (!conn.open)
        return;
    conn.open = false;
    gush_conn_timer_clear(&conn);
    conn.ops->on_closed(conn.owner);
}

/* ---- handlers ------------------------------------------------------------------------------- */

struct call {
    struct gush_exchange *s;
    bool started, sending, streaming_body;
    size_t untaken, pieces_n;
};

static struct call calls[EXCHANGES_MAX];
static size_t calls_n;
static char text[70000];

static struct call *call_of(void *user)
{
    struct call *c = user;
    GUSH_ASSERT(c->s != NULL);
    return c;
}

static size_t pieces(void *user, struct gush_span out[GUSH_EXCHANGE_PIECES_MAX])
{
    struct call *c = call_of(user);

    GUSH_ASSERT(c->sending);
    for (size_t i = 0; i < c->pieces_n; i++)
        out[i] = gush_span_of(text + i, i % 5 * 301);
    return c->pieces_n;
}

static void on_sent(void *user)
{
    struct call *c = call_of(user);

    GUSH_ASSERT(c->sending);
    c->sending = false;
}

static void on_body(void *user, struct gush_span bytes)
{
    struct call *c = call_of(user);

    GUSH_ASSERT(c->streaming_body && bytes.n > 0);
    c->untaken += bytes.n;
    GUSH_ASSERT(c->untaken <= GUSH_EXCHANGE_BODY_WINDOW);
}

static void on_body_end(void *user)
{
    struct call *c = call_of(user);

    GUSH_ASSERT(c->streaming_body);
    c->streaming_body = false;
}

static void on_closed(void *user)
{
    struct call *c = call_of(user);

    c->s = NULL;
    calls_n--;
}

static const struct gush_exchange_events events = {pieces, on_sent, on_body, on_body_end,
                                                   on_closed};

static struct call *new_call(struct gush_exchange *s)
{
    for (size_t i = 0; i < EXCHANGES_MAX; i++) {
        if (calls[i].s == NULL) {
            calls[i] = (struct call){.s = s};
            calls_n++;
            gush_exchange_watch(s, &events, &calls[i]);
            return &calls[i];
        }
    }
    abort(); /* more streams than a connection may have */
}

static void check_request(const struct gush_http_request *r)
{
    GUSH_ASSERT(r->method.n > 0 && r->path.n > 0 && r->version == GUSH_HTTP_2);
    for (size_t i = 0; i < r->fields_n; i++) {
        GUSH_ASSERT(r->fields[i].name.n > 0 && r->fields[i].name.p[0] != ':');
        GUSH_ASSERT(r->fields[i].value.n == 0 ||
                    memchr(r->fields[i].value.p, '\n', r->fields[i].value.n) == NULL);
    }
}

static void handle_echo(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                        struct gush_span body)
{
    (void)arg;
    check_request(request);
    gush_exchange_respond(s, &(struct gush_http_response){.status = 200, .body = body});
}

static void handle_stream(void *arg, struct gush_exchange *s,
                          const struct gush_http_request *request, struct gush_span body)
{
    struct call *c = new_call(s);

    (void)arg;
    (void)body;
    check_request(request);
    c->started = true;
    gush_exchange_start(s, &(struct gush_http_response){.status = 200, .body = request->query});
}

static void handle_upload(void *arg, struct gush_exchange *s,
                          const struct gush_http_request *request, struct gush_span body)
{
    struct call *c = new_call(s);

    (void)arg;
    GUSH_ASSERT(body.n == 0);
    check_request(request);
    c->streaming_body = true;
}

/* ---- orders --------------------------------------------------------------------------------- */

static struct call *pick(uint8_t which)
{
    size_t at = calls_n ? which % calls_n : 0;

    for (size_t i = 0; i < EXCHANGES_MAX && calls_n; i++) {
        if (calls[i].s && at-- == 0)
            return &calls[i];
    }
    return NULL;
}

static void start(struct call *c)
{
    static const struct gush_http_field field = {GUSH_SPAN_INIT("X-Field"), GUSH_SPAN_INIT("1")};

    if (c->started)
        return;
    c->started = true;
    gush_exchange_start(
        c->s, &(struct gush_http_response){
                  .status = 200, .fields = &field, .fields_n = 1, .body = GUSH_SPAN_LIT("first")});
}

static void send_burst(struct call *c, uint8_t how)
{
    start(c);
    if (c->sending)
        return;
    c->pieces_n = 1 + how % GUSH_EXCHANGE_PIECES_MAX;
    c->sending = true;
    gush_err err = gush_exchange_send(c->s);
    GUSH_ASSERT(err == GUSH_EAGAIN || err == GUSH_ECLOSED);
    if (err == GUSH_ECLOSED)
        c->sending = false;
}

static void end(struct call *c, uint8_t how)
{
    static const struct gush_http_field field = {GUSH_SPAN_INIT("x-trailer"), GUSH_SPAN_INIT("1")};

    if (!c->started)
        gush_exchange_respond(c->s, &(struct gush_http_response){
                                        .status = how % 8 ? 200 : 204,
                                        .body = gush_span_of(text, how % 4 * (sizeof(text) / 4)),
                                        .compress = how % 2});
    else if (!c->sending)
        gush_exchange_end_with(c->s, &field, how % 2);
    else
        return;
    c->started = c->sending = true; /* nothing else may be said */
}

static void take(struct call *c, uint8_t how)
{
    size_t n = how % 2 ? c->untaken : c->untaken / 2;

    c->untaken -= n;
    gush_exchange_take(c->s, n);
}

static void obey_handler(uint8_t order, uint8_t how)
{
    struct call *c = pick(how);

    if (c == NULL)
        return;
    if (order < 215)
        send_burst(c, how);
    else if (order < 222)
        end(c, how);
    else if (order < 229)
        take(c, how);
    else if (order < 232)
        gush_exchange_abort(c->s);
    else
        start(c);
}

static void obey(struct gush_h2 *h2, uint8_t order, uint8_t how)
{
    if (order < 235) {
        obey_handler(order, how);
    } else if (order < 240) { /* the socket has room for so much, from now on */
        conn.room = (size_t)how * how * 8;
        if (conn.want_write && conn.room) {
            conn.want_write = false;
            conn.ops->on_writable(conn.owner);
        }
    } else if (order < 245) {
        clock_us += (uint64_t)how * how * 1000;
    } else if (order == 245) {
        conn.ops->on_eof(conn.owner);
    } else if (order == 246) {
        gush_h2_drain(h2);
    }
    turn();
}

/* A client of good manners, if it begins so. */
static void greet(void)
{
    static const uint8_t hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    conn.ops->on_bytes(conn.owner, hello, sizeof(hello) - 1);
}

static void play(struct gush_h2 *h2, const uint8_t *p, size_t n)
{
    bool eof = false;

    if (n && p[0] % 2)
        greet();
    for (size_t at = 1; at < n && !conn.closing;) {
        uint8_t order = p[at++];
        if (order < 200 && !eof) {
            size_t bytes_n = n - at < order + 1u ? n - at : order + 1u;
            uint8_t *bytes = malloc(bytes_n + 1); /* its end is watched */
            if (bytes_n) {
                memcpy(bytes, p + at, bytes_n);
                conn.ops->on_bytes(conn.owner, bytes, bytes_n);
            }
            free(bytes);
            at += bytes_n;
        } else if (order >= 200 && !(order == 245 && eof)) {
            eof |= order == 245;
            obey(h2, order, at < n ? p[at++] : 0);
        }
    }
    turn();
}

/* ---- the target ----------------------------------------------------------------------------- */

static void add(struct gush_router *router, const struct gush_route *route)
{
    gush_err err = gush_router_add(router, route);
    GUSH_ASSERT(err == GUSH_OK);
}

static int64_t wall_ms(void)
{
    return (int64_t)(clock_us / 1000);
}

static struct gush_router *set_up(void)
{
    static const struct gush_lane_host host = {mono_us, wake, NULL};
    struct gush_router *router = gush_router_new();

    memset(text, 't', sizeof(text));
    gush_lane_init(&lane, &host, 0, 1);
    gush_lane_adopt(&lane);
    add(router,
        &(struct gush_route){
            .path = "/", .methods = GUSH_ROUTER_ANY, .body_limit = 1000, .handle = handle_echo});
    add(router, &(struct gush_route){.path = "/s",
                                     .methods = GUSH_ROUTER_GET | GUSH_ROUTER_HEAD,
                                     .handle = handle_stream});
    add(router,
        &(struct gush_route){
            .path = "/u", .methods = GUSH_ROUTER_ANY, .handle = handle_upload, .streaming = true});
    add(router, &(struct gush_route){.content_type = "application/grpc",
                                     .handle = handle_upload,
                                     .streaming = true});
    return router;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct gush_router *router;
    struct gush_h2 *h2;

    if (router == NULL)
        router = set_up();
    uint64_t bytes_before = gush_bytes_live();
    h2 = gush_h2_new(NULL, &(struct gush_h2_options){.router = router,
                                                     .wall_ms = wall_ms,
                                                     .limits = {.head_bytes = 2000,
                                                                .head_ms = 1000,
                                                                .body_ms = 1000,
                                                                .response_ms = 1000,
                                                                .idle_ms = 1000,
                                                                .streams_max = EXCHANGES_MAX / 3}});
    conn = (struct gush_conn){.open = true, .room = SIZE_MAX, .timer.fire = on_timer};
    gush_h2_adopt(h2, &conn, GUSH_SPAN_EMPTY);
    play(h2, p, n);
    gone();
    turn();
    GUSH_ASSERT(calls_n == 0 && gush_h2_connections(h2) == 0);
    GUSH_ASSERT(conn.want_write || conn.left == 0 || conn.room == 0 || conn.closing);
    gush_h2_free(h2);
    GUSH_ASSERT(gush_bytes_live() == bytes_before);
    return 0;
}
