/* The queue of one connection: order, what may be dropped and what never, flights, age. */
#include "server/codec/push_encode.h"

#include "server/engine/outbox.h"

#include "tests/unit/engine/harness.h"

static const struct gush_hash_key hash_key = {5, 6};

/* Publications of one channel, and the queue that they are put into. */
struct box {
    struct gush_outbox q;
    struct gush_bytes *names[3];
    unsigned next; /* what the next frame says */
};

static void open_box(struct box *b)
{
    *b = (struct box){0};
    b->names[0] = gush_bytes_copy(GUSH_SPAN_LIT("a"));
    b->names[1] = gush_bytes_copy(GUSH_SPAN_LIT("b"));
    b->names[2] = gush_bytes_copy(GUSH_SPAN_LIT("c"));
}

static void close_box(struct box *b)
{
    gush_outbox_fini(&b->q);
    for (size_t i = 0; i < 3; i++)
        gush_bytes_unref(b->names[i]);
    assert_int_equal(gush_delivery_live(), 0);
    assert_int_equal(gush_frames_live(), 0);
    assert_int_equal(gush_publication_live(), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

static struct gush_delivery *delivery(struct box *b, unsigned channel,
                                      enum gush_queue_policy policy)
{
    char data[16];

    (void)snprintf(data, sizeof(data), "%u", b->next++);
    struct gush_publication *p =
        gush_publication_new(b->names[channel], &(struct gush_pub){.data = gush_span_str(data)});
    struct gush_frames *f = gush_frames_new(GUSH_PUSH_PUB, p, GUSH_SPAN_EMPTY);
    struct gush_delivery *d = gush_delivery_new(GUSH_DELIVERY_PUB, NULL, f);

    d->policy = policy;
    gush_frames_unref(f);
    gush_publication_unref(p);
    return d;
}

static uint32_t length_of(struct gush_delivery *d)
{
    struct gush_bytes *bytes = NULL;

    assert_int_equal(gush_frames_get(d->frames, GUSH_FORM_PUSH_JSON, &bytes), GUSH_OK);
    return bytes->n;
}

static void put(struct box *b, unsigned channel, enum gush_queue_policy policy)
{
    struct gush_delivery *d = delivery(b, channel, policy);

    gush_outbox_put_delivery(
        &b->q, d, length_of(d),
        policy == GUSH_QUEUE_DISCONNECT ? GUSH_OUTBOX_PLAIN : GUSH_OUTBOX_DROPPABLE, 0);
    gush_delivery_unuse(d);
}

static void put_own(struct box *b)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "own%u", b->next++);
    gush_outbox_put_bytes(&b->q, gush_bytes_copy(gush_span_str(text)), GUSH_OUTBOX_PLAIN, 0);
}

/* "a0 b1 own2": channel and data of every frame in the queue. */
static const char *contents(const struct box *b)
{
    static char text[4096];
    struct gush_frame frames[256];
    size_t n = gush_outbox_frames(&b->q, GUSH_FORM_PUSH_JSON, frames, 256), at = 0;
    uint64_t bytes_n = 0;

    text[0] = '\0';
    assert_int_equal(n, b->q.n);
    for (size_t i = 0; i < n; i++) {
        char channel = '?', data[16] = "", frame[128];
        (void)snprintf(frame, sizeof(frame), "%.*s", (int)frames[i].bytes->n,
                       (const char *)frames[i].bytes->data);
        bytes_n += frames[i].bytes->n;
        if (sscanf(frame, "{\"channel\":\"%c\",\"pub\":{\"data\":%15[0-9]}}", &channel, data) == 2)
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%c%s", i ? " " : "", channel,
                                   data);
        else
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? " " : "", frame);
    }
    assert_int_equal(bytes_n, b->q.bytes_n);
    return text;
}

/* ---- what is counted ------------------------------------------------------------------------- */

static void a_frame_is_its_message_and_its_framing(void **state)
{
    static const struct {
        enum gush_form form;
        enum gush_framing framing;
    } forms[] = {{GUSH_FORM_GRPC, GUSH_FRAMING_NONE},
                 {GUSH_FORM_PUSH_JSON, GUSH_FRAMING_NONE},
                 {GUSH_FORM_SSE, GUSH_FRAMING_SSE},
                 {GUSH_FORM_SSE_CHUNKED, GUSH_FRAMING_SSE_CHUNKED},
                 {GUSH_FORM_LINE, GUSH_FRAMING_LINE},
                 {GUSH_FORM_LINE_CHUNKED, GUSH_FRAMING_LINE_CHUNKED},
                 {GUSH_FORM_GRPC_FRAMED, GUSH_FRAMING_GRPC},
                 {GUSH_FORM_REPLY_PROTOBUF, GUSH_FRAMING_VARINT}};
    char *text = gush_alloc(5000);

    (void)state;
    memset(text, '1', 5000);
    /* Around every power of 16 and of 128, where a size gets one digit more. */
    for (size_t n = 1; n < 5000; n++)
        for (size_t i = 1; i < sizeof forms / sizeof forms[0]; i++) {
            struct gush_pub pub = {.data = gush_span_of(text, n)};
            struct gush_push push = {
                .kind = GUSH_PUSH_PUB, .channel = GUSH_SPAN_LIT("a"), .u.pub = &pub};
            struct gush_bytes *bare = NULL, *framed = NULL;
            bool json = gush_form_format(forms[i].form) == GUSH_JSON;
            bool reply = gush_form_dialect(forms[i].form) == GUSH_DIALECT_REPLY;
            enum gush_form form = json ? GUSH_FORM_PUSH_JSON : GUSH_FORM_GRPC;

            assert_int_equal(gush_push_encode(&push, form, &bare), GUSH_OK);
            assert_int_equal(gush_push_encode(&push, forms[i].form, &framed), GUSH_OK);
            uint32_t message_n = gush_outbox_message_n(forms[i].framing, framed->n);
            /* A reply wraps the push: one tag, one length. */
            uint32_t wrap = reply ? 1 + (bare->n > 127 ? 2 : 1) : 0;
            assert_int_equal(message_n, bare->n + wrap);
            gush_bytes_unref(bare);
            gush_bytes_unref(framed);
        }
    gush_free(text);
}

static void only_shared_frames_are_counted(void **state)
{
    gush_metrics_cell frames[GUSH_FRAMES_N] = {0}, bytes[GUSH_FRAMES_N] = {0};
    struct box b;

    (void)state;
    open_box(&b);
    put(&b, 0, GUSH_QUEUE_DISCONNECT);
    put_own(&b);
    put(&b, 1, GUSH_QUEUE_DISCONNECT);
    put(&b, 1, GUSH_QUEUE_DISCONNECT); /* is not among the first three */
    gush_outbox_pop(&b.q, 3, &(struct gush_outbox_sent){.frames = frames, .bytes = bytes});
    for (unsigned i = 0; i < GUSH_FRAMES_N; i++)
        assert_int_equal(frames[i], i == GUSH_FRAME_PUSH_PUBLICATION ? 2 : 0);
    assert_int_equal(bytes[GUSH_FRAME_PUSH_PUBLICATION],
                     2 * strlen("{\"channel\":\"a\",\"pub\":{\"data\":0}}"));
    close_box(&b);
}

static void lengths_that_change_are_counted_right(void **state)
{
    static const uint32_t frames_n[] = {100, 100, 9, 100, 9, 9, 5000};
    gush_metrics_cell frames[GUSH_FRAMES_N] = {0}, bytes[GUSH_FRAMES_N] = {0};
    struct gush_outbox_sent sent = {.frames = frames, .bytes = bytes, .framing = GUSH_FRAMING_SSE};
    struct box b;
    uint64_t sum = 0;

    (void)state;
    open_box(&b);
    struct gush_delivery *d = delivery(&b, 0, GUSH_QUEUE_DISCONNECT);
    for (size_t i = 0; i < 7; i++) {
        gush_outbox_put_delivery(&b.q, d, frames_n[i], GUSH_OUTBOX_PLAIN, 0);
        sum += frames_n[i] - 8;
    }
    gush_delivery_unuse(d);
    gush_outbox_fly(&b.q, 3);
    assert_int_equal(frames[GUSH_FRAME_PUSH_PUBLICATION], 0); /* not before they have landed */
    gush_outbox_land(&b.q, &sent);
    assert_int_equal(frames[GUSH_FRAME_PUSH_PUBLICATION], 3);
    gush_outbox_pop(&b.q, 4, &sent);
    assert_int_equal(frames[GUSH_FRAME_PUSH_PUBLICATION], 7);
    assert_int_equal(bytes[GUSH_FRAME_PUSH_PUBLICATION], sum);
    close_box(&b);
}

static void note_dropped(void *arg, const struct gush_delivery *d)
{
    struct gush_span name = gush_delivery_channel(d);

    strncat(arg, (const char *)name.p, name.n);
}

static void who_is_dropped_is_told(void **state)
{
    char dropped[16] = "";
    struct box b;

    (void)state;
    open_box(&b);
    put(&b, 2, GUSH_QUEUE_DROP_OLDEST);
    put(&b, 0, GUSH_QUEUE_DISCONNECT);
    put(&b, 1, GUSH_QUEUE_DROP_OLDEST);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, note_dropped, dropped), 2);
    assert_string_equal(dropped, "cb");
    close_box(&b);
}

static void the_largest_channel_is_found_among_many(void **state)
{
    struct gush_bytes *names[40];
    struct box b;

    (void)state;
    open_box(&b);
    assert_null(gush_outbox_largest(&b.q));
    put_own(&b);
    assert_null(gush_outbox_largest(&b.q));
    for (unsigned i = 0; i < 40; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "n%u", i);
        names[i] = gush_bytes_copy(gush_span_str(name));
    }
    /* One in four is of "b"; each of the others has much less. */
    struct gush_bytes *a = b.names[0];
    for (unsigned i = 0; i < 2000; i++) {
        b.names[0] = names[i * 7 % 40];
        put(&b, i % 4 == 0, GUSH_QUEUE_DISCONNECT);
    }
    b.names[0] = a;
    struct gush_span largest = gush_delivery_channel(gush_outbox_largest(&b.q));
    assert_int_equal(largest.n, 1);
    assert_int_equal(largest.p[0], 'b');
    gush_outbox_clear(&b.q);
    for (unsigned i = 0; i < 40; i++)
        gush_bytes_unref(names[i]);
    close_box(&b);
}

/* ---- order, dropping, flights ---------------------------------------------------------------- */

static void an_empty_queue_has_no_age_and_nothing_to_drop(void **state)
{
    struct box b;
    struct gush_frame frame;

    (void)state;
    open_box(&b);
    assert_int_equal(gush_outbox_age_ms(&b.q, 12345), 0);
    assert_int_equal(gush_outbox_frames(&b.q, GUSH_FORM_PUSH_JSON, &frame, 1), 0);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, NULL, NULL), 0);
    gush_outbox_pop(&b.q, 0, NULL);
    gush_outbox_clear(&b.q);
    close_box(&b);
}

static void what_goes_in_first_comes_out_first(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < round % 7 + 1; i++)
            i % 3 == 2 ? put_own(&b) : put(&b, i % 3, GUSH_QUEUE_DISCONNECT);
        unsigned first = b.next - b.q.n;
        for (unsigned i = 0; i < b.q.n; i++) {
            struct gush_frame frames[64];
            char end[16];
            (void)gush_outbox_frames(&b.q, GUSH_FORM_PUSH_JSON, frames, 64);
            (void)snprintf(end, sizeof(end), "%u", first + i);
            assert_non_null(memmem(frames[i].bytes->data, frames[i].bytes->n, end, strlen(end)));
        }
        gush_outbox_pop(&b.q, b.q.n > 20 ? b.q.n : b.q.n / 2, NULL);
    }
    close_box(&b);
}

static void a_large_ring_is_given_back_when_empty(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned i = 0; i < 100; i++)
        put_own(&b);
    assert_true(b.q.cap >= 100);
    gush_outbox_pop(&b.q, 99, NULL);
    assert_true(b.q.cap >= 100);
    gush_outbox_pop(&b.q, 1, NULL);
    assert_int_equal(b.q.cap, 0);
    assert_int_equal(b.q.bytes_n, 0);
    put_own(&b);
    assert_string_equal(contents(&b), "own100");
    close_box(&b);
}

static void clearing_spares_the_flight(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned i = 0; i < 5; i++)
        put(&b, 0, GUSH_QUEUE_DISCONNECT);
    b.q.flight_n = 2;
    gush_outbox_clear(&b.q);
    assert_string_equal(contents(&b), "a0 a1");
    close_box(&b);
}

/* ---- dropping -------------------------------------------------------------------------------- */

static void nothing_goes_that_did_not_choose_to(void **state) /* spec: design 5 */
{
    struct box b;

    (void)state;
    open_box(&b);
    put(&b, 0, GUSH_QUEUE_DISCONNECT);
    put_own(&b);
    put(&b, 1, GUSH_QUEUE_DISCONNECT);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, NULL, NULL), 0);
    assert_string_equal(contents(&b), "a0 own1 b2");
    close_box(&b);
}

static void drop_oldest_drops_until_there_is_room(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned i = 0; i < 6; i++)
        put(&b, 0, GUSH_QUEUE_DROP_OLDEST);
    put_own(&b);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, UINT64_MAX, 4, NULL, NULL), 3);
    assert_string_equal(contents(&b), "a3 a4 a5 own6");
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, b.q.bytes_n - 1, 100, NULL, NULL), 1);
    assert_string_equal(contents(&b), "a4 a5 own6");
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, NULL, NULL), 2);
    assert_string_equal(contents(&b), "own6");
    close_box(&b);
}

static void drop_oldest_does_nothing_while_there_is_room(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned i = 0; i < 3; i++)
        put(&b, 0, GUSH_QUEUE_DROP_OLDEST);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, b.q.bytes_n, 3, NULL, NULL), 0);
    assert_string_equal(contents(&b), "a0 a1 a2");
    close_box(&b);
}

static void latest_keeps_the_newest_of_each_channel(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    put(&b, 0, GUSH_QUEUE_LATEST);
    put(&b, 1, GUSH_QUEUE_LATEST);
    put(&b, 0, GUSH_QUEUE_LATEST);
    put_own(&b);
    put(&b, 0, GUSH_QUEUE_LATEST);
    put(&b, 2, GUSH_QUEUE_DISCONNECT);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, NULL, NULL), 2);
    assert_string_equal(contents(&b), "b1 own3 a4 c5");
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, NULL, NULL), 0);
    close_box(&b);
}

/* What is enough stops it: older ones than the newest may stay, and leave as they are. */
static void latest_drops_no_more_than_needed(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned i = 0; i < 8; i++)
        put(&b, i % 2, GUSH_QUEUE_LATEST);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, UINT64_MAX, 5, NULL, NULL), 3);
    assert_string_equal(contents(&b), "b3 a4 b5 a6 b7");
    gush_outbox_pop(&b.q, 1, NULL);
    assert_string_equal(contents(&b), "a4 b5 a6 b7");
    close_box(&b);
}

static void the_flight_is_never_dropped(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned i = 0; i < 4; i++)
        put(&b, 0, GUSH_QUEUE_DROP_OLDEST);
    for (unsigned i = 0; i < 3; i++)
        put(&b, 1, GUSH_QUEUE_LATEST);
    b.q.flight_n = 2;
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, NULL, NULL), 4);
    assert_string_equal(contents(&b), "a0 a1 b6");
    b.q.flight_n = 3;
    put(&b, 1, GUSH_QUEUE_LATEST);
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, 0, 0, NULL, NULL), 0);
    assert_string_equal(contents(&b), "a0 a1 b6 b7");
    close_box(&b);
}

static void dropping_works_across_the_end_of_the_ring(void **state)
{
    struct box b;

    (void)state;
    open_box(&b);
    for (unsigned i = 0; i < 8; i++)
        put(&b, 0, GUSH_QUEUE_DROP_OLDEST);
    gush_outbox_pop(&b.q, 6, NULL);
    for (unsigned i = 0; i < 5; i++)
        put(&b, i % 2, GUSH_QUEUE_DROP_OLDEST);
    assert_int_equal(b.q.cap, 8); /* it wraps */
    assert_int_equal(gush_outbox_drop(&b.q, &hash_key, UINT64_MAX, 3, NULL, NULL), 4);
    assert_string_equal(contents(&b), "a10 b11 a12");
    close_box(&b);
}

/* ---- age ------------------------------------------------------------------------------------- */

static void the_age_is_the_oldest_entry_s_also_when_the_clock_wraps(void **state)
{
    const uint64_t late = UINT64_C(0x1fffffff0); /* the low 32 bits wrap in 16 ms */
    struct box b;

    (void)state;
    open_box(&b);
    gush_outbox_put_bytes(&b.q, gush_bytes_copy(GUSH_SPAN_LIT("x")), GUSH_OUTBOX_PLAIN, late);
    gush_outbox_put_bytes(&b.q, gush_bytes_copy(GUSH_SPAN_LIT("y")), GUSH_OUTBOX_PLAIN, late + 50);
    assert_int_equal(gush_outbox_age_ms(&b.q, late), 0);
    assert_int_equal(gush_outbox_age_ms(&b.q, late + 100), 100);
    gush_outbox_pop(&b.q, 1, NULL);
    assert_int_equal(gush_outbox_age_ms(&b.q, late + 100), 50);
    close_box(&b);
}

/* ---- room beside shared frames --------------------------------------------------------------- */

static unsigned cache_drops;

static void cache_drop(struct gush_frame_cache *cache)
{
    assert_int_equal(cache->room[0], 42);
    cache_drops++;
}

static void a_cache_belongs_to_one_form_and_ends_with_the_letter(void **state)
{
    struct box b;
    struct gush_outbox other = {0};
    struct gush_frame mine[2], again[2], theirs[1];
    struct gush_bytes *bytes;

    (void)state;
    open_box(&b);
    cache_drops = 0;
    struct gush_delivery *d = delivery(&b, 0, GUSH_QUEUE_DISCONNECT);
    assert_int_equal(gush_frames_get(d->frames, GUSH_FORM_GRPC, &bytes), GUSH_OK);
    assert_int_equal(gush_frames_get(d->frames, GUSH_FORM_SSE, &bytes), GUSH_OK);
    gush_outbox_put_delivery(&b.q, d, 1, GUSH_OUTBOX_PLAIN, 0);
    put_own(&b);
    gush_outbox_put_delivery(&other, d, 1, GUSH_OUTBOX_PLAIN, 0);
    gush_delivery_unuse(d);
    assert_int_equal(gush_outbox_frames(&b.q, GUSH_FORM_GRPC, mine, 2), 2);
    assert_non_null(mine[0].cache);
    assert_null(mine[0].cache->drop);
    assert_null(mine[1].cache);
    mine[0].cache->room[0] = 42;
    mine[0].cache->drop = cache_drop;
    assert_int_equal(gush_outbox_frames(&other, GUSH_FORM_SSE, theirs, 1), 1);
    assert_null(theirs[0].cache); /* made of other bytes */
    assert_int_equal(gush_outbox_frames(&b.q, GUSH_FORM_GRPC, again, 2), 2);
    assert_ptr_equal(again[0].cache, mine[0].cache);
    gush_outbox_pop(&b.q, 2, NULL);
    assert_int_equal(cache_drops, 0);
    gush_outbox_fini(&other);
    assert_int_equal(cache_drops, 1);
    close_box(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_its_message_and_its_framing),
        cmocka_unit_test(only_shared_frames_are_counted),
        cmocka_unit_test(lengths_that_change_are_counted_right),
        cmocka_unit_test(who_is_dropped_is_told),
        cmocka_unit_test(the_largest_channel_is_found_among_many),
        cmocka_unit_test(an_empty_queue_has_no_age_and_nothing_to_drop),
        cmocka_unit_test(what_goes_in_first_comes_out_first),
        cmocka_unit_test(a_large_ring_is_given_back_when_empty),
        cmocka_unit_test(clearing_spares_the_flight),
        cmocka_unit_test(nothing_goes_that_did_not_choose_to),
        cmocka_unit_test(drop_oldest_drops_until_there_is_room),
        cmocka_unit_test(drop_oldest_does_nothing_while_there_is_room),
        cmocka_unit_test(latest_keeps_the_newest_of_each_channel),
        cmocka_unit_test(latest_drops_no_more_than_needed),
        cmocka_unit_test(the_flight_is_never_dropped),
        cmocka_unit_test(dropping_works_across_the_end_of_the_ring),
        cmocka_unit_test(the_age_is_the_oldest_entry_s_also_when_the_clock_wraps),
        cmocka_unit_test(a_cache_belongs_to_one_form_and_ends_with_the_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
