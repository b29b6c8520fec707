/* What metrics say of clients when they have ended, in every way there is. */
#include "tests/unit/engine/calls.h"

#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true"
#define CONFIG                                                                                     \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,\"user_connection_limit\":3,"     \
    "\"queue_max_messages\":2,\"channel_limit\":2,"                                                \
    "\"insecure_skip_token_signature_verify\":true},"                                              \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{" OPEN "}}}"

/* The sum of a metric's series whose labels contain |label|. */
static long counted(struct world *w, const char *name, const char *label)
{
    struct gush_buf page;
    size_t name_n = strlen(name);
    long sum = 0;

    gush_buf_init(&page, (size_t)1 << 20);
    gush_metrics_write(gush_node_metrics(w->node), &page);
    gush_buf_put_u8(&page, 0);
    assert_true(gush_buf_ok(&page));
    const char *line = (const char *)page.p, *end;
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        const char *found = strstr(line, label), *value = end;
        if (strncmp(line, name, name_n) != 0 || line[name_n] != '{' || !found || found > end)
            continue;
        while (*value != ' ')
            value--;
        sum += strtol(value, NULL, 10);
    }
    gush_buf_fini(&page);
    return sum;
}

static long ends(struct world *w, const char *label)
{
    return counted(w, "centrifugo_client_num_server_disconnects", label);
}

static long connections(struct world *w)
{
    return counted(w, "centrifugo_client_connections_inflight", "");
}

static long subscriptions(struct world *w)
{
    return counted(w, "centrifugo_client_subscriptions_inflight", "");
}

static struct peer *u(struct world *w)
{
    return user_on(w, 0, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
}

static void flood(struct world *w, struct publishing *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        list[i] = publishing_of("a", "1");
        publish_begin(w, &list[i]);
    }
}

/* It could not have what came before the call; the call's code is what it ended with. */
static void an_end_is_counted_once(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *p = u(w);
    struct publishing q[20];
    struct calling c = DISCONNECT();

    p->answer = GUSH_EAGAIN;
    flood(w, q, 20);
    begin(w, &c);
    settle(w);
    pass(w, 6000);
    assert_int_equal(p->close_code, 3503);
    assert_int_equal(ends(w, "code=\"3503\""), 1);
    assert_int_equal(ends(w, "code="), 1);
}

static void who_vanishes_before_its_end_is_counted(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct peer *p = u(w);

    gush_client_disconnect(p->client, 3005, NULL);
    peer_gone(p); /* in the same turn */
    settle(w);
    assert_int_equal(ends(w, "code=\"3005\""), 1);
}

static void nothing_stays_open_however_it_ends(void **state)
{
    struct world *w = world_new(state, CONFIG);
    struct calling in = SUBSCRIBE("b"), out = UNSUBSCRIBE("b"), third = SUBSCRIBE("c"),
                   off = DISCONNECT();
    struct publishing q[20];

    peer_new(w, "{\"token\":\"no.such.token\"}");           /* refused */
    peer_new(w, "{\"subs\":{\"nowhere:a\":{}}}");           /* refused, as a user */
    peer_new(w, "{\"subs\":{\"a\":{},\"b\":{},\"c\":{}}}"); /* too many channels */
    gush_client_disconnect(peer_on(w, 0, GUSH_FORM_SSE)->client, 3000, NULL);
    settle(w);
    for (unsigned i = 0; i < 4; i++) { /* the fourth is over the limit */
        struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
        peer_connect_token(p, "{\"sub\":\"u\"}", ",\"subs\":{\"a\":{}}");
    }
    assert_int_equal(connections(w), 3);
    assert_int_equal(run(w, &in), 0);
    assert_int_equal(subscriptions(w), 6);
    assert_int_equal(run(w, &out), 0);
    assert_int_equal(run(w, &in), 0);
    assert_int_equal(run(w, &third), 0); /* one channel too many: it ends them */
    for (unsigned i = 0; i < 3; i++) {
        struct peer *p = u(w);
        p->answer = i == 1 ? GUSH_EAGAIN : GUSH_OK;
        if (i == 0)
            peer_gone(p);
    }
    flood(w, q, 20); /* one is slow */
    settle(w);
    begin(w, &off);
    gush_node_disconnect_all(w->node, 3001);
    gush_node_close(w->node);
    pass(w, 6000);
    peer_new(w, "{\"subs\":{\"a\":{}}}"); /* too late */
    assert_int_equal(live(w).clients, 0);
    assert_int_equal(connections(w), 0);
    assert_int_equal(subscriptions(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(an_end_is_counted_once),
        world_test(who_vanishes_before_its_end_is_counted),
        world_test(nothing_stays_open_however_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
