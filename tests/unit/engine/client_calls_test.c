/* API calls on a user's clients: subscribe, unsubscribe, disconnect, refresh; one connection per
 * user. spec: server API; client protocol 14, 15 */
#include "tests/unit/engine/calls.h"

#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true"

#define CONFIG(client)                                                                             \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"                                 \
    "\"insecure_skip_token_signature_verify\":true" client "},"                                    \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{" OPEN "},"                  \
    "\"namespaces\":[{\"name\":\"rec\",\"history_size\":50,\"history_ttl\":\"50s\","               \
    "\"force_recovery\":true," OPEN "},{\"name\":\"who\",\"presence\":true,\"join_leave\":true,"   \
    "\"force_push_join_leave\":true," OPEN "}]}}"

static struct peer *u(struct world *w)
{
    return user_on(w, 0, "{\"sub\":\"u\"}", "");
}

/* ---- who is meant ---------------------------------------------------------------------------- */

static void calls_are_refused_in_order(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct calling c = SUBSCRIBE("");

    assert_int_equal(run(w, &c), 107);
    c = SUBSCRIBE("nowhere:a");
    assert_int_equal(run(w, &c), 102);
    c = UNSUBSCRIBE("nowhere:a");
    assert_int_equal(run(w, &c), 102);
}

static void nobody_connected_is_success(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct calling all[] = {SUBSCRIBE("a"), UNSUBSCRIBE("a"), DISCONNECT(), REFRESH()};

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(run(w, &all[i]), 0);
    assert_nothing_lives(w);
}

static void all_connections_of_the_user_are_meant(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct peer *mine[6], *other = user_on(w, 0, "{\"sub\":\"v\"}", ""),
                          *anonymous = peer_new(w, "{}");
    struct calling c = DISCONNECT();

    for (size_t i = 0; i < 6; i++)
        mine[i] = user_on(w, i % 2, "{\"sub\":\"u\"}", "");
    assert_int_equal(run(w, &c), 0);
    for (size_t i = 0; i < 6; i++)
        expect_closed(mine[i], 3503);
    expect_open(other);
    expect_connected(anonymous);
    c = calling_of(GUSH_CLIENTS_DISCONNECT, "", ""); /* nobody, never everybody */
    assert_int_equal(run(w, &c), 0);
    expect_closed(anonymous, 3503);
    expect_open(other);
}

static void client_session_and_whitelist_narrow_it_down(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p[5];
    char id[36], kept[36], session[37];

    for (size_t i = 0; i < 5; i++) {
        p[i] = user_on(w, 0, "{\"sub\":\"u\"}", "");
        if (i == 2) {
            const char *at = strstr((const char *)p[i]->heard[0].p, "\"session\":\"");
            assert_non_null(at);
            (void)snprintf(session, sizeof(session), "%s", at + 11);
        }
    }
    memcpy(id, gush_client_id(p[1]->client).p, 36);
    memcpy(kept, gush_client_id(p[4]->client).p, 36);
    struct calling c = DISCONNECT();
    c.call.client = gush_span_of(id, 36);
    c.call.session = GUSH_SPAN_LIT("another");
    assert_int_equal(run(w, &c), 0);
    expect_open(p[1]); /* both must fit */
    c.call.session = GUSH_SPAN_EMPTY;
    assert_int_equal(run(w, &c), 0);
    expect_closed(p[1], 3503);
    c = DISCONNECT();
    c.call.session = gush_span_str(session);
    assert_int_equal(run(w, &c), 0);
    expect_closed(p[2], 3503);
    c = DISCONNECT();
    struct gush_span whitelist[] = {GUSH_SPAN_EMPTY, gush_span_of(kept, 36), GUSH_SPAN_LIT("x")};
    c.call.whitelist = whitelist;
    c.call.whitelist_n = 3;
    assert_int_equal(run(w, &c), 0);
    expect_closed(p[0], 3503);
    expect_closed(p[3], 3503);
    expect_open(p[4]);
}

static void the_answer_waits_for_every_lane(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct peer *p = user_on(w, 1, "{\"sub\":\"u\"}", "");
    struct calling c = DISCONNECT();

    begin(w, &c);
    while (gush_lane_turn(w->list[0]) == GUSH_LANE_CALL_NOW)
        ;
    assert_int_equal(c.done_n, 0);
    peer_gone(p); /* it goes with the letter under way: the entry is held */
    settle(w);
    assert_int_equal(c.done_n, 1);
    assert_int_equal(live(w).users, 0);
}

static void a_closed_lane_has_nobody(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct peer *p = user_on(w, 1, "{\"sub\":\"u\"}", "");
    struct calling c = DISCONNECT();

    begin(w, &c);
    peer_gone(p);
    gush_lane_close(w->list[1]);
    settle(w);
    assert_int_equal(c.done_n, 1);
}

/* ---- disconnect ------------------------------------------------------------------------------ */

static void codes_and_reasons_are_used_as_given(void **state)
{
    static const uint32_t codes[] = {5, 4000, 65535, 65536, 70000, UINT32_MAX};
    static const char because[] = "{\"disconnect\":{\"code\":%u,\"reason\":\"because\"}}";
    struct world *w = world_new(state, CONFIG(""));

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
        struct calling c = DISCONNECT();
        struct publishing q = publishing_of("a", "1");
        char text[128];

        c.call.has_code = true;
        c.call.code = codes[i];
        c.call.reason = GUSH_SPAN_LIT("because");
        begin(w, &c);
        publish_begin(w, &q); /* its letter comes behind */
        settle(w);
        (void)snprintf(text, sizeof(text), because, codes[i]);
        expect(p, text);
        expect_silence(p);
        assert_true(p->close_code == codes[i]);
        assert_string_equal(p->close_reason, "because");
    }
}

static void an_empty_reason_is_empty(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct calling c = DISCONNECT();

    c.call.has_code = true;
    c.call.code = 4001;
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"disconnect\":{\"code\":4001}}");
    assert_string_equal(p->close_reason, "");
    p = u(w);
    c.call.code = 0;
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"disconnect\":{}}");
    assert_int_equal(p->closes_n, 1);
    assert_int_equal(p->close_code, 0);
}

static void what_was_published_before_is_heard_before_the_end(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    for (int refresh = 0; refresh < 2; refresh++) {
        struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{},\"b\":{}}");
        struct publishing q[] = {publishing_of("a", "1"), publishing_of("b", "2"),
                                 publishing_of("a", "3")};
        struct calling c = refresh ? REFRESH() : DISCONNECT();

        c.call.expired = true;
        publish_begin(w, &q[0]);
        publish_begin(w, &q[1]);
        begin(w, &c);
        publish_begin(w, &q[2]); /* too late */
        settle(w);
        expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
        expect(p, "{\"channel\":\"b\",\"pub\":{\"data\":2}}");
        expect_closed(p, refresh ? 3005 : 3503);
    }
}

/* Its queue cannot hold what it should hear before: then that is lost, not the code. */
static void who_is_too_slow_for_it_ends_as_asked(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_messages\":2"));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
    struct publishing q[20];
    struct calling c = DISCONNECT();

    p->answer = GUSH_EAGAIN;
    for (size_t i = 0; i < 20; i++) {
        q[i] = publishing_of("a", "1");
        publish_begin(w, &q[i]);
    }
    begin(w, &c);
    settle(w);
    pass(w, 6000); /* it never reads */
    assert_int_equal(p->closes_n, 1);
    assert_int_equal(p->close_code, 3503);
}

/* ---- subscribe ------------------------------------------------------------------------------- */

static void who_is_subscribed_is_told_and_hears(void **state) /* client protocol 7 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct calling c = SUBSCRIBE("rec:a");

    publish(w, "rec:a", "1");
    c.call.data = GUSH_SPAN_LIT("{\"d\": 1}");
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"channel\":\"rec:a\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"~\","
              "\"offset\":1,\"positioned\":true,\"data\":{\"d\": 1}}}");
    publish(w, "rec:a", "2");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":2,\"offset\":2}}");
    assert_int_equal(run(w, &c), 100); /* it already is */
    expect_open(p);
    assert_int_equal(live(w).subscriptions, 1);
}

static void joins_follow_the_subscribe_push(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct calling c = SUBSCRIBE("who:a");

    c.call.info = GUSH_SPAN_LIT("[1]");
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"channel\":\"who:a\",\"subscribe\":{}}");
    expect(p, "{\"channel\":\"who:a\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"~\","
              "\"chan_info\":[1]}}}");
    expect_open(p);
}

static void overrides_replace_options(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct gush_token_override o = {-1, -1, -1, -1, 0};
    struct calling c = SUBSCRIBE("rec:a");

    c.call.override = &o;
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"channel\":\"rec:a\",\"subscribe\":{}}");
}

static void the_given_position_is_told(void **state) /* nothing is recovered by this call */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct calling c = SUBSCRIBE("rec:a");

    for (int i = 0; i < 5; i++)
        publish(w, "rec:a", "0");
    c.call.has_since = true;
    c.call.since_offset = 2;
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"channel\":\"rec:a\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"~\","
              "\"offset\":2,\"positioned\":true}}");
    publish(w, "rec:a", "7");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":7,\"offset\":6}}");
}

static void a_position_that_cannot_be_recovered_from_is_not_told(void **state)
{
    static const struct {
        const char *channel, *epoch;
        uint64_t offset;
    } cases[] = {{"rec:a", "", 9}, {"rec:a", "another", 2}, {"a", "", 2}};
    struct world *w = world_new(state, CONFIG(""));

    for (int i = 0; i < 5; i++)
        publish(w, "rec:a", "0");
    for (size_t i = 0; i < 3; i++) {
        struct peer *p = u(w);
        struct calling c = SUBSCRIBE(cases[i].channel);

        c.call.has_since = true;
        c.call.since_offset = cases[i].offset;
        c.call.since_epoch = gush_span_str(cases[i].epoch);
        assert_int_equal(run(w, &c), 0);
        if (i < 2)
            expect(p, "{\"channel\":\"rec:a\",\"subscribe\":{\"recoverable\":true,"
                      "\"epoch\":\"~\",\"offset\":5,\"positioned\":true}}");
        else
            expect(p, "{\"channel\":\"a\",\"subscribe\":{}}");
        peer_gone(p);
    }
}

static void one_too_many_ends_the_client_not_the_call(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"channel_limit\":1"));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
    struct calling c = SUBSCRIBE("b");

    assert_int_equal(run(w, &c), 0);
    expect_closed(p, 3505);
}

static void an_expiry_in_the_past_is_an_error(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct calling c = SUBSCRIBE("a");

    c.call.expire_at_s = WALL_MS / 1000 - 1;
    assert_int_equal(run(w, &c), 100);
    c.call.expire_at_s = WALL_MS / 1000; /* now is no future */
    assert_int_equal(run(w, &c), 100);
    c.call.expire_at_s = 1;
    assert_int_equal(run(w, &c), 100);
    expect_open(p);
    assert_int_equal(live(w).subscriptions, 0);
}

static void times_out_of_all_range_are_far_or_never(void **state)
{
    static const int64_t times[] = {INT64_MAX, INT64_MAX / 1000, 0, -1, INT64_MIN};
    struct world *w = world_new(state, CONFIG(""));

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct peer *p = u(w);
        struct calling s = SUBSCRIBE("a"), r = REFRESH();

        s.call.expire_at_s = r.call.expire_at_s = times[i];
        assert_int_equal(run(w, &s), 0);
        expect(p, "{\"channel\":\"a\",\"subscribe\":{}}");
        assert_int_equal(run(w, &r), 0);
        expect(p, times[i] > 0 ? "{\"refresh\":{\"expires\":true,\"ttl\":31536000}}"
                               : "{\"refresh\":{}}");
        pass(w, 40000000);
        expect_open(p);
        peer_gone(p);
    }
}

static void who_is_not_connected_yet_is_not_subscribed(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct calling c = SUBSCRIBE("a");

    (void)peer_on(w, 0, GUSH_FORM_PUSH_JSON);
    assert_int_equal(run(w, &c), 0);
    assert_int_equal(live(w).subscriptions, 0);
}

static void expired_subscriptions_end_the_connection(void **state) /* client protocol 15: 3006 */
{
    struct world *w = world_new(state, CONFIG(",\"expired_sub_close_delay\":\"2s\""));
    struct peer *p = u(w);
    struct calling a = SUBSCRIBE("a"), b = SUBSCRIBE("b");

    a.call.expire_at_s = WALL_MS / 1000 + 20;
    b.call.expire_at_s = WALL_MS / 1000 + 10;
    assert_int_equal(run(w, &a), 0);
    assert_int_equal(run(w, &b), 0);
    p->read = p->heard_n;
    pass(w, 11900);
    expect_open(p);
    pass(w, 200);
    expect_closed(p, 3006);
}

static void what_was_left_does_not_expire(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"expired_sub_close_delay\":\"2s\""));
    struct peer *p = u(w);
    struct calling a = SUBSCRIBE("a"), b = SUBSCRIBE("b"), c = UNSUBSCRIBE("b");

    a.call.expire_at_s = WALL_MS / 1000 + 20;
    b.call.expire_at_s = WALL_MS / 1000 + 10;
    assert_int_equal(run(w, &a), 0);
    assert_int_equal(run(w, &b), 0);
    assert_int_equal(run(w, &c), 0);
    p->read = p->heard_n;
    pass(w, 21900);
    expect_open(p);
    pass(w, 200);
    expect_closed(p, 3006);
}

static void what_cannot_travel_ends_the_client_and_fails_the_call(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct calling c = SUBSCRIBE("a");

    c.call.data = GUSH_SPAN_LIT("\x01");
    assert_int_equal(run(w, &c), 100);
    expect_closed(p, 3506);
}

/* ---- unsubscribe ----------------------------------------------------------------------------- */

static void who_is_unsubscribed_is_told_and_hears_no_more(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{},\"b\":{}}");
    struct calling c = UNSUBSCRIBE("a");
    struct publishing q = publishing_of("a", "1");

    publish_begin(w, &q); /* under way when the call comes: heard before */
    begin(w, &c);
    settle(w);
    publish(w, "a", "2");
    publish(w, "b", "3");
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
    expect(p,
           "{\"channel\":\"a\",\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}}");
    expect(p, "{\"channel\":\"b\",\"pub\":{\"data\":3}}");
    expect_open(p);
    assert_int_equal(live(w).channels, 1);
}

/* A letter is partly dealt, slice by slice, when the call comes: who has it does not get it again,
 * who has it not gets it before it leaves. */
static void a_letter_that_is_partly_dealt_is_heard_once(void **state)
{
    enum { CROWD = 200 };
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p[CROWD];
    struct publishing q[3];
    struct calling c = UNSUBSCRIBE("a");

    for (size_t i = 0; i < CROWD; i++)
        p[i] = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
    w->tick_us = 300; /* a slice or two a turn */
    for (size_t i = 0; i < 3; i++) {
        q[i] = publishing_of("a", "1");
        publish_begin(w, &q[i]);
    }
    (void)gush_lane_turn(w->list[0]);
    assert_true(p[0]->heard_n > p[0]->read);
    assert_true(p[CROWD - 1]->heard_n == p[CROWD - 1]->read);
    begin(w, &c);
    settle(w);
    w->tick_us = 0;
    for (size_t i = 0; i < CROWD; i++) {
        for (size_t n = 0; n < 3; n++)
            expect(p[i], "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
        expect(p[i], "{\"channel\":\"a\",\"unsubscribe\":{\"code\":2000,"
                     "\"reason\":\"server unsubscribe\"}}");
        expect_open(p[i]);
    }
}

static void who_was_not_subscribed_is_told_as_well(void **state) /* server API [V] */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
    struct calling c = UNSUBSCRIBE("b"), all = UNSUBSCRIBE("");

    assert_int_equal(run(w, &c), 0);
    expect(p,
           "{\"channel\":\"b\",\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}}");
    assert_int_equal(run(w, &all), 0);
    expect(p, "{\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}}");
    publish(w, "a", "1");
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
}

static void leaves_are_told_to_the_others(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"who:a\":{}}");
    struct peer *other = user_on(w, 0, "{\"sub\":\"v\"}", ",\"subs\":{\"who:a\":{}}");
    struct calling c = UNSUBSCRIBE("who:a");

    p->read = p->heard_n;
    other->read = other->heard_n;
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"channel\":\"who:a\",\"unsubscribe\":{\"code\":2000,"
              "\"reason\":\"server unsubscribe\"}}");
    expect(other, "{\"channel\":\"who:a\",\"leave\":{\"info\":{\"user\":\"u\",\"client\":\"~\"}}}");
    expect_open(p); /* never its own */
    struct calling again = SUBSCRIBE("who:a");
    assert_int_equal(run(w, &again), 0);
    expect(p, "{\"channel\":\"who:a\",\"subscribe\":{}}");
}

/* ---- refresh --------------------------------------------------------------------------------- */

static void an_expiry_can_be_moved(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"expired_close_delay\":\"2s\""));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\",\"exp\":1700000010}", "");
    struct calling c = REFRESH();

    c.call.expire_at_s = WALL_MS / 1000 + 50;
    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"refresh\":{\"expires\":true,\"ttl\":50}}");
    pass(w, 51900);
    expect_open(p);
    pass(w, 200);
    expect_closed(p, 3005);
}

static void an_expiry_can_be_lifted(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"expired_close_delay\":\"2s\""));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\",\"exp\":1700000010}", "");
    struct calling c = REFRESH();

    assert_int_equal(run(w, &c), 0);
    expect(p, "{\"refresh\":{}}");
    pass(w, 60000);
    expect_open(p);
}

static void expired_ones_are_closed(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = u(w);
    struct calling c = REFRESH();

    c.call.expired = true;
    assert_int_equal(run(w, &c), 0);
    expect_closed(p, 3005);
    p = u(w);
    c = REFRESH();
    c.call.expire_at_s = WALL_MS / 1000 - 5;
    assert_int_equal(run(w, &c), 0);
    expect_closed(p, 3005);
}

static void a_new_info_holds_from_now_on(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\",\"info\":[1]}", "");
    struct calling c = REFRESH(), s = SUBSCRIBE("who:a");

    c.call.info = GUSH_SPAN_LIT("[2]");
    c.call.expire_at_s = WALL_MS / 1000 + 50;
    assert_int_equal(run(w, &c), 0);
    c.call.info = GUSH_SPAN_LIT("[3]"); /* not without an expiry */
    c.call.expire_at_s = 0;
    assert_int_equal(run(w, &c), 0);
    assert_int_equal(run(w, &s), 0);
    expect(p, "{\"refresh\":{\"expires\":true,\"ttl\":50}}");
    expect(p, "{\"refresh\":{}}");
    expect(p, "{\"channel\":\"who:a\",\"subscribe\":{}}");
    expect(p, "{\"channel\":\"who:a\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"~\","
              "\"conn_info\":[2]}}}");
}

/* ---- one connection per user ----------------------------------------------------------------- */

#define SINGLE                                                                                     \
    ",\"subscribe_to_user_personal_channel\":{\"enabled\":true,\"single_connection\":true,"        \
    "\"personal_channel_namespace\":\"who\"}"

static void the_newest_connection_stays(void **state) /* client protocol 6 */
{
    struct world *w = world_with(state, CONFIG(SINGLE), 2, NULL);
    struct peer *p[5], *other = user_on(w, 0, "{\"sub\":\"v\"}", "");

    other->read = other->heard_n;
    for (size_t i = 0; i < 5; i++) {
        p[i] = user_on(w, i % 2, "{\"sub\":\"u\"}", "");
        for (size_t k = 0; k < i; k++)
            assert_int_equal(p[k]->close_code, 3504);
        assert_int_equal(p[i]->closes_n, 0);
    }
    expect_open(other);
    expect_connected(peer_new(w, "{}"));
    expect_connected(peer_new(w, "{}")); /* not of nobody's */
}

/* Two come at the same time, on two lanes: one stays. */
static void of_two_at_once_the_later_stays(void **state)
{
    struct world *w = world_with(state, CONFIG(SINGLE), 2, NULL);
    struct peer *p[2];
    struct gush_buf token;

    gush_buf_init(&token, 1000);
    token_of("{\"sub\":\"u\"}", &token);
    for (size_t i = 0; i < 2; i++) {
        p[i] = peer_on(w, i, GUSH_FORM_PUSH_JSON);
        gush_client_connect(p[i]->client,
                            &(struct gush_connect_request){.token = gush_buf_span(&token)});
    }
    gush_buf_fini(&token);
    settle(w);
    assert_int_equal(p[0]->close_code, 3504);
    assert_int_equal(p[1]->closes_n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(calls_are_refused_in_order),
        world_test(nobody_connected_is_success),
        world_test(all_connections_of_the_user_are_meant),
        world_test(client_session_and_whitelist_narrow_it_down),
        world_test(the_answer_waits_for_every_lane),
        world_test(a_closed_lane_has_nobody),
        world_test(codes_and_reasons_are_used_as_given),
        world_test(an_empty_reason_is_empty),
        world_test(what_was_published_before_is_heard_before_the_end),
        world_test(who_is_too_slow_for_it_ends_as_asked),
        world_test(who_is_subscribed_is_told_and_hears),
        world_test(joins_follow_the_subscribe_push),
        world_test(overrides_replace_options),
        world_test(the_given_position_is_told),
        world_test(a_position_that_cannot_be_recovered_from_is_not_told),
        world_test(one_too_many_ends_the_client_not_the_call),
        world_test(an_expiry_in_the_past_is_an_error),
        world_test(times_out_of_all_range_are_far_or_never),
        world_test(who_is_not_connected_yet_is_not_subscribed),
        world_test(expired_subscriptions_end_the_connection),
        world_test(what_was_left_does_not_expire),
        world_test(what_cannot_travel_ends_the_client_and_fails_the_call),
        world_test(who_is_unsubscribed_is_told_and_hears_no_more),
        world_test(a_letter_that_is_partly_dealt_is_heard_once),
        world_test(who_was_not_subscribed_is_told_as_well),
        world_test(leaves_are_told_to_the_others),
        world_test(an_expiry_can_be_moved),
        world_test(an_expiry_can_be_lifted),
        world_test(expired_ones_are_closed),
        world_test(a_new_info_holds_from_now_on),
        world_test(the_newest_connection_stays),
        world_test(of_two_at_once_the_later_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
