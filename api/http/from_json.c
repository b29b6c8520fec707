#include "api/http/from_json.h"

#include "server/base/assert.h"

#include "server/codec/proto_guard.h"

#include "api/core/methods.h"

struct reader {
    struct gush_json_scan scan;
    struct gush_arena *arena;
    size_t fields, memory; /* so many more */
    unsigned depth;
    gush_err err; /* the first thing that went wrong */
    const char *why;
};

static bool fail(struct reader *r, gush_err err, const char *why)
{
    if (r->err == GUSH_OK) {
        r->err = err;
        r->why = why;
    }
    return false;
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

/* The next byte that is not white space, not taken; -1 at the end. */
static int peek(struct reader *r)
{
    struct gush_json_scan *s = &r->scan;

    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
    return s->p < s->end ? *s->p : -1;
}

/* Takes |c| if it comes next. */
static bool accept(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->scan.p++;
    return true;
}

static bool next(struct reader *r, struct gush_json_value *v)
{
    if (gush_json_next(&r->scan, v))
        return true;
    return fail(r, r->scan.err == GUSH_EMORE ? GUSH_ESYNTAX : r->scan.err, r->scan.why);
}

static bool next_typed(struct reader *r, enum gush_json_type type, struct gush_json_value *v)
{
    if (!next(r, v))
        return false;
    return v->type == type || fail(r, GUSH_ETYPE, "a member has another type");
}

/* `null` comes next and was taken. */
static bool accept_null(struct reader *r)
{
    struct gush_json_value v = {0};

    return peek(r) == 'n' && next(r, &v);
}

/* |open| comes next and was taken, as one more level. */
static bool enter(struct reader *r, char open)
{
    struct gush_json_value v = {0};

    if (!accept(r, open))
        return next(r, &v) && fail(r, GUSH_ETYPE, "a member has another type");
    if (r->depth == 0)
        return fail(r, GUSH_EDEPTH, "nested too deeply");
    r->depth--;
    return true;
}

/* Behind the opening bracket or a value: true if another member or element follows. */
static bool more(struct reader *r, char close, bool first)
{
    if (r->err != GUSH_OK)
        return false;
    if (accept(r, close)) {
        r->depth++;
        return false;
    }
    if (!first && !accept(r, ','))
        return fail(r, GUSH_ESYNTAX, "a comma or a bracket is missing");
    if (r->fields == 0)
        return fail(r, GUSH_ELIMIT, "too many members");
    r->fields--;
    return true;
}

static bool key(struct reader *r, struct gush_span *raw)
{
    struct gush_json_value v = {0};

    if (peek(r) != '"')
        return fail(r, GUSH_ESYNTAX, "object wants a quoted name here");
    if (!next(r, &v))
        return false;
    *raw = v.raw;
    return accept(r, ':') || fail(r, GUSH_ESYNTAX, "object wants a colon here");
}

/* ---- Scalars --------------------------------------------------------------------------------- */

static char *text_of(struct reader *r, struct gush_span raw)
{
    struct gush_span inside = gush_span_of(raw.p + 1, raw.n - 2);
    struct gush_buf buf;

    GUSH_ASSERT(raw.p != NULL && raw.n >= 2); /* its quotes */
    if (inside.n == 0 || memchr(inside.p, '\\', inside.n) == NULL)
        return gush_arena_string(r->arena, inside);
    buf = (struct gush_buf){
        .p = gush_arena_alloc(r->arena, inside.n + 1, 1), .cap = inside.n, .limit_bytes = inside.n};
    gush_json_unescape(raw, &buf); /* never longer than its source */
    GUSH_ASSERT(gush_buf_ok(&buf));
    if (buf.n > 0 && memchr(buf.p, '\0', buf.n) != NULL)
        fail(r, GUSH_ESYNTAX, "string holds a NUL");
    return (char *)buf.p;
}

static bool read_string(struct reader *r, char **out)
{
    struct gush_json_value v = {0};

    if (accept_null(r) || !next_typed(r, GUSH_JSON_STRING, &v))
        return r->err == GUSH_OK;
    *out = text_of(r, v.raw);
    return r->err == GUSH_OK;
}

static bool read_payload(struct reader *r, ProtobufCBinaryData *out)
{
    struct gush_json_value v = {0};

    if (!next(r, &v))
        return false;
    out->data = (uint8_t *)gush_arena_string(r->arena, v.raw);
    out->len = v.raw.n;
    return true;
}

static bool read_bool(struct reader *r, protobuf_c_boolean *out)
{
    struct gush_json_value v = {0};

    if (accept_null(r) || !next_typed(r, GUSH_JSON_BOOL, &v))
        return r->err == GUSH_OK;
    *out = v.raw.p[0] == 't';
    return true;
}

static bool read_number(struct reader *r, ProtobufCType type, void *out)
{
    struct gush_json_value v = {0};
    uint64_t u = 0;
    int64_t i = 0;
    gush_err err;

    if (accept_null(r) || !next_typed(r, GUSH_JSON_NUMBER, &v))
        return r->err == GUSH_OK;
    err = type == PROTOBUF_C_TYPE_UINT32 || type == PROTOBUF_C_TYPE_UINT64 ? gush_json_u64(v, &u)
                                                                           : gush_json_i64(v, &i);
    if (err == GUSH_OK && ((type == PROTOBUF_C_TYPE_UINT32 && u > UINT32_MAX) ||
                           (type == PROTOBUF_C_TYPE_INT32 && (i < INT32_MIN || i > INT32_MAX))))
        err = GUSH_ERANGE;
    if (err != GUSH_OK)
        return fail(r, err, "a number does not fit");
    if (type == PROTOBUF_C_TYPE_UINT32)
        *(uint32_t *)out = (uint32_t)u;
    else if (type == PROTOBUF_C_TYPE_INT32)
        *(int32_t *)out = (int32_t)i;
    else if (type == PROTOBUF_C_TYPE_UINT64)
        *(uint64_t *)out = u;
    else
        *(int64_t *)out = i;
    return true;
}

/* ---- Messages -------------------------------------------------------------------------------- */

static bool read_message(struct reader *r, ProtobufCMessage *message);

static ProtobufCMessage *new_message(struct reader *r, const ProtobufCMessageDescriptor *descriptor)
{
    if (descriptor->sizeof_message > r->memory) {
        fail(r, GUSH_ELIMIT, "too many objects");
        return NULL;
    }
    r->memory -= descriptor->sizeof_message;
    return gush_arena_message(r->arena, descriptor);
}

/* The value of |field| that goes to |at|. */
static bool read_single(struct reader *r, const ProtobufCFieldDescriptor *field, void *at)
{
    ProtobufCMessage **message = at;

    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return read_string(r, at);
    case PROTOBUF_C_TYPE_BYTES:
        return read_payload(r, at);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(r, at);
    case PROTOBUF_C_TYPE_MESSAGE:
        if (accept_null(r)) {
            *message = NULL;
            return true;
        }
        if (*message == NULL)
            *message = new_message(r, field->descriptor);
        return *message != NULL && read_message(r, *message);
    default:
        return read_number(r, field->type, at);
    }
}

/* A list under construction, of pointers: the schema has no others. Twice as large each time it is
 * full. */
struct list {
    void **items;
    size_t n, cap;
};

static void **list_add(struct reader *r, struct list *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        void **items = gush_arena_alloc(r->arena, cap, sizeof(void *));

        if (l->n > 0)
            memcpy(items, l->items, l->n * sizeof(void *));
        l->items = items;
        l->cap = cap;
    }
    return &l->items[l->n++];
}

static void list_store(const struct list *l, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field)
{
    GUSH_ASSERT(field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE);
    memcpy((char *)message + field->offset, &l->items, sizeof(l->items));
    memcpy((char *)message + field->quantifier_offset, &l->n, sizeof(l->n));
}

static bool read_array(struct reader *r, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field)
{
    struct list l = {0};

    if (!enter(r, '['))
        return false;
    while (more(r, ']', l.n == 0)) {
        void **at = list_add(r, &l);

        if (field->type == PROTOBUF_C_TYPE_STRING)
            *at = gush_arena_string(r->arena, GUSH_SPAN_EMPTY); /* what null leaves */
        if (!read_single(r, field, at))
            return false;
    }
    list_store(&l, message, field);
    return r->err == GUSH_OK;
}

/* A map travels as a list of messages with a key and a value. */
static bool is_map(const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *entry = field->descriptor;

    return field->type == PROTOBUF_C_TYPE_MESSAGE && entry->n_fields == 2 &&
           strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0;
}

static bool read_map(struct reader *r, ProtobufCMessage *message,
                     const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    struct list l = {0};
    struct gush_span name = GUSH_SPAN_EMPTY;

    if (!enter(r, '{'))
        return false;
    while (more(r, '}', l.n == 0)) {
        ProtobufCMessage *entry = new_message(r, descriptor);

        if (entry == NULL || !key(r, &name))
            return false;
        *list_add(r, &l) = entry;
        *(char **)(void *)((char *)entry + descriptor->fields[0].offset) = text_of(r, name);
        if (!read_single(r, &descriptor->fields[1], (char *)entry + descriptor->fields[1].offset))
            return false;
    }
    list_store(&l, message, field);
    return r->err == GUSH_OK;
}

static bool read_field(struct reader *r, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field)
{
    const struct list none = {0};

    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return read_single(r, field, (char *)message + field->offset);
    if (accept_null(r)) {
        list_store(&none, message, field);
        return true;
    }
    return is_map(field) ? read_map(r, message, field) : read_array(r, message, field);
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *descriptor,
                                                struct gush_span raw)
{
    size_t n = raw.n - 2;

    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const char *name = descriptor->fields[i].name;
        if (name[0] == (char)raw.p[1] && strncmp(name, (const char *)raw.p + 1, n) == 0 &&
            name[n] == '\0')
            return &descriptor->fields[i];
    }
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (gush_json_key_is(raw, descriptor->fields[i].name))
            return &descriptor->fields[i];
    }
    return NULL;
}

/* An object into |message|, over what is in it. */
static bool read_message(struct reader *r, ProtobufCMessage *message)
{
    struct gush_json_value ignored;
    struct gush_span name = GUSH_SPAN_EMPTY;

    if (!enter(r, '{'))
        return false;
    for (bool first = true; more(r, '}', first); first = false) {
        const ProtobufCFieldDescriptor *field;

        if (!key(r, &name))
            return false;
        field = field_of(message->descriptor, name);
        if (field ? !read_field(r, message, field) : !next(r, &ignored))
            return false;
    }
    return r->err == GUSH_OK;
}

gush_err gush_from_json(const ProtobufCMessageDescriptor *descriptor, struct gush_span text,
                        struct gush_arena *arena, ProtobufCMessage **out, const char **why)
{
    struct reader r = {.arena = arena,
                       .fields = GUSH_METHODS_FIELDS_MAX,
                       .memory = GUSH_FROM_JSON_MEMORY_MAX,
                       .depth = GUSH_PROTO_DEPTH_MAX * 2}; /* a list and an object for each */

    gush_json_scan_init(&r.scan, text);
    *out = new_message(&r, descriptor);
    if (*out != NULL && !accept_null(&r))
        (void)read_message(&r, *out);
    if (r.err == GUSH_OK && !gush_json_at_end(&r.scan))
        fail(&r, GUSH_ESYNTAX, "something follows the object");
    return r.err == GUSH_OK ? GUSH_OK : gush_fail(why, r.err, r.why);
}
