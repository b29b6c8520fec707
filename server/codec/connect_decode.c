#include "server/codec/connect_decode.h"

#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/cursor.h"
#include "server/base/mem.h"

#include "proto/client.pb-c.h"
#include "server/codec/json_scan.h"
#include "server/codec/proto_guard.h"

#define DEPTH_MAX 32

/* Everything that a request points to and that is not the input: counted first, then one block. */
struct memory {
    struct gush_connect_sub *subs;
    struct gush_connect_header *headers;
    struct gush_buf text; /* unescaped strings, behind the lists; cannot outgrow the input */
};

static gush_err no_memory(const char **why)
{
    return gush_fail(why, GUSH_ELIMIT, "no memory for the request");
}

/* |text_n| 0: no text. */
static gush_err reserve(struct gush_connect_request *out, struct memory *m, size_t subs_n,
                        size_t headers_n, size_t text_n, const char **why)
{
    size_t lists_n = subs_n * sizeof(*m->subs) + headers_n * sizeof(*m->headers);
    uint8_t *p = gush_try_alloc(lists_n + text_n + 1);

    if (p == NULL)
        return no_memory(why);
    out->memory = p;
    out->subs = m->subs = (struct gush_connect_sub *)(void *)p;
    p += subs_n * sizeof(*m->subs);
    out->headers = m->headers = (struct gush_connect_header *)(void *)p;
    p += headers_n * sizeof(*m->headers);
    m->text = (struct gush_buf){.p = p, .cap = text_n, .limit_bytes = text_n};
    return GUSH_OK;
}

/* ---- names are unique: the last of equal ones counts. Names of one request lie in one piece of
 * memory in the order in which they came, so their addresses tell which was last. */

static int by_name(const void *a, const void *b)
{
    const struct gush_span *x = a, *y = b;
    int c = gush_span_cmp(*x, *y);

    return c ? c : (x->p > y->p) - (x->p < y->p);
}

/* |items| are |n| structs of |size| that begin with their name. How many are left. */
static size_t keep_last(void *items, size_t n, size_t size)
{
    uint8_t *to = items, *from = items;

    if (n < 2)
        return n;
    qsort(items, n, size, by_name);
    for (size_t i = 0; i < n; i++, from += size) {
        const struct gush_span *name = (const struct gush_span *)(const void *)from;
        const struct gush_span *next = (const struct gush_span *)(const void *)(from + size);

        if (i + 1 < n && gush_span_eq(*name, *next))
            continue;
        if (to != from)
            memcpy(to, from, size);
        to += size;
    }
    return (size_t)(to - (uint8_t *)items) / size;
}

static void make_unique(struct gush_connect_request *out)
{
    _Static_assert(offsetof(struct gush_connect_sub, channel) == 0, "name comes first");
    _Static_assert(offsetof(struct gush_connect_header, name) == 0, "name comes first");
    out->subs_n = keep_last(out->subs, out->subs_n, sizeof(*out->subs));
    out->headers_n = keep_last(out->headers, out->headers_n, sizeof(*out->headers));
}

/* ---- JSON */

/* What a known member must be. A null is always taken for an absent member. */
enum kind { KIND_RAW, KIND_STRING, KIND_BOOL, KIND_U64, KIND_I64, KIND_I32, KIND_OBJECT };

struct member {
    const char *name;
    enum kind kind;
};

/* The order is the index by which the code below asks. */
enum {
    REQUEST_TOKEN,
    REQUEST_DATA,
    REQUEST_SUBS,
    REQUEST_NAME,
    REQUEST_VERSION,
    REQUEST_HEADERS,
    REQUEST_FLAG,
    REQUEST_PROFILE,
    REQUEST_DICT,
    REQUEST_N
};

static const struct member request_members[REQUEST_N] = {
    [REQUEST_TOKEN] = {"token", KIND_STRING},     [REQUEST_DATA] = {"data", KIND_RAW},
    [REQUEST_SUBS] = {"subs", KIND_OBJECT},       [REQUEST_NAME] = {"name", KIND_STRING},
    [REQUEST_VERSION] = {"version", KIND_STRING}, [REQUEST_HEADERS] = {"headers", KIND_OBJECT},
    [REQUEST_FLAG] = {"flag", KIND_I64},          [REQUEST_PROFILE] = {"profile", KIND_STRING},
    [REQUEST_DICT] = {"dict", KIND_STRING},
};

enum {
    SUB_RECOVER,
    SUB_EPOCH,
    SUB_OFFSET,
    SUB_DELTA,
    SUB_REST /* is checked and left alone */
};

static const struct member sub_members[] = {
    [SUB_RECOVER] = {"recover", KIND_BOOL},
    [SUB_EPOCH] = {"epoch", KIND_STRING},
    [SUB_OFFSET] = {"offset", KIND_U64},
    [SUB_DELTA] = {"delta", KIND_STRING},
    [SUB_REST] = {"channel", KIND_STRING},
    {"token", KIND_STRING},
    {"positioned", KIND_BOOL},
    {"recoverable", KIND_BOOL},
    {"join_leave", KIND_BOOL},
    {"tf", KIND_OBJECT},
    {"flag", KIND_I64},
    {"type", KIND_I32},
    {"phase", KIND_I32},
    {"cursor", KIND_STRING},
    {"limit", KIND_I32},
    {"asc", KIND_BOOL},
};

#define MEMBERS_N(table) (sizeof(table) / sizeof((table)[0]))

static size_t find_member(const struct member *table, size_t n, struct gush_span key_raw)
{
    for (size_t i = 0; i < n; i++) {
        if (gush_json_key_is(key_raw, table[i].name))
            return i;
    }
    return n;
}

static gush_err check_kind(enum kind kind, struct gush_json_value v)
{
    uint64_t u;
    int64_t i;
    gush_err err;

    if (v.type == GUSH_JSON_NULL)
        return GUSH_OK;
    switch (kind) {
    case KIND_RAW:
        return GUSH_OK;
    case KIND_STRING:
        return v.type == GUSH_JSON_STRING ? GUSH_OK : GUSH_ETYPE;
    case KIND_BOOL:
        return v.type == GUSH_JSON_BOOL ? GUSH_OK : GUSH_ETYPE;
    case KIND_OBJECT:
        return v.type == GUSH_JSON_OBJECT ? GUSH_OK : GUSH_ETYPE;
    case KIND_U64:
        return gush_json_u64(v, &u);
    case KIND_I64:
        return gush_json_i64(v, &i);
    case KIND_I32:
        err = gush_json_i64(v, &i);
        return err == GUSH_OK && (i < INT32_MIN || i > INT32_MAX) ? GUSH_ERANGE : err;
    }
    return GUSH_ETYPE;
}

/* How many members may still come, over all levels. */
struct measure {
    size_t members_left;
    const char **why;
};

static gush_err count_one(struct measure *m)
{
    if (m->members_left == 0)
        return gush_fail(m->why, GUSH_ELIMIT, "too many members in one request");
    m->members_left--;
    return GUSH_OK;
}

/* Counts what is inside |v|, a member of the request. One pass: brackets, and commas between. */
static gush_err measure_value(struct measure *m, struct gush_json_value v)
{
    const uint8_t *p = v.raw.p, *end = v.raw.p + v.raw.n;
    gush_err err = GUSH_OK;
    bool in_string = false, fresh = false; /* fresh: a bracket opened and nothing came yet */
    size_t depth = 1;

    if (v.type != GUSH_JSON_OBJECT && v.type != GUSH_JSON_ARRAY)
        return GUSH_OK;
    for (; p < end && err == GUSH_OK; p++) {
        uint8_t c = *p;

        if (in_string) {
            in_string = c != '"';
            p += c == '\\';
            continue;
        }
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            continue;
        if ((fresh && c != '}' && c != ']') || c == ',')
            err = count_one(m);
        fresh = c == '{' || c == '[';
        depth += fresh;
        depth -= c == '}' || c == ']';
        if (depth > DEPTH_MAX)
            return gush_fail(m->why, GUSH_EDEPTH, "request nested too deeply");
        in_string = c == '"';
    }
    return err;
}

/* Bounds members and nesting. Its own payload is opaque and may be nested as payloads may. */
static gush_err measure_request(struct measure *m, struct gush_json_value request)
{
    struct gush_json_iter it = gush_json_members(request);
    struct gush_json_value v;
    struct gush_span key;
    gush_err err = GUSH_OK;

    while (err == GUSH_OK && gush_json_member(&it, &key, &v)) {
        err = count_one(m);
        if (err == GUSH_OK && !gush_json_key_is(key, "data"))
            err = measure_value(m, v);
    }
    return err;
}

/* Checks the kinds of all known members. |found| gets the last value of each that is not null;
 * |found[i].raw.n| is 0 where there is none. */
static gush_err pick_members(struct gush_json_value object, const struct member *table,
                             size_t table_n, struct gush_json_value *found, const char **why)
{
    struct gush_json_iter it = gush_json_members(object);
    struct gush_json_value v;
    struct gush_span key;

    while (gush_json_member(&it, &key, &v)) {
        size_t i = find_member(table, table_n, key);
        gush_err err;

        if (i == table_n)
            continue;
        err = check_kind(table[i].kind, v);
        if (err != GUSH_OK)
            return gush_fail(why, err, "member is not what it has to be");
        if (v.type != GUSH_JSON_NULL || table[i].kind == KIND_RAW)
            found[i] = v;
    }
    return GUSH_OK;
}

/* The text of a raw string; what is not there, or null, is empty. A NUL follows, so that no two
 * texts share an address. */
static struct gush_span text_of(struct memory *m, struct gush_span raw)
{
    size_t start = m->text.n;

    if (raw.n == 0 || raw.p[0] != '"')
        return GUSH_SPAN_EMPTY;
    gush_json_unescape(raw, &m->text);
    gush_buf_put_u8(&m->text, 0);
    GUSH_ASSERT(gush_buf_ok(&m->text)); /* quotes took more room than the NUL, escapes than runes */
    return gush_span_of(m->text.p + start, m->text.n - start - 1);
}

static size_t members_n(struct gush_json_value object)
{
    struct gush_json_iter it;
    struct gush_json_value v;
    struct gush_span key;
    size_t n = 0;

    if (object.raw.n == 0)
        return 0;
    for (it = gush_json_members(object); gush_json_member(&it, &key, &v);)
        n++;
    return n;
}

static gush_err subs_from_json(struct gush_connect_request *out, struct memory *m,
                               struct gush_json_value subs, const char **why)
{
    struct gush_json_iter it;
    struct gush_json_value v;
    struct gush_span key;

    if (subs.raw.n == 0)
        return GUSH_OK;
    for (it = gush_json_members(subs); gush_json_member(&it, &key, &v);) {
        struct gush_json_value found[MEMBERS_N(sub_members)] = {0};
        struct gush_connect_sub *sub = &m->subs[out->subs_n++];
        gush_err err;

        if (v.type != GUSH_JSON_OBJECT)
            return gush_fail(why, GUSH_ETYPE, "subs wants an object for each channel");
        err = pick_members(v, sub_members, MEMBERS_N(sub_members), found, why);
        if (err != GUSH_OK)
            return err;
        *sub = (struct gush_connect_sub){
            .channel = text_of(m, key),
            .recover = gush_span_eq_str(found[SUB_RECOVER].raw, "true"),
            .epoch = text_of(m, found[SUB_EPOCH].raw),
            .delta = text_of(m, found[SUB_DELTA].raw),
        };
        if (found[SUB_OFFSET].raw.n > 0) {
            err = gush_json_u64(found[SUB_OFFSET], &sub->offset);
            GUSH_ASSERT(err == GUSH_OK); /* scan_object looked at it */
        }
    }
    return GUSH_OK;
}

static gush_err headers_from_json(struct gush_connect_request *out, struct memory *m,
                                  struct gush_json_value headers, const char **why)
{
    struct gush_json_iter it;
    struct gush_json_value v;
    struct gush_span key;

    if (headers.raw.n == 0)
        return GUSH_OK;
    for (it = gush_json_members(headers); gush_json_member(&it, &key, &v);) {
        if (v.type != GUSH_JSON_STRING && v.type != GUSH_JSON_NULL)
            return gush_fail(why, GUSH_ETYPE, "headers wants strings");
        m->headers[out->headers_n].name = text_of(m, key);
        m->headers[out->headers_n].value = text_of(m, v.raw);
        out->headers_n++;
    }
    return GUSH_OK;
}

static gush_err scan_input(struct gush_span in, struct gush_json_value *request, const char **why)
{
    struct gush_json_scan s;

    gush_json_scan_init(&s, in);
    if (!gush_json_next(&s, request))
        return gush_fail(why, s.err == GUSH_EMORE ? GUSH_ESYNTAX : s.err, s.why);
    if (!gush_json_at_end(&s))
        return gush_fail(why, GUSH_ESYNTAX, "text behind the connect request");
    if (request->type != GUSH_JSON_OBJECT && request->type != GUSH_JSON_NULL)
        return gush_fail(why, GUSH_ETYPE, "connect request wants an object");
    return GUSH_OK;
}

gush_err gush_connect_decode_json(struct gush_span in, size_t members_max,
                                  struct gush_connect_request *out, const char **why)
{
    struct gush_json_value request, found[REQUEST_N] = {0};
    struct measure bound = {.members_left = members_max, .why = why};
    struct memory m;
    gush_err err;

    *out = (struct gush_connect_request){0};
    err = scan_input(in, &request, why);
    if (err != GUSH_OK || request.type == GUSH_JSON_NULL)
        return err;
    /* Bounds first: this pass allocates nothing. */
    err = measure_request(&bound, request);
    if (err == GUSH_OK)
        err = pick_members(request, request_members, REQUEST_N, found, why);
    if (err != GUSH_OK)
        return err;
    err = reserve(out, &m, members_n(found[REQUEST_SUBS]), members_n(found[REQUEST_HEADERS]), in.n,
                  why);
    if (err != GUSH_OK)
        return err;
    out->token = text_of(&m, found[REQUEST_TOKEN].raw);
    out->data = found[REQUEST_DATA].raw;
    out->name = text_of(&m, found[REQUEST_NAME].raw);
    out->version = text_of(&m, found[REQUEST_VERSION].raw);
    err = subs_from_json(out, &m, found[REQUEST_SUBS], why);
    if (err == GUSH_OK)
        err = headers_from_json(out, &m, found[REQUEST_HEADERS], why);
    if (err != GUSH_OK)
        gush_connect_request_fini(out);
    else
        make_unique(out);
    return err;
}

/* ---- protobuf: field numbers of ConnectRequest and SubscribeRequest in the schema */

struct field {
    uint32_t number;
    uint64_t v;            /* of a varint */
    struct gush_span text; /* of a string, bytes or message */
};

/* The guard has been over it: everything is whole and of the right wire type. */
static bool next_field(struct gush_cursor *c, struct field *out)
{
    uint64_t tag;

    if (gush_cursor_left(c) == 0)
        return false;
    tag = gush_cursor_varint(c);
    *out = (struct field){.number = (uint32_t)(tag >> 3)};
    switch (tag & 7) {
    case 0:
        out->v = gush_cursor_varint(c);
        break;
    case 1:
        (void)gush_cursor_take(c, 8);
        break;
    case 2:
        out->text = gush_cursor_take(c, gush_cursor_varint(c));
        break;
    default:
        (void)gush_cursor_take(c, 4);
        break;
    }
    GUSH_ASSERT(gush_cursor_ok(c));
    return true;
}

static void sub_from_proto(struct gush_connect_sub *sub, struct gush_span request)
{
    struct gush_cursor c = gush_cursor_over(request);
    struct field f;

    while (next_field(&c, &f)) {
        if (f.number == 3)
            sub->recover = f.v != 0;
        else if (f.number == 6)
            sub->epoch = f.text;
        else if (f.number == 7)
            sub->offset = f.v;
        else if (f.number == 12)
            sub->delta = f.text;
    }
}

/* A map entry: its last key and last value. A key that is not there gets the entry's address, so
 * that all names have one (see keep_last). */
static void take_entry(struct gush_span entry, struct gush_span *key, struct gush_span *value)
{
    struct gush_cursor c = gush_cursor_over(entry);
    struct field f;

    *key = gush_span_of(entry.p, 0);
    *value = GUSH_SPAN_EMPTY;
    while (next_field(&c, &f)) {
        if (f.number == 1)
            *key = f.text;
        else if (f.number == 2)
            *value = f.text;
    }
}

static void take_field(struct gush_connect_request *out, const struct field *f)
{
    struct gush_span key, value;

    switch (f->number) {
    case 1:
        out->token = f->text;
        break;
    case 2:
        out->data = f->text;
        break;
    case 3:
        take_entry(f->text, &key, &value);
        out->subs[out->subs_n] = (struct gush_connect_sub){.channel = key};
        sub_from_proto(&out->subs[out->subs_n++], value);
        break;
    case 4:
        out->name = f->text;
        break;
    case 5:
        out->version = f->text;
        break;
    case 6:
        take_entry(f->text, &key, &value);
        out->headers[out->headers_n++] = (struct gush_connect_header){.name = key, .value = value};
        break;
    default:
        break;
    }
}

gush_err gush_connect_decode_proto(struct gush_span in, size_t members_max,
                                   struct gush_connect_request *out, const char **why)
{
    size_t subs_n = 0, headers_n = 0;
    struct gush_cursor c;
    struct memory m;
    struct field f;
    gush_err err;

    *out = (struct gush_connect_request){0};
    err = gush_proto_guard(&centrifugal__centrifuge__protocol__connect_request__descriptor, in,
                           members_max, why);
    if (err != GUSH_OK)
        return err;
    for (c = gush_cursor_over(in); next_field(&c, &f);) {
        subs_n += f.number == 3;
        headers_n += f.number == 6;
    }
    err = reserve(out, &m, subs_n, headers_n, 0, why);
    if (err != GUSH_OK)
        return err;
    for (c = gush_cursor_over(in); next_field(&c, &f);)
        take_field(out, &f);
    make_unique(out);
    return GUSH_OK;
}

void gush_connect_request_fini(struct gush_connect_request *request)
{
    gush_free(request->memory);
    *request = (struct gush_connect_request){0};
}
