#include "server/base/text.h"

#include "tests/unit/base/unit.h"

static void rejects(struct gush_span s)
{
    assert_false(gush_utf8_valid(s));
    assert_int_equal(gush_utf8_sequence(s), 0);
}

static void what_is_not_utf8(void **state)
{
    (void)state;
    rejects(GUSH_SPAN_LIT("\x80"));
    rejects(GUSH_SPAN_LIT("\xbf"));
    rejects(GUSH_SPAN_LIT("\xc0\x80")); /* overlong NUL */
    rejects(GUSH_SPAN_LIT("\xc1\xbf"));
    rejects(GUSH_SPAN_LIT("\xe0\x9f\xbf"));     /* overlong */
    rejects(GUSH_SPAN_LIT("\xf0\x8f\xbf\xbf")); /* overlong */
    rejects(GUSH_SPAN_LIT("\xed\xa0\x80"));     /* surrogate */
    rejects(GUSH_SPAN_LIT("\xed\xbf\xbf"));
    rejects(GUSH_SPAN_LIT("\xf4\x90\x80\x80")); /* above U+10FFFF */
    rejects(GUSH_SPAN_LIT("\xf5\x80\x80\x80"));
    rejects(GUSH_SPAN_LIT("\xff"));
    rejects(GUSH_SPAN_LIT("\xc3("));
    rejects(GUSH_SPAN_LIT("\xe2\x82("));
    rejects(GUSH_SPAN_LIT("\xf0\x9f\x98("));
    assert_int_equal(gush_utf8_sequence(GUSH_SPAN_EMPTY), 0);
}

static void truncated_at_every_byte(void **state)
{
    static const char text[] = "\xf0\x9f\x98\x80";

    (void)state;
    for (size_t n = 1; n < 4; n++)
        rejects(gush_span_of(text, n));
    assert_int_equal(gush_utf8_sequence(gush_span_of(text, 4)), 4);
}

static void every_rune_round_trips(void **state)
{
    (void)state;
    for (uint32_t rune = 0; rune <= 0x10ffff; rune++) {
        uint8_t out[4];
        size_t n = gush_utf8_put(rune, out);
        bool surrogate = rune >= 0xd800 && rune <= 0xdfff;

        assert_int_equal(gush_utf8_sequence(gush_span_of(out, n)), surrogate ? 0 : n);
    }
}

/* A bad byte at each place of a text that is longer than the fast path's step. */
static void one_bad_byte_anywhere(void **state)
{
    char text[40];

    (void)state;
    assert_true(gush_utf8_valid(GUSH_SPAN_EMPTY));
    for (size_t n = 1; n <= sizeof(text); n++) {
        memset(text, 'a', sizeof(text));
        assert_true(gush_utf8_valid(gush_span_of(text, n)));
        for (size_t i = 0; i < n; i++) {
            text[i] = (char)0xe9;
            assert_false(gush_utf8_valid(gush_span_of(text, n)));
            text[i] = 'a';
        }
    }
    assert_true(gush_utf8_valid(GUSH_SPAN_LIT("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80 text")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_utf8),
        cmocka_unit_test(truncated_at_every_byte),
        cmocka_unit_test(every_rune_round_trips),
        cmocka_unit_test(one_bad_byte_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
