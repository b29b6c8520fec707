#include "api/http/to_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/text.h"

#include "proto/api.pb-c.h"
#include "server/codec/json_scan.h"

/* ---- What is never left out ------------------------------------------------------------------ */

#define BIT(number) (UINT64_C(1) << (number))

/* Fields by number. */
static const struct always {
    const ProtobufCMessageDescriptor *descriptor;
    uint64_t fields;
} always[] = {
    /* user, client */
    {&centrifugal__centrifugo__api__client_info__descriptor, BIT(1) | BIT(2)},
    /* presence */
    {&centrifugal__centrifugo__api__presence_result__descriptor, BIT(1)},
    /* num_clients, num_users */
    {&centrifugal__centrifugo__api__presence_stats_result__descriptor, BIT(1) | BIT(2)},
    /* publications, epoch, offset */
    {&centrifugal__centrifugo__api__history_result__descriptor, BIT(1) | BIT(2) | BIT(3)},
    /* uid, name, version, num_clients, num_users, num_channels, num_subs */
    {&centrifugal__centrifugo__api__node_result__descriptor,
     BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(10)},
    /* channels */
    {&centrifugal__centrifugo__api__channels_result__descriptor, BIT(1)},
};

static uint64_t always_of(const ProtobufCMessageDescriptor *descriptor)
{
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        if (always[i].descriptor == descriptor)
            return always[i].fields;
    }
    return 0;
}

/* ---- Strings and payloads -------------------------------------------------------------------- */

enum byte_class { PLAIN, SPACE, QUOTE, BACKSLASH, CONTROL, MARKUP, WIDE };

static enum byte_class class_of(uint8_t c)
{
    if (c >= 0x80)
        return WIDE;
    switch (c) {
    case ' ':
    case '\n':
    case '\r':
    case '\t':
        return SPACE;
    case '"':
        return QUOTE;
    case '\\':
        return BACKSLASH;
    case '<':
    case '>':
    case '&':
        return MARKUP;
    default:
        return c < 0x20 ? CONTROL : PLAIN;
    }
}

static void put_unicode(struct gush_buf *b, unsigned rune)
{
    gush_buf_printf(b, "\\u%04x", rune);
}

/* One sequence outside ASCII; how many bytes it took. */
static size_t put_wide(struct gush_buf *b, struct gush_span s)
{
    size_t n = gush_utf8_sequence(s);

    if (n == 0) {
        put_unicode(b, 0xfffd);
        return 1;
    }
    if (n == 3 && s.p[0] == 0xe2 && s.p[1] == 0x80 && (s.p[2] | 1) == 0xa9)
        put_unicode(b, 0x2000u | (s.p[2] & 0x3fu));
    else
        gush_buf_put(b, s.p, n);
    return n;
}

static void put_escape(struct gush_buf *b, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = c ? strchr(from, c) : NULL;

    if (at == NULL) {
        put_unicode(b, c);
        return;
    }
    gush_buf_put_u8(b, '\\');
    gush_buf_put_u8(b, (uint8_t)to[at - from]);
}

static void put_string(struct gush_buf *b, struct gush_span s)
{
    gush_buf_put_u8(b, '"');
    for (size_t i = 0; i < s.n;) {
        size_t start = i;

        while (i < s.n && (s.p[i] == ' ' || class_of(s.p[i]) == PLAIN))
            i++;
        gush_buf_put(b, s.p + start, i - start);
        if (i == s.n)
            break;
        if (s.p[i] >= 0x80)
            i += put_wide(b, gush_span_of(s.p + i, s.n - i));
        else
            put_escape(b, s.p[i++]);
    }
    gush_buf_put_u8(b, '"');
}

/* Valid JSON, compact. Markup can only stand in its strings, white space may stand outside. */
static void put_compact(struct gush_buf *b, struct gush_span s)
{
    bool inside = false;

    for (size_t i = 0; i < s.n;) {
        size_t start = i;
        enum byte_class class = PLAIN;

        while (i < s.n && ((class = class_of(s.p[i])) == PLAIN || (class == SPACE && inside)))
            i++;
        gush_buf_put(b, s.p + start, i - start);
        if (i == s.n)
            break;
        switch (class) {
        case WIDE:
            i += put_wide(b, gush_span_of(s.p + i, s.n - i));
            continue;
        case MARKUP:
            put_unicode(b, s.p[i]);
            break;
        case BACKSLASH:
            gush_buf_put(b, s.p + i++, 1);
            gush_buf_put(b, s.p + i, 1);
            break;
        case QUOTE:
            inside = !inside;
            gush_buf_put_u8(b, '"');
            break;
        case SPACE:
        case PLAIN:
        case CONTROL:
        default: /* white space goes */
            break;
        }
        i++;
    }
}

static gush_err put_payload(struct gush_buf *b, const ProtobufCBinaryData *payload)
{
    struct gush_span s = gush_span_of(payload->data, payload->len);

    if (!gush_json_valid(s))
        return GUSH_ESYNTAX;
    put_compact(b, s);
    return GUSH_OK;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

#define DIGITS_MAX 17 /* of a double; so many always tell it from its neighbours */

/* The shortest text that reads back as |v|: plain from 1e-6 to 1e21, else with an exponent. */
static void put_double(struct gush_buf *b, double v)
{
    char text[64];
    int digits = 1;
    double size = v < 0 ? -v : v;

    do {
        snprintf(text, sizeof(text), "%.*e", digits - 1, v);
    } while (strtod(text, NULL) != v && ++digits <= DIGITS_MAX);
    if (v == 0 || (size >= 1e-6 && size < 1e21)) {
        int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
        int behind = digits - 1 - exponent;

        snprintf(text, sizeof(text), "%.*f", behind > 0 ? behind : 0, v);
    } else {
        char *e = strchr(text, 'e') + 2;

        if (e[-1] == '-' && e[0] == '0' && e[2] == '\0') /* e-09 is written e-9 */
            memmove(e, e + 1, 2);
    }
    gush_buf_put_str(b, text);
}

/* ---- Fields ---------------------------------------------------------------------------------- */

static gush_err put_message(struct gush_buf *b, const ProtobufCMessage *message);

static bool is_map(const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *entry = field->descriptor;

    return field->type == PROTOBUF_C_TYPE_MESSAGE && entry->n_fields == 2 &&
           strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0;
}

static gush_err put_value(struct gush_buf *b, const ProtobufCFieldDescriptor *field, const void *at)
{
    const ProtobufCMessage *message;

    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        put_string(b, gush_span_str(*(const char *const *)at));
        return GUSH_OK;
    case PROTOBUF_C_TYPE_BYTES:
        return put_payload(b, at);
    case PROTOBUF_C_TYPE_BOOL:
        gush_buf_put_str(b, *(const protobuf_c_boolean *)at ? "true" : "false");
        return GUSH_OK;
    case PROTOBUF_C_TYPE_INT32:
        gush_buf_put_i64(b, *(const int32_t *)at);
        return GUSH_OK;
    case PROTOBUF_C_TYPE_INT64:
        gush_buf_put_i64(b, *(const int64_t *)at);
        return GUSH_OK;
    case PROTOBUF_C_TYPE_UINT32:
        gush_buf_put_u64(b, *(const uint32_t *)at);
        return GUSH_OK;
    case PROTOBUF_C_TYPE_UINT64:
        gush_buf_put_u64(b, *(const uint64_t *)at);
        return GUSH_OK;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_double(b, *(const double *)at);
        return GUSH_OK;
    default:
        GUSH_ASSERT(field->type == PROTOBUF_C_TYPE_MESSAGE);
        memcpy(&message, at, sizeof(message));
        return put_message(b, message);
    }
}

static const char *key_of(const ProtobufCMessage *entry)
{
    return *(const char *const *)(const void *)((const char *)entry +
                                                entry->descriptor->fields[0].offset);
}

static int by_key(const void *a, const void *b)
{
    const ProtobufCMessage *const *x = a, *const *y = b;

    return strcmp(key_of(*x), key_of(*y));
}

static gush_err put_map(struct gush_buf *b, ProtobufCMessage **entries, size_t n)
{
    if (n > 1)
        qsort(entries, n, sizeof(entries[0]), by_key);
    gush_buf_put_u8(b, '{');
    for (size_t i = 0; i < n; i++) {
        const ProtobufCFieldDescriptor *value = &entries[i]->descriptor->fields[1];
        gush_err err;

        if (i > 0)
            gush_buf_put_u8(b, ',');
        put_string(b, gush_span_str(key_of(entries[i])));
        gush_buf_put_u8(b, ':');
        err = put_value(b, value, (const char *)entries[i] + value->offset);
        if (err != GUSH_OK)
            return err;
    }
    gush_buf_put_u8(b, '}');
    return GUSH_OK;
}

static gush_err put_list(struct gush_buf *b, const ProtobufCFieldDescriptor *field,
                         void *const *items, size_t n)
{
    /* Of pointers: the schema has no other lists. */
    GUSH_ASSERT(field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE);
    gush_buf_put_u8(b, '[');
    for (size_t i = 0; i < n && gush_buf_ok(b); i++) {
        gush_err err;

        if (i > 0)
            gush_buf_put_u8(b, ',');
        err = put_value(b, field, &items[i]);
        if (err != GUSH_OK)
            return err;
    }
    gush_buf_put_u8(b, ']');
    return GUSH_OK;
}

static bool is_zero(const ProtobufCFieldDescriptor *field, const void *at)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return *(const char *const *)at == NULL || **(const char *const *)at == '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    case PROTOBUF_C_TYPE_BOOL:
        return !*(const protobuf_c_boolean *)at;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        return *(const uint32_t *)at == 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)at == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const void *const *)at == NULL;
    default:
        return *(const uint64_t *)at == 0;
    }
}

/* |first|: no member was written before. */
static gush_err put_field(struct gush_buf *b, const ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field, bool anyway, bool *first)
{
    const void *at = (const char *)message + field->offset;
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    size_t n = 0;
    void *items = NULL;

    if (repeated) {
        memcpy(&n, (const char *)message + field->quantifier_offset, sizeof(n));
        memcpy(&items, at, sizeof(items));
    }
    if (!anyway && (repeated ? n == 0 : is_zero(field, at)))
        return GUSH_OK;
    gush_buf_put_str(b, *first ? "\"" : ",\"");
    gush_buf_put_str(b, field->name);
    gush_buf_put_str(b, "\":");
    *first = false;
    if (!repeated)
        return put_value(b, field, at);
    return is_map(field) ? put_map(b, items, n) : put_list(b, field, items, n);
}

static gush_err put_message(struct gush_buf *b, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    uint64_t anyway = always_of(descriptor);
    gush_err err = GUSH_OK;
    bool first = true;

    gush_buf_put_u8(b, '{');
    for (unsigned i = 0; i < descriptor->n_fields && err == GUSH_OK; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        err = put_field(b, message, field, field->id < 64 && (anyway >> field->id & 1), &first);
    }
    gush_buf_put_u8(b, '}');
    return err;
}

gush_err gush_to_json(const ProtobufCMessage *message, struct gush_buf *out)
{
    gush_err err = put_message(out, message);

    if (err == GUSH_OK && !gush_buf_ok(out))
        err = GUSH_ELIMIT;
    return err;
}
