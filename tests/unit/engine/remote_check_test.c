/* Positions in streams of a broker: who fell behind, who got ahead of it, and who is left alone.
 * spec: design 7; client protocol 10, periodic check */
#include "tests/unit/engine/remote.h"

#define EVERY_4S ",\"channel_position_check_delay\":\"4s\""

/* A live subscriber of rec:a at offset 5 of epoch E. */
static struct peer *live_at_5(struct world *w)
{
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    if (broker.read < broker.asked_n && broker.asked[broker.read].kind == ASKED_SUBSCRIBE)
        acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_connected(p);
    return p;
}

static struct world *begin(void **state)
{
    return broker_world(state, &broker, REMOTE_CONFIG(EVERY_4S), 1);
}

/* Time passes until the periodic check is asked. */
static struct asked *checked(struct world *w)
{
    for (int i = 0; i < 70 && broker.read == broker.asked_n; i++)
        pass(w, 100);
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    assert_false(a->since);
    assert_int_equal(a->limit, 0);
    expect_unasked(&broker);
    return a;
}

static void positions_are_checked_again_and_again(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w), *q = live_at_5(w); /* one read for both */

    for (int i = 0; i < 5; i++) {
        uint64_t before = w->now_us;
        answer_top(&broker, checked(w), 5, "E");
        if (i > 0)
            assert_in_range(w->now_us - before, 1900000, 5200000);
        expect_open(p);
        expect_open(q);
    }
}

static void one_check_at_a_time(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);
    struct asked *a = checked(w);

    pass(w, 60000);
    expect_unasked(&broker);
    answer_top(&broker, a, 5, "E");
    answer_top(&broker, checked(w), 5, "E");
    expect_open(p);
}

static void nobody_is_checked_where_nobody_has_a_position(void **state)
{
    struct world *w = begin(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{},\"hist:a\":{}}}");

    say_subscribed(&broker, "a", 1, true);
    say_subscribed(&broker, "hist:a", 1, true);
    expect_connected(p);
    broker.read = broker.asked_n;
    pass(w, 30000);
    expect_unasked(&broker);
    struct peer *gone = live_at_5(w);
    peer_gone(gone);
    pass(w, 30000);
    (void)asked_next(&broker, ASKED_UNSUBSCRIBE, "rec:a");
    expect_unasked(&broker);
}

static void checks_can_be_switched_off(void **state)
{
    struct world *w = broker_world(state, &broker,
                                   REMOTE_CONFIG(",\"channel_position_check_delay\":\"1000h\""), 1);
    struct peer *p = live_at_5(w);

    pass(w, 200000);
    expect_unasked(&broker);
    expect_open(p);
}

static void who_stays_behind_for_a_second_is_told(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);

    answer_top(&broker, checked(w), 6, "E");
    pass(w, 980);
    expect_open(p); /* it may be on its way */
    pass(w, 40);
    expect_closed(p, 3010);
}

static void who_catches_up_within_a_second_is_not(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);

    answer_top(&broker, checked(w), 7, "E");
    pass(w, 500);
    send_numbers(&broker, "rec:a", 6, 7, "E");
    pass(w, 1500);
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":6,\"offset\":6}}");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":7,\"offset\":7}}");
    expect_open(p);
}

static void who_catches_up_in_part_is_told(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);

    answer_top(&broker, checked(w), 7, "E");
    send_numbers(&broker, "rec:a", 6, 6, "E");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":6,\"offset\":6}}");
    pass(w, 1100);
    expect_closed(p, 3010);
}

static void another_epoch_is_told_at_once(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);

    answer_top(&broker, checked(w), 5, "F");
    expect_closed(p, 3010);
}

static void lost_writes_are_told_at_once(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);

    answer_top(&broker, checked(w), 4, "E"); /* 5 had been handed out when we asked */
    expect_closed(p, 3010);
}

/* A publication overtakes the answer: the position is above the told top, and nothing is lost. */
static void what_arrives_while_asking_is_no_loss(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);
    struct asked *a = checked(w);

    send_numbers(&broker, "rec:a", 6, 9, "E");
    answer_top(&broker, a, 5, "E");
    pass(w, 1500);
    for (int i = 6; i <= 9; i++) {
        char text[128];
        (void)snprintf(text, sizeof(text),
                       "{\"channel\":\"rec:a\",\"pub\":{\"data\":%d,\"offset\":%d}}", i, i);
        expect(p, text);
    }
    expect_open(p);
}

/* What another epoch had handed out says nothing about this one. */
static void tops_of_an_older_epoch_are_forgotten(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);

    send_numbers(&broker, "rec:a", 1, 1, "F"); /* the stream began anew */
    expect_closed(p, 3010);
    p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 1, "F");
    expect_connected(p);
    answer_top(&broker, checked(w), 1, "F");
    pass(w, 1500);
    expect_open(p);
}

static void failed_checks_say_nothing_and_come_again_soon(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);

    answer_failure(&broker, checked(w));
    expect_open(p);
    pass(w, 1100);
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_open(p);
}

static void newcomers_are_not_judged_by_an_older_verdict(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);
    struct asked *a = checked(w);
    struct peer *q = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");
    struct asked *own = asked_next(&broker, ASKED_HISTORY, "rec:a");

    answer_top(&broker, a, 8, "E"); /* held by the newcomer, too */
    answer_top(&broker, own, 8, "E");
    expect_connected(q);
    pass(w, 1100);
    expect_closed(p, 3010);
    expect_open(q);
}

static void who_has_no_position_is_left_alone(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w), *plain = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_connect_token(plain,
                       "{\"subs\":{\"rec:a\":{\"override\":{\"force_recovery\":"
                       "{\"value\":false}}}}}",
                       "");
    expect_connected(plain);
    answer_top(&broker, checked(w), 9, "F");
    expect_closed(p, 3010);
    pass(w, 1500);
    expect_open(plain);
}

static void two_verdicts_within_a_second_are_one(void **state)
{
    struct world *w = begin(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{},\"rec:b\":{}}}");

    say_subscribed(&broker, "rec:a", 1, true);
    say_subscribed(&broker, "rec:b", 1, true);
    broker.read = 2;
    while (broker.read < broker.asked_n) {
        struct asked *a = &broker.asked[broker.read++];
        answer_top(&broker, a, 5, "E");
    }
    expect_connected(p);
    for (int i = 0; i < 70 && broker.asked_n < 6; i++)
        pass(w, 100); /* until both are checked */
    for (int i = 0; i < 2; i++)
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, broker.asked[broker.read].channel),
                   6, "E");
    expect_open(p);
    pass(w, 1100);
    expect_closed(p, 3010);
}

/* ---- reconnects ------------------------------------------------------------------------------ */

static void a_reconnect_checks_who_was_in(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(""), 1);
    struct peer *p = live_at_5(w);

    broker_down(&broker);
    broker_up(&broker);
    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    expect_unasked(&broker);
    answer_top(&broker, a, 7, "E"); /* 6 and 7 were missed */
    pass(w, 1100);
    expect_closed(p, 3010);
}

static void two_reconnects_check_as_well(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(""), 1);
    struct peer *p = live_at_5(w);

    broker_down(&broker);
    broker_up(&broker);
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    broker_down(&broker);
    broker_up(&broker);
    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 6, "E");
    pass(w, 1100);
    expect_closed(p, 3010);
}

/* Somebody came and went before the acknowledgement: who was in before is checked all the same. */
static void who_came_and_went_hides_nobody(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(""), 1);
    struct peer *p = live_at_5(w);

    broker_down(&broker);
    broker_up(&broker);
    peer_gone(peer_new(w, "{\"subs\":{\"rec:a\":{}}}"));
    acknowledge(&broker, "rec:a");
    while (broker.read < broker.asked_n) /* its read, and the check */
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 7, "E");
    pass(w, 1100);
    expect_closed(p, 3010);
}

static void a_check_of_an_older_connection_is_made_again(void **state)
{
    struct world *w = begin(state);
    struct peer *p = live_at_5(w);
    struct asked *a = checked(w);

    broker_down(&broker);
    broker_up(&broker);
    acknowledge(&broker, "rec:a");
    answer_top(&broker, a, 5, "E"); /* asked before the connection broke: proves nothing */
    pass(w, 1100);
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 6, "E");
    pass(w, 1100);
    expect_closed(p, 3010);
}

static void plain_listeners_survive_every_reconnect(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(""), 1);
    struct peer *p = peer_new(w, "{\"subs\":{\"hist:a\":{}}}");

    acknowledge(&broker, "hist:a");
    expect_connected(p);
    broker.read = broker.asked_n;
    broker_down(&broker);
    broker_up(&broker);
    acknowledge(&broker, "hist:a");
    expect_unasked(&broker); /* there is no position to check */
    send_numbers(&broker, "hist:a", 9, 9, "E");
    expect(p, "{\"channel\":\"hist:a\",\"pub\":{\"data\":9,\"offset\":9}}");
    expect_open(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        broker_test(positions_are_checked_again_and_again),
        broker_test(one_check_at_a_time),
        broker_test(nobody_is_checked_where_nobody_has_a_position),
        broker_test(checks_can_be_switched_off),
        broker_test(who_stays_behind_for_a_second_is_told),
        broker_test(who_catches_up_within_a_second_is_not),
        broker_test(who_catches_up_in_part_is_told),
        broker_test(another_epoch_is_told_at_once),
        broker_test(lost_writes_are_told_at_once),
        broker_test(what_arrives_while_asking_is_no_loss),
        broker_test(tops_of_an_older_epoch_are_forgotten),
        broker_test(failed_checks_say_nothing_and_come_again_soon),
        broker_test(newcomers_are_not_judged_by_an_older_verdict),
        broker_test(who_has_no_position_is_left_alone),
        broker_test(two_verdicts_within_a_second_are_one),
        broker_test(a_reconnect_checks_who_was_in),
        broker_test(two_reconnects_check_as_well),
        broker_test(who_came_and_went_hides_nobody),
        broker_test(a_check_of_an_older_connection_is_made_again),
        broker_test(plain_listeners_survive_every_reconnect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
