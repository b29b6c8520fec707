/* API calls whose answer comes from a broker. spec: design 7, port_broker.h */
#include "tests/unit/engine/broker.h"

static const char config[] =
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"
    "\"insecure_skip_token_signature_verify\":true},"
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":"
    "{\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true,"
    "\"allow_publish_for_client\":true,\"allow_publish_for_anonymous\":true},"
    "\"namespaces\":[{\"name\":\"hist\",\"history_size\":50,\"history_ttl\":\"20s\"}]}}";

static struct world *begin(void **state)
{
    return broker_world(state, &broker, config, 1);
}

static void publications_go_to_the_broker(void **state)
{
    struct world *w = begin(state);
    struct publishing p = publishing_of("hist:a", "{\"x\":1}");

    p.call.idempotency_key = GUSH_SPAN_LIT("k");
    p.call.version = 7;
    p.call.version_epoch = GUSH_SPAN_LIT("v");
    publish_begin(w, &p);
    struct asked *a = asked_next(&broker, ASKED_PUBLISH, "hist:a");
    assert_string_equal(a->data, "{\"x\":1}");
    assert_int_equal(a->publish.history_size, 50);
    assert_int_equal(a->publish.history_ttl_s, 20);
    assert_int_equal(a->publish.history_meta_ttl_s, 60);
    assert_true(gush_span_eq_str(a->publish.idempotency_key, "k"));
    assert_true(gush_span_eq_str(a->publish.version_epoch, "v"));
    assert_int_equal(a->publish.version, 7);
    settle(w);
    assert_int_equal(p.done_n, 0); /* not before the broker said so */
    answer_published(&broker, a, 12, "Epoch");
    assert_int_equal(p.done_n, 1);
    assert_int_equal(p.call.call.error, 0);
    assert_int_equal(p.call.offset, 12);
    assert_true(gush_span_eq_str(gush_epoch_span(&p.call.epoch), "Epoch"));
    assert_int_equal(live(w).channels, 0); /* the node itself keeps nothing */
}

static void unkept_publications_say_so(void **state)
{
    struct world *w = begin(state);
    struct publishing p = publishing_of("hist:a", "1"), q = publishing_of("a", "1");

    p.call.skip_history = true;
    publish_begin(w, &p);
    publish_begin(w, &q);
    for (int i = 0; i < 2; i++) {
        struct asked *a = asked_next(&broker, ASKED_PUBLISH, i ? "a" : "hist:a");
        assert_int_equal(a->publish.history_size, 0);
        assert_int_equal(a->publish.history_ttl_s, 0);
        answer_published(&broker, a, 0, "");
    }
    assert_int_equal(p.done_n + q.done_n, 2);
    assert_int_equal(p.call.epoch.n, 0);
}

static void refusals_do_not_reach_the_broker(void **state)
{
    struct world *w = begin(state);
    struct publishing p = publishing_of("nowhere:a", "1");
    struct reading r = {.call = {.channel = GUSH_SPAN_LIT("a"), .limit = -1}};

    assert_int_equal(publish_run(w, &p), 102);
    p = publishing_of("a", "");
    assert_int_equal(publish_run(w, &p), 107);
    assert_int_equal(history_run(w, &r), 108);
    r.call.channel = GUSH_SPAN_LIT("hist:a");
    r.call.has_since = r.call.reverse = true;
    assert_int_equal(history_run(w, &r), 100);
    expect_unasked(&broker);
}

static void failures_are_error_100(void **state)
{
    struct world *w = begin(state);
    struct publishing p = publishing_of("hist:a", "1");

    publish_begin(w, &p);
    answer_failure(&broker, asked_next(&broker, ASKED_PUBLISH, "hist:a"));
    assert_int_equal(p.done_n, 1);
    assert_int_equal(p.call.call.error, 100);
}

static struct reading begin_reading(struct world *w)
{
    return (struct reading){
        .call = {.call = {.home = w->list[0], .done = reading_done, .dropped = no_drop},
                 .channel = GUSH_SPAN_LIT("hist:a"),
                 .limit = 10,
                 .has_since = true,
                 .since_offset = 3}};
}

static void histories_come_from_the_broker(void **state)
{
    struct world *w = begin(state);
    struct reading r = begin_reading(w);

    gush_history(w->node, &r.call);
    struct asked *a = asked_next(&broker, ASKED_HISTORY, "hist:a");
    assert_true(a->since);
    assert_false(a->reverse);
    assert_int_equal(a->offset, 3);
    assert_int_equal(a->limit, 10);
    assert_int_equal(a->meta_ttl_s, 60);
    answer_numbers(&broker, a, 4, 6, "E");
    assert_int_equal(r.done_n, 1);
    assert_int_equal(r.call.call.error, 0);
    assert_int_equal(r.call.publications_n, 3);
    assert_int_equal(gush_publication_offset(r.call.publications[2]), 6);
    assert_int_equal(r.call.offset, 6);
    assert_int_equal(live(w).publications, 3); /* ours until fini */
    gush_history_call_fini(&r.call);
}

static void another_epoch_is_error_112(void **state)
{
    struct world *w = begin(state);
    struct reading r = begin_reading(w);

    r.call.since_epoch = GUSH_SPAN_LIT("F");
    gush_history(w->node, &r.call);
    answer_numbers(&broker, asked_next(&broker, ASKED_HISTORY, "hist:a"), 4, 6, "E");
    assert_int_equal(r.call.call.error, 112);
    assert_int_equal(r.call.publications_n, 0);
    r.call.since_epoch = GUSH_SPAN_LIT("E");
    gush_history(w->node, &r.call);
    answer_numbers(&broker, asked_next(&broker, ASKED_HISTORY, "hist:a"), 4, 6, "E");
    assert_int_equal(r.call.call.error, 0);
    gush_history_call_fini(&r.call);
    gush_history(w->node, &r.call);
    answer_failure(&broker, asked_next(&broker, ASKED_HISTORY, "hist:a"));
    assert_int_equal(r.call.call.error, 100);
    assert_int_equal(r.done_n, 3);
}

static unsigned removed_n;

static void on_removed(struct gush_api_call *call)
{
    (void)call;
    removed_n++;
}

static void removals_go_to_the_broker(void **state)
{
    struct world *w = begin(state);
    struct gush_history_remove_call r = {
        .channel = GUSH_SPAN_LIT("hist:a"),
        .call = {.home = w->list[0], .done = on_removed, .dropped = no_drop}};

    removed_n = 0;
    gush_history_remove(w->node, &r);
    answer_published(&broker, asked_next(&broker, ASKED_REMOVE, "hist:a"), 0, "");
    assert_int_equal(r.call.error, 0);
    gush_history_remove(w->node, &r);
    answer_failure(&broker, asked_next(&broker, ASKED_REMOVE, "hist:a"));
    assert_int_equal(r.call.error, 100);
    assert_int_equal(removed_n, 2);
}

static void a_command_is_answered_when_the_broker_is(void **state)
{
    struct world *w = begin(state);
    struct peer *p = peer_on(w, 0, GUSH_FORM_REPLY_JSON);

    peer_connect(p, "{}");
    (void)hear(p);
    gush_client_publish(p->client, 2, GUSH_SPAN_LIT("a"), GUSH_SPAN_LIT("1"));
    gush_client_publish(p->client, 3, GUSH_SPAN_LIT("a"), GUSH_SPAN_LIT("2"));
    settle(w);
    expect_open(p);
    answer_published(&broker, asked_next(&broker, ASKED_PUBLISH, "a"), 0, "");
    expect(p, "{\"id\":2,\"publish\":{}}");
    answer_failure(&broker, asked_next(&broker, ASKED_PUBLISH, "a"));
    expect(p, "{\"id\":3,\"error\":{\"code\":100,\"message\":\"internal server error\","
              "\"temporary\":true}}");
    gush_client_publish(p->client, 4, GUSH_SPAN_LIT("a"), GUSH_SPAN_LIT("3"));
    peer_gone(p);
    answer_published(&broker, asked_next(&broker, ASKED_PUBLISH, "a"), 0, "");
}

/* ---- calls on clients ------------------------------------------------------------------------ */

struct calling {
    struct gush_clients_call call;
    unsigned done_n;
};

static void calling_done(struct gush_api_call *call)
{
    GUSH_CONTAINER(call, struct calling, call.call)->done_n++;
}

static void subscribe_user(struct world *w, struct calling *c, const char *channel)
{
    *c = (struct calling){
        .call = {.call = {.home = w->list[0], .done = calling_done, .dropped = no_drop},
                 .action = GUSH_CLIENTS_SUBSCRIBE,
                 .user = GUSH_SPAN_LIT("u"),
                 .channel = gush_span_str(channel)}};
    gush_clients(w->node, &c->call);
    settle(w);
}

static struct peer *u(struct world *w)
{
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_connect_token(p, "{\"sub\":\"u\"}", "");
    expect_connected(p);
    return p;
}

static void a_subscribe_call_waits_for_the_broker(void **state)
{
    struct world *w = begin(state);
    struct peer *p = u(w);
    struct calling a, b, again;

    subscribe_user(w, &a, "a");
    subscribe_user(w, &b, "b");
    assert_int_equal(a.done_n + b.done_n, 0);
    subscribe_user(w, &again, "a"); /* it is being entered */
    assert_int_equal(again.done_n, 1);
    assert_int_equal(again.call.call.error, 100);
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "a");
    (void)asked_next(&broker, ASKED_SUBSCRIBE, "b");
    expect_open(p);
    say_subscribed(&broker, "a", 1, true);
    assert_int_equal(a.done_n, 1);
    assert_int_equal(a.call.call.error, 0);
    expect(p, "{\"channel\":\"a\",\"subscribe\":{}}");
    assert_int_equal(b.done_n, 0);
    say_subscribed(&broker, "b", 1, true);
    assert_int_equal(b.done_n, 1);
    expect(p, "{\"channel\":\"b\",\"subscribe\":{}}");
    expect_open(p);
}

/* It is not in yet: it is told, and does not come in. */
static void an_unsubscribe_call_stops_who_is_on_the_way(void **state)
{
    struct world *w = begin(state);
    struct peer *p = u(w);
    struct calling a, b;

    subscribe_user(w, &a, "a");
    b = (struct calling){.call = a.call};
    b.call.action = GUSH_CLIENTS_UNSUBSCRIBE;
    gush_clients(w->node, &b.call);
    settle(w);
    assert_int_equal(b.done_n, 1);
    expect(p, "{\"channel\":\"a\",\"unsubscribe\":{\"code\":2000,"
              "\"reason\":\"server unsubscribe\"}}");
    assert_int_equal(a.done_n, 1);
    assert_int_equal(a.call.call.error, 0);
    acknowledge(&broker, "a");
    send_numbers(&broker, "a", 0, 0, "");
    expect_open(p);
}

static void who_goes_meanwhile_is_no_error_of_the_call(void **state)
{
    struct world *w = begin(state);
    struct peer *p = u(w), *q = u(w);
    struct calling a;

    subscribe_user(w, &a, "a");
    peer_gone(p);
    settle(w);
    assert_int_equal(a.done_n, 0);
    gush_client_disconnect(q->client, 3503, NULL);
    settle(w);
    assert_int_equal(a.done_n, 1);
    assert_int_equal(a.call.call.error, 0);
}

static void publications_of_channels_nobody_has_are_nothing(void **state)
{
    struct world *w = begin(state);

    send_numbers(&broker, "a", 0, 0, "");
    send_numbers(&broker, "hist:a", 5, 9, "E");
    assert_nothing_lives(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        broker_test(publications_go_to_the_broker),
        broker_test(unkept_publications_say_so),
        broker_test(refusals_do_not_reach_the_broker),
        broker_test(failures_are_error_100),
        broker_test(histories_come_from_the_broker),
        broker_test(another_epoch_is_error_112),
        broker_test(removals_go_to_the_broker),
        broker_test(a_command_is_answered_when_the_broker_is),
        broker_test(a_subscribe_call_waits_for_the_broker),
        broker_test(an_unsubscribe_call_stops_who_is_on_the_way),
        broker_test(who_goes_meanwhile_is_no_error_of_the_call),
        broker_test(publications_of_channels_nobody_has_are_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
