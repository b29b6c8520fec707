#include "server/http/query.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static gush_err decode(struct gush_span value, struct gush_buf *out)
{
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];

        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (value.n - i < 3)
                return GUSH_ESYNTAX;
            int high = hex_value(value.p[i + 1]), low = hex_value(value.p[i + 2]);
            if (high < 0 || low < 0)
                return GUSH_ESYNTAX;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        gush_buf_put_u8(out, c);
    }
    return gush_buf_ok(out) ? GUSH_OK : GUSH_ELIMIT;
}

gush_err gush_query_find(struct gush_span query, const char *name, struct gush_buf *out,
                         bool *found)
{
    struct gush_span wanted = gush_span_str(name);

    *found = false;
    while (query.n) {
        const uint8_t *end = memchr(query.p, '&', query.n);
        size_t pair_n = end ? (size_t)(end - query.p) : query.n;
        const uint8_t *equals = memchr(query.p, '=', pair_n);
        size_t name_n = equals ? (size_t)(equals - query.p) : pair_n;

        if (gush_span_eq(gush_span_of(query.p, name_n), wanted)) {
            *found = true;
            if (equals == NULL)
                return GUSH_OK;
            return decode(gush_span_of(equals + 1, pair_n - name_n - 1), out);
        }
        size_t taken = end ? pair_n + 1 : pair_n;
        query = gush_span_of(query.p + taken, query.n - taken);
    }
    return GUSH_OK;
}
