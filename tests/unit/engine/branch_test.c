/* Dealing in slices: who comes and goes while a letter is partly dealt. spec: design 3 */
#include "tests/unit/engine/harness.h"

static const char config[] =
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,\"channel_limit\":128},"
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{"
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true}}}";

enum { CROWD = 2500 };

struct crowd {
    struct peer *peers[CROWD + 400];
    size_t n;
};

static struct gush_branch *branch_of(const struct peer *p)
{
    return p->client->subs[0]->branch;
}

static void come(struct world *w, struct crowd *c, size_t n)
{
    struct gush_connect_sub sub = {.channel = GUSH_SPAN_LIT("a")};

    for (size_t i = 0; i < n; i++) {
        struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
        gush_client_connect(p->client, &(struct gush_connect_request){.subs = &sub, .subs_n = 1});
        c->peers[c->n++] = p;
    }
}

/* Publishes |data| and turns until its letter is partly dealt. */
static void deal_partly(struct world *w, struct crowd *c, struct publishing *p, const char *data)
{
    *p = publishing_of("a", data);
    publish_begin(w, p);
    w->tick_us = 600; /* each look at the clock ends a phase */
    for (int n = 0; !branch_of(c->peers[0])->in_batch; n++) {
        assert_true(n < 10);
        (void)gush_lane_turn(w->list[0]);
    }
    assert_in_range(branch_of(c->peers[0])->at, 1, c->n - 1);
}

static unsigned count(const struct peer *p, const char *text)
{
    unsigned n = 0;

    for (size_t i = 0; i < p->heard_n; i++)
        n += strcmp((const char *)p->heard[i].p, text) == 0;
    return n;
}

static void a_large_letter_takes_several_turns(void **state)
{
    static struct crowd c;
    struct world *w = world_new(state, config);
    struct publishing p;
    unsigned turns = 0;

    c.n = 0;
    come(w, &c, CROWD);
    settle(w);
    deal_partly(w, &c, &p, "1");
    while (gush_lane_turn(w->list[0]) == GUSH_LANE_CALL_NOW)
        turns++;
    assert_true(turns > 1);
    for (size_t i = 0; i < c.n; i++)
        assert_int_equal(count(c.peers[i], "{\"channel\":\"a\",\"pub\":{\"data\":1}}"), 1);
    assert_int_equal(w->list[0]->backlog_deliveries, 0);
    assert_int_equal(w->list[0]->backlog_bytes, 0);
}

/* Some leave and some come in the middle of a letter, at random places. */
static void everybody_hears_once_whoever_comes_and_goes(void **state)
{
    static struct crowd c;
    struct world *w = world_new(state, config);
    struct publishing p, q;

    c.n = 0;
    come(w, &c, CROWD);
    settle(w);
    for (unsigned round = 0; round < 4; round++) {
        char data[2][8], text[2][64];
        size_t before = c.n;
        for (unsigned k = 0; k < 2; k++) {
            (void)snprintf(data[k], sizeof(data[k]), "%u", 2 * round + k);
            (void)snprintf(text[k], sizeof(text[k]), "{\"channel\":\"a\",\"pub\":{\"data\":%s}}",
                           data[k]);
        }
        deal_partly(w, &c, &p, data[0]);
        for (unsigned gone = 0; gone < 200; gone++) {
            size_t i = 1 + gush_rng_below(&w->rng, c.n - 1);
            if (c.peers[i]->client)
                peer_gone(c.peers[i]);
        }
        assert_true(branch_of(c.peers[0])->holes > 0);
        come(w, &c, 100);
        q = publishing_of("a", data[1]);
        publish_begin(w, &q);
        if (round % 2) /* and again a little later */
            (void)gush_lane_turn(w->list[0]);
        for (unsigned gone = 0; gone < 50; gone++) {
            size_t i = 1 + gush_rng_below(&w->rng, c.n - 1);
            if (c.peers[i]->client)
                peer_gone(c.peers[i]);
        }
        w->tick_us = 0;
        settle(w);
        assert_int_equal(p.done_n + q.done_n, 2);
        for (size_t i = 0; i < c.n; i++) {
            if (c.peers[i]->client == NULL)
                continue;
            assert_int_equal(count(c.peers[i], text[0]), i < before);
            assert_int_equal(count(c.peers[i], text[1]), 1);
        }
        assert_int_equal(branch_of(c.peers[0])->holes, 0);
        assert_int_equal(w->list[0]->backlog_deliveries, 0);
    }
}

static void the_last_ones_may_leave_in_the_middle(void **state)
{
    static struct crowd c;
    struct world *w = world_new(state, config);
    struct publishing p;

    c.n = 0;
    come(w, &c, CROWD);
    settle(w);
    deal_partly(w, &c, &p, "1");
    for (size_t i = 0; i < c.n; i++)
        peer_gone(c.peers[i]);
    /* Newcomers get a branch of their own. */
    come(w, &c, 3);
    w->tick_us = 0;
    settle(w);
    assert_int_equal(live(w).branches, 1);
    assert_int_equal(publish(w, "a", "2"), 0);
    for (size_t i = CROWD; i < c.n; i++) {
        assert_int_equal(c.peers[i]->heard_n, 2);
        assert_int_equal(count(c.peers[i], "{\"channel\":\"a\",\"pub\":{\"data\":2}}"), 1);
    }
    assert_int_equal(w->list[0]->backlog_deliveries, 0);
    assert_int_equal(w->list[0]->backlog_bytes, 0);
}

static void a_lane_may_close_in_the_middle(void **state)
{
    static struct crowd c;
    struct world *w = world_new(state, config);
    struct publishing p;

    c.n = 0;
    come(w, &c, CROWD);
    settle(w);
    deal_partly(w, &c, &p, "1");
    assert_int_equal(p.done_n, 1);
    for (size_t i = 0; i < c.n; i++)
        peer_gone(c.peers[i]);
    gush_lane_close(w->list[0]);
    assert_nothing_lives(w);
}

/* Those who find a gap while the letter is dealt leave when the turn ends. */
static void who_cannot_go_on_leaves_the_others_alone(void **state)
{
    static struct crowd c;
    struct world *w = world_new(state, config);

    c.n = 0;
    come(w, &c, 100);
    for (size_t i = 0; i < c.n; i += 2)
        c.peers[i]->transport.form = GUSH_FORM_GRPC; /* from now on */
    settle(w);
    publish(w, "a", "not json");
    assert_int_equal(live(w).clients, 50);
    publish(w, "a", "1");
    for (size_t i = 0; i < c.n; i++) {
        assert_int_equal(c.peers[i]->close_code, i % 2 ? 3506 : 0);
        assert_int_equal(c.peers[i]->heard_n, i % 2 ? 2 : 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_large_letter_takes_several_turns),
        world_test(everybody_hears_once_whoever_comes_and_goes),
        world_test(the_last_ones_may_leave_in_the_middle),
        world_test(a_lane_may_close_in_the_middle),
        world_test(who_cannot_go_on_leaves_the_others_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
