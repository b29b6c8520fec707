#include "server/base/buf.h"

#include "tests/unit/base/unit.h"

static void consume_too_much(void)
{
    struct gush_buf b;

    gush_buf_init(&b, 10);
    gush_buf_put_str(&b, "abc");
    gush_buf_consume(&b, 4);
}

static void taking_more_than_there_is_aborts(void **state)
{
    (void)state;
    assert_true(unit_aborts(consume_too_much));
}

static void the_limit_is_exact_and_sticky(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 5);
    gush_buf_put_str(&b, "12345");
    assert_true(gush_buf_ok(&b));
    gush_buf_put(&b, "", 0);
    assert_true(gush_buf_ok(&b));
    gush_buf_put_u8(&b, '6');
    assert_false(gush_buf_ok(&b));
    gush_buf_consume(&b, 5);
    gush_buf_put_u8(&b, '7');
    assert_false(gush_buf_ok(&b));
    assert_int_equal(b.n, 0);
    gush_buf_reset(&b);
    gush_buf_put_u8(&b, '8');
    assert_true(gush_buf_ok(&b));
    assert_span(gush_buf_span(&b), "8");
    gush_buf_fini(&b);
}

static void every_limit_up_to_200(void **state)
{
    (void)state;
    for (size_t limit = 0; limit <= 200; limit++) {
        struct gush_buf b;

        gush_buf_init(&b, limit);
        for (size_t i = 0; i < limit; i++) {
            gush_buf_put_u8(&b, (uint8_t)i);
            assert_true(gush_buf_ok(&b));
            assert_true(b.cap <= limit);
        }
        gush_buf_put_u8(&b, 0);
        assert_false(gush_buf_ok(&b));
        for (size_t i = 0; i < limit; i++)
            assert_int_equal(b.p[i], (uint8_t)i);
        gush_buf_fini(&b);
    }
}

static void a_reserve_over_the_limit_takes_nothing(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 100);
    assert_null(gush_buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.cap, 0);
    gush_buf_reset(&b);
    assert_non_null(gush_buf_reserve(&b, 100));
    b.n += 60;
    assert_null(gush_buf_reserve(&b, SIZE_MAX - 10));
    assert_null(gush_buf_reserve(&b, 1));
    gush_buf_fini(&b);
}

static void numbers_and_formats(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 1000);
    gush_buf_put_u64(&b, 0);
    gush_buf_put_u8(&b, ' ');
    gush_buf_put_u64(&b, UINT64_MAX);
    gush_buf_put_u8(&b, ' ');
    gush_buf_put_i64(&b, INT64_MIN);
    gush_buf_put_u8(&b, ' ');
    gush_buf_put_i64(&b, -1);
    gush_buf_printf(&b, " %s=%03d", "x", 7);
    gush_buf_put_span(&b, GUSH_SPAN_LIT("!"));
    assert_span(gush_buf_span(&b), "0 18446744073709551615 -9223372036854775808 -1 x=007!");
    gush_buf_consume(&b, 2);
    assert_span(gush_buf_span(&b), "18446744073709551615 -9223372036854775808 -1 x=007!");
    gush_buf_fini(&b);
}

static void a_format_that_just_fits(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 8);
    gush_buf_printf(&b, "%s", "12345678");
    assert_true(gush_buf_ok(&b));
    assert_span(gush_buf_span(&b), "12345678");
    gush_buf_reset(&b);
    gush_buf_printf(&b, "%s", "123456789");
    assert_false(gush_buf_ok(&b));
    gush_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taking_more_than_there_is_aborts),
        cmocka_unit_test(the_limit_is_exact_and_sticky),
        cmocka_unit_test(every_limit_up_to_200),
        cmocka_unit_test(a_reserve_over_the_limit_takes_nothing),
        cmocka_unit_test(numbers_and_formats),
        cmocka_unit_test(a_format_that_just_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
