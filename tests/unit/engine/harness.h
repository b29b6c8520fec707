/* harness: an engine whose whole surroundings are played by the test: clock, chance, lanes that are
 * turned by hand, API calls run to their end, and peers whose transport records what it was given.
 *
 * Every test ends in world_end, which proves that nothing is left alive; for that, its
 * configuration must have a channel.history_meta_ttl of at most META_TTL_MAX_S.
 *
 * Thread    one */
#ifndef GUSH_TESTS_UNIT_ENGINE_HARNESS_H
#define GUSH_TESTS_UNIT_ENGINE_HARNESS_H

/* cmocka.h wants these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/codec/connect_decode.h"

#include "server/engine/client_priv.h"

#define META_TTL_MAX_S 100
#define LANES_MAX      4
#define WALL_MS        INT64_C(1700000000000) /* when the world begins */

struct world;

struct peer {
    struct peer *next;
    struct world *world;
    struct gush_transport transport;
    struct gush_client *client; /* NULL: gone */
    /* How it behaves from now on. */
    gush_err answer; /* of send */
    bool stays;      /* after close: says that it is gone only when the test does */
    /* What happened. */
    struct heard {
        uint8_t *p;
        size_t n;
    } * heard;                       /* every frame that was written */
    size_t heard_n, heard_cap, read; /* |read|: how many the test has looked at */
    struct gush_frame flight[GUSH_BURST_MAX];
    size_t flight_n; /* borrowed since send said GUSH_EAGAIN */
    unsigned sends_n, closes_n;
    uint32_t close_code;
    char close_reason[64];
};

struct world_lane {
    struct world *world;
    struct gush_lane lane;
    bool woken;
};

struct world {
    struct gush_config *config;
    struct gush_token_verifier *verifier;
    struct gush_host host;
    struct world_lane lanes[LANES_MAX];
    struct gush_lane *list[LANES_MAX];
    size_t lanes_n;
    struct gush_node *node;
    struct peer *peers;
    struct gush_rng rng;
    uint64_t now_us, tick_us; /* the clock moves by |tick_us| at each look */
    char text[16384];         /* of the last answer */
};

/* ---- the host -------------------------------------------------------------------------------- */

static uint64_t world_mono_us(void *arg)
{
    struct world *w = ((struct world_lane *)arg)->world;

    w->now_us += w->tick_us;
    return w->now_us;
}

static void world_wake(void *arg)
{
    ((struct world_lane *)arg)->woken = true;
}

static uint64_t world_mono_ms(void *arg)
{
    return ((struct world *)arg)->now_us / 1000;
}

static int64_t world_wall_ms(void *arg)
{
    return WALL_MS + (int64_t)world_mono_ms(arg) - 1000;
}

static void world_random(void *arg, void *out, size_t n)
{
    struct world *w = arg;

    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)gush_rng_below(&w->rng, 256);
}

static inline struct gush_config *world_config(const char *json)
{
    char path[] = "/tmp/gush-engine-XXXXXX.json", message[500];
    char *none[] = {NULL};
    struct gush_config_sources sources = {.file = path, .file_must_exist = true, .environ = none};
    struct gush_config *config = NULL;
    int fd = mkstemps(path, 5);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, json, strlen(json)), strlen(json));
    close(fd);
    gush_err err = gush_config_load(&sources, NULL, NULL, &config, message, sizeof(message));
    unlink(path);
    if (err != GUSH_OK)
        fail_msg("%s", message);
    return config;
}

/* |state| is the test's, so that its teardown finds the world. */
static inline struct world *world_with(void **state, const char *json, size_t lanes_n,
                                       const struct gush_broker *broker)
{
    struct world *w = GUSH_NEW(struct world);
    const char *why = NULL;

    *state = w;
    gush_log_threshold = GUSH_LOG_ERROR; /* refusals are what is tested */
    w->now_us = 1000000;
    gush_rng_seed(&w->rng, 1);
    w->config = world_config(json);
    assert_int_equal(gush_token_verifier_new(&w->config->client.token,
                                             w->config->client.insecure_skip_token_signature_verify,
                                             &w->verifier, &why),
                     GUSH_OK);
    w->lanes_n = lanes_n;
    for (unsigned i = 0; i < lanes_n; i++) {
        struct world_lane *l = &w->lanes[i];
        l->world = w;
        gush_lane_init(&l->lane, &(struct gush_lane_host){world_mono_us, world_wake, l}, i, i + 1);
        l->lane.worker_index = i;
        l->lane.workers_n = (unsigned)lanes_n;
        gush_lane_adopt(&l->lane);
        w->list[i] = &l->lane;
    }
    w->host = (struct gush_host){world_wall_ms, world_mono_ms, world_random, w};
    w->node = gush_node_new(&(struct gush_node_options){.config = w->config,
                                                        .verifier = w->verifier,
                                                        .broker = broker,
                                                        .host = &w->host,
                                                        .lanes = w->list,
                                                        .lanes_n = lanes_n,
                                                        .version = "0.0.0 OSS"});
    for (size_t i = 0; i < lanes_n; i++)
        gush_node_lane_start(w->node, w->list[i]);
    return w;
}

static inline struct world *world_new(void **state, const char *json)
{
    return world_with(state, json, 1, NULL);
}

/* ---- time ------------------------------------------------------------------------------------ */

static inline void peer_gone(struct peer *p)
{
    struct gush_client *c = p->client;

    p->client = NULL;
    p->flight_n = 0;
    gush_client_on_closed(c);
}

/* One turn of each lane. True: there is more to do at once. */
static inline bool turn(struct world *w)
{
    bool more = false;

    for (size_t i = 0; i < w->lanes_n; i++) {
        w->lanes[i].woken = false;
        if (gush_lane_turn(w->list[i]) == GUSH_LANE_CALL_NOW)
            more = true;
    }
    for (struct peer *p = w->peers; p; p = p->next)
        if (p->client && p->closes_n > 0 && !p->stays) {
            peer_gone(p);
            more = true;
        }
    for (size_t i = 0; i < w->lanes_n; i++)
        more = more || w->lanes[i].woken;
    return more;
}

/* Turns until nothing is left to do now. */
static inline void settle(struct world *w)
{
    for (unsigned n = 0; n < 100000; n++)
        if (!turn(w))
            return;
    fail_msg("the engine does not come to rest");
}

/* |ms| pass, and every timer in between fires in its time. */
static inline void pass(struct world *w, uint64_t ms)
{
    uint64_t end_us = w->now_us + ms * 1000;

    for (;;) {
        uint64_t next_ms = UINT64_MAX;

        settle(w);
        for (size_t i = 0; i < w->lanes_n; i++) {
            uint64_t lane_ms = gush_wheel_next_ms(&w->list[i]->wheel);
            if (lane_ms < next_ms)
                next_ms = lane_ms;
        }
        if (next_ms <= w->now_us / 1000)
            next_ms = w->now_us / 1000 + 1;
        if (next_ms > end_us / 1000)
            break;
        w->now_us = next_ms * 1000;
    }
    w->now_us = end_us;
    settle(w);
}

/* ---- the end --------------------------------------------------------------------------------- */

static inline struct gush_live live(const struct world *w)
{
    struct gush_live l;

    gush_node_live(w->node, &l);
    return l;
}

static inline void peer_forget(struct peer *p)
{
    for (size_t i = 0; i < p->heard_n; i++)
        gush_free(p->heard[i].p);
    gush_free(p->heard);
    gush_free(p);
}

static inline void assert_nothing_lives(const struct world *w)
{
    struct gush_live l = live(w);

    assert_int_equal(l.clients, 0);
    assert_int_equal(l.subscriptions, 0);
    assert_int_equal(l.channels, 0);
    assert_int_equal(l.branches, 0);
    assert_int_equal(l.users, 0);
    assert_int_equal(l.publications, 0);
    assert_int_equal(l.frames, 0);
    assert_int_equal(l.letters, 0);
    assert_int_equal(l.bytes, 0);
}

/* The node ends with what its streams still hold. */
static inline void world_free(void **state)
{
    struct world *w = *state;

    for (struct peer *p = w->peers; p; p = p->next)
        if (p->client)
            peer_gone(p);
    settle(w);
    for (size_t i = 0; i < w->lanes_n; i++)
        gush_lane_close(w->list[i]);
    gush_node_free(w->node);
    while (w->peers) {
        struct peer *next = w->peers->next;
        peer_forget(w->peers);
        w->peers = next;
    }
    gush_token_verifier_free(w->verifier);
    gush_config_free(w->config);
    gush_free(w);
    *state = NULL;
    assert_int_equal(gush_branch_live(), 0);
    assert_int_equal(gush_delivery_live(), 0);
    assert_int_equal(gush_frames_live(), 0);
    assert_int_equal(gush_publication_live(), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

/* Teardown of every test that has a world: its peers leave, its streams expire, nothing lives. */
static inline int world_end(void **state)
{
    struct world *w = *state;

    assert_non_null(w);
    w->tick_us = 0;
    for (struct peer *p = w->peers; p; p = p->next)
        if (p->client)
            peer_gone(p);
    pass(w, UINT64_C(1000) * (META_TTL_MAX_S + 2));
    for (unsigned n = 0; live(w).channels > 0 && n < 100; n++)
        pass(w, 1000);
    assert_nothing_lives(w);
    world_free(state);
    return 0;
}

#define world_test(test) cmocka_unit_test_teardown(test, world_end)

/* ---- peers ----------------------------------------------------------------------------------- */

static inline void peer_hear(struct peer *p, const struct gush_frame *frame)
{
    if (p->heard_n == p->heard_cap) {
        p->heard_cap = p->heard_cap ? p->heard_cap * 2 : 8;
        p->heard = gush_realloc(p->heard, p->heard_cap * sizeof *p->heard);
    }
    struct heard *h = &p->heard[p->heard_n++];
    h->n = frame->bytes->n;
    h->p = gush_alloc(h->n + 1);
    memcpy(h->p, frame->bytes->data, h->n);
    h->p[h->n] = '\0';
}

static gush_err peer_send(void *conn, const struct gush_frame *frames, size_t frames_n)
{
    struct peer *p = conn;

    assert_true(frames_n > 0 && frames_n <= p->transport.burst_n);
    assert_int_equal(p->flight_n, 0); /* never while a write is pending */
    assert_int_equal(p->closes_n, 0);
    p->sends_n++;
    if (p->answer == GUSH_EAGAIN) {
        memcpy(p->flight, frames, frames_n * sizeof *frames);
        p->flight_n = frames_n;
    } else if (p->answer == GUSH_OK) {
        for (size_t i = 0; i < frames_n; i++)
            peer_hear(p, &frames[i]);
    }
    return p->answer;
}

static void peer_close(void *conn, uint32_t code, const char *reason)
{
    struct peer *p = conn;

    assert_int_equal(p->closes_n, 0);
    p->closes_n++;
    p->close_code = code;
    (void)snprintf(p->close_reason, sizeof(p->close_reason), "%s", reason);
}

/* A connection on lane |lane|, which has said nothing yet. */
static inline struct peer *peer_on(struct world *w, size_t lane, enum gush_form form)
{
    struct peer *p = GUSH_NEW(struct peer);
    bool push = gush_form_dialect(form) == GUSH_DIALECT_PUSH;

    p->world = w;
    p->next = w->peers;
    w->peers = p;
    p->transport = (struct gush_transport){.name = "test",
                                           .form = form,
                                           .burst_n = GUSH_BURST_MAX,
                                           .disconnect_push = push,
                                           .session = push,
                                           .ping_interval_ms = -1, /* unless a test wants them */
                                           .send = peer_send,
                                           .close = peer_close};
    p->client = gush_client_open(w->node, w->list[lane], &p->transport, p);
    return p;
}

/* |json| is its connect request. */
static inline void peer_connect(struct peer *p, const char *json)
{
    struct gush_connect_request request;
    const char *why = NULL;

    if (gush_connect_decode_json(gush_span_str(json), GUSH_CONNECT_MEMBERS_MAX, &request, &why) !=
        GUSH_OK)
        fail_msg("%s in %s", why, json);
    gush_client_connect(p->client, &request);
    gush_connect_request_fini(&request);
    settle(p->world);
}

/* A token of |claims|, good where signatures are not looked at. */
static inline void token_of(const char *claims, struct gush_buf *out)
{
    gush_base64url_encode(GUSH_SPAN_LIT("{\"alg\":\"HS256\"}"), out);
    gush_buf_put_u8(out, '.');
    gush_base64url_encode(gush_span_str(claims), out);
    gush_buf_put_str(out, ".c2lnbmVk");
}

/* As peer_connect with a token; |members| of the request follow it: "" or ",...". */
static inline void peer_connect_token(struct peer *p, const char *claims, const char *members)
{
    struct gush_buf b;

    gush_buf_init(&b, 1 << 20);
    gush_buf_put_str(&b, "{\"token\":\"");
    token_of(claims, &b);
    gush_buf_printf(&b, "\"%s}", members);
    gush_buf_put_u8(&b, 0);
    assert_true(gush_buf_ok(&b));
    peer_connect(p, (const char *)b.p);
    gush_buf_fini(&b);
}

/* A JSON peer of bare pushes on the first lane, connected with |json|. */
static inline struct peer *peer_new(struct world *w, const char *json)
{
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_connect(p, json);
    return p;
}

/* The write under way is done. What was borrowed must still be what it was, and be told again. */
static inline void peer_sent(struct peer *p)
{
    struct gush_frame again[GUSH_BURST_MAX];

    assert_true(p->flight_n > 0);
    assert_int_equal(gush_client_flight(p->client, again, GUSH_BURST_MAX), p->flight_n);
    for (size_t i = 0; i < p->flight_n; i++) {
        assert_ptr_equal(again[i].bytes, p->flight[i].bytes);
        peer_hear(p, &again[i]);
    }
    p->flight_n = 0;
    gush_client_on_sent(p->client);
    settle(p->world);
}

/* ---- what peers heard ------------------------------------------------------------------------ */

static inline bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/* |pattern| is the text itself, where ~ stands for one id: a run of letters, digits, hyphens. */
static inline bool matches(const char *text, const char *pattern)
{
    while (*pattern) {
        if (*pattern == '~') {
            if (!is_id_char(*text))
                return false;
            while (is_id_char(*text))
                text++;
            pattern++;
        } else if (*text++ != *pattern++) {
            return false;
        }
    }
    return *text == '\0';
}

/* The next frame that the test has not looked at yet, or NULL. */
static inline const char *hear_or_null(struct peer *p)
{
    return p->read < p->heard_n ? (const char *)p->heard[p->read++].p : NULL;
}

static inline const char *hear(struct peer *p)
{
    const char *text = hear_or_null(p);

    assert_non_null(text);
    return text;
}

#define expect(of_peer, pattern)                                                                   \
    do {                                                                                           \
        const char *expect_text = hear_or_null(of_peer);                                           \
        if (expect_text == NULL || !matches(expect_text, (pattern)))                               \
            fail_msg("heard    %s\nexpected %s", expect_text ? expect_text : "nothing",            \
                     (pattern));                                                                   \
    } while (0)

/* Looks past the connect push. */
#define expect_connected(of_peer)                                                                  \
    do {                                                                                           \
        const char *expect_text = hear_or_null(of_peer);                                           \
        if (expect_text == NULL || strncmp(expect_text, "{\"connect\":", 11) != 0)                 \
            fail_msg("not connected: %s", expect_text ? expect_text : "told nothing");             \
    } while (0)

/* Nothing that the test has not looked at. */
#define expect_silence(of_peer)                                                                    \
    do {                                                                                           \
        const struct peer *silent_peer = (of_peer);                                                \
        if (silent_peer->read != silent_peer->heard_n)                                             \
            fail_msg("heard %s", (const char *)silent_peer->heard[silent_peer->read].p);           \
    } while (0)

#define expect_open(of_peer)                                                                       \
    do {                                                                                           \
        const struct peer *open_peer = (of_peer);                                                  \
        expect_silence(open_peer);                                                                 \
        assert_int_equal(open_peer->closes_n, 0);                                                  \
        assert_non_null(open_peer->client);                                                        \
    } while (0)

/* Closed with |code|, without a word. */
#define expect_dropped(of_peer, code)                                                              \
    do {                                                                                           \
        const struct peer *dropped_peer = (of_peer);                                               \
        expect_silence(dropped_peer);                                                              \
        assert_int_equal(dropped_peer->closes_n, 1);                                               \
        assert_int_equal(dropped_peer->close_code, (code));                                        \
        assert_string_equal(dropped_peer->close_reason, gush_disconnect_text(code));               \
    } while (0)

/* Told |code| by a last push (JSON), then closed with it. */
#define expect_closed(of_peer, code)                                                               \
    do {                                                                                           \
        struct peer *closed_peer = (of_peer);                                                      \
        char expect_push[128];                                                                     \
        (void)snprintf(expect_push, sizeof(expect_push),                                           \
                       "{\"disconnect\":{\"code\":%d,\"reason\":\"%s\"}}", (int)(code),            \
                       gush_disconnect_text(code));                                                \
        expect(closed_peer, expect_push);                                                          \
        expect_dropped(closed_peer, code);                                                         \
    } while (0)

/* ---- API calls, run to their end ------------------------------------------------------------- */

struct publishing {
    struct gush_publish_call call;
    unsigned done_n;
};

static void publishing_done(struct gush_api_call *call)
{
    GUSH_CONTAINER(call, struct publishing, call.call)->done_n++;
}

static inline void no_drop(struct gush_api_call *call)
{
    (void)call;
    fail_msg("the answer was dropped");
}

/* Starts it; nothing is turned. */
static inline void publish_begin(struct world *w, struct publishing *p)
{
    p->call.call.home = w->list[0];
    p->call.call.done = publishing_done;
    p->call.call.dropped = no_drop;
    p->done_n = 0;
    gush_publish(w->node, &p->call);
}

/* Runs |p|, whose inputs are set, and returns its error. */
static inline uint32_t publish_run(struct world *w, struct publishing *p)
{
    publish_begin(w, p);
    assert_int_equal(p->done_n, 0); /* never from inside */
    settle(w);
    assert_int_equal(p->done_n, 1);
    return p->call.call.error;
}

static inline struct publishing publishing_of(const char *channel, const char *data)
{
    return (struct publishing){
        .call = {.channel = gush_span_str(channel), .data = gush_span_str(data)}};
}

/* Its offset. */
static inline uint64_t publish(struct world *w, const char *channel, const char *data)
{
    struct publishing p = publishing_of(channel, data);

    assert_int_equal(publish_run(w, &p), 0);
    return p.call.offset;
}

struct reading {
    struct gush_history_call call;
    unsigned done_n;
};

static void reading_done(struct gush_api_call *call)
{
    GUSH_CONTAINER(call, struct reading, call.call)->done_n++;
}

static inline uint32_t history_run(struct world *w, struct reading *r)
{
    r->call.call.home = w->list[0];
    r->call.call.done = reading_done;
    r->call.call.dropped = no_drop;
    r->done_n = 0;
    gush_history(w->node, &r->call);
    settle(w);
    assert_int_equal(r->done_n, 1);
    return r->call.call.error;
}

/* Runs |r| and says what it found: "1:a 2:b /2", each offset and data, then the top. */
static inline const char *history_text(struct world *w, struct reading *r)
{
    size_t at = 0;

    assert_int_equal(history_run(w, r), 0);
    for (size_t i = 0; i < r->call.publications_n; i++) {
        struct gush_pub v = gush_publication_view(r->call.publications[i], GUSH_SPAN_EMPTY);
        at += (size_t)snprintf(w->text + at, sizeof(w->text) - at, "%llu:%.*s ",
                               (unsigned long long)v.offset, (int)v.data.n, (const char *)v.data.p);
    }
    (void)snprintf(w->text + at, sizeof(w->text) - at, "/%llu", (unsigned long long)r->call.offset);
    gush_history_call_fini(&r->call);
    return w->text;
}

/* Everything that |channel| keeps, or only its top with |limit| 0. */
static inline const char *history(struct world *w, const char *channel, int64_t limit)
{
    struct reading r = {.call = {.channel = gush_span_str(channel), .limit = limit}};

    return history_text(w, &r);
}

/* The current epoch, as text. Reading keeps the stream's position alive. */
static inline struct gush_epoch epoch_of(struct world *w, const char *channel)
{
    struct reading r = {.call = {.channel = gush_span_str(channel)}};

    assert_int_equal(history_run(w, &r), 0);
    assert_int_equal(r.call.epoch.n, 8);
    return r.call.epoch;
}

#endif
