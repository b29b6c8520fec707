/* config: everything the operator may say, decoded once and then frozen.
 *
 * Sources, strongest first: flags, GUSH_ and CENTRIFUGO_ environment, JSON file, defaults. Keys are
 * those of the reference; ours that it does not know are marked "gush". The table of keys is
 * keys.c: a field here without a row there is never set.
 *
 * Owner     server/app                Thread  any: frozen after gush_config_load
 * Units     durations in ms; history ones in whole seconds */
#ifndef GUSH_CONFIG_CONFIG_H
#define GUSH_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/span.h"

/* Over the queue limits of a connection, publications of this channel ...  (gush: queue_policy) */
enum gush_queue_policy {
    GUSH_QUEUE_DISCONNECT,  /* "disconnect", "": close the connection, 3008 */
    GUSH_QUEUE_DROP_OLDEST, /* "drop_oldest": drop the oldest droppable ones */
    GUSH_QUEUE_LATEST       /* "latest": keep the newest of each channel */
};

enum gush_recovery_mode { GUSH_RECOVERY_STREAM, GUSH_RECOVERY_CACHE };

enum gush_data_format {
    GUSH_DATA_ANY, /* "": not empty */
    GUSH_DATA_JSON,
    GUSH_DATA_JSON_OBJECT,
    GUSH_DATA_BINARY
};

struct gush_channel_options {
    bool presence, join_leave, force_push_join_leave;
    int64_t history_size;
    int64_t history_ttl_s, history_meta_ttl_s; /* meta 0: channel.history_meta_ttl */
    bool force_positioning, allow_positioning, force_recovery, allow_recovery;
    enum gush_recovery_mode force_recovery_mode;
    bool allow_subscribe_for_client, allow_subscribe_for_anonymous;
    bool allow_publish_for_client, allow_publish_for_subscriber, allow_publish_for_anonymous;
    bool allow_presence_for_client, allow_presence_for_subscriber, allow_presence_for_anonymous;
    bool allow_history_for_client, allow_history_for_subscriber, allow_history_for_anonymous;
    bool allow_user_limited_channels;
    bool data_format_set;
    enum gush_data_format data_format;
    enum gush_queue_policy queue_policy; /* gush */
};

struct gush_namespace {
    char *name;
    struct gush_channel_options options;
};

struct gush_string_list {
    char **items;
    size_t n;
};

struct gush_uni_code { /* client.connect_code_to_unidirectional_disconnect.transforms[] */
    uint32_t code;
    uint32_t to_code;
    char *to_reason;
};

struct gush_connect_response { /* uni_*.connect_code_to_http_response.transforms[] */
    uint32_t code;
    int64_t to_status_code;
    char *to_body; /* "": the message of the error */
};

/* A failed connect as an HTTP status instead of a disconnect push. */
struct gush_connect_responses {
    bool enabled;
    struct gush_connect_response *transforms;
    size_t transforms_n;
};

/* A further address of the external listener. */
struct gush_address {
    char *host;
    uint16_t port;
};

struct gush_token_config {
    char *hmac_secret_key, *hmac_previous_secret_key;
    int64_t hmac_previous_secret_key_valid_until; /* Unix seconds, 0 = no end */
    char *audience, *issuer, *user_id_claim;
};

/* One PEM value is PEM itself, base64 of it, or the path of a file, in this order. */
struct gush_tls_config {
    bool enabled;
    char *cert_pem, *key_pem;          /* own; a server needs both */
    char *client_ca_pem;               /* not "": clients must show a certificate of it */
    char *server_ca_pem, *server_name; /* client role, as the next one */
    bool insecure_skip_verify;
};

/* What a gRPC port does with connections as such.  (all gush; 0 and less: no limit, never) */
struct gush_grpc_port_config {
    int64_t keepalive_time_ms, keepalive_timeout_ms, keepalive_min_time_ms;
    int64_t max_connection_age_ms, max_connection_age_grace_ms, max_connection_idle_ms;
    int64_t max_concurrent_streams;
    int64_t connection_limit, connection_limit_per_address;
    int64_t handshake_timeout_ms;
};

struct gush_config {
    struct {
        char *address, *internal_address;
        char *internal_port; /* "": no port of its own */
        int64_t port;
        bool internal_separate; /* settled: internal handlers are not on the external listener */
        struct gush_string_list addresses; /* gush, of which ... */
        struct gush_address *further;      /* ... this is settled */
        size_t further_n;
        struct gush_tls_config tls, internal_tls;
        bool tls_external;                            /* |tls| is not for the internal listener */
        bool h2c_external, h2c_internal;              /* gush: h2c_internal */
        char *unix_socket, *internal_unix_socket;     /* gush */
        char *unix_socket_mode;                       /* gush: "0660" ... */
        unsigned unix_mode;                           /* ... settled */
        bool proxy_protocol, internal_proxy_protocol; /* gush */
        struct gush_string_list trusted_proxies;      /* gush: CIDRs and addresses */
        int64_t max_header_size;                      /* gush: bytes of a request's head */
        int64_t header_timeout_ms, body_timeout_ms;   /* gush */
        int64_t write_timeout_ms, idle_timeout_ms;    /* gush */
        int64_t max_concurrent_streams;               /* gush: of one HTTP/2 connection */
        int64_t connection_limit;                     /* gush: of each listener, 0: none */
        int64_t connection_limit_per_address;         /* gush */
        bool access_log;                              /* gush: at info, not only at debug */
    } http_server;
    struct {
        enum gush_log_level level;
        char *file;
    } log;
    struct {
        bool insecure, allow_anonymous_connect_without_token;
        bool disallow_anonymous_connection_tokens, connect_include_server_time;
        bool insecure_skip_token_signature_verify;
        int64_t ping_interval_ms, pong_timeout_ms, stale_close_delay_ms;
        int64_t expired_close_delay_ms, expired_sub_close_delay_ms;
        int64_t presence_update_interval_ms, channel_position_check_delay_ms;
        int64_t channel_limit, queue_max_size, connection_limit, user_connection_limit;
        int64_t connection_rate_limit; /* connects per second, 0: no limit */
        int64_t queue_max_messages;    /* gush: 16384 */
        int64_t queue_max_age_ms;      /* gush: 30s, 0 = no limit */
        int64_t history_max_publication_limit, recovery_max_publication_limit;
        struct gush_string_list allowed_origins;
        struct gush_token_config token;
        struct {
            bool enabled, single_connection;
            char *personal_channel_namespace;
        } subscribe_to_user_personal_channel;
        struct {
            bool enabled;
            struct gush_uni_code *transforms;
            size_t transforms_n;
        } connect_code_to_unidirectional_disconnect;
    } client;
    struct {
        int64_t max_length, history_meta_ttl_s;
        char *private_prefix, *namespace_boundary, *user_boundary, *user_separator;
        enum gush_data_format data_format; /* channel.publication_data_format */
        struct gush_channel_options without_namespace;
        struct gush_namespace *namespaces;
        size_t namespaces_n;
    } channel;
    struct {
        bool disabled, external, insecure;
        char *key, *handler_prefix, *error_mode;
        int64_t max_request_body_size; /* gush */
    } http_api;
    struct {
        bool enabled, reflection;
        bool on_http_port; /* gush: also on the HTTP port of the HTTP API */
        char *address, *key, *error_mode;
        int64_t port, max_receive_message_size;
        struct gush_tls_config tls;
        struct gush_grpc_port_config net;
    } grpc_api;
    struct {
        bool enabled, reflection; /* gush: reflection */
        bool on_http_port;        /* gush: also on the external HTTP port */
        char *address;
        int64_t port, max_receive_message_size;
        int64_t ping_interval_ms; /* gush: 25s whatever client.ping_interval says */
        struct gush_tls_config tls;
        struct gush_grpc_port_config net;
    } uni_grpc;
    struct {
        bool enabled;
        char *handler_prefix;
        int64_t max_request_body_size;
        struct gush_connect_responses connect_code_to_http_response;
        bool event_ids;        /* gush: true */
        char *event_id_secret; /* gush: "" = random, of this process */
        int64_t retry_ms;      /* gush: 0 = no retry field */
    } uni_sse;
    struct {
        bool enabled;
        char *handler_prefix;
        int64_t max_request_body_size;
        struct gush_connect_responses connect_code_to_http_response;
    } uni_http_stream;
    struct {
        bool enabled;
        char *handler_prefix;
    } health, debug, init;
    struct {
        bool enabled, recovered_publications_histogram, instrument_http_handlers;
        char *handler_prefix;
    } prometheus;
    struct {
        bool enabled;         /* gush: the demo page */
        char *handler_prefix; /* gush: "/" */
    } demo;
    struct {
        int64_t workers, grpc_workers;             /* gush: 0 = by cores */
        int64_t backlog_bytes, backlog_deliveries; /* gush: 64 MB, 1,000,000 */
    } lanes;
    struct {
        int64_t timeout_ms, termination_delay_ms;
        int64_t pace; /* gush: clients told to go per second, 0: by their number */
    } shutdown;
    char *pid_file;
    char *node_name; /* node.name; default host name and port */
    int64_t info_metrics_aggregate_interval_ms;

    void *memory; /* the loader's */
};

/* Where to read from. |argv| holds only the flags of the server command. */
struct gush_config_sources {
    const char *file;     /* path; NULL = config.json in the working directory, may be missing */
    bool file_must_exist; /* checkconfig */
    char **environ;
    int argc;
    char **argv;
};

/* What to tell the operator that is not an error: unknown keys and variables, insecure modes. */
typedef void gush_config_warn_fn(void *arg, const char *message, const char *field,
                                 const char *value);

/* Decodes, applies defaults (the zero-value rule included) and validates. On failure |message| says
 * it in full: key, value, what would be accepted, file and line.
 *   GUSH_ECONFIG   wrong; |*out| is not set
 *   GUSH_EIO       the file exists and cannot be read */
GUSH_MUST_USE gush_err gush_config_load(const struct gush_config_sources *sources,
                                        gush_config_warn_fn *warn, void *warn_arg,
                                        struct gush_config **out, char *message, size_t message_n);
void gush_config_free(struct gush_config *config);

/* Loads and forgets, for checkconfig. On failure |*broke_rule| (may be NULL) says that all values
 * could be read, and that a rule about them is broken. Errors as gush_config_load. */
GUSH_MUST_USE gush_err gush_config_check(const struct gush_config_sources *sources,
                                         gush_config_warn_fn *warn, void *warn_arg,
                                         bool *broke_rule, char *message, size_t message_n);

/* Appends a whole configuration to |out|, as JSON with a newline at its end: every key, with its
 * value in the file |base| (NULL: no file) or else its default. Environment and flags have no part
 * in it. Errors and |*broke_rule| as above; GUSH_ELIMIT over the limit of |out|. */
GUSH_MUST_USE gush_err gush_config_dump(const char *base, struct gush_buf *out, bool *broke_rule,
                                        char *message, size_t message_n);

/* Calls |fn| with each key whose value differs between the two; a list is one key. */
typedef void gush_config_change_fn(void *arg, const char *key);
void gush_config_changes(const struct gush_config *before, const struct gush_config *after,
                         gush_config_change_fn *fn, void *arg);

/* The usage text of the server command, from the same table (one line per flag). */
void gush_config_usage(FILE *out);

/* Options of |channel| by the rules of namespaces; |*rest| (may be NULL) is the part behind the
 * boundary.   GUSH_EUNKNOWN   no such namespace */
GUSH_MUST_USE gush_err gush_config_channel(const struct gush_config *config,
                                           struct gush_span channel,
                                           const struct gush_channel_options **options,
                                           struct gush_span *rest);

#endif
