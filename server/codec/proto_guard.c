#include "server/codec/proto_guard.h"

#include "server/base/cursor.h"
#include "server/base/text.h"

/* Stricter than protobuf has to be, where protobuf-c would do something that nobody wants:
 * - A known field with another wire type, and groups, are GUSH_ESYNTAX (protobuf-c fails on them).
 * - Tags and lengths are at most five bytes long, as protobuf-c wants them. What passes unpacks.
 * - A string with a NUL is GUSH_ESYNTAX: protobuf-c hands out C strings, so "a\0b" would become
 * "a".
 * - A single sub-message given twice is GUSH_ESYNTAX: it would be merged, at the price of copying
 *   every list in it again. */

enum wire {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP_START = 3,
    WIRE_GROUP_END = 4,
    WIRE_32 = 5
};

/* One open message. */
struct level {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *end;
    uint64_t seen; /* single sub-messages already met, by index of their field */
};

struct guard {
    struct gush_cursor in; /* over the innermost open message */
    struct level open[GUSH_PROTO_DEPTH_MAX];
    size_t depth;
    size_t members_left;
    const char **why;
};

static gush_err truncated(const struct guard *g)
{
    if (g->in.err == GUSH_ERANGE)
        return gush_fail(g->why, GUSH_ERANGE, "varint out of range");
    return gush_fail(g->why, GUSH_ESYNTAX, "message is truncated");
}

static gush_err count(struct guard *g, size_t n)
{
    if (n > g->members_left)
        return gush_fail(g->why, GUSH_ELIMIT, "too many members in one message");
    g->members_left -= n;
    return GUSH_OK;
}

static gush_err enter(struct guard *g, const ProtobufCMessageDescriptor *descriptor,
                      struct gush_span message)
{
    if (g->depth == GUSH_PROTO_DEPTH_MAX)
        return gush_fail(g->why, GUSH_EDEPTH, "messages nested too deeply");
    g->open[g->depth++] = (struct level){.descriptor = descriptor, .end = message.p + message.n};
    g->in.p = message.p;
    g->in.end = message.p + message.n;
    return GUSH_OK;
}

static enum wire wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        break;
    }
    return WIRE_VARINT;
}

static gush_err check_string(const struct guard *g, struct gush_span s)
{
    if (s.n > 0 && memchr(s.p, '\0', s.n) != NULL)
        return gush_fail(g->why, GUSH_ESYNTAX, "string holds a NUL");
    if (!gush_utf8_valid(s))
        return gush_fail(g->why, GUSH_EUTF8, "string is not UTF-8");
    return GUSH_OK;
}

/* A packed list: its elements count like members, each of them must be whole. */
static gush_err check_packed(struct guard *g, enum wire wire, struct gush_span list)
{
    struct gush_cursor c = gush_cursor_over(list);
    size_t size = wire == WIRE_32 ? 4 : 8;
    gush_err err;

    if (wire != WIRE_VARINT) {
        if (list.n % size != 0)
            return gush_fail(g->why, GUSH_ESYNTAX, "packed list ends inside an element");
        return count(g, list.n / size);
    }
    while (gush_cursor_left(&c) > 0) {
        (void)gush_cursor_varint(&c);
        if (c.err == GUSH_ERANGE)
            return gush_fail(g->why, GUSH_ERANGE, "varint longer than 64 bits");
        if (!gush_cursor_ok(&c))
            return gush_fail(g->why, GUSH_ESYNTAX, "packed list ends inside an element");
        err = count(g, 1);
        if (err != GUSH_OK)
            return err;
    }
    return GUSH_OK;
}

static gush_err enter_field(struct guard *g, const ProtobufCFieldDescriptor *field,
                            struct gush_span message)
{
    struct level *top = &g->open[g->depth - 1];
    size_t index = (size_t)(field - top->descriptor->fields);

    if (field->label != PROTOBUF_C_LABEL_REPEATED && index < 64) {
        if (top->seen >> index & 1)
            return gush_fail(g->why, GUSH_ESYNTAX, "single sub-message given twice");
        top->seen |= UINT64_C(1) << index;
    }
    return enter(g, field->descriptor, message);
}

/* |value| is the payload when |wire| is bytes. */
static gush_err check_known(struct guard *g, const ProtobufCFieldDescriptor *field, enum wire wire,
                            struct gush_span value)
{
    enum wire want = wire_of(field->type);

    if (wire == WIRE_BYTES && want != WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED)
        return check_packed(g, want, value);
    if (wire != want)
        return gush_fail(g->why, GUSH_ESYNTAX, "field has another wire type than its schema");
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return check_string(g, value);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return enter_field(g, field, value);
    return GUSH_OK;
}

/* A tag or a length: 32 bits in at most five bytes. Anything else fails the cursor. */
static uint32_t take_u32(struct gush_cursor *c)
{
    const uint8_t *start = c->p;
    uint64_t v = gush_cursor_varint(c);

    if (gush_cursor_ok(c) && (v > UINT32_MAX || c->p - start > 5))
        gush_cursor_fail(c, GUSH_ERANGE);
    return (uint32_t)v;
}

/* Takes the value behind a tag; its payload when it has one. */
static gush_err take_value(struct guard *g, enum wire wire, struct gush_span *value)
{
    *value = GUSH_SPAN_EMPTY;
    switch (wire) {
    case WIRE_VARINT:
        (void)gush_cursor_varint(&g->in);
        break;
    case WIRE_64:
        (void)gush_cursor_take(&g->in, 8);
        break;
    case WIRE_32:
        (void)gush_cursor_take(&g->in, 4);
        break;
    case WIRE_BYTES:
        *value = gush_cursor_take(&g->in, take_u32(&g->in));
        break;
    case WIRE_GROUP_START:
    case WIRE_GROUP_END:
    default:
        return gush_fail(g->why, GUSH_ESYNTAX, "groups and unknown wire types are not supported");
    }
    return gush_cursor_ok(&g->in) ? GUSH_OK : truncated(g);
}

/* One field of the innermost open message. */
static gush_err check_field(struct guard *g)
{
    const struct level *top = &g->open[g->depth - 1];
    const ProtobufCFieldDescriptor *field;
    struct gush_span value;
    uint32_t tag = take_u32(&g->in);
    enum wire wire = (enum wire)(tag & 7);
    gush_err err;

    if (!gush_cursor_ok(&g->in))
        return truncated(g);
    if (tag >> 3 == 0)
        return gush_fail(g->why, GUSH_ESYNTAX, "field number 0");
    err = take_value(g, wire, &value);
    if (err == GUSH_OK)
        err = count(g, 1);
    if (err != GUSH_OK)
        return err;
    field = protobuf_c_message_descriptor_get_field(top->descriptor, tag >> 3);
    return field ? check_known(g, field, wire, value) : GUSH_OK;
}

gush_err gush_proto_guard(const ProtobufCMessageDescriptor *descriptor, struct gush_span message,
                          size_t members_max, const char **why)
{
    struct guard g;
    gush_err err;

    if (message.n == 0)
        return GUSH_OK;
    g.depth = 0;
    g.members_left = members_max;
    g.why = why;
    g.in = gush_cursor_over(message);
    err = enter(&g, descriptor, message);
    while (err == GUSH_OK && g.depth > 0) {
        if (gush_cursor_left(&g.in) > 0) {
            err = check_field(&g);
            continue;
        }
        /* A message ends where its payload ended; its parent goes on right behind. */
        g.depth--;
        if (g.depth > 0)
            g.in.end = g.open[g.depth - 1].end;
    }
    return err;
}
