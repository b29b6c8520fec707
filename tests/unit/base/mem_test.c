#include "server/base/mem.h"

#include "tests/unit/base/unit.h"

/* Exhaustion is our business here, not the sanitizer's. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static volatile size_t huge = SIZE_MAX / 2 - 64; /* volatile: compilers know that it cannot be */

static void alloc_huge(void)
{
    gush_free(gush_alloc(huge));
}

static void zalloc_overflow(void)
{
    gush_free(gush_zalloc(huge, 8));
}

static void realloc_huge(void)
{
    gush_free(gush_realloc(NULL, huge));
}

static void strndup_overflow(void)
{
    gush_free(gush_strndup("", huge * 2 + 129));
}

static void exhaustion_aborts(void **state)
{
    (void)state;
    assert_true(unit_aborts(alloc_huge));
    assert_true(unit_aborts(zalloc_overflow));
    assert_true(unit_aborts(realloc_huge));
    assert_true(unit_aborts(strndup_overflow));
}

static void the_try_twin_may_refuse(void **state)
{
    void *p = gush_try_alloc(16);

    (void)state;
    assert_null(gush_try_alloc(huge));
    assert_non_null(p);
    gush_free(p);
}

static void nothing_is_still_memory(void **state)
{
    void *a = gush_alloc(0), *b = gush_zalloc(0, 8), *c = gush_realloc(NULL, 0);

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    gush_free(a);
    gush_free(b);
    gush_free(c);
    gush_free(NULL);
}

static void zalloc_is_zero_and_strndup_ends(void **state)
{
    static const char zero[24];
    char *p = gush_zalloc(3, 8), *s = gush_strndup("hello", 4);

    (void)state;
    assert_memory_equal(p, zero, 24);
    assert_string_equal(s, "hell");
    s = gush_realloc(s, 1000);
    assert_string_equal(s, "hell");
    gush_free(p);
    gush_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exhaustion_aborts),
        cmocka_unit_test(the_try_twin_may_refuse),
        cmocka_unit_test(nothing_is_still_memory),
        cmocka_unit_test(zalloc_is_zero_and_strndup_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
