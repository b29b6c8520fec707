/* API calls on a user with very many clients: worked off in slices, each client once, in the order
 * of the calls, while clients come and go. */
#include "tests/unit/engine/calls.h"

#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true"
#define CONFIG                                                                                     \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"                                 \
    "\"insecure_skip_token_signature_verify\":true},"                                              \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{" OPEN "}}}"

#define CROWD 600 /* several slices */

static void crowd(struct world *w, size_t lane, struct peer **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        list[i] = user_on(w, lane, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
}

/* Connects, and lets no time pass. */
static struct peer *newcomer(struct world *w)
{
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
    struct gush_connect_request request = {0};
    struct gush_buf token;

    gush_buf_init(&token, 1000);
    token_of("{\"sub\":\"u\"}", &token);
    request.token = gush_buf_span(&token);
    gush_client_connect(p->client, &request);
    gush_buf_fini(&token);
    return p;
}

static size_t closing_n(struct peer *const *list, size_t n)
{
    size_t closing = 0;

    for (size_t i = 0; i < n; i++)
        closing += list[i]->client == NULL || list[i]->client->closing;
    return closing;
}

static struct peer *peer_of(struct world *w, const struct gush_client *c)
{
    struct peer *p = w->peers;

    while (p->client != c)
        p = p->next;
    return p;
}

static void a_turn_visits_a_bounded_number(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *list[CROWD];
    struct calling c = DISCONNECT();
    size_t before = 0, turns_n = 0;

    crowd(w, 0, list, CROWD);
    begin(w, &c);
    while (c.done_n == 0) {
        turn(w);
        size_t now = closing_n(list, CROWD);
        assert_true(now - before <= CROWD / 3);
        assert_true(c.done_n == 0 || now == CROWD); /* an answer means that it is done */
        before = now;
        turns_n++;
    }
    assert_true(turns_n > 3);
}

/* Each of them hears first what waits, and that is work as well. */
static void letters_that_wait_make_a_turn_visit_fewer(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *list[CROWD];
    struct publishing waiting[100];
    struct calling c = DISCONNECT();

    crowd(w, 0, list, CROWD);
    for (size_t i = 0; i < 100; i++) {
        waiting[i] = publishing_of("a", "1");
        publish_begin(w, &waiting[i]);
    }
    begin(w, &c);
    turn(w);
    assert_in_range(closing_n(list, CROWD), 1, 30);
    settle(w);
    assert_int_equal(closing_n(list, CROWD), CROWD);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(list[i]->heard_n, 1 + 100 + 1);
}

static void who_goes_meanwhile_takes_nobody_along(void **state)
{
    struct world *w = world_new(state, CONFIG);
    const struct gush_lane_state *s = gush__lane_state(w->node, w->list[0]);
    struct peer *list[CROWD];
    struct calling c = DISCONNECT();
    size_t gone_n = 0;

    crowd(w, 0, list, CROWD);
    begin(w, &c);
    turn(w);
    while (c.done_n == 0) {
        if (s->walk_at) { /* the one who would have been next */
            peer_gone(peer_of(w, s->walk_at));
            gone_n++;
        }
        turn(w);
    }
    assert_true(gone_n > 1);
    assert_int_equal(closing_n(list, CROWD), CROWD);
}

static void who_comes_meanwhile_stays(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *list[CROWD], *late[2];
    struct calling c = DISCONNECT();

    crowd(w, 0, list, CROWD);
    begin(w, &c);
    turn(w);
    late[0] = newcomer(w);
    turn(w);
    late[1] = newcomer(w);
    settle(w);
    assert_int_equal(c.done_n, 1);
    assert_int_equal(closing_n(list, CROWD), CROWD);
    for (size_t i = 0; i < 2; i++) {
        expect_connected(late[i]);
        expect_open(late[i]);
    }
}

static void a_call_that_waits_means_nobody_who_comes_after_it(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *list[CROWD];
    struct calling first = REFRESH(), second = DISCONNECT();

    crowd(w, 0, list, CROWD);
    begin(w, &first);
    begin(w, &second);
    turn(w);
    struct peer *late = newcomer(w);
    settle(w);
    assert_int_equal(second.done_n, 1);
    assert_int_equal(closing_n(list, CROWD), CROWD);
    expect_connected(late);
    expect_open(late);
}

static void calls_act_in_the_order_in_which_they_came(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *list[CROWD];
    struct calling in = SUBSCRIBE("b"), out = UNSUBSCRIBE("b");

    crowd(w, 0, list, CROWD);
    begin(w, &in);
    turn(w);
    begin(w, &out);
    settle(w);
    assert_int_equal(in.done_n, 1);
    assert_int_equal(in.call.call.error, 0);
    assert_int_equal(out.done_n, 1);
    for (size_t i = 0; i < CROWD; i++) {
        expect(list[i], "{\"channel\":\"b\",\"subscribe\":{}}");
        expect(list[i], "{\"channel\":\"b\",\"unsubscribe\":{\"code\":2000,"
                        "\"reason\":\"server unsubscribe\"}}");
        expect_open(list[i]);
    }
    assert_int_equal(live(w).subscriptions, CROWD);
}

/* At the answer nobody who was told to go is in a channel. */
static void the_answer_comes_behind_the_ends(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *p = user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
    struct calling c = DISCONNECT();

    p->stays = true;
    begin(w, &c);
    while (c.done_n == 0) {
        assert_non_null(p->client);
        turn(w);
    }
    assert_true(p->client->state >= GUSH_CLIENT_ENDING);
    assert_int_equal(p->client->subs[0]->branch == NULL, true);
}

static void a_lane_that_closes_answers(void **state)
{
    struct world *w = world_with(state, CONFIG, 2, NULL);
    struct peer *list[CROWD];
    struct calling first = REFRESH(), second = DISCONNECT();

    crowd(w, 1, list, CROWD);
    begin(w, &first);
    begin(w, &second);
    turn(w);
    for (size_t i = 0; i < CROWD; i++)
        if (list[i]->client)
            peer_gone(list[i]);
    assert_int_equal(first.done_n + second.done_n, 0);
    gush_lane_close(w->list[1]);
    settle(w);
    assert_int_equal(first.done_n, 1);
    assert_int_equal(second.done_n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_turn_visits_a_bounded_number),
        world_test(letters_that_wait_make_a_turn_visit_fewer),
        world_test(who_goes_meanwhile_takes_nobody_along),
        world_test(who_comes_meanwhile_stays),
        world_test(a_call_that_waits_means_nobody_who_comes_after_it),
        world_test(calls_act_in_the_order_in_which_they_came),
        world_test(the_answer_comes_behind_the_ends),
        world_test(a_lane_that_closes_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
