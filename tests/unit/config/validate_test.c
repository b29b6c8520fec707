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

static void tls_needs_certificate_and_key(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"grpc_api\":{\n\"tls\":{\"enabled\":true}}}",
             "grpc_api.tls.cert_pem: is required when TLS is enabled (accepted: PEM, base64 of "
             "PEM, or the path of a file) (gush.json:2)");
    load_bad("{\"uni_grpc\":{\"tls\":{\"enabled\":true,\"cert_pem\":\"c.pem\"}}}",
             "uni_grpc.tls.key_pem: is required when TLS is enabled (accepted: PEM, base64 of "
             "PEM, or the path of a file) (gush.json:1)");
    load_good(&l, "{\"uni_grpc\":{\"tls\":{\"cert_pem\":\"c.pem\"}}}"); /* not enabled */
    gush_config_free(l.config);
    load_good(&l, "{\"uni_grpc\":{\"tls\":{\"enabled\":true,\"cert_pem\":\"c\","
                  "\"key_pem\":\"k\",\"client_ca_pem\":\"a\"}}}");
    assert_true(l.config->uni_grpc.tls.enabled);
    assert_string_equal(l.config->uni_grpc.tls.client_ca_pem, "a");
    assert_string_equal(l.config->uni_grpc.tls.server_name, "");
    assert_false(l.config->grpc_api.tls.enabled);
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

static void h2c_needs_an_internal_port(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"http_server\":{\"h2c_external\":true}}",
             "external_h2c requires custom separate internal_port to be configured (gush.json:1)");
    load_bad("{\"http_server\":{\"h2c_external\":true,\"port\":81,\"internal_port\":\"81\"}}",
             "external_h2c requires custom separate internal_port to be configured (gush.json:1)");
    load_good(&l, "{\"http_server\":{\"h2c_external\":true,\"internal_port\":81}}");
    assert_string_equal(l.config->http_server.internal_port, "81");
    gush_config_free(l.config);
}

static void internal_port_is_a_port(void **state)
{
    static const char *const wrong[] = {"http", "65536", "-1", " 1", "8000x"};

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char json[128], want[256];
        (void)snprintf(json, sizeof(json), "{\"http_server\":{\"internal_port\":\"%s\"}}",
                       wrong[i]);
        (void)snprintf(want, sizeof(want),
                       "http_server.internal_port: \"%s\" is not a port (accepted: \"0\" to "
                       "\"65535\") (gush.json:1)",
                       wrong[i]);
        load_bad(json, want);
    }
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

static void two_handlers_on_one_path(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"uni_sse\":{\"enabled\":true,\"handler_prefix\":\"/x\"},\n"
             "\"health\":{\"enabled\":true,\"handler_prefix\":\"/x/\"}}",
             "uni_sse.handler_prefix and health.handler_prefix are both \"/x\" on one listener "
             "(accepted: a path of its own for each) (gush.json:2)");
    /* Not enabled, or on listeners of their own. */
    load_good(&l, "{\"uni_sse\":{\"enabled\":true,\"handler_prefix\":\"/x\"},"
                  "\"health\":{\"handler_prefix\":\"/x/\"}}");
    gush_config_free(l.config);
    load_good(&l, "{\"uni_sse\":{\"enabled\":true,\"handler_prefix\":\"/x\"},"
                  "\"health\":{\"enabled\":true,\"handler_prefix\":\"/x/\"},"
                  "\"http_server\":{\"internal_port\":\"9\"}}");
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
        cmocka_unit_test(tls_needs_certificate_and_key),
        cmocka_unit_test(history_needs_size_and_ttl),
        cmocka_unit_test(history_meta_ttl_is_not_shorter),
        cmocka_unit_test(recovery_needs_history),
        cmocka_unit_test(queue_policy_excludes_positions),
        cmocka_unit_test(h2c_needs_an_internal_port),
        cmocka_unit_test(internal_port_is_a_port),
        cmocka_unit_test(user_id_claim),
        cmocka_unit_test(origins_are_patterns),
        cmocka_unit_test(personal_channel),
        cmocka_unit_test(uni_codes),
        cmocka_unit_test(two_handlers_on_one_path),
        cmocka_unit_test(insecure_modes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
