/* json_scan: negatives first. Inputs lie in exact heap blocks: ASan sees one byte too far. */
#include "server/base/bytes.h"

#include "server/codec/json_scan.h"

#include "tests/unit/codec/unit.h"

static bool valid(const char *text, size_t n)
{
    struct gush_bytes *b = gush_bytes_copy(gush_span_of(text, n));
    bool ok = gush_json_valid(gush_bytes_span(b));

    gush_bytes_unref(b);
    return ok;
}

static bool taken(const char *text)
{
    return valid(text, strlen(text));
}

static gush_err scan_err(const char *text)
{
    struct gush_json_scan s;
    struct gush_json_value v;

    gush_json_scan_init(&s, gush_span_str(text));
    while (gush_json_next(&s, &v))
        ;
    return s.err;
}

static void invalid_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{,}",
        "{\"a\" 1}",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\t\"",
        "'a'",
        "tru",
        "truex",
        "nul",
        "fals",
        "TRUE",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "1 2",
        "{}{}",
        "[1]]",
        "\xef\xbb\xbf{}",
        "[1}",
        "{\"a\":1]",
        "/**/1",
        "\"a\"b",
        "1a",
        "--1",
        "[\"a\" : 1]",
        "{\"a\":1 \"b\":2}",
        "\v1",
        "1\f",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (taken(texts[i]))
            fail_msg("taken as valid: %s", texts[i]);
    }
    assert_false(valid("1\0", 2));
    assert_false(valid("\"\0\"", 3));
}

static void valid_texts_are_taken(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0e-0",
        "1E+2",
        "123456789012345678901234567890",
        "\"\"",
        "\"\\u0000\\ud800\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "[]",
        "{}",
        "[[],{}]",
        "[1,[2,[3]]]",
        "{\"\":{}}",
        "{\"a\":1,\"a\":2}",
        " \t\r\n{ \"a\" : [ 1 , 2 ] } \n",
        "\"\x7f\"",
        "\"\xd0\xbf\xe6\x97\xa5\xf0\x9f\x98\x80\"",
        "\"a string longer than one word of eight\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!taken(texts[i]))
            fail_msg("refused: %s", texts[i]);
    }
}

static void invalid_utf8_is_refused(void **state)
{
    static const char *const texts[] = {
        "\"\x80\"",
        "\"\xff\"",
        "\"\xc3(\"",
        "\"\xc0\x80\"",
        "\"\xe2\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf0\x9f\x98\"",
        "{\"\xff\":1}",
        "\"12345678\xff\"",
        "\"1234567\xc3\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(scan_err(texts[i]), GUSH_EUTF8);
    assert_int_equal(scan_err("\xd0\xbf"), GUSH_ESYNTAX); /* outside strings nothing is text */
}

static void every_truncation_is_refused(void **state)
{
    static const char text[] =
        "{\"a\": [1.5e3, -2, true, null, \"x\\u12ab\\n\xd0\xbf\"], \"\": {}}";
    size_t n = sizeof(text) - 1;

    (void)state;
    assert_true(valid(text, n));
    for (size_t i = 0; i < n; i++)
        assert_false(valid(text, i));
}

/* The fast path reads eight bytes at once: each byte value at each place of a word. */
static void every_byte_at_every_place_of_a_string(void **state)
{
    char text[20];

    (void)state;
    for (size_t at = 1; at <= 16; at++) {
        for (unsigned c = 0; c < 256; c++) {
            bool want = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

            memset(text, 'x', sizeof(text));
            text[0] = text[18] = '"';
            text[at] = (char)c;
            assert_int_equal(valid(text, 19), want);
        }
    }
}

static void depth_is_bounded_by_a_counter(void **state)
{
    static char text[2 * (GUSH_JSON_DEPTH_MAX + 1)];
    size_t n = GUSH_JSON_DEPTH_MAX;

    (void)state;
    memset(text, '[', n);
    memset(text + n, ']', n);
    assert_true(valid(text, 2 * n));
    assert_false(valid(text, 2 * n - 1));
    memset(text, '[', n + 1);
    memset(text + n + 1, ']', n + 1);
    assert_false(valid(text, 2 * n + 2));
    text[n + 1] = '\0';
    assert_int_equal(scan_err(text), GUSH_EDEPTH);
}

static void nesting_remembers_each_bracket(void **state)
{
    (void)state;
    assert_true(taken("[{\"a\":[{\"b\":[[{}]]}]}]"));
    assert_false(taken("[{\"a\":[{\"b\":[[{]]}]}]}"));
    /* Nine levels cross a byte of the bit stack; a level reused as the other kind must be new. */
    assert_true(taken("[[[[[[[[{\"a\":1},[2],{\"b\":3}]]]]]]]]"));
    assert_false(taken("[[[[[[[[{\"a\":1},[2},{\"b\":3}]]]]]]]]"));
}

static void next_walks_values_and_says_why_not(void **state)
{
    struct gush_json_scan s;
    struct gush_json_value v;

    (void)state;
    gush_json_scan_init(&s, GUSH_SPAN_LIT(" {\"a\":1}\n[2] tru"));
    assert_true(gush_json_next(&s, &v));
    assert_int_equal(v.type, GUSH_JSON_OBJECT);
    assert_true(gush_span_eq_str(v.raw, "{\"a\":1}"));
    assert_false(gush_json_at_end(&s));
    assert_true(gush_json_next(&s, &v));
    assert_true(gush_span_eq_str(v.raw, "[2]"));
    assert_false(gush_json_next(&s, &v));
    assert_int_equal(s.err, GUSH_ESYNTAX); /* begun and not ended is not "no more" */
    assert_true(s.why[0] != '\0');
    assert_false(gush_json_next(&s, &v)); /* sticky */

    gush_json_scan_init(&s, GUSH_SPAN_LIT("1 "));
    assert_true(gush_json_next(&s, &v));
    assert_true(gush_json_at_end(&s));
    assert_false(gush_json_next(&s, &v));
    assert_int_equal(s.err, GUSH_EMORE);

    gush_json_scan_init(&s, GUSH_SPAN_EMPTY);
    assert_false(gush_json_next(&s, &v));
    assert_int_equal(s.err, GUSH_EMORE);
}

static struct gush_json_value value_of(const char *text)
{
    struct gush_json_scan s;
    struct gush_json_value v = {0};

    gush_json_scan_init(&s, gush_span_str(text));
    assert_true(gush_json_next(&s, &v));
    return v;
}

static void members_come_in_order_with_their_bytes(void **state)
{
    struct gush_json_value v;
    struct gush_span key;
    struct gush_json_iter it = gush_json_members(
        value_of("{ \"a\" : 1 ,\"b\\\"}\":{\"c\":[1,{}],\"d\":\"]}\"},\"\":[ ],\"e\":null}"));

    (void)state;
    assert_true(gush_json_member(&it, &key, &v));
    assert_true(gush_span_eq_str(key, "\"a\"") && gush_span_eq_str(v.raw, "1"));
    assert_int_equal(v.type, GUSH_JSON_NUMBER);
    assert_true(gush_json_member(&it, &key, &v));
    assert_true(gush_span_eq_str(key, "\"b\\\"}\""));
    assert_true(gush_span_eq_str(v.raw, "{\"c\":[1,{}],\"d\":\"]}\"}"));
    assert_true(gush_json_member(&it, &key, &v));
    assert_true(gush_span_eq_str(key, "\"\"") && gush_span_eq_str(v.raw, "[ ]"));
    assert_true(gush_json_member(&it, &key, &v));
    assert_int_equal(v.type, GUSH_JSON_NULL);
    assert_false(gush_json_member(&it, &key, &v));
    it = gush_json_members(value_of("{ }"));
    assert_false(gush_json_member(&it, &key, &v));
}

static void elements_come_in_order(void **state)
{
    static const enum gush_json_type types[] = {GUSH_JSON_NUMBER, GUSH_JSON_STRING, GUSH_JSON_BOOL,
                                                GUSH_JSON_BOOL,   GUSH_JSON_NULL,   GUSH_JSON_ARRAY,
                                                GUSH_JSON_OBJECT};
    struct gush_json_iter it =
        gush_json_elements(value_of("[-1.5e3 ,\"],\", true,false,null,[[]],{\"a\":[]} ]"));
    struct gush_json_value v;
    size_t n = 0;

    (void)state;
    while (gush_json_element(&it, &v)) {
        assert_true(n < COUNT(types));
        assert_int_equal(v.type, types[n++]);
    }
    assert_int_equal(n, COUNT(types));
    it = gush_json_elements(value_of("[]"));
    assert_false(gush_json_element(&it, &v));
}

static void strings_are_unescaped(void **state)
{
    static const struct {
        const char *raw, *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a\\u0041\\u00e9\\u65e5z\"", "aA\xc3\xa9\xe6\x97\xa5z"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80"},
        {"\"\\ud83d\"", "\xef\xbf\xbd"},
        {"\"\\ude00x\"", "\xef\xbf\xbdx"},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\"\\ude00\\ude00\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\\ud83d\\ue000\"", "\xef\xbf\xbd\xee\x80\x80"},
        {"\"\\ud83d\\n\"", "\xef\xbf\xbd\n"},
    };
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 64);
    for (size_t i = 0; i < COUNT(cases); i++) {
        gush_buf_reset(&b);
        gush_json_unescape(gush_span_str(cases[i].raw), &b);
        assert_true(gush_buf_ok(&b));
        assert_true(gush_span_eq_str(gush_buf_span(&b), cases[i].text));
    }
    gush_buf_reset(&b);
    gush_json_unescape(GUSH_SPAN_LIT("\"\\u0000\""), &b);
    assert_true(gush_span_eq(gush_buf_span(&b), gush_span_of("", 1)));
    gush_buf_fini(&b);

    gush_buf_init(&b, 3); /* over the buffer's limit: it says so */
    gush_json_unescape(GUSH_SPAN_LIT("\"abcd\""), &b);
    assert_false(gush_buf_ok(&b));
    gush_buf_fini(&b);
}

static void keys_match_without_case_and_through_escapes(void **state)
{
    (void)state;
    assert_true(gush_json_key_is(GUSH_SPAN_LIT("\"connect\""), "connect"));
    assert_true(gush_json_key_is(GUSH_SPAN_LIT("\"CONNect\""), "connect"));
    assert_true(gush_json_key_is(GUSH_SPAN_LIT("\"sub_\\u0072efresh\""), "sub_refresh"));
    assert_true(gush_json_key_is(GUSH_SPAN_LIT("\"\""), ""));
    assert_false(gush_json_key_is(GUSH_SPAN_LIT("\"connec\""), "connect"));
    assert_false(gush_json_key_is(GUSH_SPAN_LIT("\"connects\""), "connect"));
    assert_false(gush_json_key_is(GUSH_SPAN_LIT("\"\""), "connect"));
    assert_false(gush_json_key_is(GUSH_SPAN_LIT("\"a\\u0000\""), "a"));
    assert_false(gush_json_key_is(GUSH_SPAN_LIT("\"a\\u00e9\""), "a\xc3"));
    assert_false(gush_json_key_is(GUSH_SPAN_LIT("\"sub@refresh\""), "sub`refresh"));
}

static void unsigned_integers(void **state)
{
    static const struct {
        const char *text;
        gush_err err;
        uint64_t v;
    } cases[] = {
        {"\"7\"", GUSH_ETYPE, 0},
        {"true", GUSH_ETYPE, 0},
        {"null", GUSH_ETYPE, 0},
        {"2.0", GUSH_ETYPE, 0},
        {"1e3", GUSH_ETYPE, 0},
        {"-2.0", GUSH_ETYPE, 0},
        {"-1", GUSH_ERANGE, 0},
        {"-0", GUSH_ERANGE, 0},
        {"18446744073709551616", GUSH_ERANGE, 0},
        {"18446744073709551620", GUSH_ERANGE, 0},
        {"99999999999999999999999999", GUSH_ERANGE, 0},
        {"18446744073709551615", GUSH_OK, UINT64_MAX},
        {"18446744073709551609", GUSH_OK, UINT64_MAX - 6},
        {"0", GUSH_OK, 0},
        {"42", GUSH_OK, 42},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t v = 0;
        assert_int_equal(gush_json_u64(value_of(cases[i].text), &v), cases[i].err);
        assert_true(v == cases[i].v);
    }
}

static void signed_integers(void **state)
{
    static const struct {
        const char *text;
        gush_err err;
        int64_t v;
    } cases[] = {
        {"{}", GUSH_ETYPE, 0},
        {"-2.5", GUSH_ETYPE, 0},
        {"9223372036854775808", GUSH_ERANGE, 0},
        {"-9223372036854775809", GUSH_ERANGE, 0},
        {"9223372036854775807", GUSH_OK, INT64_MAX},
        {"-9223372036854775808", GUSH_OK, INT64_MIN},
        {"-0", GUSH_OK, 0},
        {"-42", GUSH_OK, -42},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t v = 0;
        assert_int_equal(gush_json_i64(value_of(cases[i].text), &v), cases[i].err);
        assert_true(v == cases[i].v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invalid_texts_are_refused),
        cmocka_unit_test(valid_texts_are_taken),
        cmocka_unit_test(invalid_utf8_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_byte_at_every_place_of_a_string),
        cmocka_unit_test(depth_is_bounded_by_a_counter),
        cmocka_unit_test(nesting_remembers_each_bracket),
        cmocka_unit_test(next_walks_values_and_says_why_not),
        cmocka_unit_test(members_come_in_order_with_their_bytes),
        cmocka_unit_test(elements_come_in_order),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(keys_match_without_case_and_through_escapes),
        cmocka_unit_test(unsigned_integers),
        cmocka_unit_test(signed_integers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
