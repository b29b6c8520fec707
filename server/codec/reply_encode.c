#include "server/codec/reply_encode.h"

#include "server/base/assert.h"
#include "server/base/codes.h"

#include "server/codec/codec_priv.h"
#include "server/codec/proto_write.h"

static void error_json(struct gush__out *o, uint32_t code)
{
    gush__json_u64(o, GUSH__KEY("code"), code);
    gush__json_str(o, GUSH__KEY("message"), gush_span_str(gush_error_text(code)));
    gush__json_bool(o, GUSH__KEY("temporary"), gush_error_temporary(code));
}

static void presence_json(struct gush__out *o, const struct gush_reply *reply)
{
    gush__json_open(o, GUSH__KEY("presence"));
    for (size_t i = 0; i < reply->u.presence.n; i++) {
        const struct gush_client_info *info = &reply->u.presence.clients[i];

        gush__json_open_entry(o, info->client);
        gush__info_json(o, info);
        gush__json_close(o);
    }
    gush__json_close(o);
}

static void history_json(struct gush__out *o, const struct gush_reply *reply)
{
    gush__pub_list_json(o, reply->u.history.publications, reply->u.history.n);
    gush__json_str_always(o, GUSH__KEY("epoch"), reply->u.history.epoch);
    gush__json_u64_always(o, GUSH__KEY("offset"), reply->u.history.offset);
}

static void expiry_json(struct gush__out *o, const struct gush_reply *reply)
{
    gush__json_bool(o, GUSH__KEY("expires"), reply->u.refresh.expires);
    gush__json_u64(o, GUSH__KEY("ttl"), reply->u.refresh.ttl_s);
}

/* "connect":{...}, and so on for each kind. */
static void body_json(struct gush__out *o, const struct gush_reply *reply)
{
    switch (reply->kind) {
    case GUSH_REPLY_ERROR:
        gush__json_open(o, GUSH__KEY("error"));
        error_json(o, reply->u.error);
        break;
    case GUSH_REPLY_CONNECT:
        gush__json_open(o, GUSH__KEY("connect"));
        gush__connect_reply_json(o, reply->u.connect);
        break;
    case GUSH_REPLY_SUBSCRIBE:
        gush__json_open(o, GUSH__KEY("subscribe"));
        gush__sub_result_json(o, reply->u.subscribe);
        break;
    case GUSH_REPLY_UNSUBSCRIBE:
        gush__json_open(o, GUSH__KEY("unsubscribe"));
        break;
    case GUSH_REPLY_PUBLISH:
        gush__json_open(o, GUSH__KEY("publish"));
        break;
    case GUSH_REPLY_PRESENCE:
        gush__json_open(o, GUSH__KEY("presence"));
        presence_json(o, reply);
        break;
    case GUSH_REPLY_PRESENCE_STATS:
        gush__json_open(o, GUSH__KEY("presence_stats"));
        gush__json_u64_always(o, GUSH__KEY("num_clients"), reply->u.presence_stats.clients);
        gush__json_u64_always(o, GUSH__KEY("num_users"), reply->u.presence_stats.users);
        break;
    case GUSH_REPLY_HISTORY:
        gush__json_open(o, GUSH__KEY("history"));
        history_json(o, reply);
        break;
    case GUSH_REPLY_RPC:
        gush__json_open(o, GUSH__KEY("rpc"));
        gush__json_raw(o, GUSH__KEY("data"), reply->u.rpc);
        break;
    case GUSH_REPLY_REFRESH:
        gush__json_open(o, GUSH__KEY("refresh"));
        expiry_json(o, reply);
        break;
    case GUSH_REPLY_SUB_REFRESH:
        gush__json_open(o, GUSH__KEY("sub_refresh"));
        expiry_json(o, reply);
        break;
    }
    gush__json_close(o);
}

static void error_proto(struct gush_buf *b, uint32_t code)
{
    gush_proto_u64(b, 1, code);
    gush_proto_bytes(b, 2, gush_span_str(gush_error_text(code)));
    gush_proto_bool(b, 3, gush_error_temporary(code));
}

static void presence_proto(struct gush__out *o, const struct gush_reply *reply)
{
    struct gush_buf *b = &o->buf;

    for (size_t i = 0; i < reply->u.presence.n; i++) {
        const struct gush_client_info *info = &reply->u.presence.clients[i];
        size_t entry = gush_proto_begin(b, 1), value;

        gush_proto_bytes_always(b, 1, info->client);
        value = gush_proto_begin(b, 2);
        gush__info_proto(o, info);
        gush_proto_end(b, value);
        gush_proto_end(b, entry);
    }
}

static void history_proto(struct gush__out *o, const struct gush_reply *reply)
{
    struct gush_buf *b = &o->buf;

    for (size_t i = 0; i < reply->u.history.n; i++) {
        size_t mark = gush_proto_begin(b, 1);

        gush__pub_proto(o, &reply->u.history.publications[i]);
        gush_proto_end(b, mark);
    }
    gush_proto_bytes(b, 2, reply->u.history.epoch);
    gush_proto_u64(b, 3, reply->u.history.offset);
}

/* Expires and ttl stand under |field| and the next number. */
static void expiry_proto(struct gush_buf *b, uint32_t field, const struct gush_reply *reply)
{
    gush_proto_bool(b, field, reply->u.refresh.expires);
    gush_proto_u64(b, field + 1, reply->u.refresh.ttl_s);
}

static void body_proto(struct gush__out *o, const struct gush_reply *reply)
{
    struct gush_buf *b = &o->buf;

    switch (reply->kind) {
    case GUSH_REPLY_ERROR:
        error_proto(b, reply->u.error);
        break;
    case GUSH_REPLY_CONNECT:
        gush__connect_reply_proto(o, reply->u.connect);
        break;
    case GUSH_REPLY_SUBSCRIBE:
        gush__sub_result_proto(o, reply->u.subscribe);
        break;
    case GUSH_REPLY_UNSUBSCRIBE:
    case GUSH_REPLY_PUBLISH:
        break;
    case GUSH_REPLY_PRESENCE:
        presence_proto(o, reply);
        break;
    case GUSH_REPLY_PRESENCE_STATS:
        gush_proto_u64(b, 1, reply->u.presence_stats.clients);
        gush_proto_u64(b, 2, reply->u.presence_stats.users);
        break;
    case GUSH_REPLY_HISTORY:
        history_proto(o, reply);
        break;
    case GUSH_REPLY_RPC:
        gush_proto_bytes(b, 1, reply->u.rpc);
        break;
    case GUSH_REPLY_REFRESH:
        expiry_proto(b, 3, reply);
        break;
    case GUSH_REPLY_SUB_REFRESH:
        expiry_proto(b, 1, reply);
        break;
    }
}

/* Which field of Reply carries this kind. */
static uint32_t field_of(enum gush_reply_kind kind)
{
    static const uint8_t fields[] = {
        [GUSH_REPLY_ERROR] = 2,           [GUSH_REPLY_CONNECT] = 5,      [GUSH_REPLY_SUBSCRIBE] = 6,
        [GUSH_REPLY_UNSUBSCRIBE] = 7,     [GUSH_REPLY_PUBLISH] = 8,      [GUSH_REPLY_PRESENCE] = 9,
        [GUSH_REPLY_PRESENCE_STATS] = 10, [GUSH_REPLY_HISTORY] = 11,     [GUSH_REPLY_RPC] = 13,
        [GUSH_REPLY_REFRESH] = 14,        [GUSH_REPLY_SUB_REFRESH] = 15,
    };

    GUSH_ASSERT(kind < sizeof(fields));
    return fields[kind];
}

static void write_reply(struct gush__out *o, const void *message, enum gush_format format,
                        enum gush_dialect dialect)
{
    const struct gush_reply *reply = message;
    size_t mark;

    (void)dialect;
    if (format == GUSH_JSON) {
        gush_buf_put_u8(&o->buf, '{');
        gush__json_u64(o, GUSH__KEY("id"), reply->id);
        body_json(o, reply);
        gush__json_close(o);
        return;
    }
    gush_proto_u64(&o->buf, 1, reply->id);
    mark = gush_proto_begin(&o->buf, field_of(reply->kind));
    body_proto(o, reply);
    gush_proto_end(&o->buf, mark);
}

/* One client in a presence result, without its infos. */
#define CLIENT_BYTES 160

static size_t size_of(const struct gush_reply *reply)
{
    size_t n = 0;

    switch (reply->kind) {
    case GUSH_REPLY_CONNECT:
        return gush__connect_size(reply->u.connect);
    case GUSH_REPLY_SUBSCRIBE:
        return gush__sub_result_size(reply->u.subscribe);
    case GUSH_REPLY_PRESENCE:
        return reply->u.presence.n * CLIENT_BYTES;
    case GUSH_REPLY_HISTORY:
        for (size_t i = 0; i < reply->u.history.n; i++)
            n += gush__pub_size(&reply->u.history.publications[i]);
        return n;
    case GUSH_REPLY_RPC:
        return reply->u.rpc.n;
    case GUSH_REPLY_ERROR:
    case GUSH_REPLY_UNSUBSCRIBE:
    case GUSH_REPLY_PUBLISH:
    case GUSH_REPLY_PRESENCE_STATS:
    case GUSH_REPLY_REFRESH:
    case GUSH_REPLY_SUB_REFRESH:
        break;
    }
    return 0;
}

gush_err gush_reply_encode(const struct gush_reply *reply, enum gush_form form,
                           struct gush_bytes **out)
{
    GUSH_ASSERT(gush_form_dialect(form) == GUSH_DIALECT_REPLY);
    return gush__encode(write_reply, reply, form, size_of(reply), out);
}
