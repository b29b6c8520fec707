#include "server/codec/json_write.h"

#include "server/base/text.h"

static const char hex[] = "0123456789abcdef";

static void put_unicode(struct gush_buf *b, unsigned rune)
{
    const char text[6] = {
        '\\', 'u', hex[rune >> 12 & 15], hex[rune >> 8 & 15], hex[rune >> 4 & 15], hex[rune & 15]};

    gush_buf_put(b, text, sizeof(text));
}

/* ASCII that may stand in our strings as it is. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static void put_escaped(struct gush_buf *b, uint8_t c)
{
    switch (c) {
    case '"':
        gush_buf_put(b, "\\\"", 2);
        break;
    case '\\':
        gush_buf_put(b, "\\\\", 2);
        break;
    case '\n':
        gush_buf_put(b, "\\n", 2);
        break;
    case '\r':
        gush_buf_put(b, "\\r", 2);
        break;
    case '\t':
        gush_buf_put(b, "\\t", 2);
        break;
    default:
        put_unicode(b, c);
        break;
    }
}

/* One sequence outside ASCII, or one byte that is none; how many bytes it took. U+2028 and U+2029
 * end a line in JavaScript source, hence the escape. */
static size_t put_wide(struct gush_buf *b, struct gush_span s)
{
    size_t n = gush_utf8_sequence(s);

    if (n == 0) {
        put_unicode(b, 0xfffd);
        return 1;
    }
    if (n == 3 && s.p[0] == 0xe2 && s.p[1] == 0x80 && (s.p[2] == 0xa8 || s.p[2] == 0xa9))
        put_unicode(b, s.p[2] == 0xa8 ? 0x2028 : 0x2029);
    else
        gush_buf_put(b, s.p, n);
    return n;
}

void gush_json_write_string(struct gush_buf *b, struct gush_span s)
{
    size_t i = 0;

    gush_buf_put_u8(b, '"');
    while (i < s.n) {
        size_t start = i;

        while (i < s.n && is_plain(s.p[i]))
            i++;
        if (i > start)
            gush_buf_put(b, s.p + start, i - start);
        if (i == s.n)
            break;
        if (s.p[i] < 0x80)
            put_escaped(b, s.p[i++]);
        else
            i += put_wide(b, gush_span_of(s.p + i, s.n - i));
    }
    gush_buf_put_u8(b, '"');
}

void gush_json_write_raw(struct gush_buf *b, struct gush_span raw)
{
    const uint8_t *p = raw.p, *end;

    if (raw.n == 0)
        return;
    end = raw.p + raw.n;
    while (p < end) {
        const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
        const uint8_t *stop = lf ? lf : end;

        gush_buf_put(b, p, (size_t)(stop - p));
        p = lf ? lf + 1 : end;
    }
}
