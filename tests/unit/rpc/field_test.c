#include <stddef.h>
#include <string.h>

#include "server/rpc/field.h"

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

/* How many fields |message| has, or -1 when it is broken. */
static int count(struct gush_span message)
{
    struct gush_cursor in = gush_cursor_over(message);
    struct gush_rpc_field field;
    int n = 0;

    while (gush_rpc_field_next(&in, &field))
        n++;
    return gush_rpc_field_end(&in) == GUSH_OK ? n : -1;
}

static void what_is_broken_is_said_to_be(void **state)
{
    static const struct gush_span broken[] = {
        GUSH_SPAN_INIT("\x0a"),                                     /* no length */
        GUSH_SPAN_INIT("\x0a\x03yz"),                               /* longer than the rest */
        GUSH_SPAN_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff"), /* endless length */
        GUSH_SPAN_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        GUSH_SPAN_INIT("\x08"),             /* no value */
        GUSH_SPAN_INIT("\x08\x80"),         /* half a value */
        GUSH_SPAN_INIT("\x0d\x01\x02\x03"), /* three of four bytes */
        GUSH_SPAN_INIT("\x09\x01\x02\x03\x04\x05\x06\x07"),
        GUSH_SPAN_INIT("\x0b"),                     /* groups */
        GUSH_SPAN_INIT("\x0b\x0c"),                 /* groups */
        GUSH_SPAN_INIT("\x0e\x01"),                 /* wire types that do not exist */
        GUSH_SPAN_INIT("\x0f\x01"),                 /* wire types that do not exist */
        GUSH_SPAN_INIT("\x00\x01"),                 /* field 0 */
        GUSH_SPAN_INIT("\x80\x80\x80\x80\x10\x01"), /* field 2^29 */
        GUSH_SPAN_INIT("\x08\x01\x0a"),             /* a good one before */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_int_equal(count(broken[i]), -1);
}

static void fields_come_one_after_the_other(void **state)
{
    struct gush_cursor in = gush_cursor_over(GUSH_SPAN_LIT("\x0a\x02yz\x10\x96\x01\x1a\x00"
                                                           "\x25"
                                                           "4444\x29"
                                                           "88888888\xf8\xff\xff\xff\x0f\x05"));
    struct gush_rpc_field f;

    (void)state;
    assert_true(gush_rpc_field_next(&in, &f));
    assert_true(f.number == 1 && f.is_bytes && gush_span_eq_str(f.bytes, "yz"));
    assert_true(gush_rpc_field_next(&in, &f));
    assert_true(f.number == 2 && !f.is_bytes && f.value == 150 && f.bytes.n == 0);
    assert_true(gush_rpc_field_next(&in, &f));
    assert_true(f.number == 3 && f.is_bytes && f.bytes.n == 0);
    assert_true(gush_rpc_field_next(&in, &f));
    assert_true(f.number == 4 && !f.is_bytes);
    assert_true(gush_rpc_field_next(&in, &f));
    assert_true(f.number == 5 && !f.is_bytes);
    assert_true(gush_rpc_field_next(&in, &f));
    assert_true(f.number == (1u << 29) - 1 && f.value == 5);
    assert_false(gush_rpc_field_next(&in, &f));
    assert_false(gush_rpc_field_next(&in, &f));
    assert_int_equal(gush_rpc_field_end(&in), GUSH_OK);
    assert_int_equal(count(GUSH_SPAN_EMPTY), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_broken_is_said_to_be),
        cmocka_unit_test(fields_come_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
