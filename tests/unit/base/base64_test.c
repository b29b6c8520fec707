#include "server/base/rng.h"
#include "server/base/text.h"

#include "tests/unit/base/unit.h"

static gush_err standard(const char *in, struct gush_buf *out)
{
    return gush_base64_decode(gush_span_str(in), out);
}

static gush_err url(const char *in, struct gush_buf *out)
{
    return gush_base64url_decode(gush_span_str(in), out);
}

static void malformed(void **state)
{
    static const char *const no_standard[] = {
        "Zg",    "Zg=",  "Zm8",  "Z===",     "====", "=Zg=",  "Zg==\n",
        " Zg==", "Zm9-", "Zm9_", "Zg==Zg==", "Z",    "Zm9vY", "Zm=v"};
    static const char *const no_url[] = {"Zg==", "Zm8=", "Z",    "Zm9vY",
                                         "Zm9+", "Zm9/", "Zm 9", "Zm9\n"};
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 100);
    gush_buf_put_str(&b, "kept");
    for (size_t i = 0; i < sizeof(no_standard) / sizeof(no_standard[0]); i++)
        assert_int_equal(standard(no_standard[i], &b), GUSH_ESYNTAX);
    for (size_t i = 0; i < sizeof(no_url) / sizeof(no_url[0]); i++)
        assert_int_equal(url(no_url[i], &b), GUSH_ESYNTAX);
    assert_span(gush_buf_span(&b), "kept");
    gush_buf_fini(&b);
}

static void over_the_limit(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 5);
    assert_int_equal(standard("Zm9vYmFy", &b), GUSH_ELIMIT);
    gush_buf_reset(&b);
    assert_int_equal(standard("Zm9vYmE=", &b), GUSH_OK);
    assert_span(gush_buf_span(&b), "fooba");
    gush_buf_fini(&b);
}

static void known_texts(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 100);
    assert_int_equal(standard("", &b), GUSH_OK);
    assert_int_equal(standard("Zg==", &b), GUSH_OK);
    assert_int_equal(url("Zm8", &b), GUSH_OK);
    assert_span(gush_buf_span(&b), "ffo");
    gush_buf_reset(&b);
    gush_base64_encode(GUSH_SPAN_LIT("\xfb\xff\xfe"), &b);
    gush_base64url_encode(GUSH_SPAN_LIT("\xfb\xff\xfe"), &b);
    gush_base64_encode(GUSH_SPAN_LIT("f"), &b);
    gush_base64url_encode(GUSH_SPAN_LIT("f"), &b);
    assert_span(gush_buf_span(&b), "+//+-__-Zg==Zg");
    gush_buf_fini(&b);
}

static void any_bytes_round_trip(void **state)
{
    struct gush_buf text, back;
    struct gush_rng rng;
    uint8_t in[70];

    (void)state;
    gush_rng_seed(&rng, 1);
    gush_buf_init(&text, 1000);
    gush_buf_init(&back, 1000);
    for (size_t n = 0; n <= sizeof(in); n++) {
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)gush_rng_u64(&rng);
        for (int padded = 0; padded < 2; padded++) {
            gush_buf_reset(&text);
            gush_buf_reset(&back);
            (padded ? gush_base64_encode : gush_base64url_encode)(gush_span_of(in, n), &text);
            assert_int_equal(
                (padded ? gush_base64_decode : gush_base64url_decode)(gush_buf_span(&text), &back),
                GUSH_OK);
            assert_true(gush_span_eq(gush_buf_span(&back), gush_span_of(in, n)));
        }
    }
    gush_buf_fini(&text);
    gush_buf_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed),
        cmocka_unit_test(over_the_limit),
        cmocka_unit_test(known_texts),
        cmocka_unit_test(any_bytes_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
