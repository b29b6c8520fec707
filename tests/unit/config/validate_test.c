/* Rules between keys, word by word, and the warnings about insecure modes. */
#include "load.h"

static void ping_and_pong(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"client\":{\"pong_timeout\":\"25s\"}}",
             "ping_interval must be greater than pong_timeout (gush.json:1)");
    load_bad("{\"client\":{\"ping_interval\":\"10s\",\n\"pong_timeout\":\"10s\"}}",
             "ping_interval must be greater than pong_timeout (gush.json:1)");
    load_bad("{\"client\":{\"ping_interval\":\"-1s\"}}",
             "ping_interval must be greater than pong_timeout (gush.json:1)");
    load_bad_env("CENTRIFUGO_CLIENT_PING_INTERVAL=0s",
                 "ping_interval must be greater than pong_timeout");
    load_good(&l, "{\"client\":{\"ping_interval\":\"-1s\",\"pong_timeout\":\"-2s\"}}");
    gush_config_free(l.config);
}

static void history_needs_size_and_ttl(void **state)
{
    (void)state;
    load_bad("{\"channel\":{\"without_namespace\":{\n\"history_size\":1}}}",
             "in channel.without_namespace: both history size and history ttl required for history "
             "(gush.json:2)");
    load_bad("{\"channel\":{\"namespaces\":[{\"name\":\"aa\"},\n{\"name\":\"bb\",\n"
             "\"history_ttl\":\"5s\"}]}}",
             "namespace bb: both history size and history ttl required for history (gush.json:3)");
    load_bad_env("GUSH_CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE=1",
                 "in channel.without_namespace: both history size and history ttl required for "
                 "history");
}

static void history_meta_ttl_is_not_shorter(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"history_size\":1,"
             "\"history_ttl\":\"90s\",\"history_meta_ttl\":\"1m\"}]}}",
             "namespace aa: history ttl (1m30s) can not be greater than history meta ttl (1m0s) "
             "(gush.json:1)");
    load_bad("{\"channel\":{\"history_meta_ttl\":\"1h\",\"without_namespace\":{\"history_size\":1,"
             "\"history_ttl\":\"2h\"}}}",
             "in channel.without_namespace: history ttl (2h0m0s) can not be greater than history "
             "meta ttl (1h0m0s) (gush.json:1)");
    load_good(&l, "{\"channel\":{\"history_meta_ttl\":\"1h\",\"without_namespace\":"
                  "{\"history_size\":1,\"history_ttl\":\"2h\",\"history_meta_ttl\":\"2h\"}}}");
    gush_config_free(l.config);
}

static void recovery_needs_history(void **state)
{
    (void)state;
    load_bad("{\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"force_recovery\":true}]}}",
             "namespace aa: both history size and history ttl required for recovery "
             "(gush.json:1)");
}

static void queue_policy_excludes_positions(void **state)
{
    static const char *const options[] = {"force_positioning", "allow_positioning",
                                          "force_recovery", "allow_recovery"};
    static const char *const policies[] = {"drop_oldest", "latest"};
    struct load l;

    (void)state;
    for (size_t i = 0; i < COUNT(options); i++) {
        for (size_t j = 0; j < COUNT(policies); j++) {
            char json[256], want[512];
            (void)snprintf(json, sizeof(json),
                           "{\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"history_size\":1,"
                           "\"history_ttl\":\"1s\",\n\"queue_policy\":\"%s\",\n\"%s\":true}]}}",
                           policies[j], options[i]);
            (void)snprintf(want, sizeof(want),
                           "namespace aa: queue_policy %s drops publications and can not be used "
                           "together with %s (accepted: \"disconnect\", or no positioning and "
                           "recovery) (gush.json:2)",
                           policies[j], options[i]);
            load_bad(json, want);
        }
    }
    load_good(&l, "{\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"allow_recovery\":true,"
                  "\"queue_policy\":\"disconnect\"},{\"name\":\"bb\",\"history_size\":1,"
                  "\"history_ttl\":\"1s\",\"queue_policy\":\"latest\"}]}}");
    gush_config_free(l.config);
}

static void user_id_claim(void **state)
{
    (void)state;
    load_bad("{\"client\":{\"token\":{\"user_id_claim\":\"user-id\"}}}",
             "invalid token custom user ID claim: user-id, must match ^[a-zA-Z_]+$ regular "
             "expression (gush.json:1)");
}

static void origins_are_patterns(void **state)
{
    (void)state;
    load_bad("{\"client\":{\"allowed_origins\":[\"https://a\",\"https://[\"]}}",
             "client.allowed_origins: \"https://[\" is not a pattern (accepted: text with *, ?, "
             "[a-z], {a,b}) (gush.json:1)");
}

static void personal_channel(void **state)
{
#define PERSONAL "{\"client\":{\"subscribe_to_user_personal_channel\":{\"enabled\":true"
    struct load l;

    (void)state;
    load_bad(PERSONAL ",\"personal_channel_namespace\":\"u1\"}}}",
             "namespace for user personal channel not found: u1 (gush.json:1)");
    load_bad(PERSONAL ",\"single_connection\":true}}}",
             "presence must be enabled on top level to maintain single connection (gush.json:1)");
    load_bad(PERSONAL ",\"single_connection\":true,\"personal_channel_namespace\":\"u1\"}},"
                      "\"channel\":{\"namespaces\":[{\"name\":\"u1\"}]}}",
             "presence must be enabled for namespace u1 to maintain single connection "
             "(gush.json:1)");
    load_good(&l, PERSONAL ",\"single_connection\":true,\"personal_channel_namespace\":\"u1\"}},"
                           "\"channel\":{\"namespaces\":[{\"name\":\"u1\",\"presence\":true}]}}");
    gush_config_free(l.config);
    load_good(&l, "{\"client\":{\"subscribe_to_user_personal_channel\":{"
                  "\"personal_channel_namespace\":\"u1\"}}}"); /* off: not looked at */
    gush_config_free(l.config);
#undef PERSONAL
}

static void uni_codes(void **state)
{
#define TRANSFORMS                                                                                 \
    "{\"client\":{\"connect_code_to_unidirectional_disconnect\":{\"transforms\":["                 \
    "{\"code\":1,\"to\":{\"code\":2}},\n"
#define IN "in client.connect_code_to_unidirectional_disconnect: "
    (void)state;
    load_bad(TRANSFORMS "{\"to\":{\"code\":3}}]}}}",
             IN "no code specified in transforms[1] (gush.json:2)");
    load_bad(TRANSFORMS "{\"code\":3}]}}}",
             IN "no disconnect code specified in transforms[1].to (gush.json:2)");
    load_bad(TRANSFORMS "{\"code\":3,\"to\":{\"code\":4,\"reason\":\"\xc3\xa9\"}}]}}}",
             IN "disconnect reason must be ASCII in transforms[1].to (gush.json:2)");
#undef IN
#undef TRANSFORMS
}

static void connect_responses(void **state)
{
#define SSE "{\"uni_sse\":{\"connect_code_to_http_response\":{\"transforms\":["
#define IN  "in uni_sse.connect_code_to_http_status.transforms: "
    struct load l;

    (void)state;
    load_bad(SSE "{\"code\":1,\"to\":{\"status_code\":401}},\n{\"to\":{\"status_code\":401}}]}}}",
             IN "code should be set in connect_code_to_http_status.transforms[1] (gush.json:2)");
    load_bad(SSE "{\"code\":1}]}}}",
             IN "status_code should be set in connect_code_to_http_status.transforms[0]"
                ".to_response (gush.json:1)");
    load_bad(SSE "{\"code\":1,\"to\":{\"status_code\":99}}]}}}",
             "uni_sse.connect_code_to_http_response.transforms.[0].to.status_code: 99 is no status "
             "(accepted: 200 to 599) (gush.json:1)");
    load_bad("{\"uni_http_stream\":{\"connect_code_to_http_response\":{\"transforms\":"
             "{\"to\":{\"status_code\":401}}}}}",
             "in uni_http_stream.connect_code_to_http_status.transforms: code should be set in "
             "connect_code_to_http_status.transforms[0] (gush.json:1)");
    load_good(&l, SSE "{\"code\":109,\"to\":{\"status_code\":401,\"body\":\"go\"}}]}}}");
    assert_int_equal(l.config->uni_sse.connect_code_to_http_response.transforms_n, 1);
    assert_int_equal(l.config->uni_sse.connect_code_to_http_response.transforms[0].to_status_code,
                     401);
    assert_string_equal(l.config->uni_sse.connect_code_to_http_response.transforms[0].to_body,
                        "go");
    assert_int_equal(l.config->uni_http_stream.connect_code_to_http_response.transforms_n, 0);
    gush_config_free(l.config);
#undef IN
#undef SSE
}

/* A switch that is on by default is the one case in which false is not "not set". */
static void a_switch_that_is_on_can_be_turned_off(void **state)
{
    struct load l;

    (void)state;
    assert_true(load_good(&l, "{}")->uni_sse.event_ids);
    gush_config_free(l.config);
    assert_false(load_good(&l, "{\"uni_sse\":{\"event_ids\":false}}")->uni_sse.event_ids);
    gush_config_free(l.config);
    load_all(&l, NULL, ENV("GUSH_UNI_SSE_EVENT_IDS=0"), NULL);
    assert_false(l.config->uni_sse.event_ids);
    gush_config_free(l.config);
}

static void insecure_modes_are_told(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"client\":{\"insecure\":true,\"insecure_skip_token_signature_verify\":true,"
                  "\"allowed_origins\":[\"https://a\",\"*\"]},\"http_api\":{\"insecure\":true},"
                  "\"debug\":{\"enabled\":true}}");
    assert_string_equal(
        l.warnings,
        "INSECURE client mode enabled, make sure you understand risks|key|client.insecure\n"
        "INSECURE HTTP API mode enabled, make sure you understand risks|key|http_api.insecure\n"
        "INSECURE skip token signature verify enabled, make sure you understand risks|key|"
        "client.insecure_skip_token_signature_verify\n"
        "DEBUG mode enabled|key|debug.enabled\n"
        "allowed_origins * is discouraged, any web page may connect|key|client.allowed_origins\n");
    gush_config_free(l.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_and_pong),
        cmocka_unit_test(history_needs_size_and_ttl),
        cmocka_unit_test(history_meta_ttl_is_not_shorter),
        cmocka_unit_test(recovery_needs_history),
        cmocka_unit_test(queue_policy_excludes_positions),
        cmocka_unit_test(user_id_claim),
        cmocka_unit_test(origins_are_patterns),
        cmocka_unit_test(personal_channel),
        cmocka_unit_test(uni_codes),
        cmocka_unit_test(connect_responses),
        cmocka_unit_test(a_switch_that_is_on_can_be_turned_off),
        cmocka_unit_test(insecure_modes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
