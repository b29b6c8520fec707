/* API calls on a client that is still entering a channel, because its stream lives elsewhere: what
 * the call says holds, and nobody is told of a subscription that is not. */
#include "tests/unit/engine/broker.h"
#include "tests/unit/engine/calls.h"

#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true"
#define CONFIG                                                                                     \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"                                 \
    "\"insecure_skip_token_signature_verify\":true},"                                              \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{" OPEN "},"                  \
    "\"namespaces\":[{\"name\":\"who\",\"presence\":true,\"join_leave\":true,"                     \
    "\"force_push_join_leave\":true," OPEN "},{\"name\":\"rec\",\"history_size\":50,"              \
    "\"history_ttl\":\"50s\",\"force_recovery\":true," OPEN "}]}}"

#define TOLD_OUT(channel)                                                                          \
    "{\"channel\":\"" channel                                                                      \
    "\",\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}}"

/* A user with no channel, connected at once. */
static struct peer *u(struct world *w)
{
    return user_on(w, 0, "{\"sub\":\"u\"}", "");
}

/* One who waits for the broker to enter |channel| before it is connected. */
static struct peer *connecting(struct world *w, const char *members)
{
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_connect_token(p, "{\"sub\":\"u\"}", members);
    settle(w);
    expect_silence(p);
    return p;
}

static void an_unsubscribe_overtakes_a_subscribe_that_waits(void **state) /* no ghost */
{
    struct world *w = broker_world(state, &broker, CONFIG, 1);
    struct peer *p = u(w), *watcher = user_on(w, 0, "{\"sub\":\"v\"}", "");
    struct calling s = SUBSCRIBE("who:a"), out = UNSUBSCRIBE("who:a");

    (void)watcher;
    begin(w, &s);
    settle(w);
    assert_int_equal(s.done_n, 0); /* the broker has not answered */
    assert_int_equal(run(w, &out), 0);
    assert_int_equal(s.done_n, 1); /* nothing waits any more */
    assert_int_equal(s.call.call.error, 0);
    expect(p, TOLD_OUT("who:a"));
    assert_int_equal(live(w).subscriptions, 0);
    acknowledge(&broker, "who:a");
    expect_open(p); /* and not a word more */
    assert_int_equal(live(w).subscriptions, 0);
}

static void what_was_overtaken_can_be_asked_for_again(void **state)
{
    struct world *w = broker_world(state, &broker, CONFIG, 1);
    struct peer *p = u(w);
    struct calling first = SUBSCRIBE("rec:a"), out = UNSUBSCRIBE("rec:a"), again = first;

    begin(w, &first);
    settle(w);
    assert_int_equal(run(w, &out), 0);
    begin(w, &again);
    settle(w);
    expect(p, TOLD_OUT("rec:a"));
    acknowledge(&broker, "rec:a");
    while (broker.read < broker.asked_n) { /* the first one's question may be among them */
        struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
        answer_top(&broker, a, 7, "E");
    }
    assert_int_equal(again.done_n, 1);
    assert_int_equal(again.call.call.error, 0);
    expect(p, "{\"channel\":\"rec:a\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"~\","
              "\"offset\":7,\"positioned\":true}}");
    expect_open(p);
    assert_int_equal(live(w).subscriptions, 1);
    send_numbers(&broker, "rec:a", 8, 8, "E");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":8,\"offset\":8}}");
}

static void a_second_subscribe_while_one_waits_is_an_error(void **state)
{
    struct world *w = broker_world(state, &broker, CONFIG, 1);
    struct peer *p = u(w);
    struct calling first = SUBSCRIBE("a"), second = first;

    begin(w, &first);
    settle(w);
    assert_int_equal(run(w, &second), 100);
    acknowledge(&broker, "a");
    assert_int_equal(first.done_n, 1);
    assert_int_equal(first.call.call.error, 0);
    expect(p, "{\"channel\":\"a\",\"subscribe\":{}}");
    expect_open(p);
}

static void who_is_unsubscribed_while_connecting_is_told_behind_it(void **state)
{
    struct world *w = broker_world(state, &broker, CONFIG, 1);
    struct peer *p = connecting(w, ",\"subs\":{\"who:a\":{},\"b\":{}}");
    struct calling out = UNSUBSCRIBE("who:a"), other = UNSUBSCRIBE("c"), all = UNSUBSCRIBE("");

    assert_int_equal(run(w, &out), 0);
    assert_int_equal(run(w, &out), 0); /* twice is once */
    assert_int_equal(run(w, &other), 0);
    assert_int_equal(run(w, &all), 0);
    expect_silence(p);
    while (broker.read < broker.asked_n)
        say_subscribed(&broker, broker.asked[broker.read++].channel, broker.generation, true);
    expect_connected(p);
    expect(p, TOLD_OUT("who:a"));
    expect_open(p); /* it never joined */
    assert_int_equal(live(w).subscriptions, 1);
}

static void who_is_ended_while_connecting_ends(void **state)
{
    struct world *w = broker_world(state, &broker, CONFIG, 1);

    for (int i = 0; i < 3; i++) {
        struct peer *p = connecting(w, ",\"subs\":{\"a\":{}}");
        struct calling c = i == 0 ? DISCONNECT() : REFRESH();

        c.call.expired = i == 1;
        c.call.expire_at_s = i == 2;
        assert_int_equal(run(w, &c), 0);
        expect_closed(p, i == 0 ? 3503 : 3005);
    }
}

static void what_else_is_said_while_connecting_is_not_for_it(void **state)
{
    struct world *w = broker_world(state, &broker, CONFIG, 1);
    struct peer *p = connecting(w, ",\"subs\":{\"a\":{}}");
    struct calling s = SUBSCRIBE("b"), r = REFRESH();

    assert_int_equal(run(w, &s), 0);
    assert_int_equal(run(w, &r), 0);
    expect_silence(p);
    acknowledge(&broker, "a");
    expect_connected(p);
    expect_open(p);
    assert_int_equal(live(w).subscriptions, 1);
}

static void who_leaves_while_a_subscribe_waits_ends_it_without_error(void **state)
{
    struct world *w = broker_world(state, &broker, CONFIG, 1);
    struct peer *p = u(w);
    struct calling s = SUBSCRIBE("rec:a");

    begin(w, &s);
    settle(w);
    assert_int_equal(s.done_n, 0);
    peer_gone(p);
    settle(w);
    assert_int_equal(s.done_n, 1);
    assert_int_equal(s.call.call.error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        broker_test(an_unsubscribe_overtakes_a_subscribe_that_waits),
        broker_test(what_was_overtaken_can_be_asked_for_again),
        broker_test(a_second_subscribe_while_one_waits_is_an_error),
        broker_test(who_is_unsubscribed_while_connecting_is_told_behind_it),
        broker_test(who_is_ended_while_connecting_ends),
        broker_test(what_else_is_said_while_connecting_is_not_for_it),
        broker_test(who_leaves_while_a_subscribe_waits_ends_it_without_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
