/* JSON files: syntax, spellings of keys, and keys that are unknown or not used yet. */
#include "server/base/buf.h"

#include "load.h"

static const char sample[] =
    "{\n"
    "  \"http_server\": {\"address\": \"127.0.0.1\", \"port\": 21000},\n"
    "  \"client\": {\"allowed_origins\": [\"a\", \"b\"], \"ping_interval\": \"25s\",\n"
    "    \"connect_code_to_unidirectional_disconnect\": {\"transforms\":\n"
    "      [{\"code\": 109, \"to\": {\"code\": 3500, \"reason\": \"\\u00e9\\\"\"}}]}},\n"
    "  \"channel\": {\"namespaces\": [{\"name\": \"hist\", \"history_size\": 1000}]}\n"
    "}";

static void syntax_errors_have_line_and_column(void **state)
{
    struct load l;

    (void)state;
    load_json(&l, "{\n  \"client\": {,}\n}");
    assert_string_equal(l.message, "gush.json:2:14: string or '}' expected near ','");
    load_json(&l, "{\"a\": 1,}");
    assert_non_null(strstr(l.message, "gush.json:1:9: "));
    load_json(&l, "");
    assert_non_null(strstr(l.message, "gush.json:1:"));
    load_json(&l, "{} x");
    assert_non_null(strstr(l.message, "gush.json:1:4: end of file expected near 'x'"));
    load_json(&l, "{\"a\": 1 /* no comments */}");
    assert_int_equal(l.err, GUSH_ECONFIG);
    load_json(&l, "{\"log\": {\"file\": \"\\u0000\"}}");
    assert_int_equal(l.err, GUSH_ECONFIG);
    load_json(&l, "{\"log\": {\"file\": \"\xff\"}}");
    assert_int_equal(l.err, GUSH_ECONFIG);
}

static void not_an_object(void **state)
{
    (void)state;
    load_bad("[]", "gush.json:1: the file is not one object (accepted: {...})");
    load_bad("\n[{}]", "gush.json:1: the file is not one object (accepted: {...})");
}

static void truncated_at_every_byte(void **state)
{
    (void)state;
    for (size_t n = 0; n + 1 < sizeof(sample) - 1; n++) {
        struct gush_config_sources sources = {0};
        struct gush_config *config = NULL;
        char message[256] = "";
        struct gush__load l = {
            .sources = &sources, .message = message, .message_n = sizeof(message)};
        assert_int_equal(gush__load_text(&l, "f.json", sample, n, &config), GUSH_ECONFIG);
        assert_memory_equal(message, "f.json:", 7);
        assert_null(config);
    }
}

static void every_byte_replaced(void **state)
{
    static const char nasty[] = {'{', '}', '"', '\\', ',', '0', ' ', '\x80'};
    char text[sizeof(sample)];

    (void)state;
    for (size_t i = 0; i < sizeof(sample) - 1; i++) {
        for (size_t j = 0; j < COUNT(nasty); j++) {
            struct load l;
            memcpy(text, sample, sizeof(sample));
            text[i] = nasty[j];
            load_json(&l, text); /* asserts that a refusal has a message */
            gush_config_free(l.config);
        }
    }
}

static void spellings_of_keys(void **state)
{
    static const char *const spellings[] = {
        "{\"client\":{\"subscribe_to_user_personal_channel\":{\"enabled\":true}}}",
        "{\"CLIENT\":{\"Subscribe_To_User_Personal_Channel\":{\"ENABLED\":true}}}",
        "{\"client.subscribe_to_user_personal_channel.enabled\":true}",
        "{\"client\":{\"subscribe_to_user_personal_channel.enabled\":true}}",
        "{\"client.Subscribe_to_user_personal_channel\":{\"enabled\":true}}",
    };
    struct load l;

    (void)state;
    for (size_t i = 0; i < COUNT(spellings); i++) {
        load_good(&l, spellings[i]);
        assert_true(l.config->client.subscribe_to_user_personal_channel.enabled);
        assert_string_equal(l.warnings, "");
        gush_config_free(l.config);
    }
    load_good(&l, "{\"channel.without_namespace.presence\":true,"
                  "\"channel\":{\"without_namespace.join_leave\":1},"
                  "\"channel.without_namespace\":{\"history_size\":null}}");
    assert_true(l.config->channel.without_namespace.presence);
    assert_true(l.config->channel.without_namespace.join_leave);
    assert_string_equal(l.warnings, "");
    gush_config_free(l.config);
}

static void null_is_absent(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"client\":null,\"http_server\":{\"port\":null},\"nothing\":null,"
                  "\"channel\":{\"namespaces\":null}}");
    assert_int_equal(l.config->http_server.port, 8000);
    assert_string_equal(l.warnings, "");
    gush_config_free(l.config);
}

static void unknown_keys_are_told_with_a_guess(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"client\":{\"insecur\":true,\"proxies\":{\"a\":1},\"\":1},"
                  "\"Clinet\":{\"insecure\":true},\"zzz\":1,"
                  "\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"bad\":1,\"presense\":true}]},"
                  "\"channel.without_namespace.histroy_size\":1}");
    assert_string_equal(
        l.warnings,
        "unknown key in configuration file|key|client.insecur (did you mean client.insecure?)\n"
        "unknown key in configuration file|key|client.proxies\n"
        "unknown key in configuration file|key|\n"
        "unknown key in configuration file|key|clinet (did you mean client?)\n"
        "unknown key in configuration file|key|zzz\n"
        "unknown key in configuration file|key|channel.namespaces.[0].bad\n"
        "unknown key in configuration file|key|channel.namespaces.[0].presense (did you mean "
        "channel.namespaces.[0].presence?)\n"
        "unknown key in configuration file|key|channel.without_namespace.histroy_size (did you "
        "mean channel.without_namespace.history_size?)\n");
    gush_config_free(l.config);
}

static void keys_of_later_versions(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"websocket\":{\"disabled\":false,\"compression_level\":1,"
                  "\"write_timeout\":\"1s\",\"handler_prefix\":\"/connection/websocket\"},"
                  "\"engine\":{\"type\":\"memory\",\"redis\":{\"address\":\"redis://127.0.0.1:"
                  "6379\",\"tls\":{\"enabled\":false}}},\"proxies\":[],\"consumers\":null,"
                  "\"rpc\":{\"ping\":{\"method\":\"ping\"}},\"database\":{},"
                  "\"usage_stats\":{\"disabled\":true}}");
    assert_string_equal(l.warnings, ""); /* all as without the key */
    gush_config_free(l.config);
    load_good(&l, "{\"websocket\":{\"disabled\":true,\"compression_level\":9},"
                  "\"engine\":{\"redis\":{\"address\":[\"a\",\"b\"],\"tls\":{\"enabled\":true}}},"
                  "\"consumers\":[{\"name\":\"c1\",\"type\":\"kafka\",\"kafka\":{\"brokers\":\"b\","
                  "\"tls\":{\"enabled\":true},\"borkers\":1}}],"
                  "\"database\":{\"whatever\":[1]},\"client\":{\"write_delay\":\"1s\"}}");
    assert_string_equal(
        l.warnings,
        "known key is not supported by this version|key|websocket.disabled\n"
        "known key is not supported by this version|key|websocket.compression_level\n"
        "known key is not supported by this version|key|engine.redis.address\n"
        "known key is not supported by this version|key|engine.redis.tls.enabled\n"
        "unknown key in configuration file|key|consumers.[0].kafka.borkers (did you mean "
        "consumers.[0].kafka.brokers?)\n"
        "known key is not supported by this version|key|consumers\n"
        "known key is not supported by this version|key|database\n"
        "known key is not supported by this version|key|client.write_delay\n");
    gush_config_free(l.config);
    load_bad("{\"websocket\":{\"compression_level\":\"much\"}}",
             "gush.json:1: websocket.compression_level: \"much\" is not a whole number (accepted: "
             "a whole number, such as 100)");
}

static void what_must_not_be_ignored_is_refused(void **state)
{
    static const struct {
        const char *json, *key, *value;
    } cases[] = {
        {"{\"http_server\":{\"tls_autocert\":{\"enabled\":true}}}",
         "http_server.tls_autocert.enabled", "true"},
        {"{\"client\":{\"subscription_token\":{\"enabled\":true}}}",
         "client.subscription_token.enabled", "true"},
        {"{\"client\":{\"proxy\":{\"connect\":{\"enabled\":true}}}}",
         "client.proxy.connect.enabled", "true"},
        {"{\"client\":{\"token\":{\"audience_regex\":\"x\"}}}", "client.token.audience_regex",
         "\"x\""},
        {"{\"channel\":{\"without_namespace\":{\"channel_regex\":\"x\"}}}",
         "channel.without_namespace.channel_regex", "\"x\""},
        {"{\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"publish_proxy_enabled\":true}]}}",
         "channel.namespaces.[0].publish_proxy_enabled", "true"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char want[256];
        (void)snprintf(want, sizeof(want),
                       "gush.json:1: %s: %s is not supported by this version, and ignoring it "
                       "would weaken security (accepted: leaving it out)",
                       cases[i].key, cases[i].value);
        load_bad(cases[i].json, want);
    }
}

static void long_and_deep_keys(void **state)
{
    struct gush_buf json;
    struct load l;

    (void)state;
    gush_buf_init(&json, 1 << 20);
    gush_buf_put_str(&json, "{\"client\":{\"");
    for (int i = 0; i < 2000; i++)
        gush_buf_put_str(&json, "x");
    gush_buf_put_str(&json, "\":");
    for (int i = 0; i < 1900; i++)
        gush_buf_put_str(&json, "[");
    for (int i = 0; i < 1900; i++)
        gush_buf_put_str(&json, "]");
    gush_buf_put(&json, ",\"ping_interval\":0.5e400}}", 26);
    load_json(&l, (const char *)json.p);
    assert_int_equal(l.err, GUSH_ECONFIG); /* a number too large for jansson */
    gush_buf_reset(&json);
    gush_buf_put_str(&json, "{\"a\":");
    for (int i = 0; i < 1900; i++)
        gush_buf_put_str(&json, "{\"b\":[");
    for (int i = 0; i < 1900; i++)
        gush_buf_put_str(&json, "]}");
    gush_buf_put(&json, "}", 2);
    load_json(&l, (const char *)json.p);
    assert_int_equal(l.err, GUSH_ECONFIG); /* too deep for jansson */
    gush_buf_fini(&json);
}

static void flood_of_unknown_keys_is_cut(void **state)
{
    struct gush_buf json;
    struct load l;
    size_t lines = 0;

    (void)state;
    gush_buf_init(&json, 1 << 20);
    gush_buf_put_str(&json, "{\"client\":{\"insecure\":true");
    for (int i = 0; i < 2000; i++)
        gush_buf_printf(&json, ",\"k%d\":1", i);
    gush_buf_put(&json, "}}", 3);
    load_good(&l, (const char *)json.p);
    gush_buf_fini(&json);
    for (const char *p = l.warnings; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, GUSH__WARNINGS_MAX + 2); /* one that says so, one of insecure */
    assert_non_null(strstr(l.warnings, "further unknown keys are not listed|key|"));
    gush_config_free(l.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_errors_have_line_and_column),
        cmocka_unit_test(not_an_object),
        cmocka_unit_test(truncated_at_every_byte),
        cmocka_unit_test(every_byte_replaced),
        cmocka_unit_test(spellings_of_keys),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(unknown_keys_are_told_with_a_guess),
        cmocka_unit_test(keys_of_later_versions),
        cmocka_unit_test(what_must_not_be_ignored_is_refused),
        cmocka_unit_test(long_and_deep_keys),
        cmocka_unit_test(flood_of_unknown_keys_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
