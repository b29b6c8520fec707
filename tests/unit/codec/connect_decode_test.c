/* connect_decode: requests from strangers in both formats. */
#include "server/base/bytes.h"

#include "server/codec/connect_decode.h"
#include "server/codec/proto_write.h"

#include "tests/unit/codec/unit.h"

/* The input lies in an exact heap block as long as the request lives. */
struct decoded {
    struct gush_bytes *in;
    struct gush_connect_request r;
    gush_err err;
};

typedef gush_err decode_fn(struct gush_span in, size_t members_max,
                           struct gush_connect_request *out, const char **why);

static struct decoded decode(decode_fn *fn, struct gush_span in, size_t members_max)
{
    struct decoded d = {.in = gush_bytes_copy(in)};
    const char *why = NULL;

    memset(&d.r, 0xa5, sizeof(d.r)); /* a decoder must not rely on what was there */
    d.err = fn(gush_bytes_span(d.in), members_max, &d.r, &why);
    if (d.err != GUSH_OK) {
        assert_non_null(why);
        assert_null(d.r.memory); /* nothing to give back after a failure */
    }
    return d;
}

static struct decoded json(const char *text)
{
    return decode(gush_connect_decode_json, gush_span_str(text), 100);
}

static void drop(struct decoded *d)
{
    gush_connect_request_fini(&d->r);
    gush_connect_request_fini(&d->r); /* twice is harmless */
    gush_bytes_unref(d->in);
}

static void malformed_json_is_refused(void **state)
{
    static const struct {
        const char *text;
        gush_err err;
    } cases[] = {
        {"", GUSH_ESYNTAX},
        {" ", GUSH_ESYNTAX},
        {"{", GUSH_ESYNTAX},
        {"{}x", GUSH_ESYNTAX},
        {"{}{}", GUSH_ESYNTAX},
        {"[]", GUSH_ETYPE},
        {"1", GUSH_ETYPE},
        {"\"a\"", GUSH_ETYPE},
        {"true", GUSH_ETYPE},
        {"{\"token\":5}", GUSH_ETYPE},
        {"{\"token\":{}}", GUSH_ETYPE},
        {"{\"name\":[]}", GUSH_ETYPE},
        {"{\"version\":1}", GUSH_ETYPE},
        {"{\"flag\":\"1\"}", GUSH_ETYPE},
        {"{\"flag\":1.0}", GUSH_ETYPE},
        {"{\"flag\":9223372036854775808}", GUSH_ERANGE},
        {"{\"profile\":1}", GUSH_ETYPE},
        {"{\"dict\":false}", GUSH_ETYPE},
        {"{\"subs\":[]}", GUSH_ETYPE},
        {"{\"subs\":\"a\"}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":null}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":[]}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":true}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"recover\":1}}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"recover\":\"true\"}}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"epoch\":1}}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"offset\":\"1\"}}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"offset\":1.0}}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"offset\":-1}}}", GUSH_ERANGE},
        {"{\"subs\":{\"a\":{\"offset\":18446744073709551616}}}", GUSH_ERANGE},
        {"{\"subs\":{\"a\":{\"delta\":true}}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"tf\":[]}}}", GUSH_ETYPE},
        {"{\"subs\":{\"a\":{\"type\":2147483648}}}", GUSH_ERANGE},
        {"{\"headers\":{\"a\":1}}", GUSH_ETYPE},
        {"{\"headers\":[]}", GUSH_ETYPE},
        {"{\"token\":\"\xff\"}", GUSH_EUTF8},
        {"{\"subs\":{\"\xff\":{}}}", GUSH_EUTF8},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decoded d = json(cases[i].text);
        if (d.err != cases[i].err)
            fail_msg("%s: %s", cases[i].text, gush_err_text(d.err));
        drop(&d);
    }
}

static void every_truncation_is_refused(void **state)
{
    static const char text[] = "{\"token\":\"t\\u00e9\",\"data\":{\"a\":[1]},\"subs\":{\"c\":"
                               "{\"recover\":true,\"offset\":7,\"epoch\":\"E\"}},\"headers\":"
                               "{\"h\":\"v\"}}";

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        struct decoded d = decode(gush_connect_decode_json, gush_span_of(text, i), 100);
        assert_int_equal(d.err == GUSH_OK, i == sizeof(text) - 1);
        drop(&d);
    }
}

static void members_and_depth_are_bounded(void **state)
{
    struct gush_buf b;
    struct decoded d;

    (void)state;
    gush_buf_init(&b, 8 << 20);
    gush_buf_put_str(&b, "{\"subs\":{");
    for (unsigned i = 0; i < 100000; i++)
        gush_buf_printf(&b, "%s\"ch:%u\":{}", i ? "," : "", i);
    gush_buf_put_str(&b, "}}");
    d = decode(gush_connect_decode_json, gush_buf_span(&b), GUSH_CONNECT_MEMBERS_MAX);
    assert_int_equal(d.err, GUSH_ELIMIT);
    drop(&d);
    d = decode(gush_connect_decode_json, gush_buf_span(&b), 100001);
    assert_int_equal(d.err, GUSH_OK);
    assert_int_equal(d.r.subs_n, 100000);
    drop(&d);
    d = decode(gush_connect_decode_json, gush_buf_span(&b), 100000);
    assert_int_equal(d.err, GUSH_ELIMIT);
    drop(&d);

    for (size_t levels = 31; levels <= 32; levels++) { /* the request itself is a level */
        gush_buf_reset(&b);
        gush_buf_put_str(&b, "{\"unknown\":");
        for (size_t i = 0; i < levels; i++)
            gush_buf_put_u8(&b, '[');
        for (size_t i = 0; i < levels; i++)
            gush_buf_put_u8(&b, ']');
        gush_buf_put_u8(&b, '}');
        d = decode(gush_connect_decode_json, gush_buf_span(&b), 100);
        assert_int_equal(d.err, levels == 31 ? GUSH_OK : GUSH_EDEPTH);
        drop(&d);
    }
    gush_buf_fini(&b);
}

/* Each of these has exactly four members, wherever they are. */
static void members_count_on_every_level(void **state)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}",
        "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}",
        "{\"a\":[1,[],{}]}",
        "{\"a\":[ [ ] , \"x,\\\"[\" , { } ] }",
        "{\"subs\":{\"c\":{\"recover\":true}},\"x\":{}}",
        "{\"data\":[1,2,3,4,5,6],\"a\":1,\"b\":2,\"c\":3}",
        "{\"DATA\":{\"x\":[[[1]]]},\"a\":{\"b\":[0]}}",
        "{\"headers\":{\"a\":\"1\",\"b\":\"{\",\"c\":\"[,\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct decoded d = decode(gush_connect_decode_json, gush_span_str(texts[i]), 4);
        if (d.err != GUSH_OK)
            fail_msg("%s: %s", texts[i], gush_err_text(d.err));
        drop(&d);
        d = decode(gush_connect_decode_json, gush_span_str(texts[i]), 3);
        if (d.err != GUSH_ELIMIT)
            fail_msg("%s: %s", texts[i], gush_err_text(d.err));
        drop(&d);
    }
}

static void empty_requests(void **state)
{
    static const char *const texts[] = {
        "{}",
        " null\r\n",
        "{\"id\":1,\"connect\":{\"token\":\"x\"}}", /* a command: all of it unknown */
        "{\"token\":null,\"subs\":null,\"headers\":null,\"name\":null,\"flag\":null}",
        "{\"subs\":{},\"headers\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct decoded d = json(texts[i]);
        assert_int_equal(d.err, GUSH_OK);
        assert_int_equal(d.r.token.n + d.r.data.n + d.r.name.n + d.r.version.n, 0);
        assert_int_equal(d.r.subs_n + d.r.headers_n, 0);
        drop(&d);
    }
}

static void every_member_is_read(void **state)
{
    struct decoded d =
        json("{\"Token\":\"a\\u002eb\",\"data\":{ \"x\":\"\\u0041\" },\"NAME\":\"js\","
             "\"ver\\u0073ion\":\"1.2\",\"subs\":{\"b:\\u0031\":{\"recover\":true,"
             "\"offset\":18446744073709551615,\"epoch\":\"E\\n\",\"delta\":"
             "\"fossil\",\"data\":[1],\"tf\":{},\"extra\":[]},\"a\":{\"recover\":"
             "false,\"offset\":null}},\"headers\":{\"h2\":null,\"h1\":\"v\"}}");

    (void)state;
    assert_int_equal(d.err, GUSH_OK);
    assert_true(gush_span_eq_str(d.r.token, "a.b"));
    assert_true(gush_span_eq_str(d.r.data, "{ \"x\":\"\\u0041\" }")); /* as it was */
    assert_true(gush_span_eq_str(d.r.name, "js"));
    assert_true(gush_span_eq_str(d.r.version, "1.2"));
    assert_int_equal(d.r.subs_n, 2);
    assert_true(gush_span_eq_str(d.r.subs[0].channel, "a"));
    assert_false(d.r.subs[0].recover);
    assert_true(gush_span_eq_str(d.r.subs[1].channel, "b:1"));
    assert_true(d.r.subs[1].recover);
    assert_true(d.r.subs[1].offset == UINT64_MAX);
    assert_true(gush_span_eq_str(d.r.subs[1].epoch, "E\n"));
    assert_true(gush_span_eq_str(d.r.subs[1].delta, "fossil"));
    assert_int_equal(d.r.headers_n, 2);
    assert_true(gush_span_eq_str(d.r.headers[0].name, "h1"));
    assert_true(gush_span_eq_str(d.r.headers[0].value, "v"));
    assert_true(gush_span_eq_str(d.r.headers[1].name, "h2"));
    assert_int_equal(d.r.headers[1].value.n, 0);
    drop(&d);

    d = json("{\"data\":null}");
    assert_true(gush_span_eq_str(d.r.data, "null"));
    drop(&d);
}

static void the_last_of_equal_names_counts(void **state)
{
    struct decoded d = json("{\"token\":\"1\",\"TOKEN\":\"2\",\"subs\":{\"old\":{}},\"subs\":"
                            "{\"c\":{\"offset\":1},\"\":{\"offset\":8},\"\\u0063\":{\"offset\":2},"
                            "\"b\":{},\"\":{\"offset\":9},\"c\":{\"offset\":3}},"
                            "\"headers\":{\"h\":\"1\",\"h\":\"2\"}}");

    (void)state;
    assert_int_equal(d.err, GUSH_OK);
    assert_true(gush_span_eq_str(d.r.token, "2"));
    assert_int_equal(d.r.subs_n, 3);
    assert_int_equal(d.r.subs[0].channel.n, 0);
    assert_true(d.r.subs[0].offset == 9);
    assert_true(gush_span_eq_str(d.r.subs[1].channel, "b"));
    assert_true(gush_span_eq_str(d.r.subs[2].channel, "c"));
    assert_true(d.r.subs[2].offset == 3);
    assert_int_equal(d.r.headers_n, 1);
    assert_true(gush_span_eq_str(d.r.headers[0].value, "2"));
    drop(&d);
}

/* ---- protobuf */

static struct decoded proto(struct gush_span in)
{
    return decode(gush_connect_decode_proto, in, 100);
}

static void malformed_proto_is_refused(void **state)
{
    static const struct {
        struct gush_span in;
        gush_err err;
    } cases[] = {
        {{(const uint8_t *)"\x0a", 1}, GUSH_ESYNTAX},
        {{(const uint8_t *)"\x0a\x01\xff", 3}, GUSH_EUTF8},
        {{(const uint8_t *)"\x08\x01", 2}, GUSH_ESYNTAX},
        {{(const uint8_t *)"\x1a\x02\x12\x05", 4}, GUSH_ESYNTAX},
        {{(const uint8_t *)"\x0b\x0c", 2}, GUSH_ESYNTAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decoded d = proto(cases[i].in);
        assert_int_equal(d.err, cases[i].err);
        drop(&d);
    }
}

static void put_sub(struct gush_buf *b, struct gush_span channel, uint64_t offset)
{
    size_t entry = gush_proto_begin(b, 3), value;

    gush_proto_bytes(b, 1, channel);
    value = gush_proto_begin(b, 2);
    gush_proto_bool(b, 3, true);
    gush_proto_bytes(b, 6, GUSH_SPAN_LIT("E"));
    gush_proto_u64(b, 7, offset);
    gush_proto_bytes(b, 12, GUSH_SPAN_LIT("fossil"));
    gush_proto_end(b, value);
    gush_proto_end(b, entry);
}

static void put_request(struct gush_buf *b)
{
    size_t entry;

    gush_proto_bytes(b, 1, GUSH_SPAN_LIT("tok"));
    gush_proto_bytes(b, 2, GUSH_SPAN_LIT("\xff\0\xfe"));
    put_sub(b, GUSH_SPAN_LIT("b"), 1);
    put_sub(b, GUSH_SPAN_EMPTY, 2);
    put_sub(b, GUSH_SPAN_LIT("a"), 3);
    put_sub(b, GUSH_SPAN_EMPTY, 4);
    put_sub(b, GUSH_SPAN_LIT("b"), 5);
    gush_proto_bytes(b, 4, GUSH_SPAN_LIT("go"));
    gush_proto_bytes(b, 5, GUSH_SPAN_LIT("1.2"));
    entry = gush_proto_begin(b, 6);
    gush_proto_bytes_always(b, 1, GUSH_SPAN_LIT("h"));
    gush_proto_bytes_always(b, 2, GUSH_SPAN_LIT("v"));
    gush_proto_end(b, entry);
    gush_proto_u64(b, 7, 1);
    gush_proto_bytes(b, 100, GUSH_SPAN_LIT("unknown"));
}

static void every_field_is_read(void **state)
{
    struct gush_buf b;
    struct decoded d;

    (void)state;
    gush_buf_init(&b, 4096);
    put_request(&b);
    d = proto(gush_buf_span(&b));
    assert_int_equal(d.err, GUSH_OK);
    assert_true(gush_span_eq_str(d.r.token, "tok"));
    assert_true(gush_span_eq(d.r.data, GUSH_SPAN_LIT("\xff\0\xfe")));
    assert_true(gush_span_eq_str(d.r.name, "go"));
    assert_true(gush_span_eq_str(d.r.version, "1.2"));
    assert_int_equal(d.r.subs_n, 3);
    assert_int_equal(d.r.subs[0].channel.n, 0);
    assert_true(d.r.subs[0].offset == 4);
    assert_true(gush_span_eq_str(d.r.subs[1].channel, "a"));
    assert_true(d.r.subs[1].offset == 3);
    assert_true(gush_span_eq_str(d.r.subs[2].channel, "b"));
    assert_true(d.r.subs[2].recover);
    assert_true(d.r.subs[2].offset == 5);
    assert_true(gush_span_eq_str(d.r.subs[2].epoch, "E"));
    assert_true(gush_span_eq_str(d.r.subs[2].delta, "fossil"));
    assert_int_equal(d.r.headers_n, 1);
    assert_true(gush_span_eq_str(d.r.headers[0].name, "h"));
    assert_true(gush_span_eq_str(d.r.headers[0].value, "v"));
    drop(&d);

    for (size_t i = 0; i < b.n; i++) { /* cut anywhere: an error or a shorter request */
        d = proto(gush_span_of(b.p, i));
        assert_true(d.r.subs_n <= 3);
        drop(&d);
    }
    gush_buf_fini(&b);
}

static void the_empty_message_is_the_empty_request(void **state)
{
    struct decoded d = proto(GUSH_SPAN_EMPTY);

    (void)state;
    assert_int_equal(d.err, GUSH_OK);
    assert_int_equal(d.r.subs_n + d.r.headers_n + d.r.token.n, 0);
    drop(&d);
    d = decode(gush_connect_decode_proto, GUSH_SPAN_LIT("\x1a\x00"), 1); /* an entry of nothing */
    assert_int_equal(d.err, GUSH_OK);
    assert_int_equal(d.r.subs_n, 1);
    drop(&d);
}

static void hundred_thousand_subs_in_proto_are_too_many(void **state)
{
    struct gush_buf b;
    struct decoded d;

    (void)state;
    gush_buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < 100000; i++)
        gush_buf_put(&b, "\x1a\x00", 2);
    d = decode(gush_connect_decode_proto, gush_buf_span(&b), GUSH_CONNECT_MEMBERS_MAX);
    assert_int_equal(d.err, GUSH_ELIMIT);
    drop(&d);
    gush_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_json_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(members_and_depth_are_bounded),
        cmocka_unit_test(members_count_on_every_level),
        cmocka_unit_test(empty_requests),
        cmocka_unit_test(every_member_is_read),
        cmocka_unit_test(the_last_of_equal_names_counts),
        cmocka_unit_test(malformed_proto_is_refused),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(the_empty_message_is_the_empty_request),
        cmocka_unit_test(hundred_thousand_subs_in_proto_are_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
