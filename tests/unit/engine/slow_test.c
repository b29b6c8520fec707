/* Who is slow, as the lanes tell when they are asked; and what of it is counted. */
#include "server/engine/slow.h"

#include "tests/unit/engine/harness.h"

#define CONFIG                                                                                     \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"                                 \
    "\"insecure_skip_token_signature_verify\":true,\"queue_max_messages\":8},"                     \
    "\"channel\":{\"history_meta_ttl\":\"10s\",\"without_namespace\":"                             \
    "{\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                \
    "\"namespaces\":[{\"name\":\"odd\"},{\"name\":\"drop\",\"queue_policy\":\"drop_oldest\","      \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true}]}}"

struct asked {
    struct gush_slow_call slow;
    bool told, lost;
};

static void told(struct gush_api_call *call)
{
    GUSH_CONTAINER(call, struct asked, slow.call)->told = true;
}

static void lost(struct gush_api_call *call)
{
    GUSH_CONTAINER(call, struct asked, slow.call)->lost = true;
}

static void ask(struct world *w, struct asked *a, size_t most)
{
    *a = (struct asked){0};
    a->slow.most = most;
    a->slow.call = (struct gush_api_call){.home = w->list[0], .done = told, .dropped = lost};
    gush_slow(w->node, &a->slow);
    settle(w);
}

static void ignore(struct gush_api_call *call)
{
    (void)call;
}

static void tell(struct world *w, const char *channel, const char *data)
{
    struct gush_publish_call call = {
        .call = {.home = w->list[0], .done = ignore, .dropped = ignore},
        .channel = gush_span_str(channel),
        .data = gush_span_str(data)};

    gush_publish(w->node, &call);
    settle(w);
}

/* Its peer takes nothing from now on. */
static struct peer *stopped(struct world *w, size_t lane, const char *subs)
{
    struct peer *p = peer_on(w, lane, GUSH_FORM_PUSH_JSON);

    peer_connect(p, subs);
    p->answer = GUSH_EAGAIN;
    return p;
}

/* Of a metric's page. */
static void assert_counted(struct world *w, const char *line)
{
    struct gush_buf page;

    gush_buf_init(&page, (size_t)1 << 20);
    gush_metrics_write(gush_node_metrics(w->node), &page);
    gush_buf_put_u8(&page, 0);
    if (strstr((const char *)page.p, line) == NULL)
        fail_msg("%s is not in\n%s", line, (const char *)page.p);
    gush_buf_fini(&page);
}

static void nobody_waits(void **state)
{
    struct world *w = world_with(state, CONFIG, 2, NULL);
    struct asked a;

    peer_new(w, "{\"subs\":{\"a\":{}}}");
    tell(w, "a", "1");
    ask(w, &a, GUSH_SLOW_MAX);
    assert_true(a.told);
    assert_int_equal(a.slow.clients_n, 0);
    assert_int_equal(a.slow.sums[GUSH_TRANSPORT_OTHER].clients, 0);
    gush_slow_call_fini(&a.slow);
}

static void the_longest_queues_of_all_lanes_come_first(void **state)
{
    struct world *w = world_with(state, CONFIG, 2, NULL);
    struct asked a;

    for (size_t i = 0; i < 5; i++)
        stopped(w, i % 2, "{\"subs\":{\"a\":{}}}");
    struct peer *worst = stopped(w, 1, "{\"subs\":{\"a\":{},\"b\":{}}}");
    tell(w, "a", "1");
    tell(w, "b", "\"a long one, so that b has the largest share\"");
    pass(w, 70);
    ask(w, &a, 3);
    assert_true(a.told);
    assert_int_equal(a.slow.clients_n, 3);
    const struct gush_slow_client *first = &a.slow.clients[0];
    assert_memory_equal(first->id, gush_client_id(worst->client).p, 36);
    assert_int_equal(first->messages, 2);
    assert_int_equal(first->age_ms, 70);
    assert_memory_equal(first->channel, "b", 1);
    assert_int_equal(first->channel_n, 1);
    assert_string_equal(first->transport, "test");
    assert_true(first->bytes > a.slow.clients[1].bytes);
    assert_int_equal(a.slow.sums[GUSH_TRANSPORT_OTHER].clients, 6);
    assert_int_equal(a.slow.sums[GUSH_TRANSPORT_OTHER].messages, 7);
    assert_int_equal(a.slow.sums[GUSH_TRANSPORT_OTHER].bytes,
                     first->bytes + 5 * a.slow.clients[1].bytes);
    gush_slow_call_fini(&a.slow);
}

static void sums_need_no_names(void **state)
{
    struct world *w = world_with(state, CONFIG, 2, NULL);
    struct asked a;

    stopped(w, 1, "{\"subs\":{\"a\":{}}}");
    tell(w, "a", "1");
    ask(w, &a, 0);
    assert_int_equal(a.slow.clients_n, 0);
    assert_int_equal(a.slow.sums[GUSH_TRANSPORT_OTHER].clients, 1);
    gush_slow_call_fini(&a.slow);
}

static void a_lane_that_closed_tells_nothing(void **state)
{
    struct world *w = world_with(state, CONFIG, 2, NULL);
    struct asked a;

    gush_lane_close(w->list[1]);
    ask(w, &a, 5);
    assert_true(a.told && !a.lost);
    gush_slow_call_fini(&a.slow);
    gush_lane_close(w->list[0]);
    ask(w, &a, 5);
    assert_true(a.lost && !a.told);
    gush_slow_call_fini(&a.slow);
}

static void who_is_ended_is_counted_by_channel(void **state)
{
    struct world *w = world_with(state, CONFIG, 1, NULL);
    struct peer *p = stopped(w, 0, "{\"subs\":{\"a\":{}}}");

    for (unsigned i = 0; i < 12; i++)
        tell(w, "a", "1");
    assert_int_equal(p->close_code, 3008);
    assert_counted(w, "gush_client_slow_disconnects{channel_namespace=\"\",policy=\"disconnect\","
                      "transport=\"other\"} 1\n");
    assert_counted(w, "centrifugo_client_num_server_disconnects{code=\"3008\"} 1\n");
}

static void what_is_dropped_is_counted_by_namespace(void **state)
{
    struct world *w = world_with(state, CONFIG, 1, NULL);
    struct peer *p = stopped(w, 0, "{\"subs\":{\"drop:1\":{}}}");

    for (unsigned i = 0; i < 1 + 9; i++) /* one in flight, one more than may wait */
        tell(w, "drop:1", "1");
    assert_non_null(p->client);
    assert_int_equal(p->closes_n, 0);
    /* Down to three quarters of 8. */
    assert_counted(w, "gush_client_dropped_publications{channel_namespace=\"drop\","
                      "policy=\"drop_oldest\",transport=\"other\"} 3\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(nobody_waits),
        world_test(the_longest_queues_of_all_lanes_come_first),
        world_test(sums_need_no_names),
        cmocka_unit_test_teardown(a_lane_that_closed_tells_nothing, world_end),
        world_test(who_is_ended_is_counted_by_channel),
        world_test(what_is_dropped_is_counted_by_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
