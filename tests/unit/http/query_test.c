#include "server/http/query.h"

#include "tests/unit/net/unit.h"

static void query_is(const char *query, gush_err err, bool found, const char *value)
{
    struct gush_buf out;
    bool there;

    gush_buf_init(&out, 20);
    assert_int_equal(gush_query_find(gush_span_str(query), "k", &out, &there), err);
    assert_int_equal(there, found);
    if (err == GUSH_OK && !gush_span_eq_str(gush_buf_span(&out), value))
        fail_msg("%s: '%.*s'", query, (int)out.n, (const char *)out.p);
    gush_buf_fini(&out);
}

static void malformed(void **state)
{
    static const char *const bad[] = {"k=%",   "k=%1",   "k=a%4",  "k=%g0",
                                      "k=%0g", "k=%%20", "a=b&k=%"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        query_is(bad[i], GUSH_ESYNTAX, true, NULL);
    query_is("a=%&k=1", GUSH_OK, true, "1"); /* others' values are their own affair */
}

static void found_or_not(void **state)
{
    (void)state;
    query_is("", GUSH_OK, false, "");
    query_is("&&", GUSH_OK, false, "");
    query_is("kk=1&ak=2&K=3&=4", GUSH_OK, false, "");
    query_is("k", GUSH_OK, true, "");
    query_is("k=", GUSH_OK, true, "");
    query_is("a&k=1&k=2", GUSH_OK, true, "1");
    query_is("&a=k&k=b=c&", GUSH_OK, true, "b=c");
    query_is("k;a=1", GUSH_OK, false, "");
    query_is("k=1;a=2", GUSH_OK, true, "1;a=2");
    /* names are encoded, too; one that cannot be decoded is nobody's */
    query_is("%6B=1", GUSH_OK, true, "1");
    query_is("k%=1&%6=2&k%00=3&%6b%6b=4&k+=5", GUSH_OK, false, "");
}

static void decoded(void **state)
{
    (void)state;
    query_is("k=%7B%22a%22:+1%7d", GUSH_OK, true, "{\"a\": 1}");
    query_is("k=%2B%25%26", GUSH_OK, true, "+%&");
    query_is("k=01234567890123456789", GUSH_OK, true, "01234567890123456789");
    query_is("k=012345678901234567890", GUSH_ELIMIT, true, NULL);
}

static void nul_and_high_bytes(void **state)
{
    struct gush_buf out;
    bool found;

    (void)state;
    gush_buf_init(&out, 20);
    assert_int_equal(gush_query_find(GUSH_SPAN_LIT("k=%00%ff"), "k", &out, &found), GUSH_OK);
    assert_int_equal(out.n, 2);
    assert_memory_equal(out.p, "\0\xff", 2);
    gush_buf_fini(&out);
}

static void pairs_one_by_one(void **state)
{
    static const struct {
        const char *name, *value;
    } expected[] = {{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "=f"}};
    struct gush_span query = gush_span_str("&&a=1&b&c=&=d&&e==f&");
    struct gush_query_pair pair;

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(gush_query_next(&query, &pair));
        assert_true(gush_span_eq_str(pair.name, expected[i].name));
        assert_true(gush_span_eq_str(pair.value, expected[i].value));
    }
    assert_false(gush_query_next(&query, &pair));
    query = GUSH_SPAN_EMPTY;
    assert_false(gush_query_next(&query, &pair));
}

static void form_is(const char *type, const char *query, const char *body, const char *value)
{
    struct gush_http_field field = {GUSH_SPAN_LIT("Content-Type"), gush_span_str(type)};
    struct gush_http_request request = {
        .query = gush_span_str(query), .fields = &field, .fields_n = type ? 1 : 0};
    struct gush_buf out;
    bool found;

    gush_buf_init(&out, 20);
    assert_int_equal(gush_query_find_form(&request, gush_span_str(body), "k", &out, &found),
                     GUSH_OK);
    assert_int_equal(found, value != NULL);
    assert_true(gush_span_eq_str(gush_buf_span(&out), value ? value : ""));
    gush_buf_fini(&out);
}

static void forms(void **state)
{
    static const char type[] = "application/x-www-form-urlencoded";

    (void)state;
    form_is(NULL, "", "k=1", NULL);
    form_is("application/json", "", "k=1", NULL);
    form_is("application/x-www-form-urlencodedx", "", "k=1", NULL);
    form_is("multipart/form-data; boundary=k", "k=2", "k=1", "2");
    form_is(type, "", "a=1", NULL);
    form_is(type, "k=2", "a=1", "2");
    form_is(type, "k=2", "k=%31", "1");
    form_is(type, "k=2", "k", ""); /* there, and empty */
    form_is("Application/X-WWW-Form-Urlencoded ; charset=utf-8", "", "k=a+b", "a b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed),        cmocka_unit_test(found_or_not),
        cmocka_unit_test(decoded),          cmocka_unit_test(nul_and_high_bytes),
        cmocka_unit_test(pairs_one_by_one), cmocka_unit_test(forms),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
