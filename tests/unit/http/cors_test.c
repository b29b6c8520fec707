#include "server/http/cors.h"

#include "tests/unit/net/unit.h"

static char localhost[] = "http://localhost:*", example[] = "https://*.Example.com", any[] = "*",
            broken[] = "https://[a";

static struct gush_cors *make(char **patterns, size_t n)
{
    struct gush_cors *cors;
    size_t bad;

    assert_int_equal(gush_cors_new(patterns, n, &cors, &bad), GUSH_OK);
    return cors;
}

static void patterns_are_checked(void **state)
{
    char *patterns[] = {any, broken};
    struct gush_cors *cors;
    size_t bad = 99;

    (void)state;
    assert_int_equal(gush_cors_new(patterns, 2, &cors, &bad), GUSH_ESYNTAX);
    assert_int_equal(bad, 1);
}

static void origins(void **state)
{
    char *patterns[] = {localhost, example}, *all[] = {any};
    struct gush_cors *some = make(patterns, 2), *none = make(NULL, 0), *every = make(all, 1);
    static const struct {
        const char *origin;
        bool some, none, every;
    } cases[] = {
        {"", true, true, true},
        {"http://localhost:3000", true, false, true},
        {"http://localhost", false, false, true},
        {"https://a.example.com", true, false, true},
        {"HTTPS://A.B.EXAMPLE.COM", true, false, true},
        {"https://example.com", false, false, true},
        {"https://a.example.com.evil.com", false, false, true},
        {"null", false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gush_span origin = gush_span_str(cases[i].origin);
        assert_int_equal(gush_cors_allows(some, origin), cases[i].some);
        assert_int_equal(gush_cors_allows(none, origin), cases[i].none);
        assert_int_equal(gush_cors_allows(every, origin), cases[i].every);
    }
    gush_cors_free(some);
    gush_cors_free(none);
    gush_cors_free(every);
}

static void monstrous_origins_are_refused(void **state)
{
    char *all[] = {any}, *long_origin = malloc(1000);
    struct gush_cors *every = make(all, 1);

    (void)state;
    memset(long_origin, 'a', 1000);
    assert_true(gush_cors_allows(every, gush_span_of(long_origin, 512)));
    assert_false(gush_cors_allows(every, gush_span_of(long_origin, 513)));
    free(long_origin);
    gush_cors_free(every);
}

static size_t fields_for(const struct gush_cors *cors, const char *origin, const char *headers,
                         struct gush_http_field out[GUSH_CORS_FIELDS_MAX])
{
    struct gush_http_field in[2];
    struct gush_http_request request = {.fields = in};

    if (origin)
        in[request.fields_n++] =
            (struct gush_http_field){GUSH_SPAN_LIT("ORIGIN"), gush_span_str(origin)};
    if (headers)
        in[request.fields_n++] = (struct gush_http_field){
            GUSH_SPAN_LIT("access-control-request-headers"), gush_span_str(headers)};
    return gush_cors_fields(cors, &request, out);
}

static void response_fields(void **state)
{
    char *patterns[] = {example};
    struct gush_cors *cors = make(patterns, 1);
    struct gush_http_field out[GUSH_CORS_FIELDS_MAX];

    (void)state;
    assert_int_equal(fields_for(cors, NULL, "x", out), 0);
    assert_int_equal(fields_for(cors, "https://evil.com", "x", out), 0);
    assert_int_equal(fields_for(cors, "https://A.example.com", NULL, out), 2);
    assert_true(gush_span_eq_str(out[0].name, "Access-Control-Allow-Origin"));
    assert_true(gush_span_eq_str(out[0].value, "https://A.example.com")); /* as it was sent */
    assert_true(gush_span_eq_str(out[1].name, "Access-Control-Allow-Credentials"));
    assert_true(gush_span_eq_str(out[1].value, "true"));
    assert_int_equal(fields_for(cors, "https://a.example.com", "null", out), 2);
    assert_int_equal(fields_for(cors, "https://a.example.com", "", out), 2);
    assert_int_equal(fields_for(cors, "https://a.example.com", "X-A, x-b", out), 3);
    assert_true(gush_span_eq_str(out[2].name, "Access-Control-Allow-Headers"));
    assert_true(gush_span_eq_str(out[2].value, "X-A, x-b"));
    gush_cors_free(cors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_checked),
        cmocka_unit_test(origins),
        cmocka_unit_test(monstrous_origins_are_refused),
        cmocka_unit_test(response_fields),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
