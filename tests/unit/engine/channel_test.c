/* The table of channels: streams and their deadlines, letters in one order, the end of channels. */
#include "tests/unit/engine/harness.h"

#define CONFIG(more)                                                                               \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true},"                                \
    "\"channel\":{\"history_meta_ttl\":\"60s\","                                                   \
    "\"without_namespace\":{\"allow_subscribe_for_client\":true,"                                  \
    "\"allow_subscribe_for_anonymous\":true},"                                                     \
    "\"namespaces\":[{\"name\":\"hist\",\"history_size\":3,\"history_ttl\":\"10s\","               \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                 \
    "{\"name\":\"rec\",\"history_size\":3,\"history_ttl\":\"10s\",\"force_recovery\":true,"        \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                 \
    "{\"name\":\"pos\",\"history_size\":3,\"history_ttl\":\"10s\",\"force_positioning\":true,"     \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true}"                  \
    "]" more "}}"

/* ---- history's deadlines --------------------------------------------------------------------- */

static void history_is_trimmed_to_its_size(void **state) /* spec: engines 2 */
{
    struct world *w = world_new(state, CONFIG(""));

    assert_int_equal(publish(w, "hist:a", "1"), 1);
    assert_string_equal(history(w, "hist:a", -1), "1:1 /1");
    publish(w, "hist:a", "2");
    publish(w, "hist:a", "3");
    assert_string_equal(history(w, "hist:a", -1), "1:1 2:2 3:3 /3");
    assert_int_equal(publish(w, "hist:a", "4"), 4);
    assert_string_equal(history(w, "hist:a", -1), "2:2 3:3 4:4 /4");
}

static void history_expires_behind_its_ttl(void **state) /* spec: engines 2, history TTL */
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "hist:a", "1");
    pass(w, 9000);
    assert_string_equal(history(w, "hist:a", -1), "1:1 /1");
    pass(w, 2100); /* the sweep comes once a second */
    assert_string_equal(history(w, "hist:a", -1), "/1");
}

static void history_ttl_counts_from_the_last_publication(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "hist:a", "1");
    pass(w, 9000);
    publish(w, "hist:a", "2");
    pass(w, 9000);
    assert_string_equal(history(w, "hist:a", -1), "1:1 2:2 /2");
    pass(w, 2100);
    assert_string_equal(history(w, "hist:a", -1), "/2");
}

static void history_expires_again_and_again(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    for (uint64_t i = 1; i <= 3; i++) {
        char text[32];
        assert_int_equal(publish(w, "hist:a", "x"), i);
        pass(w, 12000);
        (void)snprintf(text, sizeof(text), "/%d", (int)i);
        assert_string_equal(history(w, "hist:a", -1), text);
    }
}

static void many_lists_expire_each_in_its_time(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    enum { N = 60, APART_MS = 170 };

    for (int i = 0; i < N; i++) {
        char name[32];
        /* Some lists are made longer lived by a second publication. */
        (void)snprintf(name, sizeof(name), "hist:%d", i * 7 % N);
        publish(w, name, "x");
        pass(w, APART_MS);
    }
    uint64_t first_ms = w->now_us / 1000 - UINT64_C(1) * N * APART_MS;
    for (int s = 0; s < 22; s++) {
        uint64_t since_ms = w->now_us / 1000 - first_ms, gone_least = 0, gone_most = 0;
        for (uint64_t i = 0; i < N; i++) {
            gone_least += since_ms >= i * APART_MS + 10000 + 1100;
            gone_most += since_ms >= i * APART_MS + 10000;
        }
        assert_in_range(live(w).publications, N - gone_most, N - gone_least);
        pass(w, 1000);
    }
    assert_int_equal(live(w).publications, 0);
    assert_int_equal(live(w).channels, N);
}

/* ---- the position's deadline ----------------------------------------------------------------- */

static void a_forgotten_stream_begins_anew(void **state) /* spec: engines 2, meta TTL */
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "hist:a", "1");
    publish(w, "hist:a", "2");
    pass(w, 59000);
    assert_int_equal(live(w).channels, 1);
    pass(w, 2100);
    assert_int_equal(live(w).channels, 0);
    assert_int_equal(publish(w, "hist:a", "3"), 1);
}

static void epoch_survives_the_list_but_not_the_meta_ttl(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "hist:a", "1");
    struct gush_epoch first = epoch_of(w, "hist:a");
    pass(w, 15000);
    struct gush_epoch still = epoch_of(w, "hist:a");
    assert_memory_equal(first.s, still.s, 8);
    pass(w, 62000);
    struct gush_epoch other = epoch_of(w, "hist:a");
    assert_memory_not_equal(first.s, other.s, 8);
}

static void reading_keeps_a_position_alive(void **state) /* spec: engines 2 */
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "hist:a", "1");
    for (int i = 0; i < 4; i++) {
        pass(w, 50000);
        assert_string_equal(history(w, "hist:a", 0), "/1");
    }
}

static void publishing_keeps_a_position_alive(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(publish(w, "hist:a", "1"), i);
        pass(w, 50000);
    }
}

static void subscribing_keeps_a_position_alive(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "rec:a", "1");
    for (int i = 0; i < 3; i++) {
        pass(w, 50000);
        peer_gone(peer_new(w, "{\"subs\":{\"rec:a\":{}}}"));
    }
    assert_string_equal(history(w, "rec:a", 0), "/1");
}

static void positioned_listeners_are_told_that_the_stream_began_anew(void **state)
{ /* spec: design 7, last sentence; client protocol 10, 14 */
    struct world *w = world_new(state, CONFIG(""));
    struct peer *rec = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");
    struct peer *pos = peer_new(w, "{\"subs\":{\"pos:a\":{}}}");
    struct peer *plain = peer_new(w, "{\"subs\":{\"hist:a\":{},\"a\":{}}}");

    publish(w, "hist:a", "1");
    expect_connected(rec);
    expect_connected(pos);
    expect_connected(plain);
    expect(plain, "{\"channel\":\"hist:a\",\"pub\":{\"data\":1,\"offset\":1,\"epoch\":\"~\"}}");
    pass(w, 59000);
    expect_open(rec);
    expect_open(pos);
    pass(w, 2100);
    expect_closed(rec, 3010);
    expect_closed(pos, 3010);
    pass(w, 30000);
    expect_open(plain);
    assert_int_equal(publish(w, "hist:a", "2"), 1);
    expect(plain, "{\"channel\":\"hist:a\",\"pub\":{\"data\":2,\"offset\":1,\"epoch\":\"~\"}}");
}

static void a_listener_of_the_new_epoch_is_not_disturbed(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "rec:a", "1");
    pass(w, 62000);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");
    expect_connected(p);
    publish(w, "rec:a", "2");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":2,\"offset\":1,\"epoch\":\"~\"}}");
    expect_open(p);
}

/* ---- which channels there are ---------------------------------------------------------------- */

static void publishing_to_nobody_makes_no_channel(void **state) /* spec: design 4 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct publishing p = publishing_of("hist:a", "1");

    assert_int_equal(publish(w, "a", "1"), 0);
    assert_int_equal(live(w).channels, 0);
    p.call.skip_history = true;
    assert_int_equal(publish_run(w, &p), 0);
    assert_int_equal(live(w).channels, 0);
    p.call.idempotency_key = gush_span_str("k");
    assert_int_equal(publish_run(w, &p), 0);
    assert_int_equal(live(w).channels, 0);
}

static void a_channel_dies_with_its_last_listener(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *a = peer_new(w, "{\"subs\":{\"a\":{}}}");
    struct peer *b = peer_new(w, "{\"subs\":{\"a\":{},\"b\":{}}}");

    assert_int_equal(live(w).channels, 2);
    assert_int_equal(live(w).branches, 2);
    assert_int_equal(live(w).subscriptions, 3);
    peer_gone(b);
    settle(w);
    assert_int_equal(live(w).channels, 1);
    assert_int_equal(live(w).branches, 1);
    peer_gone(a);
    settle(w);
    assert_nothing_lives(w);
}

static void a_channel_with_a_position_outlives_its_listeners(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    peer_gone(peer_new(w, "{\"subs\":{\"rec:a\":{},\"hist:b\":{}}}"));
    settle(w);
    assert_int_equal(live(w).channels, 1);
    assert_int_equal(live(w).branches, 0);
    pass(w, 62000);
    assert_nothing_lives(w);
}

/* ---- order over lanes ------------------------------------------------------------------------ */

static void every_lane_sees_one_order(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct peer *peers[4];

    for (size_t i = 0; i < 4; i++) {
        peers[i] = peer_on(w, i % 2, GUSH_FORM_PUSH_JSON);
        peer_connect(peers[i], "{\"subs\":{\"a\":{},\"hist:b\":{}}}");
        expect_connected(peers[i]);
    }
    assert_int_equal(live(w).branches, 4);
    for (int i = 0; i < 50; i++) {
        char data[16];
        (void)snprintf(data, sizeof(data), "%d", i);
        publish(w, "a", data);
        publish(w, "hist:b", data);
    }
    for (int i = 0; i < 50; i++)
        for (size_t k = 0; k < 4; k++) {
            char text[128];
            (void)snprintf(text, sizeof(text), "{\"channel\":\"a\",\"pub\":{\"data\":%d}}", i);
            expect(peers[k], text);
            (void)snprintf(text, sizeof(text),
                           "{\"channel\":\"hist:b\",\"pub\":{\"data\":%d,\"offset\":%d%s}}", i,
                           i + 1, i ? "" : ",\"epoch\":\"~\"");
            expect(peers[k], text);
        }
    assert_int_equal(live(w).letters, 0);
    assert_int_equal(live(w).frames, 0);
}

/* A branch for each lane, in whatever order lanes come and go. */
static void lanes_come_and_go(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 4, NULL);
    struct peer *peers[4];

    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < 4; i++) {
            size_t lane = (i + round) % 4;
            peers[lane] = peer_on(w, lane, GUSH_FORM_PUSH_JSON);
            peer_connect(peers[lane], "{\"subs\":{\"a\":{}}}");
            expect_connected(peers[lane]);
            assert_int_equal(live(w).branches, i + 1);
        }
        for (size_t i = 0; i < 4; i++) {
            publish(w, "a", "1");
            for (size_t k = i; k < 4; k++)
                expect(peers[(k * 3 + round) % 4], "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
            peer_gone(peers[(i * 3 + round) % 4]);
            settle(w);
            assert_int_equal(live(w).branches, 3 - i);
        }
        assert_nothing_lives(w);
    }
}

/* One lane turns, the other does not: letters wait there, and nobody else waits for it. */
static void a_lane_that_sleeps_holds_nobody_up(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct peer *awake = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
    struct peer *asleep = peer_on(w, 1, GUSH_FORM_PUSH_JSON);
    struct publishing p = publishing_of("a", "1");

    peer_connect(awake, "{\"subs\":{\"a\":{}}}");
    peer_connect(asleep, "{\"subs\":{\"a\":{}}}");
    expect_connected(awake);
    expect_connected(asleep);
    publish_begin(w, &p);
    while (gush_lane_turn(w->list[0]) == GUSH_LANE_CALL_NOW)
        ;
    assert_int_equal(p.done_n, 1);
    expect(awake, "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
    expect_silence(asleep);
    assert_true(w->lanes[1].woken);
    settle(w);
    expect(asleep, "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
}

/* ---- streams that were only read ------------------------------------------------------------- */

/* The next name from |*at| on that belongs to the first shard. */
static const char *name_in_shard(struct world *w, const char *prefix, unsigned *at)
{
    do {
        (void)snprintf(w->text, 64, "%s%u", prefix, (*at)++);
    } while (gush_channel_shard(&w->node->channels, gush_span_str(w->text)) !=
             &w->node->channels.shards[0]);
    return w->text;
}

static void read_only(struct world *w, const char *channel)
{
    struct reading r = {.call = {.channel = gush_span_str(channel)}};

    assert_int_equal(history_run(w, &r), 0);
}

static void streams_that_are_only_read_are_limited(void **state) /* spec: design 4 */
{
    struct world *w = world_new(state, CONFIG(""));
    char oldest[64], second[64], written[64];
    unsigned at = 0;

    (void)snprintf(oldest, sizeof(oldest), "%s", name_in_shard(w, "hist:", &at));
    struct gush_epoch oldest_epoch = epoch_of(w, oldest);
    (void)snprintf(written, sizeof(written), "%s", name_in_shard(w, "hist:", &at));
    struct gush_epoch written_epoch = epoch_of(w, written);
    publish(w, written, "1"); /* no longer unread */
    (void)snprintf(second, sizeof(second), "%s", name_in_shard(w, "hist:", &at));
    struct gush_epoch second_epoch = epoch_of(w, second);
    for (unsigned n = 2; n < GUSH_CHANNEL_UNREAD_MAX; n++)
        read_only(w, name_in_shard(w, "hist:", &at));
    assert_int_equal(live(w).channels, GUSH_CHANNEL_UNREAD_MAX + 1);
    read_only(w, name_in_shard(w, "hist:", &at)); /* one more than may be */
    assert_int_equal(live(w).channels, GUSH_CHANNEL_UNREAD_MAX + 1);
    struct gush_epoch now = epoch_of(w, second);
    assert_memory_equal(now.s, second_epoch.s, 8);
    now = epoch_of(w, written);
    assert_memory_equal(now.s, written_epoch.s, 8);
    now = epoch_of(w, oldest);
    assert_memory_not_equal(now.s, oldest_epoch.s, 8);
}

static void an_unread_stream_with_listeners_stays_and_counts_later(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    char oldest[64], request[128];
    unsigned at = 0;

    (void)snprintf(oldest, sizeof(oldest), "%s", name_in_shard(w, "rec:", &at));
    (void)snprintf(request, sizeof(request), "{\"subs\":{\"%s\":{}}}", oldest);
    struct peer *p = peer_new(w, request);
    expect_connected(p);
    for (unsigned n = 1; n < GUSH_CHANNEL_UNREAD_MAX + 3; n++)
        read_only(w, name_in_shard(w, "hist:", &at));
    expect_open(p);
    peer_gone(p);
    /* Nobody listens any more: once it is the oldest again, it goes like all others. */
    for (unsigned n = 0; n < GUSH_CHANNEL_UNREAD_MAX + 3; n++)
        read_only(w, name_in_shard(w, "hist:", &at));
    assert_in_range(live(w).channels, 1, GUSH_CHANNEL_UNREAD_MAX);
}

/* A stream that began anew under its listeners was never written: it counts. */
static void what_began_anew_counts_as_unread(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_new(w, "{\"subs\":{\"hist:a\":{}}}");
    const struct gush_channel_shard *sh =
        gush_channel_shard(&w->node->channels, GUSH_SPAN_LIT("hist:a"));

    publish(w, "hist:a", "1");
    assert_int_equal(sh->unread_n, 0);
    pass(w, 61500);
    assert_int_equal(sh->unread_n, 1);
    assert_int_equal(publish(w, "hist:a", "1"), 1);
    assert_int_equal(sh->unread_n, 0);
    assert_int_equal(p->closes_n, 0);
}

/* ---- the heap of deadlines ------------------------------------------------------------------- */

static void assert_heap(const struct gush_channel_shard *sh)
{
    for (uint32_t i = 0; i < sh->heap_n; i++) {
        assert_int_equal(sh->heap[i]->heap_at, i + 1);
        if (i > 0)
            assert_true(sh->heap[(i - 1) / 2]->heap_due_ms <= sh->heap[i]->heap_due_ms);
    }
}

static void many_streams_are_forgotten_each_in_its_time(void **state)
{
    enum { N = 100, APART_MS = 130 };
    struct world *w = world_new(state, CONFIG(""));
    unsigned at = 0;

    for (int i = 0; i < N; i++) {
        publish(w, name_in_shard(w, "hist:", &at), "x");
        pass(w, APART_MS);
    }
    uint64_t first_ms = w->now_us / 1000 - UINT64_C(1) * N * APART_MS;
    pass(w, 45000);
    for (int s = 0; s < 18; s++) {
        uint64_t since_ms = w->now_us / 1000 - first_ms, least = 0, most = 0;
        for (uint64_t i = 0; i < N; i++) {
            least += since_ms >= i * APART_MS + 60000 + 1100;
            most += since_ms >= i * APART_MS + 60000;
        }
        assert_heap(&w->node->channels.shards[0]);
        assert_in_range(live(w).channels, N - most, N - least);
        pass(w, 1000);
    }
    assert_int_equal(live(w).channels, 0);
}

static void the_heap_stays_a_heap(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    unsigned at = 0;
    char names[64][32] = {""};

    for (unsigned n = 0; n < GUSH_CHANNEL_UNREAD_MAX + 600; n++) {
        char *name = names[gush_rng_below(&w->rng, 64)];
        (void)snprintf(name, sizeof(names[0]), "%s", name_in_shard(w, "hist:", &at));
        read_only(w, name);
        if (gush_rng_below(&w->rng, 3) == 0) /* due sooner than those that are only read */
            publish(w, names[n % 64][0] ? names[n % 64] : name, "1");
        if (gush_rng_below(&w->rng, 50) == 0)
            pass(w, 100);
        if (n % 50 == 0)
            assert_heap(&w->node->channels.shards[0]);
    }
    assert_heap(&w->node->channels.shards[0]);
}

static void a_crowd_of_deadlines_is_swept_within_a_second(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    unsigned at = 0;

    for (unsigned n = 0; n < 300; n++)
        publish(w, name_in_shard(w, "hist:", &at), "1");
    pass(w, 61200);
    assert_nothing_lives(w);
}

/* More than one turn may expire, in all shards. */
static void a_crowd_in_all_shards_is_swept_within_a_second(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    for (unsigned n = 0; n < 2000; n++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "hist:%u", n);
        publish(w, name, "1");
    }
    pass(w, 59000);
    assert_int_equal(live(w).channels, 2000);
    pass(w, 2200);
    assert_nothing_lives(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(history_is_trimmed_to_its_size),
        world_test(history_expires_behind_its_ttl),
        world_test(history_ttl_counts_from_the_last_publication),
        world_test(history_expires_again_and_again),
        world_test(many_lists_expire_each_in_its_time),
        world_test(a_forgotten_stream_begins_anew),
        world_test(epoch_survives_the_list_but_not_the_meta_ttl),
        world_test(reading_keeps_a_position_alive),
        world_test(publishing_keeps_a_position_alive),
        world_test(subscribing_keeps_a_position_alive),
        world_test(positioned_listeners_are_told_that_the_stream_began_anew),
        world_test(a_listener_of_the_new_epoch_is_not_disturbed),
        world_test(publishing_to_nobody_makes_no_channel),
        world_test(a_channel_dies_with_its_last_listener),
        world_test(a_channel_with_a_position_outlives_its_listeners),
        world_test(every_lane_sees_one_order),
        world_test(lanes_come_and_go),
        world_test(a_lane_that_sleeps_holds_nobody_up),
        world_test(streams_that_are_only_read_are_limited),
        world_test(an_unread_stream_with_listeners_stays_and_counts_later),
        world_test(what_began_anew_counts_as_unread),
        world_test(many_streams_are_forgotten_each_in_its_time),
        world_test(the_heap_stays_a_heap),
        world_test(a_crowd_of_deadlines_is_swept_within_a_second),
        world_test(a_crowd_in_all_shards_is_swept_within_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
