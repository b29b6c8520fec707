/* What differs between two configurations. */
#include "load.h"

struct keys {
    char text[1024];
};

static void note(void *arg, const char *key)
{
    struct keys *keys = arg;
    size_t n = strlen(keys->text);

    (void)snprintf(keys->text + n, sizeof(keys->text) - n, "%s\n", key);
}

static void changes(const char *before, const char *after, const char *want)
{
    struct load a, b;
    struct keys keys = {""};

    load_good(&a, before);
    load_good(&b, after);
    gush_config_changes(a.config, b.config, note, &keys);
    assert_string_equal(keys.text, want);
    gush_config_free(a.config);
    gush_config_free(b.config);
}

static void nothing_changed(void **state)
{
    (void)state;
    changes("{}", "{}", "");
    changes("{}", "{\"client\":{\"ping_interval\":\"25s\"},\"engine\":{\"type\":\"memory\"}}", "");
    changes("{\"client\":{\"ping_interval\":\"60s\"}}", "{\"client\":{\"ping_interval\":\"1m\"}}",
            "");
}

static void each_kind_of_change(void **state)
{
    (void)state;
    changes("{}", "{\"client\":{\"insecure\":true}}", "client.insecure\n");
    changes("{\"http_server\":{\"port\":1}}", "{\"log\":{\"level\":\"debug\"}}",
            "http_server.port\nlog.level\nnode.name\n"); /* the name has the port */
    changes("{\"client\":{\"allowed_origins\":[\"https://a\",\"https://b\"]}}",
            "{\"client\":{\"allowed_origins\":[\"https://b\",\"https://a\"]}}",
            "client.allowed_origins\n");
    changes("{\"channel\":{\"namespaces\":[{\"name\":\"aa\"}]}}",
            "{\"channel\":{\"namespaces\":[{\"name\":\"aa\",\"presence\":true}]}}",
            "channel.namespaces\n");
    changes("{\"channel\":{\"namespaces\":[{\"name\":\"aa\"}]}}", "{}", "channel.namespaces\n");
    changes("{\"channel\":{\"without_namespace\":{\"presence\":true}}}", "{}",
            "channel.without_namespace.presence\n");
    changes("{\"http_server\":{\"tls\":{\"key_pem\":\"a\"}}}",
            "{\"http_server\":{\"tls\":{\"key_pem\":\"b\"}}}", "http_server.tls.key_pem\n");
    changes("{\"uni_sse\":{\"connect_code_to_http_response\":{\"transforms\":[{\"code\":1,\"to\":"
            "{\"status_code\":400}}]}}}",
            "{\"uni_sse\":{\"connect_code_to_http_response\":{\"transforms\":[{\"code\":1,\"to\":"
            "{\"status_code\":401}}]}}}",
            "uni_sse.connect_code_to_http_response.transforms\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changed),
        cmocka_unit_test(each_kind_of_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
