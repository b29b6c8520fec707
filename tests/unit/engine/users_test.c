/* Connections of each user, and their limit. spec: client protocol 16, user_connection_limit */
#include "server/engine/users.h"

#include "tests/unit/engine/harness.h"

static const struct gush_hash_key key = {3, 4};
static struct gush_users users;

static int begin(void **state)
{
    (void)state;
    gush_users_init(&users, &key);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(gush_users_n(&users), 0);
    gush_users_fini(&users);
    return 0;
}

static void the_limit_refuses_the_newest(void **state)
{
    (void)state;
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("u"), 2), GUSH_OK);
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("u"), 2), GUSH_OK);
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("u"), 2), GUSH_ELIMIT);
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("v"), 2), GUSH_OK);
    assert_int_equal(gush_users_n(&users), 2);
    gush_users_leave(&users, GUSH_SPAN_LIT("u"));
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("u"), 2), GUSH_OK);
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("u"), 2), GUSH_ELIMIT);
    gush_users_leave(&users, GUSH_SPAN_LIT("u"));
    gush_users_leave(&users, GUSH_SPAN_LIT("u"));
    gush_users_leave(&users, GUSH_SPAN_LIT("v"));
}

static void without_limit_any_number_may_come(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(gush_users_enter(&users, GUSH_SPAN_EMPTY, 0), GUSH_OK);
    assert_int_equal(gush_users_n(&users), 1); /* the empty user is one */
    for (int i = 0; i < 1000; i++)
        gush_users_leave(&users, GUSH_SPAN_EMPTY);
}

static void many_users_are_told_apart(void **state)
{
    char name[16];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2000; i++) {
            (void)snprintf(name, sizeof(name), "user%d", i);
            assert_int_equal(gush_users_enter(&users, gush_span_str(name), 2), GUSH_OK);
        }
    assert_int_equal(gush_users_n(&users), 2000);
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("user7"), 2), GUSH_ELIMIT);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2000; i++) {
            (void)snprintf(name, sizeof(name), "user%d", i);
            gush_users_leave(&users, gush_span_str(name));
        }
}

static void names_may_hold_any_bytes(void **state)
{
    (void)state;
    assert_int_equal(gush_users_enter(&users, gush_span_of("a\0b", 3), 1), GUSH_OK);
    assert_int_equal(gush_users_enter(&users, gush_span_of("a\0c", 3), 1), GUSH_OK);
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("a"), 1), GUSH_OK);
    assert_int_equal(gush_users_enter(&users, gush_span_of("a\0b", 3), 1), GUSH_ELIMIT);
    gush_users_leave(&users, gush_span_of("a\0b", 3));
    gush_users_leave(&users, gush_span_of("a\0c", 3));
    gush_users_leave(&users, GUSH_SPAN_LIT("a"));
}

#define users_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        users_test(the_limit_refuses_the_newest),
        users_test(without_limit_any_number_may_come),
        users_test(many_users_are_told_apart),
        users_test(names_may_hold_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
