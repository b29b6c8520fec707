/* The PROXY header: what is refused, what is skipped, and that cuts change nothing. */
#include "server/net/proxy.h"

#include "tests/unit/net/unit.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2(rest)  GUSH_SPAN_LIT(SIGNATURE rest)

static gush_err parse(struct gush_span in, struct gush_proxy *out)
{
    const char *why = NULL;
    /* In memory of its own size, for the sanitizer. */
    uint8_t *copy = malloc(in.n + 1);
    gush_err err;

    memcpy(copy, in.p, in.n);
    err = gush_proxy_parse(gush_span_of(copy, in.n), out, &why);
    free(copy);
    assert_true((why == NULL) == (err == GUSH_OK || err == GUSH_EMORE));
    return err;
}

static void put(uint8_t *at, struct gush_span bytes)
{
    memcpy(at, bytes.p, bytes.n);
}

static void refuse(struct gush_span in, gush_err want)
{
    struct gush_proxy out;
    gush_err err = GUSH_EMORE;

    if (parse(in, &out) != want)
        fail_msg("'%.*s' is not refused as it should", (int)in.n, (const char *)in.p);
    for (size_t n = 0; n <= in.n && err == GUSH_EMORE; n++)
        err = parse(gush_span_of(in.p, n), &out);
    assert_int_equal(err, want);
}

static void refuse_line(const char *text)
{
    refuse(gush_span_str(text), GUSH_ESYNTAX);
}

/* Whatever follows the header is not looked at, and the header is known at its last byte. */
static struct gush_proxy accept(struct gush_span in)
{
    struct gush_proxy out = {0}, again = {0};
    uint8_t *more = malloc(in.n + 100);

    for (size_t n = 0; n < in.n; n++)
        assert_int_equal(parse(gush_span_of(in.p, n), &out), GUSH_EMORE);
    assert_int_equal(out.n, 0);
    assert_int_equal(parse(in, &out), GUSH_OK);
    assert_int_equal(out.n, in.n);
    memcpy(more, in.p, in.n);
    memset(more + in.n, '\r', 100);
    assert_int_equal(parse(gush_span_of(more, in.n + 100), &again), GUSH_OK);
    assert_int_equal(again.n, out.n);
    free(more);
    return out;
}

static void names(struct gush_proxy proxy, const char *want)
{
    char text[GUSH_PEER_TEXT_MAX];

    assert_true(proxy.named);
    gush_peer_format(&proxy.peer, text);
    assert_string_equal(text, want);
}

/* ---- version 1 ------------------------------------------------------------------------------ */

static void lines_that_are_refused(void **state)
{
    (void)state;
    refuse_line("GET / HTTP/1.1\r\n");
    refuse_line("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n");
    refuse_line("PROXY\r\n");
    refuse_line("PROXY \r\n");
    refuse_line("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n");
    refuse_line("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r \n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8\r1 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 1 2\r\n");
    refuse_line("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n");
    refuse_line("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.x 1 2\r\n");
    refuse_line("PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n");
    refuse_line("PROXY TCP4 ::1 ::2 1 2\r\n");
    refuse_line("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n");
    refuse_line("PROXY TCP6 ::1 5.6.7.8 1 2\r\n");
    refuse_line("PROXY TCP6 ::1%lo ::2 1 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 4294967297 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n");
    refuse_line("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n");
    refuse_line("PROXY UNKNOWN2\r\n");
    refuse(GUSH_SPAN_LIT("PROXY TCP4\0 1.2.3.4 5.6.7.8 1 2\r\n"), GUSH_ESYNTAX);
    refuse(GUSH_SPAN_LIT("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"), GUSH_ESYNTAX);
}

static void a_line_has_107_bytes_at_most(void **state)
{
    uint8_t line[200];

    (void)state;
    memset(line, 'x', sizeof(line));
    put(line, GUSH_SPAN_LIT("PROXY UNKNOWN "));
    refuse(gush_span_of(line, 107), GUSH_ELIMIT);
    refuse(gush_span_of(line, 200), GUSH_ELIMIT);
    put(line + 106, GUSH_SPAN_LIT("\r\n"));
    refuse(gush_span_of(line, 108), GUSH_ELIMIT);
    put(line + 105, GUSH_SPAN_LIT("\r\n"));
    assert_false(accept(gush_span_of(line, 107)).named);
}

static void lines(void **state)
{
    (void)state;
    names(accept(GUSH_SPAN_LIT("PROXY TCP4 1.2.3.4 5.6.7.8 1 65535\r\n")), "1.2.3.4:1");
    names(accept(GUSH_SPAN_LIT("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n")),
          "255.255.255.255:65535");
    names(accept(GUSH_SPAN_LIT("PROXY TCP6 2001:db8::1 ::1 80 443\r\n")), "[2001:db8::1]:80");
    names(accept(GUSH_SPAN_LIT("PROXY TCP6 ::ffff:1.2.3.4 ::1 80 443\r\n")), "1.2.3.4:80");
    names(accept(GUSH_SPAN_LIT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n")),
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    assert_false(accept(GUSH_SPAN_LIT("PROXY UNKNOWN\r\n")).named);
    assert_false(accept(GUSH_SPAN_LIT("PROXY UNKNOWN 1.2.3.4 or whatever\r\n")).named);
}

/* ---- version 2 ------------------------------------------------------------------------------ */

static void binaries_that_are_refused(void **state)
{
    (void)state;
    refuse(GUSH_SPAN_LIT("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c"), GUSH_ESYNTAX);
    refuse(GUSH_SPAN_LIT("\r\n\r\n\r\n"), GUSH_ESYNTAX);
    refuse(V2("\x11\x11\0\x0c"), GUSH_ESYNTAX);
    refuse(V2("\x31\x11\0\x0c"), GUSH_ESYNTAX);
    refuse(V2("\x22\x11\0\x0c"), GUSH_ESYNTAX);
    refuse(V2("\x21\x12\0\x0c"), GUSH_ESYNTAX); /* UDP */
    refuse(V2("\x21\x41\0\x0c"), GUSH_ESYNTAX);
    refuse(V2("\x21\x10\0\x0c"), GUSH_ESYNTAX);
    refuse(V2("\x21\x11\0\x0b"
              "\1\2\3\4\5\6\7\x8\0\x50\1"),
           GUSH_ESYNTAX);
    refuse(V2("\x21\x11\0\0"), GUSH_ESYNTAX);
    refuse(V2("\x21\x21\0\x0c"
              "\1\2\3\4\5\6\7\x8\0\x50\1\1"),
           GUSH_ESYNTAX);
    refuse(V2("\x21\x31\0\x01"
              "x"),
           GUSH_ESYNTAX);
}

static void binaries_are_bounded(void **state)
{
    uint8_t in[GUSH_PROXY_MAX] = SIGNATURE "\x21\x11";

    (void)state;
    refuse(V2("\x21\x11\x02\x19"), GUSH_ELIMIT); /* 537 */
    refuse(V2("\x20\x00\xff\xff"), GUSH_ELIMIT);
    in[14] = 2;
    in[15] = 0x18;
    put(in + 16, GUSH_SPAN_LIT("\x7f\0\0\x01\x7f\0\0\x02\x12\x34\0\x50"));
    names(accept(gush_span_of(in, sizeof(in))), "127.0.0.1:4660");
}

static void binaries(void **state)
{
    uint8_t in[16 + 216] = SIGNATURE "\x21\x31\0\xd8/a/socket";

    (void)state;
    names(accept(V2("\x21\x11\0\x0c"
                    "\1\2\3\4\5\6\7\x8\0\x50\1\1")),
          "1.2.3.4:80");
    names(accept(V2("\x21\x11\0\x0f" /* a field behind it */
                    "\1\2\3\4\5\6\7\x8\0\x50\1\1\x04\0\0")),
          "1.2.3.4:80");
    names(accept(V2("\x21\x21\0\x24\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x1f\x90\1\xbb")),
          "[2001:db8::1]:8080");
    names(accept(V2("\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\x9\x8\x7\x6"
                    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x1f\x90\1\xbb")),
          "9.8.7.6:8080");
    names(accept(gush_span_of(in, sizeof(in))), "unknown");
    assert_false(accept(V2("\x20\x00\0\0")).named);
    assert_false(accept(V2("\x20\x11\0\x0c" /* LOCAL: the addresses mean nothing */
                           "\1\2\3\4\5\6\7\x8\0\x50\1\1"))
                     .named);
    assert_false(accept(V2("\x20\xff\0\x01x")).named);
    assert_false(accept(V2("\x21\x00\0\0")).named);
    assert_false(accept(V2("\x21\x00\0\x03\1\2\3")).named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_are_refused),
        cmocka_unit_test(a_line_has_107_bytes_at_most),
        cmocka_unit_test(lines),
        cmocka_unit_test(binaries_that_are_refused),
        cmocka_unit_test(binaries_are_bounded),
        cmocka_unit_test(binaries),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
