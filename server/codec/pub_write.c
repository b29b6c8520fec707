#include "server/codec/codec_priv.h"
#include "server/codec/json_write.h"
#include "server/codec/proto_write.h"

/* Field numbers of the client protocol; C names would only repeat the schema. */

void gush__info_json(struct gush__out *o, const struct gush_client_info *info)
{
    gush__json_str_always(o, GUSH__KEY("user"), info->user);
    gush__json_str_always(o, GUSH__KEY("client"), info->client);
    gush__json_raw(o, GUSH__KEY("conn_info"), info->conn_info);
    gush__json_raw(o, GUSH__KEY("chan_info"), info->chan_info);
}

void gush__info_proto(struct gush__out *o, const struct gush_client_info *info)
{
    gush_proto_bytes(&o->buf, 1, info->user);
    gush_proto_bytes(&o->buf, 2, info->client);
    gush_proto_bytes(&o->buf, 3, info->conn_info);
    gush_proto_bytes(&o->buf, 4, info->chan_info);
}

static void tags_json(struct gush__out *o, const struct gush_pub *pub)
{
    if (pub->tags_n == 0)
        return;
    gush__json_open(o, GUSH__KEY("tags"));
    for (size_t i = 0; i < pub->tags_n; i++) {
        gush__json_comma(o);
        gush_json_write_string(&o->buf, pub->tags[i].key);
        gush_buf_put_u8(&o->buf, ':');
        gush_json_write_string(&o->buf, pub->tags[i].value);
    }
    gush__json_close(o);
}

void gush__pub_json(struct gush__out *o, const struct gush_pub *pub)
{
    gush__json_raw(o, GUSH__KEY("data"), pub->data);
    if (pub->info) {
        gush__json_open(o, GUSH__KEY("info"));
        gush__info_json(o, pub->info);
        gush__json_close(o);
    }
    gush__json_u64(o, GUSH__KEY("offset"), pub->offset);
    tags_json(o, pub);
    gush__json_bool(o, GUSH__KEY("delta"), pub->delta);
    gush__json_i64(o, GUSH__KEY("time"), pub->time_ms);
    gush__json_str(o, GUSH__KEY("channel"), pub->channel);
    gush__json_str(o, GUSH__KEY("key"), pub->key);
    gush__json_bool(o, GUSH__KEY("removed"), pub->removed);
    gush__json_i64(o, GUSH__KEY("score"), pub->score);
    gush__json_str(o, GUSH__KEY("epoch"), pub->epoch);
    gush__json_raw(o, GUSH__KEY("prev_data"), pub->prev_data);
    gush__json_u64(o, GUSH__KEY("version"), pub->version);
}

void gush__pub_proto(struct gush__out *o, const struct gush_pub *pub)
{
    struct gush_buf *b = &o->buf;
    size_t mark;

    gush_proto_bytes(b, 4, pub->data);
    if (pub->info) {
        mark = gush_proto_begin(b, 5);
        gush__info_proto(o, pub->info);
        gush_proto_end(b, mark);
    }
    gush_proto_u64(b, 6, pub->offset);
    for (size_t i = 0; i < pub->tags_n; i++) {
        mark = gush_proto_begin(b, 7);
        gush_proto_bytes_always(b, 1, pub->tags[i].key);
        gush_proto_bytes_always(b, 2, pub->tags[i].value);
        gush_proto_end(b, mark);
    }
    gush_proto_bool(b, 8, pub->delta);
    gush_proto_u64(b, 9, (uint64_t)pub->time_ms);
    gush_proto_bytes(b, 10, pub->channel);
    gush_proto_bytes(b, 11, pub->key);
    gush_proto_bool(b, 12, pub->removed);
    gush_proto_sint64(b, 13, pub->score);
    gush_proto_bytes(b, 14, pub->epoch);
    gush_proto_bytes(b, 15, pub->prev_data);
    gush_proto_u64(b, 16, pub->version);
}

void gush__pub_list_json(struct gush__out *o, const struct gush_pub *pubs, size_t n)
{
    gush__json_key(o, GUSH__KEY("publications"));
    gush_buf_put_u8(&o->buf, '[');
    for (size_t i = 0; i < n; i++) {
        gush__json_comma(o);
        gush_buf_put_u8(&o->buf, '{');
        gush__pub_json(o, &pubs[i]);
        gush__json_close(o);
    }
    gush_buf_put_u8(&o->buf, ']');
}

/* All names and numbers of one Publication. */
#define PUB_FIXED_BYTES 256

size_t gush__pub_size(const struct gush_pub *pub)
{
    size_t n = PUB_FIXED_BYTES + pub->data.n + pub->prev_data.n + pub->channel.n + pub->key.n;

    for (size_t i = 0; i < pub->tags_n; i++)
        n += pub->tags[i].key.n + pub->tags[i].value.n + 8;
    if (pub->info)
        n += pub->info->user.n + pub->info->client.n + pub->info->conn_info.n +
             pub->info->chan_info.n;
    return n;
}
