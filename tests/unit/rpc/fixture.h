/* fixture: a server with little services, and the library's own client as the peer.
 *
 * test.Echo    Echo answers at once; Later by a letter to its own lane; Hold never, until told;
 *              Fail with status, message and details; Secret only with metadata "key: open"
 * test.Stream  Count: "n size" sends n messages of that size, in bursts, then OK;
 *              Hold keeps the stream open; Flood sends for ever
 * test.Chat    Echo answers every message with itself, until there are no more; Deaf takes one */
#ifndef GUSH_TEST_RPC_FIXTURE_H
#define GUSH_TEST_RPC_FIXTURE_H

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#if __has_include(<grpc/credentials.h>) /* of a newer library */
#include <grpc/credentials.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#include "server/base/assert.h"
#include "server/base/clock.h"
#include "server/base/lane.h"
#include "server/base/mem.h"

#include "server/rpc/call.h"
#include "server/rpc/library.h"
#include "server/rpc/queue.h"
#include "server/rpc/server.h"

#define QUEUES_MAX  4
#define REQUEST_MAX (1u << 20)
#define WAIT_MS     20000
#define BURST       16
#define NOTE_ECHO   1
#define NOTE_LATER  2
#define NOTE_HOLD   3
#define NOTE_FAIL   4
#define NOTE_COUNT  5
#define NOTE_FLOOD  6

struct held; /* a call somebody keeps */

struct fixture {
    struct gush_rpc_queue *queues[QUEUES_MAX];
    size_t queues_n;
    struct gush_rpc_server *server;
    struct gush_rpc_service services[3];
    struct gush_lane *lanes[QUEUES_MAX]; /* of the queues */
    struct gush_lane *lane;              /* the first */
    /* atomic: counted on lanes, read by the test */
    atomic_uint asked, gone, closed, blocked, heard;
    /* the first queue's lane */
    struct held *held;
    struct gush_rpc_call *flood; /* the last one */
};

/* ---- Waiting --------------------------------------------------------------------------------- */

static inline bool wait_for(atomic_uint *counter, unsigned n)
{
    for (unsigned i = 0; i < WAIT_MS; i++) {
        struct timespec ms = {0, 1000000};

        if (atomic_load(counter) >= n)
            return true;
        nanosleep(&ms, NULL);
    }
    return false;
}

static uint64_t fixture_mono_us(void *clock)
{
    (void)clock;
    return gush_clock_mono_us();
}

/* ---- Services -------------------------------------------------------------------------------- */

struct held {
    struct gush_letter letter; /* Later */
    struct fixture *f;
    struct gush_rpc_call *call;
    struct gush_bytes *bytes;
    struct gush_rpc_slice slice;
    struct held *next; /* kept */
    size_t left_n;
    bool held, shared, kept;
};

static void fixture_reply(struct gush_rpc_call *call, struct gush_span message)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};

    gush_rpc_call_finish(call, gush_bytes_copy(message), &end);
}

static void later_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct held *h = GUSH_CONTAINER(letter, struct held, letter);

    (void)lane;
    fixture_reply(h->call, gush_bytes_span(h->bytes));
    gush_rpc_call_release(h->call);
}

static void later_drop(struct gush_letter *letter)
{
    (void)letter;
    GUSH_ASSERT(false); /* a held call keeps its lane open */
}

static const struct gush_letter_kind later_kind = {"later", later_open, later_drop};

/* Goes on with a stream until it blocks or is done. */
static void fixture_stream(struct held *h)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};
    unsigned in_burst = 0;

    while (h->left_n > 0) {
        bool more = h->left_n > 1 && ++in_burst < BURST;

        if (!more)
            in_burst = 0;
        h->left_n--;
        switch ((int)gush_rpc_call_send(h->call, &h->slice, more)) {
        case GUSH_OK:
            break;
        case GUSH_EAGAIN:
            atomic_fetch_add(&h->f->blocked, 1);
            return;
        default:
            return;
        }
    }
    gush_rpc_call_finish(h->call, NULL, &end);
}

static void fixture_admit(void *ctx, const struct gush_rpc_head *head,
                          struct gush_rpc_verdict *verdict)
{
    static const struct {
        const char *method;
        uint32_t note;
    } known[] = {{"Echo", NOTE_ECHO}, {"Later", NOTE_LATER}, {"Hold", NOTE_HOLD},
                 {"Fail", NOTE_FAIL}, {"Count", NOTE_COUNT}, {"Flood", NOTE_FLOOD}};

    (void)ctx;
    if (gush_span_eq_str(head->method, "Secret")) {
        verdict->note = NOTE_ECHO;
        if (!gush_span_eq_str(gush_rpc_head_find(head, "key"), "open")) {
            verdict->status = GUSH_RPC_UNAUTHENTICATED;
            snprintf(verdict->message, sizeof(verdict->message), "locked");
        }
        return;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (gush_span_eq_str(head->method, known[i].method)) {
            verdict->note = known[i].note;
            return;
        }
    }
    verdict->status = GUSH_RPC_UNIMPLEMENTED;
    snprintf(verdict->message, sizeof(verdict->message), "no method %.*s", (int)head->method.n,
             (const char *)head->method.p);
}

static void fixture_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct fixture *f = ctx;
    struct gush_rpc_end fail = {GUSH_RPC_OUT_OF_RANGE, GUSH_SPAN_LIT("far too far"),
                                GUSH_SPAN_LIT("\x01\0details")};
    struct held *h = GUSH_NEW(struct held);
    unsigned long size;
    char text[64] = {0}, *end;

    atomic_fetch_add(&f->asked, 1);
    h->f = f;
    h->call = call;
    h->letter.kind = &later_kind;
    gush_rpc_call_set_user(call, h);
    switch (gush_rpc_call_note(call)) {
    case NOTE_ECHO:
        fixture_reply(call, message);
        break;
    case NOTE_LATER:
        h->bytes = gush_bytes_copy(message);
        gush_rpc_call_hold(call);
        gush_lane_post(gush_rpc_call_lane(call), &h->letter);
        break;
    case NOTE_HOLD:
        h->held = message.n > 0; /* "held": by hold; empty: only open */
        if (h->held)
            gush_rpc_call_hold(call);
        h->kept = gush_rpc_call_lane(call) == f->lane;
        if (h->kept) {
            h->next = f->held;
            f->held = h;
        }
        break;
    case NOTE_FAIL:
        gush_rpc_call_finish(call, NULL, &fail);
        break;
    case NOTE_COUNT:
        memcpy(text, message.p, message.n < sizeof(text) - 1 ? message.n : sizeof(text) - 1);
        h->left_n = strtoul(text, &end, 10);
        size = strtoul(end, &end, 10);
        GUSH_ASSERT(*end == '\0');
        h->bytes = gush_bytes_new(size);
        memset(h->bytes->data, 'x', size);
        break;
    case NOTE_FLOOD:
        f->flood = call;
        h->left_n = SIZE_MAX;
        h->bytes = gush_bytes_new(32768);
        memset(h->bytes->data, 'x', 32768);
        break;
    default:
        GUSH_ASSERT(false);
    }
    if (gush_rpc_call_note(call) >= NOTE_COUNT) {
        gush_rpc_slice_init(&h->slice, h->bytes);
        h->shared = true;
        fixture_stream(h);
    }
}

static void fixture_sent(void *ctx, struct gush_rpc_call *call, bool ok)
{
    struct held *h = gush_rpc_call_user(call);

    (void)ctx;
    if (ok)
        fixture_stream(h);
}

/* ---- The chat: many messages both ways ------------------------------------------------------- */

static void chat_admit(void *ctx, const struct gush_rpc_head *head,
                       struct gush_rpc_verdict *verdict)
{
    (void)ctx;
    verdict->many = true;
    verdict->note = gush_span_eq_str(head->method, "Deaf");
}

static void chat_begin(struct fixture *f, struct gush_rpc_call *call)
{
    struct held *h;

    if (gush_rpc_call_user(call) != NULL)
        return;
    h = GUSH_NEW(struct held);
    h->f = f;
    h->call = call;
    gush_rpc_call_set_user(call, h);
    atomic_fetch_add(&f->asked, 1);
}

static void chat_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct fixture *f = ctx;
    struct gush_bytes *bytes;
    struct gush_rpc_slice slice;

    chat_begin(f, call);
    atomic_fetch_add(&f->heard, 1);
    if (gush_rpc_call_note(call))
        return;
    bytes = gush_bytes_copy(message);
    gush_rpc_slice_init(&slice, bytes);
    gush_bytes_unref(bytes);
    if (gush_rpc_call_send(call, &slice, false) == GUSH_OK)
        gush_rpc_call_read(call);
    gush_rpc_slice_fini(&slice);
}

static void chat_sent(void *ctx, struct gush_rpc_call *call, bool ok)
{
    (void)ctx;
    if (ok)
        gush_rpc_call_read(call);
}

static void chat_half_close(void *ctx, struct gush_rpc_call *call)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_OK, .message = GUSH_SPAN_LIT("bye")};

    chat_begin(ctx, call);
    gush_rpc_call_finish(call, NULL, &end);
}

static void fixture_gone(void *ctx, struct gush_rpc_call *call)
{
    struct fixture *f = ctx;

    (void)call;
    atomic_fetch_add(&f->gone, 1);
}

static void fixture_closed(void *ctx, struct gush_rpc_call *call)
{
    struct fixture *f = ctx;
    struct held *h = gush_rpc_call_user(call), **at = &f->held;

    GUSH_ASSERT(h->call == call);
    if (h->kept) {
        while (*at != h)
            at = &(*at)->next;
        *at = h->next;
    }
    if (h->shared)
        gush_rpc_slice_fini(&h->slice);
    gush_bytes_unref(h->bytes);
    gush_free(h);
    atomic_fetch_add(&f->closed, 1);
}

/* ---- Doing things on the lane ---------------------------------------------------------------- */

struct errand {
    struct gush_letter letter;
    struct fixture *f;
    void (*run)(struct fixture *f);
    atomic_uint done;
};

static void errand_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct errand *e = GUSH_CONTAINER(letter, struct errand, letter);

    (void)lane;
    e->run(e->f);
    atomic_fetch_add(&e->done, 1);
}

static void errand_drop(struct gush_letter *letter)
{
    (void)letter;
}

static const struct gush_letter_kind errand_kind = {"errand", errand_open, errand_drop};

/* Runs |run| on the first queue's lane and waits for it. */
static inline void on_lane(struct fixture *f, void (*run)(struct fixture *f))
{
    struct errand e = {.letter = {.kind = &errand_kind}, .f = f, .run = run};

    assert_true(gush_lane_post(f->lane, &e.letter));
    assert_true(wait_for(&e.done, 1));
}

/* Answers every held call. On the first queue's lane. */
static inline void answer_all(struct fixture *f)
{
    struct held *h;

    while ((h = f->held) != NULL) {
        bool held = h->held;
        struct gush_rpc_call *call = h->call;

        f->held = h->next;
        h->kept = false;
        fixture_reply(call, GUSH_SPAN_LIT("late"));
        if (held)
            gush_rpc_call_release(call);
    }
}

/* ---- Set-up ---------------------------------------------------------------------------------- */

struct fixture_options {
    size_t queues_n;
    unsigned posted_n;
    bool lean;
    uint64_t request_timeout_ms;
    void (*add)(struct fixture *f, struct gush_rpc_server_options *options); /* more services */
};

static inline struct fixture *fixture_new(struct fixture_options o)
{
    struct fixture *f = GUSH_NEW(struct fixture);
    struct gush_rpc_server_options so = {
        .name = "test",
        .queues = f->queues,
        .services = {&f->services[0], &f->services[1], &f->services[2]},
        .request_max_bytes = REQUEST_MAX,
        .request_timeout_ms = o.request_timeout_ms,
        .posted_n = o.posted_n ? o.posted_n : 8,
        .lean = o.lean};

    f->queues_n = o.queues_n ? o.queues_n : 1;
    for (unsigned i = 0; i < f->queues_n; i++) {
        struct gush_rpc_queue_options qo = {.index = i, .seed = i, .mono_us = fixture_mono_us};

        f->queues[i] = gush_rpc_queue_new(&qo);
        f->lanes[i] = gush_rpc_queue_lane(f->queues[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        f->services[i] = (struct gush_rpc_service){.name = i ? "test.Stream" : "test.Echo",
                                                   .ctx = f,
                                                   .admit = fixture_admit,
                                                   .on_request = fixture_request,
                                                   .on_sent = fixture_sent,
                                                   .on_gone = fixture_gone,
                                                   .on_closed = fixture_closed};
    }
    f->services[2] = (struct gush_rpc_service){.name = "test.Chat",
                                               .ctx = f,
                                               .admit = chat_admit,
                                               .on_request = chat_request,
                                               .on_half_close = chat_half_close,
                                               .on_sent = chat_sent,
                                               .on_gone = fixture_gone,
                                               .on_closed = fixture_closed};
    f->lane = f->lanes[0];
    so.queues_n = f->queues_n;
    if (o.add)
        o.add(f, &so);
    f->server = gush_rpc_server_new(&so);
    gush_rpc_server_start(f->server);
    for (size_t i = 0; i < f->queues_n; i++)
        assert_int_equal(gush_rpc_queue_start(f->queues[i]), GUSH_OK);
    return f;
}

/* In order: no new calls, a grace, the rest is cancelled, queues, server. */
static inline void fixture_free(struct fixture *f)
{
    gush_rpc_server_stop(f->server);
    if (!gush_rpc_server_wait(f->server, 20)) {
        gush_rpc_server_cancel(f->server);
        assert_true(gush_rpc_server_wait(f->server, WAIT_MS));
    }
    for (size_t i = 0; i < f->queues_n; i++)
        gush_rpc_queue_stop(f->queues[i]);
    for (size_t i = 0; i < f->queues_n; i++)
        gush_rpc_queue_join(f->queues[i]);
    gush_rpc_server_free(f->server);
    for (size_t i = 0; i < f->queues_n; i++)
        gush_rpc_queue_free(f->queues[i]);
    assert_int_equal(atomic_load(&f->asked), atomic_load(&f->closed));
    assert_null(f->held);
    gush_free(f);
}

static int library_up(void **state)
{
    (void)state;
    gush_rpc_library_init();
    return 0;
}

static int library_down(void **state)
{
    (void)state;
    gush_rpc_library_fini();
    assert_int_equal(gush_bytes_live(), 0);
    return 0;
}

/* ---- The peer -------------------------------------------------------------------------------- */

struct peer {
    grpc_completion_queue *cq;
    grpc_channel *channel;
};

static inline struct peer peer_open_with(struct fixture *f, grpc_compression_algorithm compression)
{
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    grpc_arg items[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char[]){GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH}},
        {.type = GRPC_ARG_INTEGER, .key = (char[]){GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM}}};
    grpc_channel_args args = {2, items};
    struct peer p;
    int fds[2];

    items[0].value.integer = -1;
    items[1].value.integer = (int)compression;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p.cq = grpc_completion_queue_create_for_pluck(NULL);
    p.channel = grpc_channel_create_from_fd("test", fds[0], plain, &args);
    grpc_channel_credentials_release(plain);
    gush_rpc_server_add_fd(f->server, fds[1]);
    return p;
}

static inline struct peer peer_open(struct fixture *f)
{
    return peer_open_with(f, GRPC_COMPRESS_NONE);
}

static inline void peer_close(struct peer *p)
{
    grpc_channel_destroy(p->channel);
    grpc_completion_queue_shutdown(p->cq);
    grpc_completion_queue_destroy(p->cq);
}

/* One call, as its peer sees it. Tags are the addresses of the fields. */
struct ask {
    struct peer *p;
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice message;
    grpc_byte_buffer *received;
};

struct ask_options {
    const char *path;
    struct gush_span request;
    const char *key, *value; /* metadata */
    int64_t timeout_ms;      /* 0: none */
    bool silent;             /* no request message at all */
    bool open;               /* and it does not end either */
};

static inline gpr_timespec after_ms(int64_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

static inline void pluck(struct ask *a, void *tag)
{
    grpc_event e = grpc_completion_queue_pluck(a->p->cq, tag, after_ms(WAIT_MS), NULL);

    assert_int_equal(e.type, GRPC_OP_COMPLETE);
}

static inline void ask_send(struct ask *a, const struct ask_options *o)
{
    grpc_slice body = grpc_slice_from_copied_buffer((const char *)o->request.p, o->request.n);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&body, 1);
    grpc_metadata metadata = {.key = grpc_slice_from_copied_string(o->key ? o->key : "none"),
                              .value = grpc_slice_from_copied_string(o->value ? o->value : "")};
    grpc_op ops[4];
    size_t n = 0;

    ops[n] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    ops[n].data.send_initial_metadata.count = o->key != NULL;
    ops[n].data.send_initial_metadata.metadata = &metadata;
    n++;
    if (!o->silent) {
        ops[n] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[n++].data.send_message.send_message = buffer;
    }
    if (!o->open)
        ops[n++] = (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    assert_int_equal(grpc_call_start_batch(a->call, ops, n, &a->call, NULL), GRPC_CALL_OK);
    pluck(a, &a->call);
    ops[0] = (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA};
    ops[0].data.recv_initial_metadata.recv_initial_metadata = &a->initial;
    assert_int_equal(grpc_call_start_batch(a->call, ops, 1, &a->initial, NULL), GRPC_CALL_OK);
    ops[0] = (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    ops[0].data.recv_status_on_client.trailing_metadata = &a->trailing;
    ops[0].data.recv_status_on_client.status = &a->status;
    ops[0].data.recv_status_on_client.status_details = &a->message;
    assert_int_equal(grpc_call_start_batch(a->call, ops, 1, &a->status, NULL), GRPC_CALL_OK);
    grpc_slice_unref(metadata.key);
    grpc_slice_unref(metadata.value);
    grpc_byte_buffer_destroy(buffer);
    grpc_slice_unref(body);
}

static inline void ask_open(struct ask *a, struct peer *p, struct ask_options o)
{
    gpr_timespec until = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    grpc_slice path = grpc_slice_from_copied_string(o.path);

    *a = (struct ask){.p = p, .message = grpc_empty_slice()};
    if (o.timeout_ms)
        until = after_ms(o.timeout_ms);
    a->call = grpc_channel_create_call(p->channel, NULL, 0, p->cq, path, NULL, until, NULL);
    grpc_slice_unref(path);
    grpc_metadata_array_init(&a->initial);
    grpc_metadata_array_init(&a->trailing);
    ask_send(a, &o);
}

/* One more message of an open call. */
static inline void ask_say(struct ask *a, struct gush_span message)
{
    grpc_slice body = grpc_slice_from_copied_buffer((const char *)message.p, message.n);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&body, 1);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};

    op.data.send_message.send_message = buffer;
    assert_int_equal(grpc_call_start_batch(a->call, &op, 1, &a->call, NULL), GRPC_CALL_OK);
    pluck(a, &a->call);
    grpc_byte_buffer_destroy(buffer);
    grpc_slice_unref(body);
}

static inline void ask_half_close(struct ask *a)
{
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

    assert_int_equal(grpc_call_start_batch(a->call, &op, 1, &a->call, NULL), GRPC_CALL_OK);
    pluck(a, &a->call);
}

/* The next message, or p NULL at the end of the stream. Free with grpc_slice_unref. */
static inline bool ask_next(struct ask *a, grpc_slice *out)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    grpc_byte_buffer_reader reader;

    *out = grpc_empty_slice();
    op.data.recv_message.recv_message = &a->received;
    assert_int_equal(grpc_call_start_batch(a->call, &op, 1, &a->received, NULL), GRPC_CALL_OK);
    pluck(a, &a->received);
    if (a->received == NULL)
        return false;
    assert_true(grpc_byte_buffer_reader_init(&reader, a->received));
    *out = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(a->received);
    return true;
}

/* Waits for the end; the status stays readable. */
static inline void ask_end(struct ask *a)
{
    pluck(a, &a->initial);
    pluck(a, &a->status);
}

static inline void ask_free(struct ask *a)
{
    grpc_metadata_array_destroy(&a->initial);
    grpc_metadata_array_destroy(&a->trailing);
    grpc_slice_unref(a->message);
    grpc_call_unref(a->call);
}

static inline void assert_message(const struct ask *a, const char *text)
{
    if (grpc_slice_str_cmp(a->message, text) != 0)
        fail_msg("status message is \"%.*s\", not \"%s\"", (int)GRPC_SLICE_LENGTH(a->message),
                 (const char *)GRPC_SLICE_START_PTR(a->message), text);
}

/* A whole call that must end with |status| and |message| (NULL: any). */
static inline void expect_end(struct peer *p, struct ask_options o, grpc_status_code status,
                              const char *message)
{
    struct ask a;
    grpc_slice got;

    ask_open(&a, p, o);
    if (ask_next(&a, &got))
        grpc_slice_unref(got);
    ask_end(&a);
    assert_int_equal(a.status, status);
    if (message)
        assert_message(&a, message);
    ask_free(&a);
}

/* A unary call that must echo its request. */
static inline void expect_echo(struct peer *p, const char *path, struct gush_span request)
{
    struct ask a;
    grpc_slice got;

    ask_open(&a, p, (struct ask_options){.path = path, .request = request});
    assert_true(ask_next(&a, &got));
    assert_true(
        gush_span_eq(gush_span_of(GRPC_SLICE_START_PTR(got), GRPC_SLICE_LENGTH(got)), request));
    grpc_slice_unref(got);
    ask_end(&a);
    assert_int_equal(a.status, GRPC_STATUS_OK);
    ask_free(&a);
}

#endif
