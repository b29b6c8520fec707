/* The head of a request, then a chunked body: whatever a stranger sends first.
 *
 * Checks more than survival: the verdict may not depend on how the bytes were cut, and an accepted
 * head keeps its promises. */
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"

#include "server/http/h1_chunk.h"
#include "server/http/h1_head.h"

#define BODY_LIMIT 4096

static void check_span(struct gush_span s, struct gush_span whole)
{
    if (s.n == 0 || gush_span_eq_str(s, "/")) /* the path of an absolute target may be ours */
        return;
    GUSH_ASSERT(s.p >= whole.p && s.p + s.n <= whole.p + whole.n);
    GUSH_ASSERT(memchr(s.p, '\n', s.n) == NULL && memchr(s.p, '\r', s.n) == NULL);
    GUSH_ASSERT(memchr(s.p, '\0', s.n) == NULL);
}

static void check_head(struct gush_span bytes)
{
    static struct gush_h1_head head;
    unsigned status = 0, lengths = 0, codings = 0, hosts = 0;
    const char *why = NULL;

    if (gush_h1_head_parse(bytes, &head, &status, &why) != GUSH_OK) {
        GUSH_ASSERT(why != NULL && status >= 400 && status <= 505);
        return;
    }
    check_span(head.method, bytes);
    check_span(head.path, bytes);
    check_span(head.query, bytes);
    check_span(head.host, bytes);
    GUSH_ASSERT(head.path.n > 0 && head.fields_n <= GUSH_H1_FIELDS_MAX);
    for (size_t i = 0; i < head.fields_n; i++) {
        check_span(head.fields[i].name, bytes);
        check_span(head.fields[i].value, bytes);
        GUSH_ASSERT(gush_h1_head_is_token(head.fields[i].name));
        const struct gush_http_field *f = &head.fields[i];
        bool found;
        (void)gush_http_field_find(f, 1, "content-length", &found);
        lengths += found;
        (void)gush_http_field_find(f, 1, "transfer-encoding", &found);
        codings += found;
        (void)gush_http_field_find(f, 1, "host", &found);
        hosts += found;
    }
    GUSH_ASSERT(lengths + codings <= 1 && hosts <= 1 && head.chunked == (codings == 1));
    GUSH_ASSERT(head.version == GUSH_HTTP_1_0 || hosts == 1);
    GUSH_ASSERT(!head.chunked || head.version == GUSH_HTTP_1_1);
}

/* The end must be found at the same place when the bytes trickle in. */
static void check_trickle(struct gush_span in, gush_err err, size_t head_n)
{
    size_t looked = 0, n = 0, found_n = 0;
    gush_err slow = GUSH_EMORE;

    while (slow == GUSH_EMORE && n < in.n) {
        n += n % 7 + 1;
        if (n > in.n)
            n = in.n;
        slow = gush_h1_head_end(gush_span_of(in.p, n), &looked, &found_n, NULL);
    }
    GUSH_ASSERT(in.n == 0 || slow == err);
    GUSH_ASSERT(slow != GUSH_OK || found_n == head_n);
}

/* Decodes |in|, |step| bytes at a time, each piece in memory of its own size. */
static gush_err decode(struct gush_span in, size_t step, uint8_t *out, size_t *out_n)
{
    struct gush_h1_chunk d = {0};
    gush_err err = GUSH_EMORE;

    *out_n = 0;
    for (size_t at = 0; err == GUSH_EMORE && at < in.n; at += step) {
        size_t n = in.n - at < step ? in.n - at : step;
        uint8_t *copy = malloc(n);
        memcpy(copy, in.p + at, n);
        struct gush_cursor c = gush_cursor_over(gush_span_of(copy, n));
        err = gush_h1_chunk_feed(&d, &c, out + *out_n, out_n, BODY_LIMIT, NULL);
        free(copy);
        GUSH_ASSERT(*out_n <= BODY_LIMIT);
    }
    return err;
}

static void check_body(struct gush_span in)
{
    static uint8_t whole[BODY_LIMIT], pieces[BODY_LIMIT];
    size_t whole_n, pieces_n;
    gush_err a = decode(in, in.n + 1, whole, &whole_n);
    gush_err b = decode(in, 3, pieces, &pieces_n);

    GUSH_ASSERT(a == b);
    GUSH_ASSERT(a != GUSH_OK || (whole_n == pieces_n && memcmp(whole, pieces, whole_n) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gush_span in = gush_span_of(data, size);
    size_t looked = 0, head_n = 0;
    gush_err err = gush_h1_head_end(in, &looked, &head_n, NULL);

    check_trickle(in, err, head_n);
    if (err != GUSH_OK) {
        check_body(in);
        return 0;
    }
    check_head(gush_span_of(data, head_n));
    check_body(gush_span_of(data + head_n, size - head_n));
    return 0;
}
