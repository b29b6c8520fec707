/* Memory that ends with its configuration. */
#include <stdalign.h>

#include "load.h"

static void zeroed_aligned_and_apart(void **state)
{
    struct gush__arena arena = {0};
    unsigned char *before = NULL;

    (void)state;
    for (size_t n = 0; n < 300; n++) {
        unsigned char *p = gush__arena_alloc(&arena, n, 1);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);                                   /* the next one must not see it */
        assert_true(before == NULL || p != before || n == 1); /* nothing takes no room */
        before = p;
    }
    gush__arena_fini(&arena);
    assert_null(arena.blocks);
}

static void larger_than_a_block(void **state)
{
    struct gush__arena arena = {0};
    char *small = gush__arena_strndup(&arena, "ab", 2);
    char *large = gush__arena_alloc(&arena, 3, 100000);

    (void)state;
    memset(large, 'x', 300000);
    assert_string_equal(small, "ab");
    assert_string_equal(gush__arena_strndup(&arena, "abc", 1), "a");
    assert_string_equal(gush__arena_strndup(&arena, NULL, 0), "");
    gush__arena_fini(&arena);
    gush__arena_fini(&arena); /* nothing left to do */
}

static void printed(void **state)
{
    struct gush__arena arena = {0};
    const char *text = "";

    (void)state;
    for (int i = 0; i < 20; i++)
        text = gush__arena_printf(&arena, "%s%d,", text, i);
    assert_string_equal(text, "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,");
    gush__arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_aligned_and_apart),
        cmocka_unit_test(larger_than_a_block),
        cmocka_unit_test(printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
