/* The JSON scanner: everything it calls a value must be one, and every reader of a value must agree
 * with the scanner about where it ends. */
#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/codec/json_scan.h"

#define DESCEND_MAX 16

static void check_string(struct gush_span raw)
{
    struct gush_buf text;

    gush_buf_init(&text, raw.n); /* resolving escapes never makes text longer */
    gush_json_unescape(raw, &text);
    GUSH_ASSERT(gush_buf_ok(&text) && text.n + 2 <= raw.n);
    GUSH_ASSERT(gush_utf8_valid(gush_buf_span(&text)));
    if (text.n < 64 && (text.n == 0 || memchr(text.p, 0, text.n) == NULL)) {
        char name[64];

        if (text.n > 0)
            memcpy(name, text.p, text.n);
        name[text.n] = '\0';
        GUSH_ASSERT(gush_json_key_is(raw, name));
    }
    gush_buf_fini(&text);
}

static void check_number(struct gush_json_value v)
{
    uint64_t u;
    int64_t i;

    if (gush_json_u64(v, &u) == GUSH_OK)
        GUSH_ASSERT(u == strtoull((const char *)v.raw.p, NULL, 10));
    if (gush_json_i64(v, &i) == GUSH_OK)
        GUSH_ASSERT(i == strtoll((const char *)v.raw.p, NULL, 10));
}

static void check_value(struct gush_json_value v, unsigned depth)
{
    struct gush_json_value inner;
    struct gush_json_iter it;
    struct gush_span key;

    GUSH_ASSERT(depth > 0 || gush_json_valid(v.raw));
    if (v.type == GUSH_JSON_STRING)
        check_string(v.raw);
    if (v.type == GUSH_JSON_NUMBER)
        check_number(v);
    if (depth == DESCEND_MAX)
        return;
    if (v.type == GUSH_JSON_OBJECT) {
        for (it = gush_json_members(v); gush_json_member(&it, &key, &inner);) {
            check_string(key);
            check_value(inner, depth + 1);
        }
    }
    if (v.type == GUSH_JSON_ARRAY) {
        for (it = gush_json_elements(v); gush_json_element(&it, &inner);)
            check_value(inner, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Numbers are compared with strtoull, which wants an end behind the input. */
    char *text = gush_strndup((const char *)data, size);
    struct gush_span in = gush_span_of(text, size);
    struct gush_json_scan s;
    struct gush_json_value v;
    size_t values = 0;

    gush_json_scan_init(&s, in);
    while (gush_json_next(&s, &v)) {
        GUSH_ASSERT(v.raw.p >= in.p && v.raw.p + v.raw.n <= in.p + in.n && v.raw.n > 0);
        check_value(v, 0);
        values++;
    }
    GUSH_ASSERT(s.err != GUSH_OK && s.p <= s.end);
    GUSH_ASSERT(gush_json_valid(in) == (values == 1 && s.err == GUSH_EMORE));
    gush_free(text);
    return 0;
}
