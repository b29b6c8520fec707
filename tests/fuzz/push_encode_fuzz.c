/* The Push encoder with arbitrary bytes everywhere. Protobuf must unpack to the same fields; JSON
 * must be valid and free of line ends, or be refused because a payload is no JSON.
 *
 * Input: kind, flags, then fields, each a length byte and its bytes; the payload is what is left.
 */
#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/cursor.h"

#include "proto/client.pb-c.h"
#include "server/codec/json_scan.h"
#include "server/codec/json_write.h"
#include "server/codec/push_encode.h"

#define TAGS_MAX 3

typedef Centrifugal__Centrifuge__Protocol__Push wire_push;
typedef Centrifugal__Centrifuge__Protocol__Publication wire_pub;

struct input {
    struct gush_push push;
    struct gush_pub pub;
    struct gush_client_info info;
    struct gush_tag tags[TAGS_MAX];
    struct gush_sub_result sub;
    struct gush_connect_result connect;
    struct gush_span text, payload, payload2;
    uint8_t flags;
    uint64_t number;
};

static struct gush_span take(struct gush_cursor *c)
{
    size_t n = gush_cursor_u8(c);

    return gush_cursor_take(c, n < gush_cursor_left(c) ? n : gush_cursor_left(c));
}

static void fill_pub(struct input *in, struct gush_cursor *c)
{
    for (size_t i = 0; i < (in->flags & 3u); i++) {
        in->tags[i].key = take(c);
        in->tags[i].value = take(c);
    }
    in->pub = (struct gush_pub){
        .info = in->flags & 4 ? &in->info : NULL,
        .offset = in->number,
        .tags = in->tags,
        .tags_n = in->flags & 3u,
        .delta = (in->flags & 8) != 0,
        .time_ms = (int64_t)in->number,
        .channel = in->text,
        .key = take(c),
        .removed = (in->flags & 16) != 0,
        .score = -(int64_t)(in->number >> 1),
        .epoch = take(c),
        .prev_data = in->payload2,
        .version = in->number,
    };
}

static void fill_body(struct input *in)
{
    struct gush_push *push = &in->push;

    in->pub.data = in->payload;
    in->info.chan_info = in->payload;
    switch (push->kind) {
    case GUSH_PUSH_PING:
        break;
    case GUSH_PUSH_PUB:
        push->u.pub = &in->pub;
        break;
    case GUSH_PUSH_JOIN:
    case GUSH_PUSH_LEAVE:
        push->u.info = in->flags & 4 ? &in->info : NULL;
        break;
    case GUSH_PUSH_UNSUBSCRIBE:
    case GUSH_PUSH_DISCONNECT:
        push->u.end.code = (uint32_t)in->number;
        push->u.end.reason = in->payload;
        break;
    case GUSH_PUSH_MESSAGE:
        push->u.message = in->payload;
        break;
    case GUSH_PUSH_SUBSCRIBE:
        push->u.subscribe.recoverable = (in->flags & 8) != 0;
        push->u.subscribe.epoch = in->text;
        push->u.subscribe.offset = in->number;
        push->u.subscribe.data = in->payload;
        break;
    case GUSH_PUSH_CONNECT:
        in->sub = (struct gush_sub_result){.channel = in->text,
                                           .publications = &in->pub,
                                           .publications_n = (in->flags >> 5) & 1u,
                                           .offset = in->number};
        in->connect = (struct gush_connect_result){.client = in->text,
                                                   .data = in->payload2,
                                                   .subs = &in->sub,
                                                   .subs_n = (in->flags >> 6) & 1u,
                                                   .ping_s = (uint32_t)in->number};
        push->u.connect = &in->connect;
        break;
    case GUSH_PUSH_REFRESH:
        push->u.refresh.expires = (in->flags & 8) != 0;
        push->u.refresh.ttl_s = (uint32_t)in->number;
        break;
    }
}

static void fill(struct input *in, struct gush_span bytes)
{
    struct gush_cursor c = gush_cursor_over(bytes);

    in->push.kind = (enum gush_push_kind)(gush_cursor_u8(&c) % (GUSH_PUSH_REFRESH + 1));
    in->flags = gush_cursor_u8(&c);
    in->number = gush_cursor_varint(&c);
    in->push.channel = take(&c);
    in->text = take(&c);
    in->payload2 = take(&c);
    in->info.user = take(&c);
    in->info.client = take(&c);
    in->info.conn_info = take(&c);
    fill_pub(in, &c);
    in->payload = gush_cursor_take(&c, gush_cursor_left(&c));
    fill_body(in);
}

/* As the client would get it: without LF bytes. */
static bool is_json(struct gush_span raw)
{
    struct gush_buf b;
    bool ok;

    if (raw.n == 0)
        return true; /* left out */
    gush_buf_init(&b, raw.n);
    gush_json_write_raw(&b, raw);
    ok = gush_json_valid(gush_buf_span(&b));
    gush_buf_fini(&b);
    return ok;
}

static bool info_is_json(const struct gush_client_info *info)
{
    return info == NULL || (is_json(info->conn_info) && is_json(info->chan_info));
}

static bool pub_is_json(const struct gush_pub *pub)
{
    return is_json(pub->data) && is_json(pub->prev_data) && info_is_json(pub->info);
}

static bool push_is_json(const struct gush_push *push)
{
    switch (push->kind) {
    case GUSH_PUSH_PUB:
        return pub_is_json(push->u.pub);
    case GUSH_PUSH_JOIN:
    case GUSH_PUSH_LEAVE:
        return info_is_json(push->u.info);
    case GUSH_PUSH_MESSAGE:
        return is_json(push->u.message);
    case GUSH_PUSH_SUBSCRIBE:
        return is_json(push->u.subscribe.data);
    case GUSH_PUSH_CONNECT:
        return is_json(push->u.connect->data) &&
               (push->u.connect->subs_n == 0 || push->u.connect->subs->publications_n == 0 ||
                pub_is_json(push->u.connect->subs->publications));
    case GUSH_PUSH_PING:
    case GUSH_PUSH_UNSUBSCRIBE:
    case GUSH_PUSH_DISCONNECT:
    case GUSH_PUSH_REFRESH:
        break;
    }
    return true;
}

/* C strings of protobuf-c end at the first NUL. */
static bool same_text(struct gush_span s, const char *text)
{
    size_t n = strlen(text);

    return n <= s.n && (n == 0 || memcmp(s.p, text, n) == 0) && (n == s.n || s.p[n] == '\0');
}

static bool same_bytes(struct gush_span s, ProtobufCBinaryData b)
{
    return gush_span_eq(s, gush_span_of(b.data, b.len));
}

static void compare_pub(const struct gush_pub *pub, const wire_pub *w)
{
    GUSH_ASSERT(w != NULL);
    GUSH_ASSERT(same_bytes(pub->data, w->data) && same_bytes(pub->prev_data, w->prev_data));
    GUSH_ASSERT((pub->info != NULL) == (w->info != NULL));
    if (pub->info) {
        GUSH_ASSERT(same_text(pub->info->user, w->info->user));
        GUSH_ASSERT(same_bytes(pub->info->conn_info, w->info->conn_info));
        GUSH_ASSERT(same_bytes(pub->info->chan_info, w->info->chan_info));
    }
    GUSH_ASSERT(pub->offset == w->offset && pub->version == w->version);
    GUSH_ASSERT(pub->time_ms == w->time && pub->score == w->score);
    GUSH_ASSERT(pub->delta == (w->delta != 0) && pub->removed == (w->removed != 0));
    GUSH_ASSERT(same_text(pub->channel, w->channel) && same_text(pub->key, w->key));
    GUSH_ASSERT(same_text(pub->epoch, w->epoch) && pub->tags_n == w->n_tags);
    for (size_t i = 0; i < pub->tags_n; i++) {
        GUSH_ASSERT(same_text(pub->tags[i].key, w->tags[i]->key));
        GUSH_ASSERT(same_text(pub->tags[i].value, w->tags[i]->value));
    }
}

static void compare(const struct gush_push *push, const wire_push *w)
{
    GUSH_ASSERT(push->kind == GUSH_PUSH_PING || same_text(push->channel, w->channel));
    if (push->kind == GUSH_PUSH_PUB)
        compare_pub(push->u.pub, w->pub);
    if (push->kind == GUSH_PUSH_MESSAGE)
        GUSH_ASSERT(same_bytes(push->u.message, w->message->data));
    if (push->kind == GUSH_PUSH_DISCONNECT)
        GUSH_ASSERT(push->u.end.code == w->disconnect->code &&
                    same_text(push->u.end.reason, w->disconnect->reason));
    if (push->kind == GUSH_PUSH_SUBSCRIBE)
        GUSH_ASSERT(push->u.subscribe.offset == w->subscribe->offset &&
                    same_bytes(push->u.subscribe.data, w->subscribe->data));
    if (push->kind == GUSH_PUSH_CONNECT) {
        GUSH_ASSERT(push->u.connect->subs_n == w->connect->n_subs);
        GUSH_ASSERT(same_bytes(push->u.connect->data, w->connect->data));
        if (push->u.connect->subs_n && push->u.connect->subs->publications_n)
            compare_pub(push->u.connect->subs->publications,
                        w->connect->subs[0]->value->publications[0]);
    }
}

static void check_proto(const struct gush_push *push)
{
    struct gush_bytes *bare, *framed;
    struct gush_cursor c;
    struct gush_span message;
    wire_push *w;

    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_GRPC, &bare) == GUSH_OK);
    w = centrifugal__centrifuge__protocol__push__unpack(NULL, bare->n, bare->data);
    GUSH_ASSERT(w != NULL);
    compare(push, w);
    centrifugal__centrifuge__protocol__push__free_unpacked(w, NULL);

    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_REPLY_PROTOBUF, &framed) == GUSH_OK);
    c = gush_cursor_over(gush_bytes_span(framed));
    message = gush_cursor_take(&c, gush_cursor_varint(&c));
    GUSH_ASSERT(gush_cursor_ok(&c) && gush_cursor_left(&c) == 0);
    if (push->kind != GUSH_PUSH_PING) {
        GUSH_ASSERT(message.n > bare->n);
        GUSH_ASSERT(memcmp(message.p + message.n - bare->n, bare->data, bare->n) == 0);
    }
    gush_bytes_unref(framed);

    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_GRPC_FRAMED, &framed) == GUSH_OK);
    c = gush_cursor_over(gush_bytes_span(framed));
    GUSH_ASSERT(gush_cursor_u8(&c) == 0 && gush_cursor_be32(&c) == bare->n);
    GUSH_ASSERT(gush_span_eq(gush_cursor_take(&c, bare->n), gush_bytes_span(bare)));
    gush_bytes_unref(bare);
    gush_bytes_unref(framed);
}

/* The event around |json|: "data: ", the same text, two LF. */
static void check_event(struct gush_span event, struct gush_span json)
{
    GUSH_ASSERT(event.n == json.n + 8 && memcmp(event.p, "data: ", 6) == 0);
    GUSH_ASSERT(event.p[event.n - 1] == '\n' && event.p[event.n - 2] == '\n');
    GUSH_ASSERT(memchr(event.p, '\n', event.n) == event.p + event.n - 2);
    GUSH_ASSERT(memchr(event.p, '\r', event.n) == NULL);
    GUSH_ASSERT(gush_json_valid(gush_span_of(event.p + 6, json.n)));
}

/* |json| and one LF, and the same as a chunk. */
static void check_lines(const struct gush_push *push, struct gush_span json)
{
    struct gush_bytes *line, *chunk;
    char head[32];

    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_LINE, &line) == GUSH_OK);
    GUSH_ASSERT(line->n == json.n + 1 && memcmp(line->data, json.p, json.n) == 0);
    GUSH_ASSERT(line->data[json.n] == '\n');
    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_LINE_CHUNKED, &chunk) == GUSH_OK);
    size_t head_n = (size_t)snprintf(head, sizeof(head), "%x\r\n", line->n);
    GUSH_ASSERT(chunk->n == head_n + line->n + 2 && memcmp(chunk->data, head, head_n) == 0);
    GUSH_ASSERT(memcmp(chunk->data + head_n, line->data, line->n) == 0);
    GUSH_ASSERT(memcmp(chunk->data + chunk->n - 2, "\r\n", 2) == 0);
    gush_bytes_unref(line);
    gush_bytes_unref(chunk);
}

static void check_json(const struct gush_push *push)
{
    struct gush_bytes *bare, *event, *chunk, *wrapped;
    struct gush_json_scan s;
    struct gush_json_value v;
    char head[32];
    int head_n;

    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_PUSH_JSON, &bare) == GUSH_OK);
    GUSH_ASSERT(memchr(bare->data, '\n', bare->n) == NULL);
    gush_json_scan_init(&s, gush_bytes_span(bare));
    GUSH_ASSERT(gush_json_next(&s, &v) && v.raw.n == bare->n && v.type == GUSH_JSON_OBJECT);

    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_SSE, &event) == GUSH_OK);
    check_event(gush_bytes_span(event), gush_bytes_span(bare));
    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_SSE_CHUNKED, &chunk) == GUSH_OK);
    head_n = snprintf(head, sizeof(head), "%x\r\n", event->n);
    GUSH_ASSERT(chunk->n == (size_t)head_n + event->n + 2);
    GUSH_ASSERT(memcmp(chunk->data, head, (size_t)head_n) == 0);
    GUSH_ASSERT(memcmp(chunk->data + head_n, event->data, event->n) == 0);
    GUSH_ASSERT(memcmp(chunk->data + chunk->n - 2, "\r\n", 2) == 0);

    check_lines(push, gush_bytes_span(bare));

    GUSH_ASSERT(gush_push_encode(push, GUSH_FORM_REPLY_JSON, &wrapped) == GUSH_OK);
    GUSH_ASSERT(gush_json_valid(gush_bytes_span(wrapped)));
    GUSH_ASSERT(wrapped->n == bare->n + (push->kind == GUSH_PUSH_PING ? 0 : strlen("{\"push\":}")));
    gush_bytes_unref(bare);
    gush_bytes_unref(event);
    gush_bytes_unref(chunk);
    gush_bytes_unref(wrapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {0};
    struct gush_bytes *none = NULL;

    if (size == 0)
        return 0;
    fill(&in, gush_span_of(data, size));
    check_proto(&in.push);
    if (push_is_json(&in.push)) {
        check_json(&in.push);
    } else {
        GUSH_ASSERT(gush_push_encode(&in.push, GUSH_FORM_PUSH_JSON, &none) == GUSH_ESYNTAX);
        GUSH_ASSERT(none == NULL);
    }
    GUSH_ASSERT(gush_bytes_live() == 0);
    return 0;
}
