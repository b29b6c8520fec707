/* Names and values of URL-encoded pairs: queries and forms.
 *
 * The first byte bounds the buffer. Going through the pairs and asking for a name must agree, and
 * what was decoded is never longer than what it was decoded from. */
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"

#include "server/http/query.h"

static const char name[] = "k";

static bool is_name(struct gush_span s)
{
    struct gush_buf out;
    bool same;

    gush_buf_init(&out, s.n);
    same = gush_query_decode(s, &out) == GUSH_OK && gush_span_eq_str(gush_buf_span(&out), name);
    gush_buf_fini(&out);
    return same;
}

/* What gush_query_find should find. */
static gush_err find_slowly(struct gush_span query, struct gush_buf *out, bool *found)
{
    struct gush_query_pair pair;

    *found = false;
    while (gush_query_next(&query, &pair)) {
        GUSH_ASSERT(pair.name.n == 0 || memchr(pair.name.p, '&', pair.name.n) == NULL);
        GUSH_ASSERT(pair.name.n == 0 || memchr(pair.name.p, '=', pair.name.n) == NULL);
        GUSH_ASSERT(pair.value.n == 0 || memchr(pair.value.p, '&', pair.value.n) == NULL);
        if (!*found && is_name(pair.name)) {
            *found = true;
            return gush_query_decode(pair.value, out);
        }
    }
    return GUSH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gush_http_field type = {GUSH_SPAN_LIT("Content-Type"),
                                   GUSH_SPAN_LIT("application/x-www-form-urlencoded")};
    struct gush_http_request request = {.fields = &type, .fields_n = 1};
    struct gush_buf a, b, c;
    bool in_a, in_b, in_c;

    if (size == 0)
        return 0;
    uint8_t *copy = malloc(size); /* of its own size: what reads behind it is caught */
    memcpy(copy, data, size);
    struct gush_span query = gush_span_of(copy + 1, size - 1);
    gush_buf_init(&a, data[0]);
    gush_buf_init(&b, data[0]);
    gush_buf_init(&c, data[0]);
    gush_err err_a = gush_query_find(query, name, &a, &in_a);
    gush_err err_b = find_slowly(query, &b, &in_b);
    gush_err err_c = gush_query_find_form(&request, query, name, &c, &in_c);
    GUSH_ASSERT(err_a == err_b && in_a == in_b && err_a == err_c && in_a == in_c);
    GUSH_ASSERT(err_a == GUSH_OK || in_a);
    if (err_a == GUSH_OK) {
        GUSH_ASSERT(gush_span_eq(gush_buf_span(&a), gush_buf_span(&b)));
        GUSH_ASSERT(gush_span_eq(gush_buf_span(&a), gush_buf_span(&c)));
        GUSH_ASSERT(a.n <= query.n);
    }
    gush_buf_fini(&a);
    gush_buf_fini(&b);
    gush_buf_fini(&c);
    free(copy);
    return 0;
}
