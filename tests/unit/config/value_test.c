/* Each type: what it accepts from files and from text, and what is said when it does not. */
#include "server/base/buf.h"

#include "load.h"

static void wrong_type_is_named_with_value_and_line(void **state)
{
    (void)state;
    load_bad("{\n \"client\": {\n  \"ping_interval\": \"5\"\n }\n}",
             "gush.json:3: client.ping_interval: \"5\" is not a duration (accepted: a number with "
             "unit, such as \"25s\", \"1m30s\")");
    load_bad("{\"client\": {\"insecure\": \"yes\"}}",
             "gush.json:1: client.insecure: \"yes\" is not a boolean (accepted: true, false)");
    load_bad("{\"http_server\":\n{\"port\":\n\n\"eight\"}}",
             "gush.json:4: http_server.port: \"eight\" is not a whole number (accepted: a whole "
             "number, such as 100)");
    load_bad("{\"log\": {\"file\": {\"a\": 1}}}",
             "gush.json:1: log.file: {\"a\": 1} is not a string (accepted: text in quotes)");
    load_bad("{\"client\": {\"allowed_origins\": [\"a\", [1]]}}",
             "gush.json:1: client.allowed_origins: [\"a\", [1]] is not a list of strings "
             "(accepted: [\"one\", \"two\"])");
    load_bad("{\"health\": {\"handler_prefix\": \"health\"}}",
             "gush.json:1: health.handler_prefix: \"health\" is not an URL path (accepted: text "
             "that begins with \"/\")");
    load_bad("{\"channel\": {\"namespaces\": 5}}",
             "gush.json:1: channel.namespaces: 5 is not a list of objects (accepted: [{...}, "
             "{...}])");
    load_bad("{\"client\": 5}", "gush.json:1: client: 5 is not an object (accepted: {...})");
    load_bad("{\"http_server\": {\"port\": true}}",
             "gush.json:1: http_server.port: true is not a whole number (accepted: a whole number, "
             "such as 100)");
}

static void out_of_range_names_the_bounds(void **state)
{
    (void)state;
    load_bad("{\"http_server\": {\"port\": 65536}}",
             "gush.json:1: http_server.port: 65536 is out of range (accepted: 0 to 65535)");
    load_bad("{\"http_server\": {\"port\": -1}}",
             "gush.json:1: http_server.port: -1 is out of range (accepted: 0 to 65535)");
    load_bad("{\"http_server\": {\"port\": 1e300}}",
             "gush.json:1: http_server.port: 1e300 is out of range (accepted: 0 to 65535)");
    load_bad("{\"client\": {\"channel_limit\": \"9223372036854775808\"}}",
             "gush.json:1: client.channel_limit: \"9223372036854775808\" is out of range "
             "(accepted: at most 64 bits)");
    load_bad("{\"client\": {\"stale_close_delay\": \"-1s\"}}",
             "gush.json:1: client.stale_close_delay: \"-1s\" is out of range (accepted: 0s or "
             "more)");
    load_bad("{\"lanes\": {\"backlog_bytes\": -5}}",
             "gush.json:1: lanes.backlog_bytes: -5 is out of range (accepted: 1 or more)");
    load_bad("{\"lanes\": {\"workers\": 257}}",
             "gush.json:1: lanes.workers: 257 is out of range (accepted: 0 to 256)");
    load_bad("{\"client\":{\"connect_code_to_unidirectional_disconnect\":{\"transforms\":"
             "[{\"code\":4294967296}]}}}",
             "gush.json:1: client.connect_code_to_unidirectional_disconnect.transforms.[0].code: "
             "4294967296 is out of range (accepted: 0 to 4294967295)");
}

static void secrets_are_not_shown(void **state)
{
    (void)state;
    load_bad("{\"client\": {\"token\": {\"hmac_secret_key\": [\"topsecret\"]}}}",
             "gush.json:1: client.token.hmac_secret_key: (value not shown) is not a string "
             "(accepted: text in quotes)");
}

static void long_values_are_cut_between_characters(void **state)
{
    struct load l;
    char json[512] = "{\"client\":{\"insecure\":\"a";

    (void)state;
    for (int i = 0; i < 60; i++)
        memcpy(json + strlen(json), "\xc3\xa9", 3);
    memcpy(json + strlen(json), "\"}}", 4);
    load_json(&l, json);
    assert_int_equal(l.err, GUSH_ECONFIG);
    assert_non_null(strstr(l.message, "\xc3\xa9... is not a boolean"));
    assert_null(strstr(l.message, "\xc3..."));
}

static void numbers(void **state)
{
    static const struct {
        const char *json;
        int64_t want;
    } cases[] = {
        {"77", 77},
        {"-77", -77},
        {"77.9", 77},
        {"-77.9", -77},
        {"\"77\"", 77},
        {"\"-77\"", -77},
        {"\"+77\"", 77},
        {"\"0x1F\"", 31},
        {"\"0b101\"", 5},
        {"\"0o17\"", 15},
        {"\"017\"", 15},
        {"1e3", 1000},
        {"\"\"", 128},
        {"0", 128},
        {"null", 128},
        {"\"-0x10\"", -16},
        {"9223372036854775807", INT64_MAX},
        {"\"-9223372036854775808\"", INT64_MIN},
    };
    static const char *const bad[] = {"\"0x\"",  "\"08\"",  "\"1_0\"", "\" 1\"",  "\"1 \"", "\"-\"",
                                      "\"1e3\"", "\"1.5\"", "\"0xg\"", "\"0b2\"", "[]",     "{}"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct load l;
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"client\":{\"channel_limit\":%s}}", cases[i].json);
        assert_int_equal(load_good(&l, json)->client.channel_limit, cases[i].want);
        gush_config_free(l.config);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct load l;
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"client\":{\"channel_limit\":%s}}", bad[i]);
        load_json(&l, json);
        assert_int_equal(l.err, GUSH_ECONFIG);
        assert_non_null(strstr(l.message, "is not a whole number"));
    }
}

static void booleans(void **state)
{
    static const struct {
        const char *json;
        bool want;
    } cases[] = {
        {"true", true},       {"false", false},     {"1", true},          {"0", false},
        {"-2", true},         {"0.5", true},        {"0.0", false},       {"\"1\"", true},
        {"\"t\"", true},      {"\"T\"", true},      {"\"TRUE\"", true},   {"\"true\"", true},
        {"\"True\"", true},   {"\"0\"", false},     {"\"f\"", false},     {"\"F\"", false},
        {"\"FALSE\"", false}, {"\"false\"", false}, {"\"False\"", false}, {"\"\"", false},
        {"null", false},
    };
    static const char *const bad[] = {"\"yes\"", "\"on\"", "\"tRUE\"", "\" true\"",
                                      "\"2\"",   "[]",     "{}"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct load l;
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"health\":{\"enabled\":%s}}", cases[i].json);
        assert_int_equal(load_good(&l, json)->health.enabled, cases[i].want);
        gush_config_free(l.config);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct load l;
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"health\":{\"enabled\":%s}}", bad[i]);
        load_json(&l, json);
        assert_int_equal(l.err, GUSH_ECONFIG);
        assert_non_null(strstr(l.message, "is not a boolean"));
    }
}

static void durations(void **state)
{
    static const struct {
        const char *json;
        int64_t want_ms;
    } cases[] = {
        {"\"30s\"", 30000}, {"\"1h30m\"", 5400000}, {"\"1.5h\"", 5400000}, {"\".5s\"", 500},
        {"\"0\"", 30000},   {"\"0s\"", 30000},      {"null", 30000},       {"2000000", 2},
        {"\"250ms\"", 250}, {"\"1us\"", 1},         {"2500000.5", 2},      {"1", 1},
    };
    static const char *const bad[] = {"\"5\"",   "\"1d\"", "\"1e3s\"", "\" 5s\"", "\"5s \"",
                                      "\"5 s\"", "\"\"",   "true",     "[]",      "{}"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct load l;
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"client\":{\"queue_max_age\":%s}}", cases[i].json);
        assert_int_equal(load_good(&l, json)->client.queue_max_age_ms, cases[i].want_ms);
        gush_config_free(l.config);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct load l;
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"client\":{\"queue_max_age\":%s}}", bad[i]);
        load_json(&l, json);
        assert_int_equal(l.err, GUSH_ECONFIG);
        assert_non_null(strstr(l.message, "is not a duration"));
    }
}

static void bare_number_as_duration_is_remarked(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"client\":{\"expired_close_delay\":25}}");
    assert_int_equal(l.config->client.expired_close_delay_ms, 1);
    assert_string_equal(
        l.warnings, "duration without a unit counts nanoseconds|key|client.expired_close_delay\n");
    gush_config_free(l.config);
}

static void whole_seconds(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"channel\":{\n\"without_namespace\":{\"history_size\":1,\n\"history_ttl\":"
             "\"1.5s\"}}}",
             "in channel.without_namespace: in history_ttl: malformed duration 1.5s, sub-second "
             "precision is not supported for this key (gush.json:3: "
             "channel.without_namespace.history_ttl)");
    load_bad("{\"channel\":{\"history_meta_ttl\":\"1500ms\"}}",
             "in channel.history_meta_ttl: malformed duration 1.5s, sub-second precision is not "
             "supported for this key (gush.json:1: channel.history_meta_ttl)");
    load_good(&l, "{\"channel\":{\"history_meta_ttl\":\"60000ms\"}}");
    assert_int_equal(l.config->channel.history_meta_ttl_s, 60);
    gush_config_free(l.config);
}

static void strings_from_scalars(void **state)
{
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"\"a\"", "a"}, {"8000", "8000"}, {"-1", "-1"}, {"0.1", "0.1"}, {"1.5e10", "1.5e+10"},
        {"true", "1"},  {"false", "0"},   {"null", ""}, {"\"\"", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct load l;
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"log\":{\"file\":%s}}", cases[i].json);
        assert_string_equal(load_good(&l, json)->log.file, cases[i].want);
        gush_config_free(l.config);
    }
}

static void lists_of_strings(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"client\":{\"allowed_origins\":[\"a\", 5, \"c d\"]}}");
    assert_int_equal(l.config->client.allowed_origins.n, 3);
    assert_string_equal(l.config->client.allowed_origins.items[1], "5");
    assert_string_equal(l.config->client.allowed_origins.items[2], "c d");
    gush_config_free(l.config);
    load_good(&l, "{\"client\":{\"allowed_origins\":\"a, b\"}}"); /* not split */
    assert_int_equal(l.config->client.allowed_origins.n, 1);
    assert_string_equal(l.config->client.allowed_origins.items[0], "a, b");
    gush_config_free(l.config);
    load_good(&l, "{\"client\":{\"allowed_origins\":[]}}");
    assert_int_equal(l.config->client.allowed_origins.n, 0);
    gush_config_free(l.config);
}

static void words(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"channel\":{\"publication_data_format\":\"json\",\"namespaces\":["
                  "{\"name\":\"n1\",\"force_recovery_mode\":\"cache\",\"queue_policy\":\"latest\"},"
                  "{\"name\":\"n2\",\"force_recovery_mode\":\"stream\","
                  "\"publication_data_format\":\"binary\",\"queue_policy\":\"disconnect\"},"
                  "{\"name\":\"n3\",\"queue_policy\":\"drop_oldest\","
                  "\"publication_data_format\":\"json_object\"}]}}");
    assert_int_equal(l.config->channel.data_format, GUSH_DATA_JSON);
    const struct gush_namespace *ns = l.config->channel.namespaces;
    assert_int_equal(ns[0].options.force_recovery_mode, GUSH_RECOVERY_CACHE);
    assert_int_equal(ns[0].options.queue_policy, GUSH_QUEUE_LATEST);
    assert_false(ns[0].options.data_format_set); /* the global one */
    assert_int_equal(ns[0].options.data_format, GUSH_DATA_JSON);
    assert_int_equal(ns[1].options.force_recovery_mode, GUSH_RECOVERY_STREAM);
    assert_int_equal(ns[1].options.queue_policy, GUSH_QUEUE_DISCONNECT);
    assert_true(ns[1].options.data_format_set);
    assert_int_equal(ns[1].options.data_format, GUSH_DATA_BINARY);
    assert_int_equal(ns[2].options.queue_policy, GUSH_QUEUE_DROP_OLDEST);
    assert_int_equal(ns[2].options.data_format, GUSH_DATA_JSON_OBJECT);
    gush_config_free(l.config);
}

static void wrong_words_in_the_words_of_the_reference(void **state)
{
    (void)state;
    load_bad("{\"channel\":{\"namespaces\":[{\"name\":\"chat\",\n"
             "\"force_recovery_mode\":\"last\"}]}}",
             "namespace chat: unknown recovery mode: \"last\" (gush.json:2: "
             "channel.namespaces.[0].force_recovery_mode, accepted: \"stream\", \"cache\")");
    load_bad("{\"channel\":{\"without_namespace\":{\"publication_data_format\":\"xml\"}}}",
             "in channel.without_namespace: unknown publication_data_format: \"xml\" (gush.json:1: "
             "channel.without_namespace.publication_data_format, accepted: \"json\", "
             "\"json_object\", \"binary\")");
    load_bad("{\"channel\":{\"publication_data_format\":\"xml\"}}",
             "unknown channel.publication_data_format: \"xml\" (gush.json:1: "
             "channel.publication_data_format, accepted: \"json\", \"json_object\", \"binary\")");
    load_bad("{\"channel\":{\"without_namespace\":{\"queue_policy\":\"drop\"}}}",
             "in channel.without_namespace: unknown queue_policy: \"drop\" (gush.json:1: "
             "channel.without_namespace.queue_policy, accepted: \"disconnect\", \"drop_oldest\", "
             "\"latest\")");
    load_bad("{\"grpc_api\":{\"error_mode\":\"http\"}}",
             "invalid value: http, possible choices are: transport (gush.json:1: "
             "grpc_api.error_mode, accepted: \"transport\")");
    load_bad("{\"engine\":{\"type\":\"disk\"}}",
             "unknown engine type: disk (gush.json:1: engine.type, accepted: \"memory\", "
             "\"redis\")");
    load_bad_env("GUSH_BROKER_TYPE=disk",
                 "unknown broker: disk (GUSH_BROKER_TYPE, accepted: \"memory\", \"nats\", "
                 "\"redis\", \"redisnats\", \"postgres\")");
}

static void log_level_in_any_case_and_unknown(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"log\":{\"level\":\"DeBuG\"}}");
    assert_int_equal(l.config->log.level, GUSH_LOG_DEBUG);
    gush_config_free(l.config);
    load_good(&l, "{\"log\":{\"level\":\"trace\"}}"); /* whose number is zero */
    assert_int_equal(l.config->log.level, GUSH_LOG_TRACE);
    gush_config_free(l.config);
    load_good(&l, "{\"log\":{\"level\":\"loud\"}}");
    assert_int_equal(l.config->log.level, GUSH_LOG_INFO);
    assert_string_equal(l.warnings, "unknown log level, using info|level|loud\n");
    gush_config_free(l.config);
    load_good(&l, "{\"log\":{\"level\":\"\"}}");
    assert_int_equal(l.config->log.level, GUSH_LOG_INFO);
    assert_string_equal(l.warnings, "");
    gush_config_free(l.config);
}

static void list_of_objects(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"client\":{\"connect_code_to_unidirectional_disconnect\":{\"enabled\":true,"
                  "\"transforms\":[{\"code\":109,\"to\":{\"code\":3500,\"reason\":\"old\"}},"
                  "{\"Code\":\"110\",\"to.code\":3501}]}}}");
    assert_int_equal(l.config->client.connect_code_to_unidirectional_disconnect.transforms_n, 2);
    const struct gush_uni_code *codes =
        l.config->client.connect_code_to_unidirectional_disconnect.transforms;
    assert_int_equal(codes[0].code, 109);
    assert_int_equal(codes[0].to_code, 3500);
    assert_string_equal(codes[0].to_reason, "old");
    assert_int_equal(codes[1].code, 110);
    assert_int_equal(codes[1].to_code, 3501);
    assert_string_equal(codes[1].to_reason, "");
    gush_config_free(l.config);
    load_good(&l, "{\"client.connect_code_to_unidirectional_disconnect.transforms\":"
                  "{\"code\":1,\"to\":{\"code\":2}}}"); /* one object for a list */
    assert_int_equal(l.config->client.connect_code_to_unidirectional_disconnect.transforms_n, 1);
    gush_config_free(l.config);
    load_bad("{\"client.connect_code_to_unidirectional_disconnect.transforms\":[1]}",
             "gush.json:1: client.connect_code_to_unidirectional_disconnect.transforms: [1] is not "
             "a list of objects (accepted: [{...}, {...}])");
}

static void list_over_the_limit(void **state)
{
    struct gush_buf json;
    struct load l;

    (void)state;
    gush_buf_init(&json, 1 << 20);
    gush_buf_put_str(&json, "{\"client.connect_code_to_unidirectional_disconnect.transforms\":[{}");
    for (size_t i = 0; i < GUSH__LIST_MAX; i++)
        gush_buf_put_str(&json, ",{}");
    gush_buf_put(&json, "]}", 3); /* and the NUL */
    assert_true(gush_buf_ok(&json));
    load_json(&l, (const char *)json.p);
    gush_buf_fini(&json);
    assert_string_equal(l.message,
                        "gush.json:1: client.connect_code_to_unidirectional_disconnect.transforms: "
                        "the list is too long (accepted: at most 100000 elements)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_type_is_named_with_value_and_line),
        cmocka_unit_test(out_of_range_names_the_bounds),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(numbers),
        cmocka_unit_test(booleans),
        cmocka_unit_test(durations),
        cmocka_unit_test(bare_number_as_duration_is_remarked),
        cmocka_unit_test(whole_seconds),
        cmocka_unit_test(strings_from_scalars),
        cmocka_unit_test(lists_of_strings),
        cmocka_unit_test(words),
        cmocka_unit_test(wrong_words_in_the_words_of_the_reference),
        cmocka_unit_test(log_level_in_any_case_and_unknown),
        cmocka_unit_test(list_of_objects),
        cmocka_unit_test(list_over_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
