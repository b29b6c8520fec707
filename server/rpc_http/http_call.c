/* http_call: calls that came as exchanges. */
#include "server/base/mem.h"

#include "server/rpc/gzip.h"

#include "server/rpc_http/rpc_http_priv.h"
#include "server/rpc_http/wire.h"

static struct gush__http_call *call_of(struct gush_rpc_call *base)
{
    return GUSH_CONTAINER(base, struct gush__http_call, base);
}

/* ---- Heads and ends -------------------------------------------------------------------------- */

#define TYPE_FIELD                                                                                 \
    {                                                                                              \
        GUSH_SPAN_INIT("content-type"), GUSH_SPAN_INIT("application/grpc")                         \
    }

static const struct gush_http_field head_fields[] = {
    TYPE_FIELD, {GUSH_SPAN_INIT("grpc-encoding"), GUSH_SPAN_INIT("gzip")}};

/* The head of the answer, which waits for its first message or its end; |first| goes with it. */
static void start(struct gush__http_call *call, struct gush_span first)
{
    struct gush_http_response r = {
        .status = 200, .fields = head_fields, .fields_n = call->gzip ? 2 : 1, .body = first};

    call->started = true;
    gush_exchange_start(call->exchange, &r);
}

void gush__http_call_end_only(struct gush_exchange *exchange, const struct gush_rpc_end *end)
{
    struct gush_http_field fields[5] = {TYPE_FIELD};
    struct gush_http_response r = {.status = 200, .fields = fields, .fields_n = 1};
    struct gush_rpc_http_trailers t;

    gush_rpc_http_wire_trailers(&t, end);
    if (end->status == GUSH_RPC_UNIMPLEMENTED)
        fields[r.fields_n++] = (struct gush_http_field){GUSH_SPAN_LIT("grpc-accept-encoding"),
                                                        GUSH_SPAN_LIT("identity,gzip")};
    for (size_t i = 0; i < t.fields_n; i++)
        fields[r.fields_n++] = t.fields[i];
    gush_exchange_respond(exchange, &r);
    gush_rpc_http_wire_trailers_fini(&t);
}

/* Nothing is under way. */
static void say_end(struct gush__http_call *call, const struct gush_rpc_end *end)
{
    struct gush_rpc_http_trailers t;

    call->over = true;
    if (!call->started) {
        gush__http_call_end_only(call->exchange, end);
        return;
    }
    gush_rpc_http_wire_trailers(&t, end);
    gush_exchange_end_with(call->exchange, t.fields, t.fields_n);
    gush_rpc_http_wire_trailers_fini(&t);
}

/* Nothing is to be said any more, in order or not. */
static void stop(struct gush__http_call *call)
{
    gush__intake_close(call);
    if (call->deadline == NULL)
        return;
    gush_wheel_disarm(&gush__http_call_lane(call)->wheel, &call->deadline->timer);
    gush_free(call->deadline);
    call->deadline = NULL;
}

/* ---- Messages of the call's own -------------------------------------------------------------- */

static struct gush_bytes *copy_if_any(struct gush_span s)
{
    return s.n > 0 ? gush_bytes_copy(s) : NULL;
}

static void own_free(struct gush__own *own)
{
    if (own == NULL)
        return;
    gush_bytes_unref(own->bytes);
    gush_bytes_unref(own->message);
    gush_bytes_unref(own->details);
    gush_free(own);
}

/* |message| (taken), packed where that is wanted, with its 5 bytes in front. */
static struct gush_bytes *framed(const struct gush__http_call *call, struct gush_bytes *message)
{
    struct gush_bytes *packed = call->gzip ? gush_rpc_gzip_pack(gush_bytes_span(message)) : NULL;
    const struct gush_bytes *from = packed ? packed : message;
    struct gush_bytes *out = gush_bytes_new(GUSH_RPC_HTTP_PREFIX_N + from->n);

    gush_rpc_http_reader_prefix(out->data, packed != NULL, from->n);
    memcpy(out->data + GUSH_RPC_HTTP_PREFIX_N, from->data, from->n);
    gush_bytes_unref(packed);
    gush_bytes_unref(message);
    return out;
}

static struct gush__own *own_new(const struct gush__http_call *call, struct gush_bytes *message)
{
    struct gush__own *own = GUSH_NEW(struct gush__own);

    own->bytes = framed(call, message);
    return own;
}

/* What follows the last message. */
static void own_end(struct gush__http_call *call)
{
    struct gush__own *own = call->own;
    struct gush_rpc_end end = {own->status, gush_bytes_span(own->message),
                               gush_bytes_span(own->details)};

    call->own = NULL;
    say_end(call, &end);
    own_free(own);
}

/* ---- What the service does ------------------------------------------------------------------- */

struct gush_lane *gush__http_call_lane(const struct gush__http_call *call)
{
    return call->gone ? call->lane : gush_exchange_lane(call->exchange);
}

void gush__http_call_hold(struct gush__http_call *call)
{
    GUSH_ASSERT(call->holds_n < UINT16_MAX);
    call->holds_n++;
}

/* Frees |call| once nothing can come back to it. */
static void settle(struct gush__http_call *call)
{
    if (!call->gone || call->holds_n > 0)
        return;
    if (call->asked && call->base.service->on_closed)
        call->base.service->on_closed(call->base.service->ctx, &call->base);
    GUSH_ASSERT(call->intake == NULL && call->deadline == NULL && call->own == NULL);
    call->base.magic = GUSH_MAGIC_DEAD;
    gush_free(call);
}

void gush__http_call_release(struct gush__http_call *call)
{
    GUSH_ASSERT(call->holds_n > 0);
    call->holds_n--;
    settle(call);
}

static struct gush_lane *call_lane(struct gush_rpc_call *base)
{
    return gush__http_call_lane(call_of(base));
}

static void call_hold(struct gush_rpc_call *base)
{
    gush__http_call_hold(call_of(base));
}

static void call_release(struct gush_rpc_call *base)
{
    gush__http_call_release(call_of(base));
}

static void call_read(struct gush_rpc_call *base)
{
    struct gush__http_call *call = call_of(base);

    GUSH_ASSERT(call->many && !call->reading && !call->finished);
    if (!call->over)
        gush__intake_ask(call);
}

/* What own or the service's pieces give. */
static gush_err send_it(struct gush__http_call *call)
{
    gush_err err;

    if (!call->started)
        start(call, GUSH_SPAN_EMPTY);
    err = gush_exchange_send(call->exchange);
    call->sending = err == GUSH_EAGAIN;
    return err;
}

static gush_err call_burst(struct gush_rpc_call *base)
{
    struct gush__http_call *call = call_of(base);

    GUSH_ASSERT(!call->sending && !call->finished);
    return call->over ? GUSH_ECLOSED : send_it(call);
}

static gush_err call_send_bytes(struct gush_rpc_call *base, struct gush_bytes *bytes)
{
    struct gush__http_call *call = call_of(base);
    gush_err err;

    GUSH_ASSERT(!call->sending && !call->finished);
    if (call->over)
        return GUSH_ECLOSED;
    call->own = own_new(call, gush_bytes_ref(bytes));
    err = send_it(call);
    if (err == GUSH_EAGAIN)
        return err;
    own_free(call->own);
    call->own = NULL;
    return err;
}

/* The only message of the answer. From here on it is HTTP's: also how long the peer may take. */
static void reply_only(struct gush__http_call *call, struct gush_bytes *reply,
                       const struct gush_rpc_end *end)
{
    struct gush_bytes *bytes = framed(call, reply);

    start(call, gush_bytes_span(bytes));
    gush_bytes_unref(bytes);
    say_end(call, end);
}

/* One more message of a stream, and |end| behind it. */
static void reply_last(struct gush__http_call *call, struct gush_bytes *reply,
                       const struct gush_rpc_end *end)
{
    call->own = own_new(call, reply);
    call->own->last = true;
    call->own->status = end->status;
    call->own->message = copy_if_any(end->message);
    call->own->details = copy_if_any(end->details);
    if (send_it(call) == GUSH_OK)
        own_end(call);
}

static void call_finish(struct gush_rpc_call *base, struct gush_bytes *reply,
                        const struct gush_rpc_end *end)
{
    struct gush__http_call *call = call_of(base);

    GUSH_ASSERT(!call->finished && !call->sending);
    call->finished = true;
    stop(call);
    if (call->over)
        gush_bytes_unref(reply);
    else if (reply != NULL && call->started)
        reply_last(call, reply, end);
    else if (reply != NULL)
        reply_only(call, reply, end);
    else
        say_end(call, end);
}

static void call_leave(struct gush_rpc_call *base)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};

    call_finish(base, NULL, &end);
}

/* Ends the call with |status|, if it can still be told. */
static void cut(struct gush__http_call *call, enum gush_rpc_status status, const char *message)
{
    struct gush_rpc_end end = {.status = status, .message = gush_span_str(message)};

    if (call->over)
        return;
    stop(call);
    if (!call->sending) {
        say_end(call, &end);
        return;
    }
    call->over = true;
    gush_exchange_abort(call->exchange);
}

static void call_cancel(struct gush_rpc_call *base, enum gush_rpc_status status,
                        const char *message)
{
    cut(call_of(base), status, message);
}

void gush__http_call_refuse(struct gush__http_call *call, enum gush_rpc_status status,
                            const char *message)
{
    if (call->over)
        return;
    cut(call, status, message);
    if (!call->asked || call->finished || call->told)
        return;
    call->told = true;
    if (call->base.service->on_gone)
        call->base.service->on_gone(call->base.service->ctx, &call->base);
}

static const struct gush_rpc_call_ops call_ops = {.lane = call_lane,
                                                  .read = call_read,
                                                  .hold = call_hold,
                                                  .release = call_release,
                                                  .burst = call_burst,
                                                  .send_bytes = call_send_bytes,
                                                  .finish = call_finish,
                                                  .leave = call_leave,
                                                  .cancel = call_cancel};

/* ---- What happens ---------------------------------------------------------------------------- */

static size_t on_pieces(void *user, struct gush_span out[GUSH_EXCHANGE_PIECES_MAX])
{
    struct gush__http_call *call = call_of(user);

    if (call->own != NULL) {
        out[0] = gush_bytes_span(call->own->bytes);
        return 1;
    }
    return call->base.service->pieces(call->base.service->ctx, &call->base, out);
}

static void on_sent(void *user)
{
    struct gush__http_call *call = call_of(user);
    struct gush__own *own = call->own;

    call->sending = false;
    if (own != NULL && own->last) {
        own_end(call);
        return;
    }
    own_free(own);
    call->own = NULL;
    call->base.service->on_sent(call->base.service->ctx, &call->base, true);
}

static void on_body(void *user, struct gush_span bytes)
{
    gush__intake_body(call_of(user), bytes);
}

static void on_body_end(void *user)
{
    gush__intake_end(call_of(user));
}

static void on_closed(void *user)
{
    struct gush__http_call *call = call_of(user);
    const struct gush_rpc_service *service = call->base.service;
    bool sending = call->sending;

    call->over = true;
    call->sending = false;
    stop(call);
    own_free(call->own);
    call->own = NULL;
    gush__http_call_hold(call);
    call->lane = gush_exchange_lane(call->exchange);
    call->gone = true;
    if (call->asked && !call->finished && !call->told && service->on_gone) {
        call->told = true;
        service->on_gone(service->ctx, &call->base);
    }
    if (sending && !call->finished && service->on_sent)
        service->on_sent(service->ctx, &call->base, false);
    gush__http_call_release(call);
}

static const struct gush_exchange_events call_events = {.pieces = on_pieces,
                                                        .on_sent = on_sent,
                                                        .on_body = on_body,
                                                        .on_body_end = on_body_end,
                                                        .on_closed = on_closed};

static void on_deadline(void *lane, struct gush_timer *timer)
{
    struct gush__http_call *call = GUSH_CONTAINER(timer, struct gush__deadline, timer)->call;

    (void)lane;
    gush__http_call_refuse(call, GUSH_RPC_DEADLINE_EXCEEDED, "the deadline has passed");
}

void gush__http_call_within(struct gush__http_call *call, uint64_t ms)
{
    struct gush_lane *lane = gush__http_call_lane(call);

    call->deadline = GUSH_NEW(struct gush__deadline);
    call->deadline->timer.fire = on_deadline;
    call->deadline->call = call;
    gush_wheel_arm(&lane->wheel, &call->deadline->timer, gush_lane_now_ms(lane) + ms);
}

struct gush__http_call *gush__http_call_new(struct gush_exchange *exchange,
                                            const struct gush_rpc_service *service,
                                            const struct gush_rpc_verdict *verdict)
{
    struct gush__http_call *call = GUSH_NEW(struct gush__http_call);

    call->base = (struct gush_rpc_call){
        .magic = gush_rpc_call_MAGIC, .note = verdict->note, .ops = &call_ops, .service = service};
    call->exchange = exchange;
    call->many = verdict->many;
    gush_exchange_watch(exchange, &call_events, &call->base);
    return call;
}
