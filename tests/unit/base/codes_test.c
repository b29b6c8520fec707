#include "server/base/codes.h"

#include "tests/unit/base/unit.h"

static void known_codes(void **state)
{
    (void)state;
    assert_string_equal(gush_error_text(109), "token expired");
    assert_string_equal(gush_disconnect_text(3008), "slow");
    assert_string_equal(gush_unsubscribe_text(0), "client unsubscribe");
    assert_string_equal(gush_unsubscribe_text(2501), "subscription expired");
    assert_true(gush_error_temporary(100));
    assert_false(gush_error_temporary(103));
}

static void unknown_codes_have_no_text(void **state)
{
    (void)state;
    assert_string_equal(gush_error_text(0), "");
    assert_string_equal(gush_error_text(99), "");
    assert_string_equal(gush_disconnect_text(3002), "");
    assert_string_equal(gush_unsubscribe_text(3000), "");
    assert_false(gush_error_temporary(99));
}

static void the_ranges_tell_what_a_client_does(void **state)
{
    (void)state;
    /* Up to 3499 a client comes back, from 3500 it does not; 2500 up to 2999 it resubscribes. */
#define X(name, code, text)                                                                        \
    assert_in_range(code, 3000, 3999);                                                             \
    assert_string_equal(gush_disconnect_text(code), text);
    GUSH_DISCONNECT_MAP(X)
#undef X
#define X(name, code, text, temporary)                                                             \
    assert_in_range(code, 100, 399);                                                               \
    assert_string_equal(gush_error_text(code), text);
    GUSH_ERROR_MAP(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_codes),
        cmocka_unit_test(unknown_codes_have_no_text),
        cmocka_unit_test(the_ranges_tell_what_a_client_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
