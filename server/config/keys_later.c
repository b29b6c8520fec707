/* Keys of the reference that this version reads, checks and does not act on. A value other than the
 * default is told to the operator; where ignoring it would weaken security (N, "needed") it is
 * refused. A feature that arrives moves its rows to keys.c.
 *
 * Row: type letter, key, default. */
#include "server/config/config_priv.h"

#define ROW(t, key, deflt)                                                                         \
    {                                                                                              \
        .path = (key), .type = (t), .flags = GUSH__LATER, .fallback = (deflt)                      \
    }
#define B(key)        ROW(GUSH__BOOL, key, "")
#define I(key, deflt) ROW(GUSH__INT, key, deflt)
#define S(key, deflt) ROW(GUSH__STR, key, deflt)
#define D(key, deflt) ROW(GUSH__DUR_MS, key, deflt)
#define L(key, deflt) ROW(GUSH__STRINGS, key, deflt)
#define M(key)        ROW(GUSH__MAP, key, "")
#define ANYTHING(key) ROW(GUSH__ANY, key, "")
#define SECRET(key)                                                                                \
    {                                                                                              \
        .path = (key), .type = GUSH__STR, .flags = GUSH__LATER | GUSH__SECRET, .fallback = ""      \
    }
#define NEEDED(t, key)                                                                             \
    {                                                                                              \
        .path = (key), .type = (t), .flags = GUSH__LATER | GUSH__CRITICAL, .fallback = ""          \
    }
#define QUIET(t, key)                                                                              \
    {                                                                                              \
        .path = (key), .type = (t), .flags = GUSH__LATER | GUSH__QUIET                             \
    }
#define MOUNT(key, table)                                                                          \
    {                                                                                              \
        .path = (key), .type = GUSH__MOUNT, .flags = GUSH__LATER, .sub = &(table)                  \
    }
#define NEEDED_MOUNT(key, table)                                                                   \
    {                                                                                              \
        .path = (key), .type = GUSH__MOUNT, .flags = GUSH__LATER | GUSH__CRITICAL, .sub = &(table) \
    }
#define LIST(key, table)                                                                           \
    {                                                                                              \
        .path = (key), .type = GUSH__LIST, .flags = GUSH__LATER, .sub = &(table)                   \
    }
#define CHOICE(key, deflt, list, before, after)                                                    \
    {                                                                                              \
        .path = (key), .type = GUSH__STR, .flags = GUSH__LATER, .fallback = (deflt),               \
        .words = (list), .refusal = {                                                              \
            (before),                                                                              \
            (after)                                                                                \
        }                                                                                          \
    }
#define FLAG(t, key, text)                                                                         \
    {                                                                                              \
        .path = (key), .type = (t), .flags = GUSH__LATER | GUSH__FLAG, .help = (text)              \
    }
#define FLAG_CHOICE(key, deflt, list, before, text)                                                \
    {                                                                                              \
        .path = (key), .type = GUSH__STR, .flags = GUSH__LATER | GUSH__FLAG, .fallback = (deflt),  \
        .words = (list), .refusal = {(before), ""}, .help = (text)                                 \
    }

#define TABLE(name, rows)                                                                          \
    static const struct gush__table name = {rows, sizeof(rows) / sizeof((rows)[0]), NULL}

/* ---- objects that hang in several places ----------------------------------------------------- */

static const struct gush__key tls_rows[] = {
    NEEDED(GUSH__BOOL, "enabled"), S("cert_pem", ""),      SECRET("key_pem"),
    S("server_ca_pem", ""),        S("client_ca_pem", ""), B("insecure_skip_verify"),
    S("server_name", ""),
};
TABLE(tls, tls_rows);

static const struct gush__key autocert_rows[] = {
    NEEDED(GUSH__BOOL, "enabled"),
    L("host_whitelist", ""),
    S("cache_dir", ""),
    S("email", ""),
    S("server_name", ""),
    B("http"),
    S("http_addr", ":80"),
};
TABLE(autocert, autocert_rows);

static const struct gush__key token_rows[] = {
    NEEDED(GUSH__BOOL, "enabled"),
    SECRET("hmac_secret_key"),
    SECRET("hmac_previous_secret_key"),
    I("hmac_previous_secret_key_valid_until", ""),
    S("rsa_public_key", ""),
    S("ecdsa_public_key", ""),
    S("jwks_public_endpoint", ""),
    S("audience", ""),
    S("audience_regex", ""),
    S("issuer", ""),
    S("issuer_regex", ""),
    S("user_id_claim", ""),
    B("insecure_skip_jwks_endpoint_safety_check"),
};
TABLE(token, token_rows);

static const struct gush__key status_rows[] = {
    I("status_code", ""),   S("to_error.message", ""),   B("to_error.temporary"),
    I("to_error.code", ""), I("to_disconnect.code", ""), S("to_disconnect.reason", ""),
};
TABLE(status, status_rows);

#define PROXY_ROWS                                                                                 \
    S("endpoint", ""), D("timeout", "1s"), L("http_headers", ""), L("grpc_metadata", ""),          \
        L("emulated_headers", ""), B("binary_encoding"), B("include_connection_meta"),             \
        MOUNT("http.tls", tls), M("http.static_headers"),                                          \
        LIST("http.status_to_code_transforms", status), MOUNT("grpc.tls", tls),                    \
        S("grpc.credentials_key", ""), SECRET("grpc.credentials_value"), B("grpc.compression"),    \
        M("grpc.static_metadata")

static const struct gush__key proxy_rows[] = {PROXY_ROWS};
TABLE(proxy, proxy_rows);

/* Connect and refresh: they can be switched, and decide who may stay. */
static const struct gush__key client_proxy_rows[] = {NEEDED(GUSH__BOOL, "enabled"), PROXY_ROWS};
TABLE(client_proxy, client_proxy_rows);

static const struct gush__key named_proxy_rows[] = {S("name", ""), PROXY_ROWS};
TABLE(named_proxy, named_proxy_rows);

#define REDIS_ROWS                                                                                 \
    L("address", "redis://127.0.0.1:6379"), D("connect_timeout", "1s"), D("io_timeout", "4s"),     \
        I("db", ""), S("user", ""), SECRET("password"), S("client_name", ""), B("force_resp2"),    \
        L("cluster_address", ""), MOUNT("tls", tls), L("sentinel_address", ""),                    \
        S("sentinel_user", ""), SECRET("sentinel_password"), S("sentinel_master_name", ""),        \
        S("sentinel_client_name", ""), MOUNT("sentinel_tls", tls), B("replica_client.enabled")

#define PRESENCE_ROWS                                                                              \
    D("presence_ttl", "60s"), B("presence_hash_field_ttl"), B("presence_user_mapping")

static const struct gush__key engine_redis_rows[] = {REDIS_ROWS, S("prefix", "centrifugo"),
                                                     B("history_use_lists"), PRESENCE_ROWS};
TABLE(engine_redis, engine_redis_rows);

static const struct gush__key broker_redis_rows[] = {REDIS_ROWS, S("prefix", "centrifugo"),
                                                     B("history_use_lists")};
TABLE(broker_redis, broker_redis_rows);

static const struct gush__key presence_redis_rows[] = {REDIS_ROWS, S("prefix", "centrifugo"),
                                                       PRESENCE_ROWS};
TABLE(presence_redis, presence_redis_rows);

static const struct gush__key map_redis_rows[] = {
    REDIS_ROWS,
    S("prefix", "centrifugo"),
    D("cleanup_interval", "1s"),
    I("cleanup_batch_size", "100"),
    D("idempotent_result_ttl", "5m"),
    B("skip_pub_sub"),
};
TABLE(map_redis, map_redis_rows);

#define POSTGRES_ROWS                                                                              \
    SECRET("dsn"), MOUNT("tls", tls), D("cleanup_interval", "1m"),                                 \
        D("idempotent_result_ttl", "5m"), B("binary_data"), D("stream_retention", "24h"),          \
        B("use_notify"), SECRET("notify_dsn"), S("table_prefix", "cf"), B("skip_schema_init"),     \
        I("pool_size", "16"), I("num_shards", "8"), D("outbox.poll_interval", "100ms"),            \
        I("outbox.batch_size", "1000"), I("partition_lookahead_days", "2"),                        \
        I("partition_retention_days", "7")

static const struct gush__key broker_postgres_rows[] = {POSTGRES_ROWS};
TABLE(broker_postgres, broker_postgres_rows);

static const struct gush__key map_postgres_rows[] = {POSTGRES_ROWS, D("ttl_check_interval", "1s")};
TABLE(map_postgres, map_postgres_rows);

static const struct gush__key controller_postgres_rows[] = {
    SECRET("dsn"),
    MOUNT("tls", tls),
    I("pool_size", "8"),
    I("num_shards", "1"),
    S("table_prefix", "cf"),
    D("poll_interval", "50ms"),
    B("use_notify"),
    SECRET("notify_dsn"),
    I("partition_retention_days", "1"),
    I("partition_lookahead_days", "2"),
    D("partition_cleanup_interval", "1m"),
    I("batch_size", "1000"),
    B("skip_schema_init"),
};
TABLE(controller_postgres, controller_postgres_rows);

/* ---- consumers ------------------------------------------------------------------------------- */

#define DATA_MODE(x)                                                                               \
    B("publication_data_mode.enabled"),                                                            \
        S("publication_data_mode.channels_" x, "centrifugo-channels"),                             \
        S("publication_data_mode.idempotency_key_" x, "centrifugo-idempotency-key"),               \
        S("publication_data_mode.delta_" x, "centrifugo-delta"),                                   \
        S("publication_data_mode.version_" x, "centrifugo-version"),                               \
        S("publication_data_mode.version_epoch_" x, "centrifugo-version-epoch"),                   \
        S("publication_data_mode.tags_" x "_prefix", "centrifugo-tag-")

static const struct gush__key postgresql_rows[] = {
    SECRET("dsn"),
    S("outbox_table_name", ""),
    I("num_partitions", "1"),
    I("partition_select_limit", "100"),
    D("partition_poll_interval", "300ms"),
    S("partition_notification_channel", ""),
    SECRET("partition_notification_dsn"),
    MOUNT("tls", tls),
    B("use_try_lock"),
};
TABLE(postgresql, postgresql_rows);

static const struct gush__key kafka_rows[] = {
    L("brokers", ""),
    L("topics", ""),
    S("consumer_group", ""),
    I("max_poll_records", "100"),
    I("fetch_max_bytes", ""),
    D("fetch_max_wait", "500ms"),
    B("fetch_read_uncommitted"),
    I("partition_queue_max_size", "1000"),
    D("dial_timeout", "3s"),
    MOUNT("tls", tls),
    S("sasl_mechanism", ""),
    S("sasl_user", ""),
    SECRET("sasl_password"),
    S("assume_role_arn", ""),
    S("instance_id", ""),
    S("method_header", "centrifugo-method"),
    DATA_MODE("header"),
};
TABLE(kafka, kafka_rows);

static const struct gush__key jetstream_rows[] = {
    S("url", "nats://127.0.0.1:4222"),
    S("credentials_file", ""),
    S("username", ""),
    SECRET("password"),
    SECRET("token"),
    S("stream_name", ""),
    B("use_existing_consumer"),
    L("subjects", ""),
    S("durable_consumer_name", ""),
    S("deliver_policy", "new"),
    I("max_ack_pending", "100"),
    S("method_header", "centrifugo-method"),
    DATA_MODE("header"),
    MOUNT("tls", tls),
};
TABLE(jetstream, jetstream_rows);

static const struct gush__key redis_stream_rows[] = {
    REDIS_ROWS,
    L("streams", ""),
    S("consumer_group", ""),
    D("visibility_timeout", "30s"),
    I("num_workers", "1"),
    S("payload_value", "payload"),
    S("method_value", "method"),
    DATA_MODE("value"),
};
TABLE(redis_stream, redis_stream_rows);

static const struct gush__key google_rows[] = {
    S("project_id", ""),
    L("subscriptions", ""),
    I("max_outstanding_messages", "100"),
    I("max_outstanding_bytes", "1000000"),
    S("auth_mechanism", ""),
    S("credentials_file", ""),
    S("method_attribute", "centrifugo-method"),
    DATA_MODE("attribute"),
};
TABLE(google, google_rows);

static const struct gush__key aws_rows[] = {
    L("queues", ""),
    B("sns_envelope"),
    S("region", ""),
    I("max_number_of_messages", "10"),
    D("wait_time_time", "20s"),
    D("visibility_timeout", "30s"),
    I("max_concurrency", "1"),
    S("credentials_profile", ""),
    S("assume_role_arn", ""),
    S("method_attribute", "centrifugo-method"),
    S("localstack_endpoint", ""),
    DATA_MODE("attribute"),
};
TABLE(aws, aws_rows);

static const struct gush__key azure_rows[] = {
    SECRET("connection_string"),
    B("use_azure_identity"),
    S("fully_qualified_namespace", ""),
    S("tenant_id", ""),
    S("client_id", ""),
    SECRET("client_secret"),
    L("queues", ""),
    B("use_sessions"),
    I("max_concurrent_calls", "1"),
    I("max_receive_messages", "1"),
    S("method_property", "centrifugo-method"),
    DATA_MODE("property"),
};
TABLE(azure, azure_rows);

static const struct gush__key consumer_rows[] = {
    S("name", ""),
    B("enabled"),
    S("type", ""),
    MOUNT("postgresql", postgresql),
    MOUNT("kafka", kafka),
    MOUNT("nats_jetstream", jetstream),
    MOUNT("redis_stream", redis_stream),
    MOUNT("google_pub_sub", google),
    MOUNT("aws_sqs", aws),
    MOUNT("azure_service_bus", azure),
};
TABLE(consumer, consumer_rows);

static const struct gush__key rpc_namespace_rows[] = {
    S("name", ""),
    B("proxy_enabled"),
    S("proxy_name", "default"),
};
TABLE(rpc_namespace, rpc_namespace_rows);

/* ---- channel options ------------------------------------------------------------------------- */

static const struct gush__key channel_rows[] = {
    B("auto_cache_recover"),
    L("allowed_delta_types", ""),
    B("delta_publish"),
    B("allow_tags_filter"),
    NEEDED(GUSH__STR, "channel_regex"),
    NEEDED(GUSH__BOOL, "subscribe_proxy_enabled"),
    S("subscribe_proxy_name", "default"),
    NEEDED(GUSH__BOOL, "publish_proxy_enabled"),
    S("publish_proxy_name", "default"),
    NEEDED(GUSH__BOOL, "sub_refresh_proxy_enabled"),
    S("sub_refresh_proxy_name", "default"),
    NEEDED(GUSH__BOOL, "subscribe_stream_proxy_enabled"),
    S("subscribe_stream_proxy_name", "default"),
    B("subscribe_stream_proxy_bidirectional"),
    S("map_clients_presence_channel_prefix", ""),
    S("map_users_presence_channel_prefix", ""),
    S("subscription_type", ""),
    S("map.mode", ""),
    D("map.key_ttl", ""),
    D("map.stream_ttl", ""),
    D("map.meta_ttl", ""),
    D("map.subscribe_catch_up_timeout", ""),
    I("map.stream_size", ""),
    I("map.default_page_size", ""),
    I("map.min_page_size", ""),
    I("map.max_page_size", ""),
    I("map.live_transition_max_publication_limit", ""),
    B("map.remove_client_on_unsubscribe"),
    S("map.client_key", ""),
    B("map.allow_publish_for_client"),
    B("map.allow_publish_for_subscriber"),
    B("map.allow_publish_for_anonymous"),
    B("map.allow_remove_for_client"),
    B("map.allow_remove_for_subscriber"),
    B("map.allow_remove_for_anonymous"),
    B("map.publish_proxy_enabled"),
    S("map.publish_proxy_name", "default"),
    B("map.remove_proxy_enabled"),
    S("map.remove_proxy_name", "default"),
    S("shared_poll.proxy_name", ""),
    S("shared_poll.mode", ""),
    D("shared_poll.refresh_interval", ""),
    D("shared_poll.channel_shutdown_delay", ""),
    D("shared_poll.track_expired_extra_delay", ""),
    I("shared_poll.refresh_batch_size", ""),
    I("shared_poll.max_keys_per_connection", ""),
    B("shared_poll.publish_enabled"),
    /* Of the commercial edition. */
    ANYTHING("allow_channel_compaction"),
    ANYTHING("batch_flush_latest"),
    ANYTHING("batch_max_delay"),
    ANYTHING("batch_max_size"),
    ANYTHING("broker_name"),
    ANYTHING("cache_empty_proxy_enabled"),
    ANYTHING("cache_empty_proxy_name"),
    ANYTHING("client_publish_debounce_interval"),
    NEEDED(GUSH__ANY, "history_cel"),
    ANYTHING("keep_latest_publication"),
    ANYTHING("pattern"),
    NEEDED(GUSH__ANY, "presence_cel"),
    ANYTHING("presence_manager_name"),
    NEEDED(GUSH__ANY, "publish_cel"),
    ANYTHING("shared_position_sync"),
    ANYTHING("state_events"),
    ANYTHING("state_proxy_enabled"),
    NEEDED(GUSH__ANY, "subscribe_cel"),
    ANYTHING("subscribe_on_replica"),
};

const struct gush__table gush__later_channel = {
    channel_rows, sizeof(channel_rows) / sizeof(channel_rows[0]), NULL};

/* ---- everything else ------------------------------------------------------------------------- */

static const struct gush__word engine_words[] = {{"memory", 0}, {"redis", 1}, {NULL, 0}};
static const struct gush__word broker_words[] = {{"memory", 0},    {"nats", 1},     {"redis", 2},
                                                 {"redisnats", 3}, {"postgres", 4}, {NULL, 0}};
static const struct gush__word map_words[] = {
    {"memory", 0}, {"redis", 1}, {"postgres", 2}, {NULL, 0}};

static const struct gush__key root_rows[] = {
    NEEDED_MOUNT("http_server.tls_autocert", autocert),
    B("http_server.http3.enabled"),

    FLAG_CHOICE("engine.type", "memory", engine_words, "unknown engine type: ", "memory"),
    MOUNT("engine.redis", engine_redis),
    FLAG(GUSH__BOOL, "broker.enabled", "not in this version"),
    FLAG_CHOICE("broker.type", "memory", broker_words, "unknown broker: ", "memory"),
    MOUNT("broker.redis", broker_redis),
    S("broker.nats.prefix", "centrifugo"),
    S("broker.nats.url", "nats://localhost:4222"),
    D("broker.nats.dial_timeout", "1s"),
    D("broker.nats.write_timeout", "1s"),
    MOUNT("broker.nats.tls", tls),
    B("broker.nats.allow_wildcards"),
    B("broker.nats.raw_mode.enabled"),
    M("broker.nats.raw_mode.channel_replacements"),
    S("broker.nats.raw_mode.prefix", ""),
    MOUNT("broker.postgres", broker_postgres),
    FLAG(GUSH__BOOL, "presence_manager.enabled", "not in this version"),
    FLAG_CHOICE("presence_manager.type", "memory", engine_words,
                "unknown presence manager type: ", "memory"),
    MOUNT("presence_manager.redis", presence_redis),
    FLAG_CHOICE("map_broker.type", "memory", map_words, "unknown map broker type: ", "memory"),
    MOUNT("map_broker.redis", map_redis),
    MOUNT("map_broker.postgres", map_postgres),
    B("controller.enabled"),
    S("controller.type", ""),
    MOUNT("controller.postgres", controller_postgres),
    SECRET("shared_poll.hmac_secret_key"),
    SECRET("shared_poll.hmac_previous_secret_key"),
    I("shared_poll.hmac_previous_secret_key_valid_until", ""),
    I("shared_poll.concurrency_limit", ""),

    NEEDED_MOUNT("client.proxy.connect", client_proxy),
    NEEDED_MOUNT("client.proxy.refresh", client_proxy),
    S("client.token.rsa_public_key", ""),
    S("client.token.ecdsa_public_key", ""),
    S("client.token.jwks_public_endpoint", ""),
    NEEDED(GUSH__STR, "client.token.audience_regex"),
    NEEDED(GUSH__STR, "client.token.issuer_regex"),
    B("client.token.insecure_skip_jwks_endpoint_safety_check"),
    NEEDED_MOUNT("client.subscription_token", token),
    I("client.concurrency", ""),
    D("client.channel_position_max_time_lag", ""),
    S("client.user_id_http_header", ""),

    MOUNT("channel.proxy.subscribe", proxy),
    MOUNT("channel.proxy.publish", proxy),
    MOUNT("channel.proxy.sub_refresh", proxy),
    MOUNT("channel.proxy.subscribe_stream", proxy),
    MOUNT("channel.proxy.map_publish", proxy),
    MOUNT("channel.proxy.map_remove", proxy),
    MOUNT("channel.proxy.shared_poll_refresh", proxy),
    MOUNT("rpc.proxy", proxy),
    B("rpc.without_namespace.proxy_enabled"),
    S("rpc.without_namespace.proxy_name", "default"),
    LIST("rpc.namespaces", rpc_namespace),
    B("rpc.ping.enabled"),
    S("rpc.ping.method", "ping"),
    S("rpc.namespace_boundary", ":"),
    LIST("proxies", named_proxy),
    LIST("consumers", consumer),

    B("websocket.disabled"),
    S("websocket.handler_prefix", "/connection/websocket"),
    B("websocket.compression"),
    I("websocket.compression_min_size", ""),
    I("websocket.compression_level", "1"),
    I("websocket.read_buffer_size", ""),
    B("websocket.use_write_buffer_pool"),
    I("websocket.write_buffer_size", ""),
    D("websocket.write_timeout", "1000ms"),
    I("websocket.message_size_limit", "65536"),
    I("websocket.decompressed_message_size_limit", ""),
    FLAG(GUSH__BOOL, "sse.enabled", "not in this version"),
    S("sse.handler_prefix", "/connection/sse"),
    I("sse.max_request_body_size", "65536"),
    FLAG(GUSH__BOOL, "http_stream.enabled", "not in this version"),
    S("http_stream.handler_prefix", "/connection/http_stream"),
    I("http_stream.max_request_body_size", "65536"),
    S("emulation.handler_prefix", "/emulation"),
    I("emulation.max_request_body_size", "65536"),
    FLAG(GUSH__BOOL, "uni_websocket.enabled", "not in this version"),
    S("uni_websocket.handler_prefix", "/connection/uni_websocket"),
    B("uni_websocket.compression"),
    I("uni_websocket.compression_min_size", ""),
    I("uni_websocket.compression_level", "1"),
    I("uni_websocket.read_buffer_size", ""),
    B("uni_websocket.use_write_buffer_pool"),
    I("uni_websocket.write_buffer_size", ""),
    D("uni_websocket.write_timeout", "1000ms"),
    I("uni_websocket.message_size_limit", "65536"),
    I("uni_websocket.decompressed_message_size_limit", ""),
    B("uni_websocket.disable_closing_handshake"),
    B("uni_websocket.disable_disconnect_push"),
    B("uni_websocket.join_push_messages"),
    B("webtransport.enabled"),
    S("webtransport.handler_prefix", "/connection/webtransport"),
    I("webtransport.message_size_limit", "65536"),

    FLAG(GUSH__BOOL, "admin.enabled", "not in this version"),
    S("admin.handler_prefix", ""),
    SECRET("admin.password"),
    SECRET("admin.secret"),
    FLAG(GUSH__BOOL, "admin.insecure", "not in this version"),
    S("admin.web_path", ""),
    S("admin.web_proxy_address", ""),
    FLAG(GUSH__BOOL, "admin.external", "not in this version"),
    B("prometheus.native_histograms"),
    FLAG(GUSH__BOOL, "swagger.enabled", "not in this version"),
    S("swagger.handler_prefix", "/swagger"),
    B("opentelemetry.enabled"),
    B("opentelemetry.api"),
    B("opentelemetry.consuming"),
    B("opentelemetry.google_cloud_adc_auth"),
    B("graphite.enabled"),
    S("graphite.host", "localhost"),
    I("graphite.port", "2003"),
    S("graphite.prefix", "centrifugo"),
    D("graphite.interval", "10s"),
    B("graphite.tags"),
    QUIET(GUSH__BOOL, "usage_stats.disabled"), /* there are no statistics to disable */
    QUIET(GUSH__BOOL, "enable_unreleased_features"),

    /* Of the commercial edition. */
    ANYTHING("admin.oidc"),
    ANYTHING("brokers"),
    ANYTHING("channel.patterns"),
    ANYTHING("clickhouse_analytics"),
    ANYTHING("client.max_messages_in_frame"),
    ANYTHING("client.token.jwks"),
    ANYTHING("client.write_delay"),
    ANYTHING("database"),
    ANYTHING("grpc_api.jwks"),
    ANYTHING("http_api.jwks"),
    ANYTHING("license"),
    ANYTHING("map_brokers"),
    ANYTHING("presence_managers"),
    ANYTHING("prometheus.client_labels"),
    ANYTHING("push_notifications"),
    ANYTHING("sentry"),
    ANYTHING("shared_poll_relay"),
    ANYTHING("singleflight"),
    ANYTHING("token_revoke"),
    ANYTHING("user_block"),
    ANYTHING("user_status"),
    ANYTHING("user_tokens_invalidate"),
};

const struct gush__table gush__later_root = {root_rows, sizeof(root_rows) / sizeof(root_rows[0]),
                                             NULL};
