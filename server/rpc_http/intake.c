/* intake: the requests of a call, from the pieces of a body to whole messages. */
#include "server/base/mem.h"

#include "server/rpc/gzip.h"

#include "server/rpc_http/rpc_http_priv.h"
#include "server/rpc_http/wire.h"

#define TOO_MANY_LONG "too many long request messages are under way"

static void intake_free(struct gush__intake *in)
{
    atomic_fetch_sub(in->long_bytes, in->long_n);
    gush_rpc_http_reader_fini(&in->reader);
    gush_buf_fini(&in->kept);
    gush_free(in);
}

/* Counts what is held of the message. False: messages under way hold too much. One alone may. */
static bool count_long(struct gush__intake *in)
{
    size_t n = in->reader.body.n > GUSH_RPC_HTTP_LONG ? in->reader.body.n - GUSH_RPC_HTTP_LONG : 0;
    bool grows = n > in->long_n;
    size_t before = grows ? atomic_fetch_add(in->long_bytes, n - in->long_n)
                          : atomic_fetch_sub(in->long_bytes, in->long_n - n);
    bool alone = before == in->long_n;

    before += n - in->long_n;
    in->long_n = n;
    return !grows || alone || before <= GUSH_RPC_HTTP_LONG_MAX;
}

/* ---- A message ------------------------------------------------------------------------------- */

/* Asks for one: it has to come in time. */
static void ask(struct gush__http_call *call)
{
    struct gush__intake *in = call->intake;
    struct gush_lane *lane = gush__http_call_lane(call);

    call->reading = true;
    if (in->limits.request_timeout_ms > 0)
        gush_wheel_arm(&lane->wheel, &in->late,
                       gush_lane_now_ms(lane) + in->limits.request_timeout_ms);
}

static void asked_no_more(struct gush__http_call *call, struct gush__intake *in)
{
    call->reading = false;
    gush_wheel_disarm(&gush__http_call_lane(call)->wheel, &in->late);
}

/* |message| opened into |out|, or the call is refused for it. */
static bool open_packed(struct gush__http_call *call, const struct gush__intake *in,
                        struct gush_span message, struct gush_buf *out)
{
    struct gush_rpc_gzip *gzip;
    gush_err err;

    if (in->encoding == GUSH__RPC_UNKNOWN) {
        gush__http_call_refuse(call, GUSH_RPC_UNIMPLEMENTED, GUSH_RPC_SAY_ENCODING);
        return false;
    }
    if (in->encoding == GUSH__RPC_IDENTITY) {
        gush__http_call_refuse(call, GUSH_RPC_INTERNAL,
                               "request message is packed, and grpc-encoding does not say how");
        return false;
    }
    gzip = gush_rpc_gzip_new(in->limits.request_max_bytes);
    err = gush_rpc_gzip_feed(gzip, message);
    if (err == GUSH_OK)
        err = gush_rpc_gzip_end(gzip, out);
    gush_rpc_gzip_free(gzip);
    if (err == GUSH_ELIMIT)
        gush__http_call_refuse(call, GUSH_RPC_RESOURCE_EXHAUSTED, GUSH_RPC_SAY_TOO_LONG);
    else if (err != GUSH_OK)
        gush__http_call_refuse(call, GUSH_RPC_INTERNAL, GUSH_RPC_SAY_NOT_GZIP);
    return err == GUSH_OK;
}

/* Gives |message| to the service; |in| outlives this. */
static void deliver(struct gush__http_call *call, const struct gush__intake *in,
                    struct gush_rpc_http_message message)
{
    const struct gush_rpc_service *service = call->base.service;
    struct gush_buf plain;

    if (!message.packed) {
        call->asked = true;
        service->on_request(service->ctx, &call->base, message.bytes);
        return;
    }
    if (!open_packed(call, in, message.bytes, &plain))
        return;
    call->gzip = in->takes_gzip;
    call->asked = true;
    service->on_request(service->ctx, &call->base, gush_buf_span(&plain));
    gush_buf_fini(&plain);
}

/* What comes does not go on as gRPC wants it. */
static void refuse_bytes(struct gush__http_call *call, gush_err err)
{
    if (err == GUSH_ELIMIT)
        gush__http_call_refuse(call, GUSH_RPC_RESOURCE_EXHAUSTED, GUSH_RPC_SAY_TOO_LONG);
    else
        gush__http_call_refuse(call, GUSH_RPC_INTERNAL, "request message: malformed prefix");
}

/* ---- One message and no more ----------------------------------------------------------------- */

static void take_only(struct gush__http_call *call, struct gush_span bytes)
{
    struct gush__intake *in = call->intake;
    gush_err err = GUSH_OK;

    if (!in->whole) {
        err = gush_rpc_http_reader_take(&in->reader, &bytes, &in->first);
        in->whole = err == GUSH_OK;
    }
    if (err != GUSH_OK && err != GUSH_EAGAIN)
        refuse_bytes(call, err);
    else if (!count_long(in))
        gush__http_call_refuse(call, GUSH_RPC_RESOURCE_EXHAUSTED, TOO_MANY_LONG);
    else if (bytes.n > 0)
        gush__http_call_refuse(call, GUSH_RPC_INTERNAL,
                               "the call has more than its one request message");
}

static void end_only(struct gush__http_call *call)
{
    struct gush__intake *in = call->intake;

    if (in->whole) {
        asked_no_more(call, in);
        call->intake = NULL; /* nothing of it is kept behind on_request */
        deliver(call, in, in->first);
        intake_free(in);
    } else if (gush_rpc_http_reader_amid(&in->reader)) {
        gush__http_call_refuse(call, GUSH_RPC_INTERNAL, "request message is cut off");
    } else {
        gush__http_call_refuse(call, GUSH_RPC_INVALID_ARGUMENT, GUSH_RPC_SAY_NO_MESSAGE);
    }
}

/* ---- Any number ------------------------------------------------------------------------------ */

/* The end of the body, for whom asked for a message. */
static void half_close(struct gush__http_call *call)
{
    const struct gush_rpc_service *service = call->base.service;

    if (gush_rpc_http_reader_amid(&call->intake->reader)) {
        gush__http_call_refuse(call, GUSH_RPC_INTERNAL, "request message is cut off");
        return;
    }
    asked_no_more(call, call->intake);
    call->asked = true;
    service->on_half_close(service->ctx, &call->base);
}

/* Goes through what is kept as long as messages are asked for. The service may ask for the next one
 * meanwhile, and may end the call; nothing frees it meanwhile. */
static void advance(struct gush__http_call *call)
{
    struct gush__intake *in;

    while (!call->over && call->reading && (in = call->intake) != NULL) {
        struct gush_span rest = gush_buf_span(&in->kept);
        struct gush_rpc_http_message message;
        gush_err err = gush_rpc_http_reader_take(&in->reader, &rest, &message);
        size_t taken = in->kept.n - rest.n;

        gush_buf_consume(&in->kept, taken);
        if (taken > 0)
            gush_exchange_take(call->exchange, taken);
        if (!count_long(in)) {
            gush__http_call_refuse(call, GUSH_RPC_RESOURCE_EXHAUSTED, TOO_MANY_LONG);
        } else if (err == GUSH_OK) {
            asked_no_more(call, in);
            deliver(call, in, message);
        } else if (err != GUSH_EAGAIN) {
            refuse_bytes(call, err);
        } else if (in->ended) {
            half_close(call);
        } else {
            return;
        }
    }
}

/* The same, and what is needed for reading stays until it is done. */
static void look(struct gush__http_call *call)
{
    struct gush__intake *in = call->intake;

    in->busy = true;
    advance(call);
    in->busy = false;
    if (call->intake != in && !in->work.queued)
        intake_free(in);
}

static bool on_work(struct gush_lane *lane, struct gush_work *work)
{
    struct gush__intake *in = GUSH_CONTAINER(work, struct gush__intake, work);
    struct gush__http_call *call = in->call;

    (void)lane;
    if (call->intake == in)
        look(call);
    else
        intake_free(in);
    gush__http_call_release(call);
    return true;
}

/* ---- What happens ---------------------------------------------------------------------------- */

void gush__intake_body(struct gush__http_call *call, struct gush_span bytes)
{
    struct gush__intake *in = call->intake;

    if (in == NULL || !call->many) {
        if (in != NULL)
            take_only(call, bytes);
        gush_exchange_take(call->exchange, bytes.n);
        return;
    }
    gush_buf_put_span(&in->kept, bytes);
    GUSH_ASSERT(gush_buf_ok(&in->kept)); /* the exchange gives no more than its window */
    look(call);
}

void gush__intake_end(struct gush__http_call *call)
{
    struct gush__intake *in = call->intake;

    if (in == NULL)
        return;
    in->ended = true;
    if (call->many)
        look(call);
    else
        end_only(call);
}

void gush__intake_ask(struct gush__http_call *call)
{
    struct gush__intake *in = call->intake;

    ask(call);
    if (in->busy || in->work.queued || (in->kept.n == 0 && !in->ended))
        return;
    gush__http_call_hold(call); /* until the work is done */
    gush_lane_last(gush__http_call_lane(call), &in->work);
}

static void on_late(void *lane, struct gush_timer *timer)
{
    struct gush__http_call *call = GUSH_CONTAINER(timer, struct gush__intake, late)->call;

    (void)lane;
    gush__http_call_refuse(call, GUSH_RPC_DEADLINE_EXCEEDED,
                           call->asked ? GUSH_RPC_SAY_LATE_AGAIN : GUSH_RPC_SAY_LATE);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static enum gush__rpc_encoding encoding_of(struct gush_span name)
{
    if (name.n == 0 || gush_span_eq_str(name, "identity"))
        return GUSH__RPC_IDENTITY;
    return gush_span_eq_str(name, "gzip") ? GUSH__RPC_GZIP : GUSH__RPC_UNKNOWN;
}

void gush__intake_open(struct gush__http_call *call, const struct gush_rpc_http_limits *limits,
                       atomic_size_t *long_bytes, const struct gush_http_request *request)
{
    struct gush__intake *in = GUSH_NEW(struct gush__intake);
    bool says = false;
    struct gush_span accepted =
        gush_http_field_find(request->fields, request->fields_n, "grpc-accept-encoding", &says);

    in->call = call;
    in->late.fire = on_late;
    in->work.run = on_work;
    in->limits = *limits;
    in->long_bytes = long_bytes;
    in->encoding = encoding_of(
        gush_http_field_find(request->fields, request->fields_n, "grpc-encoding", NULL));
    in->takes_gzip = !says || gush_rpc_http_wire_has(accepted, "gzip");
    gush_rpc_http_reader_init(&in->reader, limits->request_max_bytes);
    gush_buf_init(&in->kept, GUSH_EXCHANGE_BODY_WINDOW);
    call->intake = in;
    ask(call);
}

void gush__intake_close(struct gush__http_call *call)
{
    struct gush__intake *in = call->intake;

    if (in == NULL)
        return;
    asked_no_more(call, in);
    call->intake = NULL;
    if (!in->busy && !in->work.queued)
        intake_free(in);
}
