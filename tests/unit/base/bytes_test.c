#include <pthread.h>

#include "server/base/bytes.h"

#include "tests/unit/base/unit.h"

static void unref_too_often(void)
{
    struct gush_bytes b = {.refs = 0, .n = 0};

    gush_bytes_unref(&b);
}

static void ref_of_the_dead(void)
{
    struct gush_bytes b = {.refs = 0, .n = 0};

    gush_bytes_ref(&b);
}

static void miscounting_aborts(void **state)
{
    (void)state;
    assert_true(unit_aborts(unref_too_often));
    assert_true(unit_aborts(ref_of_the_dead));
}

static void the_last_holder_frees(void **state)
{
    struct gush_bytes *b;

    (void)state;
    assert_int_equal(gush_bytes_live(), 0);
    b = gush_bytes_copy(GUSH_SPAN_LIT("frame"));
    assert_int_equal(gush_bytes_live(), 1);
    assert_span(gush_bytes_span(b), "frame");
    assert_ptr_equal(gush_bytes_ref(b), b);
    gush_bytes_unref(b);
    assert_int_equal(gush_bytes_live(), 1);
    gush_bytes_unref(b);
    assert_int_equal(gush_bytes_live(), 0);
    gush_bytes_unref(NULL);
    assert_span(gush_bytes_span(NULL), "");
}

static void empty_bytes_exist(void **state)
{
    struct gush_bytes *b = gush_bytes_copy(GUSH_SPAN_EMPTY);

    (void)state;
    assert_int_equal(b->n, 0);
    gush_bytes_unref(b);
}

static void *hold_and_drop(void *arg)
{
    for (int i = 0; i < 20000; i++)
        gush_bytes_unref(gush_bytes_ref(arg));
    gush_bytes_unref(arg);
    return NULL;
}

static void holders_on_many_threads(void **state)
{
    struct gush_bytes *b = gush_bytes_copy(GUSH_SPAN_LIT("shared"));
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_drop, gush_bytes_ref(b)), 0);
    gush_bytes_unref(b);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(miscounting_aborts),
        cmocka_unit_test(the_last_holder_frees),
        cmocka_unit_test(empty_bytes_exist),
        cmocka_unit_test(holders_on_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
