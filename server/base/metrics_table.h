/* metrics_table: every metric there is, with its labels and the values that these may have.
 *
 * One row is one family: a name of the reference's (its dashboards work unchanged), of the process,
 * or, under gush_, ours. What a row promises is written down in docs/operations.md.
 * spec: operations 4 */
#ifndef GUSH_BASE_METRICS_TABLE_H
#define GUSH_BASE_METRICS_TABLE_H

/* ---- values of labels ----------------------------------------------------------------------- */

#define GUSH_METRICS_TRANSPORT_MAP(X)                                                              \
    X(WEBSOCKET, "websocket")                                                                      \
    X(SSE, "sse")                                                                                  \
    X(HTTP_STREAM, "http_stream")                                                                  \
    X(UNI_WEBSOCKET, "uni_websocket")                                                              \
    X(UNI_SSE, "uni_sse")                                                                          \
    X(UNI_HTTP_STREAM, "uni_http_stream")                                                          \
    X(UNI_GRPC, "uni_grpc")                                                                        \
    X(WEBTRANSPORT, "webtransport")                                                                \
    X(OTHER, "other")

#define GUSH_METRICS_FRAME_MAP(X)                                                                  \
    X(CONNECT, "connect")                                                                          \
    X(PUBLISH, "publish")                                                                          \
    X(PING, "server_ping")                                                                         \
    X(PUSH_CONNECT, "push_connect")                                                                \
    X(PUSH_SUBSCRIBE, "push_subscribe")                                                            \
    X(PUSH_PUBLICATION, "push_publication")                                                        \
    X(PUSH_JOIN, "push_join")                                                                      \
    X(PUSH_LEAVE, "push_leave")                                                                    \
    X(PUSH_UNSUBSCRIBE, "push_unsubscribe")                                                        \
    X(PUSH_MESSAGE, "push_message")                                                                \
    X(PUSH_REFRESH, "push_refresh")                                                                \
    X(PUSH_DISCONNECT, "push_disconnect")                                                          \
    X(OTHER, "unknown")

#define GUSH_METRICS_ACTION_MAP(X)                                                                 \
    X(ADD_CLIENT, "add_client")                                                                    \
    X(REMOVE_CLIENT, "remove_client")                                                              \
    X(ADD_SUBSCRIPTION, "add_subscription")                                                        \
    X(REMOVE_SUBSCRIPTION, "remove_subscription")                                                  \
    X(ADD_PRESENCE, "add_presence")                                                                \
    X(REMOVE_PRESENCE, "remove_presence")                                                          \
    X(PRESENCE, "presence")                                                                        \
    X(PRESENCE_STATS, "presence_stats")                                                            \
    X(HISTORY, "history")                                                                          \
    X(HISTORY_RECOVER, "history_recover")                                                          \
    X(HISTORY_RECOVER_CACHE, "history_recover_cache")                                              \
    X(HISTORY_STREAM_TOP, "history_stream_top")                                                    \
    X(HISTORY_REMOVE, "history_remove")

#define GUSH_METRICS_MESSAGE_MAP(X)                                                                \
    X(PUBLICATION, "publication")                                                                  \
    X(JOIN, "join")                                                                                \
    X(LEAVE, "leave")                                                                              \
    X(CONTROL, "control")

#define GUSH_METRICS_REASON_MAP(X)                                                                 \
    X(IDEMPOTENCY, "idempotency")                                                                  \
    X(VERSION, "version")

/* Commands of clients. */
#define GUSH_METRICS_COMMAND_MAP(X)                                                                \
    X(CONNECT, "connect")                                                                          \
    X(SUBSCRIBE, "subscribe")                                                                      \
    X(UNSUBSCRIBE, "unsubscribe")                                                                  \
    X(PUBLISH, "publish")                                                                          \
    X(PRESENCE, "presence")                                                                        \
    X(PRESENCE_STATS, "presence_stats")                                                            \
    X(HISTORY, "history")                                                                          \
    X(SEND, "send")                                                                                \
    X(RPC, "rpc")                                                                                  \
    X(REFRESH, "refresh")                                                                          \
    X(SUB_REFRESH, "sub_refresh")                                                                  \
    X(UNKNOWN, "unknown")

#define GUSH_METRICS_PROTOCOL_MAP(X)                                                               \
    X(HTTP, "http")                                                                                \
    X(GRPC, "grpc")                                                                                \
    X(CONSUMING, "consuming")

/* Methods of the server API; whatever else: the last one. */
#define GUSH_METRICS_METHOD_MAP(X)                                                                 \
    X(PUBLISH, "publish")                                                                          \
    X(BROADCAST, "broadcast")                                                                      \
    X(BROADCAST_PUBLISH, "broadcast_publish")                                                      \
    X(SUBSCRIBE, "subscribe")                                                                      \
    X(UNSUBSCRIBE, "unsubscribe")                                                                  \
    X(DISCONNECT, "disconnect")                                                                    \
    X(PRESENCE, "presence")                                                                        \
    X(PRESENCE_STATS, "presence_stats")                                                            \
    X(HISTORY, "history")                                                                          \
    X(HISTORY_REMOVE, "history_remove")                                                            \
    X(CHANNELS, "channels")                                                                        \
    X(INFO, "info")                                                                                \
    X(RPC, "rpc")                                                                                  \
    X(REFRESH, "refresh")                                                                          \
    X(BATCH, "batch")                                                                              \
    X(UNKNOWN, "unknown")

#define GUSH_METRICS_YES_NO_MAP(X)                                                                 \
    X(NO, "no")                                                                                    \
    X(YES, "yes")

#define GUSH_METRICS_POLICY_MAP(X)                                                                 \
    X(DISCONNECT, "disconnect")                                                                    \
    X(DROP_OLDEST, "drop_oldest")                                                                  \
    X(LATEST, "latest")

#define GUSH_METRICS_LISTENER_MAP(X)                                                               \
    X(HTTP, "http")                                                                                \
    X(HTTP_INTERNAL, "http_internal")                                                              \
    X(GRPC_API, "grpc_api")                                                                        \
    X(UNI_GRPC, "uni_grpc")

/* Why a connection was not let in. */
#define GUSH_METRICS_REFUSAL_MAP(X)                                                                \
    X(DESCRIPTORS, "descriptors")                                                                  \
    X(LIMIT, "limit")                                                                              \
    X(ADDRESS, "address_limit")                                                                    \
    X(CROWD, "waiting_limit")                                                                      \
    X(TIMEOUT, "handshake_timeout")                                                                \
    X(FIRST_BYTES, "first_bytes")                                                                  \
    X(LEFT, "left")

#define GUSH_METRICS_RELOAD_MAP(X)                                                                 \
    X(OK, "ok")                                                                                    \
    X(FAILED, "failed")

#define GUSH_METRICS_HTTP_VERSION_MAP(X)                                                           \
    X(1, "1")                                                                                      \
    X(2, "2")

#define GUSH_METRICS_HTTP_METHOD_MAP(X)                                                            \
    X(GET, "GET")                                                                                  \
    X(HEAD, "HEAD")                                                                                \
    X(POST, "POST")                                                                                \
    X(PUT, "PUT")                                                                                  \
    X(PATCH, "PATCH")                                                                              \
    X(DELETE, "DELETE")                                                                            \
    X(OPTIONS, "OPTIONS")                                                                          \
    X(OTHER, "other")

/* How a TLS handshake went. */
#define GUSH_METRICS_HANDSHAKE_MAP(X)                                                              \
    X(FULL, "full")                                                                                \
    X(RESUMED, "resumed")                                                                          \
    X(FAILED, "failed")                                                                            \
    X(TIMEOUT, "timeout")

/* Kinds of values. Words are those above; numbers and namespaces become known while we run. */
#define GUSH_METRICS_DIM_MAP(WORDS, NUMBERS)                                                       \
    WORDS(TRANSPORT)                                                                               \
    WORDS(FRAME)                                                                                   \
    WORDS(ACTION)                                                                                  \
    WORDS(MESSAGE)                                                                                 \
    WORDS(REASON)                                                                                  \
    WORDS(COMMAND)                                                                                 \
    WORDS(PROTOCOL)                                                                                \
    WORDS(METHOD)                                                                                  \
    WORDS(YES_NO)                                                                                  \
    WORDS(POLICY)                                                                                  \
    WORDS(LISTENER)                                                                                \
    WORDS(REFUSAL)                                                                                 \
    WORDS(RELOAD)                                                                                  \
    WORDS(HANDSHAKE)                                                                               \
    WORDS(HTTP_METHOD)                                                                             \
    WORDS(HTTP_VERSION)                                                                            \
    NUMBERS(DISCONNECT_CODE, 64)                                                                   \
    NUMBERS(UNSUBSCRIBE_CODE, 16)                                                                  \
    NUMBERS(ERROR_CODE, 48)                                                                        \
    NUMBERS(HTTP_STATUS, 24)

/* ---- families ------------------------------------------------------------------------------- */

/* Upper bounds, in the unit of the family. Durations count nanoseconds. */
#define GUSH_METRICS_B0 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2.5e9, 5e9, 10e9
#define GUSH_METRICS_B4                                                                            \
    100e3, 250e3, 500e3, 1e6, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2.5e9, 5e9, 10e9
#define GUSH_METRICS_B5 0, 1, 2, 3, 5, 10, 20, 50, 100, 250, 500, 1000, 2000, 5000, 10000

/* NAMESPACE("") is the reference's: it has the label, and always leaves it empty. */
#define GUSH_METRICS_NO_NAMESPACE FIXED(channel_namespace, "")

/*  id, name, type, unit, flags, help, labels
 *  type    COUNTER; GAUGE: set when read; OPEN: a gauge of what was opened and not closed;
 *          HISTOGRAM over a set of bounds
 *  unit    what one counts, in the unit of the name
 *  ALWAYS  is there from the start, with 0 */
#define GUSH_METRICS_MAP(X)                                                                        \
    X(API_DURATION, "centrifugo_api_command_duration_seconds_histogram", HISTOGRAM_B0, 1e-9, 0,    \
      "Time from an API command to its answer.", LABEL(method, METHOD), LABEL(protocol, PROTOCOL)) \
    X(API_ERRORS, "centrifugo_api_command_errors_total", COUNTER, 1, 0,                            \
      "API commands answered with an error.", LABEL(error, ERROR_CODE), LABEL(method, METHOD),     \
      LABEL(protocol, PROTOCOL))                                                                   \
    X(SUPPRESSED, "centrifugo_broker_publish_suppressed_count", COUNTER, 1, 0,                     \
      "Publications not made, because they were there already or are outdated.",                   \
      GUSH_METRICS_NO_NAMESPACE, LABEL(reason, REASON))                                            \
    X(COMMAND_DURATION, "centrifugo_client_command_duration_seconds_histogram", HISTOGRAM_B4,      \
      1e-9, ALWAYS, "Time from a client's command to its answer.", GUSH_METRICS_NO_NAMESPACE,      \
      LABEL(method, COMMAND))                                                                      \
    X(CONNECTIONS_ACCEPTED, "centrifugo_client_connections_accepted", COUNTER, 1, 0,               \
      "Connections with accepted credentials.", FIXED(accept_protocol, ""),                        \
      FIXED(client_name, "unnamed"), FIXED(client_version, "unversioned"),                         \
      LABEL(transport, TRANSPORT))                                                                 \
    X(CONNECTIONS_INFLIGHT, "centrifugo_client_connections_inflight", OPEN, 1, 0,                  \
      "Connections with accepted credentials, now.", FIXED(accept_protocol, ""),                   \
      FIXED(client_name, "unnamed"), FIXED(client_version, "unversioned"),                         \
      LABEL(transport, TRANSPORT))                                                                 \
    X(DISCONNECTS, "centrifugo_client_num_server_disconnects", COUNTER, 1, 0,                      \
      "Connections ended by the server.", LABEL(code, DISCONNECT_CODE))                            \
    X(UNSUBSCRIBES, "centrifugo_client_num_server_unsubscribes", COUNTER, 1, 0,                    \
      "Subscriptions ended by the server.", GUSH_METRICS_NO_NAMESPACE,                             \
      LABEL(code, UNSUBSCRIBE_CODE))                                                               \
    X(RECOVER, "centrifugo_client_recover", COUNTER, 1, 0, "Attempts to go on from a position.",   \
      GUSH_METRICS_NO_NAMESPACE, LABEL(has_recovered_publications, YES_NO),                        \
      LABEL(recovered, YES_NO))                                                                    \
    X(RECOVERED, "centrifugo_client_recovered_publications", HISTOGRAM_B5, 1, 0,                   \
      "Publications given to a client that recovered.", GUSH_METRICS_NO_NAMESPACE)                 \
    X(SUBSCRIPTIONS_ACCEPTED, "centrifugo_client_subscriptions_accepted", COUNTER, 1, 0,           \
      "Subscriptions made.", GUSH_METRICS_NO_NAMESPACE, FIXED(client_name, "unnamed"))             \
    X(SUBSCRIPTIONS_INFLIGHT, "centrifugo_client_subscriptions_inflight", OPEN, 1, 0,              \
      "Subscriptions now.", GUSH_METRICS_NO_NAMESPACE, FIXED(client_name, "unnamed"))              \
    X(ACTIONS, "centrifugo_node_action_count", COUNTER, 1, 0, "What the node was asked to do.",    \
      LABEL(action, ACTION), GUSH_METRICS_NO_NAMESPACE)                                            \
    X(BUILD, "centrifugo_node_build", GAUGE, 1, 0, "1, with the version.", VERSION(version))       \
    X(CONNECTION_LIMIT, "centrifugo_node_client_connection_limit", COUNTER, 1, ALWAYS,             \
      "Clients refused because of client.connection_limit.", NO_LABELS)                            \
    X(HTTP_REQUESTS, "centrifugo_node_incoming_http_requests_total", COUNTER, 1, 0,                \
      "HTTP requests that were answered.", LABEL(method, HTTP_METHOD), PATH(path),                 \
      LABEL(status, HTTP_STATUS))                                                                  \
    X(RECEIVED, "centrifugo_node_messages_received_count", COUNTER, 1, ALWAYS,                     \
      "Messages that came from the broker.", GUSH_METRICS_NO_NAMESPACE, LABEL(type, MESSAGE))      \
    X(SENT, "centrifugo_node_messages_sent_count", COUNTER, 1, ALWAYS,                             \
      "Messages given to the broker.", GUSH_METRICS_NO_NAMESPACE, LABEL(type, MESSAGE))            \
    X(NUM_CHANNELS, "centrifugo_node_num_channels", GAUGE, 1, ALWAYS,                              \
      "Channels with a subscriber.", NO_LABELS)                                                    \
    X(NUM_CLIENTS, "centrifugo_node_num_clients", GAUGE, 1, ALWAYS, "Connections.", NO_LABELS)     \
    X(NUM_NODES, "centrifugo_node_num_nodes", GAUGE, 1, ALWAYS, "Nodes of the cluster.",           \
      NO_LABELS)                                                                                   \
    X(NUM_SUBSCRIPTIONS, "centrifugo_node_num_subscriptions", GAUGE, 1, ALWAYS, "Subscriptions.",  \
      NO_LABELS)                                                                                   \
    X(NUM_USERS, "centrifugo_node_num_users", GAUGE, 1, ALWAYS, "Users with a connection.",        \
      NO_LABELS)                                                                                   \
    X(MESSAGES_SENT, "centrifugo_transport_messages_sent", COUNTER, 1, 0,                          \
      "Frames written to clients.", GUSH_METRICS_NO_NAMESPACE, LABEL(transport, TRANSPORT),        \
      LABEL(frame_type, FRAME))                                                                    \
    X(MESSAGES_SENT_SIZE, "centrifugo_transport_messages_sent_size", COUNTER, 1, 0,                \
      "Bytes of frames written to clients, without framing.", GUSH_METRICS_NO_NAMESPACE,           \
      LABEL(transport, TRANSPORT), LABEL(frame_type, FRAME))                                       \
    X(OUTGOING_CLOSE, "centrifugo_transport_outgoing_close_count", COUNTER, 1, 0,                  \
      "Closes that carry a code on the wire.", LABEL(code, DISCONNECT_CODE),                       \
      LABEL(transport, TRANSPORT))                                                                 \
    X(DROPPED, "gush_client_dropped_publications", COUNTER, 1, 0,                                  \
      "Publications dropped from full queues.", NAMESPACE(channel_namespace),                      \
      LABEL(policy, POLICY), LABEL(transport, TRANSPORT))                                          \
    X(SLOW, "gush_client_slow_disconnects", COUNTER, 1, 0,                                         \
      "Connections ended because they read too slowly, by the channel that filled the queue.",     \
      NAMESPACE(channel_namespace), LABEL(policy, POLICY), LABEL(transport, TRANSPORT))            \
    X(RELOADS, "gush_config_reloads", COUNTER, 1, 0, "Reloads of the configuration by signal.",    \
      LABEL(result, RELOAD))                                                                       \
    X(GATE_ACCEPTED, "gush_gate_accepted", COUNTER, 1, 0, "Connections accepted by a listener.",   \
      LABEL(listener, LISTENER))                                                                   \
    X(GATE_ADMITTED, "gush_gate_admitted", COUNTER, 1, 0, "Connections that a listener let in.",   \
      LABEL(listener, LISTENER))                                                                   \
    X(GATE_OPEN, "gush_gate_open", GAUGE, 1, 0, "Connections of a listener, now.",                 \
      LABEL(listener, LISTENER))                                                                   \
    X(GATE_REFUSED, "gush_gate_refused", COUNTER, 1, 0,                                            \
      "Connections that a listener did not let in, or not any further.",                           \
      LABEL(listener, LISTENER), LABEL(reason, REFUSAL))                                           \
    X(GATE_WAITING, "gush_gate_waiting", GAUGE, 1, 0,                                              \
      "Connections that have not said enough to be let in.", LABEL(listener, LISTENER))            \
    X(HTTP_CONNECTIONS, "gush_http_connections", COUNTER, 1, 0,                                    \
      "Connections that have begun to speak HTTP.", LABEL(listener, LISTENER),                     \
      LABEL(version, HTTP_VERSION))                                                                \
    X(QUEUE_BYTES, "gush_queue_bytes", GAUGE, 1, 0, "Bytes that wait for slow readers, now.",      \
      LABEL(transport, TRANSPORT))                                                                 \
    X(QUEUE_CLIENTS, "gush_queue_clients", GAUGE, 1, 0,                                            \
      "Connections that something waits for, now.", LABEL(transport, TRANSPORT))                   \
    X(QUEUE_MESSAGES, "gush_queue_messages", GAUGE, 1, 0,                                          \
      "Frames that wait for slow readers, now.", LABEL(transport, TRANSPORT))                      \
    X(HANDSHAKES, "gush_tls_handshakes", COUNTER, 1, 0, "TLS handshakes of the HTTP listeners.",   \
      LABEL(listener, LISTENER), LABEL(result, HANDSHAKE))                                         \
    X(PROCESS_CPU, "process_cpu_seconds_total", COUNTER, 1e-6, ALWAYS,                             \
      "User and system time of the process.", NO_LABELS)                                           \
    X(PROCESS_MAX_FDS, "process_max_fds", GAUGE, 1, ALWAYS, "Limit of open descriptors.",          \
      NO_LABELS)                                                                                   \
    X(PROCESS_OPEN_FDS, "process_open_fds", GAUGE, 1, ALWAYS, "Open descriptors.", NO_LABELS)      \
    X(PROCESS_RESIDENT, "process_resident_memory_bytes", GAUGE, 1, ALWAYS, "Resident memory.",     \
      NO_LABELS)                                                                                   \
    X(PROCESS_START, "process_start_time_seconds", GAUGE, 1e-3, ALWAYS,                            \
      "When the process started, in Unix seconds.", NO_LABELS)                                     \
    X(PROCESS_VIRTUAL, "process_virtual_memory_bytes", GAUGE, 1, ALWAYS, "Virtual memory.",        \
      NO_LABELS)

#endif
