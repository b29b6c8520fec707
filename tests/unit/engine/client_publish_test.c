/* Publish commands: refusals, and that the own push precedes the reply. spec: client protocol 6 */
#include "tests/unit/engine/harness.h"

#define OPEN                                                                                       \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true,"                  \
    "\"allow_publish_for_client\":true,\"allow_publish_for_anonymous\":true"

static const char config[] =
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"
    "\"insecure_skip_token_signature_verify\":true},"
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{" OPEN "},"
    "\"namespaces\":[{\"name\":\"obj\",\"publication_data_format\":\"json_object\"," OPEN "},"
    "{\"name\":\"sub\",\"allow_publish_for_subscriber\":true,"
    "\"allow_publish_for_anonymous\":true,\"allow_subscribe_for_client\":true,"
    "\"allow_subscribe_for_anonymous\":true},"
    "{\"name\":\"hist\",\"history_size\":5,\"history_ttl\":\"20s\"," OPEN "},"
    "{\"name\":\"closed\"}]}}";

static struct peer *talker(struct world *w, const char *json)
{
    struct peer *p = peer_on(w, 0, GUSH_FORM_REPLY_JSON);

    peer_connect(p, json);
    if (strncmp(hear(p), "{\"id\":1,\"connect\":{", 19) != 0)
        fail_msg("not connected");
    return p;
}

static void say(struct peer *p, uint32_t id, const char *channel, const char *data)
{
    gush_client_publish(p->client, id, gush_span_str(channel), gush_span_str(data));
}

static void commands_come_after_connect(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_on(w, 0, GUSH_FORM_REPLY_JSON);

    say(p, 2, "a", "1");
    settle(w);
    expect_dropped(p, 3501);
}

static void a_command_without_channel_ends_the_connection(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = talker(w, "{}");

    say(p, 2, "", "1");
    settle(w);
    expect_dropped(p, 3501);
}

static void refusals_are_replies(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = talker(w, "{}");

    say(p, 2, "nowhere:a", "1");
    say(p, 3, "\xc3\xa4", "1");
    say(p, 4, "a", "");
    say(p, 5, "obj:a", "1");
    say(p, 6, "closed:a", "1");
    say(p, 7, "sub:a", "1");
    settle(w);
    expect(p, "{\"id\":2,\"error\":{\"code\":102,\"message\":\"unknown channel\"}}");
    expect(p, "{\"id\":3,\"error\":{\"code\":107,\"message\":\"bad request\"}}");
    expect(p, "{\"id\":4,\"error\":{\"code\":107,\"message\":\"bad request\"}}");
    expect(p, "{\"id\":5,\"error\":{\"code\":107,\"message\":\"bad request\"}}");
    expect(p, "{\"id\":6,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    expect(p, "{\"id\":7,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    expect_open(p);
    assert_int_equal(live(w).channels, 0);
}

static void the_own_push_precedes_the_reply(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = talker(w, "{\"subs\":{\"a\":{},\"sub:a\":{}}}");

    say(p, 2, "a", "1");
    say(p, 3, "sub:a", "2");
    say(p, 4, "b", "3"); /* it does not listen there */
    settle(w);
    /* Between channels there is no order, within one there is. */
    const char *heard[5];
    int push_a = -1, reply_a = -1, push_sub = -1, reply_sub = -1;
    for (int i = 0; i < 5; i++) {
        heard[i] = hear(p);
        if (strstr(heard[i], "\"channel\":\"a\""))
            push_a = i;
        if (strstr(heard[i], "\"channel\":\"sub:a\""))
            push_sub = i;
        if (strcmp(heard[i], "{\"id\":2,\"publish\":{}}") == 0)
            reply_a = i;
        if (strcmp(heard[i], "{\"id\":3,\"publish\":{}}") == 0)
            reply_sub = i;
    }
    assert_true(push_a >= 0 && push_a < reply_a);
    assert_true(push_sub >= 0 && push_sub < reply_sub);
    assert_true(matches(heard[push_a], "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1,"
                                       "\"info\":{\"user\":\"\",\"client\":\"~\"}}}}"));
    expect_open(p);
}

static void the_publisher_is_named_with_its_info(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_on(w, 0, GUSH_FORM_REPLY_JSON),
                *other = peer_new(w, "{\"subs\":{\"hist:a\":{}}}");

    peer_connect_token(p, "{\"sub\":\"u\",\"info\":{\"n\": 1}}", "");
    say(p, 2, "hist:a", "1");
    settle(w);
    expect_connected(other);
    expect(other, "{\"channel\":\"hist:a\",\"pub\":{\"data\":1,\"info\":{\"user\":\"u\","
                  "\"client\":\"~\",\"conn_info\":{\"n\": 1}},\"offset\":1,\"epoch\":\"~\"}}");
    assert_string_equal(history(w, "hist:a", -1), "1:1 /1");
}

/* A crowd between the publisher and its own push: the reply still waits for it. */
static void the_reply_waits_however_large_the_crowd_is(void **state)
{
    struct world *w = world_new(state, config);

    for (int i = 0; i < 150; i++)
        expect_connected(peer_new(w, "{\"subs\":{\"a\":{}}}"));
    struct peer *p = talker(w, "{\"subs\":{\"a\":{}}}");
    for (uint32_t id = 2; id < 30; id++)
        say(p, id, "a", "1");
    settle(w);
    unsigned pushes = 0;
    for (uint32_t id = 2; id < 30;) {
        char reply[64];
        const char *text = hear(p);
        (void)snprintf(reply, sizeof(reply), "{\"id\":%u,\"publish\":{}}", id);
        if (strcmp(text, reply) == 0) {
            assert_true(pushes >= id - 1);
            id++;
        } else {
            assert_true(strncmp(text, "{\"push\":", 8) == 0);
            pushes++;
        }
    }
    assert_int_equal(pushes, 28);
    expect_open(p);
}

static void who_is_gone_needs_no_reply(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = talker(w, "{\"subs\":{\"a\":{}}}");

    say(p, 2, "a", "1");
    peer_gone(p); /* the answer is under way */
    settle(w);
    p = talker(w, "{\"subs\":{\"a\":{}}}");
    say(p, 2, "a", "1");
    gush_client_disconnect(p->client, 3503, NULL);
    settle(w);
    expect_dropped(p, 3503);
    say(talker(w, "{}"), 2, "a", "1");
    settle(w);
    /* Another client in the same slot hears nothing of it. */
    p = talker(w, "{\"subs\":{\"a\":{}}}");
    say(p, 2, "a", "1");
    peer_gone(p);
    p = talker(w, "{}");
    expect_open(p);
}

static void a_lane_that_closes_frees_commands(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = talker(w, "{\"subs\":{\"a\":{}}}");

    say(p, 2, "a", "1");
    say(p, 3, "b", "1");
    peer_gone(p);
    gush_lane_close(w->list[0]);
    assert_nothing_lives(w);
}

/* The reply is already waiting in the branch when the lane closes. */
static void a_lane_that_closes_frees_waiting_replies(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = talker(w, "{\"subs\":{\"a\":{},\"b\":{}}}");

    /* Something to write keeps the turn from dealing: letters are opened, nothing more. */
    gush_client_publish(p->client, 2, GUSH_SPAN_LIT("nowhere:a"), GUSH_SPAN_LIT("1"));
    say(p, 3, "a", "1");
    (void)gush_lane_turn(w->list[0]);
    assert_int_equal(p->heard_n - p->read, 1);
    peer_gone(p);
    gush_lane_close(w->list[0]);
    assert_nothing_lives(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(commands_come_after_connect),
        world_test(a_command_without_channel_ends_the_connection),
        world_test(refusals_are_replies),
        world_test(the_own_push_precedes_the_reply),
        world_test(the_publisher_is_named_with_its_info),
        world_test(the_reply_waits_however_large_the_crowd_is),
        world_test(who_is_gone_needs_no_reply),
        world_test(a_lane_that_closes_frees_commands),
        world_test(a_lane_that_closes_frees_waiting_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
