/* The node: backpressure, everybody out, what is alive. */
#include "tests/unit/engine/harness.h"

#define CONFIG(lanes)                                                                              \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,\"user_connection_limit\":9,"     \
    "\"insecure_skip_token_signature_verify\":true},\"lanes\":{" lanes "},"                        \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{"                            \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                 \
    "\"namespaces\":[{\"name\":\"hist\",\"history_size\":5,\"history_ttl\":\"20s\"},"              \
    "{\"name\":\"who\",\"join_leave\":true,\"presence\":true,"                                     \
    "\"force_push_join_leave\":true,"                                                              \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true}]}}"

/* ---- doors ----------------------------------------------------------------------------------- */

struct door {
    struct gush_door door;
    unsigned opened_n;
};

static void door_opened(struct gush_lane *lane, struct gush_letter *letter)
{
    struct door *d = GUSH_CONTAINER(letter, struct door, door.letter);

    assert_ptr_equal(lane, d->door.lane);
    d->opened_n++;
}

static void door_dropped(struct gush_letter *letter)
{
    (void)letter;
    fail_msg("the door was dropped");
}

static const struct gush_letter_kind door_kind = {"test door", door_opened, door_dropped};

static struct door door_on(struct world *w, size_t lane)
{
    return (struct door){.door = {.letter = {.kind = &door_kind}, .lane = w->list[lane]}};
}

static void crowd_on(struct world *w, size_t lane, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        peer_connect(peer_on(w, lane, GUSH_FORM_PUSH_JSON), "{\"subs\":{\"a\":{}}}");
}

/* |n| publications on the way to everybody. */
static void flood(struct world *w, struct publishing *some, unsigned n, const char *data)
{
    for (unsigned i = 0; i < n; i++) {
        some[i] = publishing_of("a", data);
        publish_begin(w, &some[i]);
    }
}

static void assert_no_backlog(const struct world *w)
{
    for (size_t i = 0; i < w->lanes_n; i++) {
        assert_int_equal(w->list[i]->backlog_deliveries, 0);
        assert_int_equal(w->list[i]->backlog_bytes, 0);
    }
}

static void an_idle_node_holds_nobody(void **state)
{
    struct world *w = world_new(state, CONFIG("\"backlog_deliveries\":100"));
    struct door d = door_on(w, 0);

    assert_false(gush_node_hold(w->node, &d.door));
    settle(w);
    assert_int_equal(d.opened_n, 0);
}

static void doors_wait_until_half_of_the_deliveries_are_done(void **state) /* spec: design 3 */
{
    struct world *w = world_new(state, CONFIG("\"backlog_deliveries\":100"));
    struct door d = door_on(w, 0), e = door_on(w, 0);
    struct publishing some[11];

    crowd_on(w, 0, 10);
    flood(w, some, 10, "1");
    assert_int_equal(w->list[0]->backlog_deliveries, 100);
    assert_false(gush_node_hold(w->node, &d.door)); /* not above it */
    flood(w, some + 10, 1, "1");
    assert_true(gush_node_hold(w->node, &d.door));
    assert_true(gush_node_hold(w->node, &e.door));
    assert_true(gush_node_hold(w->node, &d.door)); /* again is allowed */
    assert_int_equal(d.opened_n, 0);
    settle(w);
    assert_int_equal(d.opened_n, 1);
    assert_int_equal(e.opened_n, 1);
    assert_false(gush_node_hold(w->node, &d.door));
    assert_no_backlog(w);
    /* And once more. */
    flood(w, some, 11, "1");
    assert_true(gush_node_hold(w->node, &d.door));
    settle(w);
    assert_int_equal(d.opened_n, 2);
    assert_int_equal(e.opened_n, 1);
}

static void bytes_hold_as_well(void **state)
{
    struct world *w = world_new(state, CONFIG("\"backlog_bytes\":1000"));
    struct door d = door_on(w, 0);
    struct publishing some[11];

    crowd_on(w, 0, 10);
    flood(w, some, 10, "1111111111");
    assert_int_equal(w->list[0]->backlog_bytes, 1000);
    assert_false(gush_node_hold(w->node, &d.door));
    flood(w, some + 10, 1, "1");
    assert_true(gush_node_hold(w->node, &d.door));
    settle(w);
    assert_int_equal(d.opened_n, 1);
    assert_no_backlog(w);
}

static void one_lane_behind_holds_the_doors_of_all(void **state)
{
    struct world *w = world_with(state, CONFIG("\"backlog_deliveries\":100"), 2, NULL);
    struct door d[2] = {door_on(w, 0), door_on(w, 1)};
    struct publishing some[20];

    crowd_on(w, 1, 10);
    flood(w, some, 20, "1");
    assert_int_equal(w->list[0]->backlog_deliveries, 0);
    for (size_t i = 0; i < 2; i++)
        assert_true(gush_node_hold(w->node, &d[i].door));
    while (gush_lane_turn(w->list[0]) == GUSH_LANE_CALL_NOW)
        ;
    assert_int_equal(d[0].opened_n, 0);
    settle(w);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(d[i].opened_n, 1);
    assert_no_backlog(w);
}

/* Joins, leaves, departures in between: whatever was added is taken off. */
static void the_backlog_never_drifts(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct publishing some[40];

    for (unsigned i = 0; i < 40; i++) {
        struct peer *p = peer_on(w, i % 2, GUSH_FORM_PUSH_JSON);
        peer_connect(p, "{\"subs\":{\"a\":{},\"who:a\":{}}}");
        some[i] = publishing_of(i % 3 ? "a" : "who:a", "[1,2]");
        publish_begin(w, &some[i]);
        if (i % 4 == 3) {
            struct peer *gone = w->peers->next->next;
            if (gone->client)
                peer_gone(gone); /* with letters on the way to it */
        }
    }
    settle(w);
    assert_no_backlog(w);
    for (struct peer *p = w->peers; p; p = p->next)
        if (p->client)
            peer_gone(p);
    settle(w);
    assert_no_backlog(w);
}

/* ---- everybody out --------------------------------------------------------------------------- */

static void everybody_is_told_to_go(void **state) /* spec: client protocol 18, shutdown */
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct peer *live_one = NULL, *silent = NULL;

    for (unsigned i = 0; i < 700; i++) {
        struct peer *p = peer_on(w, i % 2, GUSH_FORM_PUSH_JSON);
        if (i % 3 == 0) {
            silent = p; /* has said nothing yet */
            continue;
        }
        peer_connect(p, "{\"subs\":{\"a\":{}}}");
        live_one = p;
    }
    gush_node_disconnect_all(w->node, 3001);
    assert_int_equal(live_one->closes_n, 0); /* nothing from inside */
    settle(w);
    for (struct peer *p = w->peers; p; p = p->next) {
        assert_int_equal(p->close_code, 3001);
        assert_string_equal((const char *)p->heard[p->heard_n - 1].p,
                            "{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}");
    }
    assert_int_equal(silent->heard_n, 1);
    assert_nothing_lives(w);
}

/* Of |peers|, every fourth of which is on the second lane. */
static size_t told_n(struct peer *const peers[40], bool second)
{
    size_t n = 0;

    for (unsigned i = 0; i < 40; i++)
        n += (i % 4 == 0) == second && peers[i]->client == NULL;
    return n;
}

static void a_share_of_every_lane_is_told(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);

    struct peer *peers[40];

    for (unsigned i = 0; i < 40; i++) {
        peers[i] = peer_on(w, i % 4 == 0, GUSH_FORM_PUSH_JSON);
        peer_connect(peers[i], "{\"subs\":{\"a\":{}}}");
    }
    gush_node_disconnect_share(w->node, 3001, GUSH_NODE_EVERYBODY / 2);
    settle(w);
    assert_int_equal(told_n(peers, false), 15);
    assert_int_equal(told_n(peers, true), 5);
    gush_node_disconnect_share(w->node, 3001, GUSH_NODE_EVERYBODY / 2); /* they are gone already */
    settle(w);
    assert_int_equal(told_n(peers, false) + told_n(peers, true), 20);
    gush_node_disconnect_share(w->node, 3001, GUSH_NODE_EVERYBODY / 10 * 8);
    settle(w);
    assert_int_equal(told_n(peers, false), 23); /* of 30, rounded down */
    gush_node_disconnect_share(w->node, 3001, GUSH_NODE_EVERYBODY);
    settle(w);
    assert_nothing_lives(w);
}

static void the_last_share_takes_who_came_since(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    for (unsigned i = 0; i < 8; i++)
        peer_new(w, "{\"subs\":{\"a\":{}}}");
    gush_node_disconnect_share(w->node, 3001, GUSH_NODE_EVERYBODY / 2);
    settle(w);
    assert_int_equal(live(w).clients, 4);
    for (unsigned i = 0; i < 8; i++)
        peer_new(w, "{\"subs\":{\"a\":{}}}");
    gush_node_disconnect_share(w->node, 3001, GUSH_NODE_EVERYBODY);
    settle(w);
    assert_nothing_lives(w);
}

static void who_is_told_has_heard_what_came_before(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);
    struct peer *here = peer_on(w, 0, GUSH_FORM_PUSH_JSON), *there;
    struct publishing some[20];

    peer_connect(here, "{\"subs\":{\"a\":{}}}");
    there = peer_on(w, 1, GUSH_FORM_PUSH_JSON);
    peer_connect(there, "{\"subs\":{\"a\":{}}}");
    flood(w, some, 20, "[1]");
    gush_node_disconnect_all(w->node, 3001);
    settle(w);
    assert_int_equal(here->heard_n, 1 + 20 + 1);
    assert_int_equal(there->heard_n, 1 + 20 + 1);
}

static void a_closed_node_sends_newcomers_away(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 1, NULL);
    struct peer *before = peer_new(w, "{\"subs\":{\"a\":{}}}");

    assert_false(gush_node_closed(w->node));
    gush_node_close(w->node);
    assert_true(gush_node_closed(w->node));
    struct peer *after = peer_new(w, "{\"subs\":{\"a\":{}}}");
    expect(after, "{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}");
    assert_int_equal(after->close_code, 3001);
    expect_connected(before);
    expect_open(before);
}

static void an_empty_node_has_nobody_to_tell(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);

    gush_node_disconnect_all(w->node, 3001);
    settle(w);
    gush_node_disconnect_all(w->node, 3001);
    gush_lane_close(w->list[0]); /* the letter is dropped */
    gush_node_disconnect_all(w->node, 3001);
    settle(w);
    assert_nothing_lives(w);
}

/* ---- what is alive --------------------------------------------------------------------------- */

static void what_is_alive_is_counted_over_all_lanes(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);

    for (unsigned i = 0; i < 6; i++) {
        struct peer *p = peer_on(w, i % 2, GUSH_FORM_PUSH_JSON);
        peer_connect_token(p, i < 3 ? "{\"sub\":\"u\"}" : "{\"sub\":\"v\"}",
                           ",\"subs\":{\"a\":{},\"b\":{}}");
    }
    struct gush_live l = live(w);
    assert_int_equal(l.clients, 6);
    assert_int_equal(l.subscriptions, 12);
    assert_int_equal(l.channels, 2);
    assert_int_equal(l.branches, 4);
    assert_int_equal(l.users, 2);
    assert_int_equal(l.letters, 0);
    assert_int_equal(l.frames, 0);
    assert_int_equal(l.publications, 0);
    struct publishing p = publishing_of("a", "1");
    publish_begin(w, &p);
    l = live(w);
    assert_int_equal(l.letters, 2);
    assert_int_equal(l.frames, 1);
    assert_int_equal(l.publications, 1);
    settle(w);
    assert_int_equal(live(w).letters, 0);
    assert_ptr_equal(gush_node_config(w->node), w->config);
}

static int no_world(void **state)
{
    assert_null(*state);
    return 0;
}

static void a_node_ends_with_its_streams(void **state)
{
    struct world *w = world_with(state, CONFIG(""), 2, NULL);

    for (unsigned i = 0; i < 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "hist:%u", i);
        struct publishing p = publishing_of(name, "1");
        p.call.idempotency_key = GUSH_SPAN_LIT("k");
        assert_int_equal(publish_run(w, &p), 0);
        assert_int_equal(p.call.offset, 1);
    }
    crowd_on(w, 0, 3);
    assert_int_equal(live(w).publications, 50);
    world_free(state);
}

static void ids_differ(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    char ids[50][37];

    for (unsigned i = 0; i < 50; i++) {
        struct peer *p = peer_new(w, "{}");
        struct gush_span id = gush_client_id(p->client);
        assert_int_equal(id.n, 36);
        memcpy(ids[i], id.p, 36);
        ids[i][36] = '\0';
        assert_int_equal(ids[i][14], '4'); /* a random UUID */
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
        if (i % 2)
            peer_gone(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(an_idle_node_holds_nobody),
        world_test(doors_wait_until_half_of_the_deliveries_are_done),
        world_test(bytes_hold_as_well),
        world_test(one_lane_behind_holds_the_doors_of_all),
        world_test(the_backlog_never_drifts),
        world_test(everybody_is_told_to_go),
        world_test(a_share_of_every_lane_is_told),
        world_test(the_last_share_takes_who_came_since),
        world_test(who_is_told_has_heard_what_came_before),
        world_test(a_closed_node_sends_newcomers_away),
        world_test(an_empty_node_has_nobody_to_tell),
        world_test(what_is_alive_is_counted_over_all_lanes),
        cmocka_unit_test_teardown(a_node_ends_with_its_streams, no_world),
        world_test(ids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
