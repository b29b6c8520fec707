/* Heads: what is refused matters more than what is read. */
#include "server/base/buf.h"

#include "server/http/h1_head.h"

#include "tests/unit/net/unit.h"

static struct gush_h1_head head;

struct verdict {
    gush_err err;
    unsigned status; /* 0 for a head whose end was not found */
    const char *why;
};

/* As the connection does it: find the end, then read. Each call works on a copy of exactly the
 * right size, so that the sanitizer sees a byte read too many. */
static struct verdict read_head_n(const char *bytes, size_t n)
{
    static uint8_t *copy;
    struct verdict v = {GUSH_OK, 0, NULL};
    size_t looked = 0, head_n = 0;

    free(copy);
    copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    v.err = gush_h1_head_end(gush_span_of(copy, n), &looked, &head_n, &v.why);
    if (v.err)
        return v;
    assert_true(head_n <= n);
    v.err = gush_h1_head_parse(gush_span_of(copy, head_n), &head, &v.status, &v.why);
    return v;
}

static struct verdict read_head(const char *bytes)
{
    return read_head_n(bytes, strlen(bytes));
}

static void span_is(struct gush_span s, const char *text)
{
    if (!gush_span_eq_str(s, text))
        fail_msg("'%.*s' is not '%s'", (int)s.n, (const char *)s.p, text);
}

/* Every form in which two parsers in a row have been known to see different requests. */
#define H "Host: a\r\n"
static const struct {
    const char *bytes;
    unsigned status; /* 0: already where the end is looked for */
} smuggling_forms[] = {
    /* line ends */
    {"GET / HTTP/1.1\n" H "\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\n\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 0},
    {"GET / HTTP/1.1\rHost: a\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nX: a\r\r\n" H "\r\n", 0},
    {"\nGET / HTTP/1.1\r\n" H "\r\n", 0},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 0},
    {"\r\n\r\n\r\n", 0},
    /* request line */
    {" GET / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" H "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
    {"GET /\r\n" H "\r\n", 400},
    {"GET\r\n" H "\r\n", 400},
    {"GET / \r\n" H "\r\n", 400},
    {"GET / http/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1x\r\n" H "\r\n", 400},
    {"GET / HTTP/11\r\n" H "\r\n", 400},
    {"GET / HTTP/1.01\r\n" H "\r\n", 400},
    {"GET / XTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505},
    {"GET / HTTP/1.2\r\n" H "\r\n", 505},
    {"GET / HTTP/0.9\r\n" H "\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"G(T / HTTP/1.1\r\n" H "\r\n", 400},
    {"G\x80T / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET;x / HTTP/1.1\r\n" H "\r\n", 400},
    {"ABCDEFGHIJKLMNOPQRSTUVWXY / HTTP/1.1\r\n" H "\r\n", 400},
    /* target */
    {"GET a HTTP/1.1\r\n" H "\r\n", 400},
    {"GET * HTTP/1.1\r\n" H "\r\n", 400},
    {"GET a.b:80 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a\x7f HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a\tb HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http:// HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http:///x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http://u@h/ HTTP/1.1\r\n" H "\r\n", 400},
    {"GET ftp://h/ HTTP/1.1\r\n" H "\r\n", 400},
    /* header lines */
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X : b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X\t: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\tfolded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H ": empty\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "nocolon\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X(y): b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X y: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\x80: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x0b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", 400},
    /* host */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.0\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\x80\r\n\r\n", 400},
    /* length */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\ncontent-length: 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1a\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1.0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\t\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1 \t \r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: \t\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\t\r\n\r\n", 400},
    {"CONNECT / HTTP/1.1\r\n" H "\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000001\r\n\r\n", 400},
    /* coding */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 501},
    {"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400},
    /* the rest */
    {"POST / HTTP/1.1\r\n" H "Expect: nothing\r\n\r\n", 417},
    {"GET / HTTP/1.1\r\n" H "Connection: a b\r\n\r\n", 400},
};
#undef H

static void smuggling_forms_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(smuggling_forms) / sizeof(smuggling_forms[0]); i++) {
        struct verdict v = read_head(smuggling_forms[i].bytes);
        if (v.err == GUSH_OK || v.err == GUSH_EMORE || v.status != smuggling_forms[i].status ||
            !v.why)
            fail_msg("form %zu, err %d, status %u instead of %u:\n%s", i, v.err, v.status,
                     smuggling_forms[i].status, smuggling_forms[i].bytes);
    }
}

static void nul_is_refused_at_once(void **state)
{
    (void)state;
    assert_int_equal(read_head_n("GET /\0 HTTP/1.1\r\n", 17).err, GUSH_ESYNTAX);
    assert_int_equal(read_head_n("\0", 1).err, GUSH_ESYNTAX);
}

static const char whole[] =
    "POST /a/b?c=d&e HTTP/1.1\r\nHost: example.com:8000\r\nX-One:  two \t\r\n"
    "Content-Length: 12\r\nConnection: x, close\r\nEmpty:\r\n\r\n";

static void reads_everything(void **state)
{
    (void)state;
    assert_int_equal(read_head(whole).err, GUSH_OK);
    span_is(head.method, "POST");
    span_is(head.path, "/a/b");
    span_is(head.query, "c=d&e");
    span_is(head.host, "example.com:8000");
    assert_int_equal(head.version, GUSH_HTTP_1_1);
    assert_int_equal(head.content_length, 12);
    assert_false(head.keep_alive);
    assert_false(head.chunked);
    assert_false(head.expect_continue);
    assert_int_equal(head.fields_n, 5);
    span_is(gush_http_field_find(head.fields, head.fields_n, "x-one", NULL), "two");
    bool found;
    span_is(gush_http_field_find(head.fields, head.fields_n, "EMPTY", &found), "");
    assert_true(found);
    gush_http_field_find(head.fields, head.fields_n, "absent", &found);
    assert_false(found);
}

static void truncated_at_every_byte_is_more(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(whole) - 1; n++)
        assert_int_equal(read_head_n(whole, n).err, GUSH_EMORE);
}

static void one_byte_at_a_time_looks_at_each_once(void **state)
{
    size_t looked = 0, head_n = 0, n = 0;
    gush_err err = GUSH_EMORE;

    (void)state;
    while (err == GUSH_EMORE) {
        assert_true(n < sizeof(whole));
        err = gush_h1_head_end(gush_span_of(whole, ++n), &looked, &head_n, NULL);
        assert_true(looked + 1 >= n); /* a CR waits for its LF, nothing else is looked at again */
    }
    assert_int_equal(err, GUSH_OK);
    assert_int_equal(head_n, sizeof(whole) - 1);
}

static void what_follows_the_head_is_left_alone(void **state)
{
    static const char two[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\n\0GET";
    size_t looked = 0, head_n = 0;

    (void)state;
    assert_int_equal(gush_h1_head_end(gush_span_of(two, sizeof(two)), &looked, &head_n, NULL),
                     GUSH_OK);
    assert_int_equal(head_n, 27);
}

static void one_empty_line_before_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(read_head("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").err, GUSH_OK);
    span_is(head.method, "GET");
}

static void targets(void **state)
{
    static const struct {
        const char *line, *path, *query;
    } cases[] = {
        {"GET / HTTP/1.1", "/", ""},
        {"GET /? HTTP/1.1", "/", ""},
        {"GET /?a?b HTTP/1.1", "/", "a?b"},
        {"GET //x HTTP/1.1", "//x", ""},
        {"GET /%2f{\"a\":1} HTTP/1.1", "/%2f{\"a\":1}", ""},
        {"GET http://h HTTP/1.1", "/", ""},
        {"GET HTTP://h:80/x?y HTTP/1.1", "/x", "y"},
        {"GET https://h?y HTTP/1.1", "/", "y"},
        {"OPTIONS * HTTP/1.1", "*", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[128];
        snprintf(bytes, sizeof(bytes), "%s\r\nHost: h\r\n\r\n", cases[i].line);
        assert_int_equal(read_head(bytes).err, GUSH_OK);
        span_is(head.path, cases[i].path);
        span_is(head.query, cases[i].query);
    }
}

static void who_keeps_the_connection(void **state)
{
    static const struct {
        const char *version, *connection;
        bool keep;
    } cases[] = {
        {"HTTP/1.1", "", true},
        {"HTTP/1.1", "Connection: close\r\n", false},
        {"HTTP/1.1", "Connection: Keep-Alive\r\n", true},
        {"HTTP/1.1", "Connection: keep-alive, CLOSE\r\n", false},
        {"HTTP/1.1", "Connection: keep-alive\r\nConnection: ,close ,\r\n", false},
        {"HTTP/1.1", "Connection: closed\r\n", true},
        {"HTTP/1.0", "", false},
        {"HTTP/1.0", "Connection: keep-alive\r\n", true},
        {"HTTP/1.0", "Connection: keep-alive, close\r\n", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[160];
        snprintf(bytes, sizeof(bytes), "GET / %s\r\nHost: h\r\n%s\r\n", cases[i].version,
                 cases[i].connection);
        assert_int_equal(read_head(bytes).err, GUSH_OK);
        assert_int_equal(head.keep_alive, cases[i].keep);
    }
}

static void host_may_be_missing_in_1_0(void **state)
{
    (void)state;
    assert_int_equal(read_head("GET / HTTP/1.0\r\n\r\n").err, GUSH_OK);
    assert_int_equal(head.version, GUSH_HTTP_1_0);
    assert_int_equal(read_head("GET / HTTP/1.1\r\nHost:\r\n\r\n").err, GUSH_OK);
    assert_int_equal(read_head("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").err, GUSH_OK);
}

static void bodies_and_expectations(void **state)
{
    (void)state;
    assert_int_equal(
        read_head("POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING:\tChunked \r\n\r\n").err,
        GUSH_OK);
    assert_true(head.chunked);
    assert_int_equal(
        read_head(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 007\r\n\r\n")
            .err,
        GUSH_OK);
    assert_true(head.expect_continue);
    assert_int_equal(head.content_length, 7);
    assert_int_equal(read_head("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").err, GUSH_OK);
    assert_false(head.expect_continue);
}

static void field_limit(void **state)
{
    struct gush_buf b;

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        gush_buf_init(&b, 65536);
        gush_buf_put_str(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < GUSH_H1_FIELDS_MAX + extra; i++)
            gush_buf_printf(&b, "X%d: y\r\n", i);
        gush_buf_put_str(&b, "\r\n");
        struct verdict v = read_head_n((const char *)b.p, b.n);
        assert_int_equal(v.err, extra ? GUSH_ELIMIT : GUSH_OK);
        if (extra)
            assert_int_equal(v.status, 431);
        else
            assert_int_equal(head.fields_n, GUSH_H1_FIELDS_MAX);
        gush_buf_fini(&b);
    }
}

static void every_byte_in_every_place_is_survived(void **state)
{
    char bytes[sizeof(whole)];

    (void)state;
    for (size_t at = 0; at < sizeof(whole) - 1; at++) {
        for (int c = 0; c < 256; c++) {
            memcpy(bytes, whole, sizeof(whole));
            bytes[at] = (char)c;
            struct verdict v = read_head_n(bytes, sizeof(whole) - 1);
            /* What is accepted is a head with one of each of what must be unique. */
            if (v.err == GUSH_OK)
                assert_true(head.host.n == 0 || head.host.p[0] > ' ');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smuggling_forms_are_refused),
        cmocka_unit_test(nul_is_refused_at_once),
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(truncated_at_every_byte_is_more),
        cmocka_unit_test(one_byte_at_a_time_looks_at_each_once),
        cmocka_unit_test(what_follows_the_head_is_left_alone),
        cmocka_unit_test(one_empty_line_before_is_allowed),
        cmocka_unit_test(targets),
        cmocka_unit_test(who_keeps_the_connection),
        cmocka_unit_test(host_may_be_missing_in_1_0),
        cmocka_unit_test(bodies_and_expectations),
        cmocka_unit_test(field_limit),
        cmocka_unit_test(every_byte_in_every_place_is_survived),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
