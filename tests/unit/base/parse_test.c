#include "server/base/text.h"

#include "tests/unit/base/unit.h"

static void numbers_that_are_none(void **state)
{
    static const char *const none[] = {"", "+1", "1 ", " 1", "1.0", "1e3", "0x10", "-", "--1", "a"};
    uint64_t u;
    int64_t i;

    (void)state;
    for (size_t k = 0; k < sizeof(none) / sizeof(none[0]); k++) {
        assert_int_equal(gush_parse_u64(gush_span_str(none[k]), &u), GUSH_ESYNTAX);
        assert_int_equal(gush_parse_i64(gush_span_str(none[k]), &i), GUSH_ESYNTAX);
    }
    assert_int_equal(gush_parse_u64(GUSH_SPAN_LIT("-1"), &u), GUSH_ESYNTAX);
    assert_int_equal(gush_parse_u64(GUSH_SPAN_LIT("99999999999999999999x"), &u), GUSH_ESYNTAX);
}

static void numbers_at_their_ends(void **state)
{
    uint64_t u = 1;
    int64_t i = 1;

    (void)state;
    assert_int_equal(gush_parse_u64(GUSH_SPAN_LIT("18446744073709551616"), &u), GUSH_ERANGE);
    assert_int_equal(gush_parse_u64(GUSH_SPAN_LIT("99999999999999999999"), &u), GUSH_ERANGE);
    assert_int_equal(gush_parse_i64(GUSH_SPAN_LIT("9223372036854775808"), &i), GUSH_ERANGE);
    assert_int_equal(gush_parse_i64(GUSH_SPAN_LIT("-9223372036854775809"), &i), GUSH_ERANGE);
    assert_int_equal(u, 1);
    assert_int_equal(gush_parse_u64(GUSH_SPAN_LIT("18446744073709551615"), &u), GUSH_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(gush_parse_i64(GUSH_SPAN_LIT("9223372036854775807"), &i), GUSH_OK);
    assert_true(i == INT64_MAX);
    assert_int_equal(gush_parse_i64(GUSH_SPAN_LIT("-9223372036854775808"), &i), GUSH_OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(gush_parse_i64(GUSH_SPAN_LIT("-0"), &i), GUSH_OK);
    assert_int_equal(i, 0);
    assert_int_equal(gush_parse_u64(GUSH_SPAN_LIT("000000000000000000000000007"), &u), GUSH_OK);
    assert_int_equal(u, 7);
}

/* spec: configuration 3 */
static void durations_that_are_none(void **state)
{
    static const char *const none[] = {"",   "5",     "1d", "1e3s", " 1s",    "1s ", "1 s",
                                       "+",  "-",     "s",  ".s",   "1.2.3s", "1h5", "-+1s",
                                       "1S", "1s-1s", "00", "1m m", "1\xc2s", "0.0"};
    int64_t ns = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (gush_parse_duration(gush_span_str(none[i]), &ns) != GUSH_ESYNTAX)
            fail_msg("\"%s\" was taken", none[i]);
    }
    assert_int_equal(ns, 77);
}

static void durations_out_of_range(void **state)
{
    static const char *const far[] = {"9223372036854775808ns", "-9223372036854775809ns", "2562048h",
                                      "9999999999999999999999s", "2562047h48m"};
    int64_t ns = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
        assert_int_equal(gush_parse_duration(gush_span_str(far[i]), &ns), GUSH_ERANGE);
    assert_int_equal(gush_parse_duration(GUSH_SPAN_LIT("9223372036854775807ns"), &ns), GUSH_OK);
    assert_true(ns == INT64_MAX);
    assert_int_equal(gush_parse_duration(GUSH_SPAN_LIT("-9223372036854775808ns"), &ns), GUSH_OK);
    assert_true(ns == INT64_MIN);
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
        const char *canonical;
    } good[] = {
        {"0", 0, "0s"},
        {"-0", 0, "0s"},
        {"0s", 0, "0s"},
        {"25s", 25000000000, "25s"},
        {"60s", 60000000000, "1m0s"},
        {"720h", 2592000000000000, "720h0m0s"},
        {"1h30m", 5400000000000, "1h30m0s"},
        {"1.5h", 5400000000000, "1h30m0s"},
        {".5s", 500000000, "500ms"},
        {"5.s", 5000000000, "5s"},
        {"-1s", -1000000000, "-1s"},
        {"+2ms", 2000000, "2ms"},
        {"1.5us", 1500, "1.5\xc2\xb5s"},
        {"3\xc2\xb5s", 3000, "3\xc2\xb5s"},
        {"3\xce\xbcs", 3000, "3\xc2\xb5s"},
        {"1ns", 1, "1ns"},
        {"0.3ns", 0, "0s"},
        {"1m1.001s", 61001000000, "1m1.001s"},
        {"1s1h", 3601000000000, "1h0m1s"},
        {"0.3333333333333333333333333h", 1200000000000, "20m0s"},
        {"-9223372036854775808ns", INT64_MIN, "-2562047h47m16.854775808s"},
    };
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 100);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ns = 77;

        assert_int_equal(gush_parse_duration(gush_span_str(good[i].text), &ns), GUSH_OK);
        assert_true(ns == good[i].ns || good[i].ns - ns == 1); /* fractions round down */
        gush_buf_reset(&b);
        gush_format_duration(good[i].ns, &b);
        assert_true(gush_span_eq_str(gush_buf_span(&b), good[i].canonical));
    }
    gush_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(numbers_at_their_ends),
        cmocka_unit_test(durations_that_are_none),
        cmocka_unit_test(durations_out_of_range),
        cmocka_unit_test(durations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
