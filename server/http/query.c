#include "server/http/query.h"

#include "server/base/text.h"

#define FORM_TYPE "application/x-www-form-urlencoded"

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

/* Cuts one decoded byte off |*s|, which is not empty; -1: a '%' without two hex digits. */
static int next_byte(struct gush_span *s)
{
    uint8_t c = s->p[0];
    size_t n = 1;
    int byte = c == '+' ? ' ' : c;

    if (c == '%') {
        if (s->n < 3)
            return -1;
        int high = hex_value(s->p[1]), low = hex_value(s->p[2]);
        if (high < 0 || low < 0)
            return -1;
        byte = high << 4 | low;
        n = 3;
    }
    *s = gush_span_of(s->p + n, s->n - n);
    return byte;
}

gush_err gush_query_decode(struct gush_span s, struct gush_buf *out)
{
    while (s.n) {
        int byte = next_byte(&s);
        if (byte < 0)
            return GUSH_ESYNTAX;
        gush_buf_put_u8(out, (uint8_t)byte);
    }
    return gush_buf_ok(out) ? GUSH_OK : GUSH_ELIMIT;
}

static bool decodes_to(struct gush_span s, const char *text)
{
    struct gush_span wanted = gush_span_str(text);
    size_t i = 0;

    if (s.n < wanted.n)
        return false;
    for (; s.n; i++) {
        int byte = next_byte(&s);
        if (byte < 0 || i == wanted.n || byte != wanted.p[i])
            return false;
    }
    return i == wanted.n;
}

bool gush_query_next(struct gush_span *query, struct gush_query_pair *out)
{
    while (query->n) {
        const uint8_t *end = memchr(query->p, '&', query->n);
        size_t n = end ? (size_t)(end - query->p) : query->n, taken = end ? n + 1 : n;
        const uint8_t *pair = query->p, *equals = n ? memchr(pair, '=', n) : NULL;

        *query = gush_span_of(pair + taken, query->n - taken);
        if (n == 0)
            continue;
        size_t name_n = equals ? (size_t)(equals - pair) : n;
        out->name = gush_span_of(pair, name_n);
        out->value = equals ? gush_span_of(equals + 1, n - name_n - 1) : gush_span_of(pair + n, 0);
        return true;
    }
    return false;
}

gush_err gush_query_find(struct gush_span query, const char *name, struct gush_buf *out,
                         bool *found)
{
    struct gush_query_pair pair;

    *found = false;
    while (gush_query_next(&query, &pair)) {
        if (decodes_to(pair.name, name)) {
            *found = true;
            return gush_query_decode(pair.value, out);
        }
    }
    return GUSH_OK;
}

static bool is_form(const struct gush_http_request *request)
{
    struct gush_span type =
        gush_http_field_find(request->fields, request->fields_n, "content-type", NULL);
    const uint8_t *end = type.n ? memchr(type.p, ';', type.n) : NULL;

    if (end)
        type.n = (size_t)(end - type.p);
    while (type.n && (type.p[type.n - 1] == ' ' || type.p[type.n - 1] == '\t'))
        type.n--;
    return gush_span_eq_nocase(type, GUSH_SPAN_LIT(FORM_TYPE));
}

gush_err gush_query_find_form(const struct gush_http_request *request, struct gush_span body,
                              const char *name, struct gush_buf *out, bool *found)
{
    gush_err err = GUSH_OK;

    *found = false;
    if (is_form(request))
        err = gush_query_find(body, name, out, found);
    return err || *found ? err : gush_query_find(request->query, name, out, found);
}
