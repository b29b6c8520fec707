#include "server/codec/push_encode.h"

#include "server/base/assert.h"

#include "server/codec/codec_priv.h"
#include "server/codec/proto_write.h"

static void code_json(struct gush__out *o, const struct gush_push *push)
{
    gush__json_u64(o, GUSH__KEY("code"), push->u.end.code);
    gush__json_str(o, GUSH__KEY("reason"), push->u.end.reason);
}

static void info_json(struct gush__out *o, const struct gush_push *push)
{
    if (push->u.info == NULL)
        return;
    gush__json_open(o, GUSH__KEY("info"));
    gush__info_json(o, push->u.info);
    gush__json_close(o);
}

static void subscribe_json(struct gush__out *o, const struct gush_push *push)
{
    gush__json_bool(o, GUSH__KEY("recoverable"), push->u.subscribe.recoverable);
    gush__json_str(o, GUSH__KEY("epoch"), push->u.subscribe.epoch);
    gush__json_u64(o, GUSH__KEY("offset"), push->u.subscribe.offset);
    gush__json_bool(o, GUSH__KEY("positioned"), push->u.subscribe.positioned);
    gush__json_raw(o, GUSH__KEY("data"), push->u.subscribe.data);
}

static void refresh_json(struct gush__out *o, const struct gush_push *push)
{
    gush__json_bool(o, GUSH__KEY("expires"), push->u.refresh.expires);
    gush__json_u64(o, GUSH__KEY("ttl"), push->u.refresh.ttl_s);
}

/* "pub":{...}, and so on for each kind. */
static void body_json(struct gush__out *o, const struct gush_push *push)
{
    switch (push->kind) {
    case GUSH_PUSH_PING:
        return;
    case GUSH_PUSH_PUB:
        gush__json_open(o, GUSH__KEY("pub"));
        gush__pub_json(o, push->u.pub);
        break;
    case GUSH_PUSH_JOIN:
        gush__json_open(o, GUSH__KEY("join"));
        info_json(o, push);
        break;
    case GUSH_PUSH_LEAVE:
        gush__json_open(o, GUSH__KEY("leave"));
        info_json(o, push);
        break;
    case GUSH_PUSH_UNSUBSCRIBE:
        gush__json_open(o, GUSH__KEY("unsubscribe"));
        code_json(o, push);
        break;
    case GUSH_PUSH_MESSAGE:
        gush__json_open(o, GUSH__KEY("message"));
        gush__json_raw(o, GUSH__KEY("data"), push->u.message);
        break;
    case GUSH_PUSH_SUBSCRIBE:
        gush__json_open(o, GUSH__KEY("subscribe"));
        subscribe_json(o, push);
        break;
    case GUSH_PUSH_CONNECT:
        gush__json_open(o, GUSH__KEY("connect"));
        gush__connect_push_json(o, push->u.connect);
        break;
    case GUSH_PUSH_DISCONNECT:
        gush__json_open(o, GUSH__KEY("disconnect"));
        code_json(o, push);
        break;
    case GUSH_PUSH_REFRESH:
        gush__json_open(o, GUSH__KEY("refresh"));
        refresh_json(o, push);
        break;
    }
    gush__json_close(o);
}

static void write_json(struct gush__out *o, const struct gush_push *push, bool wrapped)
{
    gush_buf_put_u8(&o->buf, '{');
    if (wrapped)
        gush__json_open(o, GUSH__KEY("push"));
    gush__json_str(o, GUSH__KEY("channel"), push->channel);
    body_json(o, push);
    if (wrapped)
        gush__json_close(o);
    gush__json_close(o);
}

static void info_proto(struct gush__out *o, const struct gush_push *push)
{
    size_t mark;

    if (push->u.info == NULL)
        return;
    mark = gush_proto_begin(&o->buf, 1);
    gush__info_proto(o, push->u.info);
    gush_proto_end(&o->buf, mark);
}

static void subscribe_proto(struct gush__out *o, const struct gush_push *push)
{
    struct gush_buf *b = &o->buf;

    gush_proto_bool(b, 1, push->u.subscribe.recoverable);
    gush_proto_bytes(b, 4, push->u.subscribe.epoch);
    gush_proto_u64(b, 5, push->u.subscribe.offset);
    gush_proto_bool(b, 6, push->u.subscribe.positioned);
    gush_proto_bytes(b, 7, push->u.subscribe.data);
}

static void body_proto(struct gush__out *o, const struct gush_push *push)
{
    struct gush_buf *b = &o->buf;

    switch (push->kind) {
    case GUSH_PUSH_PING:
        break;
    case GUSH_PUSH_PUB:
        gush__pub_proto(o, push->u.pub);
        break;
    case GUSH_PUSH_JOIN:
    case GUSH_PUSH_LEAVE:
        info_proto(o, push);
        break;
    case GUSH_PUSH_UNSUBSCRIBE:
        gush_proto_u64(b, 2, push->u.end.code);
        gush_proto_bytes(b, 3, push->u.end.reason);
        break;
    case GUSH_PUSH_MESSAGE:
        gush_proto_bytes(b, 1, push->u.message);
        break;
    case GUSH_PUSH_SUBSCRIBE:
        subscribe_proto(o, push);
        break;
    case GUSH_PUSH_CONNECT:
        gush__connect_push_proto(o, push->u.connect);
        break;
    case GUSH_PUSH_DISCONNECT:
        gush_proto_u64(b, 1, push->u.end.code);
        gush_proto_bytes(b, 2, push->u.end.reason);
        break;
    case GUSH_PUSH_REFRESH:
        gush_proto_bool(b, 1, push->u.refresh.expires);
        gush_proto_u64(b, 2, push->u.refresh.ttl_s);
        break;
    }
}

/* Which field of Push carries this kind. */
static uint32_t field_of(enum gush_push_kind kind)
{
    static const uint8_t fields[] = {
        [GUSH_PUSH_PUB] = 4,         [GUSH_PUSH_JOIN] = 5,        [GUSH_PUSH_LEAVE] = 6,
        [GUSH_PUSH_UNSUBSCRIBE] = 7, [GUSH_PUSH_MESSAGE] = 8,     [GUSH_PUSH_SUBSCRIBE] = 9,
        [GUSH_PUSH_CONNECT] = 10,    [GUSH_PUSH_DISCONNECT] = 11, [GUSH_PUSH_REFRESH] = 12,
    };

    GUSH_ASSERT(kind > GUSH_PUSH_PING && kind < sizeof(fields));
    return fields[kind];
}

static void write_proto(struct gush__out *o, const struct gush_push *push, bool wrapped)
{
    struct gush_buf *b = &o->buf;
    size_t wrap = wrapped ? gush_proto_begin(b, 4) : 0, body;

    gush_proto_bytes(b, 2, push->channel);
    body = gush_proto_begin(b, field_of(push->kind));
    body_proto(o, push);
    gush_proto_end(b, body);
    if (wrapped)
        gush_proto_end(b, wrap);
}

static void write_push(struct gush__out *o, const void *message, enum gush_format format,
                       enum gush_dialect dialect)
{
    const struct gush_push *push = message;

    /* A ping is the empty message in either dialect. */
    if (push->kind == GUSH_PUSH_PING) {
        if (format == GUSH_JSON)
            gush_buf_put(&o->buf, "{}", 2);
        return;
    }
    if (format == GUSH_JSON)
        write_json(o, push, dialect == GUSH_DIALECT_REPLY);
    else
        write_proto(o, push, dialect == GUSH_DIALECT_REPLY);
}

static size_t size_of(const struct gush_push *push)
{
    switch (push->kind) {
    case GUSH_PUSH_PUB:
        return gush__pub_size(push->u.pub);
    case GUSH_PUSH_CONNECT:
        return gush__connect_size(push->u.connect);
    case GUSH_PUSH_MESSAGE:
        return push->u.message.n;
    case GUSH_PUSH_SUBSCRIBE:
        return push->u.subscribe.data.n;
    case GUSH_PUSH_PING:
    case GUSH_PUSH_JOIN:
    case GUSH_PUSH_LEAVE:
    case GUSH_PUSH_UNSUBSCRIBE:
    case GUSH_PUSH_DISCONNECT:
    case GUSH_PUSH_REFRESH:
        break;
    }
    return 0;
}

gush_err gush_push_encode(const struct gush_push *push, enum gush_form form,
                          struct gush_bytes **out)
{
    return gush__encode(write_push, push, form, size_of(push), out);
}
