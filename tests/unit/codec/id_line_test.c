/* id_line: the bytes in front of an event. */
#include <stdlib.h>

#include "server/codec/id_line.h"

#include "tests/unit/codec/unit.h"

static void lines_look_like_this(void **state)
{
    uint8_t out[GUSH_ID_LINE_MORE + 3000];
    char id[3000];
    size_t n;

    (void)state;
    n = gush_id_line_write(GUSH_FORM_SSE, GUSH_SPAN_LIT("x.y"), out);
    assert_true(gush_span_eq_str(gush_span_of(out, n), "id: x.y\n"));
    n = gush_id_line_write(GUSH_FORM_SSE_CHUNKED, GUSH_SPAN_LIT("-"), out);
    assert_true(gush_span_eq_str(gush_span_of(out, n), "6\r\nid: -\n\r\n"));
    n = gush_id_line_write(GUSH_FORM_SSE_CHUNKED, GUSH_SPAN_LIT("0123456789a"), out);
    assert_true(gush_span_eq_str(gush_span_of(out, n), "10\r\nid: 0123456789a\n\r\n"));
    memset(id, 'i', sizeof(id));
    for (size_t i = 1; i < sizeof(id); i++) {
        size_t raw = gush_id_line_write(GUSH_FORM_SSE, gush_span_of(id, i), out);

        assert_int_equal(raw, i + 5);
        n = gush_id_line_write(GUSH_FORM_SSE_CHUNKED, gush_span_of(id, i), out);
        assert_int_equal(strtoul((const char *)out, NULL, 16), raw);
        assert_true(n <= i + GUSH_ID_LINE_MORE);
        assert_memory_equal(out + n - 3, "\n\r\n", 3);
    }
}

static void only_event_streams_have_them(void **state)
{
    (void)state;
    for (unsigned form = 0; form < GUSH_FORMS_N; form++)
        assert_int_equal(gush_id_line_in((enum gush_form)form),
                         form == GUSH_FORM_SSE || form == GUSH_FORM_SSE_CHUNKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_look_like_this),
                                       cmocka_unit_test(only_event_streams_have_them)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
