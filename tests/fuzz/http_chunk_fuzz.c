/* The chunked coding of request bodies: the reader against a second one that is written as plainly
 * as can be, and against itself with the bytes cut differently.
 *
 * The first byte is the size of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"

#include "server/http/h1_chunk.h"
#include "server/http/h1_head.h"

#define BODY_LIMIT 4096

static gush_err decode(struct gush_span in, size_t step, uint8_t *out, size_t *out_n, size_t *used)
{
    struct gush_h1_chunk d = {0};
    gush_err err = GUSH_EMORE;

    *out_n = *used = 0;
    while (err == GUSH_EMORE && *used < in.n) {
        size_t n = in.n - *used < step ? in.n - *used : step;
        uint8_t *copy = malloc(n);
        memcpy(copy, in.p + *used, n);
        struct gush_cursor c = gush_cursor_over(gush_span_of(copy, n));
        err = gush_h1_chunk_feed(&d, &c, out + *out_n, out_n, BODY_LIMIT, NULL);
        *used += n - gush_cursor_left(&c);
        free(copy);
        GUSH_ASSERT(*out_n <= BODY_LIMIT);
    }
    return err;
}

/* ---- the plain reader: 0 malformed or cut off, else the length of the whole -------------------
 */

static size_t line_end(struct gush_span in, size_t at)
{
    for (; at + 1 < in.n; at++) {
        uint8_t c = in.p[at];
        if (c == '\r')
            return in.p[at + 1] == '\n' ? at : 0;
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return 0;
    }
    return 0;
}

static size_t read_plainly(struct gush_span in, uint8_t *out, size_t *out_n)
{
    size_t at = 0;

    *out_n = 0;
    for (;;) {
        size_t end = line_end(in, at), digits = 0, size = 0;
        if (end == 0)
            return 0;
        for (; digits < end - at; digits++) {
            const char *hex = "0123456789abcdef0123456789ABCDEF", *found;
            found = in.p[at + digits] ? strchr(hex, in.p[at + digits]) : NULL;
            if (found == NULL)
                break;
            size = size * 16 + (size_t)(found - hex) % 16;
        }
        if (digits == 0 || digits > 15 || (digits < end - at && in.p[at + digits] != ';'))
            return 0;
        at = end + 2;
        if (size == 0)
            break;
        if (size > BODY_LIMIT - *out_n || in.n - at < size + 2)
            return 0;
        memcpy(out + *out_n, in.p + at, size);
        *out_n += size;
        at += size;
        if (in.p[at] != '\r' || in.p[at + 1] != '\n')
            return 0;
        at += 2;
    }
    while (at + 1 < in.n && in.p[at] != '\r') { /* trailers */
        size_t end = line_end(in, at);
        const uint8_t *colon = end ? memchr(in.p + at, ':', end - at) : NULL;
        if (colon == NULL ||
            !gush_h1_head_is_token(gush_span_of(in.p + at, (size_t)(colon - in.p) - at)))
            return 0;
        at = end + 2;
    }
    return at + 1 < in.n && in.p[at] == '\r' && in.p[at + 1] == '\n' ? at + 2 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t a[BODY_LIMIT], b[BODY_LIMIT], c[BODY_LIMIT];
    size_t a_n, b_n, c_n, a_used, b_used;

    if (size < 2)
        return 0;
    struct gush_span in = gush_span_of(data + 1, size - 1);
    gush_err err_a = decode(in, in.n, a, &a_n, &a_used);
    gush_err err_b = decode(in, data[0] % 16 + 1u, b, &b_n, &b_used);
    size_t plain = read_plainly(in, c, &c_n);

    GUSH_ASSERT(err_a == err_b);
    if (err_a == GUSH_OK) {
        GUSH_ASSERT(a_used == b_used && a_n == b_n && memcmp(a, b, a_n) == 0);
        GUSH_ASSERT(plain == a_used && c_n == a_n && memcmp(a, c, a_n) == 0);
    } else {
        GUSH_ASSERT(plain == 0 || err_a == GUSH_ELIMIT); /* of a line, or of the trailers */
    }
    return 0;
}
