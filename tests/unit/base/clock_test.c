#include <string.h>
#include <time.h>

#include "server/base/clock.h"

#include "tests/unit/base/unit.h"

static void mono_never_goes_back(void **state)
{
    uint64_t before = gush_clock_mono_us();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t now = gush_clock_mono_us();

        assert_true(now >= before);
        before = now;
    }
}

static void wall_is_unix_time_in_ms(void **state)
{
    int64_t low = (int64_t)time(NULL) * 1000 - 1000;
    int64_t now = gush_clock_wall_ms();

    (void)state;
    assert_true(now >= low);
    assert_true(now <= (int64_t)time(NULL) * 1000 + 2000);
}

/* Sizes around those of the buffer behind it; sixteen random bytes do not repeat. */
static void random_does_not_repeat(void **state)
{
    static uint8_t seen[200][16], big[2000], zero[2000];

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        gush_clock_random(seen[i], 16);
        for (size_t k = 0; k < i; k++)
            assert_true(memcmp(seen[i], seen[k], 16) != 0);
    }
    for (size_t n = 500; n < 520; n++) {
        memset(big, 0, sizeof(big));
        gush_clock_random(big, n);
        assert_true(memcmp(big + n - 16, zero, 16) != 0);
        assert_memory_equal(big + n, zero, sizeof(big) - n);
    }
    gush_clock_random(big, sizeof(big));
    assert_true(memcmp(big + sizeof(big) - 16, zero, 16) != 0);
    gush_clock_random(big, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mono_never_goes_back),
        cmocka_unit_test(wall_is_unix_time_in_ms),
        cmocka_unit_test(random_does_not_repeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
