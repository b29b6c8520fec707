#include "server/base/text.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value of |c|, or 64; |plus| and |slash| stand for 62 and 63. */
static unsigned value_of(uint8_t c, uint8_t plus, uint8_t slash)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0' + 52);
    return c == plus ? 62 : c == slash ? 63 : 64;
}

/* |in| has no padding any more. */
static gush_err decode(struct gush_span in, struct gush_buf *out, const char *alphabet)
{
    uint8_t plus = (uint8_t)alphabet[62], slash = (uint8_t)alphabet[63];
    size_t before = out->n;
    uint32_t bits = 0;
    uint8_t *to;

    if (in.n % 4 == 1)
        return GUSH_ESYNTAX;
    to = gush_buf_reserve(out, in.n / 4 * 3 + (in.n % 4 ? in.n % 4 - 1 : 0));
    if (to == NULL)
        return GUSH_ELIMIT;
    for (size_t i = 0; i < in.n; i++) {
        unsigned v = value_of(in.p[i], plus, slash);

        if (v == 64) {
            out->n = before;
            return GUSH_ESYNTAX;
        }
        bits = bits << 6 | v;
        if (i % 4 != 0)
            out->p[out->n++] = (uint8_t)(bits >> (6 - i % 4 * 2));
    }
    return GUSH_OK;
}

static void encode(struct gush_span in, struct gush_buf *out, const char *alphabet, bool padded)
{
    for (size_t i = 0; i < in.n; i += 3) {
        size_t n = in.n - i < 3 ? in.n - i : 3;
        uint32_t bits = (uint32_t)in.p[i] << 16;
        char four[4] = {0, 0, '=', '='};

        if (n > 1)
            bits |= (uint32_t)in.p[i + 1] << 8;
        if (n > 2)
            bits |= in.p[i + 2];
        for (size_t k = 0; k <= n; k++)
            four[k] = alphabet[bits >> (18 - 6 * k) & 63];
        gush_buf_put(out, four, padded ? 4 : n + 1);
    }
}

gush_err gush_base64url_decode(struct gush_span in, struct gush_buf *out)
{
    return decode(in, out, url);
}

void gush_base64url_encode(struct gush_span in, struct gush_buf *out)
{
    encode(in, out, url, false);
}

gush_err gush_base64_decode(struct gush_span in, struct gush_buf *out)
{
    if (in.n % 4 != 0)
        return GUSH_ESYNTAX;
    for (int i = 0; i < 2 && in.n && in.p[in.n - 1] == '='; i++)
        in.n--;
    return decode(in, out, standard);
}

void gush_base64_encode(struct gush_span in, struct gush_buf *out)
{
    encode(in, out, standard, true);
}
