/* A channel of a broker through reconnects, failures and its last second. spec: design 7 */
#include "tests/unit/engine/remote.h"

/* ---- failures -------------------------------------------------------------------------------- */

static void a_failed_subscribe_is_an_error(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    say_subscribed(&broker, "rec:a", 1, false);
    expect_closed(p, 3004);
}

static void a_failed_read_is_an_error_of_who_asked(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = live_one(w, 5), *q = comes_back(w, "rec:a", 3);

    answer_failure(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"));
    expect_closed(q, 3004);
    send_numbers(&broker, "rec:a", 6, 6, "E");
    expect_numbers(p, "rec:a", 6, 6);
    expect_open(p);
}

static void a_broker_that_never_answers_is_an_error_not_staleness(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    pass(w, 30000);
    expect_closed(p, 3004); /* SDKs come back after this, not after 3502 */
    say_subscribed(&broker, "rec:a", 1, true);
}

static void answers_for_who_is_gone_find_nobody(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    peer_gone(p);
    p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}"); /* the same slot, another generation */
    struct asked *own = asked_next(&broker, ASKED_HISTORY, "rec:a");
    answer_top(&broker, a, 3, "E");
    expect_open(p);
    answer_top(&broker, own, 5, "E");
    expect_result(p, "rec:a", TOP_5);
}

static void answers_for_who_is_ending_are_ignored(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    p->stays = true;
    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    gush_client_disconnect(p->client, 3503, NULL);
    answer_top(&broker, a, 5, "E");
    expect_closed(p, 3503);
}

/* ---- reconnects ------------------------------------------------------------------------------ */

static void nothing_is_asked_of_what_is_down(void **state)
{
    struct world *w = remote_world(state);

    broker_down(&broker);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");
    expect_unasked(&broker);
    broker_up(&broker);
    acknowledge(&broker, "a");
    expect_result(p, "a", "");
    expect_unasked(&broker);
}

static void channels_in_use_are_subscribed_anew(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");

    acknowledge(&broker, "a");
    expect_connected(p);
    broker_down(&broker);
    broker_up(&broker);
    acknowledge(&broker, "a");
    expect_unasked(&broker);
    send_numbers(&broker, "a", 0, 0, "");
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":0}}");
    expect_open(p);
}

static void an_old_acknowledgement_is_ignored(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    broker_down(&broker);
    say_subscribed(&broker, "rec:a", 1, true);
    broker_up(&broker);
    say_subscribed(&broker, "rec:a", 1, true);
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    expect_unasked(&broker); /* no history yet */
    say_subscribed(&broker, "rec:a", 2, true);
    while (broker.read < broker.asked_n)
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_result(p, "rec:a", TOP_5);
}

/* The answer of an older connection says nothing about what was missed since. */
static void an_old_answer_is_asked_again_when_acknowledged(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    broker_down(&broker);
    broker_up(&broker);
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    answer_top(&broker, a, 3, "E");
    expect_open(p);
    expect_unasked(&broker);
    say_subscribed(&broker, "rec:a", 2, true);
    while (broker.read < broker.asked_n)
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_result(p, "rec:a", TOP_5);
    expect_open(p);
}

static void an_old_answer_is_asked_again_at_once(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = comes_back(w, "rec:a", 4);

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    broker_down(&broker);
    broker_up(&broker);
    acknowledge(&broker, "rec:a");
    while (broker.read < broker.asked_n) /* a check, perhaps */
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    answer_top(&broker, a, 4, "E");
    expect_open(p);
    struct asked *b = asked_next(&broker, ASKED_HISTORY, "rec:a");
    assert_true(b->since);
    assert_int_equal(b->offset, 4);
    answer_numbers(&broker, b, 5, 5, "E");
    expect_result(
        p, "rec:a",
        "\"recoverable\":true,\"epoch\":\"E\",\"publications\":[{\"data\":5,\"offset\":5}],"
        "\"recovered\":true,\"offset\":4,\"positioned\":true,\"was_recovering\":true");
    expect_open(p);
}

static void a_late_failure_of_an_older_connection_is_ignored(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");

    (void)asked_next(&broker, ASKED_SUBSCRIBE, "a");
    broker_down(&broker);
    broker_up(&broker);
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "a");
    say_subscribed(&broker, "a", 1, false); /* of the connection that broke */
    expect_open(p);
    say_subscribed(&broker, "a", 2, true);
    expect_result(p, "a", "");
    expect_unasked(&broker);
}

/* ---- leaving --------------------------------------------------------------------------------- */

static void a_channel_is_left_after_a_second(void **state) /* spec: engines 4 */
{
    struct world *w = remote_world(state);
    struct peer *p = live_one(w, 5);

    peer_gone(p);
    pass(w, 990);
    expect_unasked(&broker);
    assert_int_equal(live(w).channels, 1);
    pass(w, 1100);
    (void)asked_next(&broker, ASKED_UNSUBSCRIBE, "rec:a");
    expect_unasked(&broker);
    assert_nothing_lives(w);
}

static void who_comes_back_in_time_finds_it_subscribed(void **state)
{
    struct world *w = remote_world(state);

    peer_gone(live_one(w, 5));
    pass(w, 900);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_result(p, "rec:a", TOP_5);
    pass(w, 5000);
    expect_unasked(&broker);
    send_numbers(&broker, "rec:a", 6, 6, "E");
    expect_numbers(p, "rec:a", 6, 6);
    expect_open(p);
}

static void who_leaves_before_the_acknowledgement_is_unsubscribed(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    peer_gone(p);
    pass(w, 3000);
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    expect_unasked(&broker); /* it may not overtake the SUBSCRIBE */
    say_subscribed(&broker, "rec:a", 1, true);
    while (broker.read < broker.asked_n) /* who left was still asked for */
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    pass(w, 2100);
    (void)asked_next(&broker, ASKED_UNSUBSCRIBE, "rec:a");
    assert_nothing_lives(w);
}

static void who_comes_back_after_a_reconnect_is_subscribed_anew(void **state)
{
    struct world *w = remote_world(state);

    peer_gone(live_one(w, 5));
    settle(w);
    broker_down(&broker);
    broker_up(&broker); /* nobody listens: this connection knows nothing of the channel */
    expect_unasked(&broker);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");
    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_result(p, "rec:a", TOP_5);
}

static void what_was_left_before_a_reconnect_dies(void **state)
{
    struct world *w = remote_world(state);

    peer_gone(live_one(w, 5));
    settle(w);
    broker_down(&broker);
    broker_up(&broker);
    pass(w, 2100);
    assert_nothing_lives(w);
}

static struct peer *intruder;

static void comes_while_going(struct broker *b)
{
    struct gush_connect_sub sub = {.channel = GUSH_SPAN_LIT("rec:a")};

    b->on_unsubscribe = NULL;
    intruder = peer_on(b->world, 0, GUSH_FORM_PUSH_JSON);
    gush_client_connect(intruder->client,
                        &(struct gush_connect_request){.subs = &sub, .subs_n = 1});
}

static void who_comes_while_it_is_going_is_subscribed_behind_it(void **state)
{
    struct world *w = remote_world(state);

    peer_gone(live_one(w, 5));
    broker.on_unsubscribe = comes_while_going;
    pass(w, 2100);
    (void)asked_next(&broker, ASKED_UNSUBSCRIBE, "rec:a");
    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_result(intruder, "rec:a", TOP_5);
    expect_unasked(&broker);
}

static void reconnects_while_going(struct broker *b)
{
    b->on_unsubscribe = NULL;
    gush_broker_on_disconnected(b->world->node);
    gush_broker_on_connected(b->world->node, ++b->generation);
}

static void a_reconnect_while_it_is_going_changes_nothing(void **state)
{
    struct world *w = remote_world(state);

    peer_gone(live_one(w, 5));
    broker.on_unsubscribe = reconnects_while_going;
    pass(w, 2100);
    (void)asked_next(&broker, ASKED_UNSUBSCRIBE, "rec:a");
    expect_unasked(&broker);
    assert_nothing_lives(w);
}

static void a_failed_subscribe_of_nobody_is_the_end_of_it(void **state)
{
    struct world *w = remote_world(state);

    peer_gone(peer_new(w, "{\"subs\":{\"rec:a\":{}}}"));
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    say_subscribed(&broker, "rec:a", 1, false);
    expect_unasked(&broker);
    assert_nothing_lives(w);
}

static void a_failed_subscribe_is_tried_again_for_who_was_in(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = live_one(w, 5);

    broker_down(&broker);
    broker_up(&broker);
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    say_subscribed(&broker, "rec:a", 2, false);
    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    send_numbers(&broker, "rec:a", 6, 6, "E");
    expect_numbers(p, "rec:a", 6, 6);
    expect_open(p);
}

static void a_closed_lane_drops_answers(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(""), 2);
    struct peer *p = peer_on(w, 1, GUSH_FORM_PUSH_JSON);

    peer_connect(p, "{\"subs\":{\"rec:a\":{}}}");
    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    struct gush_broker_request *request = a->request;
    a->request = NULL;
    gush_broker_on_history(
        w->node, request,
        &(struct gush_broker_history){.ok = true, .offset = 5, .epoch = GUSH_SPAN_LIT("E")});
    peer_gone(p);
    gush_lane_close(w->list[1]); /* with the answer in its mailbox */
    settle(w);
}

static void a_crowd_of_channels_is_left_in_time(void **state)
{
    struct world *w = remote_world(state);
    struct gush_buf b;

    gush_buf_init(&b, 1 << 16);
    gush_buf_put_str(&b, "{\"subs\":{");
    for (int i = 0; i < 120; i++)
        gush_buf_printf(&b, "%s\"%d\":{}", i ? "," : "", i);
    gush_buf_put_str(&b, "}}");
    gush_buf_put_u8(&b, 0);
    struct peer *p = peer_new(w, (const char *)b.p);
    gush_buf_fini(&b);
    assert_int_equal(broker.asked_n, 120);
    for (int i = 0; i < 120; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%d", i);
        say_subscribed(&broker, name, 1, true);
    }
    expect_connected(p);
    peer_gone(p);
    pass(w, 2500);
    assert_int_equal(broker.asked_n, 240);
    assert_nothing_lives(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        broker_test(a_failed_subscribe_is_an_error),
        broker_test(a_failed_read_is_an_error_of_who_asked),
        broker_test(a_broker_that_never_answers_is_an_error_not_staleness),
        broker_test(answers_for_who_is_gone_find_nobody),
        broker_test(answers_for_who_is_ending_are_ignored),
        broker_test(nothing_is_asked_of_what_is_down),
        broker_test(channels_in_use_are_subscribed_anew),
        broker_test(an_old_acknowledgement_is_ignored),
        broker_test(an_old_answer_is_asked_again_when_acknowledged),
        broker_test(an_old_answer_is_asked_again_at_once),
        broker_test(a_late_failure_of_an_older_connection_is_ignored),
        broker_test(a_channel_is_left_after_a_second),
        broker_test(who_comes_back_in_time_finds_it_subscribed),
        broker_test(who_leaves_before_the_acknowledgement_is_unsubscribed),
        broker_test(who_comes_back_after_a_reconnect_is_subscribed_anew),
        broker_test(what_was_left_before_a_reconnect_dies),
        broker_test(who_comes_while_it_is_going_is_subscribed_behind_it),
        broker_test(a_reconnect_while_it_is_going_changes_nothing),
        broker_test(a_failed_subscribe_of_nobody_is_the_end_of_it),
        broker_test(a_failed_subscribe_is_tried_again_for_who_was_in),
        broker_test(a_closed_lane_drops_answers),
        broker_test(a_crowd_of_channels_is_left_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
