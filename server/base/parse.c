#include "server/base/text.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S  (1000 * MS)
#define M  (60 * S)
#define H  (60 * M)

/* The magnitude of INT64_MIN. */
#define MAGNITUDE_MAX (UINT64_C(1) << 63)

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

gush_err gush_parse_u64(struct gush_span s, uint64_t *out)
{
    uint64_t v = 0;
    bool fits = true;

    if (s.n == 0)
        return GUSH_ESYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return GUSH_ESYNTAX;
        if (fits)
            fits = !__builtin_mul_overflow(v, 10, &v) &&
                   !__builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v);
    }
    if (!fits)
        return GUSH_ERANGE;
    *out = v;
    return GUSH_OK;
}

gush_err gush_parse_i64(struct gush_span s, int64_t *out)
{
    bool negative = s.n && s.p[0] == '-';
    uint64_t v;
    gush_err err;

    if (negative)
        s = gush_span_of(s.p + 1, s.n - 1);
    err = gush_parse_u64(s, &v);
    if (err)
        return err;
    if (v > MAGNITUDE_MAX - !negative)
        return GUSH_ERANGE;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return GUSH_OK;
}

static uint64_t unit_ns(struct gush_span unit)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},         {"us", US}, {"\xc2\xb5s", US}, /* U+00B5 */
                 {"\xce\xbcs", US},                                /* U+03BC */
                 {"ms", MS},        {"s", S},   {"m", M},          {"h", H}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (gush_span_eq_str(unit, units[i].name))
            return units[i].ns;
    }
    return 0;
}

/* Digits behind the point: |unit| is what one whole is worth. Digits beyond a nanosecond's
 * precision only have to be digits. */
static uint64_t fraction_ns(struct gush_span digits, uint64_t unit)
{
    double value = 0, scale = 1;

    for (size_t i = 0; i < digits.n && i < 18; i++) {
        value = value * 10 + (digits.p[i] - '0');
        scale *= 10;
    }
    return (uint64_t)(value * ((double)unit / scale));
}

static struct gush_span take_digits(struct gush_span *s)
{
    struct gush_span digits = {s->p, 0};

    while (digits.n < s->n && is_digit(s->p[digits.n]))
        digits.n++;
    *s = gush_span_of(s->p + digits.n, s->n - digits.n);
    return digits;
}

/* One number with its unit off the front of |s|, added to |*total|. */
static gush_err duration_part(struct gush_span *s, uint64_t *total)
{
    struct gush_span whole = take_digits(s), fraction = GUSH_SPAN_EMPTY, unit;
    uint64_t v = 0, ns;
    gush_err err;

    if (s->n && s->p[0] == '.') {
        *s = gush_span_of(s->p + 1, s->n - 1);
        fraction = take_digits(s);
    }
    if (whole.n == 0 && fraction.n == 0)
        return GUSH_ESYNTAX;
    unit = gush_span_of(s->p, 0);
    while (unit.n < s->n && s->p[unit.n] != '.' && !is_digit(s->p[unit.n]))
        unit.n++;
    *s = gush_span_of(s->p + unit.n, s->n - unit.n);
    ns = unit_ns(unit);
    if (ns == 0)
        return GUSH_ESYNTAX;
    if (whole.n) {
        err = gush_parse_u64(whole, &v);
        if (err)
            return err;
    }
    if (__builtin_mul_overflow(v, ns, &v) ||
        __builtin_add_overflow(v, fraction_ns(fraction, ns), &v) ||
        __builtin_add_overflow(*total, v, total) || *total > MAGNITUDE_MAX)
        return GUSH_ERANGE;
    return GUSH_OK;
}

gush_err gush_parse_duration(struct gush_span s, int64_t *out_ns)
{
    bool negative = s.n && s.p[0] == '-';
    uint64_t total = 0;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = gush_span_of(s.p + 1, s.n - 1);
    if (s.n == 0)
        return GUSH_ESYNTAX;
    if (gush_span_eq_str(s, "0")) {
        *out_ns = 0;
        return GUSH_OK;
    }
    while (s.n) {
        gush_err err = duration_part(&s, &total);

        if (err)
            return err;
    }
    if (total > MAGNITUDE_MAX - !negative)
        return GUSH_ERANGE;
    *out_ns = negative ? (int64_t)(0 - total) : (int64_t)total;
    return GUSH_OK;
}

/* |v| units of |unit| ns as a decimal number without trailing zeros. */
static void put_decimal(uint64_t v, uint64_t unit, struct gush_buf *out)
{
    uint64_t rest = v % unit;

    gush_buf_put_u64(out, v / unit);
    if (rest == 0)
        return;
    gush_buf_put_u8(out, '.');
    while (rest) {
        rest *= 10;
        gush_buf_put_u8(out, (uint8_t)('0' + rest / unit));
        rest %= unit;
    }
}

void gush_format_duration(int64_t ns, struct gush_buf *out)
{
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    if (ns < 0)
        gush_buf_put_u8(out, '-');
    if (v == 0) {
        gush_buf_put_str(out, "0s");
    } else if (v < US) {
        gush_buf_put_u64(out, v);
        gush_buf_put_str(out, "ns");
    } else if (v < MS) {
        put_decimal(v, US, out);
        gush_buf_put_str(out, "\xc2\xb5s");
    } else if (v < S) {
        put_decimal(v, MS, out);
        gush_buf_put_str(out, "ms");
    } else {
        if (v >= H)
            gush_buf_printf(out, "%lluh", (unsigned long long)(v / H));
        if (v >= M)
            gush_buf_printf(out, "%llum", (unsigned long long)(v % H / M));
        put_decimal(v % M, S, out);
        gush_buf_put_u8(out, 's');
    }
}
