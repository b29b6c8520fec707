#include "server/http/h2_frames.h"

#include "tests/unit/net/unit.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static const uint8_t said[] =
    PREFACE "\0\0\6\4\0\0\0\0\0"
            "abcdef" /* SETTINGS */
            "\0\0\5\2\0\0\0\0\3"
            "\x80\0\0\1\x10" /* PRIORITY of 3, on 1, exclusively */
            "\0\0\4\2\0\0\0\0\3"
            "\0\0\0\1"             /* PRIORITY of a wrong length */
            "\0\0\0\0\1\x80\0\0\5" /* DATA, empty, with the bit that is reserved */
            "\0\0\3\x77\xff\1\2\3\4"
            "xyz"; /* whatever */

static const struct gush_h2_frame expected[] = {
    {.length = 6, .type = GUSH_H2_SETTINGS},
    {.length = 5, .type = GUSH_H2_PRIORITY, .stream = 3, .depends_on = 1},
    {.length = 4, .type = GUSH_H2_PRIORITY, .stream = 3},
    {.type = GUSH_H2_DATA, .flags = GUSH_H2_FRAME_END_STREAM, .stream = 5},
    {.length = 3, .type = 0x77, .flags = 0xff, .stream = 0x01020304},
};

#define SAID_N     (sizeof(said) - 1)
#define EXPECTED_N (sizeof(expected) / sizeof(expected[0]))

static void expect(const struct gush_h2_frame *got, size_t at)
{
    const struct gush_h2_frame *wanted = &expected[at];

    assert_true(at < EXPECTED_N);
    assert_int_equal(got->length, wanted->length);
    assert_int_equal(got->type, wanted->type);
    assert_int_equal(got->flags, wanted->flags);
    assert_int_equal(got->stream, wanted->stream);
    assert_int_equal(got->depends_on, wanted->depends_on);
}

/* However it is cut into pieces. */
static void finds_them_all(void **state)
{
    (void)state;
    for (size_t step = 1; step <= SAID_N; step++) {
        struct gush_h2_frames f;
        struct gush_h2_frame frame;
        size_t found = 0;

        gush_h2_frames_init(&f);
        for (size_t at = 0; at < SAID_N; at += step) {
            size_t n = SAID_N - at < step ? SAID_N - at : step;
            struct gush_span bytes = gush_span_of(said + at, n);
            while (gush_h2_frames_next(&f, &bytes, &frame))
                expect(&frame, found++);
            assert_int_equal(bytes.n, 0);
        }
        assert_int_equal(found, EXPECTED_N);
    }
}

/* A frame is told with the last byte that its verdict needs, and not later. */
static void tells_as_soon_as_it_can(void **state)
{
    static const size_t ends[] = {24 + 9, 24 + 15 + 13, 24 + 15 + 14 + 9, 24 + 15 + 14 + 13 + 9,
                                  24 + 15 + 14 + 13 + 9 + 9};
    struct gush_h2_frames f;
    struct gush_h2_frame frame;
    struct gush_span bytes = gush_span_of(said, SAID_N);

    (void)state;
    gush_h2_frames_init(&f);
    for (size_t i = 0; i < EXPECTED_N; i++) {
        assert_true(gush_h2_frames_next(&f, &bytes, &frame));
        assert_int_equal(bytes.p - said, ends[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_them_all),
        cmocka_unit_test(tells_as_soon_as_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
