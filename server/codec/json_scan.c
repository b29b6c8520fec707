#include "server/codec/json_scan.h"

#include "server/base/assert.h"
#include "server/base/text.h"

/* What the grammar allows next. */
enum want {
    WANT_VALUE,
    WANT_VALUE_OR_CLOSE, /* just behind [ */
    WANT_KEY,
    WANT_KEY_OR_CLOSE, /* just behind { */
    WANT_MORE          /* behind a value inside a container: comma or close */
};

/* One bit per open container: set for an object. Small enough for any stack. */
struct nesting {
    unsigned depth;
    uint8_t object[GUSH_JSON_DEPTH_MAX / 8 + 1];
};

static bool fail(struct gush_json_scan *s, const uint8_t *at, gush_err err, const char *why)
{
    s->p = at;
    s->err = err;
    s->why = why;
    return false;
}

static bool fail_end(struct gush_json_scan *s)
{
    return fail(s, s->end, GUSH_ESYNTAX, "JSON ends inside a value");
}

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* True if none of these eight bytes ends or bends a string: quote, backslash, control, non-ASCII.
 * A byte below the subtrahend borrows, which sets its top bit. */
static bool all_plain(const uint8_t *p)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t v, quote, slash;

    memcpy(&v, p, sizeof(v));
    quote = v ^ (ones * '"');
    slash = v ^ (ones * '\\');
    return ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) == 0;
}

static bool scan_escape(struct gush_json_scan *s)
{
    if (s->end - s->p < 2)
        return fail_end(s);
    switch (s->p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->p += 2;
        return true;
    case 'u':
        for (int i = 2; i < 6; i++) {
            if (s->end - s->p <= i)
                return fail_end(s);
            if (hex_digit(s->p[i]) < 0)
                return fail(s, s->p + i, GUSH_ESYNTAX, "\\u wants four hex digits");
        }
        s->p += 6;
        return true;
    default:
        return fail(s, s->p + 1, GUSH_ESYNTAX, "unknown escape in a string");
    }
}

/* The cursor stands on the opening quote; leaves it behind the closing one. */
static bool scan_string(struct gush_json_scan *s)
{
    GUSH_DEBUG_ASSERT(*s->p == '"');
    s->p++;
    for (;;) {
        while (s->end - s->p >= 8 && all_plain(s->p))
            s->p += 8;
        if (s->p == s->end)
            return fail_end(s);

        uint8_t c = *s->p;
        if (c == '"') {
            s->p++;
            return true;
        }
        if (c == '\\') {
            if (!scan_escape(s))
                return false;
        } else if (c < 0x20) {
            return fail(s, s->p, GUSH_ESYNTAX, "control character in a string");
        } else if (c < 0x80) {
            s->p++;
        } else {
            size_t n = gush_utf8_sequence(gush_span_of(s->p, (size_t)(s->end - s->p)));
            if (n == 0)
                return fail(s, s->p, GUSH_EUTF8, "string is not UTF-8");
            s->p += n;
        }
    }
}

static bool scan_digits(struct gush_json_scan *s)
{
    if (s->p == s->end)
        return fail_end(s);
    if (!is_digit(*s->p))
        return fail(s, s->p, GUSH_ESYNTAX, "number wants a digit here");
    while (s->p < s->end && is_digit(*s->p))
        s->p++;
    return true;
}

static bool scan_number(struct gush_json_scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0') {
        s->p++;
        if (s->p < s->end && is_digit(*s->p))
            return fail(s, s->p, GUSH_ESYNTAX, "number with a leading zero");
    } else if (!scan_digits(s)) {
        return false;
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct gush_json_scan *s, const char *word)
{
    for (; *word; word++, s->p++) {
        if (s->p == s->end)
            return fail_end(s);
        if (*s->p != (uint8_t)*word)
            return fail(s, s->p, GUSH_ESYNTAX, "not a JSON value");
    }
    return true;
}

static bool scan_scalar(struct gush_json_scan *s)
{
    switch (*s->p) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return scan_number(s);
    default:
        return fail(s, s->p, GUSH_ESYNTAX, "not a JSON value");
    }
}

static bool scan_key(struct gush_json_scan *s)
{
    if (*s->p != '"')
        return fail(s, s->p, GUSH_ESYNTAX, "object wants a quoted name here");
    if (!scan_string(s))
        return false;
    s->p = skip_space(s->p, s->end);
    if (s->p == s->end)
        return fail_end(s);
    if (*s->p != ':')
        return fail(s, s->p, GUSH_ESYNTAX, "object wants a colon here");
    s->p++;
    return true;
}

static bool open_container(struct gush_json_scan *s, struct nesting *open, enum want *want)
{
    uint8_t bit = (uint8_t)(1u << (open->depth % 8));

    if (open->depth == GUSH_JSON_DEPTH_MAX)
        return fail(s, s->p, GUSH_EDEPTH, "JSON nested too deeply");
    uint8_t *byte = &open->object[open->depth / 8];
    if (open->depth % 8 == 0)
        *byte = 0; /* the room is not zeroed at first: it is large and rarely used */
    if (*s->p == '{')
        *byte |= bit;
    else
        *byte &= (uint8_t)~bit;
    *want = *s->p == '{' ? WANT_KEY_OR_CLOSE : WANT_VALUE_OR_CLOSE;
    open->depth++;
    s->p++;
    return true;
}

static bool in_object(const struct nesting *open)
{
    unsigned top = open->depth - 1;

    return (open->object[top / 8] >> (top % 8) & 1) != 0;
}

/* Behind a value: a comma goes on, the right bracket closes. */
static bool scan_more(struct gush_json_scan *s, struct nesting *open, enum want *want)
{
    bool object = in_object(open);

    if (*s->p == (object ? '}' : ']')) {
        open->depth--;
        *want = WANT_MORE;
    } else if (*s->p == ',') {
        *want = object ? WANT_KEY : WANT_VALUE;
    } else {
        return fail(s, s->p, GUSH_ESYNTAX,
                    object ? "object wants , or } here" : "array wants , or ] here");
    }
    s->p++;
    return true;
}

/* One grammar step at a byte that is not white space. */
static bool scan_step(struct gush_json_scan *s, struct nesting *open, enum want *want)
{
    uint8_t c = *s->p;

    if ((*want == WANT_KEY_OR_CLOSE && c == '}') || (*want == WANT_VALUE_OR_CLOSE && c == ']'))
        *want = WANT_MORE;
    switch (*want) {
    case WANT_MORE:
        return scan_more(s, open, want);
    case WANT_KEY:
    case WANT_KEY_OR_CLOSE:
        *want = WANT_VALUE;
        return scan_key(s);
    case WANT_VALUE:
    case WANT_VALUE_OR_CLOSE:
        break;
    }
    if (c == '{' || c == '[')
        return open_container(s, open, want);
    *want = WANT_MORE;
    return scan_scalar(s);
}

/* The cursor stands on the first byte of a value. */
static bool scan_value(struct gush_json_scan *s)
{
    struct nesting open; /* bits are set when their level opens: no need to clear 1 KB each time */
    enum want want = WANT_VALUE;

    open.depth = 0;
    for (;;) {
        if (!scan_step(s, &open, &want))
            return false;
        if (open.depth == 0)
            return true;
        s->p = skip_space(s->p, s->end);
        if (s->p == s->end)
            return fail_end(s);
    }
}

static enum gush_json_type type_of(uint8_t first)
{
    switch (first) {
    case '{':
        return GUSH_JSON_OBJECT;
    case '[':
        return GUSH_JSON_ARRAY;
    case '"':
        return GUSH_JSON_STRING;
    case 'n':
        return GUSH_JSON_NULL;
    case 't':
    case 'f':
        return GUSH_JSON_BOOL;
    default:
        return GUSH_JSON_NUMBER;
    }
}

void gush_json_scan_init(struct gush_json_scan *s, struct gush_span in)
{
    s->p = in.p;
    s->end = in.p ? in.p + in.n : in.p;
    s->err = GUSH_OK;
    s->why = "";
}

bool gush_json_next(struct gush_json_scan *s, struct gush_json_value *out)
{
    const uint8_t *start;

    if (s->err != GUSH_OK)
        return false;
    s->p = skip_space(s->p, s->end);
    if (s->p == s->end)
        return fail(s, s->end, GUSH_EMORE, "no JSON value");
    start = s->p;
    if (!scan_value(s))
        return false;
    out->type = type_of(*start);
    out->raw = gush_span_of(start, (size_t)(s->p - start));
    return true;
}

bool gush_json_at_end(struct gush_json_scan *s)
{
    return s->err == GUSH_OK && skip_space(s->p, s->end) == s->end;
}

/* Behind the closing quote of a string that is known to be valid. */
static const uint8_t *skip_string(const uint8_t *p, const uint8_t *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\')
            p++;
    }
    GUSH_ASSERT(p < end);
    return p + 1;
}

/* Behind a value that is known to be valid. */
static const uint8_t *skip_value(const uint8_t *p, const uint8_t *end)
{
    size_t depth = 0;

    do {
        GUSH_ASSERT(p < end);
        if (*p == '"') {
            p = skip_string(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else if (depth > 0) {
            p++;
        } else {
            while (p < end && *p != ',' && *p != ' ' && *p != '\n' && *p != '\r' && *p != '\t')
                p++;
        }
    } while (depth > 0);
    return p;
}

static struct gush_json_iter inside(struct gush_json_value v, enum gush_json_type type)
{
    GUSH_ASSERT(v.type == type && v.raw.n >= 2);
    return (struct gush_json_iter){v.raw.p + 1, v.raw.p + v.raw.n - 1};
}

/* Moves to the next member or element; false at the end of the container. */
static bool advance(struct gush_json_iter *it)
{
    it->p = skip_space(it->p, it->end);
    if (it->p < it->end && *it->p == ',')
        it->p = skip_space(it->p + 1, it->end);
    return it->p < it->end;
}

static void take_value(struct gush_json_iter *it, struct gush_json_value *out)
{
    const uint8_t *start = it->p;

    it->p = skip_value(start, it->end);
    out->type = type_of(*start);
    out->raw = gush_span_of(start, (size_t)(it->p - start));
}

struct gush_json_iter gush_json_members(struct gush_json_value object)
{
    return inside(object, GUSH_JSON_OBJECT);
}

bool gush_json_member(struct gush_json_iter *it, struct gush_span *key_raw,
                      struct gush_json_value *out)
{
    const uint8_t *key;

    if (!advance(it))
        return false;
    key = it->p;
    it->p = skip_string(key, it->end);
    *key_raw = gush_span_of(key, (size_t)(it->p - key));
    it->p = skip_space(it->p, it->end);
    GUSH_ASSERT(it->p < it->end && *it->p == ':');
    it->p = skip_space(it->p + 1, it->end);
    take_value(it, out);
    return true;
}

struct gush_json_iter gush_json_elements(struct gush_json_value array)
{
    return inside(array, GUSH_JSON_ARRAY);
}

bool gush_json_element(struct gush_json_iter *it, struct gush_json_value *out)
{
    if (!advance(it))
        return false;
    take_value(it, out);
    return true;
}

static uint32_t hex4(const uint8_t *p)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++)
        v = v << 4 | (uint32_t)hex_digit(p[i]);
    return v;
}

/* |*p| stands on \u of a valid string; moves behind the rune. A surrogate without its other half is
 * U+FFFD. */
static uint32_t take_rune(const uint8_t **p, const uint8_t *end)
{
    uint32_t rune = hex4(*p + 2);

    *p += 6;
    if (rune < 0xd800 || rune > 0xdfff)
        return rune;
    if (rune < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        uint32_t low = hex4(*p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *p += 6;
            return 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

/* Resolves the escape at |*p| and moves behind it; how many bytes of |out| it makes. */
static size_t take_escape(const uint8_t **p, const uint8_t *end, uint8_t out[4])
{
    uint8_t c = (*p)[1];

    if (c == 'u')
        return gush_utf8_put(take_rune(p, end), out);
    *p += 2;
    switch (c) {
    case 'b':
        out[0] = '\b';
        break;
    case 'f':
        out[0] = '\f';
        break;
    case 'n':
        out[0] = '\n';
        break;
    case 'r':
        out[0] = '\r';
        break;
    case 't':
        out[0] = '\t';
        break;
    default:
        out[0] = c;
        break;
    }
    return 1;
}

void gush_json_unescape(struct gush_span raw, struct gush_buf *out)
{
    GUSH_ASSERT(raw.n >= 2 && raw.p[0] == '"');
    const uint8_t *p = raw.p + 1, *end = raw.p + raw.n - 1;

    while (p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain_n = (size_t)((slash ? slash : end) - p);
        uint8_t text[4];

        gush_buf_put(out, p, plain_n);
        p += plain_n;
        if (p < end) {
            size_t n = take_escape(&p, end, text);
            gush_buf_put(out, text, n);
        }
    }
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool gush_json_key_is(struct gush_span key_raw, const char *name)
{
    GUSH_ASSERT(key_raw.n >= 2 && key_raw.p[0] == '"');
    const uint8_t *p = key_raw.p + 1, *end = key_raw.p + key_raw.n - 1;

    while (p < end) {
        uint8_t text[4];
        size_t n = 1;

        if (*p == '\\')
            n = take_escape(&p, end, text);
        else
            text[0] = *p++;
        for (size_t i = 0; i < n; i++, name++) {
            if (*name == '\0' || lower(text[i]) != lower((uint8_t)*name))
                return false;
        }
    }
    return *name == '\0';
}

/* Digits of a valid integer, without sign. GUSH_ERANGE above |max|. */
static gush_err parse_digits(struct gush_span s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++) {
        uint64_t digit = (uint64_t)s.p[i] - '0';
        GUSH_DEBUG_ASSERT(is_digit(s.p[i]));
        if (v > (max - digit) / 10)
            return GUSH_ERANGE;
        v = v * 10 + digit;
    }
    *out = v;
    return GUSH_OK;
}

/* Neither fraction nor exponent, of a valid number. */
static bool is_integer(struct gush_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' || s.p[i] == 'e' || s.p[i] == 'E')
            return false;
    }
    return true;
}

gush_err gush_json_u64(struct gush_json_value v, uint64_t *out)
{
    if (v.type != GUSH_JSON_NUMBER || !is_integer(v.raw))
        return GUSH_ETYPE;
    if (v.raw.p[0] == '-')
        return GUSH_ERANGE;
    return parse_digits(v.raw, UINT64_MAX, out);
}

gush_err gush_json_i64(struct gush_json_value v, int64_t *out)
{
    uint64_t magnitude;
    gush_err err;

    if (v.type != GUSH_JSON_NUMBER || !is_integer(v.raw))
        return GUSH_ETYPE;
    if (v.raw.p[0] != '-') {
        err = parse_digits(v.raw, INT64_MAX, &magnitude);
        if (err == GUSH_OK)
            *out = (int64_t)magnitude;
        return err;
    }
    err = parse_digits(gush_span_of(v.raw.p + 1, v.raw.n - 1), (uint64_t)INT64_MAX + 1, &magnitude);
    if (err == GUSH_OK)
        *out = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    return err;
}

bool gush_json_valid(struct gush_span s)
{
    struct gush_json_scan scan;
    struct gush_json_value v;

    gush_json_scan_init(&scan, s);
    return gush_json_next(&scan, &v) && gush_json_at_end(&scan);
}
