#include <stdint.h>
#include <stdlib.h>

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#include "server/rpc_http/wire.h"

static void other_content_types_are_not_grpc(void **state)
{
    static const char *const bad[] = {"",
                                      "application/grp",
                                      "application/grpc+json",
                                      "application/grpc-web",
                                      "application/grpc-web+proto",
                                      "application/grpc+protobuf",
                                      "application/grpcs",
                                      "application/json",
                                      "xapplication/grpc"};
    static const char *const good[] = {"application/grpc", "application/grpc+proto",
                                       "application/grpc;charset=utf-8",
                                       "application/grpc+proto ; a=b", "Application/GRPC"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(gush_rpc_http_wire_type_ok(gush_span_str(bad[i])));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(gush_rpc_http_wire_type_ok(gush_span_str(good[i])));
}

static void timeouts_are_digits_and_a_unit(void **state)
{
    static const char *const bad[] = {"",    "S",   "1",   "1s",   "123456789S", "-1S", "1.5S",
                                      "1 S", " 1S", "1S ", "0x1S", "1SS",        "+1S", "S1"};
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"0S", 0},
                {"1S", 1000},
                {"2M", 120000},
                {"1H", 3600000},
                {"250m", 250},
                {"1u", 1},
                {"1000u", 1},
                {"1001u", 2},
                {"1n", 1},
                {"99999999n", 100},
                {"99999999H", UINT64_C(99999999) * 3600000}};
    uint64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(gush_rpc_http_wire_timeout(gush_span_str(bad[i]), &ms), GUSH_ESYNTAX);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(gush_rpc_http_wire_timeout(gush_span_str(good[i].text), &ms), GUSH_OK);
        assert_int_equal(ms, good[i].ms);
    }
}

static void words_are_found_whole(void **state)
{
    (void)state;
    assert_false(gush_rpc_http_wire_has(GUSH_SPAN_EMPTY, "gzip"));
    assert_false(gush_rpc_http_wire_has(GUSH_SPAN_LIT("gzipped, xgzip"), "gzip"));
    assert_false(gush_rpc_http_wire_has(GUSH_SPAN_LIT(", ,"), "gzip"));
    assert_true(gush_rpc_http_wire_has(GUSH_SPAN_LIT("identity,gzip"), "gzip"));
    assert_true(gush_rpc_http_wire_has(GUSH_SPAN_LIT("identity, \tGZIP , x"), "gzip"));
}

static void expect_metadata(const struct gush_rpc_head *head, const char *key, const char *want)
{
    struct gush_span got = gush_rpc_head_find(head, key);

    if (want == NULL)
        assert_null(got.p);
    else
        assert_true(got.p != NULL && gush_span_eq_str(got, want));
}

static void metadata_is_the_first_value_and_decoded(void **state)
{
    static const struct gush_http_field fields[] = {
        {GUSH_SPAN_INIT("authorization"), GUSH_SPAN_INIT("apikey a")},
        {GUSH_SPAN_INIT("authorization"), GUSH_SPAN_INIT("apikey b")},
        {GUSH_SPAN_INIT("empty"), GUSH_SPAN_INIT("")},
        {GUSH_SPAN_INIT("bad-bin"), GUSH_SPAN_INIT("a*b")},
        {GUSH_SPAN_INIT("short-bin"), GUSH_SPAN_INIT("aGk")},
        {GUSH_SPAN_INIT("padded-bin"), GUSH_SPAN_INIT("aGk=")},
        {GUSH_SPAN_INIT("list-bin"), GUSH_SPAN_INIT("aGV5 ,aGk")},
        {GUSH_SPAN_INIT("none-bin"), GUSH_SPAN_INIT("")},
        {GUSH_SPAN_INIT("-bin"), GUSH_SPAN_INIT("as it is")}};
    struct gush_http_request request = {.fields = fields,
                                        .fields_n = sizeof(fields) / sizeof(fields[0])};
    struct gush_rpc_http_metadata m;
    struct gush_rpc_head head;

    (void)state;
    gush_rpc_http_wire_metadata(&m, &request, &head);
    expect_metadata(&head, "author", NULL);
    expect_metadata(&head, "authorization", "apikey a");
    expect_metadata(&head, "empty", "");
    expect_metadata(&head, "bad-bin", NULL);
    expect_metadata(&head, "short-bin", "hi");
    expect_metadata(&head, "padded-bin", "hi");
    expect_metadata(&head, "list-bin", "hey");
    expect_metadata(&head, "none-bin", "");
    expect_metadata(&head, "-bin", "as it is");
    gush_rpc_http_wire_metadata_fini(&m);
}

static void expect_field(const struct gush_rpc_http_trailers *t, size_t i, const char *name,
                         const char *value)
{
    assert_true(i < t->fields_n);
    assert_true(gush_span_eq_str(t->fields[i].name, name));
    assert_true(gush_span_eq_str(t->fields[i].value, value));
}

static void an_end_is_told_in_fields(void **state)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};
    struct gush_rpc_http_trailers t;

    (void)state;
    gush_rpc_http_wire_trailers(&t, &end);
    assert_int_equal(t.fields_n, 1);
    expect_field(&t, 0, "grpc-status", "0");
    gush_rpc_http_wire_trailers_fini(&t);

    end = (struct gush_rpc_end){GUSH_RPC_UNAUTHENTICATED, GUSH_SPAN_LIT("50% \xc3\xa9\r\n~\x7f"),
                                GUSH_SPAN_LIT("\0\xff\1\2")};
    gush_rpc_http_wire_trailers(&t, &end);
    assert_int_equal(t.fields_n, 3);
    expect_field(&t, 0, "grpc-status", "16");
    expect_field(&t, 1, "grpc-message", "50%25 %C3%A9%0D%0A~%7F");
    expect_field(&t, 2, "grpc-status-details-bin", "AP8BAg");
    gush_rpc_http_wire_trailers_fini(&t);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    static char long_text[3001];
    struct gush_rpc_end end = {.status = GUSH_RPC_INTERNAL};
    struct gush_rpc_http_trailers t;

    (void)state;
    long_text[0] = 'x';
    for (size_t i = 1; i + 1 < sizeof(long_text); i += 2) {
        long_text[i] = '\xc3';
        long_text[i + 1] = '\xa9';
    }
    end.message = gush_span_of(long_text, 3001);
    gush_rpc_http_wire_trailers(&t, &end);
    assert_int_equal(t.fields_n, 2);
    assert_int_equal(t.fields[1].value.n, 1 + 999 * 6);
    gush_rpc_http_wire_trailers_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_content_types_are_not_grpc),
        cmocka_unit_test(timeouts_are_digits_and_a_unit),
        cmocka_unit_test(words_are_found_whole),
        cmocka_unit_test(metadata_is_the_first_value_and_decoded),
        cmocka_unit_test(an_end_is_told_in_fields),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
