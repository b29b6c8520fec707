/* Histories: trimming, every way of reading compared with a plain list, versions. */
#include "server/engine/stream.h"

#include "tests/unit/engine/harness.h"

static const struct gush_epoch epoch = {5, "epoch"};

static struct gush_stream *stream(void)
{
    return gush_stream_new(&epoch, 1000);
}

static void append(struct gush_stream *s, int64_t size, uint64_t version, const char *version_epoch)
{
    struct gush_bytes *name = gush_bytes_copy(GUSH_SPAN_LIT("a"));
    struct gush_publication *p =
        gush_publication_new(name, &(struct gush_pub){.data = GUSH_SPAN_LIT("1")});

    gush_stream_append(s, p, size, version, gush_span_str(version_epoch));
    gush_publication_unref(p);
    gush_bytes_unref(name);
}

static void append_n(struct gush_stream *s, int64_t size, unsigned n)
{
    while (n--)
        append(s, size, 0, NULL);
}

static void finish(struct gush_stream *s)
{
    gush_stream_free(s);
    assert_int_equal(gush_publication_live(), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

static void nothing_is_freed_twice(void **state)
{
    (void)state;
    gush_stream_free(NULL);
    struct gush_stream *s = stream();
    gush_stream_clear(s);
    append_n(s, 3, 2);
    gush_stream_clear(s);
    gush_stream_clear(s);
    finish(s);
}

static void a_new_stream_has_nothing(void **state)
{
    struct gush_publication **out;
    struct gush_stream *s = stream();

    (void)state;
    assert_int_equal(s->top, 0);
    for (int has_since = 0; has_since < 2; has_since++)
        for (int reverse = 0; reverse < 2; reverse++)
            for (uint64_t since = 0; since < 3; since++)
                for (int64_t limit = -1; limit < 2; limit++) {
                    out = (void *)s;
                    assert_int_equal(gush_stream_read(s, has_since, since, reverse, limit, &out),
                                     0);
                    assert_null(out);
                }
    finish(s);
}

/* What a reading must yield, from the rules alone: offsets in order, their number. */
static size_t model(const struct gush_stream *s, bool has_since, uint64_t since, bool reverse,
                    int64_t limit, uint64_t *offsets)
{
    uint64_t oldest = s->top - s->n + 1;
    size_t n = 0;

    for (uint64_t i = 0; i < s->n; i++) {
        uint64_t o = reverse ? s->top - i : oldest + i;
        if (limit >= 0 && n == (uint64_t)limit)
            break;
        if (has_since && !reverse && o <= since)
            continue;
        if (has_since && reverse && o >= since)
            continue;
        offsets[n++] = o;
    }
    /* The memory engine finds X-1 in the list or yields nothing. */
    if (has_since && reverse && (since <= oldest || since > s->top + 1))
        n = 0;
    return n;
}

static void compare(const struct gush_stream *s, bool has_since, uint64_t since, bool reverse,
                    int64_t limit)
{
    uint64_t offsets[64] = {0};
    struct gush_publication **out;
    size_t wanted = model(s, has_since, since, reverse, limit, offsets);
    size_t n = gush_stream_read(s, has_since, since, reverse, limit, &out);

    assert_int_equal(n, wanted);
    assert_int_equal(out == NULL, n == 0);
    for (size_t i = 0; out && i < n; i++)
        assert_int_equal(gush_publication_offset(out[i]), offsets[i]);
    gush_stream_release(out, n);
}

static void compare_all(const struct gush_stream *s)
{
    for (int64_t limit = -1; limit <= (int64_t)s->n + 1; limit++) {
        compare(s, false, 0, false, limit);
        compare(s, false, 0, true, limit);
        for (uint64_t since = 0; since <= s->top + 3; since++) {
            compare(s, true, since, false, limit);
            compare(s, true, since, true, limit);
        }
        compare(s, true, UINT64_MAX, false, limit);
        compare(s, true, UINT64_MAX, true, limit);
    }
}

static void every_reading_yields_what_a_plain_list_would(void **state) /* spec: engines 2 */
{
    (void)state;
    for (int64_t size = 1; size <= 9; size++) {
        struct gush_stream *s = stream();
        for (unsigned i = 0; i < 21; i++) {
            append(s, size, 0, NULL);
            assert_int_equal(s->top, i + 1);
            assert_int_equal(s->n, i + 1 < size ? i + 1 : size);
            compare_all(s);
        }
        gush_stream_clear(s);
        assert_int_equal(s->top, 21);
        assert_true(gush_span_eq_str(gush_epoch_span(&s->epoch), "epoch"));
        compare_all(s);
        append(s, size, 0, NULL);
        assert_int_equal(s->top, 22);
        compare_all(s);
        finish(s);
    }
}

static void a_smaller_size_trims_at_the_next_publication(void **state)
{
    struct gush_stream *s = stream();

    (void)state;
    append_n(s, 9, 9);
    append(s, 2, 0, NULL);
    assert_int_equal(s->n, 2);
    compare_all(s);
    append_n(s, 100, 70);
    assert_int_equal(s->n, 72);
    compare(s, false, 0, false, 50);
    compare(s, true, 30, true, -1);
    finish(s);
}

static void what_was_read_outlives_the_stream(void **state)
{
    struct gush_publication **out;
    struct gush_stream *s = stream();

    (void)state;
    append_n(s, 3, 3);
    size_t n = gush_stream_read(s, false, 0, false, -1, &out);
    gush_stream_free(s);
    assert_int_equal(n, 3);
    assert_int_equal(gush_publication_live(), 3);
    assert_int_equal(gush_publication_offset(out[2]), 3);
    gush_stream_release(out, n);
    assert_int_equal(gush_publication_live(), 0);
}

/* ---- versions -------------------------------------------------------------------------------- */

static void versions_at_or_below_the_last_are_stale(void **state) /* spec: server API, publish */
{
    struct gush_stream *s = stream();

    (void)state;
    assert_false(gush_stream_stale_version(s, 0, GUSH_SPAN_EMPTY));
    assert_false(gush_stream_stale_version(s, 1, GUSH_SPAN_EMPTY));
    append(s, 3, 7, NULL);
    assert_false(gush_stream_stale_version(s, 0, GUSH_SPAN_EMPTY));
    assert_true(gush_stream_stale_version(s, 6, GUSH_SPAN_EMPTY));
    assert_true(gush_stream_stale_version(s, 7, GUSH_SPAN_EMPTY));
    assert_false(gush_stream_stale_version(s, 8, GUSH_SPAN_EMPTY));
    assert_false(gush_stream_stale_version(s, 7, GUSH_SPAN_LIT("x")));
    append(s, 3, 3, "x");
    assert_true(gush_stream_stale_version(s, 3, GUSH_SPAN_LIT("x")));
    assert_true(gush_stream_stale_version(s, 3, GUSH_SPAN_EMPTY)); /* empty fits any */
    assert_false(gush_stream_stale_version(s, 3, GUSH_SPAN_LIT("y")));
    assert_false(gush_stream_stale_version(s, 4, GUSH_SPAN_LIT("x")));
    finish(s);
}

static void publishing_without_version_resets_it(void **state) /* spec: engines 3, [V] quirk */
{
    struct gush_stream *s = stream();

    (void)state;
    append(s, 3, 7, "x");
    append(s, 3, 0, NULL);
    assert_false(gush_stream_stale_version(s, 1, GUSH_SPAN_LIT("x")));
    assert_false(gush_stream_stale_version(s, 1, GUSH_SPAN_EMPTY));
    append(s, 3, 7, "x");
    append(s, 3, 8, "x");
    append(s, 3, 9, "yy");
    assert_true(gush_stream_stale_version(s, 9, GUSH_SPAN_LIT("yy")));
    finish(s);
}

static void versions_survive_the_list(void **state) /* stored in the metadata */
{
    struct gush_stream *s = stream();

    (void)state;
    append(s, 3, 7, "x");
    gush_stream_clear(s);
    assert_true(gush_stream_stale_version(s, 7, GUSH_SPAN_LIT("x")));
    finish(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_freed_twice),
        cmocka_unit_test(a_new_stream_has_nothing),
        cmocka_unit_test(every_reading_yields_what_a_plain_list_would),
        cmocka_unit_test(a_smaller_size_trims_at_the_next_publication),
        cmocka_unit_test(what_was_read_outlives_the_stream),
        cmocka_unit_test(versions_at_or_below_the_last_are_stale),
        cmocka_unit_test(publishing_without_version_resets_it),
        cmocka_unit_test(versions_survive_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
