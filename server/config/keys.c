#include "server/base/assert.h"

#include "server/config/config_priv.h"

/* Offset of |member|, which must be of |type|: anything else does not compile. */
#define FIELD(type, base, member)                                                                  \
    (offsetof(base, member) + 0 * sizeof(char[_Generic(((base *)0)->member, type : 1)]))
#define AT(type, member)  FIELD(type, struct gush_config, member)
#define OPT(type, member) FIELD(type, struct gush_channel_options, member)
/* An enum or a struct: its type is not worth naming, |value.c| goes by the words. */
#define AT_ANY(member)  offsetof(struct gush_config, member)
#define OPT_ANY(member) offsetof(struct gush_channel_options, member)

#define BOOLEAN(key, place) .path = (key), .type = GUSH__BOOL, .at = (place)
#define STRING(key, place, deflt)                                                                  \
    .path = (key), .type = GUSH__STR, .at = (place), .fallback = (deflt)
#define URL_PATH(key, place, deflt)                                                                \
    .path = (key), .type = GUSH__PATH, .at = (place), .fallback = (deflt)
#define NUMBER(key, place, deflt, bounds)                                                          \
    .path = (key), .type = GUSH__INT, .at = (place), .fallback = (deflt), bounds
#define MILLIS(key, place, deflt, low)                                                             \
    .path = (key), .type = GUSH__DUR_MS, .at = (place), .fallback = (deflt), .min = (low),         \
    .max = INT64_MAX
#define STRINGS(key, place) .path = (key), .type = GUSH__STRINGS, .at = (place)
#define SECONDS(key, place, deflt)                                                                 \
    .path = (key), .type = GUSH__DUR_S, .at = (place), .fallback = (deflt), .min = 0,              \
    .max = INT64_MAX
#define WORD(key, place, list, before, after)                                                      \
    .path = (key), .type = GUSH__WORD, .at = (place), .words = (list),                             \
    .refusal = {(before), (after)}
#define MOUNT(key, place, table) .path = (key), .type = GUSH__MOUNT, .at = (place), .sub = (table)

#define FLAG(text)           .flags = GUSH__FLAG, .help = (text)
#define OURS_FLAG(text)      .flags = GUSH__FLAG | GUSH__OURS, .help = (text)
#define FLAG_LETTER(c, text) .flags = GUSH__FLAG, .letter = (c), .help = (text)
#define OURS                 .flags = GUSH__OURS
#define SECRET               .flags = GUSH__SECRET

/* The TLS object at |key|, into the gush_tls_config |member|. */
#define TLS_ROWS(key, member)                                                                      \
    {BOOLEAN(key ".enabled", AT(bool, member.enabled))},                                           \
        {STRING(key ".cert_pem", AT(char *, member.cert_pem), "")},                                \
        {STRING(key ".key_pem", AT(char *, member.key_pem), ""), SECRET},                          \
        {STRING(key ".client_ca_pem", AT(char *, member.client_ca_pem), "")},                      \
        {STRING(key ".server_ca_pem", AT(char *, member.server_ca_pem), "")},                      \
        {BOOLEAN(key ".insecure_skip_verify", AT(bool, member.insecure_skip_verify))},             \
    {                                                                                              \
        STRING(key ".server_name", AT(char *, member.server_name), "")                             \
    }

/* What the gRPC port of section |key| does with connections, into |net|. */
#define GRPC_PORT_ROWS(key, net)                                                                   \
    {MILLIS(key ".keepalive_time", AT(int64_t, net.keepalive_time_ms), "25s", INT64_MIN), OURS},   \
        {MILLIS(key ".keepalive_timeout", AT(int64_t, net.keepalive_timeout_ms), "5s", 0), OURS},  \
        {MILLIS(key ".keepalive_min_time", AT(int64_t, net.keepalive_min_time_ms), "5s",           \
                INT64_MIN),                                                                        \
         OURS},                                                                                    \
        {MILLIS(key ".max_connection_age", AT(int64_t, net.max_connection_age_ms), "", 0), OURS},  \
        {MILLIS(key ".max_connection_age_grace", AT(int64_t, net.max_connection_age_grace_ms),     \
                "10s", INT64_MIN),                                                                 \
         OURS},                                                                                    \
        {MILLIS(key ".max_connection_idle", AT(int64_t, net.max_connection_idle_ms), "", 0),       \
         OURS},                                                                                    \
        {NUMBER(key ".max_concurrent_streams", AT(int64_t, net.max_concurrent_streams), "1000",    \
                ANY),                                                                              \
         OURS},                                                                                    \
        {NUMBER(key ".connection_limit", AT(int64_t, net.connection_limit), "", COUNT), OURS},     \
        {NUMBER(key ".connection_limit_per_address",                                               \
                AT(int64_t, net.connection_limit_per_address), "", COUNT),                         \
         OURS},                                                                                    \
    {                                                                                              \
        MILLIS(key ".handshake_timeout", AT(int64_t, net.handshake_timeout_ms), "10s", 0), OURS    \
    }

/* What a failed connect of the transport |section| is answered with. */
#define RESPONSE_ROWS(key, section)                                                                \
    {BOOLEAN(key ".connect_code_to_http_response.enabled",                                         \
             AT(bool, section.connect_code_to_http_response.enabled))},                            \
    {                                                                                              \
        .path = key ".connect_code_to_http_response.transforms", .type = GUSH__LIST,               \
        .at =                                                                                      \
            AT(struct gush_connect_response *, section.connect_code_to_http_response.transforms),  \
        .sub = &response_keys, .element_bytes = sizeof(struct gush_connect_response),              \
        .count_at = AT(size_t, section.connect_code_to_http_response.transforms_n)                 \
    }

/* Bounds of a number. */
#define WITHIN(low, high) .min = (low), .max = (high)
#define ANY               WITHIN(INT64_MIN, INT64_MAX)
#define COUNT             WITHIN(0, INT32_MAX)
#define PORT              WITHIN(0, 65535)

static const struct gush__word recovery_words[] = {
    {"", GUSH_RECOVERY_STREAM},
    {"stream", GUSH_RECOVERY_STREAM},
    {"cache", GUSH_RECOVERY_CACHE},
    {NULL, 0},
};

static const struct gush__word data_format_words[] = {
    {"", GUSH_DATA_ANY},
    {"json", GUSH_DATA_JSON},
    {"json_object", GUSH_DATA_JSON_OBJECT},
    {"binary", GUSH_DATA_BINARY},
    {NULL, 0},
};

static const struct gush__word queue_policy_words[] = {
    {"", GUSH_QUEUE_DISCONNECT},
    {"disconnect", GUSH_QUEUE_DISCONNECT},
    {"drop_oldest", GUSH_QUEUE_DROP_OLDEST},
    {"latest", GUSH_QUEUE_LATEST},
    {NULL, 0},
};

static const struct gush__word error_mode_words[] = {{"", 0}, {"transport", 1}, {NULL, 0}};

static const struct gush__key uni_code_rows[] = {
    {.path = "code", .type = GUSH__U32, .at = FIELD(uint32_t, struct gush_uni_code, code)},
    {.path = "to.code", .type = GUSH__U32, .at = FIELD(uint32_t, struct gush_uni_code, to_code)},
    {.path = "to.reason", .type = GUSH__STR, .at = FIELD(char *, struct gush_uni_code, to_reason)},
};

static const struct gush__table uni_code_keys = {
    uni_code_rows, sizeof(uni_code_rows) / sizeof(uni_code_rows[0]), NULL};

static const struct gush__key response_rows[] = {
    {.path = "code", .type = GUSH__U32, .at = FIELD(uint32_t, struct gush_connect_response, code)},
    {.path = "to.status_code",
     .type = GUSH__INT,
     .at = FIELD(int64_t, struct gush_connect_response, to_status_code)},
    {.path = "to.body",
     .type = GUSH__STR,
     .at = FIELD(char *, struct gush_connect_response, to_body)},
};

static const struct gush__table response_keys = {
    response_rows, sizeof(response_rows) / sizeof(response_rows[0]), NULL};

static const struct gush__key channel_rows[] = {
    {BOOLEAN("presence", OPT(bool, presence))},
    {BOOLEAN("join_leave", OPT(bool, join_leave))},
    {BOOLEAN("force_push_join_leave", OPT(bool, force_push_join_leave))},
    {NUMBER("history_size", OPT(int64_t, history_size), "", COUNT)},
    {SECONDS("history_ttl", OPT(int64_t, history_ttl_s), "")},
    {SECONDS("history_meta_ttl", OPT(int64_t, history_meta_ttl_s), "")},
    {BOOLEAN("force_positioning", OPT(bool, force_positioning))},
    {BOOLEAN("allow_positioning", OPT(bool, allow_positioning))},
    {BOOLEAN("force_recovery", OPT(bool, force_recovery))},
    {BOOLEAN("allow_recovery", OPT(bool, allow_recovery))},
    {WORD("force_recovery_mode", OPT_ANY(force_recovery_mode), recovery_words,
          "unknown recovery mode: \"", "\"")},
    {BOOLEAN("allow_subscribe_for_client", OPT(bool, allow_subscribe_for_client))},
    {BOOLEAN("allow_subscribe_for_anonymous", OPT(bool, allow_subscribe_for_anonymous))},
    {BOOLEAN("allow_publish_for_client", OPT(bool, allow_publish_for_client))},
    {BOOLEAN("allow_publish_for_subscriber", OPT(bool, allow_publish_for_subscriber))},
    {BOOLEAN("allow_publish_for_anonymous", OPT(bool, allow_publish_for_anonymous))},
    {BOOLEAN("allow_presence_for_client", OPT(bool, allow_presence_for_client))},
    {BOOLEAN("allow_presence_for_subscriber", OPT(bool, allow_presence_for_subscriber))},
    {BOOLEAN("allow_presence_for_anonymous", OPT(bool, allow_presence_for_anonymous))},
    {BOOLEAN("allow_history_for_client", OPT(bool, allow_history_for_client))},
    {BOOLEAN("allow_history_for_subscriber", OPT(bool, allow_history_for_subscriber))},
    {BOOLEAN("allow_history_for_anonymous", OPT(bool, allow_history_for_anonymous))},
    {BOOLEAN("allow_user_limited_channels", OPT(bool, allow_user_limited_channels))},
    {WORD("publication_data_format", OPT_ANY(data_format), data_format_words,
          "unknown publication_data_format: \"", "\"")},
    {WORD("queue_policy", OPT_ANY(queue_policy), queue_policy_words, "unknown queue_policy: \"",
          "\""),
     OURS},
};

const struct gush__table gush__channel_keys = {
    channel_rows, sizeof(channel_rows) / sizeof(channel_rows[0]), &gush__later_channel};

static const struct gush__key root_rows[] = {
    {STRING("http_server.address", AT(char *, http_server.address), ""),
     FLAG_LETTER('a', "host to listen on, empty: every interface")},
    {NUMBER("http_server.port", AT(int64_t, http_server.port), "8000", PORT),
     FLAG_LETTER('p', "port to listen on, 0: any free one")},
    {STRING("http_server.internal_address", AT(char *, http_server.internal_address), ""),
     FLAG("host of the internal listener, empty: as http_server.address")},
    {STRING("http_server.internal_port", AT(char *, http_server.internal_port), ""),
     FLAG("port of the internal listener, empty: one listener for all")},
    {STRINGS("http_server.addresses", AT_ANY(http_server.addresses)), OURS},
    TLS_ROWS("http_server.tls", http_server.tls),
    {BOOLEAN("http_server.tls_external", AT(bool, http_server.tls_external))},
    TLS_ROWS("http_server.internal_tls", http_server.internal_tls),
    {BOOLEAN("http_server.h2c_external", AT(bool, http_server.h2c_external))},
    {BOOLEAN("http_server.h2c_internal", AT(bool, http_server.h2c_internal)), OURS},
    {STRING("http_server.unix_socket", AT(char *, http_server.unix_socket), ""), OURS},
    {STRING("http_server.internal_unix_socket", AT(char *, http_server.internal_unix_socket), ""),
     OURS},
    {STRING("http_server.unix_socket_mode", AT(char *, http_server.unix_socket_mode), "0660"),
     OURS},
    {BOOLEAN("http_server.proxy_protocol", AT(bool, http_server.proxy_protocol)), OURS},
    {BOOLEAN("http_server.internal_proxy_protocol", AT(bool, http_server.internal_proxy_protocol)),
     OURS},
    {STRINGS("http_server.trusted_proxies", AT_ANY(http_server.trusted_proxies)), OURS},
    {NUMBER("http_server.max_header_size", AT(int64_t, http_server.max_header_size), "65536",
            WITHIN(1024, 1 << 20)),
     OURS},
    {MILLIS("http_server.header_timeout", AT(int64_t, http_server.header_timeout_ms), "10s", 0),
     OURS},
    {MILLIS("http_server.body_timeout", AT(int64_t, http_server.body_timeout_ms), "30s", 0), OURS},
    {MILLIS("http_server.write_timeout", AT(int64_t, http_server.write_timeout_ms), "10s", 0),
     OURS},
    {MILLIS("http_server.idle_timeout", AT(int64_t, http_server.idle_timeout_ms), "30s", 0), OURS},
    {NUMBER("http_server.max_concurrent_streams", AT(int64_t, http_server.max_concurrent_streams),
            "250", WITHIN(1, INT32_MAX)),
     OURS},
    {NUMBER("http_server.connection_limit", AT(int64_t, http_server.connection_limit), "", COUNT),
     OURS},
    {NUMBER("http_server.connection_limit_per_address",
            AT(int64_t, http_server.connection_limit_per_address), "", COUNT),
     OURS},
    {BOOLEAN("http_server.access_log", AT(bool, http_server.access_log)), OURS},
    {STRING("pid_file", AT(char *, pid_file), ""), FLAG("file to write the process id to")},
    {.path = "log.level",
     .type = GUSH__LOG_LEVEL,
     .at = AT(enum gush_log_level, log.level),
     .fallback = "info",
     FLAG("trace, debug, info, warn, error, fatal or none")},
    {STRING("log.file", AT(char *, log.file), ""), FLAG("file to append the log to")},

    {BOOLEAN("client.insecure", AT(bool, client.insecure)),
     FLAG("grant every client everything, for development only")},
    {BOOLEAN("client.allow_anonymous_connect_without_token",
             AT(bool, client.allow_anonymous_connect_without_token))},
    {BOOLEAN("client.disallow_anonymous_connection_tokens",
             AT(bool, client.disallow_anonymous_connection_tokens))},
    {BOOLEAN("client.connect_include_server_time", AT(bool, client.connect_include_server_time))},
    {BOOLEAN("client.insecure_skip_token_signature_verify",
             AT(bool, client.insecure_skip_token_signature_verify))},
    {MILLIS("client.ping_interval", AT(int64_t, client.ping_interval_ms), "25s", INT64_MIN)},
    {MILLIS("client.pong_timeout", AT(int64_t, client.pong_timeout_ms), "8s", INT64_MIN)},
    {MILLIS("client.stale_close_delay", AT(int64_t, client.stale_close_delay_ms), "10s", 0)},
    {MILLIS("client.expired_close_delay", AT(int64_t, client.expired_close_delay_ms), "25s", 0)},
    {MILLIS("client.expired_sub_close_delay", AT(int64_t, client.expired_sub_close_delay_ms), "25s",
            0)},
    {MILLIS("client.presence_update_interval", AT(int64_t, client.presence_update_interval_ms),
            "27s", 0)},
    {MILLIS("client.channel_position_check_delay",
            AT(int64_t, client.channel_position_check_delay_ms), "40s", 0)},
    {NUMBER("client.channel_limit", AT(int64_t, client.channel_limit), "128", ANY)},
    {NUMBER("client.queue_max_size", AT(int64_t, client.queue_max_size), "1048576", COUNT)},
    {NUMBER("client.queue_max_messages", AT(int64_t, client.queue_max_messages), "16384",
            WITHIN(1, INT32_MAX)),
     OURS},
    {MILLIS("client.queue_max_age", AT(int64_t, client.queue_max_age_ms), "30s", 0), OURS},
    {NUMBER("client.connection_limit", AT(int64_t, client.connection_limit), "", ANY)},
    {NUMBER("client.connection_rate_limit", AT(int64_t, client.connection_rate_limit), "", ANY)},
    {NUMBER("client.user_connection_limit", AT(int64_t, client.user_connection_limit), "", ANY)},
    {NUMBER("client.history_max_publication_limit",
            AT(int64_t, client.history_max_publication_limit), "300", COUNT)},
    {NUMBER("client.recovery_max_publication_limit",
            AT(int64_t, client.recovery_max_publication_limit), "300", COUNT)},
    {STRINGS("client.allowed_origins", AT_ANY(client.allowed_origins))},
    {STRING("client.token.hmac_secret_key", AT(char *, client.token.hmac_secret_key), ""), SECRET},
    {STRING("client.token.hmac_previous_secret_key",
            AT(char *, client.token.hmac_previous_secret_key), ""),
     SECRET},
    {NUMBER("client.token.hmac_previous_secret_key_valid_until",
            AT(int64_t, client.token.hmac_previous_secret_key_valid_until), "",
            WITHIN(0, INT64_MAX))},
    {STRING("client.token.audience", AT(char *, client.token.audience), "")},
    {STRING("client.token.issuer", AT(char *, client.token.issuer), "")},
    {STRING("client.token.user_id_claim", AT(char *, client.token.user_id_claim), "")},
    {BOOLEAN("client.subscribe_to_user_personal_channel.enabled",
             AT(bool, client.subscribe_to_user_personal_channel.enabled))},
    {STRING("client.subscribe_to_user_personal_channel.personal_channel_namespace",
            AT(char *, client.subscribe_to_user_personal_channel.personal_channel_namespace), "")},
    {BOOLEAN("client.subscribe_to_user_personal_channel.single_connection",
             AT(bool, client.subscribe_to_user_personal_channel.single_connection))},
    {BOOLEAN("client.connect_code_to_unidirectional_disconnect.enabled",
             AT(bool, client.connect_code_to_unidirectional_disconnect.enabled))},
    {.path = "client.connect_code_to_unidirectional_disconnect.transforms",
     .type = GUSH__LIST,
     .at = AT(struct gush_uni_code *, client.connect_code_to_unidirectional_disconnect.transforms),
     .sub = &uni_code_keys,
     .element_bytes = sizeof(struct gush_uni_code),
     .count_at = AT(size_t, client.connect_code_to_unidirectional_disconnect.transforms_n)},

    {MOUNT("channel.without_namespace", AT_ANY(channel.without_namespace), &gush__channel_keys)},
    {.path = "channel.namespaces", .type = GUSH__NAMESPACES, .at = AT_ANY(channel.namespaces)},
    {NUMBER("channel.max_length", AT(int64_t, channel.max_length), "255", ANY)},
    {SECONDS("channel.history_meta_ttl", AT(int64_t, channel.history_meta_ttl_s), "720h")},
    {WORD("channel.publication_data_format", AT_ANY(channel.data_format), data_format_words,
          "unknown channel.publication_data_format: \"", "\"")},
    {STRING("channel.private_prefix", AT(char *, channel.private_prefix), "$")},
    {STRING("channel.namespace_boundary", AT(char *, channel.namespace_boundary), ":")},
    {STRING("channel.user_boundary", AT(char *, channel.user_boundary), "#")},
    {STRING("channel.user_separator", AT(char *, channel.user_separator), ",")},

    {BOOLEAN("http_api.disabled", AT(bool, http_api.disabled))},
    {BOOLEAN("http_api.external", AT(bool, http_api.external)),
     FLAG("serve the HTTP API on the external listener")},
    {BOOLEAN("http_api.insecure", AT(bool, http_api.insecure)), FLAG("HTTP API without a key")},
    {STRING("http_api.key", AT(char *, http_api.key), ""), SECRET},
    {URL_PATH("http_api.handler_prefix", AT(char *, http_api.handler_prefix), "/api")},
    {STRING("http_api.error_mode", AT(char *, http_api.error_mode), ""), .words = error_mode_words,
     .refusal = {"invalid value: ", ", possible choices are: transport"}},
    {NUMBER("http_api.max_request_body_size", AT(int64_t, http_api.max_request_body_size),
            "16777216", WITHIN(1, INT32_MAX)),
     OURS},
    {BOOLEAN("grpc_api.enabled", AT(bool, grpc_api.enabled)), FLAG("serve the gRPC API")},
    {NUMBER("grpc_api.port", AT(int64_t, grpc_api.port), "10000", PORT),
     FLAG("port of the gRPC API, 0: any free one")},
    {STRING("grpc_api.address", AT(char *, grpc_api.address), "")},
    {STRING("grpc_api.key", AT(char *, grpc_api.key), ""), SECRET},
    {STRING("grpc_api.error_mode", AT(char *, grpc_api.error_mode), ""), .words = error_mode_words,
     .refusal = {"invalid value: ", ", possible choices are: transport"}},
    {BOOLEAN("grpc_api.reflection", AT(bool, grpc_api.reflection))},
    {NUMBER("grpc_api.max_receive_message_size", AT(int64_t, grpc_api.max_receive_message_size), "",
            COUNT)},
    {BOOLEAN("grpc_api.on_http_port", AT(bool, grpc_api.on_http_port)), OURS},
    TLS_ROWS("grpc_api.tls", grpc_api.tls),
    GRPC_PORT_ROWS("grpc_api", grpc_api.net),
    {BOOLEAN("uni_grpc.enabled", AT(bool, uni_grpc.enabled)),
     FLAG("serve subscriptions as a gRPC stream")},
    {NUMBER("uni_grpc.port", AT(int64_t, uni_grpc.port), "11000", PORT),
     FLAG("port of the gRPC stream, 0: any free one")},
    {STRING("uni_grpc.address", AT(char *, uni_grpc.address), "")},
    {BOOLEAN("uni_grpc.reflection", AT(bool, uni_grpc.reflection)), OURS},
    {NUMBER("uni_grpc.max_receive_message_size", AT(int64_t, uni_grpc.max_receive_message_size), "",
            COUNT)},
    {MILLIS("uni_grpc.ping_interval", AT(int64_t, uni_grpc.ping_interval_ms), "25s", INT64_MIN),
     OURS},
    {BOOLEAN("uni_grpc.on_http_port", AT(bool, uni_grpc.on_http_port)), OURS},
    TLS_ROWS("uni_grpc.tls", uni_grpc.tls),
    GRPC_PORT_ROWS("uni_grpc", uni_grpc.net),
    {BOOLEAN("uni_sse.enabled", AT(bool, uni_sse.enabled)),
     FLAG("serve subscriptions as an EventSource stream")},
    {URL_PATH("uni_sse.handler_prefix", AT(char *, uni_sse.handler_prefix), "/connection/uni_sse")},
    {NUMBER("uni_sse.max_request_body_size", AT(int64_t, uni_sse.max_request_body_size), "65536",
            COUNT)},
    RESPONSE_ROWS("uni_sse", uni_sse),
    {BOOLEAN("uni_sse.event_ids", AT(bool, uni_sse.event_ids)), .fallback = "true", OURS},
    {STRING("uni_sse.event_id_secret", AT(char *, uni_sse.event_id_secret), ""),
     .flags = GUSH__OURS | GUSH__SECRET},
    {MILLIS("uni_sse.retry", AT(int64_t, uni_sse.retry_ms), "", 0), OURS},
    {BOOLEAN("uni_http_stream.enabled", AT(bool, uni_http_stream.enabled)),
     FLAG("serve subscriptions as a stream of JSON lines")},
    {URL_PATH("uni_http_stream.handler_prefix", AT(char *, uni_http_stream.handler_prefix),
              "/connection/uni_http_stream")},
    {NUMBER("uni_http_stream.max_request_body_size",
            AT(int64_t, uni_http_stream.max_request_body_size), "65536", COUNT)},
    RESPONSE_ROWS("uni_http_stream", uni_http_stream),
    {BOOLEAN("init.enabled", AT(bool, init.enabled)), FLAG("serve the init endpoint")},
    {URL_PATH("init.handler_prefix", AT(char *, init.handler_prefix), "/connection/init")},
    {BOOLEAN("health.enabled", AT(bool, health.enabled)), FLAG("serve the health endpoint")},
    {URL_PATH("health.handler_prefix", AT(char *, health.handler_prefix), "/health")},
    {BOOLEAN("debug.enabled", AT(bool, debug.enabled)), FLAG("serve diagnostics")},
    {URL_PATH("debug.handler_prefix", AT(char *, debug.handler_prefix), "/debug/pprof")},
    {BOOLEAN("prometheus.enabled", AT(bool, prometheus.enabled)), FLAG("serve metrics")},
    {URL_PATH("prometheus.handler_prefix", AT(char *, prometheus.handler_prefix), "/metrics")},
    {BOOLEAN("prometheus.recovered_publications_histogram",
             AT(bool, prometheus.recovered_publications_histogram))},
    {BOOLEAN("prometheus.instrument_http_handlers", AT(bool, prometheus.instrument_http_handlers))},
    {BOOLEAN("demo.enabled", AT(bool, demo.enabled)), OURS_FLAG("serve the demo page")},
    {URL_PATH("demo.handler_prefix", AT(char *, demo.handler_prefix), "/"), OURS},

    {NUMBER("lanes.workers", AT(int64_t, lanes.workers), "", WITHIN(0, 256)),
     OURS_FLAG("worker lanes, 0: by the number of cores")},
    {NUMBER("lanes.grpc_workers", AT(int64_t, lanes.grpc_workers), "", WITHIN(0, 256)),
     OURS_FLAG("gRPC lanes, 0: by the number of cores")},
    {NUMBER("lanes.backlog_bytes", AT(int64_t, lanes.backlog_bytes), "67108864",
            WITHIN(1, INT64_MAX)),
     OURS},
    {NUMBER("lanes.backlog_deliveries", AT(int64_t, lanes.backlog_deliveries), "1000000",
            WITHIN(1, INT64_MAX)),
     OURS},
    {MILLIS("shutdown.timeout", AT(int64_t, shutdown.timeout_ms), "30s", 0)},
    {MILLIS("shutdown.termination_delay", AT(int64_t, shutdown.termination_delay_ms), "", 0), OURS},
    {NUMBER("shutdown.pace", AT(int64_t, shutdown.pace), "", WITHIN(0, INT32_MAX)), OURS},
    {MILLIS("node.info_metrics_aggregate_interval", AT(int64_t, info_metrics_aggregate_interval_ms),
            "60s", 0)},
    {STRING("node.name", AT(char *, node_name), "")},
};

const struct gush__table gush__root_keys = {root_rows, sizeof(root_rows) / sizeof(root_rows[0]),
                                            &gush__later_root};
