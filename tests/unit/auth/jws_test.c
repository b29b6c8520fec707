#include "server/auth/auth_priv.h"

#include "tests/unit/base/unit.h"

static gush_err split(const char *token, struct gush__jws *out)
{
    const char *why = NULL;
    gush_err err = gush__jws_split(gush_span_str(token), out, &why);

    assert_int_equal(why != NULL, err != GUSH_OK);
    return err;
}

static void not_three_parts(void **state)
{
    static const char *const bad[] = {"",        "eyJ",      "eyJ.",     "eyJ.a.b.c", "eyJ.a.b.",
                                      "eyj.a.b", "xeyJ.a.b", " eyJ.a.b", ".eyJ.a.b",  "eyJ.a"};
    struct gush__jws jws;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(split(bad[i], &jws), GUSH_EDENIED);
}

static void three_parts(void **state)
{
    struct gush__jws jws;

    (void)state;
    assert_int_equal(split("eyJh.bc.d", &jws), GUSH_OK);
    assert_span(jws.header, "eyJh");
    assert_span(jws.payload, "bc");
    assert_span(jws.signature, "d");
    assert_span(jws.signed_part, "eyJh.bc");
    assert_int_equal(split("eyJ..", &jws), GUSH_OK);
    assert_span(jws.payload, "");
    assert_span(jws.signature, "");
}

static void a_header_gives_alg_and_kid(void **state)
{
    struct gush__jws jws;
    struct gush__jws_header header;
    struct gush_buf text;
    const char *why = NULL;

    (void)state;
    gush_buf_init(&text, 1000);
    /* {"kid":"k\u0031","alg":"RS256","x":{"alg":"none"}} */
    assert_int_equal(
        split("eyJraWQiOiJrXHUwMDMxIiwiYWxnIjoiUlMyNTYiLCJ4Ijp7ImFsZyI6Im5vbmUifX0..", &jws),
        GUSH_OK);
    gush_buf_reserve(&text, 2 * jws.header.n);
    assert_int_equal(gush__jws_header(&jws, &text, &header, &why), GUSH_OK);
    assert_span(header.alg, "RS256");
    assert_span(header.kid, "k1");
    gush_buf_fini(&text);
}

static void headers_that_are_none(void **state)
{
    /* {"alg":1}  {"a"  {"a":1}}  {"alg":"\xff"}  */
    static const char *const bad[] = {"eyJhbGciOjF9..",    "eyJhIg..", "eyJhIjoxfX0..",
                                      "eyJhbGciOiL_In0..", "eyJ*..",   "eyJhbGciOjF9=.."};
    struct gush__jws jws;
    struct gush__jws_header header;
    struct gush_buf text;

    (void)state;
    gush_buf_init(&text, 1000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = NULL;

        gush_buf_reset(&text);
        gush_buf_reserve(&text, 1000);
        assert_int_equal(split(bad[i], &jws), GUSH_OK);
        assert_int_equal(gush__jws_header(&jws, &text, &header, &why), GUSH_EDENIED);
        assert_non_null(why);
    }
    gush_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_three_parts),
        cmocka_unit_test(three_parts),
        cmocka_unit_test(a_header_gives_alg_and_kid),
        cmocka_unit_test(headers_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
