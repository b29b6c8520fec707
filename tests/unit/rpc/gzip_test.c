#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#include "server/rpc/gzip.h"

#define TEXT_N 5000

static uint8_t text[TEXT_N];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXT_N; i++)
        text[i] = (uint8_t)('a' + i * i % 7);
    return 0;
}

static struct gush_span whole(void)
{
    return gush_span_of(text, TEXT_N);
}

/* Opens |bytes| given in pieces of |step|. */
static gush_err open_all(struct gush_span bytes, size_t step, size_t max, struct gush_buf *out)
{
    struct gush_rpc_gzip *gzip = gush_rpc_gzip_new(max);
    gush_err err = GUSH_OK;

    for (size_t at = 0; err == GUSH_OK && at < bytes.n; at += step)
        err = gush_rpc_gzip_feed(
            gzip, gush_span_of(bytes.p + at, step < bytes.n - at ? step : bytes.n - at));
    if (err == GUSH_OK)
        err = gush_rpc_gzip_end(gzip, out);
    gush_rpc_gzip_free(gzip);
    return err;
}

static void what_is_not_gzip_is_refused(void **state)
{
    static const struct gush_span bad[] = {GUSH_SPAN_INIT(""), GUSH_SPAN_INIT("x"),
                                           GUSH_SPAN_INIT("not at all packed"),
                                           GUSH_SPAN_INIT("\x78\x9c\x4b\x04\0\0\x62\0\x62")};
    struct gush_buf out;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(open_all(bad[i], 100, 1000, &out), GUSH_ESYNTAX);
    gush_rpc_gzip_free(NULL);
}

static void a_part_is_not_the_whole_and_nothing_follows_it(void **state)
{
    struct gush_bytes *packed = gush_rpc_gzip_pack(whole());
    struct gush_bytes *more = gush_bytes_new(packed->n + 1);
    struct gush_buf out;

    (void)state;
    for (size_t n = 0; n < packed->n; n++)
        assert_int_equal(open_all(gush_span_of(packed->data, n), n + 1, TEXT_N, &out),
                         GUSH_ESYNTAX);
    memcpy(more->data, packed->data, packed->n);
    more->data[packed->n] = 0;
    assert_int_equal(open_all(gush_bytes_span(more), more->n, TEXT_N, &out), GUSH_ESYNTAX);
    assert_int_equal(open_all(gush_bytes_span(more), packed->n, TEXT_N, &out), GUSH_ESYNTAX);
    more->data[packed->n - 1] ^= 1; /* the length at its end */
    assert_int_equal(open_all(gush_span_of(more->data, packed->n), 7, TEXT_N, &out), GUSH_ESYNTAX);
    gush_bytes_unref(more);
    gush_bytes_unref(packed);
}

static void nothing_over_the_limit_is_opened(void **state)
{
    static uint8_t zeros[1 << 20];
    struct gush_bytes *bomb = gush_rpc_gzip_pack(gush_span_of(zeros, sizeof(zeros)));
    struct gush_buf out;

    (void)state;
    for (size_t max = 1; max < sizeof(zeros); max = max * 3 + 1)
        assert_int_equal(open_all(gush_bytes_span(bomb), 100, max, &out), GUSH_ELIMIT);
    assert_int_equal(open_all(gush_bytes_span(bomb), 100, sizeof(zeros) - 1, &out), GUSH_ELIMIT);
    assert_int_equal(open_all(gush_bytes_span(bomb), 100, sizeof(zeros), &out), GUSH_OK);
    assert_int_equal(out.n, sizeof(zeros));
    gush_buf_fini(&out);
    gush_bytes_unref(bomb);
}

static void what_was_packed_comes_back_in_any_pieces(void **state)
{
    struct gush_bytes *packed = gush_rpc_gzip_pack(whole());

    (void)state;
    assert_true(packed->n < TEXT_N);
    for (size_t step = 1; step <= packed->n; step += step < 10 ? 1 : 37) {
        struct gush_buf out = {0};

        assert_int_equal(open_all(gush_bytes_span(packed), step, TEXT_N, &out), GUSH_OK);
        assert_true(gush_span_eq(gush_buf_span(&out), whole()));
        gush_buf_fini(&out);
    }
    gush_bytes_unref(packed);
}

static void what_would_grow_is_left_as_it_is(void **state)
{
    uint8_t noise[1000];
    uint32_t x = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(noise); i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (uint8_t)(x >> 24);
    }
    assert_null(gush_rpc_gzip_pack(GUSH_SPAN_EMPTY));
    assert_null(gush_rpc_gzip_pack(GUSH_SPAN_LIT("short")));
    assert_null(gush_rpc_gzip_pack(gush_span_of(noise, sizeof(noise))));
    assert_int_equal(gush_bytes_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_gzip_is_refused),
        cmocka_unit_test(a_part_is_not_the_whole_and_nothing_follows_it),
        cmocka_unit_test(nothing_over_the_limit_is_opened),
        cmocka_unit_test(what_was_packed_comes_back_in_any_pieces),
        cmocka_unit_test(what_would_grow_is_left_as_it_is),
    };

    return cmocka_run_group_tests(tests, fill, NULL);
}
