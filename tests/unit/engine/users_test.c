/* Connections of each user, by lane, and their limit. spec: client protocol 16,
 * user_connection_limit */
#include "server/engine/users.h"

#include "tests/unit/engine/harness.h"

#define MANY 2000

static const struct gush_hash_key key = {3, 4};
static struct gush_users users;
static struct gush_user *last; /* the entry of the last one that was let in */
static uint64_t number;        /* and its place in the user's order */

static int begin(void **state)
{
    (void)state;
    gush_users_init(&users, &key, 2);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(gush_users_n(&users), 0);
    gush_users_fini(&users);
    return 0;
}

static gush_err enter(struct gush_span name, int64_t limit)
{
    return gush_users_enter(&users, name, 0, limit, &last, &number);
}

static void leave(struct gush_user *user)
{
    gush_users_leave(&users, user, 0);
}

static void the_limit_refuses_the_newest(void **state)
{
    (void)state;
    assert_int_equal(enter(GUSH_SPAN_LIT("u"), 2), GUSH_OK);
    struct gush_user *u = last;
    assert_int_equal(enter(GUSH_SPAN_LIT("u"), 2), GUSH_OK);
    assert_ptr_equal(last, u);
    assert_int_equal(number, 2);
    assert_int_equal(enter(GUSH_SPAN_LIT("u"), 2), GUSH_ELIMIT);
    assert_int_equal(enter(GUSH_SPAN_LIT("v"), 2), GUSH_OK);
    struct gush_user *v = last;
    assert_int_equal(gush_users_n(&users), 2);
    leave(u);
    assert_int_equal(enter(GUSH_SPAN_LIT("u"), 2), GUSH_OK);
    assert_int_equal(enter(GUSH_SPAN_LIT("u"), 2), GUSH_ELIMIT);
    leave(u);
    leave(u);
    leave(v);
}

static void without_limit_any_number_may_come(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(enter(GUSH_SPAN_EMPTY, 0), GUSH_OK);
    assert_int_equal(gush_users_n(&users), 1); /* the empty user is one */
    for (int i = 0; i < 1000; i++)
        leave(last);
}

static void many_users_are_told_apart(void **state)
{
    static struct gush_user *entries[MANY];
    char name[16];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++) {
            (void)snprintf(name, sizeof(name), "user%d", i);
            assert_int_equal(enter(gush_span_str(name), 2), GUSH_OK);
            assert_true(round == 0 || entries[i] == last);
            entries[i] = last;
        }
    assert_int_equal(gush_users_n(&users), MANY);
    assert_int_equal(enter(GUSH_SPAN_LIT("user7"), 2), GUSH_ELIMIT);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++)
            leave(entries[i]);
}

static void names_may_hold_any_bytes(void **state)
{
    (void)state;
    assert_int_equal(enter(gush_span_of("a\0b", 3), 1), GUSH_OK);
    struct gush_user *b = last;
    assert_int_equal(enter(gush_span_of("a\0c", 3), 1), GUSH_OK);
    struct gush_user *c = last;
    assert_int_equal(enter(GUSH_SPAN_LIT("a"), 1), GUSH_OK);
    struct gush_user *a = last;
    assert_int_equal(enter(gush_span_of("a\0b", 3), 1), GUSH_ELIMIT);
    leave(b);
    leave(c);
    leave(a);
}

static void a_held_entry_survives_its_connections(void **state)
{
    uint64_t lanes = 99;

    (void)state;
    assert_null(gush_users_hold(&users, GUSH_SPAN_LIT("u"), &lanes));
    assert_int_equal(lanes, 0);
    assert_int_equal(gush_users_enter(&users, GUSH_SPAN_LIT("u"), 1, 0, &last, &number), GUSH_OK);
    struct gush_user *held = gush_users_hold(&users, GUSH_SPAN_LIT("u"), &lanes);
    assert_ptr_equal(held, last);
    assert_int_equal(lanes, 2); /* lane 1 alone */
    gush_users_leave(&users, held, 1);
    assert_int_equal(gush_users_n(&users), 0);
    assert_true(gush_span_eq_str(gush_users_name(held), "u"));
    assert_null(*gush_users_clients(held, 1));
    gush_users_drop(&users, held);
    assert_null(gush_users_hold(&users, GUSH_SPAN_LIT("u"), &lanes));
}

#define users_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        users_test(the_limit_refuses_the_newest),
        users_test(without_limit_any_number_may_come),
        users_test(many_users_are_told_apart),
        users_test(names_may_hold_any_bytes),
        users_test(a_held_entry_survives_its_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
