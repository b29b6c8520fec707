#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/assert.h"

#include "server/auth/auth_priv.h"

gush_err gush__value_string(struct gush_json_value v, struct gush_buf *text, struct gush_span *out)
{
    size_t start = text->n;

    if (v.type != GUSH_JSON_STRING)
        return GUSH_ETYPE;
    *out = gush_span_of(v.raw.p + 1, v.raw.n - 2);
    if (out->n == 0 || memchr(out->p, '\\', out->n) == NULL)
        return GUSH_OK; /* a slice is enough */
    gush_json_unescape(v.raw, text);
    if (!gush_buf_ok(text))
        return GUSH_ELIMIT;
    *out = gush_span_of(text->p + start, text->n - start);
    return GUSH_OK;
}

/* |number| is a JSON number. The process stays in the C locale: a point is a point. */
static gush_err to_double(struct gush_span number, struct gush_buf *text, double *out)
{
    size_t start = text->n;

    gush_buf_put_span(text, number);
    gush_buf_put_u8(text, '\0');
    if (!gush_buf_ok(text))
        return GUSH_ELIMIT;
    *out = strtod((const char *)text->p + start, NULL);
    text->n = start;
    return isfinite(*out) ? GUSH_OK : GUSH_ETYPE;
}

gush_err gush__value_date(struct gush_json_value v, struct gush_buf *text, double *out)
{
    struct gush_span number = v.raw;
    struct gush_json_scan scan;
    gush_err err;

    if (v.type != GUSH_JSON_NUMBER) {
        err = gush__value_string(v, text, &number);
        if (err)
            return err;
        gush_json_scan_init(&scan, number);
        /* The whole string, so no blanks around it either. */
        if (!gush_json_next(&scan, &v) || v.type != GUSH_JSON_NUMBER || v.raw.n != number.n)
            return GUSH_ETYPE;
    }
    return to_double(number, text, out);
}

/* The fewest digits that read back as |v|, written without exponent. */
static void put_plain(double v, struct gush_buf *text)
{
    char e[40], digits[20];
    int digits_n = 0, exponent, precision = 0;

    do { /* -d.ddde+xx */
        snprintf(e, sizeof(e), "%.*e", precision, v);
    } while (strtod(e, NULL) != v && ++precision <= 17);
    exponent = (int)strtol(strchr(e, 'e') + 1, NULL, 10);
    for (const char *p = e; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9')
            digits[digits_n++] = *p;
    }
    if (v < 0)
        gush_buf_put_u8(text, '-');
    if (exponent < 0)
        gush_buf_put_str(text, "0.");
    for (int i = exponent; i < -1; i++)
        gush_buf_put_u8(text, '0');
    for (int i = 0; i < digits_n || i <= exponent; i++) {
        if (i == exponent + 1 && exponent >= 0)
            gush_buf_put_u8(text, '.');
        gush_buf_put_u8(text, (uint8_t)(i < digits_n ? digits[i] : '0'));
    }
}

static bool all_digits(struct gush_span s)
{
    for (size_t i = s.p[0] == '-'; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return true;
}

gush_err gush__value_user(struct gush_json_value v, struct gush_buf *text, struct gush_span *out)
{
    size_t start = text->n;
    double number;
    gush_err err;

    if (v.type == GUSH_JSON_STRING)
        return gush__value_string(v, text, out);
    *out = v.type == GUSH_JSON_NULL ? GUSH_SPAN_EMPTY : v.raw;
    if (v.type != GUSH_JSON_NUMBER || all_digits(v.raw))
        return GUSH_OK;
    err = to_double(v.raw, text, &number);
    if (err)
        return err;
    put_plain(number, text);
    if (!gush_buf_ok(text))
        return GUSH_ELIMIT;
    *out = gush_span_of(text->p + start, text->n - start);
    return GUSH_OK;
}
