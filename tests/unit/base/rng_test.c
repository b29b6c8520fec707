#include "server/base/rng.h"

#include "tests/unit/base/unit.h"

static struct gush_rng rng;

static void below_nothing(void)
{
    gush_rng_below(&rng, 0);
}

static void below_zero_is_our_bug(void **state)
{
    (void)state;
    assert_true(unit_aborts(below_nothing));
}

static void a_seed_is_a_sequence(void **state)
{
    struct gush_rng a, b, c;
    unsigned differ = 0;

    (void)state;
    gush_rng_seed(&a, 42);
    gush_rng_seed(&b, 42);
    gush_rng_seed(&c, 43);
    for (int i = 0; i < 1000; i++) {
        uint64_t v = gush_rng_u64(&a);

        assert_true(v == gush_rng_u64(&b));
        differ += v != gush_rng_u64(&c);
    }
    assert_true(differ > 990);
}

/* The published algorithm from a known state. */
static void known_values(void **state)
{
    struct gush_rng r = {{1, 2, 3, 4}};

    (void)state;
    assert_int_equal(gush_rng_u64(&r), 11520);
    assert_int_equal(gush_rng_u64(&r), 0);
    assert_int_equal(gush_rng_u64(&r), 1509978240);
}

static void below_is_even_and_below(void **state)
{
    unsigned seen[6] = {0};

    (void)state;
    gush_rng_seed(&rng, 0);
    for (int i = 0; i < 60000; i++)
        seen[gush_rng_below(&rng, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_int_equal(gush_rng_below(&rng, 1), 0);
    for (int i = 0; i < 1000; i++)
        assert_true(gush_rng_below(&rng, UINT64_MAX) < UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_zero_is_our_bug),
        cmocka_unit_test(a_seed_is_a_sequence),
        cmocka_unit_test(known_values),
        cmocka_unit_test(below_is_even_and_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
