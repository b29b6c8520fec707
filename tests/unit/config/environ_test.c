/* Variables: names, values, lists, and the ones that mean nothing. */
#include "load.h"

static void wrong_value_names_the_variable(void **state)
{
    (void)state;
    load_bad_env("GUSH_CLIENT_PING_INTERVAL=25",
                 "GUSH_CLIENT_PING_INTERVAL: \"25\" is not a duration (accepted: a number with "
                 "unit, such as \"25s\", \"1m30s\")");
    load_bad_env("CENTRIFUGO_HTTP_SERVER_PORT=70000",
                 "CENTRIFUGO_HTTP_SERVER_PORT: \"70000\" is out of range (accepted: 0 to 65535)");
    load_bad_env("GUSH_HEALTH_ENABLED=yes",
                 "GUSH_HEALTH_ENABLED: \"yes\" is not a boolean (accepted: true, false)");
    load_bad_env("GUSH_CHANNEL_WITHOUT_NAMESPACE_FORCE_RECOVERY_MODE=last",
                 "in channel.without_namespace: unknown recovery mode: \"last\" "
                 "(GUSH_CHANNEL_WITHOUT_NAMESPACE_FORCE_RECOVERY_MODE, accepted: \"stream\", "
                 "\"cache\")");
    load_bad_env("GUSH_CHANNEL_NAMESPACES=[{\"name\":\"aa\",\"presence\":\"maybe\"}]",
                 "GUSH_CHANNEL_NAMESPACES: channel.namespaces.[0].presence: \"maybe\" is not a "
                 "boolean (accepted: true, false)");
    load_bad_env("GUSH_CHANNEL_NAMESPACES=[{\"name\"]",
                 "GUSH_CHANNEL_NAMESPACES: column 9: ':' expected near ']' (accepted: [{\"name\": "
                 "...}], or names)");
    load_bad_env("GUSH_CHANNEL_NAMESPACES=ok x",
                 "namespace x: invalid namespace name – x (must match ^[-a-zA-Z0-9_.]{2,}$ "
                 "regular expression) (GUSH_CHANNEL_NAMESPACES: channel.namespaces.[1])");
}

static void each_type(void **state)
{
    static const char transforms[] =
        "GUSH_CLIENT_CONNECT_CODE_TO_UNIDIRECTIONAL_DISCONNECT_TRANSFORMS="
        "[{\"code\":1,\"to\":{\"code\":2,\"reason\":\"r\"}}]";
    struct load l;

    (void)state;
    load_all(&l, "{}",
             ENV("GUSH_HTTP_SERVER_PORT=0x50", "GUSH_LOG_LEVEL=error", "GUSH_HEALTH_ENABLED=T",
                 "GUSH_CLIENT_ALLOWED_ORIGINS=https://a https://b", "GUSH_NODE_NAME=n 1",
                 "GUSH_CLIENT_PONG_TIMEOUT=1500ms", "GUSH_CHANNEL_HISTORY_META_TTL=1h",
                 "GUSH_CHANNEL_WITHOUT_NAMESPACE_QUEUE_POLICY=latest",
                 "GUSH_CHANNEL_WITHOUT_NAMESPACE_PRESENCE=1", "GUSH_PID_FILE=/p", transforms),
             NULL);
    assert_string_equal(l.message, "");
    assert_string_equal(l.warnings, "");
    assert_int_equal(l.config->http_server.port, 80);
    assert_int_equal(l.config->log.level, GUSH_LOG_ERROR);
    assert_true(l.config->health.enabled);
    assert_int_equal(l.config->client.allowed_origins.n, 2);
    assert_string_equal(l.config->client.allowed_origins.items[1], "https://b");
    assert_string_equal(l.config->node_name, "n 1");
    assert_int_equal(l.config->client.pong_timeout_ms, 1500);
    assert_int_equal(l.config->channel.history_meta_ttl_s, 3600);
    assert_int_equal(l.config->channel.without_namespace.queue_policy, GUSH_QUEUE_LATEST);
    assert_true(l.config->channel.without_namespace.presence);
    assert_string_equal(l.config->pid_file, "/p");
    assert_int_equal(l.config->client.connect_code_to_unidirectional_disconnect.transforms_n, 1);
    gush_config_free(l.config);
}

static void empty_counts_as_unset(void **state)
{
    struct load l;

    (void)state;
    load_all(
        &l, "{\"http_server\":{\"port\":5},\"client\":{\"insecure\":true}}",
        ENV("GUSH_HTTP_SERVER_PORT=", "CENTRIFUGO_HTTP_SERVER_PORT=6", "GUSH_CLIENT_INSECURE="),
        NULL);
    assert_int_equal(l.config->http_server.port, 6); /* the empty GUSH_ one gives way */
    assert_true(l.config->client.insecure);
    gush_config_free(l.config);
}

static void ours_wins_in_any_order_even_over_nonsense(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, NULL, ENV("CENTRIFUGO_HTTP_SERVER_PORT=x", "GUSH_HTTP_SERVER_PORT=7"), NULL);
    assert_string_equal(l.message, "");
    assert_int_equal(l.config->http_server.port, 7);
    gush_config_free(l.config);
    load_all(&l, NULL, ENV("GUSH_HTTP_SERVER_PORT=7", "CENTRIFUGO_HTTP_SERVER_PORT=8"), NULL);
    assert_int_equal(l.config->http_server.port, 7);
    gush_config_free(l.config);
}

static void flag_blocks_the_variable(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, NULL, ENV("GUSH_HTTP_SERVER_PORT=nonsense"), ENV("-p9"));
    assert_string_equal(l.message, "");
    assert_int_equal(l.config->http_server.port, 9);
    gush_config_free(l.config);
}

static void options_of_namespaces(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, "{\"channel\":{\"namespaces\":[{\"name\":\"a.b-c\"},{\"name\":\"other\"}]}}",
             ENV("GUSH_CHANNEL_NAMESPACES_A_B_C_HISTORY_SIZE=5",
                 "CENTRIFUGO_CHANNEL_NAMESPACES_A_B_C_HISTORY_TTL=60s",
                 "GUSH_CHANNEL_NAMESPACES_OTHER_PRESENCE=true",
                 "CENTRIFUGO_CHANNEL_NAMESPACES_OTHER_PRESENCE=false",
                 "GUSH_CHANNEL_NAMESPACES_NOBODY_PRESENCE=true",
                 "GUSH_CHANNEL_NAMESPACES_OTHER_NOTHING=1"),
             NULL);
    assert_string_equal(l.message, "");
    const struct gush_namespace *ns = l.config->channel.namespaces;
    assert_int_equal(ns[0].options.history_size, 5);
    assert_int_equal(ns[0].options.history_ttl_s, 60);
    assert_false(ns[0].options.presence);
    assert_true(ns[1].options.presence);
    assert_string_equal(l.warnings,
                        "unknown var in environment|var|GUSH_CHANNEL_NAMESPACES_NOBODY_PRESENCE\n"
                        "unknown var in environment|var|GUSH_CHANNEL_NAMESPACES_OTHER_NOTHING\n");
    gush_config_free(l.config);
}

static void names_append_and_an_array_replaces(void **state)
{
    static const char json[] =
        "{\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"presence\":true}]}}";
    struct load l;

    (void)state;
    load_all(&l, json,
             ENV("GUSH_CHANNEL_NAMESPACES_B2_JOIN_LEAVE=1", "GUSH_CHANNEL_NAMESPACES=b1 b2"), NULL);
    assert_string_equal(l.message, "");
    assert_int_equal(l.config->channel.namespaces_n, 3);
    assert_string_equal(l.config->channel.namespaces[2].name, "b2");
    assert_true(l.config->channel.namespaces[2].options.join_leave);
    assert_false(l.config->channel.namespaces[1].options.join_leave);
    gush_config_free(l.config);
    load_all(&l, json, ENV("GUSH_CHANNEL_NAMESPACES=[{\"name\":\"bb\"}]"), NULL);
    assert_int_equal(l.config->channel.namespaces_n, 1);
    assert_string_equal(l.config->channel.namespaces[0].name, "bb");
    assert_false(l.config->channel.namespaces[0].options.presence); /* replaced cleanly */
    gush_config_free(l.config);
    load_all(&l, json, ENV("GUSH_CHANNEL_NAMESPACES=aa"), NULL);
    assert_string_equal(l.message, "namespace name must be unique: aa");
}

static void unknown_variables(void **state)
{
    static const char *const told[] = {"GUSH_NONE=1", "CENTRIFUGO_CLIENT_INSECUR=1", "GUSH_=1",
                                       "GUSH_SERVICE=1", "GUSH_http_port=1"};
    static const char *const quiet[] = {"GUSH_PORT=tcp://1",
                                        "CENTRIFUGO_SERVICE_HOST=a",
                                        "GUSH_A_B_SERVICE_PORT=1",
                                        "GUSH_X_PORT_80_TCP=1",
                                        "GUSH_VAR_KEY=1",
                                        "CENTRIFUGO_VAR_=1",
                                        "OTHER_NONE=1",
                                        "GUSH",
                                        "GUSHX=1",
                                        "GUSH_FOO_PORTX=1",
                                        "GUSH_VERSION"};

    (void)state;
    for (size_t i = 0; i < COUNT(told); i++) {
        struct load l;
        char want[128];
        load_all(&l, NULL, ENV(told[i]), NULL);
        (void)snprintf(want, sizeof(want), "unknown var in environment|var|%.*s\n",
                       (int)strcspn(told[i], "="), told[i]);
        assert_string_equal(l.warnings, want);
        gush_config_free(l.config);
    }
    for (size_t i = 0; i < COUNT(quiet); i++) {
        struct load l;
        load_all(&l, NULL, ENV(quiet[i]), NULL);
        assert_string_equal(l.warnings, "");
        gush_config_free(l.config);
    }
}

static void variables_of_later_versions(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, NULL,
             ENV("GUSH_ENGINE_REDIS_ADDRESS=redis://10.0.0.1", "GUSH_PROXIES_ONE_ENDPOINT=http://x",
                 "GUSH_WEBSOCKET_COMPRESSION_LEVEL=1", "GUSH_DATABASE_ENABLED=true",
                 "GUSH_USAGE_STATS_DISABLED=true"),
             NULL);
    assert_string_equal(l.message, "");
    assert_string_equal(l.warnings,
                        "known key is not supported by this version|var|GUSH_ENGINE_REDIS_ADDRESS\n"
                        "known key is not supported by this version|var|GUSH_PROXIES_ONE_ENDPOINT\n"
                        "known key is not supported by this version|var|GUSH_DATABASE_ENABLED\n");
    gush_config_free(l.config);
    load_bad_env(
        "GUSH_HTTP_SERVER_TLS_AUTOCERT_ENABLED=true",
        "GUSH_HTTP_SERVER_TLS_AUTOCERT_ENABLED: \"true\" is not supported by this version, and "
        "ignoring it would weaken security (accepted: leaving it out)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_value_names_the_variable),
        cmocka_unit_test(each_type),
        cmocka_unit_test(empty_counts_as_unset),
        cmocka_unit_test(ours_wins_in_any_order_even_over_nonsense),
        cmocka_unit_test(flag_blocks_the_variable),
        cmocka_unit_test(options_of_namespaces),
        cmocka_unit_test(names_append_and_an_array_replaces),
        cmocka_unit_test(unknown_variables),
        cmocka_unit_test(variables_of_later_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
