/* A whole configuration as a document: what is in it, and that it means what its base means. */
#include <stdlib.h>
#include <unistd.h>

#include "server/base/buf.h"

#include "load.h"

#define DOCUMENT_MAX (1u << 20)

static char path[] = "/tmp/gush-dump-XXXXXX.json";

static int make_file(void **state)
{
    int fd = mkstemps(path, 5);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static const char *write_base(const char *json)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(json, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* The document over |json| (NULL: over nothing), as text with its NUL. */
static char *dump(struct gush_buf *out, const char *json)
{
    char message[512] = "";

    gush_buf_init(out, DOCUMENT_MAX);
    assert_int_equal(
        gush_config_dump(json ? write_base(json) : NULL, out, NULL, message, sizeof(message)),
        GUSH_OK);
    assert_string_equal(message, "");
    assert_int_equal(out->p[out->n - 1], '\n');
    gush_buf_put_u8(out, '\0');
    assert_true(gush_buf_ok(out));
    return (char *)out->p;
}

/* The value at |dotted| in the document over |json| is |wanted|, written as JSON. */
static void says(const char *json, const char *dotted, const char *wanted)
{
    struct gush_buf out;
    json_t *document = json_loads(dump(&out, json), 0, NULL), *value = document;
    json_t *other = json_loads(wanted, JSON_DECODE_ANY, NULL);

    assert_non_null(other);
    for (const char *p = dotted; value != NULL && *p != '\0';) {
        size_t n = strcspn(p, ".");
        value = *p >= '0' && *p <= '9' ? json_array_get(value, (size_t)(*p - '0'))
                                       : json_object_getn(value, p, n);
        p += n + (p[n] == '.');
    }
    if (!json_equal(value, other)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        print_error("%s over %s is %s, not %s\n", dotted, json, text ? text : "missing", wanted);
        free(text);
        fail();
    }
    json_decref(document);
    json_decref(other);
    gush_buf_fini(&out);
}

static void a_base_that_is_refused(void **state)
{
    struct gush_buf out;
    char message[512] = "";
    bool broke_rule = false;

    (void)state;
    gush_buf_init(&out, DOCUMENT_MAX);
    assert_int_equal(
        gush_config_dump("/nonexistent/gush.json", &out, &broke_rule, message, sizeof(message)),
        GUSH_ECONFIG);
    assert_non_null(strstr(message, "/nonexistent/gush.json"));
    assert_int_equal(
        gush_config_dump(write_base("{\"client\":"), &out, &broke_rule, message, sizeof(message)),
        GUSH_ECONFIG);
    assert_false(broke_rule);
    assert_int_equal(gush_config_dump(write_base("{\"broker\":{\"type\":\"x\"}}"), &out,
                                      &broke_rule, message, sizeof(message)),
                     GUSH_ECONFIG);
    assert_true(broke_rule);
    assert_int_equal(out.n, 0);
    gush_buf_fini(&out);
}

static void over_the_limit(void **state)
{
    struct gush_buf out;
    char message[512] = "";

    (void)state;
    gush_buf_init(&out, 100);
    assert_int_equal(gush_config_dump(NULL, &out, NULL, message, sizeof(message)), GUSH_ELIMIT);
    gush_buf_fini(&out);
}

static void defaults_by_type(void **state)
{
    (void)state;
    says(NULL, "http_server.address", "\"\"");
    says(NULL, "http_server.port", "8000");
    says(NULL, "log.level", "\"info\"");
    says(NULL, "client.insecure", "false");
    says(NULL, "client.ping_interval", "\"25s\"");
    says(NULL, "channel.history_meta_ttl", "\"720h0m0s\"");
    says(NULL, "client.allowed_origins", "null");
    says(NULL, "client.connect_code_to_unidirectional_disconnect.transforms", "null");
    says(NULL, "channel.namespaces", "null");
    says(NULL, "channel.without_namespace.force_recovery_mode", "\"\"");
    says(NULL, "node.name", "\"\"");
    says(NULL, "http_server.internal_address", "\"\"");
    /* Keys of later versions. */
    says(NULL, "websocket.write_timeout", "\"1s\"");
    says(NULL, "websocket.compression_level", "1");
    says(NULL, "engine.redis.address", "[\"redis://127.0.0.1:6379\"]");
    says(NULL, "broker.nats.raw_mode.channel_replacements", "{}");
    says(NULL, "proxies", "null");
    says(NULL, "client.proxy.connect.http.tls.enabled", "false");
    says(NULL, "channel.without_namespace.subscribe_proxy_name", "\"default\"");
}

static void the_base_wins_in_canonical_form(void **state)
{
    (void)state;
    says("{\"CLIENT.Insecure\":\"t\"}", "client.insecure", "true");
    says("{\"http_server\":{\"port\":\"0x10\"}}", "http_server.port", "16");
    says("{\"client\":{\"ping_interval\":\"90s\"}}", "client.ping_interval", "\"1m30s\"");
    says("{\"channel\":{\"history_meta_ttl\":\"60m\"}}", "channel.history_meta_ttl", "\"1h0m0s\"");
    says("{\"client\":{\"allowed_origins\":\"a\"}}", "client.allowed_origins", "[\"a\"]");
    says("{\"log\":{\"level\":\"NONE\"}}", "log.level", "\"none\"");
    says("{\"client\":{\"connect_code_to_unidirectional_disconnect\":{\"transforms\":"
         "{\"code\":109,\"to.code\":3500}}}}",
         "client.connect_code_to_unidirectional_disconnect.transforms",
         "[{\"code\":109,\"to\":{\"code\":3500,\"reason\":\"\"}}]");
    /* A zero is a default. */
    says("{\"client\":{\"channel_limit\":0}}", "client.channel_limit", "128");
    says("{\"websocket\":{\"compression_level\":0}}", "websocket.compression_level", "1");
}

static void later_keys_of_the_base_stay(void **state)
{
    (void)state;
    says("{\"admin.password\":\"p\"}", "admin.password", "\"p\"");
    says("{\"Admin\":{\"SECRET\":\"s\"}}", "admin.secret", "\"s\"");
    says("{\"websocket\":{\"write_timeout\":\"90s\"}}", "websocket.write_timeout", "\"1m30s\"");
    says("{\"websocket\":{\"write_timeout\":1000000000}}", "websocket.write_timeout", "\"1s\"");
    says("{\"websocket\":{\"write_timeout\":null}}", "websocket.write_timeout", "\"1s\"");
    says("{\"proxies\":[{\"name\":\"pp\"}]}", "proxies.0.name", "\"pp\"");
    says("{\"sentry\":{\"dsn\":\"x\"}}", "sentry.dsn", "\"x\"");
    says("{\"sentry.a..b\":1,\"sentry.\":1,\"sentry.c\":2,\"\":3,\".x\":4,\"unknown\":5}", "sentry",
         "{\"c\":2}");
    says("{\"channel.without_namespace.subscribe_proxy_name\":\"n\"}",
         "channel.without_namespace.subscribe_proxy_name", "\"n\"");
}

static void namespaces_are_whole(void **state)
{
    static const char base[] = "{\"channel\":{\"Namespaces\":["
                               "{\"name\":\"aa\",\"history_size\":5,\"history_ttl\":\"300s\"},"
                               "{\"NAME\":\"bb\",\"publish_proxy_name\":\"x\",\"queue_policy\":"
                               "\"latest\"}]}}";

    (void)state;
    says(base, "channel.namespaces.0.name", "\"aa\"");
    says(base, "channel.namespaces.0.history_ttl", "\"5m0s\"");
    says(base, "channel.namespaces.0.publish_proxy_name", "\"default\"");
    says(base, "channel.namespaces.1.name", "\"bb\"");
    says(base, "channel.namespaces.1.presence", "false");
    says(base, "channel.namespaces.1.publish_proxy_name", "\"x\"");
    says(base, "channel.namespaces.1.queue_policy", "\"latest\"");
    says("{\"channel\":{\"namespaces\":{\"name\":\"aa\",\"map.mode\":\"m\"}}}",
         "channel.namespaces.0.map.mode", "\"m\"");
}

/* Every key of the tables is in it, none is unknown or of note, and its own dump is itself. */
static void a_dump_reads_back_without_a_word(void **state)
{
    static const char base[] = "{\"client\":{\"token\":{\"hmac_secret_key\":\"k\"}},"
                               "\"channel\":{\"namespaces\":[{\"name\":\"aa\"}]}}";
    struct gush_buf first, second;
    struct load l;

    (void)state;
    load_good(&l, dump(&first, base));
    assert_string_equal(l.warnings, "");
    assert_string_equal(l.config->client.token.hmac_secret_key, "k");
    assert_int_equal(l.config->channel.namespaces_n, 1);
    gush_config_free(l.config);
    assert_string_equal(dump(&second, (const char *)first.p), (const char *)first.p);
    gush_buf_fini(&first);
    gush_buf_fini(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_that_is_refused),
        cmocka_unit_test(over_the_limit),
        cmocka_unit_test(defaults_by_type),
        cmocka_unit_test(the_base_wins_in_canonical_form),
        cmocka_unit_test(later_keys_of_the_base_stay),
        cmocka_unit_test(namespaces_are_whole),
        cmocka_unit_test(a_dump_reads_back_without_a_word),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
