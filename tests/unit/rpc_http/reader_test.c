#include <stdint.h>
#include <stdlib.h>

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#include "server/rpc_http/reader.h"

#define MAX 100

static struct gush_rpc_http_reader r;

static gush_err take(struct gush_span *in, struct gush_rpc_http_message *message)
{
    return gush_rpc_http_reader_take(&r, in, message);
}

/* The whole of |bytes| is taken without making a message. */
static void expect_more(struct gush_span bytes)
{
    struct gush_rpc_http_message message;

    assert_int_equal(take(&bytes, &message), GUSH_EAGAIN);
    assert_int_equal(bytes.n, 0);
}

static void expect_message(struct gush_span *in, struct gush_span want, bool packed)
{
    struct gush_rpc_http_message message;

    assert_int_equal(take(in, &message), GUSH_OK);
    assert_true(gush_span_eq(message.bytes, want));
    assert_int_equal(message.packed, packed);
    assert_false(gush_rpc_http_reader_amid(&r));
}

static int up(void **state)
{
    (void)state;
    gush_rpc_http_reader_init(&r, MAX);
    return 0;
}

static int down(void **state)
{
    (void)state;
    gush_rpc_http_reader_fini(&r);
    return 0;
}

static void a_claim_over_the_limit_is_refused_before_its_first_byte(void **state)
{
    static const struct gush_span claims[] = {GUSH_SPAN_INIT("\0\0\0\0\x65"),
                                              GUSH_SPAN_INIT("\0\xff\xff\xff\xff"),
                                              GUSH_SPAN_INIT("\1\0\0\1\0")};

    (void)state;
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        struct gush_rpc_http_message message;
        struct gush_span in = claims[i];

        gush_rpc_http_reader_init(&r, MAX);
        assert_int_equal(take(&in, &message), GUSH_ELIMIT);
        assert_null(r.body.p);
        gush_rpc_http_reader_fini(&r);
    }
}

static void a_flag_that_is_none_is_refused(void **state)
{
    (void)state;
    for (unsigned flag = 2; flag < 256; flag++) {
        uint8_t bytes[] = {(uint8_t)flag, 0, 0, 0, 0};
        struct gush_span in = gush_span_of(bytes, sizeof(bytes));
        struct gush_rpc_http_message message;

        gush_rpc_http_reader_init(&r, MAX);
        assert_int_equal(take(&in, &message), GUSH_ESYNTAX);
        gush_rpc_http_reader_fini(&r);
    }
}

static void nothing_and_halves_are_no_message(void **state)
{
    static const char bytes[] = "\0\0\0\0\3ab";

    (void)state;
    expect_more(GUSH_SPAN_EMPTY);
    assert_false(gush_rpc_http_reader_amid(&r));
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        expect_more(gush_span_of(bytes + i, 1));
        expect_more(GUSH_SPAN_EMPTY);
        assert_true(gush_rpc_http_reader_amid(&r));
    }
}

static void a_claim_takes_no_more_room_than_what_came(void **state)
{
    uint8_t prefix[GUSH_RPC_HTTP_PREFIX_N];

    (void)state;
    gush_rpc_http_reader_fini(&r);
    gush_rpc_http_reader_init(&r, (size_t)1 << 30);
    gush_rpc_http_reader_prefix(prefix, false, (size_t)1 << 30);
    expect_more(gush_span_of(prefix, sizeof(prefix)));
    expect_more(GUSH_SPAN_LIT("abc"));
    assert_true(r.body.cap < 1024);
}

static void messages_come_out_however_they_are_cut(void **state)
{
    static const char all[] = "\0\0\0\0\5hello"
                              "\1\0\0\0\0"
                              "\0\0\0\0\0"
                              "\1\0\0\0\3abc";
    static const struct gush_span want[] = {GUSH_SPAN_INIT("hello"), GUSH_SPAN_INIT(""),
                                            GUSH_SPAN_INIT(""), GUSH_SPAN_INIT("abc")};
    size_t all_n = sizeof(all) - 1;

    (void)state;
    for (size_t step = 1; step <= all_n; step++) {
        size_t got = 0;

        for (size_t at = 0; at < all_n; at += step) {
            struct gush_span in = gush_span_of(all + at, step < all_n - at ? step : all_n - at);
            struct gush_rpc_http_message message;

            while (take(&in, &message) == GUSH_OK) {
                assert_true(gush_span_eq(message.bytes, want[got]));
                assert_int_equal(message.packed, got % 2);
                got++;
            }
            assert_int_equal(in.n, 0);
        }
        assert_int_equal(got, 4);
        assert_false(gush_rpc_http_reader_amid(&r));
    }
}

static void the_largest_message_fits(void **state)
{
    uint8_t bytes[GUSH_RPC_HTTP_PREFIX_N + MAX] = {0};
    struct gush_span in = gush_span_of(bytes, sizeof(bytes));

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    gush_rpc_http_reader_prefix(bytes, true, MAX);
    expect_message(&in, gush_span_of(bytes + GUSH_RPC_HTTP_PREFIX_N, MAX), true);
}

static void what_follows_a_message_stays(void **state)
{
    struct gush_span in = GUSH_SPAN_LIT("\0\0\0\0\1xyz");

    (void)state;
    expect_message(&in, GUSH_SPAN_LIT("x"), false);
    assert_true(gush_span_eq_str(in, "yz"));
}

#define WITH_READER(test) cmocka_unit_test_setup_teardown(test, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_over_the_limit_is_refused_before_its_first_byte),
        cmocka_unit_test(a_flag_that_is_none_is_refused),
        WITH_READER(nothing_and_halves_are_no_message),
        WITH_READER(a_claim_takes_no_more_room_than_what_came),
        WITH_READER(messages_come_out_however_they_are_cut),
        WITH_READER(the_largest_message_fits),
        WITH_READER(what_follows_a_message_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
