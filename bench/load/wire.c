#include "bench/load/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void load_wire_channel(char *out, size_t size, bool history, const char *run, uint32_t number)
{
    snprintf(out, size, "%s%s_%" PRIu32, history ? "hist:" : "", run, number);
}

/* ---- Protobuf ------------------------------------------------------------------------------- */

static void put_varint(struct gush_buf *out, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        gush_buf_put_u8(out, (uint8_t)(v | 128));
    gush_buf_put_u8(out, (uint8_t)v);
}

static void put_number(struct gush_buf *out, unsigned field, uint64_t v)
{
    put_varint(out, (uint64_t)field << 3);
    put_varint(out, v);
}

static void put_bytes(struct gush_buf *out, unsigned field, struct gush_span s)
{
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, s.n);
    gush_buf_put_span(out, s);
}

static bool take_varint(struct gush_span *s, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && s->n; shift += 7) {
        uint8_t c = *s->p;

        *s = gush_span_of(s->p + 1, s->n - 1);
        v |= (uint64_t)(c & 127) << shift;
        if (c < 128) {
            *out = v;
            return true;
        }
    }
    return false;
}

/* The next field of |s|: its number, and its bytes or value; 0 at the end, -1 for nonsense. */
static int take_field(struct gush_span *s, struct gush_span *bytes, uint64_t *value)
{
    uint64_t tag, n = 0;

    if (s->n == 0)
        return 0;
    if (!take_varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > 10000)
        return -1;
    *bytes = GUSH_SPAN_EMPTY;
    *value = 0;
    switch (tag & 7) {
    case 0:
        return take_varint(s, value) ? (int)(tag >> 3) : -1;
    case 1:
        n = 8;
        break;
    case 2:
        if (!take_varint(s, &n))
            return -1;
        break;
    case 5:
        n = 4;
        break;
    default:
        return -1;
    }
    if (n > s->n)
        return -1;
    *bytes = gush_span_of(s->p, n);
    *s = gush_span_of(s->p + n, s->n - n);
    return (int)(tag >> 3);
}

/* ---- requests ------------------------------------------------------------------------------- */

void load_wire_connect_proto(struct gush_buf *out, const char *channel,
                             const struct load_position *from)
{
    struct gush_buf entry, sub;

    gush_buf_init(&entry, 1024);
    gush_buf_init(&sub, 256);
    if (from->known) {
        put_number(&sub, 3, 1);
        put_bytes(&sub, 6, gush_span_str(from->epoch));
        put_number(&sub, 7, from->offset);
    }
    put_bytes(&entry, 1, gush_span_str(channel));
    put_bytes(&entry, 2, gush_buf_span(&sub));
    put_bytes(out, 3, gush_buf_span(&entry));
    gush_buf_fini(&sub);
    gush_buf_fini(&entry);
}

void load_wire_connect_json(struct gush_buf *out, const char *channel,
                            const struct load_position *from)
{
    gush_buf_printf(out, "{\"subs\":{\"%s\":{", channel);
    if (from->known)
        gush_buf_printf(out, "\"recover\":true,\"epoch\":\"%s\",\"offset\":%" PRIu64, from->epoch,
                        from->offset);
    gush_buf_put_str(out, "}}}");
}

void load_wire_publish_proto(struct gush_buf *out, const char *channel, struct gush_span data)
{
    put_bytes(out, 1, gush_span_str(channel));
    put_bytes(out, 2, data);
}

bool load_wire_published(struct gush_span message)
{
    struct gush_span bytes;
    uint64_t value;
    int field;

    while ((field = take_field(&message, &bytes, &value)) > 0) {
        if (field == 1)
            return false;
    }
    return field == 0;
}

/* ---- pushes in Protobuf --------------------------------------------------------------------- */

static gush_err proto_publication(struct gush_span s, struct load_publication *out)
{
    struct gush_span bytes;
    uint64_t value;
    int field;

    *out = (struct load_publication){.offset = 0};
    while ((field = take_field(&s, &bytes, &value)) > 0) {
        if (field == 4)
            out->data = bytes;
        else if (field == 6)
            out->offset = value;
    }
    return field == 0 ? GUSH_OK : GUSH_ESYNTAX;
}

static gush_err proto_subscription(struct gush_span s, struct load_push *out)
{
    struct gush_span bytes;
    uint64_t value;
    int field;

    out->subscribed = true;
    while ((field = take_field(&s, &bytes, &value)) > 0) {
        if (field == 6) {
            out->epoch = bytes;
        } else if (field == 7) {
            if (out->pubs_n == LOAD_RECOVERED_MAX)
                return GUSH_ELIMIT;
            if (proto_publication(bytes, &out->pubs[out->pubs_n++]) != GUSH_OK)
                return GUSH_ESYNTAX;
        } else if (field == 8) {
            out->recovered = value != 0;
        } else if (field == 9) {
            out->offset = value;
        } else if (field == 10) {
            out->positioned = value != 0;
        }
    }
    return field == 0 ? GUSH_OK : GUSH_ESYNTAX;
}

static gush_err proto_connect(struct gush_span s, struct load_push *out)
{
    struct gush_span entry, bytes;
    uint64_t value;
    gush_err err;
    int field;

    while ((field = take_field(&s, &entry, &value)) > 0) {
        if (field != 4)
            continue;
        while ((field = take_field(&entry, &bytes, &value)) > 0) {
            if (field == 2 && (err = proto_subscription(bytes, out)) != GUSH_OK)
                return err;
        }
        if (field != 0)
            break;
    }
    return field == 0 ? GUSH_OK : GUSH_ESYNTAX;
}

static gush_err proto_disconnect(struct gush_span s, struct load_push *out)
{
    struct gush_span bytes;
    uint64_t value;
    int field;

    while ((field = take_field(&s, &bytes, &value)) > 0) {
        if (field == 1)
            out->code = (uint32_t)value;
    }
    return field == 0 ? GUSH_OK : GUSH_ESYNTAX;
}

static gush_err decode_proto(struct gush_span s, struct load_push *out)
{
    struct gush_span bytes;
    uint64_t value;
    gush_err err = GUSH_OK;
    int field;

    while (err == GUSH_OK && (field = take_field(&s, &bytes, &value)) != 0) {
        if (field < 0)
            return GUSH_ESYNTAX;
        if (field == 4) {
            out->kind = LOAD_PUB;
            err = proto_publication(bytes, &out->pub);
        } else if (field == 10) {
            out->kind = LOAD_CONNECT;
            err = proto_connect(bytes, out);
        } else if (field == 11) {
            out->kind = LOAD_DISCONNECT;
            err = proto_disconnect(bytes, out);
        }
    }
    return err;
}

/* ---- pushes in JSON: looked at, not parsed. Payloads are our own and hold none of these words --
 */

/* Where |word| ends in |s|; NULL if it is not there. */
static const uint8_t *behind(struct gush_span s, const char *word)
{
    const uint8_t *p = s.n ? memmem(s.p, s.n, word, strlen(word)) : NULL;

    return p ? p + strlen(word) : NULL;
}

static struct gush_span rest(struct gush_span s, const uint8_t *from)
{
    return gush_span_of(from, (size_t)(s.p + s.n - from));
}

static uint64_t number_at(struct gush_span s, const uint8_t *p)
{
    uint64_t v = 0;

    for (; p < s.p + s.n && *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    return v;
}

static struct load_publication json_publication(struct gush_span s)
{
    const uint8_t *offset = behind(s, "\"offset\":");

    return (struct load_publication){.data = s, .offset = offset ? number_at(s, offset) : 0};
}

static gush_err json_connect(struct gush_span s, struct load_push *out)
{
    const uint8_t *p = behind(s, "\"epoch\":\""), *end;

    out->kind = LOAD_CONNECT;
    out->subscribed = behind(s, "\"subs\":{") != NULL;
    out->positioned = behind(s, "\"positioned\":true") != NULL;
    out->recovered = behind(s, "\"recovered\":true") != NULL;
    if (p) {
        struct gush_span tail = rest(s, p);

        end = memchr(tail.p, '"', tail.n);
        out->epoch = gush_span_of(p, end ? (size_t)(end - p) : 0);
    }
    /* The stream's own offset is the last one: behind those of the publications. */
    for (struct gush_span tail = s; (p = behind(tail, "\"offset\":")) != NULL; tail = rest(s, p))
        out->offset = number_at(s, p);
    for (struct gush_span tail = s; (p = behind(tail, "{\"r\":\"")) != NULL; tail = rest(s, p)) {
        if (out->pubs_n == LOAD_RECOVERED_MAX)
            return GUSH_ELIMIT;
        out->pubs[out->pubs_n++] = json_publication(rest(s, p));
    }
    return GUSH_OK;
}

static gush_err decode_json(struct gush_span s, struct load_push *out)
{
    const uint8_t *p;

    if (behind(s, "\"pub\":{")) {
        out->kind = LOAD_PUB;
        out->pub = json_publication(s);
    } else if (behind(s, "\"connect\":{")) {
        return json_connect(s, out);
    } else if ((p = behind(s, "\"disconnect\":{\"code\":")) != NULL) {
        out->kind = LOAD_DISCONNECT;
        out->code = (uint32_t)number_at(s, p);
    } else if (s.n == 0 || *s.p != '{') {
        return GUSH_ESYNTAX;
    }
    return GUSH_OK;
}

gush_err load_wire_decode(enum load_wire wire, struct gush_span message, struct load_push *out)
{
    out->kind = LOAD_OTHER;
    out->code = 0;
    out->subscribed = out->positioned = out->recovered = false;
    out->offset = 0;
    out->epoch = GUSH_SPAN_EMPTY;
    out->pubs_n = 0;
    return wire == LOAD_GRPC ? decode_proto(message, out) : decode_json(message, out);
}

/* ---- messages ------------------------------------------------------------------------------- */

void load_wire_framer_init(struct load_framer *f, enum load_wire wire)
{
    f->wire = wire;
    gush_buf_init(&f->carry, LOAD_MESSAGE_MAX);
}

void load_wire_framer_fini(struct load_framer *f)
{
    gush_buf_fini(&f->carry);
}

/* The first message of |s| and, in |*used|, what it takes with its framing.
 *   GUSH_EMORE  |s| does not hold a whole one */
static gush_err first_message(enum load_wire wire, struct gush_span s, struct gush_span *message,
                              size_t *used)
{
    static const struct gush_span field = GUSH_SPAN_INIT("data: "), id = GUSH_SPAN_INIT("id: ");
    const uint8_t *end;
    uint32_t n;

    if (wire == LOAD_GRPC) {
        if (s.n < 5)
            return GUSH_EMORE;
        n = (uint32_t)s.p[1] << 24 | (uint32_t)s.p[2] << 16 | (uint32_t)s.p[3] << 8 | s.p[4];
        if (s.p[0] != 0 || n > LOAD_MESSAGE_MAX)
            return GUSH_ESYNTAX;
        *used = (size_t)n + 5;
        *message = gush_span_of(s.p + 5, n);
        return s.n < *used ? GUSH_EMORE : GUSH_OK;
    }
    /* The preamble, and the id of the event behind it: messages without a push. */
    if (s.n >= 2 && memcmp(s.p, "\r\n", 2) == 0) {
        *used = 2;
        *message = GUSH_SPAN_LIT("{}");
        return GUSH_OK;
    }
    if (s.n >= id.n && memcmp(s.p, id.p, id.n) == 0) {
        end = memchr(s.p, '\n', s.n);
        if (end == NULL)
            return GUSH_EMORE;
        *used = (size_t)(end - s.p) + 1;
        *message = GUSH_SPAN_LIT("{}");
        return GUSH_OK;
    }
    end = s.n ? memmem(s.p, s.n, "\n\n", 2) : NULL;
    if (end == NULL)
        return GUSH_EMORE;
    *used = (size_t)(end - s.p) + 2;
    if (*used < field.n + 2 || memcmp(s.p, field.p, field.n) != 0)
        return GUSH_ESYNTAX;
    *message = gush_span_of(s.p + field.n, *used - 2 - field.n);
    return GUSH_OK;
}

gush_err load_wire_framer_read(struct load_framer *f, struct gush_span bytes,
                               load_on_message *on_message, void *arg, const bool *stop)
{
    struct gush_span s = bytes, message;
    bool carried = f->carry.n > 0;
    gush_err err = GUSH_OK;
    size_t used;

    if (carried) {
        gush_buf_put_span(&f->carry, bytes);
        if (!gush_buf_ok(&f->carry))
            return GUSH_ELIMIT;
        s = gush_buf_span(&f->carry);
    }
    while (!*stop && (err = first_message(f->wire, s, &message, &used)) == GUSH_OK) {
        on_message(arg, message);
        s = gush_span_of(s.p + used, s.n - used);
    }
    if (*stop)
        return GUSH_OK;
    if (err != GUSH_EMORE)
        return err;
    if (carried) {
        gush_buf_consume(&f->carry, f->carry.n - s.n);
    } else if (s.n) {
        gush_buf_put_span(&f->carry, s);
        if (!gush_buf_ok(&f->carry))
            return GUSH_ELIMIT;
    }
    if (f->carry.n == 0 && f->carry.cap > 65536) { /* a large recovery: do not keep its room */
        gush_buf_fini(&f->carry);
        gush_buf_init(&f->carry, LOAD_MESSAGE_MAX);
    }
    return GUSH_OK;
}
