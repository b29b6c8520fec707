#include <stdio.h>
#include <stdlib.h>

#include "server/base/rng.h"

#include "server/auth/auth_priv.h"

#include "tests/unit/base/unit.h"

static struct gush_json_value value(const char *json)
{
    struct gush_json_scan scan;
    struct gush_json_value v;

    gush_json_scan_init(&scan, gush_span_str(json));
    assert_true(gush_json_next(&scan, &v));
    return v;
}

static void strings(void **state)
{
    struct gush_buf text;
    struct gush_span out;

    (void)state;
    gush_buf_init(&text, 4);
    assert_int_equal(gush__value_string(value("1"), &text, &out), GUSH_ETYPE);
    assert_int_equal(gush__value_string(value("null"), &text, &out), GUSH_ETYPE);
    assert_int_equal(gush__value_string(value("\"\""), &text, &out), GUSH_OK);
    assert_span(out, "");
    assert_int_equal(gush__value_string(value("\"longer than the buffer\""), &text, &out), GUSH_OK);
    assert_span(out, "longer than the buffer"); /* nothing to resolve: a slice */
    assert_int_equal(gush__value_string(value("\"\\u0000\\u00e9\""), &text, &out), GUSH_OK);
    assert_span(out, "\0\xc3\xa9");
    assert_int_equal(gush__value_string(value("\"\\n\\n\""), &text, &out), GUSH_ELIMIT);
    gush_buf_fini(&text);
}

static void dates(void **state)
{
    static const char *const bad[] = {"true",   "null",       "[]",       "{}",           "\"\"",
                                      "\"x\"",  "\"01\"",     "\"+1\"",   "\".5\"",       "\"1.\"",
                                      "\" 1\"", "\"1 \"",     "\"1,2\"",  "\"NaN\"",      "\"0x1\"",
                                      "1e999",  "\"-1e999\"", "\"null\"", "\"\\\"1\\\"\""};
    static const char *const good[] = {"1.5", "\"1.5\"", "15e-1", "\"\\u0031.5\"", "\"0.15E+1\""};
    struct gush_buf text;
    double s;

    (void)state;
    gush_buf_init(&text, 100);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (gush__value_date(value(bad[i]), &text, &s) != GUSH_ETYPE)
            fail_msg("%s was taken", bad[i]);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(gush__value_date(value(good[i]), &text, &s), GUSH_OK);
        assert_true(s == 1.5);
    }
    gush_buf_fini(&text);
}

/* Read back it is the same number, and no shorter decimal would be. */
static void numbers_as_users_are_plain_and_short(void **state)
{
    struct gush_buf text;
    struct gush_rng rng;
    struct gush_span out;

    (void)state;
    gush_rng_seed(&rng, 9);
    gush_buf_init(&text, 1000);
    for (int i = 0; i < 20000; i++) {
        char json[64], plain[800], shorter[64];
        double v;
        int precision = 0, digits = 0;

        snprintf(json, sizeof(json), "%llde%d", (long long)gush_rng_u64(&rng) / 1000,
                 (int)gush_rng_below(&rng, 60) - 45);
        v = strtod(json, NULL);
        gush_buf_reset(&text);
        assert_int_equal(gush__value_user(value(json), &text, &out), GUSH_OK);
        assert_true(out.n < sizeof(plain));
        memcpy(plain, out.p, out.n);
        plain[out.n] = '\0';
        assert_true(strtod(plain, NULL) == v);
        assert_null(strpbrk(plain, "eE+"));
        do
            snprintf(shorter, sizeof(shorter), "%.*e", precision, v);
        while (strtod(shorter, NULL) != v && ++precision < 17);
        for (const char *p = plain + strspn(plain, "-0."); *p; p++)
            digits += *p != '.';
        assert_true(digits == precision + 1 || plain[out.n - 1] == '0');
    }
    gush_buf_fini(&text);
}

static void other_users(void **state)
{
    static const char *const cases[][2] = {
        {"\"a\"", "a"},     {"12", "12"},      {"-0", "-0"},
        {"0.0", "0"},       {"1E2", "100"},    {"true", "true"},
        {"false", "false"}, {"null", ""},      {"[1]", "[1]"},
        {"{}", "{}"},       {"1e-3", "0.001"}, {"-2.5e-1", "-0.25"},
        {"1.0e1", "10"},    {"120.0", "120"},  {"1e21", "1000000000000000000000"},
    };
    struct gush_buf text;
    struct gush_span out;

    (void)state;
    gush_buf_init(&text, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(gush__value_user(value(cases[i][0]), &text, &out), GUSH_OK);
        if (!gush_span_eq_str(out, cases[i][1]))
            fail_msg("%s became %.*s", cases[i][0], (int)out.n, (const char *)out.p);
    }
    assert_int_equal(gush__value_user(value("1e999"), &text, &out), GUSH_ETYPE);
    gush_buf_fini(&text);
    gush_buf_init(&text, 10);
    assert_int_equal(gush__value_user(value("1e20"), &text, &out), GUSH_ELIMIT);
    gush_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(dates),
        cmocka_unit_test(numbers_as_users_are_plain_and_short),
        cmocka_unit_test(other_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
