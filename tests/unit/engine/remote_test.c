/* Streams of a broker outside the process: SUBSCRIBE before history, seams merged, overflow,
 * queues. Reconnects and leaving are in remote_life_test.c, positions in remote_check_test.c, API
 * calls in remote_api_test.c. spec: design 7 */
#include "tests/unit/engine/remote.h"

/* ---- the order ------------------------------------------------------------------------------- */

static void a_plain_channel_needs_the_acknowledgement_only(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");

    expect_open(p); /* told nothing yet */
    acknowledge(&broker, "a");
    expect_result(p, "a", "");
    expect_unasked(&broker);
    send_numbers(&broker, "a", 0, 0, "");
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":0}}");
    struct peer *second = peer_new(w, "{\"subs\":{\"a\":{}}}"); /* at once */
    expect_result(second, "a", "");
    expect_unasked(&broker);
}

static void history_is_asked_behind_the_acknowledgement(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    (void)asked_next(&broker, ASKED_SUBSCRIBE, "rec:a");
    expect_unasked(&broker);
    say_subscribed(&broker, "rec:a", 1, true);
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    assert_false(a->since);
    assert_int_equal(a->limit, 0);
    assert_int_equal(a->meta_ttl_s, 60);
    expect_unasked(&broker); /* one read, nothing beside it */
    expect_open(p);
    answer_top(&broker, a, 5, "E");
    expect_result(p, "rec:a", TOP_5);
    send_numbers(&broker, "rec:a", 6, 8, "E");
    expect_numbers(p, "rec:a", 6, 8);
    expect_open(p);
}

static void a_plain_listener_of_a_stream_needs_no_read(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"hist:a\":{}}}");

    acknowledge(&broker, "hist:a");
    expect_result(p, "hist:a", "");
    expect_unasked(&broker);
}

static void recovery_reads_what_was_missed(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = comes_back(w, "rec:a", 3);

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    assert_true(a->since);
    assert_false(a->reverse);
    assert_int_equal(a->offset, 3);
    assert_int_equal(a->limit, 300);
    answer_numbers(&broker, a, 4, 5, "E");
    expect_result(
        p, "rec:a",
        "\"recoverable\":true,\"epoch\":\"E\",\"publications\":[{\"data\":4,\"offset\":4},"
        "{\"data\":5,\"offset\":5}],\"recovered\":true,\"offset\":3,\"positioned\":true,"
        "\"was_recovering\":true");
    send_numbers(&broker, "rec:a", 5, 6, "E");
    expect_numbers(p, "rec:a", 6, 6);
    expect_open(p);
}

static void a_cache_reads_the_newest(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = comes_back(w, "cache:a", 3);

    acknowledge(&broker, "cache:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "cache:a");
    assert_false(a->since);
    assert_true(a->reverse);
    assert_int_equal(a->limit, 1);
    answer_numbers(&broker, a, 5, 5, "E");
    expect_result(
        p, "cache:a",
        "\"recoverable\":true,\"epoch\":\"E\",\"publications\":[{\"data\":5,\"offset\":5}],"
        "\"recovered\":true,\"offset\":3,\"positioned\":true,\"was_recovering\":true");
}

static void equal_positions_make_one_read(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(""), 2);
    struct peer *p[6];
    static const unsigned from[] = {3, 3, 2, 3, 2, 3};

    for (size_t i = 0; i < 6; i++) {
        char json[128];
        (void)snprintf(json, sizeof(json),
                       "{\"subs\":{\"rec:a\":{\"recover\":true,\"offset\":%u}}}", from[i]);
        p[i] = peer_on(w, i % 2, GUSH_FORM_PUSH_JSON);
        peer_connect(p[i], json);
    }
    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    struct asked *b = asked_next(&broker, ASKED_HISTORY, "rec:a");
    expect_unasked(&broker);
    assert_int_equal(a->offset + b->offset, 5);
    answer_numbers(&broker, a, a->offset + 1, 4, "E");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(p[i]->heard_n, from[i] == a->offset);
    answer_numbers(&broker, b, b->offset + 1, 4, "E");
    for (size_t i = 0; i < 6; i++) {
        expect_connected(p[i]);
        expect_open(p[i]);
    }
    send_numbers(&broker, "rec:a", 5, 5, "E");
    for (size_t i = 0; i < 6; i++)
        expect_numbers(p[i], "rec:a", 5, 5);
}

static void one_connection_waits_for_all_its_channels(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{},\"b\":{},\"rec:a\":{}}}");

    acknowledge(&broker, "a");
    acknowledge(&broker, "b");
    send_numbers(&broker, "a", 0, 0, "");
    expect_open(p);
    acknowledge(&broker, "rec:a");
    expect_open(p);
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect(p,
           "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"a\":{},\"b\":{},"
           "\"rec:a\":{" TOP_5 "}},\"session\":\"~\"}}");
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":0}}"); /* held meanwhile */
    expect_open(p);
}

/* ---- the seam -------------------------------------------------------------------------------- */

static void what_arrives_meanwhile_is_merged(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = comes_back(w, "rec:a", 3);

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 5, 7, "E"); /* 5 and 6 are in the answer, too */
    expect_open(p);
    answer_numbers(&broker, a, 4, 6, "E");
    expect_result(
        p, "rec:a",
        "\"recoverable\":true,\"epoch\":\"E\",\"publications\":[{\"data\":4,\"offset\":4},"
        "{\"data\":5,\"offset\":5},{\"data\":6,\"offset\":6}],\"recovered\":true,"
        "\"offset\":3,\"positioned\":true,\"was_recovering\":true");
    expect_numbers(p, "rec:a", 7, 7);
    send_numbers(&broker, "rec:a", 8, 8, "E");
    expect_numbers(p, "rec:a", 8, 8);
    expect_open(p);
}

static void what_arrives_before_the_acknowledgement_is_merged_too(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    send_numbers(&broker, "rec:a", 5, 6, "E");
    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_result(p, "rec:a", TOP_5);
    expect_numbers(p, "rec:a", 6, 6);
    expect_open(p);
}

static void a_hole_in_the_seam_ends_the_connection(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 7, 7, "E");
    answer_top(&broker, a, 5, "E");
    expect_result(p, "rec:a", TOP_5);
    expect_closed(p, 3010);
}

static void another_epoch_in_the_seam_ends_the_connection(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 6, 6, "F");
    answer_top(&broker, a, 5, "E");
    expect_result(p, "rec:a", TOP_5);
    expect_closed(p, 3010);
}

static void gaps_and_epochs_end_live_connections(void **state) /* client protocol 10 */
{
    struct world *w = remote_world(state);
    struct peer *p = live_one(w, 5);

    send_numbers(&broker, "rec:a", 4, 5, "E"); /* old ones are dropped */
    expect_open(p);
    send_numbers(&broker, "rec:a", 7, 7, "E");
    expect_closed(p, 3010);
    p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}"); /* back within the second */
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 7, "E");
    expect_connected(p);
    send_numbers(&broker, "rec:a", 8, 8, "F");
    expect_closed(p, 3010);
}

static void a_stream_without_epoch_yet_takes_the_first(void **state) /* client protocol 10 */
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 0, "");
    expect_result(p, "rec:a", "\"recoverable\":true,\"positioned\":true");
    send_numbers(&broker, "rec:a", 1, 1, "E");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":1,\"offset\":1,\"epoch\":\"E\"}}");
    send_numbers(&broker, "rec:a", 2, 2, "E");
    expect_numbers(p, "rec:a", 2, 2);
    send_numbers(&broker, "rec:a", 3, 3, "F");
    expect_closed(p, 3010);
}

/* ---- overflow -------------------------------------------------------------------------------- */

static void who_holds_too_much_reads_again_once(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(",\"queue_max_size\":1000"), 1);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 1, 40, "E");
    assert_true(live(w).letters < 40); /* bounded */
    answer_top(&broker, a, 0, "E");
    expect_open(p);
    a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 41, 41, "E");
    answer_top(&broker, a, 40, "E");
    expect_result(p, "rec:a",
                  "\"recoverable\":true,\"epoch\":\"E\",\"offset\":40,\"positioned\":true");
    expect_numbers(p, "rec:a", 41, 41);
    expect_open(p);
}

static void who_holds_too_much_twice_is_too_far_behind(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(",\"queue_max_size\":1000"), 1);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 1, 40, "E");
    answer_top(&broker, a, 0, "E");
    a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 41, 80, "E");
    answer_top(&broker, a, 40, "E");
    expect_closed(p, 3010);
    expect_unasked(&broker);
}

/* It held too much behind its own answer, while another channel of the request had none yet. */
static void an_overflow_behind_the_answer_reads_again(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(",\"queue_max_size\":1000"), 1);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{},\"rec:a\":{}}}");

    (void)asked_next(&broker, ASKED_SUBSCRIBE, "a");
    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 0, "E");
    send_numbers(&broker, "rec:a", 1, 40, "E");
    assert_true(live(w).letters < 40);
    say_subscribed(&broker, "a", 1, true);
    expect_open(p);
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 40, "E");
    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"a\":{},"
              "\"rec:a\":{\"recoverable\":true,\"epoch\":\"E\",\"offset\":40,\"positioned\":true}},"
              "\"session\":\"~\"}}");
    send_numbers(&broker, "rec:a", 41, 41, "E");
    expect_numbers(p, "rec:a", 41, 41);
    expect_open(p);
}

/* Without a position nothing was promised before the connect push, and nothing is read. */
static void a_plain_overflow_asks_nothing(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(",\"queue_max_size\":1000"), 1);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");

    for (int i = 0; i < 40; i++)
        send_numbers(&broker, "a", 0, 0, "");
    assert_true(live(w).letters < 40);
    acknowledge(&broker, "a");
    expect_result(p, "a", "");
    expect_unasked(&broker);
    p->read = p->heard_n; /* what it could hold, if anything */
    send_numbers(&broker, "a", 0, 0, "");
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":0}}");
    expect_open(p);
}

static void an_overflow_waits_for_the_next_connection(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(",\"queue_max_size\":1000"), 1);
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "rec:a");
    send_numbers(&broker, "rec:a", 1, 40, "E");
    /* The answer is on its way to the lane when the connection breaks. */
    struct gush_broker_request *request = a->request;
    a->request = NULL;
    gush_broker_on_history(w->node, request,
                           &(struct gush_broker_history){.ok = true, .epoch = GUSH_SPAN_LIT("E")});
    gush_broker_on_disconnected(w->node);
    broker_up(&broker);
    expect_open(p);
    acknowledge(&broker, "rec:a");
    while (broker.read < broker.asked_n)
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 40, "E");
    expect_result(p, "rec:a",
                  "\"recoverable\":true,\"epoch\":\"E\",\"offset\":40,\"positioned\":true");
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void latest_knows_channels_by_their_name(void **state)
{
    struct world *w = broker_world(state, &broker, REMOTE_CONFIG(",\"queue_max_messages\":8"), 1);
    struct peer *p = peer_new(w, "{\"subs\":{\"latest:a\":{}}}");

    acknowledge(&broker, "latest:a");
    expect_connected(p);
    p->answer = GUSH_EAGAIN;
    for (int i = 0; i < 30; i++)
        send_numbers(&broker, "latest:a", 0, 0, "");
    expect_open(p);
    p->answer = GUSH_OK;
    peer_sent(p);
    p->read = p->heard_n;
    expect_open(p);
}

/* ---- joins ----------------------------------------------------------------------------------- */

static void joins_follow_the_connect_push(void **state)
{
    struct world *w = remote_world(state);
    struct peer *p = peer_new(w, "{\"subs\":{\"who:a\":{}}}");

    assert_int_equal(live(w).subscriptions, 1);
    acknowledge(&broker, "who:a");
    expect_connected(p);
    expect(p, "{\"channel\":\"who:a\",\"join\":{\"info\":{\"user\":\"\",\"client\":\"~\"}}}");
    struct peer *gone = peer_new(w, "{\"subs\":{\"who:a\":{},\"rec:a\":{}}}");
    peer_gone(gone); /* it never entered: no join, no leave */
    settle(w);
    expect_open(p);
    acknowledge(&broker, "rec:a");
    while (broker.read < broker.asked_n)
        answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), 5, "E");
    expect_open(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        broker_test(a_plain_channel_needs_the_acknowledgement_only),
        broker_test(history_is_asked_behind_the_acknowledgement),
        broker_test(a_plain_listener_of_a_stream_needs_no_read),
        broker_test(recovery_reads_what_was_missed),
        broker_test(a_cache_reads_the_newest),
        broker_test(equal_positions_make_one_read),
        broker_test(one_connection_waits_for_all_its_channels),
        broker_test(what_arrives_meanwhile_is_merged),
        broker_test(what_arrives_before_the_acknowledgement_is_merged_too),
        broker_test(a_hole_in_the_seam_ends_the_connection),
        broker_test(another_epoch_in_the_seam_ends_the_connection),
        broker_test(gaps_and_epochs_end_live_connections),
        broker_test(a_stream_without_epoch_yet_takes_the_first),
        broker_test(who_holds_too_much_reads_again_once),
        broker_test(who_holds_too_much_twice_is_too_far_behind),
        broker_test(an_overflow_behind_the_answer_reads_again),
        broker_test(a_plain_overflow_asks_nothing),
        broker_test(an_overflow_waits_for_the_next_connection),
        broker_test(latest_knows_channels_by_their_name),
        broker_test(joins_follow_the_connect_push),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
