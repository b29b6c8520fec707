/* siphash: against the results of OpenSSL's SIPHASH with 16 bytes, for the key 00 .. 0f and the
 * input 00 01 02 ... */
#include <stdio.h>

#include "server/base/siphash.h"

#include "tests/unit/base/unit.h"

static void results_are_those_of_the_standard(void **state)
{
    static const struct {
        size_t n;
        const char *hex;
    } cases[] = {
        {0, "a3817f04ba25a8e66df67214c7550293"},   {1, "da87c1d86b99af44347659119b22fc45"},
        {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},   {8, "3b62a9ba6258f5610f83e264f31497b4"},
        {15, "5493e99933b0a8117e08ec0f97cfc3d9"},  {16, "6ee2a4ca67b054bbfd3315bf85230577"},
        {63, "5150d1772f50834a503e069a973fbd7c"},  {64, "1eaf077dc0d4cd3f8cad4d383658a74b"},
        {200, "7c5853f4ed12ff9d836a79bc4047022d"},
    };
    const struct gush_hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t in[200];

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gush_siphash h = gush_siphash_of(&key, gush_span_of(in, cases[i].n));
        /* The first byte of the result is the lowest of |lo|. */
        uint64_t big[2] = {__builtin_bswap64(h.lo), __builtin_bswap64(h.hi)};
        char hex[33];

        (void)snprintf(hex, sizeof(hex), "%016llx%016llx", (unsigned long long)big[0],
                       (unsigned long long)big[1]);
        assert_string_equal(hex, cases[i].hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(results_are_those_of_the_standard)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
