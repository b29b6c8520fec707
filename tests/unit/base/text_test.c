#include "server/base/text.h"

#include "tests/unit/base/unit.h"

static void a_uuid_says_version_and_variant(void **state)
{
    static const uint8_t zero[16];
    uint8_t ones[16];
    char out[36];

    (void)state;
    memset(ones, 0xff, sizeof(ones));
    gush_uuid_format(zero, out);
    assert_memory_equal(out, "00000000-0000-4000-8000-000000000000", 36);
    gush_uuid_format(ones, out);
    assert_memory_equal(out, "ffffffff-ffff-4fff-bfff-ffffffffffff", 36);
}

static void case_is_ascii_only(void **state)
{
    (void)state;
    assert_true(gush_span_eq_nocase(GUSH_SPAN_LIT("Sub-1"), GUSH_SPAN_LIT("sUB-1")));
    assert_true(gush_span_eq_nocase(GUSH_SPAN_EMPTY, GUSH_SPAN_LIT("")));
    assert_false(gush_span_eq_nocase(GUSH_SPAN_LIT("sub"), GUSH_SPAN_LIT("su")));
    assert_false(gush_span_eq_nocase(GUSH_SPAN_LIT("@"), GUSH_SPAN_LIT("`")));
    assert_false(gush_span_eq_nocase(GUSH_SPAN_LIT("["), GUSH_SPAN_LIT("{")));
    assert_false(gush_span_eq_nocase(GUSH_SPAN_LIT("\xc9"), GUSH_SPAN_LIT("\xe9")));
}

static void secrets_differ_at_any_place(void **state)
{
    char key[32], other[32];

    (void)state;
    memset(key, 'k', sizeof(key));
    for (size_t i = 0; i < sizeof(key); i++) {
        memcpy(other, key, sizeof(key));
        assert_true(gush_span_eq_secret(gush_span_of(key, 32), gush_span_of(other, 32)));
        other[i] ^= 1;
        assert_false(gush_span_eq_secret(gush_span_of(key, 32), gush_span_of(other, 32)));
    }
    assert_false(gush_span_eq_secret(gush_span_of(key, 32), gush_span_of(key, 31)));
    assert_true(gush_span_eq_secret(GUSH_SPAN_EMPTY, GUSH_SPAN_EMPTY));
}

static void spans_are_ordered(void **state)
{
    (void)state;
    assert_true(gush_span_cmp(GUSH_SPAN_LIT("a"), GUSH_SPAN_LIT("b")) < 0);
    assert_true(gush_span_cmp(GUSH_SPAN_LIT("a"), GUSH_SPAN_LIT("ab")) < 0);
    assert_true(gush_span_cmp(GUSH_SPAN_LIT("\xff"), GUSH_SPAN_LIT("a")) > 0);
    assert_int_equal(gush_span_cmp(GUSH_SPAN_EMPTY, GUSH_SPAN_LIT("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uuid_says_version_and_variant),
        cmocka_unit_test(case_is_ascii_only),
        cmocka_unit_test(secrets_differ_at_any_place),
        cmocka_unit_test(spans_are_ordered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
