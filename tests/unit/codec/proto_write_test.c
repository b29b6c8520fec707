/* proto_write: limits of the buffer, lengths of every width, and what is left out. */
#include "server/base/cursor.h"

#include "server/codec/proto_write.h"

#include "tests/unit/codec/unit.h"

static void a_full_buffer_fails_at_every_limit(void **state)
{
    static const char text[200] = {1};
    size_t whole_n;
    struct gush_buf b;

    (void)state;
    for (size_t limit = 0;; limit++) {
        size_t outer, inner;

        gush_buf_init(&b, limit);
        outer = gush_proto_begin(&b, 1);
        inner = gush_proto_begin(&b, 2);
        gush_proto_bytes(&b, 3, gush_span_of(text, sizeof(text)));
        gush_proto_end(&b, inner);
        gush_proto_end(&b, outer);
        whole_n = b.n;
        assert_true(b.n <= limit);
        gush_buf_fini(&b);
        if (whole_n == 2 * 3 + 3 + sizeof(text))
            break;
        assert_true(limit < 2 * 3 + 3 + sizeof(text));
    }
}

static void varints_read_back(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 16);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int d = -1; d <= 1; d++) {
            uint64_t v = (UINT64_C(1) << bit) + (uint64_t)(int64_t)d;
            struct gush_cursor c;

            gush_buf_reset(&b);
            gush_proto_varint(&b, v);
            c = gush_cursor_over(gush_buf_span(&b));
            assert_true(gush_cursor_varint(&c) == v);
            assert_true(gush_cursor_ok(&c) && gush_cursor_left(&c) == 0);
        }
    }
    gush_buf_fini(&b);
}

static void zero_values_are_left_out(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 64);
    gush_proto_u64(&b, 1, 0);
    gush_proto_sint64(&b, 2, 0);
    gush_proto_bool(&b, 3, false);
    gush_proto_bytes(&b, 4, GUSH_SPAN_EMPTY);
    assert_int_equal(b.n, 0);
    gush_proto_bytes_always(&b, 4, GUSH_SPAN_EMPTY);
    gush_proto_end(&b, gush_proto_begin(&b, 5));
    assert_true(gush_span_eq(gush_buf_span(&b), GUSH_SPAN_LIT("\x22\x00\x2a\x00")));
    gush_buf_fini(&b);
}

static void sint64_is_zigzag(void **state)
{
    static const struct {
        int64_t v;
        uint64_t wire;
    } cases[] = {{-1, 1}, {1, 2}, {-2, 3}, {INT64_MAX, UINT64_MAX - 1}, {INT64_MIN, UINT64_MAX}};
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 16);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gush_cursor c;

        gush_buf_reset(&b);
        gush_proto_sint64(&b, 13, cases[i].v);
        c = gush_cursor_over(gush_buf_span(&b));
        assert_int_equal(gush_cursor_varint(&c), 13 << 3);
        assert_true(gush_cursor_varint(&c) == cases[i].wire);
    }
    gush_buf_fini(&b);
}

static void nested_lengths_of_every_width(void **state)
{
    static const size_t sizes[] = {0, 1, 124, 125, 126, 127, 128, 129, 16380, 16384, 2097152};
    static const uint8_t zeros[2097152];
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 1 << 22);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t outer, inner;
        struct gush_span body;
        struct gush_cursor c;

        gush_buf_reset(&b);
        gush_buf_put_u8(&b, 0x77); /* what stood there before stays */
        outer = gush_proto_begin(&b, 1);
        inner = gush_proto_begin(&b, 100);
        gush_buf_put(&b, zeros, sizes[i]);
        gush_proto_end(&b, inner);
        gush_proto_u64(&b, 2, 9);
        gush_proto_end(&b, outer);

        c = gush_cursor_over(gush_buf_span(&b));
        assert_int_equal(gush_cursor_u8(&c), 0x77);
        assert_int_equal(gush_cursor_varint(&c), 1 << 3 | 2);
        body = gush_cursor_take(&c, gush_cursor_varint(&c));
        assert_true(gush_cursor_ok(&c) && gush_cursor_left(&c) == 0);
        c = gush_cursor_over(body);
        assert_int_equal(gush_cursor_varint(&c), 100 << 3 | 2);
        body = gush_cursor_take(&c, gush_cursor_varint(&c));
        assert_true(gush_cursor_ok(&c));
        assert_int_equal(body.n, sizes[i]);
        assert_memory_equal(body.p ? body.p : zeros, zeros, sizes[i]);
        assert_int_equal(gush_cursor_varint(&c), 2 << 3);
        assert_int_equal(gush_cursor_varint(&c), 9);
        assert_int_equal(gush_cursor_left(&c), 0);
    }
    gush_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_buffer_fails_at_every_limit), cmocka_unit_test(varints_read_back),
        cmocka_unit_test(zero_values_are_left_out),           cmocka_unit_test(sint64_is_zigzag),
        cmocka_unit_test(nested_lengths_of_every_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
