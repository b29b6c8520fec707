#include <zlib.h>

#include "server/http/gzip.h"

#include "tests/unit/net/unit.h"

#define BIG_MAX (GUSH_GZIP_BODY_MAX + 1)

static uint8_t *big;

/* ---- what is accepted ----------------------------------------------------------------------- */

static bool accepts(const char *first, const char *second)
{
    struct gush_http_field fields[3] = {
        {GUSH_SPAN_LIT("Accept"), GUSH_SPAN_LIT("gzip")},
        {GUSH_SPAN_LIT("accept-Encoding"), gush_span_str(first)},
        {GUSH_SPAN_LIT("Accept-Encoding"), gush_span_str(second)},
    };
    struct gush_http_request request = {.fields = fields, .fields_n = first ? second ? 3 : 2 : 1};
    return gush_gzip_accepted(&request);
}

static void not_accepted(void **state)
{
    static const char *const no[] = {
        "", ",", "deflate", "gzi", "gzipp", "identity", "br, deflate;q=1", "gzip;q=0",
        "gzip;q=0.000", "gzip; q=0, *", "*;q=0", "identity, gzip;q=0.9", "identity;q=0.5, *;q=0.4",
        /* not readable */
        "gzip;q", "gzip;q=", "gzip;q=2", "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=-1", "gzip;q=.5",
        "gzip;q=0,5", "gzip;level=9", "gzip, br;q=x"};

    (void)state;
    assert_false(accepts(NULL, NULL));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (accepts(no[i], NULL))
            fail_msg("accepted: %s", no[i]);
    }
    assert_false(accepts("br", "gzip;q=0"));
}

static void accepted(void **state)
{
    static const char *const yes[] = {"gzip",
                                      "GZip",
                                      "x-gzip",
                                      "gzip, deflate, br, zstd",
                                      "br,gzip",
                                      " br ,\tgzip ; q=0.001 ",
                                      "gzip;Q=1.000",
                                      "gzip;q=1.",
                                      "*",
                                      "*;q=0.1",
                                      "identity;q=0, *",
                                      "identity;q=0.5, gzip;q=0.5",
                                      "*;q=0, gzip",
                                      ",,gzip,,"};

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (!accepts(yes[i], NULL))
            fail_msg("not accepted: %s", yes[i]);
    }
    assert_true(accepts("br", "gzip"));
}

/* ---- packing -------------------------------------------------------------------------------- */

static void fill(size_t n, bool noise)
{
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        big[i] = noise ? (uint8_t)x : (uint8_t)("{\"data\":\"row\"}"[i % 14] + (x % 97 == 0));
    }
}

static void unpacks_to(struct gush_span packed, struct gush_span body)
{
    uint8_t *out = malloc(body.n + 1);
    z_stream z = {0};

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    memcpy(&z.next_in, &packed.p, sizeof(packed.p));
    z.avail_in = (uInt)packed.n;
    z.next_out = out;
    z.avail_out = (uInt)body.n + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, body.n);
    assert_int_equal(z.avail_in, 0);
    assert_memory_equal(out, body.p, body.n);
    inflateEnd(&z);
    free(out);
}

static struct gush_span field(const struct gush_gzip *z, const char *name)
{
    return gush_http_field_find(z->response.fields, z->response.fields_n, name, NULL);
}

static const struct gush_http_field type = {GUSH_SPAN_INIT("Content-Type"), GUSH_SPAN_INIT("a/b")};

static struct gush_http_response response_of(size_t n)
{
    return (struct gush_http_response){.status = 200,
                                       .fields = &type,
                                       .fields_n = 1,
                                       .body = gush_span_of(big, n),
                                       .compress = true};
}

static void goes_as_it_is(const struct gush_http_response *r, bool accepted_too, bool vary)
{
    struct gush_gzip z;

    gush_gzip_response(&z, accepted_too, r);
    assert_ptr_equal(z.response.body.p, r->body.p);
    assert_int_equal(z.response.body.n, r->body.n);
    assert_int_equal(z.response.status, r->status);
    assert_int_equal(field(&z, "content-encoding").n, 0);
    assert_int_equal(field(&z, "vary").n != 0, vary);
    assert_int_equal(z.response.fields_n, r->fields_n + vary);
    gush_gzip_done(&z);
}

static void left_as_they_are(void **state)
{
    struct gush_http_field many[GUSH_GZIP_FIELDS_MAX - 1];
    struct gush_http_response r;

    (void)state;
    fill(BIG_MAX, false);
    r = response_of(GUSH_GZIP_BODY_MIN - 1);
    goes_as_it_is(&r, true, false);
    r = response_of(0);
    goes_as_it_is(&r, true, false);
    r = response_of(GUSH_GZIP_BODY_MAX + 1);
    goes_as_it_is(&r, true, false);
    r = response_of(GUSH_GZIP_BODY_MIN);
    goes_as_it_is(&r, false, true);
    r.compress = false;
    goes_as_it_is(&r, true, false);
    for (size_t i = 0; i < GUSH_GZIP_FIELDS_MAX - 1; i++)
        many[i] = type;
    r = response_of(GUSH_GZIP_BODY_MIN);
    r.fields = many;
    r.fields_n = GUSH_GZIP_FIELDS_MAX - 1;
    goes_as_it_is(&r, true, false);
}

static void noise_is_not_packed(void **state)
{
    struct gush_http_response r = response_of(100000);

    (void)state;
    fill(100000, true);
    goes_as_it_is(&r, true, true);
}

static void packed(void **state)
{
    static const size_t sizes[] = {GUSH_GZIP_BODY_MIN, 1025, 4095, 4096, 4097, 70000, 500000,
                                   GUSH_GZIP_BODY_MAX};

    (void)state;
    fill(BIG_MAX, false);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct gush_http_response r = response_of(sizes[i]);
        struct gush_gzip z;

        gush_gzip_response(&z, true, &r);
        assert_true(z.response.body.n < sizes[i] / 2);
        assert_true(gush_span_eq_str(field(&z, "content-encoding"), "gzip"));
        assert_true(gush_span_eq_str(field(&z, "vary"), "Accept-Encoding"));
        assert_true(gush_span_eq_str(field(&z, "content-type"), "a/b"));
        assert_int_equal(z.response.fields_n, 3);
        unpacks_to(z.response.body, r.body);
        gush_gzip_done(&z);
    }
}

static int make_room(void **state)
{
    (void)state;
    big = malloc(BIG_MAX);
    return 0;
}

static int give_back(void **state)
{
    (void)state;
    free(big);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_accepted),     cmocka_unit_test(accepted),
        cmocka_unit_test(left_as_they_are), cmocka_unit_test(noise_is_not_packed),
        cmocka_unit_test(packed),
    };
    return UNIT_RUN(tests, make_room, give_back);
}
