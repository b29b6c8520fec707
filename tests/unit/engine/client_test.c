/* The session: its timers, every way to end, who is told. The queue is in client_queue_test.c. */
#include "tests/unit/engine/listeners.h"

/* ---- stale connections ----------------------------------------------------------------------- */

static void who_says_nothing_is_stale(void **state) /* spec: client protocol 16 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    pass(w, 9990);
    expect_open(p);
    pass(w, 20);
    expect_closed(p, 3502);
    assert_int_equal(live(w).clients, 0);
}

static void the_delay_can_be_configured(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"stale_close_delay\":\"2s\""));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    pass(w, 1990);
    expect_open(p);
    pass(w, 20);
    expect_closed(p, 3502);
}

static void who_connected_is_never_stale(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    pass(w, 9000);
    peer_connect(p, "{}");
    expect_connected(p);
    pass(w, 100000);
    expect_open(p);
}

/* ---- pings ----------------------------------------------------------------------------------- */

static void first_pings_are_spread_then_regular(void **state) /* spec: client protocol 8 */
{
    enum { N = 200, INTERVAL_MS = 10000, TICK_MS = 4 };
    struct world *w = world_new(state, CONFIG(",\"ping_interval\":\"10s\""));
    struct peer *p[N];
    uint64_t first[N], second[N], start = w->now_us / 1000, low = UINT64_MAX, high = 0;
    size_t seen[N] = {0};

    for (unsigned i = 0; i < N; i++) {
        p[i] = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
        p[i]->transport.ping_interval_ms = 0;
        peer_connect(p[i], "{}");
        expect(p[i], "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"ping\":10,"
                     "\"session\":\"~\"}}");
    }
    for (unsigned ms = 0; ms < 21000; ms += TICK_MS) {
        pass(w, TICK_MS);
        for (unsigned i = 0; i < N; i++)
            if (p[i]->read < p[i]->heard_n) {
                expect(p[i], "{}");
                assert_true(seen[i] < 2);
                *(seen[i]++ ? &second[i] : &first[i]) = w->now_us / 1000 - start;
            }
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(seen[i], 2);
        assert_in_range(first[i], INTERVAL_MS / 2, INTERVAL_MS + 2 * TICK_MS);
        assert_in_range(second[i] - first[i], INTERVAL_MS, INTERVAL_MS + 2 * TICK_MS);
        low = first[i] < low ? first[i] : low;
        high = first[i] > high ? first[i] : high;
    }
    assert_true(low < 5500 && high > 9500);
}

static void a_transport_may_have_its_own_interval(void **state) /* T2: uni_grpc, 25 s always */
{
    struct world *w = world_new(state, CONFIG(",\"ping_interval\":\"10s\""));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    p->transport.ping_interval_ms = 25000;
    peer_connect(p, "{}");
    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"ping\":25,"
              "\"session\":\"~\"}}");
    pass(w, 12400);
    expect_open(p);
    pass(w, 12700);
    expect(p, "{}");
    pass(w, 25010);
    expect(p, "{}");
    expect_open(p);
}

static void without_interval_there_are_no_pings(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_new(w, "{}");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"session\":\"~\"}}");
    pass(w, 200000);
    expect_open(p);
}

/* ---- expiry ---------------------------------------------------------------------------------- */

static void who_expired_is_closed_after_the_delay(void **state) /* spec: client protocol 15 */
{
    struct world *w = world_new(state, CONFIG(",\"expired_close_delay\":\"2s\""));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_connect_token(p, "{\"exp\":1700000010}", "");
    expect_connected(p);
    pass(w, 11900);
    expect_open(p);
    pass(w, 1200);
    expect_closed(p, 3005);
}

static void what_opens_late_expires_at_the_same_time(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    pass(w, 9500);
    peer_connect_token(p, "{\"exp\":1700000010}", "");
    expect_connected(p);
    pass(w, 25000);
    expect_open(p);
    pass(w, 1600); /* 10 s and the default delay of 25, a second of grain */
    expect_closed(p, 3005);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void the_queue_is_written_before_the_end(void **state) /* spec: client protocol 18 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");

    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "a", 1, 3);
    gush_client_disconnect(p->client, 3503, NULL);
    settle(w);
    publish_numbers(w, "a", 4, 4); /* it is out of its channels */
    assert_int_equal(p->closes_n, 0);
    p->answer = GUSH_OK;
    peer_sent(p);
    expect_numbers(p, "a", 1, 3);
    expect_closed(p, 3503);
}

static void the_end_does_not_wait_for_ever(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_age\":\"3s\""));
    struct peer *p = listener(w, "a");

    p->answer = GUSH_EAGAIN;
    publish(w, "a", "1");
    pass(w, 1000);
    gush_client_disconnect(p->client, 3503, NULL);
    settle(w);
    pass(w, 4980);
    assert_int_equal(p->closes_n, 0);
    pass(w, 30);
    expect_dropped(p, 3503);
}

static void two_codes_end_without_a_word(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    static const uint32_t codes[] = {3000, 3008};

    for (size_t i = 0; i < 2; i++) {
        struct peer *p = listener(w, "a");
        p->answer = GUSH_EAGAIN;
        publish_numbers(w, "a", 1, 3);
        p->stays = true;
        gush_client_disconnect(p->client, codes[i], NULL);
        settle(w);
        expect_dropped(p, codes[i]);
        assert_int_equal(live(w).letters, 1); /* what is under way, nothing behind it */
        peer_gone(p);
        settle(w);
        assert_int_equal(live(w).letters, 0);
    }
}

static void a_transport_with_close_codes_says_nothing(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    p->transport.disconnect_push = false;
    peer_connect(p, "{}");
    expect_connected(p);
    gush_client_disconnect(p->client, 3503, NULL);
    settle(w);
    expect_dropped(p, 3503);
}

static void the_first_reason_counts(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");
    char reason[] = "because";

    gush_client_disconnect(p->client, 4000, reason);
    reason[0] = '?'; /* it is copied */
    gush_client_disconnect(p->client, 3008, NULL);
    gush_client_disconnect(p->client, 3503, "later");
    settle(w);
    expect(p, "{\"disconnect\":{\"code\":4000,\"reason\":\"because\"}}");
    expect_silence(p);
    assert_int_equal(p->close_code, 4000);
    assert_string_equal(p->close_reason, "because");
}

static void nothing_is_heard_once_the_end_is_decided(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");
    struct publishing q = publishing_of("a", "1");

    gush_client_disconnect(p->client, 3503, NULL);
    publish_begin(w, &q);
    settle(w);
    expect_closed(p, 3503);
}

static void a_connection_may_go_in_every_state(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct publishing q = publishing_of("a", "1");
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_gone(p); /* new */
    p = listener(w, "a");
    publish_begin(w, &q);
    peer_gone(p); /* a letter under way to it alone */
    settle(w);
    p = listener(w, "a");
    p->answer = GUSH_EAGAIN;
    publish(w, "a", "1");
    peer_gone(p); /* a write under way */
    settle(w);
    p = listener(w, "a");
    gush_client_disconnect(p->client, 3503, NULL);
    peer_gone(p); /* the end is decided, not begun */
    settle(w);
    p = listener(w, "a");
    p->answer = GUSH_EAGAIN;
    publish(w, "a", "1");
    gush_client_disconnect(p->client, 3503, NULL);
    settle(w);
    peer_gone(p); /* ending, a write under way */
    settle(w);
    p = listener(w, "a");
    p->stays = true;
    gush_client_disconnect(p->client, 3503, NULL);
    settle(w);
    expect_closed(p, 3503);
    pass(w, 60000);
    peer_gone(p); /* closed long ago */
    settle(w);
    assert_nothing_lives(w);
}

/* The client's work is queued when its connection goes between two turns. */
static void a_connection_may_go_with_its_flush_queued(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");

    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "a", 1, 3);
    p->flight_n = 0;
    gush_client_on_sent(p->client); /* more to write: queued */
    peer_gone(p);
    settle(w);
    p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
    gush_client_connect(p->client, &(struct gush_connect_request){0});
    gush_client_disconnect(p->client, 3503, NULL); /* both queued */
    peer_gone(p);
    settle(w);
    assert_nothing_lives(w);
    assert_int_equal(p->heard_n, 0);
}

static void what_was_sent_after_close_is_no_surprise(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");

    p->stays = true;
    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "a", 1, 2);
    gush_client_disconnect(p->client, 3008, NULL);
    settle(w);
    expect_dropped(p, 3008);
    peer_sent(p); /* the abandoned write reports all the same */
    expect_number(p, "a", 1);
    expect_silence(p);
    peer_gone(p);
}

/* ---- others are told ------------------------------------------------------------------------- */

#define WHO(kind)                                                                                  \
    "{\"channel\":\"who:a\",\"" kind "\":{\"info\":{\"user\":\"u\",\"client\":\"~\"}}}"

static void joins_and_leaves_are_told_in_order(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *a = peer_on(w, 0, GUSH_FORM_PUSH_JSON), *b = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_connect_token(a, "{\"sub\":\"u\"}", ",\"subs\":{\"who:a\":{}}");
    expect_connected(a);
    expect(a, WHO("join")); /* its own, behind the connect push */
    peer_connect_token(b, "{\"sub\":\"u\"}", ",\"subs\":{\"who:a\":{}}");
    expect_connected(b);
    expect(a, WHO("join"));
    expect(b, WHO("join"));
    publish(w, "who:a", "1");
    expect_number(a, "who:a", 1);
    expect_number(b, "who:a", 1);
    peer_gone(b);
    settle(w);
    expect(a, WHO("leave"));
    expect_open(a);
    expect_silence(b); /* never its own leave */
}

static void a_leave_is_told_when_the_connection_is_gone(void **state) /* client protocol 18 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *a = listener(w, "who:a"), *b = listener(w, "who:a");

    b->stays = true;
    a->read = a->heard_n;
    gush_client_disconnect(b->client, 3503, NULL);
    settle(w);
    assert_int_equal(b->closes_n, 1);
    expect_silence(a);
    pass(w, 3000);
    expect_silence(a);
    peer_gone(b);
    settle(w);
    expect(a, "{\"channel\":\"who:a\",\"leave\":{\"info\":{\"user\":\"\",\"client\":\"~\"}}}");
}

static void who_never_connected_never_leaves(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"channel_limit\":1"));
    struct peer *a = listener(w, "who:a");

    a->read = a->heard_n;
    expect_closed(peer_new(w, "{\"subs\":{\"who:a\":{},\"who:b\":{}}}"), 3505);
    expect_open(a);
}

/* ---- payloads that cannot travel ------------------------------------------------------------- */

static void what_is_not_json_ends_json_clients_only(void **state) /* client protocol 3 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *json = listener(w, "a"), *sse = peer_on(w, 0, GUSH_FORM_SSE);
    struct peer *proto = peer_on(w, 0, GUSH_FORM_GRPC), *other = listener(w, "b");

    peer_connect(sse, "{\"subs\":{\"a\":{}}}");
    peer_connect(proto, "{\"subs\":{\"a\":{}}}");
    publish(w, "a", "\x01\xff");
    expect_closed(json, 3506);
    assert_int_equal(sse->close_code, 3506);
    assert_int_equal(proto->heard_n, 2);
    assert_memory_equal(proto->heard[1].p,
                        "\x12\x01"
                        "a\"\x04\"\x02\x01\xff",
                        9);
    assert_int_equal(proto->closes_n, 0);
    expect_open(other);
    publish(w, "a", "1");
    assert_int_equal(proto->heard_n, 3);
}

static void what_came_before_is_still_heard(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");
    struct publishing good = publishing_of("a", "1"), bad = publishing_of("a", "x"),
                      late = publishing_of("a", "2");

    publish_begin(w, &good);
    publish_begin(w, &bad);
    publish_begin(w, &late);
    settle(w);
    expect_number(p, "a", 1);
    expect_closed(p, 3506);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(who_says_nothing_is_stale),
        world_test(the_delay_can_be_configured),
        world_test(who_connected_is_never_stale),
        world_test(first_pings_are_spread_then_regular),
        world_test(a_transport_may_have_its_own_interval),
        world_test(without_interval_there_are_no_pings),
        world_test(who_expired_is_closed_after_the_delay),
        world_test(what_opens_late_expires_at_the_same_time),
        world_test(the_queue_is_written_before_the_end),
        world_test(the_end_does_not_wait_for_ever),
        world_test(two_codes_end_without_a_word),
        world_test(a_transport_with_close_codes_says_nothing),
        world_test(the_first_reason_counts),
        world_test(nothing_is_heard_once_the_end_is_decided),
        world_test(a_connection_may_go_in_every_state),
        world_test(a_connection_may_go_with_its_flush_queued),
        world_test(what_was_sent_after_close_is_no_surprise),
        world_test(joins_and_leaves_are_told_in_order),
        world_test(a_leave_is_told_when_the_connection_is_gone),
        world_test(who_never_connected_never_leaves),
        world_test(what_is_not_json_ends_json_clients_only),
        world_test(what_came_before_is_still_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
