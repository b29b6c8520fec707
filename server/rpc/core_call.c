/* core_call: calls of the gRPC library. */
#include <grpc/byte_buffer.h>
#include <grpc/slice_buffer.h>
#include <grpc/support/alloc.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "server/base/mem.h"

#include "server/rpc/rpc_priv.h"

#define LEAVE_MAX_MS  5000
#define LEAVE_LOOK_MS 5

struct gush__core_call {
    struct gush_rpc_call base;
    grpc_call *core;
    struct gush_rpc_server *server;
    struct gush_rpc_queue *queue;
    grpc_byte_buffer *request; /* while it is read */
    struct gush_timer late;    /* while it is read */
    /* Operations whose tag is not back, and holds: the object lives while any is left. */
    uint32_t ops_n, holds_n;
    int cancelled;
    int fd;        /* of its connection; -1: not known */
    bool many;     /* the peer may send any number of messages */
    bool gzip;     /* answers are compressed: the peer does it, too */
    bool reading;  /* a message is asked for */
    bool asked;    /* the service knows this call */
    bool started;  /* initial metadata is out */
    bool sending;  /* a message is under way */
    bool finished; /* finish was called */
    bool gone;     /* the library says it is over for the peer */
    bool cut;      /* cancel was called: what comes back now means nothing */
    bool leaving;  /* leave was called; |late| is its timer now */
    uint64_t leave_from_ms;
    struct gush__tag close_tag, read_tag, send_tag, finish_tag;
};

/* ---- Life ----------------------------------------------------------------------------------- */

/* Frees |call| once nothing can come back to it. */
static void settle(struct gush__core_call *call)
{
    struct gush_rpc_queue *q = call->queue;

    if (call->ops_n > 0 || call->holds_n > 0)
        return;
    GUSH_ASSERT(call->gone);
    if (call->asked && call->base.service->on_closed)
        call->base.service->on_closed(call->base.service->ctx, &call->base);
    gush_wheel_disarm(&q->lane.wheel, &call->late);
    grpc_call_unref(call->core);
    gush__server_leave(call->server);
    call->base.magic = GUSH_MAGIC_DEAD;
    gush_free(call);
    q->live_n--;
}

/* A tag is back and its consequences are drawn. */
static void op_back(struct gush__core_call *call)
{
    GUSH_ASSERT(call->ops_n > 0);
    call->ops_n--;
    settle(call);
}

static void on_close(struct gush__tag *tag, bool ok)
{
    struct gush__core_call *call = GUSH_CONTAINER(tag, struct gush__core_call, close_tag);

    (void)ok;
    call->gone = true;
    if (call->asked && !call->finished && call->base.service->on_gone)
        call->base.service->on_gone(call->base.service->ctx, &call->base);
    op_back(call);
}

static void refuse(struct gush__core_call *call, enum gush_rpc_status status, const char *message)
{
    struct gush_rpc_end end = {.status = status, .message = gush_span_str(message)};

    /* A service that knows the call must not end it a second time. */
    if (call->asked && call->base.service->on_gone)
        call->base.service->on_gone(call->base.service->ctx, &call->base);
    gush_rpc_call_finish(&call->base, NULL, &end);
}

/* The request as one piece, or why not. */
static void deliver_request(struct gush__core_call *call, grpc_byte_buffer *message)
{
    const struct gush_rpc_server_options *options = gush__server_options(call->server);
    grpc_slice all;

    if (gush__encoding_is_unknown(call->core, message)) {
        refuse(call, GUSH_RPC_UNIMPLEMENTED, GUSH_RPC_SAY_ENCODING);
        return;
    }
    switch ((int)gush__encoding_open(message, options->request_max_bytes, &all)) {
    case GUSH_OK:
        break;
    case GUSH_ELIMIT:
        refuse(call, GUSH_RPC_RESOURCE_EXHAUSTED, GUSH_RPC_SAY_TOO_LONG);
        return;
    default:
        refuse(call, GUSH_RPC_INTERNAL, GUSH_RPC_SAY_NOT_GZIP);
        return;
    }
    if (message->data.raw.compression != GRPC_COMPRESS_NONE && !options->lean)
        call->gzip = true;
    call->asked = true;
    call->base.service->on_request(call->base.service->ctx, &call->base, gush__slice_span(&all));
    grpc_slice_unref(all);
}

static void deliver_half_close(struct gush__core_call *call)
{
    if (!call->many) {
        refuse(call, GUSH_RPC_INVALID_ARGUMENT, GUSH_RPC_SAY_NO_MESSAGE);
        return;
    }
    call->asked = true;
    call->base.service->on_half_close(call->base.service->ctx, &call->base);
}

static void on_read(struct gush__tag *tag, bool ok)
{
    struct gush__core_call *call = GUSH_CONTAINER(tag, struct gush__core_call, read_tag);

    grpc_byte_buffer *request = call->request;

    gush_wheel_disarm(&call->queue->lane.wheel, &call->late);
    call->reading = false;
    if (ok && !call->gone && !call->finished && !call->cut) {
        if (request != NULL)
            deliver_request(call, request);
        else
            deliver_half_close(call);
    }
    if (request != NULL)
        grpc_byte_buffer_destroy(request);
    op_back(call);
}

/* When |fd| was last seen with nothing left to be sent; 0: never. */
static uint64_t *sent_ms_of(struct gush_rpc_queue *q, int fd)
{
    size_t n = ((size_t)fd / 1024 + 1) * 1024;

    if (n > q->sent_n) {
        q->sent_ms = gush_realloc(q->sent_ms, n * sizeof(*q->sent_ms));
        memset(q->sent_ms + q->sent_n, 0, (n - q->sent_n) * sizeof(*q->sent_ms));
        q->sent_n = n;
    }
    return &q->sent_ms[fd];
}

/* Whether the peer's system has not taken yet what was written before leave. What other streams of
 * the connection have written since does not matter. */
static bool has_unsent(const struct gush__core_call *call, uint64_t now_ms)
{
    uint64_t *sent_ms;
    int n = 0;

    if (call->fd < 0 || ioctl(call->fd, SIOCOUTQ, &n) != 0)
        return false;
    sent_ms = sent_ms_of(call->queue, call->fd);
    if (n == 0)
        *sent_ms = now_ms;
    return n > 0 && *sent_ms <= call->leave_from_ms;
}

static void leave(struct gush__core_call *call)
{
    struct gush_lane *lane = &call->queue->lane;
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};
    uint64_t now_ms = gush_lane_now_ms(lane), passed_ms = now_ms - call->leave_from_ms;

    if (passed_ms < LEAVE_MAX_MS && has_unsent(call, now_ms))
        gush_wheel_arm(&lane->wheel, &call->late, now_ms + LEAVE_LOOK_MS + passed_ms / 4);
    else
        gush_rpc_call_finish(&call->base, NULL, &end);
}

static void on_late(void *lane, struct gush_timer *timer)
{
    struct gush__core_call *call = GUSH_CONTAINER(timer, struct gush__core_call, late);

    (void)lane;
    if (call->leaving && !call->gone && !call->cut) {
        leave(call);
        return;
    }
    if (call->gone || call->finished || call->cut)
        return;
    if (call->asked) /* its service may be amid something else: it hears of this as of any end */
        gush_rpc_call_cancel(&call->base, GUSH_RPC_DEADLINE_EXCEEDED, GUSH_RPC_SAY_LATE_AGAIN);
    else
        refuse(call, GUSH_RPC_DEADLINE_EXCEEDED, GUSH_RPC_SAY_LATE);
}

static void on_sent(struct gush__tag *tag, bool ok)
{
    struct gush__core_call *call = GUSH_CONTAINER(tag, struct gush__core_call, send_tag);

    call->sending = false;
    call->base.service->on_sent(call->base.service->ctx, &call->base, ok);
    op_back(call);
}

static void on_finished(struct gush__tag *tag, bool ok)
{
    struct gush__core_call *call = GUSH_CONTAINER(tag, struct gush__core_call, finish_tag);

    (void)ok;
    op_back(call);
}

void gush__core_call_read(struct gush__core_call *call)
{
    struct gush_lane *lane = &call->queue->lane;
    uint64_t timeout_ms = gush__server_options(call->server)->request_timeout_ms;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    call->reading = true;
    call->request = NULL;
    if (timeout_ms > 0)
        gush_wheel_arm(&lane->wheel, &call->late, gush_lane_now_ms(lane) + timeout_ms);
    op.data.recv_message.recv_message = &call->request;
    call->ops_n++;
    gush__queue_start_later(call->queue, call->core, &op, 1, &call->read_tag);
}

/* ---- What the service does ------------------------------------------------------------------- */

static struct gush__core_call *core_of(struct gush_rpc_call *base)
{
    return GUSH_CONTAINER(base, struct gush__core_call, base);
}

struct gush_rpc_call *gush__core_call_base(struct gush__core_call *call)
{
    return &call->base;
}

static struct gush_lane *call_lane(struct gush_rpc_call *base)
{
    return &core_of(base)->queue->lane;
}

static void call_hold(struct gush_rpc_call *base)
{
    core_of(base)->holds_n++;
}

static void call_release(struct gush_rpc_call *base)
{
    struct gush__core_call *call = core_of(base);

    GUSH_ASSERT(call->holds_n > 0);
    call->holds_n--;
    settle(call);
}

static void call_read(struct gush_rpc_call *base)
{
    struct gush__core_call *call = core_of(base);

    GUSH_ASSERT(call->many && !call->reading && !call->finished);
    if (!call->gone)
        gush__core_call_read(call);
}

/* The headers of the answer, which wait for its first message or its end. |room| is used by the
 * batch. */
static void op_headers(struct gush__core_call *call, grpc_op *op, grpc_metadata *room)
{
    *op = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    call->started = true;
    if (!call->gzip)
        return;
    *room = gush__encoding_answer();
    op->data.send_initial_metadata.count = 1;
    op->data.send_initial_metadata.metadata = room;
}

/* Puts |slice| (taken) into the queue's buffer and names it in |op|. One buffer serves every call:
 * the library moves the slices out of it while the batch is started. */
static void op_message(struct gush_rpc_queue *q, grpc_op *op, grpc_slice slice, uint32_t flags)
{
    grpc_slice_buffer_add(&q->message->data.raw.slice_buffer, slice);
    *op = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .flags = flags};
    op->data.send_message.send_message = q->message;
}

static gush_err call_send(struct gush_rpc_call *base, const struct gush_rpc_slice *slice, bool more)
{
    struct gush__core_call *call = core_of(base);
    struct gush_rpc_queue *q = call->queue;
    grpc_metadata header;
    grpc_op ops[2];
    size_t ops_n = 0;
    bool ok = false;

    GUSH_ASSERT(!call->sending && !call->finished);
    if (call->gone)
        return GUSH_ECLOSED;
    if (!call->started) {
        op_headers(call, &ops[ops_n++], &header);
        more = false; /* parked headers would hold up the completion that the next send waits for */
    }
    op_message(q, &ops[ops_n++], grpc_slice_ref(gush__slice_core(slice)),
               more ? GRPC_WRITE_BUFFER_HINT : 0);
    gush_rpc_cork_write(&q->cork, call->fd);
    call->ops_n++;
    call->sending = true;
    if (!gush__queue_start(q, call->core, ops, ops_n, &call->send_tag, &ok)) {
        GUSH_ASSERT(q->message->data.raw.slice_buffer.count == 0);
        return GUSH_EAGAIN;
    }
    call->ops_n--; /* never the last one: the close is not back */
    call->sending = false;
    return ok ? GUSH_OK : GUSH_ECLOSED;
}

static gush_err call_send_bytes(struct gush_rpc_call *base, struct gush_bytes *bytes)
{
    struct gush_rpc_slice slice;
    gush_err err;

    gush_rpc_slice_init(&slice, bytes);
    err = call_send(base, &slice, false);
    gush_rpc_slice_fini(&slice);
    return err;
}

static void call_finish(struct gush_rpc_call *base, struct gush_bytes *reply,
                        const struct gush_rpc_end *end)
{
    struct gush__core_call *call = core_of(base);
    struct gush_rpc_queue *q = call->queue;
    grpc_slice message =
        grpc_slice_from_copied_buffer((const char *)end->message.p, end->message.n);
    grpc_metadata header,
        details = {.key = grpc_slice_from_static_string("grpc-status-details-bin")};
    grpc_op ops[3], *status;
    size_t ops_n = 0;
    bool ok = false;

    GUSH_ASSERT(!call->finished && (reply == NULL || !call->sending));
    call->finished = true;
    details.value = grpc_slice_from_copied_buffer((const char *)end->details.p, end->details.n);
    if (!call->gone) {
        if (!call->started)
            op_headers(call, &ops[ops_n++], &header);
        if (reply != NULL)
            op_message(q, &ops[ops_n++], gush__slice_over(reply), 0);
        status = &ops[ops_n++];
        *status = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
        status->data.send_status_from_server.status = (grpc_status_code)end->status;
        status->data.send_status_from_server.status_details = &message;
        status->data.send_status_from_server.trailing_metadata_count = end->details.n > 0;
        status->data.send_status_from_server.trailing_metadata = &details;
        gush_rpc_cork_write(&q->cork, call->fd);
        call->ops_n++;
        if (gush__queue_start(q, call->core, ops, ops_n, &call->finish_tag, &ok))
            call->ops_n--; /* never the last one */
        GUSH_ASSERT(q->message->data.raw.slice_buffer.count == 0);
    }
    grpc_slice_unref(message);
    grpc_slice_unref(details.value);
    gush_bytes_unref(reply);
}

static void call_leave(struct gush_rpc_call *base)
{
    struct gush__core_call *call = core_of(base);

    GUSH_ASSERT(!call->finished && !call->sending && !call->reading && !call->leaving);
    call->leaving = true;
    call->leave_from_ms = gush_lane_now_ms(&call->queue->lane);
    leave(call);
}

static void call_cancel(struct gush_rpc_call *base, enum gush_rpc_status status,
                        const char *message)
{
    struct gush__core_call *call = core_of(base);

    call->cut = true;
    if (!call->gone)
        grpc_call_cancel_with_status(call->core, (grpc_status_code)status, message, NULL);
}

static const struct gush_rpc_call_ops core_ops = {.lane = call_lane,
                                                  .read = call_read,
                                                  .hold = call_hold,
                                                  .release = call_release,
                                                  .send = call_send,
                                                  .send_bytes = call_send_bytes,
                                                  .finish = call_finish,
                                                  .leave = call_leave,
                                                  .cancel = call_cancel};

/* ---- A new one
 * ----------------------------------------------------------------------------------- */

static struct gush__tag tag_for(void (*done)(struct gush__tag *tag, bool ok))
{
    return (struct gush__tag){.magic = gush__tag_MAGIC, .done = done};
}

/* Of a connection that was accepted by us; -1: by the library. */
static int descriptor_of(struct gush_rpc_server *server, grpc_call *core)
{
    char *peer = grpc_call_get_peer(core);
    int fd = gush__server_descriptor(server, peer);

    gpr_free(peer);
    return fd;
}

struct gush__core_call *gush__core_call_open(struct gush_rpc_server *server,
                                             struct gush_rpc_queue *q, grpc_call *core,
                                             const struct gush_rpc_service *service,
                                             const struct gush_rpc_verdict *verdict)
{
    struct gush__core_call *call = GUSH_NEW(struct gush__core_call);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

    call->base = (struct gush_rpc_call){
        .magic = gush_rpc_call_MAGIC, .note = verdict->note, .ops = &core_ops, .service = service};
    call->many = verdict->many;
    call->core = core;
    call->fd = descriptor_of(server, core);
    call->server = server;
    call->queue = q;
    call->late.fire = on_late;
    call->close_tag = tag_for(on_close);
    call->read_tag = tag_for(on_read);
    call->send_tag = tag_for(on_sent);
    call->finish_tag = tag_for(on_finished);
    gush__server_enter(server);
    q->live_n++;
    call->ops_n++;
    op.data.recv_close_on_server.cancelled = &call->cancelled;
    gush__queue_start_later(q, core, &op, 1, &call->close_tag);
    return call;
}
