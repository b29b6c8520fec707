/* fake: an exchange that a test plays, and services that tell what they heard.
 *
 * test.One   Echo answers at once; Hold keeps the call until answer(); Stream is a stream of bursts
 *            (burst()) and of messages of its own; Fail ends with status, message and details
 * test.Many  answers each message with itself, and half close with OK */
#ifndef GUSH_TEST_RPC_HTTP_FAKE_H
#define GUSH_TEST_RPC_HTTP_FAKE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/lane.h"
#include "server/base/mem.h"

#include "server/http/exchange.h"
#include "server/rpc/gzip.h"

#include "server/rpc_http/rpc_http.h"

#define MESSAGE_MAX 1000
#define TIMEOUT_MS  UINT64_C(5000)
#define FIELDS_MAX  8

enum note { NOTE_ECHO = 1, NOTE_HOLD, NOTE_STREAM, NOTE_FAIL };

struct fake {
    struct gush_exchange base;
    struct gush_buf out;    /* the body as it left */
    struct gush_buf fields; /* of head and trailers: "name: value\n" */
    unsigned status;        /* of the answer; 0: none yet */
    gush_err send_says;
    bool pending, ended, aborted, closed;
    size_t given, taken;
};

static struct {
    struct gush_lane lane;
    uint64_t now_us;
    struct gush_rpc_http *door;
    struct gush_route route;
    struct fake x;
    /* of the last call */
    struct gush_rpc_call *call;
    struct gush_buf heard; /* messages, each with '|' behind it */
    unsigned requests_n, half_closes_n, sent_n, unsent_n, gone_n, closed_n;
    struct gush_span burst[3];
    size_t burst_n;
} world;

/* ---- the exchange ---------------------------------------------------------------------------- */

static struct fake *fake_of(struct gush_exchange *s)
{
    return GUSH_CONTAINER(s, struct fake, base);
}

static void note_fields(struct fake *f, const struct gush_http_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gush_buf_printf(&f->fields, "%.*s: %.*s\n", (int)fields[i].name.n,
                        (const char *)fields[i].name.p, (int)fields[i].value.n,
                        (const char *)fields[i].value.p);
}

static void fake_start(struct gush_exchange *s, const struct gush_http_response *r)
{
    struct fake *f = fake_of(s);

    assert_int_equal(f->status, 0);
    f->status = r->status;
    note_fields(f, r->fields, r->fields_n);
    gush_buf_put_span(&f->out, r->body);
}

static void fake_respond(struct gush_exchange *s, const struct gush_http_response *r)
{
    fake_start(s, r);
    fake_of(s)->ended = true;
}

static gush_err fake_send(struct gush_exchange *s)
{
    struct fake *f = fake_of(s);
    struct gush_span out[GUSH_EXCHANGE_PIECES_MAX];
    size_t n;

    assert_true(f->status != 0 && !f->pending && !f->ended && !f->closed && !f->aborted);
    if (f->send_says == GUSH_OK) {
        n = s->events->pieces(s->user, out);
        for (size_t i = 0; i < n; i++)
            gush_buf_put_span(&f->out, out[i]);
    }
    f->pending = f->send_says == GUSH_EAGAIN;
    return f->send_says;
}

static void fake_end(struct gush_exchange *s, const struct gush_http_field *fields, size_t n)
{
    struct fake *f = fake_of(s);

    assert_true(f->status != 0 && !f->pending && !f->ended);
    note_fields(f, fields, n);
    f->ended = true;
}

static void fake_abort(struct gush_exchange *s)
{
    assert_false(fake_of(s)->ended);
    fake_of(s)->aborted = true;
}

static void fake_take(struct gush_exchange *s, size_t n)
{
    struct fake *f = fake_of(s);

    f->taken += n;
    assert_true(f->taken <= f->given);
}

static struct gush_lane *fake_lane(struct gush_exchange *s)
{
    (void)s;
    return &world.lane;
}

static const struct gush_exchange_ops fake_ops = {.respond = fake_respond,
                                                  .start = fake_start,
                                                  .send = fake_send,
                                                  .end = fake_end,
                                                  .abort = fake_abort,
                                                  .take = fake_take,
                                                  .lane = fake_lane};

/* ---- the services ---------------------------------------------------------------------------- */

static struct gush_span whole_of(struct gush_buf *b)
{
    return gush_buf_span(b);
}

static void one_admit(void *ctx, const struct gush_rpc_head *head, struct gush_rpc_verdict *verdict)
{
    static const char *const methods[] = {
        [NOTE_ECHO] = "Echo", [NOTE_HOLD] = "Hold", [NOTE_STREAM] = "Stream", [NOTE_FAIL] = "Fail"};

    (void)ctx;
    if (gush_span_eq_str(gush_rpc_head_find(head, "key-bin"), "wrong")) {
        verdict->status = GUSH_RPC_UNAUTHENTICATED;
        snprintf(verdict->message, sizeof(verdict->message), "unauthenticated");
        return;
    }
    for (uint32_t i = NOTE_ECHO; i <= NOTE_FAIL; i++) {
        if (gush_span_eq_str(head->method, methods[i]))
            verdict->note = i;
    }
    if (verdict->note == 0)
        gush_rpc_verdict_unknown(verdict, head, NULL);
}

static void hear(struct gush_rpc_call *call, struct gush_span message)
{
    world.call = call;
    world.requests_n++;
    gush_buf_put_span(&world.heard, message);
    gush_buf_put_u8(&world.heard, '|');
}

static void one_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct gush_rpc_end ok = {.status = GUSH_RPC_OK};
    struct gush_rpc_end fail = {GUSH_RPC_OUT_OF_RANGE, GUSH_SPAN_LIT("50% too far"),
                                GUSH_SPAN_LIT("\1\0d")};

    (void)ctx;
    hear(call, message);
    switch (gush_rpc_call_note(call)) {
    case NOTE_ECHO:
        gush_rpc_call_finish(call, gush_bytes_copy(message), &ok);
        break;
    case NOTE_HOLD:
        gush_rpc_call_hold(call);
        break;
    case NOTE_FAIL:
        gush_rpc_call_finish(call, NULL, &fail);
        break;
    default:
        break;
    }
}

static size_t one_pieces(void *ctx, struct gush_rpc_call *call, struct gush_span *out)
{
    (void)ctx;
    (void)call;
    memcpy(out, world.burst, sizeof(world.burst));
    return world.burst_n;
}

static void on_sent(void *ctx, struct gush_rpc_call *call, bool ok)
{
    (void)ctx;
    (void)call;
    ok ? world.sent_n++ : world.unsent_n++;
}

static void on_gone(void *ctx, struct gush_rpc_call *call)
{
    (void)ctx;
    assert_ptr_equal(call, world.call);
    world.gone_n++;
}

static void on_closed(void *ctx, struct gush_rpc_call *call)
{
    (void)ctx;
    assert_ptr_equal(call, world.call);
    world.closed_n++;
}

static void many_admit(void *ctx, const struct gush_rpc_head *head,
                       struct gush_rpc_verdict *verdict)
{
    (void)ctx;
    (void)head;
    verdict->many = true;
}

/* Asks for the next at once when it is the word "next"; else answers, and asks when that is out. */
static void many_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct gush_bytes *bytes;

    (void)ctx;
    hear(call, message);
    if (gush_span_eq_str(message, "next")) {
        gush_rpc_call_read(call);
        return;
    }
    bytes = gush_bytes_copy(message);
    if (gush_rpc_call_send_bytes(call, bytes) == GUSH_OK)
        gush_rpc_call_read(call);
    gush_bytes_unref(bytes);
}

static void many_sent(void *ctx, struct gush_rpc_call *call, bool ok)
{
    on_sent(ctx, call, ok);
    if (ok)
        gush_rpc_call_read(call);
}

static void many_half_close(void *ctx, struct gush_rpc_call *call)
{
    struct gush_rpc_end ok = {.status = GUSH_RPC_OK};

    (void)ctx;
    world.call = call;
    world.half_closes_n++;
    gush_rpc_call_finish(call, NULL, &ok);
}

static const struct gush_rpc_service one = {.name = "test.One",
                                            .admit = one_admit,
                                            .on_request = one_request,
                                            .pieces = one_pieces,
                                            .on_sent = on_sent,
                                            .on_gone = on_gone,
                                            .on_closed = on_closed};
static const struct gush_rpc_service many = {.name = "test.Many",
                                             .admit = many_admit,
                                             .on_request = many_request,
                                             .on_half_close = many_half_close,
                                             .on_sent = many_sent,
                                             .on_gone = on_gone,
                                             .on_closed = on_closed};

/* ---- the world ------------------------------------------------------------------------------- */

static uint64_t mono_us(void *host)
{
    (void)host;
    return world.now_us;
}

static void wake(void *host)
{
    (void)host;
}

static int up(void **state)
{
    struct gush_lane_host host = {mono_us, wake, NULL};
    struct gush_rpc_http_limits limits = {MESSAGE_MAX, TIMEOUT_MS};

    (void)state;
    memset(&world, 0, sizeof(world));
    world.now_us = 1000000;
    gush_lane_init(&world.lane, &host, 0, 1);
    gush_lane_adopt(&world.lane);
    gush_lane_turn(&world.lane);
    world.door = gush_rpc_http_new();
    gush_rpc_http_offer(world.door, &one, &limits);
    gush_rpc_http_offer(world.door, &many, &limits);
    world.route = gush_rpc_http_route(world.door);
    gush_buf_init(&world.heard, 1 << 20);
    return 0;
}

static void exchange_free(void)
{
    gush_buf_fini(&world.x.out);
    gush_buf_fini(&world.x.fields);
    memset(&world.x, 0, sizeof(world.x));
}

static int down(void **state)
{
    (void)state;
    exchange_free();
    gush_buf_fini(&world.heard);
    gush_rpc_http_free(world.door);
    gush_lane_close(&world.lane);
    assert_int_equal(gush_bytes_live(), 0);
    return 0;
}

/* ---- what a peer does ------------------------------------------------------------------------ */

static void turn(void)
{
    while (gush_lane_turn(&world.lane) == GUSH_LANE_CALL_NOW)
        ;
}

static void pass_ms(uint64_t ms)
{
    world.now_us += ms * 1000;
    turn();
}

static void open_request(const struct gush_http_request *request)
{
    exchange_free();
    world.x.base = (struct gush_exchange){.magic = gush_exchange_MAGIC, .ops = &fake_ops};
    world.x.send_says = GUSH_EAGAIN;
    gush_buf_init(&world.x.out, 1 << 20);
    gush_buf_init(&world.x.fields, 1 << 16);
    world.route.handle(world.route.arg, &world.x.base, request, GUSH_SPAN_EMPTY);
}

/* A call of |path|, with one more field if |name|. */
static void open_call(const char *path, const char *name, const char *value)
{
    struct gush_http_field fields[3] = {
        {GUSH_SPAN_LIT("content-type"), GUSH_SPAN_LIT("application/grpc")},
        {GUSH_SPAN_LIT("te"), GUSH_SPAN_LIT("trailers")},
        {gush_span_str(name), gush_span_str(value)}};
    struct gush_http_request request = {.method = GUSH_SPAN_LIT("POST"),
                                        .path = gush_span_str(path),
                                        .fields = fields,
                                        .fields_n = name ? 3 : 2,
                                        .version = GUSH_HTTP_2};

    open_request(&request);
}

static void give(struct gush_span bytes)
{
    world.x.given += bytes.n;
    world.x.base.events->on_body(world.x.base.user, bytes);
}

static void give_end(void)
{
    world.x.base.events->on_body_end(world.x.base.user);
}

/* The burst under way leaves. */
static void let_out(void)
{
    struct gush_span out[GUSH_EXCHANGE_PIECES_MAX];
    size_t n = world.x.base.events->pieces(world.x.base.user, out);

    assert_true(world.x.pending);
    for (size_t i = 0; i < n; i++)
        gush_buf_put_span(&world.x.out, out[i]);
    world.x.pending = false;
    world.x.base.events->on_sent(world.x.base.user);
}

/* The stream is over, as far as HTTP is concerned. */
static void close_exchange(void)
{
    assert_false(world.x.closed);
    world.x.closed = true;
    if (world.x.base.events)
        world.x.base.events->on_closed(world.x.base.user);
    turn();
}

/* ---- what the test sees ---------------------------------------------------------------------- */

static void assert_text(struct gush_buf *got, struct gush_span want)
{
    if (!gush_span_eq(whole_of(got), want))
        fail_msg("got \"%.*s\" (%zu), not \"%.*s\" (%zu)", (int)got->n, (const char *)got->p,
                 got->n, (int)want.n, (const char *)want.p, want.n);
}

static void assert_out(struct gush_span want)
{
    assert_text(&world.x.out, want);
}

static bool has_field(const char *line)
{
    struct gush_span fields = gush_buf_span(&world.x.fields);

    return fields.n && memmem(fields.p, fields.n, line, strlen(line)) != NULL;
}

/* The call was ended in order with |status| and, percent-encoded, |message|. */
static void assert_end(unsigned status, const char *message)
{
    char line[300];

    assert_int_equal(world.x.status, 200);
    assert_true(world.x.ended && !world.x.aborted);
    assert_true(has_field("content-type: application/grpc\n"));
    snprintf(line, sizeof(line), "grpc-status: %u\n", status);
    if (!has_field(line))
        fail_msg("%.*s", (int)world.x.fields.n, (const char *)world.x.fields.p);
    snprintf(line, sizeof(line), "grpc-message: %s\n", message);
    if (message ? !has_field(line) : has_field("grpc-message"))
        fail_msg("%.*s", (int)world.x.fields.n, (const char *)world.x.fields.p);
}

#endif
