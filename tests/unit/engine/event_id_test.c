/* event_id: what is written is read, and nothing else is. */
#include "server/engine/event_id.h"

#include "tests/unit/engine/harness.h"

static struct gush_event_id_key ours, theirs;

static int keys(void **state)
{
    (void)state;
    gush_event_id_key_init(&ours, GUSH_SPAN_LIT("a secret"));
    gush_event_id_key_init(&theirs, GUSH_SPAN_LIT("a secret "));
    return 0;
}

static struct gush_event_id_entry entry(const char *channel, uint64_t offset, const char *epoch)
{
    struct gush_event_id_entry e;

    gush_event_id_entry_init(&ours, gush_event_id_channel(&ours, gush_span_str(channel)), offset,
                             gush_span_str(epoch), &e);
    return e;
}

static const char *text_of(const struct gush_event_id_list *l)
{
    static char text[GUSH_EVENT_ID_MAX + 1];

    assert_true(l->text_n <= GUSH_EVENT_ID_MAX);
    gush_event_id_write(&ours, l, text);
    text[l->text_n] = '\0';
    return text;
}

/* Of "a" at 5, "b" at 2^64 - 1, "c" at 0 without an epoch. */
static const char *three(void)
{
    struct gush_event_id_list *l = gush_event_id_list_new(3);
    const struct gush_event_id_entry es[] = {entry("a", 5, "abcdefgh"),
                                             entry("b", UINT64_MAX, "an epoch of 23 letters."),
                                             entry("c", 0, "")};

    for (size_t i = 0; i < 3; i++)
        gush_event_id_list_add(l, &es[i]);
    const char *text = text_of(l);
    gush_event_id_list_free(l);
    return text;
}

static gush_err parse(const struct gush_event_id_key *key, struct gush_span text, size_t *n)
{
    static struct gush_event_id_position positions[GUSH_EVENT_ID_POSITIONS_MAX];

    return gush_event_id_parse(key, text, positions, n);
}

static bool is_ours(struct gush_span text)
{
    size_t n;

    return parse(&ours, text, &n) == GUSH_OK;
}

static void positions_come_back(void **state)
{
    struct gush_event_id_position p[GUSH_EVENT_ID_POSITIONS_MAX];
    size_t n;

    (void)state;
    assert_int_equal(gush_event_id_parse(&ours, gush_span_str(three()), p, &n), GUSH_OK);
    assert_int_equal(n, 3);
    assert_int_equal(p[0].channel, gush_event_id_channel(&ours, GUSH_SPAN_LIT("a")));
    assert_int_equal(p[0].offset, 5);
    assert_true(gush_span_eq_str(gush_epoch_span(&p[0].epoch), "abcdefgh"));
    assert_true(p[1].offset == UINT64_MAX);
    assert_true(gush_span_eq_str(gush_epoch_span(&p[1].epoch), "an epoch of 23 letters."));
    assert_int_equal(p[2].offset, 0);
    assert_int_equal(p[2].epoch.n, 0);
}

static void nothing_is_a_position_too(void **state)
{
    struct gush_event_id_list *l = gush_event_id_list_new(0);
    size_t n = 7;

    (void)state;
    assert_int_equal(parse(&ours, gush_span_str(text_of(l)), &n), GUSH_OK);
    assert_int_equal(n, 0);
    gush_event_id_list_free(l);
}

static void every_other_text_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "-",
                                        ".",
                                        "1",
                                        "null",
                                        "................",
                                        "AAAAAAAAAAAAAAAA",
                                        "AAAAAAAAAAAAAAAA.",
                                        "{\"a\":1}"};
    char copy[GUSH_EVENT_ID_MAX + 8];
    const char *good = three();
    size_t length = strlen(good);

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(is_ours(gush_span_str(texts[i])));
    assert_false(is_ours(GUSH_SPAN_EMPTY));
    for (size_t i = 0; i < length; i++) { /* cut short, at either end */
        assert_false(is_ours(gush_span_of(good, i)));
        if (i > 0)
            assert_false(is_ours(gush_span_of(good + i, length - i)));
    }
    for (size_t i = 0; i < length; i++) /* one letter altered, left out, doubled */
        for (unsigned c = 0; c < 256; c++) {
            memcpy(copy, good, length + 1);
            copy[i] = (char)c;
            assert_int_equal(is_ours(gush_span_of(copy, length)), copy[i] == good[i]);
        }
    for (size_t i = 0; i < length; i++) {
        memcpy(copy, good, i);
        memcpy(copy + i, good + i + 1, length - i - 1);
        assert_false(is_ours(gush_span_of(copy, length - 1)));
        memcpy(copy, good, i + 1);
        memcpy(copy + i + 1, good + i, length - i);
        assert_false(is_ours(gush_span_of(copy, length + 1)));
    }
    memcpy(copy, good, length + 1);
    memset(copy + length, '.', 2);
    assert_false(is_ours(gush_span_of(copy, length + 1)));
    assert_false(is_ours(gush_span_of(copy, length + 2)));
}

static void whoever_has_another_secret_wrote_another_text(void **state)
{
    size_t n;

    (void)state;
    assert_int_equal(parse(&theirs, gush_span_str(three()), &n), GUSH_ESYNTAX);
}

/* Entries are right each for itself: only together they are not ours. */
static void entries_of_two_ids_do_not_mix(void **state)
{
    const struct gush_event_id_entry a5 = entry("a", 5, "e"), a6 = entry("a", 6, "e"),
                                     b5 = entry("b", 5, "e"), b6 = entry("b", 6, "e");
    struct gush_event_id_list *l = gush_event_id_list_new(2);
    char first[200], mixed[400];

    (void)state;
    gush_event_id_list_add(l, &a5);
    gush_event_id_list_add(l, &b5);
    (void)snprintf(first, sizeof(first), "%s", text_of(l));
    assert_true(gush_event_id_list_move(l, &a6));
    assert_true(gush_event_id_list_move(l, &b6));
    assert_true(is_ours(gush_span_str(text_of(l))));
    assert_true(is_ours(gush_span_str(first)));
    gush_event_id_list_free(l);
    (void)snprintf(mixed, sizeof(mixed), "%.16s.%.*s.%.*s", first, a5.text_n, a5.text, b6.text_n,
                   b6.text);
    assert_false(is_ours(gush_span_str(mixed)));
    (void)snprintf(mixed, sizeof(mixed), "%.16s.%.*s", first, a5.text_n, a5.text);
    assert_false(is_ours(gush_span_str(mixed)));
    (void)snprintf(mixed, sizeof(mixed), "%.16s.%.*s.%.*s", first, a5.text_n, a5.text, a5.text_n,
                   a5.text);
    assert_false(is_ours(gush_span_str(mixed)));
    (void)snprintf(mixed, sizeof(mixed), "%s.%.*s", first, a5.text_n, a5.text);
    assert_false(is_ours(gush_span_str(mixed)));
}

/* However it came to be, a list of the same entries has the same text. */
static void moving_is_as_good_as_making_anew(void **state)
{
    struct gush_event_id_list *moved = gush_event_id_list_new(3);
    uint64_t offsets[3] = {0, 126, 16382};
    static const char *const names[] = {"a", "b", "c"};
    struct gush_rng rng;

    (void)state;
    gush_rng_seed(&rng, 1);
    for (size_t i = 0; i < 3; i++) {
        struct gush_event_id_entry e = entry(names[i], offsets[i], "e");
        gush_event_id_list_add(moved, &e);
    }
    for (unsigned n = 0; n < 500; n++) {
        size_t which = gush_rng_below(&rng, 3);
        struct gush_event_id_entry e = entry(names[which], ++offsets[which], "e");
        struct gush_event_id_list *fresh = gush_event_id_list_new(3);
        char text[400];

        assert_true(gush_event_id_list_move(moved, &e));
        for (size_t i = 0; i < 3; i++) {
            e = entry(names[i], offsets[i], "e");
            gush_event_id_list_add(fresh, &e);
        }
        (void)snprintf(text, sizeof(text), "%s", text_of(moved));
        assert_string_equal(text, text_of(fresh));
        assert_true(is_ours(gush_span_str(text)));
        gush_event_id_list_free(fresh);
    }
    struct gush_event_id_entry stranger = entry("d", 1, "e");
    assert_false(gush_event_id_list_move(moved, &stranger));
    gush_event_id_list_free(moved);
}

static void as_many_as_fit(void **state)
{
    struct gush_event_id_list *l = gush_event_id_list_new(GUSH_EVENT_ID_POSITIONS_MAX);
    size_t n, filled;
    char name[16];

    (void)state;
    for (filled = 0;; filled++) {
        (void)snprintf(name, sizeof(name), "%zu", filled);
        struct gush_event_id_entry e = entry(name, 0, "");

        if (l->text_n + 1 + e.text_n > GUSH_EVENT_ID_MAX)
            break;
        assert_true(filled < GUSH_EVENT_ID_POSITIONS_MAX);
        gush_event_id_list_add(l, &e);
    }
    assert_int_equal(filled, GUSH_EVENT_ID_POSITIONS_MAX);
    assert_int_equal(parse(&ours, gush_span_str(text_of(l)), &n), GUSH_OK);
    assert_int_equal(n, filled);
    gush_event_id_list_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_come_back),
        cmocka_unit_test(nothing_is_a_position_too),
        cmocka_unit_test(every_other_text_is_refused),
        cmocka_unit_test(whoever_has_another_secret_wrote_another_text),
        cmocka_unit_test(entries_of_two_ids_do_not_mix),
        cmocka_unit_test(moving_is_as_good_as_making_anew),
        cmocka_unit_test(as_many_as_fit),
    };

    return cmocka_run_group_tests(tests, keys, NULL);
}
