/* Chunked bodies, whole, in pieces, and broken. */
#include "server/http/h1_chunk.h"

#include "tests/unit/net/unit.h"

#define LIMIT 64

/* Feeds |n| bytes in pieces of |step|, decoding in place; returns the verdict. */
static gush_err decode(const char *bytes, size_t n, size_t step, char *out, size_t *out_n,
                       size_t *taken)
{
    struct gush_h1_chunk d = {0};
    uint8_t *copy = malloc(n ? n : 1);
    size_t at = 0;
    gush_err err = GUSH_EMORE;

    memcpy(copy, bytes, n);
    *out_n = 0;
    while (err == GUSH_EMORE && at < n) {
        size_t piece = n - at < step ? n - at : step;
        struct gush_cursor c = gush_cursor_over(gush_span_of(copy + at, piece));
        err = gush_h1_chunk_feed(&d, &c, copy + *out_n, out_n, LIMIT, NULL);
        at += piece - gush_cursor_left(&c);
    }
    if (taken)
        *taken = at;
    memcpy(out, copy, *out_n < LIMIT ? *out_n : LIMIT);
    free(copy);
    return err;
}

static const char good[] =
    "5\r\nhello\r\n1;x=\"y\"\r\n \r\n00a\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\nnext";

static void decodes_in_pieces_of_any_size(void **state)
{
    char out[LIMIT];
    size_t n, taken;

    (void)state;
    for (size_t step = 1; step < sizeof(good); step++) {
        assert_int_equal(decode(good, sizeof(good) - 1, step, out, &n, &taken), GUSH_OK);
        assert_int_equal(n, 16);
        assert_memory_equal(out, "hello 0123456789", 16);
        assert_int_equal(taken, sizeof(good) - 1 - 4);
    }
}

static void truncated_at_every_byte_is_more(void **state)
{
    char out[LIMIT];
    size_t n;

    (void)state;
    for (size_t cut = 0; cut < sizeof(good) - 1 - 4; cut++)
        assert_int_equal(decode(good, cut, 1000, out, &n, NULL), GUSH_EMORE);
}

static void broken_forms(void **state)
{
    static const struct {
        const char *bytes;
        gush_err err;
    } forms[] = {
        {"\r\n", GUSH_ESYNTAX},
        {"\n", GUSH_ESYNTAX},
        {" 5\r\n", GUSH_ESYNTAX},
        {"5 \r\n", GUSH_ESYNTAX},
        {"0x5\r\n", GUSH_ESYNTAX},
        {"+5\r\n", GUSH_ESYNTAX},
        {"-5\r\n", GUSH_ESYNTAX},
        {"5\nhello\r\n", GUSH_ESYNTAX},
        {"5\rhello", GUSH_ESYNTAX},
        {";x\r\n", GUSH_ESYNTAX},
        {"5;x\nhello", GUSH_ESYNTAX},
        {"5;\x01\r\n", GUSH_ESYNTAX},
        {"5;x\rhello", GUSH_ESYNTAX},
        {"5\r\nhello!\r\n", GUSH_ESYNTAX},
        {"5\r\nhello\n", GUSH_ESYNTAX},
        {"5\r\nhello\r0", GUSH_ESYNTAX},
        {"5\r\nhelloo\r\n", GUSH_ESYNTAX},
        {"0\r\n\n", GUSH_ESYNTAX},
        {"0\r\n\rx", GUSH_ESYNTAX},
        {"0\r\n A: b\r\n\r\n", GUSH_ESYNTAX},
        {"0\r\nA : b\r\n\r\n", GUSH_ESYNTAX},
        {"0\r\nA\r\n\r\n", GUSH_ESYNTAX},
        {"0\r\n: b\r\n\r\n", GUSH_ESYNTAX},
        {"0\r\nA: b\n\r\n", GUSH_ESYNTAX},
        {"0\r\nA: b\rc\r\n", GUSH_ESYNTAX},
        {"0\r\nA: \x7f\r\n", GUSH_ESYNTAX},
        {"41\r\n", GUSH_EMORE}, /* the limit shows with the first byte of data */
        {"41\r\nx", GUSH_ELIMIT},
        {"fffffffffffffff\r\nx", GUSH_ELIMIT},
        {"0000000000000001\r\n", GUSH_ELIMIT},
        {"10000000000000000\r\n", GUSH_ELIMIT},
    };
    char out[LIMIT];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        for (size_t step = 1; step < 20; step += 18) {
            gush_err err = decode(forms[i].bytes, strlen(forms[i].bytes), step, out, &n, NULL);
            if (err != forms[i].err)
                fail_msg("form %zu: %d instead of %d: %s", i, err, forms[i].err, forms[i].bytes);
        }
    }
}

static void limit_counts_all_chunks(void **state)
{
    char out[LIMIT], bytes[512] = "";
    size_t n;

    (void)state;
    for (int i = 0; i < 4; i++)
        strncat(bytes, "10\r\n0123456789abcdef\r\n", sizeof(bytes) - strlen(bytes) - 1);
    assert_int_equal(decode(bytes, strlen(bytes), 1000, out, &n, NULL), GUSH_EMORE);
    assert_int_equal(n, LIMIT);
    strncat(bytes, "1\r\nx", sizeof(bytes) - strlen(bytes) - 1);
    assert_int_equal(decode(bytes, strlen(bytes), 1000, out, &n, NULL), GUSH_ELIMIT);
    assert_int_equal(n, LIMIT);
}

static void put(char *to, const char *text)
{
    struct gush_span s = gush_span_str(text);
    memcpy(to, s.p, s.n);
}

static void lines_are_limited(void **state)
{
    size_t big = GUSH_H1_CHUNK_TRAILER_MAX + 100, n;
    char *bytes = malloc(big), out[LIMIT];

    (void)state;
    memset(bytes, 'x', big);
    put(bytes, "1;");
    assert_int_equal(decode(bytes, GUSH_H1_CHUNK_LINE_MAX, big, out, &n, NULL), GUSH_EMORE);
    assert_int_equal(decode(bytes, GUSH_H1_CHUNK_LINE_MAX + 1, big, out, &n, NULL), GUSH_ELIMIT);
    put(bytes, "0\r\nA:");
    assert_int_equal(decode(bytes, 3 + GUSH_H1_CHUNK_TRAILER_MAX, big, out, &n, NULL), GUSH_EMORE);
    assert_int_equal(decode(bytes, 4 + GUSH_H1_CHUNK_TRAILER_MAX, big, out, &n, NULL), GUSH_ELIMIT);
    /* many short ones too */
    for (size_t i = 3; i + 6 < big; i += 6)
        put(bytes + i, "A: b\r\n");
    assert_int_equal(decode(bytes, big - 50, big, out, &n, NULL), GUSH_ELIMIT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_in_pieces_of_any_size),
        cmocka_unit_test(truncated_at_every_byte_is_more),
        cmocka_unit_test(broken_forms),
        cmocka_unit_test(limit_counts_all_chunks),
        cmocka_unit_test(lines_are_limited),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
