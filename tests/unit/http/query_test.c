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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed),
        cmocka_unit_test(found_or_not),
        cmocka_unit_test(decoded),
        cmocka_unit_test(nul_and_high_bytes),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
