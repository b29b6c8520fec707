#include "server/codec/codec_priv.h"
#include "server/codec/proto_write.h"

void gush__sub_result_json(struct gush__out *o, const struct gush_sub_result *sub)
{
    gush__json_bool(o, GUSH__KEY("expires"), sub->expires);
    gush__json_u64(o, GUSH__KEY("ttl"), sub->ttl_s);
    gush__json_bool(o, GUSH__KEY("recoverable"), sub->recoverable);
    gush__json_str(o, GUSH__KEY("epoch"), sub->epoch);
    if (sub->publications_n > 0)
        gush__pub_list_json(o, sub->publications, sub->publications_n);
    gush__json_bool(o, GUSH__KEY("recovered"), sub->recovered);
    gush__json_u64(o, GUSH__KEY("offset"), sub->offset);
    gush__json_bool(o, GUSH__KEY("positioned"), sub->positioned);
    gush__json_raw(o, GUSH__KEY("data"), sub->data);
    gush__json_bool(o, GUSH__KEY("was_recovering"), sub->was_recovering);
    gush__json_bool(o, GUSH__KEY("delta"), sub->delta);
}

void gush__sub_result_proto(struct gush__out *o, const struct gush_sub_result *sub)
{
    struct gush_buf *b = &o->buf;

    gush_proto_bool(b, 1, sub->expires);
    gush_proto_u64(b, 2, sub->ttl_s);
    gush_proto_bool(b, 3, sub->recoverable);
    gush_proto_bytes(b, 6, sub->epoch);
    for (size_t i = 0; i < sub->publications_n; i++) {
        size_t mark = gush_proto_begin(b, 7);
        gush__pub_proto(o, &sub->publications[i]);
        gush_proto_end(b, mark);
    }
    gush_proto_bool(b, 8, sub->recovered);
    gush_proto_u64(b, 9, sub->offset);
    gush_proto_bool(b, 10, sub->positioned);
    gush_proto_bytes(b, 11, sub->data);
    gush_proto_bool(b, 12, sub->was_recovering);
    gush_proto_bool(b, 13, sub->delta);
}

static void subs_json(struct gush__out *o, const struct gush_connect_result *c)
{
    if (c->subs_n == 0)
        return;
    gush__json_open(o, GUSH__KEY("subs"));
    for (size_t i = 0; i < c->subs_n; i++) {
        gush__json_open_entry(o, c->subs[i].channel);
        gush__sub_result_json(o, &c->subs[i]);
        gush__json_close(o);
    }
    gush__json_close(o);
}

static void subs_proto(struct gush__out *o, uint32_t field, const struct gush_connect_result *c)
{
    struct gush_buf *b = &o->buf;

    for (size_t i = 0; i < c->subs_n; i++) {
        size_t entry = gush_proto_begin(b, field), value;

        gush_proto_bytes_always(b, 1, c->subs[i].channel);
        value = gush_proto_begin(b, 2);
        gush__sub_result_proto(o, &c->subs[i]);
        gush_proto_end(b, value);
        gush_proto_end(b, entry);
    }
}

static void expiry_json(struct gush__out *o, const struct gush_connect_result *c)
{
    gush__json_bool(o, GUSH__KEY("expires"), c->expires);
    gush__json_u64(o, GUSH__KEY("ttl"), c->ttl_s);
}

/* From ping on, push and reply agree. */
static void tail_json(struct gush__out *o, const struct gush_connect_result *c)
{
    gush__json_u64(o, GUSH__KEY("ping"), c->ping_s);
    gush__json_bool(o, GUSH__KEY("pong"), c->pong);
    gush__json_str(o, GUSH__KEY("session"), c->session);
    gush__json_str(o, GUSH__KEY("node"), c->node);
    gush__json_i64(o, GUSH__KEY("time"), c->time_ms);
}

static void tail_proto(struct gush__out *o, const struct gush_connect_result *c)
{
    struct gush_buf *b = &o->buf;

    gush_proto_u64(b, 7, c->ping_s);
    gush_proto_bool(b, 8, c->pong);
    gush_proto_bytes(b, 9, c->session);
    gush_proto_bytes(b, 10, c->node);
    gush_proto_u64(b, 11, (uint64_t)c->time_ms);
}

void gush__connect_push_json(struct gush__out *o, const struct gush_connect_result *c)
{
    gush__json_str(o, GUSH__KEY("client"), c->client);
    gush__json_str(o, GUSH__KEY("version"), c->version);
    gush__json_raw(o, GUSH__KEY("data"), c->data);
    subs_json(o, c);
    expiry_json(o, c);
    tail_json(o, c);
}

void gush__connect_push_proto(struct gush__out *o, const struct gush_connect_result *c)
{
    struct gush_buf *b = &o->buf;

    gush_proto_bytes(b, 1, c->client);
    gush_proto_bytes(b, 2, c->version);
    gush_proto_bytes(b, 3, c->data);
    subs_proto(o, 4, c);
    gush_proto_bool(b, 5, c->expires);
    gush_proto_u64(b, 6, c->ttl_s);
    tail_proto(o, c);
}

void gush__connect_reply_json(struct gush__out *o, const struct gush_connect_result *c)
{
    gush__json_str(o, GUSH__KEY("client"), c->client);
    gush__json_str(o, GUSH__KEY("version"), c->version);
    expiry_json(o, c);
    gush__json_raw(o, GUSH__KEY("data"), c->data);
    subs_json(o, c);
    tail_json(o, c);
}

void gush__connect_reply_proto(struct gush__out *o, const struct gush_connect_result *c)
{
    struct gush_buf *b = &o->buf;

    gush_proto_bytes(b, 1, c->client);
    gush_proto_bytes(b, 2, c->version);
    gush_proto_bool(b, 3, c->expires);
    gush_proto_u64(b, 4, c->ttl_s);
    gush_proto_bytes(b, 5, c->data);
    subs_proto(o, 6, c);
    tail_proto(o, c);
}

/* All names and numbers of one result. */
#define SUB_FIXED_BYTES     192
#define CONNECT_FIXED_BYTES 320

size_t gush__sub_result_size(const struct gush_sub_result *sub)
{
    size_t n = SUB_FIXED_BYTES + sub->channel.n + sub->data.n;

    for (size_t i = 0; i < sub->publications_n; i++)
        n += gush__pub_size(&sub->publications[i]);
    return n;
}

size_t gush__connect_size(const struct gush_connect_result *c)
{
    size_t n = CONNECT_FIXED_BYTES + c->data.n;

    for (size_t i = 0; i < c->subs_n; i++)
        n += gush__sub_result_size(&c->subs[i]);
    return n;
}
