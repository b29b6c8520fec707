#include "server/codec/id_line.h"

#include "server/base/assert.h"

static uint8_t *put(uint8_t *to, struct gush_span s)
{
    memcpy(to, s.p, s.n);
    return to + s.n;
}

static uint8_t *put_hex(uint8_t *to, size_t v)
{
    unsigned shift = 0;

    while (v >> shift > 15)
        shift += 4;
    for (;; shift -= 4) {
        *to++ = (uint8_t) "0123456789abcdef"[v >> shift & 15];
        if (shift == 0)
            return to;
    }
}

bool gush_id_line_in(enum gush_form form)
{
    return form == GUSH_FORM_SSE || form == GUSH_FORM_SSE_CHUNKED;
}

size_t gush_id_line_write(enum gush_form form, struct gush_span id, uint8_t *out)
{
    const struct gush_span name = GUSH_SPAN_LIT("id: "), crlf = GUSH_SPAN_LIT("\r\n");
    bool chunked = form == GUSH_FORM_SSE_CHUNKED;
    uint8_t *to = out;

    GUSH_ASSERT(gush_id_line_in(form) && id.n > 0);
    if (chunked)
        to = put(put_hex(to, name.n + id.n + 1), crlf);
    to = put(put(to, name), id);
    *to++ = '\n';
    if (chunked)
        to = put(to, crlf);
    return (size_t)(to - out);
}
