/* json_write: limits of the buffer, and the bytes of each rule. */
#include "server/codec/json_scan.h"
#include "server/codec/json_write.h"

#include "tests/unit/codec/unit.h"

static void a_full_buffer_fails_and_stays_failed(void **state)
{
    struct gush_buf b;

    (void)state;
    for (size_t limit = 0; limit < 8; limit++) {
        gush_buf_init(&b, limit);
        gush_json_write_string(&b, GUSH_SPAN_LIT("a<"));
        assert_false(gush_buf_ok(&b));
        assert_true(b.n <= limit);
        gush_buf_fini(&b);
    }
    gush_buf_init(&b, 9);
    gush_json_write_string(&b, GUSH_SPAN_LIT("a<"));
    assert_true(gush_buf_ok(&b));
    assert_true(gush_span_eq_str(gush_buf_span(&b), "\"a\\u003c\""));
    gush_buf_fini(&b);
}

/* Whatever goes in, a valid JSON string comes out, and reading it gives the text back. */
static void every_pair_of_bytes_makes_a_valid_string(void **state)
{
    struct gush_buf b, back;
    uint8_t in[2];

    (void)state;
    gush_buf_init(&b, 64);
    gush_buf_init(&back, 64);
    for (unsigned i = 0; i < 0x10000; i++) {
        in[0] = (uint8_t)(i >> 8);
        in[1] = (uint8_t)i;
        gush_buf_reset(&b);
        gush_json_write_string(&b, gush_span_of(in, 2));
        assert_true(gush_json_valid(gush_buf_span(&b)));
        if (in[0] >= 0x80 || in[1] >= 0x80)
            continue;
        gush_buf_reset(&back);
        gush_json_unescape(gush_buf_span(&b), &back);
        assert_true(gush_span_eq(gush_buf_span(&back), gush_span_of(in, 2)));
    }
    gush_buf_fini(&b);
    gush_buf_fini(&back);
}

static void raw_loses_its_lf_and_nothing_else(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {{"", ""},         {"\n", ""},           {"\n\n\n", ""},
                 {"a", "a"},       {"\na", "a"},         {"a\n", "a"},
                 {"a\n\nb", "ab"}, {"\r\t\n ", "\r\t "}, {"<\\n>", "<\\n>"}};
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 64);
    gush_json_write_raw(&b, GUSH_SPAN_EMPTY);
    assert_int_equal(b.n, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gush_buf_reset(&b);
        gush_json_write_raw(&b, gush_span_str(cases[i].in));
        assert_true(gush_span_eq_str(gush_buf_span(&b), cases[i].out));
    }
    gush_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_buffer_fails_and_stays_failed),
        cmocka_unit_test(every_pair_of_bytes_makes_a_valid_string),
        cmocka_unit_test(raw_loses_its_lf_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
