/* The whole load: precedence, defaults and the zero-value rule, files, and asking for channels. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

/* A directory of its own, removed afterwards. */
struct place {
    char folder[64], path[128];
};

static void place_open(struct place *p, const char *file, const char *text)
{
    FILE *out;

    (void)snprintf(p->folder, sizeof(p->folder), "/tmp/gush-config-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    (void)snprintf(p->path, sizeof(p->path), "%s/%s", p->folder, file);
    if (text == NULL)
        return;
    out = fopen(p->path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void place_close(struct place *p)
{
    (void)unlink(p->path);
    assert_int_equal(rmdir(p->folder), 0);
}

static void load_path(struct load *l, const char *path, bool must_exist)
{
    struct gush_config_sources sources = {.file = path, .file_must_exist = must_exist};

    memset(l, 0, sizeof(*l));
    l->err = gush_config_load(&sources, load_note, l, &l->config, l->message, sizeof(l->message));
}

static void missing_file_is_a_warning(void **state)
{
    struct place p;
    struct load l;
    char want[256];

    (void)state;
    place_open(&p, "none.json", NULL);
    load_path(&l, p.path, false);
    assert_int_equal(l.err, GUSH_OK);
    assert_int_equal(l.config->http_server.port, 8000);
    (void)snprintf(want, sizeof(want),
                   "config file not found, continue using environment and flag options|path|%s\n",
                   p.path);
    assert_string_equal(l.warnings, want);
    gush_config_free(l.config);
    load_path(&l, p.path, true);
    assert_int_equal(l.err, GUSH_ECONFIG);
    (void)snprintf(want, sizeof(want), "config file not found: %s", p.path);
    assert_string_equal(l.message, want);
    place_close(&p);
}

static void file_that_cannot_be_read(void **state)
{
    struct place p;
    struct load l;

    (void)state;
    place_open(&p, "folder.json", NULL);
    assert_int_equal(mkdir(p.path, 0700), 0);
    load_path(&l, p.path, false);
    assert_int_equal(l.err, GUSH_EIO);
    assert_non_null(strstr(l.message, "folder.json: Is a directory"));
    assert_int_equal(rmdir(p.path), 0);
    place_close(&p);
}

static void file_over_the_limit(void **state)
{
    struct place p;
    struct load l;

    (void)state;
    place_open(&p, "large.json", "{}");
    assert_int_equal(truncate(p.path, GUSH__FILE_MAX + 1), 0);
    load_path(&l, p.path, false);
    assert_int_equal(l.err, GUSH_ECONFIG);
    assert_non_null(
        strstr(l.message, "large.json: the file is too large (accepted: at most 16 MB)"));
    place_close(&p);
}

static void other_file_types(void **state)
{
    static const struct {
        const char *file, *message;
    } cases[] = {
        {"a/gush.yaml", "a/gush.yaml: this version reads json only (accepted: a file name that "
                        "ends in .json)"},
        {"gush.yml", "gush.yml: this version reads json only (accepted: a file name that ends in "
                     ".json)"},
        {"gush.toml", "gush.toml: this version reads json only (accepted: a file name that ends in "
                      ".json)"},
        {"gush.JSON", "Unsupported Config Type \"JSON\": gush.JSON (accepted: json)"},
        {"gush.ini", "Unsupported Config Type \"ini\": gush.ini (accepted: json)"},
        {"gush.json/x", "Unsupported Config Type \"\": gush.json/x (accepted: json)"},
        {"gush", "Unsupported Config Type \"\": gush (accepted: json)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct load l;
        load_path(&l, cases[i].file, false);
        assert_int_equal(l.err, GUSH_ECONFIG);
        assert_string_equal(l.message, cases[i].message);
    }
}

static void file_of_the_working_directory(void **state)
{
    struct place p;
    struct load l;
    char before[4096];

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    place_open(&p, "config.json", "{\"http_server\": {\"port\": 9001}}");
    assert_int_equal(chdir(p.folder), 0);
    load_path(&l, NULL, false);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(l.err, GUSH_OK);
    assert_int_equal(l.config->http_server.port, 9001);
    gush_config_free(l.config);
    place_close(&p);
}

static void message_is_cut_to_its_room(void **state)
{
    struct gush_config_sources sources = {.file = "gush.yaml"};
    struct gush_config *config = NULL;
    char message[8] = "xxxxxxx";

    (void)state;
    assert_int_equal(gush_config_load(&sources, NULL, NULL, &config, message, sizeof(message)),
                     GUSH_ECONFIG);
    assert_string_equal(message, "gush.ya");
}

static void defaults(void **state)
{
    struct load l;
    const struct gush_config *c = load_good(&l, "{}");

    (void)state;
    assert_string_equal(l.warnings, "");
    assert_string_equal(c->http_server.address, "");
    assert_string_equal(c->http_server.internal_address, "");
    assert_string_equal(c->http_server.internal_port, "");
    assert_int_equal(c->http_server.port, 8000);
    assert_int_equal(c->log.level, GUSH_LOG_INFO);
    assert_string_equal(c->log.file, "");
    assert_int_equal(c->client.ping_interval_ms, 25000);
    assert_int_equal(c->client.pong_timeout_ms, 8000);
    assert_int_equal(c->client.stale_close_delay_ms, 10000);
    assert_int_equal(c->client.expired_close_delay_ms, 25000);
    assert_int_equal(c->client.expired_sub_close_delay_ms, 25000);
    assert_int_equal(c->client.presence_update_interval_ms, 27000);
    assert_int_equal(c->client.channel_position_check_delay_ms, 40000);
    assert_int_equal(c->client.channel_limit, 128);
    assert_int_equal(c->client.queue_max_size, 1048576);
    assert_int_equal(c->client.queue_max_messages, 16384);
    assert_int_equal(c->client.queue_max_age_ms, 30000);
    assert_int_equal(c->client.connection_limit, 0);
    assert_int_equal(c->client.user_connection_limit, 0);
    assert_int_equal(c->client.history_max_publication_limit, 300);
    assert_int_equal(c->client.recovery_max_publication_limit, 300);
    assert_int_equal(c->client.allowed_origins.n, 0);
    assert_string_equal(c->client.token.hmac_secret_key, "");
    assert_string_equal(c->client.token.user_id_claim, "");
    assert_int_equal(c->channel.max_length, 255);
    assert_int_equal(c->channel.history_meta_ttl_s, 720 * 3600);
    assert_string_equal(c->channel.private_prefix, "$");
    assert_string_equal(c->channel.namespace_boundary, ":");
    assert_string_equal(c->channel.user_boundary, "#");
    assert_string_equal(c->channel.user_separator, ",");
    assert_string_equal(c->http_api.handler_prefix, "/api");
    assert_int_equal(c->grpc_api.port, 10000);
    assert_int_equal(c->grpc_api.max_receive_message_size, 0);
    assert_int_equal(c->uni_grpc.port, 11000);
    assert_int_equal(c->uni_grpc.ping_interval_ms, 25000);
    assert_string_equal(c->uni_sse.handler_prefix, "/connection/uni_sse");
    assert_int_equal(c->uni_sse.max_request_body_size, 65536);
    assert_string_equal(c->health.handler_prefix, "/health");
    assert_string_equal(c->debug.handler_prefix, "/debug/pprof");
    assert_false(c->demo.enabled);
    assert_string_equal(c->demo.handler_prefix, "/");
    assert_int_equal(c->lanes.workers, 0);
    assert_int_equal(c->lanes.grpc_workers, 0);
    assert_int_equal(c->lanes.backlog_bytes, 67108864);
    assert_int_equal(c->lanes.backlog_deliveries, 1000000);
    assert_int_equal(c->shutdown.timeout_ms, 30000);
    assert_int_equal(c->shutdown.termination_delay_ms, 0);
    assert_string_equal(c->pid_file, "");
    gush_config_free(l.config);
}

static void zero_in_a_file_is_the_default(void **state)
{
    struct load l;
    const struct gush_config *c =
        load_good(&l, "{\"http_server\":{\"port\":0},\"client\":{\"channel_limit\":0,"
                      "\"ping_interval\":\"0s\",\"queue_max_age\":0},"
                      "\"channel\":{\"private_prefix\":\"\",\"history_meta_ttl\":\"0\"},"
                      "\"uni_sse\":{\"handler_prefix\":\"\"}}");

    (void)state;
    assert_int_equal(c->http_server.port, 8000);
    assert_int_equal(c->client.channel_limit, 128);
    assert_int_equal(c->client.ping_interval_ms, 25000);
    assert_int_equal(c->client.queue_max_age_ms, 30000);
    assert_string_equal(c->channel.private_prefix, "$");
    assert_int_equal(c->channel.history_meta_ttl_s, 720 * 3600);
    assert_string_equal(c->uni_sse.handler_prefix, "/connection/uni_sse");
    gush_config_free(l.config);
}

static void zero_in_the_environment_stays(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, "{\"http_server\":{\"port\":7}}",
             ENV("GUSH_HTTP_SERVER_PORT=0", "CENTRIFUGO_GRPC_API_PORT=0",
                 "GUSH_CLIENT_QUEUE_MAX_AGE=0", "GUSH_SHUTDOWN_TIMEOUT=0s"),
             NULL);
    assert_string_equal(l.message, "");
    assert_int_equal(l.config->http_server.port, 0);
    assert_int_equal(l.config->grpc_api.port, 0);
    assert_int_equal(l.config->client.queue_max_age_ms, 0);
    assert_int_equal(l.config->shutdown.timeout_ms, 0);
    gush_config_free(l.config);
}

static void zeros_that_the_engine_replaces(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, NULL,
             ENV("GUSH_CLIENT_CHANNEL_LIMIT=0", "GUSH_CHANNEL_MAX_LENGTH=0",
                 "GUSH_CLIENT_QUEUE_MAX_SIZE=0", "GUSH_CLIENT_STALE_CLOSE_DELAY=0s",
                 "GUSH_CLIENT_PRESENCE_UPDATE_INTERVAL=0s", "GUSH_CLIENT_CONNECTION_LIMIT=-1",
                 "GUSH_CLIENT_USER_CONNECTION_LIMIT=-7", "GUSH_CLIENT_PONG_TIMEOUT=-1s",
                 "GUSH_CLIENT_PING_INTERVAL=0s"),
             NULL);
    assert_string_equal(l.message, "");
    assert_int_equal(l.config->client.channel_limit, 128);
    assert_int_equal(l.config->channel.max_length, 255);
    assert_int_equal(l.config->client.queue_max_size, 1048576);
    assert_int_equal(l.config->client.stale_close_delay_ms, 15000);
    assert_int_equal(l.config->client.presence_update_interval_ms, 25000);
    assert_int_equal(l.config->client.ping_interval_ms, 25000);
    assert_int_equal(l.config->client.connection_limit, 0);
    assert_int_equal(l.config->client.user_connection_limit, 0);
    gush_config_free(l.config);
}

static void flags_beat_environment_beats_file(void **state)
{
    static const char json[] = "{\"http_server\":{\"port\":1,\"address\":\"f\"}}";
    struct load l;

    (void)state;
    load_all(&l, json, NULL, NULL);
    assert_int_equal(l.config->http_server.port, 1);
    gush_config_free(l.config);
    load_all(&l, json, ENV("CENTRIFUGO_HTTP_SERVER_PORT=2"), NULL);
    assert_int_equal(l.config->http_server.port, 2);
    gush_config_free(l.config);
    load_all(&l, json, ENV("CENTRIFUGO_HTTP_SERVER_PORT=2", "GUSH_HTTP_SERVER_PORT=3"), NULL);
    assert_int_equal(l.config->http_server.port, 3);
    gush_config_free(l.config);
    load_all(&l, json, ENV("GUSH_HTTP_SERVER_PORT=3", "CENTRIFUGO_HTTP_SERVER_PORT=2"),
             ENV("-p", "4"));
    assert_int_equal(l.config->http_server.port, 4);
    assert_string_equal(l.config->http_server.address, "f");
    gush_config_free(l.config);
    load_all(&l, json, NULL, ENV("--http_server.port=0")); /* any free port */
    assert_int_equal(l.config->http_server.port, 0);
    gush_config_free(l.config);
}

static void what_follows_from_other_values(void **state)
{
    struct load l;
    const struct gush_config *c = load_good(
        &l, "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":8001,\"internal_port\":\"8002\"},"
            "\"uni_sse\":{\"handler_prefix\":\"/sse//\"},\"health\":{\"handler_prefix\":\"///\"}}");

    (void)state;
    assert_string_equal(c->http_server.internal_address, "127.0.0.1");
    assert_string_equal(c->http_server.internal_port, "8002");
    assert_string_equal(c->uni_sse.handler_prefix, "/sse");
    assert_string_equal(c->health.handler_prefix, "/");
    assert_int_equal(strcmp(c->node_name + strlen(c->node_name) - 5, "_8001"), 0);
    gush_config_free(l.config);
    /* Equal addresses merge into one listener. */
    c = load_good(&l, "{\"http_server\":{\"internal_port\":\"8000\"},\"node\":{\"name\":\"n\"}}");
    assert_string_equal(c->http_server.internal_port, "");
    assert_string_equal(c->node_name, "n");
    gush_config_free(l.config);
    c = load_good(&l, "{\"http_server\":{\"internal_port\":\"8000\","
                      "\"internal_address\":\"127.0.0.2\"}}");
    assert_string_equal(c->http_server.internal_port, "8000");
    gush_config_free(l.config);
}

static void file_for_the_reference_loads(void **state)
{
    struct load l;
    const struct gush_config *c = load_good(
        &l,
        "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":21000,\"internal_address\":"
        "\"127.0.0.1\",\"internal_port\":\"21003\",\"h2c_external\":true},"
        "\"log\":{\"level\":\"warn\"},\"usage_stats\":{\"disabled\":true},"
        "\"client\":{\"allow_anonymous_connect_without_token\":true,\"ping_interval\":\"25s\"},"
        "\"channel\":{\"without_namespace\":{\"allow_subscribe_for_client\":true},\"namespaces\":["
        "{\"name\":\"hist\",\"history_size\":1000,\"history_ttl\":\"300s\",\"force_recovery\":true,"
        "\"allow_recovery\":true,\"allow_positioning\":true}]},"
        "\"http_api\":{\"key\":\"k\",\"external\":true},"
        "\"grpc_api\":{\"enabled\":true,\"address\":\"127.0.0.1\",\"port\":21001,\"key\":\"k\"},"
        "\"uni_grpc\":{\"enabled\":true,\"port\":21002},\"uni_sse\":{\"enabled\":true},"
        "\"uni_websocket\":{\"enabled\":true},\"websocket\":{\"disabled\":false},"
        "\"debug\":{\"enabled\":true},\"health\":{\"enabled\":true}}");

    (void)state;
    assert_int_equal(c->log.level, GUSH_LOG_WARN);
    assert_true(c->client.allow_anonymous_connect_without_token);
    assert_true(c->channel.without_namespace.allow_subscribe_for_client);
    assert_int_equal(c->channel.namespaces_n, 1);
    assert_int_equal(c->channel.namespaces[0].options.history_size, 1000);
    assert_int_equal(c->channel.namespaces[0].options.history_ttl_s, 300);
    assert_true(c->grpc_api.enabled);
    assert_string_equal(c->grpc_api.key, "k");
    assert_string_equal(l.warnings,
                        "known key is not supported by this version|key|uni_websocket.enabled\n"
                        "DEBUG mode enabled|key|debug.enabled\n");
    gush_config_free(l.config);
}

static void free_takes_null(void **state)
{
    (void)state;
    gush_config_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_file_is_a_warning),
        cmocka_unit_test(file_that_cannot_be_read),
        cmocka_unit_test(file_over_the_limit),
        cmocka_unit_test(other_file_types),
        cmocka_unit_test(file_of_the_working_directory),
        cmocka_unit_test(message_is_cut_to_its_room),
        cmocka_unit_test(defaults),
        cmocka_unit_test(zero_in_a_file_is_the_default),
        cmocka_unit_test(zero_in_the_environment_stays),
        cmocka_unit_test(zeros_that_the_engine_replaces),
        cmocka_unit_test(flags_beat_environment_beats_file),
        cmocka_unit_test(what_follows_from_other_values),
        cmocka_unit_test(file_for_the_reference_loads),
        cmocka_unit_test(free_takes_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
