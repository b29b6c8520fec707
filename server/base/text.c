#include "server/base/text.h"

void gush_uuid_format(const uint8_t random[16], char out[36])
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < 16; i++) {
        uint8_t c = random[i];

        if (i == 6)
            c = (uint8_t)(0x40 | (c & 0x0f)); /* version 4 */
        if (i == 8)
            c = (uint8_t)(0x80 | (c & 0x3f)); /* variant 1 */
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[c >> 4];
        out[at++] = hex[c & 15];
    }
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool gush_span_eq_nocase(struct gush_span a, struct gush_span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    }
    return true;
}

bool gush_span_eq_secret(struct gush_span a, struct gush_span b)
{
    volatile uint8_t differ = 0; /* volatile: no early way out by the optimiser */

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        differ = (uint8_t)(differ | (a.p[i] ^ b.p[i]));
    return differ == 0;
}
