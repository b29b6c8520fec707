#include <stddef.h>
#include <string.h>

#include "server/rpc/reflection.h"

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#include "server/base/rng.h"

#include "proto/protoset.h"

#include "server/rpc/field.h"

#define REPLY_MAX ((size_t)1 << 20)

static const char *const names[] = {"a.B", "c.D", NULL};

static int set_up(void **state)
{
    *state = gush_rpc_descriptors_new(gush_span_of(gush_protoset, gush_protoset_n));
    return 0;
}

static int tear_down(void **state)
{
    gush_rpc_descriptors_free(*state);
    return 0;
}

/* The length-delimited field |number| of a message that must be well formed; n 0: not there. */
static struct gush_span member(struct gush_span message, uint32_t number)
{
    struct gush_cursor in = gush_cursor_over(message);
    struct gush_span found = GUSH_SPAN_EMPTY;
    struct gush_rpc_field field;

    while (gush_rpc_field_next(&in, &field)) {
        if (field.number == number && field.is_bytes)
            found = field.bytes;
    }
    assert_int_equal(gush_rpc_field_end(&in), GUSH_OK);
    return found;
}

/* Whatever is asked, either it is refused, or the answer is whole and repeats the question. */
static gush_err ask(const struct gush_rpc_descriptors *d, struct gush_span request)
{
    struct gush_buf reply;
    gush_err err;

    gush_buf_init(&reply, REPLY_MAX);
    err = gush_rpc_reflection_answer(d, names, request, &reply);
    if (err == GUSH_OK)
        assert_true(gush_span_eq(member(gush_buf_span(&reply), 2), request));
    else
        assert_int_equal(reply.n, 0);
    gush_buf_fini(&reply);
    return err;
}

static const struct gush_span requests[] = {
    GUSH_SPAN_INIT("\x0a\x04host\x3a\x01*"),
    GUSH_SPAN_INIT("\x1a\x0fproto/api.proto"),
    GUSH_SPAN_INIT("\x22\x1bgrpc.health.v1.Health.Check"),
    GUSH_SPAN_INIT("\x2a\x0b\x0a\x07some.Tp\x10\x05"),
    GUSH_SPAN_INIT("\x32\x21grpc.health.v1.HealthCheckRequest"),
};

static void truncated_anywhere_it_is_refused_or_another_request(void **state)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        for (size_t n = 0; n <= requests[i].n; n++) {
            gush_err err = ask(*state, gush_span_of(requests[i].p, n));

            assert_true(err == GUSH_OK || err == GUSH_ESYNTAX);
            assert_true(err == GUSH_OK || n < requests[i].n);
        }
    }
}

static void any_byte_may_be_any_other(void **state)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        uint8_t bytes[64];

        for (size_t at = 0; at < requests[i].n; at++) {
            memcpy(bytes, requests[i].p, requests[i].n);
            for (unsigned value = 0; value < 256; value++) {
                bytes[at] = (uint8_t)value;
                (void)ask(*state, gush_span_of(bytes, requests[i].n));
            }
        }
    }
}

static void requests_are_bounded(void **state)
{
    uint8_t long_host[GUSH_RPC_REFLECTION_REQUEST_MAX + 1] = {0x0a, 0xfe, 0x1f};

    memset(long_host + 3, 'h', sizeof(long_host) - 3);
    assert_int_equal(ask(*state, gush_span_of(long_host, sizeof(long_host))), GUSH_ELIMIT);
    long_host[1] = 0xfd;
    assert_int_equal(ask(*state, gush_span_of(long_host, sizeof(long_host) - 1)), GUSH_OK);
}

static void strings_are_utf8(void **state)
{
    assert_int_equal(ask(*state, GUSH_SPAN_LIT("\x0a\x01\xff")), GUSH_ESYNTAX);
    assert_int_equal(ask(*state, GUSH_SPAN_LIT("\x22\x02\xc0\x80")), GUSH_ESYNTAX);
    assert_int_equal(ask(*state, GUSH_SPAN_LIT("\x22\x02\xc3\xa4")), GUSH_OK);
    assert_int_equal(ask(*state, GUSH_SPAN_LIT("\x2a\x03\x0a\x01\xff")), GUSH_ESYNTAX);
    /* also one that a later member of the oneof makes void */
    assert_int_equal(ask(*state, GUSH_SPAN_LIT("\x22\x01\xff\x3a\x00")), GUSH_ESYNTAX);
    assert_int_equal(ask(*state, GUSH_SPAN_LIT("\x2a\x03\x0a\x01\xff\x3a\x00")), GUSH_ESYNTAX);
}

static void the_last_question_counts(void **state)
{
    struct gush_buf reply;
    struct gush_span files;

    gush_buf_init(&reply, REPLY_MAX);
    assert_int_equal(gush_rpc_reflection_answer(
                         *state, names, GUSH_SPAN_LIT("\x3a\x00\x1a\x0fproto/api.proto"), &reply),
                     GUSH_OK);
    files = member(gush_buf_span(&reply), 4);
    assert_true(files.n > 0 && member(gush_buf_span(&reply), 6).n == 0);
    assert_true(gush_span_eq_str(member(member(files, 1), 1), "proto/api.proto"));
    gush_buf_fini(&reply);
}

/* A set of our own: c imports b imports a; names without a package; nesting. */
static void imports_come_along(void **state)
{
    /* file { name "a" message { name "M" enum { name "E" value { name "V" } } } } ... */
    static const uint8_t set[] = "\x0a\x13\x0a\x01"
                                 "a\x22\x0e\x0a\x01M\x22\x09\x0a\x01"
                                 "E\x12\x04\x0a\x02VV"
                                 "\x0a\x06\x0a\x01"
                                 "b\x1a\x01"
                                 "a"
                                 "\x0a\x09\x0a\x01"
                                 "c\x12\x01p\x1a\x01"
                                 "b";
    struct gush_rpc_descriptors *d;

    (void)state;
    d = gush_rpc_descriptors_new(gush_span_of(set, sizeof(set) - 1));
    assert_int_equal(gush_rpc_descriptors_n(d), 3);
    assert_int_equal(gush_rpc_descriptors_get(d, 0)->needs, 1);
    assert_int_equal(gush_rpc_descriptors_get(d, 1)->needs, 3);
    assert_int_equal(gush_rpc_descriptors_find(d, GUSH_SPAN_LIT("c"))->needs, 7);
    assert_null(gush_rpc_descriptors_find(d, GUSH_SPAN_LIT("d")));
    assert_true(gush_rpc_descriptors_is_message(d, GUSH_SPAN_LIT("M")));
    assert_false(gush_rpc_descriptors_is_message(d, GUSH_SPAN_LIT("M.E")));
    /* A value stands beside its enum, not within. */
    assert_non_null(gush_rpc_descriptors_find_symbol(d, GUSH_SPAN_LIT("M.VV")));
    assert_null(gush_rpc_descriptors_find_symbol(d, GUSH_SPAN_LIT("M.E.VV")));
    assert_null(gush_rpc_descriptors_find_symbol(d, GUSH_SPAN_LIT("p")));
    gush_rpc_descriptors_free(d);
}

static void noise_is_survived(void **state)
{
    struct gush_rng rng;
    uint8_t bytes[48];

    gush_rng_seed(&rng, 11);
    for (unsigned i = 0; i < 200000; i++) {
        size_t n = gush_rng_below(&rng, sizeof(bytes));

        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)gush_rng_u64(&rng);
        if (n > 2 && i % 2) {
            bytes[0] = (uint8_t)(0x0a + 8 * gush_rng_below(&rng, 8));
            bytes[1] = (uint8_t)(n - 2);
        }
        (void)ask(*state, gush_span_of(bytes, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_anywhere_it_is_refused_or_another_request),
        cmocka_unit_test(any_byte_may_be_any_other),
        cmocka_unit_test(requests_are_bounded),
        cmocka_unit_test(strings_are_utf8),
        cmocka_unit_test(the_last_question_counts),
        cmocka_unit_test(imports_come_along),
        cmocka_unit_test(noise_is_survived),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
