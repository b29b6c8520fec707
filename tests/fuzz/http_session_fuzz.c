/* Whole HTTP/1 sessions from bytes: h1 over a connection that is played here.
 *
 * The first byte says what befalls the session besides its bytes, the second how they are cut. Each
 * session is played three times: at once, cut in pieces, and with everything going wrong that can:
 * full sockets, late answers, timers, resets. Which requests reach a handler may not depend on how
 * the bytes were cut; nothing is said behind an end; bytes that the socket did not take come again.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/buf.h"

#include "server/net/conn.h"

#include "server/http/h1.h"

#define BODY_LIMIT   1000
#define HEAD_LIMIT   2000
#define RECORDS_MAX  200
#define OUTPUT_MAX   ((size_t)8 << 20)
#define CHAOS_EVENTS 3000

/* ---- the connection that is played ---------------------------------------------------------- */

struct gush_loop {
    struct gush_lane lane;
};

struct gush_conn {
    const struct gush_conn_ops *ops;
    void *owner;
    struct gush_loop *loop;
    struct gush_peer peer;
    enum gush_conn_read mode;
    bool closing, timer, want_write, ended;
    size_t room;        /* of the socket */
    uint8_t unsent[16]; /* what must come first in the next write */
    size_t unsent_n, output_n;
};

static struct gush_conn conn;
static struct gush_loop loop;
static uint64_t now_us;

struct gush_lane *gush_loop_lane(struct gush_loop *l)
{
    return &l->lane;
}

gush_err gush_conn_open(struct gush_loop *l, int fd, const struct gush_peer *peer,
                        const struct gush_conn_ops *ops, void *owner, struct gush_conn **out)
{
    (void)fd;
    conn = (struct gush_conn){
        .ops = ops, .owner = owner, .loop = l, .peer = *peer, .mode = GUSH_CONN_READ_ON};
    *out = &conn;
    return GUSH_OK;
}

void gush_conn_hand_over(struct gush_conn *c, const struct gush_conn_ops *ops, void *owner)
{
    c->ops = ops;
    c->owner = owner;
}

void gush_conn_read(struct gush_conn *c, enum gush_conn_read mode)
{
    if (!c->closing)
        c->mode = mode;
}

static uint8_t byte_at(const struct gush_span *parts, size_t at)
{
    while (at >= parts->n)
        at -= parts++->n;
    return parts->p[at];
}

gush_err gush_conn_write(struct gush_conn *c, const struct gush_span *parts, size_t parts_n,
                         size_t *written)
{
    size_t n = 0;

    GUSH_ASSERT(parts_n > 0 && parts_n <= GUSH_CONN_PARTS_MAX);
    *written = 0;
    if (c->closing)
        return GUSH_ECLOSED;
    for (size_t i = 0; i < parts_n; i++) {
        GUSH_ASSERT(parts[i].n > 0 && parts[i].p != NULL);
        n += parts[i].n;
    }
    for (size_t i = 0; i < c->unsent_n; i++)
        GUSH_ASSERT(i < n && byte_at(parts, i) == c->unsent[i]);
    *written = n < c->room ? n : c->room;
    c->room -= *written;
    c->output_n += *written;
    GUSH_ASSERT(c->output_n < OUTPUT_MAX);
    c->unsent_n = 0;
    while (*written + c->unsent_n < n && c->unsent_n < sizeof(c->unsent)) {
        c->unsent[c->unsent_n] = byte_at(parts, *written + c->unsent_n);
        c->unsent_n++;
    }
    c->want_write = *written < n;
    return c->want_write ? GUSH_EAGAIN : GUSH_OK;
}

void gush_conn_close(struct gush_conn *c, enum gush_conn_end how)
{
    (void)how;
    c->closing = true;
}

void gush_conn_timer_set(struct gush_conn *c, uint64_t ms)
{
    GUSH_ASSERT(ms > 0);
    c->timer = true;
}

void gush_conn_timer_clear(struct gush_conn *c)
{
    c->timer = false;
}

bool gush_conn_closing(const struct gush_conn *c)
{
    return c->closing;
}

struct gush_loop *gush_conn_loop(const struct gush_conn *c)
{
    return c->loop;
}

const struct gush_peer *gush_conn_peer(const struct gush_conn *c)
{
    return &c->peer;
}

/* ---- chance --------------------------------------------------------------------------------- */

static uint64_t dice;

static unsigned roll(unsigned n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)(dice >> 20) % n;
}

/* ---- handlers ------------------------------------------------------------------------------- */

struct records {
    uint64_t hash[RECORDS_MAX]; /* of the requests, as handlers got them */
    size_t n;
};

static struct records *records;
static bool late; /* answers come when chance says */
static struct gush_exchange *open_exchange;
static int to_close;
static bool under_way, started, answered;
static uint64_t body_hash;
static size_t untaken;

static uint64_t hash_more(uint64_t hash, struct gush_span s)
{
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ s.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_of(const struct gush_http_request *r)
{
    uint64_t hash = hash_more(UINT64_C(0xcbf29ce484222325), r->method);

    hash = hash_more(hash * 3, r->path);
    hash = hash_more(hash * 5, r->query);
    for (size_t i = 0; i < r->fields_n; i++) {
        hash = hash_more(hash * 7, r->fields[i].name);
        hash = hash_more(hash * 11, r->fields[i].value);
    }
    return hash;
}

static void note(uint64_t hash)
{
    if (records->n < RECORDS_MAX)
        records->hash[records->n++] = hash;
}

static void answer(void)
{
    static const uint8_t text[3000];
    size_t n = roll(4) ? 2 : sizeof(text);
    struct gush_http_response r = {
        .status = roll(5) ? 200 : 204, .body = gush_span_of(text, n), .compress = true};

    answered = true;
    gush_exchange_respond(open_exchange, &r);
}

static size_t on_pieces(void *user, struct gush_span out[GUSH_EXCHANGE_PIECES_MAX])
{
    (void)user;
    out[0] = GUSH_SPAN_LIT("5\r\nhello\r\n");
    out[1] = GUSH_SPAN_LIT("1\r\n!\r\n");
    return 2;
}

static void on_sent(void *user)
{
    (void)user;
    GUSH_ASSERT(under_way);
    under_way = false;
}

static void on_body(void *user, struct gush_span bytes)
{
    (void)user;
    untaken += bytes.n;
    GUSH_ASSERT(open_exchange && bytes.n > 0 && untaken <= GUSH_EXCHANGE_BODY_WINDOW);
    body_hash = hash_more(body_hash, bytes);
    if (late && roll(2))
        return;
    gush_exchange_take(open_exchange, untaken);
    untaken = 0;
    if (late && !answered && roll(8) == 0)
        answer();
}

static void on_body_end(void *user)
{
    (void)user;
    GUSH_ASSERT(open_exchange);
    note(body_hash);
    if (!late && !answered)
        answer();
}

static void on_exchange_closed(void *user)
{
    (void)user;
    GUSH_ASSERT(open_exchange && to_close == 1);
    to_close--;
    open_exchange = NULL;
}

static const struct gush_exchange_events events = {on_pieces, on_sent, on_body, on_body_end,
                                                   on_exchange_closed};

static void watch(struct gush_exchange *s)
{
    GUSH_ASSERT(open_exchange == NULL);
    open_exchange = s;
    to_close++;
    under_way = started = answered = false;
    untaken = 0;
    gush_exchange_watch(s, &events, NULL);
}

static void handle_whole(void *arg, struct gush_exchange *s,
                         const struct gush_http_request *request, struct gush_span body)
{
    (void)arg;
    GUSH_ASSERT(body.n <= BODY_LIMIT);
    note(hash_more(hash_of(request), body));
    watch(s);
    if (!late)
        answer();
}

static void handle_given(void *arg, struct gush_exchange *s,
                         const struct gush_http_request *request, struct gush_span body)
{
    (void)arg;
    GUSH_ASSERT(body.n == 0);
    body_hash = hash_of(request);
    watch(s);
}

static void send_burst(void)
{
    gush_err err = gush_exchange_send(open_exchange);
    under_way = err == GUSH_EAGAIN;
}

static void handle_stream(void *arg, struct gush_exchange *s,
                          const struct gush_http_request *request, struct gush_span body)
{
    struct gush_http_response r = {.status = 200, .body = GUSH_SPAN_LIT("first")};

    (void)arg;
    note(hash_more(hash_of(request), body));
    watch(s);
    gush_exchange_start(s, &r);
    started = true;
    if (late)
        return;
    send_burst();
    if (!under_way)
        gush_exchange_end(s);
}

/* Something that a handler may do at any time. */
static void act(void)
{
    if (open_exchange == NULL)
        return;
    switch (roll(6)) {
    case 0:
        if (!started && !answered)
            answer();
        break;
    case 1:
        if (started && !answered && !under_way)
            send_burst();
        break;
    case 2:
        if (started && !answered && !under_way) {
            answered = true;
            gush_exchange_end(open_exchange);
        }
        break;
    case 3:
        if (roll(10) == 0)
            gush_exchange_abort(open_exchange);
        break;
    default:
        gush_exchange_take(open_exchange, untaken);
        untaken = 0;
        break;
    }
}

/* ---- the play ------------------------------------------------------------------------------- */

static uint64_t mono_us(void *host)
{
    (void)host;
    return now_us += 10;
}

static void wake(void *host)
{
    (void)host;
}

static int64_t wall_ms(void)
{
    return 1000000000000;
}

static void settle(void)
{
    while (gush_lane_turn(&loop.lane) == GUSH_LANE_CALL_NOW)
        continue;
}

static size_t piece_of(size_t left, unsigned largest)
{
    size_t n = largest ? 1 + roll(largest) : GUSH_LOOP_READ_BYTES;
    return n < left ? n : left;
}

/* Something that befalls a session. */
static void befall(void)
{
    switch (roll(8)) {
    case 0:
        if (conn.timer && roll(4) == 0) {
            conn.timer = false;
            conn.ops->on_timer(conn.owner);
        }
        break;
    case 1: /* gone */
        if (roll(8) == 0)
            conn.closing = true;
        break;
    case 2: /* the end shows before what was sent before it is read */
        if (conn.mode == GUSH_CONN_READ_ENDED && !conn.ended && roll(4) == 0) {
            conn.mode = GUSH_CONN_READ_OFF;
            conn.ops->on_eof(conn.owner);
        }
        break;
    default:
        act();
        break;
    }
}

/* False: nothing more can happen of itself. */
static bool go_on(struct gush_span *in, unsigned largest, bool chaos)
{
    if (conn.want_write && (!chaos || roll(2))) {
        conn.want_write = false;
        conn.room = chaos ? roll(2000) : OUTPUT_MAX;
        conn.ops->on_writable(conn.owner);
    } else if (conn.mode == GUSH_CONN_READ_ON && in->n) {
        size_t n = piece_of(in->n, largest);
        uint8_t *copy = malloc(n); /* of its own size: what reads behind it is caught */
        memcpy(copy, in->p, n);
        *in = gush_span_of(in->p + n, in->n - n);
        conn.ops->on_bytes(conn.owner, copy, n);
        free(copy);
    } else if (conn.mode != GUSH_CONN_READ_OFF && in->n == 0 && !conn.ended) {
        conn.ended = conn.mode == GUSH_CONN_READ_ON;
        conn.mode = GUSH_CONN_READ_OFF;
        conn.ops->on_eof(conn.owner);
    } else {
        return false;
    }
    return true;
}

static void play(struct gush_h1 *h1, struct gush_span in, unsigned largest, bool chaos)
{
    struct gush_peer peer = {.version = 4};

    late = chaos;
    gush_h1_accept(h1, &loop, -1, &peer);
    conn.room = chaos ? roll(2000) : OUTPUT_MAX;
    for (unsigned i = 0; !conn.closing && (!chaos || i < CHAOS_EVENTS); i++) {
        bool moved = go_on(&in, largest, chaos);
        if (!conn.closing && chaos)
            befall();
        if (!moved && !chaos)
            break;
        settle();
    }
    if (!conn.closing && roll(2))
        gush_h1_drain(h1);
    conn.closing = true;
    settle();
    conn.ops->on_closed(conn.owner);
    settle();
    GUSH_ASSERT(open_exchange == NULL && to_close == 0 && gush_h1_connections(h1) == 0);
}

static struct gush_router *router_new(void)
{
    static const struct gush_route routes[] = {
        {.path = "/", .methods = GUSH_ROUTER_ANY, .body_limit = BODY_LIMIT, .handle = handle_whole},
        {.path = "/p", .methods = GUSH_ROUTER_POST, .body_limit = 10, .handle = handle_whole},
        {.path = "/g", .methods = GUSH_ROUTER_ANY, .handle = handle_given, .streaming = true},
        {.path = "/s", .methods = GUSH_ROUTER_ANY, .body_limit = 10, .handle = handle_stream},
    };
    struct gush_router *router = gush_router_new();

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        gush_err err = gush_router_add(router, &routes[i]);
        GUSH_ASSERT(err == GUSH_OK);
    }
    return router;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gush_lane_host host = {mono_us, wake, NULL};
    static struct gush_router *router;
    static struct records whole, cut, chaotic;
    struct gush_h1_options options = {.wall_ms = wall_ms, .limits = {.head_bytes = HEAD_LIMIT}};

    if (size < 2)
        return 0;
    if (router == NULL) {
        router = router_new();
        gush_lane_init(&loop.lane, &host, 0, 1);
        gush_lane_adopt(&loop.lane);
    }
    options.router = router;
    dice = (uint64_t)data[0] << 8 | data[1] | UINT64_C(1) << 40;
    whole.n = cut.n = chaotic.n = 0;
    for (int act_n = 0; act_n < 3; act_n++) {
        struct gush_h1 *h1 = gush_h1_new(&loop, &options);
        records = act_n == 0 ? &whole : act_n == 1 ? &cut : &chaotic;
        play(h1, gush_span_of(data + 2, size - 2), act_n == 0 ? 0 : data[1] % 50 + 1u, act_n == 2);
        gush_h1_free(h1);
    }
    GUSH_ASSERT(cut.n == whole.n);
    GUSH_ASSERT(memcmp(cut.hash, whole.hash, cut.n * sizeof(cut.hash[0])) == 0);
    GUSH_ASSERT(chaotic.n <= whole.n);
    GUSH_ASSERT(memcmp(chaotic.hash, whole.hash, chaotic.n * sizeof(whole.hash[0])) == 0);
    return 0;
}
