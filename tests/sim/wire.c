#include "tests/sim/wire.h"

#include "server/base/cursor.h"

#include "server/codec/json_scan.h"

static void begin(struct wire_message *m)
{
    m->kind = WIRE_PING;
    m->id = 0;
    m->code = 0;
    m->channel = m->client = GUSH_SPAN_EMPTY;
    m->subs_n = m->pubs_n = 0;
}

static struct wire_pub *add_pub(struct wire_message *m)
{
    if (m->pubs_n == WIRE_PUBS_MAX)
        return NULL;
    struct wire_pub *p = &m->pubs[m->pubs_n++];
    *p = (struct wire_pub){.offset = 0};
    return p;
}

static struct wire_sub *add_sub(struct wire_message *m)
{
    if (m->subs_n == WIRE_SUBS_MAX)
        return NULL;
    struct wire_sub *s = &m->subs[m->subs_n++];
    *s = (struct wire_sub){.pubs_at = m->pubs_n};
    return s;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static bool is(struct gush_span key_raw, const char *name)
{
    size_t n = strlen(name);
    return key_raw.n == n + 2 && memcmp(key_raw.p + 1, name, n) == 0;
}

/* Names and ids of the play need no escapes. */
static struct gush_span text(struct gush_json_value v)
{
    if (v.type != GUSH_JSON_STRING || memchr(v.raw.p, '\\', v.raw.n))
        return GUSH_SPAN_LIT("?");
    return (struct gush_span){v.raw.p + 1, v.raw.n - 2};
}

static bool truth(struct gush_json_value v)
{
    return v.type == GUSH_JSON_BOOL && v.raw.n == 4;
}

static uint64_t number(struct gush_json_value v)
{
    uint64_t n = 0;
    return gush_json_u64(v, &n) == GUSH_OK ? n : UINT64_MAX;
}

static struct gush_span json_client(struct gush_json_value info)
{
    struct gush_json_iter it = gush_json_members(info);
    struct gush_json_value v;
    struct gush_span k;

    while (gush_json_member(&it, &k, &v))
        if (is(k, "client"))
            return text(v);
    return GUSH_SPAN_EMPTY;
}

static const char *json_pub(struct gush_json_value pub, struct wire_message *m)
{
    struct gush_json_iter it = gush_json_members(pub);
    struct gush_json_value v;
    struct gush_span k;
    struct wire_pub *p = add_pub(m);

    if (p == NULL)
        return "too many publications";
    while (gush_json_member(&it, &k, &v)) {
        if (is(k, "data"))
            p->data = v.raw;
        else if (is(k, "offset"))
            p->offset = number(v);
        else if (is(k, "epoch"))
            p->epoch = text(v);
        else if (is(k, "info"))
            p->publisher = json_client(v);
    }
    return NULL;
}

static const char *json_sub(struct gush_json_value sub, struct wire_sub *s, struct wire_message *m)
{
    struct gush_json_iter it = gush_json_members(sub);
    struct gush_json_value v, pub;
    struct gush_span k;
    const char *why = NULL;

    while (why == NULL && gush_json_member(&it, &k, &v)) {
        if (is(k, "epoch"))
            s->epoch = text(v);
        else if (is(k, "offset"))
            s->offset = number(v);
        else if (is(k, "recoverable"))
            s->recoverable = truth(v);
        else if (is(k, "recovered"))
            s->recovered = truth(v);
        else if (is(k, "positioned"))
            s->positioned = truth(v);
        else if (is(k, "was_recovering"))
            s->was_recovering = truth(v);
        else if (is(k, "publications")) {
            struct gush_json_iter each = gush_json_elements(v);
            while (why == NULL && gush_json_element(&each, &pub))
                why = json_pub(pub, m);
        }
    }
    s->pubs_n = m->pubs_n - s->pubs_at;
    return why;
}

static const char *json_connect(struct gush_json_value connect, struct wire_message *m)
{
    struct gush_json_iter it = gush_json_members(connect);
    struct gush_json_value v, sub;
    struct gush_span k;
    const char *why = NULL;

    m->kind = WIRE_CONNECT;
    while (why == NULL && gush_json_member(&it, &k, &v)) {
        if (is(k, "client")) {
            m->client = text(v);
        } else if (is(k, "subs")) {
            struct gush_json_iter each = gush_json_members(v);
            while (why == NULL && gush_json_member(&each, &k, &sub)) {
                struct wire_sub *s = add_sub(m);
                if (s == NULL)
                    return "too many subscriptions";
                s->channel = (struct gush_span){k.p + 1, k.n - 2};
                why = json_sub(sub, s, m);
            }
        }
    }
    return why;
}

static void json_end(struct gush_json_value end, enum wire_kind kind, struct wire_message *m)
{
    struct gush_json_iter it = gush_json_members(end);
    struct gush_json_value v;
    struct gush_span k;

    m->kind = kind;
    while (gush_json_member(&it, &k, &v))
        if (is(k, "code"))
            m->code = (uint32_t)number(v);
}

static void json_member_event(struct gush_json_value event, enum wire_kind kind,
                              struct wire_message *m)
{
    struct gush_json_iter it = gush_json_members(event);
    struct gush_json_value v;
    struct gush_span k;

    m->kind = kind;
    while (gush_json_member(&it, &k, &v))
        if (is(k, "info"))
            m->client = json_client(v);
}

static const char *json_message(struct gush_json_value message, struct wire_message *m, int depth)
{
    struct gush_json_iter it = gush_json_members(message);
    struct gush_json_value v;
    struct gush_span k;
    const char *why = NULL;

    while (why == NULL && gush_json_member(&it, &k, &v)) {
        if (is(k, "id")) {
            m->id = (uint32_t)number(v);
        } else if (is(k, "push") && depth == 0) {
            why = json_message(v, m, 1);
        } else if (is(k, "channel")) {
            m->channel = text(v);
        } else if (is(k, "pub")) {
            m->kind = WIRE_PUB;
            why = json_pub(v, m);
        } else if (is(k, "join")) {
            json_member_event(v, WIRE_JOIN, m);
        } else if (is(k, "leave")) {
            json_member_event(v, WIRE_LEAVE, m);
        } else if (is(k, "connect")) {
            why = json_connect(v, m);
        } else if (is(k, "disconnect")) {
            json_end(v, WIRE_DISCONNECT, m);
        } else if (is(k, "unsubscribe")) {
            json_end(v, WIRE_UNSUBSCRIBE, m);
        } else if (is(k, "error")) {
            json_end(v, WIRE_ERROR, m);
        } else if (is(k, "publish")) {
            m->kind = WIRE_PUBLISHED;
        } else if (is(k, "subscribe")) {
            m->kind = WIRE_SUBSCRIBE;
            struct wire_sub *sub = add_sub(m);
            why = sub ? json_sub(v, sub, m) : "two subscriptions";
        } else if (is(k, "refresh")) {
            m->kind = WIRE_REFRESH;
        } else {
            m->kind = WIRE_OTHER;
        }
    }
    return why;
}

static const char *decode_json(struct gush_span in, struct wire_message *m)
{
    struct gush_json_scan scan;
    struct gush_json_value v;

    gush_json_scan_init(&scan, in);
    if (!gush_json_next(&scan, &v) || v.type != GUSH_JSON_OBJECT)
        return "not a JSON object";
    if (!gush_json_at_end(&scan))
        return "something behind the JSON object";
    return json_message(v, m, 0);
}

/* ---- Protobuf -------------------------------------------------------------------------------- */

struct field {
    uint32_t number;
    uint64_t v;
    struct gush_span s;
};

static bool next_field(struct gush_cursor *c, struct field *f)
{
    if (!gush_cursor_ok(c) || gush_cursor_left(c) == 0)
        return false;
    uint64_t tag = gush_cursor_varint(c);
    *f = (struct field){.number = (uint32_t)(tag >> 3)};
    if ((tag & 7) == 0)
        f->v = gush_cursor_varint(c);
    else if ((tag & 7) == 2)
        f->s = gush_cursor_take(c, gush_cursor_varint(c));
    else
        gush_cursor_fail(c, GUSH_ESYNTAX);
    return gush_cursor_ok(c);
}

static const char *ended(const struct gush_cursor *c)
{
    return gush_cursor_ok(c) ? NULL : "malformed protobuf";
}

static struct gush_span proto_client(struct gush_span info)
{
    struct gush_cursor c = gush_cursor_over(info);
    struct field f;

    while (next_field(&c, &f))
        if (f.number == 2)
            return f.s;
    return GUSH_SPAN_EMPTY;
}

static const char *proto_pub(struct gush_span pub, struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(pub);
    struct wire_pub *p = add_pub(m);
    struct field f;

    if (p == NULL)
        return "too many publications";
    while (next_field(&c, &f)) {
        if (f.number == 4)
            p->data = f.s;
        else if (f.number == 5)
            p->publisher = proto_client(f.s);
        else if (f.number == 6)
            p->offset = f.v;
        else if (f.number == 14)
            p->epoch = f.s;
    }
    return ended(&c);
}

static const char *proto_sub(struct gush_span sub, struct wire_sub *s, struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(sub);
    const char *why = NULL;
    struct field f;

    while (why == NULL && next_field(&c, &f)) {
        if (f.number == 3)
            s->recoverable = f.v;
        else if (f.number == 6)
            s->epoch = f.s;
        else if (f.number == 7)
            why = proto_pub(f.s, m);
        else if (f.number == 8)
            s->recovered = f.v;
        else if (f.number == 9)
            s->offset = f.v;
        else if (f.number == 10)
            s->positioned = f.v;
        else if (f.number == 12)
            s->was_recovering = f.v;
    }
    s->pubs_n = m->pubs_n - s->pubs_at;
    return why ? why : ended(&c);
}

static const char *proto_sub_entry(struct gush_span entry, struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(entry);
    struct wire_sub *s = add_sub(m);
    const char *why = NULL;
    struct field f;

    if (s == NULL)
        return "too many subscriptions";
    while (why == NULL && next_field(&c, &f)) {
        if (f.number == 1)
            s->channel = f.s;
        else if (f.number == 2)
            why = proto_sub(f.s, s, m);
    }
    return why ? why : ended(&c);
}

/* Connect push and connect result differ in the number of subs. */
static const char *proto_connect(struct gush_span connect, uint32_t subs, struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(connect);
    const char *why = NULL;
    struct field f;

    m->kind = WIRE_CONNECT;
    while (why == NULL && next_field(&c, &f)) {
        if (f.number == 1)
            m->client = f.s;
        else if (f.number == subs)
            why = proto_sub_entry(f.s, m);
    }
    return why ? why : ended(&c);
}

static const char *proto_end(struct gush_span end, enum wire_kind kind, uint32_t code,
                             struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(end);
    struct field f;

    m->kind = kind;
    while (next_field(&c, &f))
        if (f.number == code)
            m->code = (uint32_t)f.v;
    return ended(&c);
}

static const char *proto_member_event(struct gush_span event, enum wire_kind kind,
                                      struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(event);
    struct field f;

    m->kind = kind;
    while (next_field(&c, &f))
        if (f.number == 1)
            m->client = proto_client(f.s);
    return ended(&c);
}

/* The push numbers its fields otherwise than the result. */
static const char *proto_subscribe(struct gush_span subscribe, struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(subscribe);
    struct wire_sub *s = add_sub(m);
    struct field f;

    while (s && next_field(&c, &f)) {
        if (f.number == 1)
            s->recoverable = f.v;
        else if (f.number == 4)
            s->epoch = f.s;
        else if (f.number == 5)
            s->offset = f.v;
        else if (f.number == 6)
            s->positioned = f.v;
    }
    return s ? ended(&c) : "two subscriptions";
}

static const char *proto_push_field(const struct field *f, struct wire_message *m)
{
    switch (f->number) {
    case 2:
        m->channel = f->s;
        return NULL;
    case 4:
        m->kind = WIRE_PUB;
        return proto_pub(f->s, m);
    case 5:
        return proto_member_event(f->s, WIRE_JOIN, m);
    case 6:
        return proto_member_event(f->s, WIRE_LEAVE, m);
    case 7:
        return proto_end(f->s, WIRE_UNSUBSCRIBE, 2, m);
    case 9:
        m->kind = WIRE_SUBSCRIBE;
        return proto_subscribe(f->s, m);
    case 10:
        return proto_connect(f->s, 4, m);
    case 11:
        return proto_end(f->s, WIRE_DISCONNECT, 1, m);
    case 12:
        m->kind = WIRE_REFRESH;
        return NULL;
    default:
        m->kind = WIRE_OTHER;
        return NULL;
    }
}

static const char *proto_push(struct gush_span push, struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(push);
    const char *why = NULL;
    struct field f;

    while (why == NULL && next_field(&c, &f))
        why = proto_push_field(&f, m);
    return why ? why : ended(&c);
}

static const char *proto_reply(struct gush_span reply, struct wire_message *m)
{
    struct gush_cursor c = gush_cursor_over(reply);
    const char *why = NULL;
    struct field f;

    while (why == NULL && next_field(&c, &f)) {
        if (f.number == 1)
            m->id = (uint32_t)f.v;
        else if (f.number == 2)
            why = proto_end(f.s, WIRE_ERROR, 1, m);
        else if (f.number == 4)
            why = proto_push(f.s, m);
        else if (f.number == 5)
            why = proto_connect(f.s, 6, m);
        else if (f.number == 8)
            m->kind = WIRE_PUBLISHED;
        else
            m->kind = WIRE_OTHER;
    }
    return why ? why : ended(&c);
}

static const char *decode_protobuf(struct gush_span in, enum gush_dialect dialect,
                                   struct wire_message *m)
{
    return dialect == GUSH_DIALECT_REPLY ? proto_reply(in, m) : proto_push(in, m);
}

/* ---- Framing --------------------------------------------------------------------------------- */

static bool strip(struct gush_span *s, const char *head, const char *tail)
{
    size_t h = strlen(head), t = strlen(tail);

    if (s->n < h + t || memcmp(s->p, head, h) != 0 || memcmp(s->p + s->n - t, tail, t) != 0)
        return false;
    s->p += h;
    s->n -= h + t;
    return true;
}

static bool strip_chunk(struct gush_span *s)
{
    size_t n = 0, at = 0;

    for (; at < s->n && s->p[at] != '\r'; at++) {
        int c = s->p[at];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0 || at > 7)
            return false;
        n = n * 16 + (size_t)digit;
    }
    if (at == 0 || s->n != at + 2 + n + 2 || s->p[at + 1] != '\n')
        return false;
    *s = (struct gush_span){s->p + at + 2, n + 2};
    return strip(s, "", "\r\n");
}

static bool strip_varint(struct gush_span *s)
{
    struct gush_cursor c = gush_cursor_over(*s);
    uint64_t n = gush_cursor_varint(&c);

    if (!gush_cursor_ok(&c) || n != gush_cursor_left(&c))
        return false;
    *s = (struct gush_span){c.p, (size_t)n};
    return true;
}

static bool strip_grpc(struct gush_span *s)
{
    size_t n = 0;

    if (s->n < 5 || s->p[0] != 0)
        return false;
    for (size_t i = 1; i < 5; i++)
        n = n << 8 | s->p[i];
    *s = (struct gush_span){s->p + 5, s->n - 5};
    return n == s->n;
}

const char *wire_decode(struct gush_span frame, enum gush_form form, struct wire_message *out)
{
    bool framed = true;

    begin(out);
    switch (gush_form_framing(form)) {
    case GUSH_FRAMING_NONE:
        break;
    case GUSH_FRAMING_VARINT:
        framed = strip_varint(&frame);
        break;
    case GUSH_FRAMING_SSE_CHUNKED:
        framed = strip_chunk(&frame) && strip(&frame, "data: ", "\n\n");
        break;
    case GUSH_FRAMING_SSE:
        framed = strip(&frame, "data: ", "\n\n");
        break;
    case GUSH_FRAMING_GRPC:
        framed = strip_grpc(&frame);
        break;
    case GUSH_FRAMING_LINE:
        framed = strip(&frame, "", "\n");
        break;
    case GUSH_FRAMING_LINE_CHUNKED:
        framed = strip_chunk(&frame) && strip(&frame, "", "\n");
        break;
    }
    if (!framed)
        return "bad framing";
    return gush_form_format(form) == GUSH_JSON
               ? decode_json(frame, out)
               : decode_protobuf(frame, gush_form_dialect(form), out);
}
