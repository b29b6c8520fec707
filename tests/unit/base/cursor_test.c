#include "server/base/cursor.h"

#include "tests/unit/base/unit.h"

static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88,
                                0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x98};

static void read_all(struct gush_cursor *c)
{
    gush_cursor_u8(c);
    gush_cursor_be16(c);
    gush_cursor_be32(c);
    gush_cursor_u8(c);
    gush_cursor_le64(c);
}

static void truncated_at_every_byte(void **state)
{
    (void)state;
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct gush_cursor c = gush_cursor_over(gush_span_of(bytes, n));

        read_all(&c);
        assert_int_equal(c.err, n == sizeof(bytes) ? GUSH_OK : GUSH_EMORE);
        assert_int_equal(gush_cursor_left(&c), 0);
        assert_int_equal(gush_cursor_u8(&c), 0);
        assert_int_equal(c.err, GUSH_EMORE);
    }
}

static void both_orders(void **state)
{
    struct gush_cursor c = gush_cursor_over(gush_span_of(bytes, sizeof(bytes)));

    (void)state;
    assert_int_equal(gush_cursor_be64(&c), 0x0102030405060788);
    assert_true(gush_cursor_le64(&c) == 0x9817161514131211);
    c = gush_cursor_over(gush_span_of(bytes, sizeof(bytes)));
    assert_int_equal(gush_cursor_peek(&c), 1);
    assert_int_equal(gush_cursor_u8(&c), 1);
    assert_int_equal(gush_cursor_be16(&c), 0x0203);
    assert_int_equal(gush_cursor_be32(&c), 0x04050607);
    assert_int_equal(gush_cursor_le32(&c), 0x13121188);
    assert_span(gush_cursor_take(&c, 2), "\x14\x15");
    assert_true(gush_cursor_ok(&c));
}

static void the_first_failure_stays(void **state)
{
    struct gush_cursor c = gush_cursor_over(GUSH_SPAN_LIT("abc"));

    (void)state;
    gush_cursor_fail(&c, GUSH_ESYNTAX);
    gush_cursor_fail(&c, GUSH_ELIMIT);
    gush_cursor_u8(&c);
    assert_int_equal(c.err, GUSH_ESYNTAX);
    assert_int_equal(gush_cursor_left(&c), 0);
}

static void take_never_passes_the_end(void **state)
{
    struct gush_cursor c = gush_cursor_over(GUSH_SPAN_LIT("abc"));

    (void)state;
    assert_span(gush_cursor_take(&c, 0), "");
    assert_true(gush_cursor_ok(&c));
    assert_span(gush_cursor_take(&c, UINT64_MAX), "");
    assert_int_equal(c.err, GUSH_EMORE);
    c = gush_cursor_over(GUSH_SPAN_EMPTY);
    assert_span(gush_cursor_take(&c, 0), "");
    assert_int_equal(gush_cursor_peek(&c), -1);
    assert_true(gush_cursor_ok(&c));
}

static struct gush_cursor varint(struct gush_span s, uint64_t *out)
{
    struct gush_cursor c = gush_cursor_over(s);

    *out = gush_cursor_varint(&c);
    return c;
}

static void varints_over_64_bits(void **state)
{
    uint64_t v;

    (void)state;
    assert_int_equal(varint(GUSH_SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), &v).err,
                     GUSH_ERANGE);
    assert_int_equal(varint(GUSH_SPAN_LIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), &v).err,
                     GUSH_ERANGE);
    assert_int_equal(varint(GUSH_SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81"), &v).err,
                     GUSH_ERANGE);
}

static void varints(void **state)
{
    static const char max[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    uint64_t v;

    (void)state;
    for (size_t n = 0; n < 10; n++)
        assert_int_equal(varint(gush_span_of(max, n), &v).err, GUSH_EMORE);
    assert_int_equal(varint(gush_span_of(max, 10), &v).err, GUSH_OK);
    assert_true(v == UINT64_MAX);
    assert_int_equal(varint(GUSH_SPAN_LIT("\x00"), &v).err, GUSH_OK);
    assert_int_equal(v, 0);
    assert_int_equal(varint(GUSH_SPAN_LIT("\xac\x02rest"), &v).err, GUSH_OK);
    assert_int_equal(v, 300);
    assert_int_equal(varint(GUSH_SPAN_LIT("\x80\x00"), &v).err, GUSH_OK); /* longer than needed */
    assert_int_equal(v, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_at_every_byte), cmocka_unit_test(both_orders),
        cmocka_unit_test(the_first_failure_stays), cmocka_unit_test(take_never_passes_the_end),
        cmocka_unit_test(varints_over_64_bits),    cmocka_unit_test(varints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
