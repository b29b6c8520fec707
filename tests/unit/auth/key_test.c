#include "server/auth/auth_priv.h"

#include "tests/unit/base/unit.h"

/* RFC 4231, test case 2: key "Jefe". */
static const char message[] = "what do ya want for nothing?";
static const uint8_t hs256[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
static const uint8_t hs384[] = {
    0xaf, 0x45, 0xd2, 0xe3, 0x76, 0x48, 0x40, 0x31, 0x61, 0x7f, 0x78, 0xd2, 0xb5, 0x8a, 0x6b, 0x1b,
    0x9c, 0x7e, 0xf4, 0x64, 0xf5, 0xa0, 0x1b, 0x47, 0xe4, 0x2e, 0xc3, 0x73, 0x63, 0x22, 0x44, 0x5e,
    0x8e, 0x22, 0x40, 0xca, 0x5e, 0x69, 0xe2, 0xc7, 0x8b, 0x32, 0x39, 0xec, 0xfa, 0xb2, 0x16, 0x49};

static bool verify(struct gush__key *key, const char *alg, const void *mac, size_t n)
{
    return gush__key_verify(key, gush__alg_find(gush_span_str(alg)), gush_span_str(message),
                            gush_span_of(mac, n));
}

static void names_that_are_no_algorithm(void **state)
{
    static const char *const bad[] = {"",       "none",  "hs256", "HS25",
                                      "HS2560", "RS256", "ES256", "EdDSA"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(gush__alg_find(gush_span_str(bad[i])));
    assert_null(gush__alg_find(GUSH_SPAN_LIT("HS256\0")));
}

static void known_answers_and_no_others(void **state)
{
    struct gush__key *key = NULL;
    const char *why = NULL;
    uint8_t mac[sizeof(hs256)];

    (void)state;
    assert_int_equal(gush__key_new_hmac(GUSH_SPAN_LIT("Jefe"), &key, &why), GUSH_OK);
    for (int i = 0; i < 3; i++) { /* a key is not used up */
        assert_true(verify(key, "HS256", hs256, sizeof(hs256)));
        assert_true(verify(key, "HS384", hs384, sizeof(hs384)));
    }
    assert_false(verify(key, "HS384", hs256, sizeof(hs256)));
    assert_false(verify(key, "HS256", hs384, 32));
    assert_false(verify(key, "HS512", hs256, sizeof(hs256)));
    for (size_t n = 0; n < sizeof(hs256); n++) {
        assert_false(verify(key, "HS256", hs256, n));
        memcpy(mac, hs256, sizeof(mac));
        mac[n] ^= 0x80;
        assert_false(verify(key, "HS256", mac, sizeof(mac)));
    }
    gush__key_free(key);
    gush__key_free(NULL);
}

static void a_key_enables_its_family(void **state)
{
    struct gush__key *key = NULL;
    const char *why = NULL;

    (void)state;
    assert_int_equal(gush__key_new_hmac(GUSH_SPAN_LIT("k"), &key, &why), GUSH_OK);
    assert_true(gush__key_enables(key, gush__alg_find(GUSH_SPAN_LIT("HS256"))));
    assert_true(gush__key_enables(key, gush__alg_find(GUSH_SPAN_LIT("HS384"))));
    assert_true(gush__key_enables(key, gush__alg_find(GUSH_SPAN_LIT("HS512"))));
    gush__key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_no_algorithm),
        cmocka_unit_test(known_answers_and_no_others),
        cmocka_unit_test(a_key_enables_its_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
