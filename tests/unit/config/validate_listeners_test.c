/* Rules about listeners, word by word. */
#include "load.h"

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

static void internal_tls_needs_a_listener(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"http_server\":{\"tls\":{\"enabled\":true}}}",
             "http_server.tls.cert_pem: is required when TLS is enabled (accepted: PEM, base64 of "
             "PEM, or the path of a file) (gush.json:1)");
    load_bad("{\"http_server\":{\n\"internal_tls\":{\"enabled\":true,\"cert_pem\":\"c\","
             "\"key_pem\":\"k\"}}}",
             "http_server.internal_tls needs an internal port of its own (accepted: together "
             "with another internal_port) (gush.json:2)");
    load_bad("{\"http_server\":{\"internal_unix_socket\":\"/s\",\"internal_tls\":{\"enabled\":true,"
             "\"cert_pem\":\"c\",\"key_pem\":\"k\"}}}",
             "http_server.internal_tls needs an internal port of its own (accepted: together with "
             "another internal_port) (gush.json:1)");
    load_good(&l, "{\"http_server\":{\"internal_port\":1,\"internal_tls\":{\"enabled\":true,"
                  "\"cert_pem\":\"c\",\"key_pem\":\"k\"}}}");
    assert_true(l.config->http_server.internal_separate);
    assert_true(l.config->http_server.internal_tls.enabled);
    gush_config_free(l.config);
}

static void autocert_is_refused(void **state)
{
    (void)state;
    load_bad(
        "{\"http_server\":{\"tls_autocert\":{\"enabled\":true}}}",
        "gush.json:1: http_server.tls_autocert.enabled: true is not supported by this version, "
        "and ignoring it would weaken security (accepted: leaving it out)");
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
    load_bad("{\"http_server\":{\"h2c_external\":true,\"internal_port\":81,\"tls\":{"
             "\"enabled\":true,\"cert_pem\":\"c\",\"key_pem\":\"k\"}}}",
             "external_h2c cannot be used together with enabled TLS for external HTTP server "
             "(gush.json:1)");
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

static void internal_is_separate(void **state)
{
    static const struct {
        const char *json, *port;
        bool separate;
    } cases[] = {
        {"{}", "", false},
        {"{\"http_server\":{\"internal_port\":8000}}", "", false},
        {"{\"http_server\":{\"internal_port\":8001}}", "8001", true},
        {"{\"http_server\":{\"internal_port\":0}}", "0", true},
        {"{\"http_server\":{\"internal_port\":8000,\"internal_address\":\"::1\"}}", "8000", true},
        {"{\"http_server\":{\"internal_unix_socket\":\"/run/x\"}}", "", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct load l;
        load_good(&l, cases[i].json);
        assert_string_equal(l.config->http_server.internal_port, cases[i].port);
        assert_int_equal(l.config->http_server.internal_separate, cases[i].separate);
        gush_config_free(l.config);
    }
}

static void further_addresses(void **state)
{
    static const char *const wrong[] = {"8001", "a:", "a:b", "a:65536", "::1:80", "[::1]", "a:-1"};
    struct load l;

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char json[128], want[256];
        (void)snprintf(json, sizeof(json), "{\"http_server\":{\"addresses\":[\"%s\"]}}", wrong[i]);
        (void)snprintf(want, sizeof(want),
                       "http_server.addresses: \"%s\" is not an address (accepted: "
                       "\"127.0.0.1:8001\", \"[::1]:8001\", \":8001\") (gush.json:1)",
                       wrong[i]);
        load_bad(json, want);
    }
    load_good(&l, "{\"http_server\":{\"addresses\":[\":1\",\"[::1]:2\",\"h:0\",\"h:0\"]}}");
    assert_int_equal(l.config->http_server.further_n, 4);
    assert_string_equal(l.config->http_server.further[0].host, "");
    assert_int_equal(l.config->http_server.further[0].port, 1);
    assert_string_equal(l.config->http_server.further[1].host, "::1");
    assert_int_equal(l.config->http_server.further[1].port, 2);
    assert_string_equal(l.config->http_server.further[3].host, "h"); /* any free port, twice */
    gush_config_free(l.config);
}

static void not_too_many_addresses(void **state)
{
    char json[2048] = "{\"http_server\":{\"addresses\":[\":1\"";
    size_t n = strlen(json);

    (void)state;
    for (int i = 2; i <= 65; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n, ",\":%d\"", i);
    (void)snprintf(json + n, sizeof(json) - n, "]}}");
    load_bad(json,
             "http_server.addresses: there are too many (accepted: at most 64) (gush.json:1)");
}

static void each_address_once(void **state)
{
    (void)state;
    load_bad(
        "{\"http_server\":{\"addresses\":[\":8000\"]}}",
        "http_server.port and http_server.addresses both say \"\" and port 8000 (accepted: each "
        "address once) (gush.json:1)");
    load_bad("{\"http_server\":{\"address\":\"h\",\"internal_port\":1,\n\"addresses\":[\"h:1\"]}}",
             "http_server.internal_port and http_server.addresses both say \"h\" and port 1 "
             "(accepted: each address once) (gush.json:2)");
    load_bad("{\"http_server\":{\"addresses\":[\"h:1\",\"h:1\"]}}",
             "http_server.addresses and http_server.addresses both say \"h\" and port 1 (accepted: "
             "each address once) (gush.json:1)");
}

static void unix_sockets(void **state)
{
    static const char *const wrong[] = {"rw", "0888", "01000", "00660", "-1", "0x1f"};
    char path[140], json[256], want[256];
    struct load l;

    (void)state;
    memset(path, 'p', 108);
    path[108] = '\0';
    for (int internal = 0; internal < 2; internal++) {
        const char *key = internal ? "internal_unix_socket" : "unix_socket";
        (void)snprintf(json, sizeof(json), "{\"http_server\":{\"%s\":\"%s\"}}", key, path);
        (void)snprintf(want, sizeof(want),
                       "http_server.%s: the path is too long (accepted: at most 107 bytes) "
                       "(gush.json:1)",
                       key);
        load_bad(json, want);
    }
    path[107] = '\0';
    (void)snprintf(json, sizeof(json), "{\"http_server\":{\"unix_socket\":\"%s\"}}", path);
    load_good(&l, json);
    assert_int_equal(l.config->http_server.unix_mode, 0660);
    gush_config_free(l.config);
    load_bad("{\"http_server\":{\"unix_socket\":\"/a\",\n\"internal_unix_socket\":\"/a\"}}",
             "http_server.unix_socket and http_server.internal_unix_socket are both \"/a\" "
             "(accepted: a path of its own for each) (gush.json:2)");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        (void)snprintf(json, sizeof(json), "{\"http_server\":{\"unix_socket_mode\":\"%s\"}}",
                       wrong[i]);
        (void)snprintf(
            want, sizeof(want),
            "http_server.unix_socket_mode: \"%s\" are no permissions (accepted: \"0000\" "
            "to \"0777\") (gush.json:1)",
            wrong[i]);
        load_bad(json, want);
    }
    load_good(&l, "{\"http_server\":{\"unix_socket_mode\":\"777\"}}");
    assert_int_equal(l.config->http_server.unix_mode, 0777);
    gush_config_free(l.config);
}

static void trusted_proxies(void **state)
{
    static const char *const wrong[] = {"",
                                        "10.0.0.0/33",
                                        "10.0.0/8",
                                        "::/129",
                                        "proxy",
                                        "10.0.0.1/",
                                        "10.0.0.1/-1",
                                        "::1/0x100",
                                        "1.2.3.4.5/8",
                                        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    struct load l;

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char json[128], want[256];
        (void)snprintf(json, sizeof(json), "{\"http_server\":{\"trusted_proxies\":[\"%s\"]}}",
                       wrong[i]);
        (void)snprintf(want, sizeof(want),
                       "http_server.trusted_proxies: \"%s\" is not a network (accepted: "
                       "\"10.0.0.0/8\", \"192.0.2.1\", \"fd00::/8\", \"unix\") (gush.json:1)",
                       wrong[i]);
        load_bad(json, want);
    }
    load_good(&l, "{\"http_server\":{\"trusted_proxies\":[\"10.0.0.0/8\",\"::1\",\"0.0.0.0/0\","
                  "\"fd00::/128\",\"unix\",\"10.0.0.2/31\"]}}");
    assert_int_equal(l.config->http_server.trusted_proxies.n, 6);
    gush_config_free(l.config);
}

static void limits_have_bounds(void **state)
{
    (void)state;
    load_bad("{\"http_server\":{\"max_header_size\":1023}}",
             "gush.json:1: http_server.max_header_size: 1023 is out of range (accepted: 1024 to "
             "1048576)");
    load_bad("{\"http_server\":{\"max_concurrent_streams\":-1}}",
             "gush.json:1: http_server.max_concurrent_streams: -1 is out of range (accepted: 1 to "
             "2147483647)");
    load_bad(
        "{\"http_server\":{\"idle_timeout\":\"-1s\"}}",
        "gush.json:1: http_server.idle_timeout: \"-1s\" is out of range (accepted: 0s or more)");
    load_bad("{\"http_api\":{\"error_mode\":\"http\"}}",
             "invalid value: http, possible choices are: transport (gush.json:1: "
             "http_api.error_mode, accepted: \"transport\")");
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

/* The API is served unless it is disabled, and internal unless it is external. */
static void the_api_has_a_path_too(void **state)
{
    struct load l;

    (void)state;
    load_bad("{\"health\":{\"enabled\":true,\"handler_prefix\":\"/api\"}}",
             "health.handler_prefix and http_api.handler_prefix are both \"/api\" on one listener "
             "(accepted: a path of its own for each) (gush.json:1)");
    load_bad("{\"uni_sse\":{\"enabled\":true,\"handler_prefix\":\"/api\"},\"http_api\":{"
             "\"external\":true},\"http_server\":{\"internal_port\":\"9\"}}",
             "uni_sse.handler_prefix and http_api.handler_prefix are both \"/api\" on one listener "
             "(accepted: a path of its own for each) (gush.json:1)");
    load_good(&l, "{\"health\":{\"enabled\":true,\"handler_prefix\":\"/api\"},"
                  "\"http_api\":{\"disabled\":true}}");
    gush_config_free(l.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_needs_certificate_and_key),
        cmocka_unit_test(internal_tls_needs_a_listener),
        cmocka_unit_test(autocert_is_refused),
        cmocka_unit_test(h2c_needs_an_internal_port),
        cmocka_unit_test(internal_port_is_a_port),
        cmocka_unit_test(internal_is_separate),
        cmocka_unit_test(further_addresses),
        cmocka_unit_test(not_too_many_addresses),
        cmocka_unit_test(each_address_once),
        cmocka_unit_test(unix_sockets),
        cmocka_unit_test(trusted_proxies),
        cmocka_unit_test(limits_have_bounds),
        cmocka_unit_test(two_handlers_on_one_path),
        cmocka_unit_test(the_api_has_a_path_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
