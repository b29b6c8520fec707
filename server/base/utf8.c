#include "server/base/assert.h"
#include "server/base/text.h"

static bool tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

size_t gush_utf8_sequence(struct gush_span s)
{
    uint8_t lead, low = 0x80, high = 0xbf;
    size_t n;

    if (s.n == 0)
        return 0;
    lead = s.p[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (s.n < n)
        return 0;
    /* The second byte excludes overlongs, surrogates and what is above U+10FFFF. */
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (s.p[1] < low || s.p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (!tail(s.p[i]))
            return 0;
    }
    return n;
}

bool gush_utf8_valid(struct gush_span s)
{
    while (s.n) {
        size_t n;
        uint64_t eight;

        /* Most text is ASCII: eight bytes at a time. */
        if (s.n >= sizeof(eight)) {
            memcpy(&eight, s.p, sizeof(eight));
            if ((eight & 0x8080808080808080u) == 0) {
                s.p += sizeof(eight);
                s.n -= sizeof(eight);
                continue;
            }
        }
        n = gush_utf8_sequence(s);
        if (n == 0)
            return false;
        s.p += n;
        s.n -= n;
    }
    return true;
}

size_t gush_utf8_put(uint32_t rune, uint8_t out[4])
{
    GUSH_ASSERT(rune <= 0x10ffff);
    if (rune < 0x80) {
        out[0] = (uint8_t)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (uint8_t)(0xc0 | rune >> 6);
        out[1] = (uint8_t)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (uint8_t)(0xe0 | rune >> 12);
        out[1] = (uint8_t)(0x80 | (rune >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (rune & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | rune >> 18);
    out[1] = (uint8_t)(0x80 | (rune >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (rune >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (rune & 0x3f));
    return 4;
}
