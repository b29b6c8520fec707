#include "server/base/error.h"

#include "tests/unit/base/unit.h"

static void every_code_has_text_and_class(void **state)
{
    (void)state;
#define X(name, class, text)                                                                       \
    assert_true(GUSH_E##name < 0);                                                                 \
    assert_string_equal(gush_err_text(GUSH_E##name), text);                                        \
    assert_int_equal(gush_err_class(GUSH_E##name), GUSH_CLASS_##class);
    GUSH_ERR_MAP(X)
#undef X
    assert_string_equal(gush_err_text(GUSH_OK), "ok");
    assert_int_equal(gush_err_class(GUSH_OK), GUSH_CLASS_NONE);
}

static void a_code_from_nowhere_is_a_system_error(void **state)
{
    (void)state;
    assert_string_equal(gush_err_text((gush_err)-100), "unknown error");
    assert_int_equal(gush_err_class((gush_err)-100), GUSH_CLASS_SYSTEM);
}

static void fail_explains_if_asked(void **state)
{
    const char *why = "";

    (void)state;
    assert_int_equal(gush_fail(&why, GUSH_ELIMIT, "too much"), GUSH_ELIMIT);
    assert_string_equal(why, "too much");
    assert_int_equal(gush_fail(NULL, GUSH_ELIMIT, "too much"), GUSH_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_text_and_class),
        cmocka_unit_test(a_code_from_nowhere_is_a_system_error),
        cmocka_unit_test(fail_explains_if_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
