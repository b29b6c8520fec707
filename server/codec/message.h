/* message: client protocol messages as plain views. Everything is borrowed; the encoder turns a
 * view into bytes, a decoder fills one over memory that it keeps.
 *
 * Spans named "raw" travel untouched: JSON text embedded as it is, protobuf bytes as they are.
 * spec: client protocol v2, sections 2 and 7 */
#ifndef GUSH_CODEC_MESSAGE_H
#define GUSH_CODEC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

struct gush_client_info {
    struct gush_span user, client;
    struct gush_span conn_info, chan_info; /* raw */
};

struct gush_tag {
    struct gush_span key, value;
};

struct gush_pub {
    struct gush_span data;               /* raw */
    const struct gush_client_info *info; /* NULL: none */
    uint64_t offset;
    const struct gush_tag *tags;
    size_t tags_n;
    bool delta;
    int64_t time_ms;
    struct gush_span channel, key;
    bool removed;
    int64_t score;
    struct gush_span epoch;
    struct gush_span prev_data; /* raw */
    uint64_t version;
};

struct gush_sub_result {
    struct gush_span channel; /* key in a connect result; unused in a subscribe reply */
    bool expires;
    uint32_t ttl_s;
    bool recoverable;
    struct gush_span epoch;
    const struct gush_pub *publications;
    size_t publications_n;
    bool recovered;
    uint64_t offset;
    bool positioned;
    struct gush_span data; /* raw */
    bool was_recovering;
    bool delta;
};

struct gush_connect_result {
    struct gush_span client, version;
    bool expires;
    uint32_t ttl_s;
    struct gush_span data; /* raw */
    const struct gush_sub_result *subs;
    size_t subs_n;
    uint32_t ping_s;
    bool pong;
    struct gush_span session, node;
    int64_t time_ms;
};

enum gush_push_kind {
    GUSH_PUSH_PING, /* the empty message */
    GUSH_PUSH_PUB,
    GUSH_PUSH_JOIN,
    GUSH_PUSH_LEAVE,
    GUSH_PUSH_UNSUBSCRIBE,
    GUSH_PUSH_MESSAGE,
    GUSH_PUSH_SUBSCRIBE,
    GUSH_PUSH_CONNECT,
    GUSH_PUSH_DISCONNECT,
    GUSH_PUSH_REFRESH
};

struct gush_push {
    enum gush_push_kind kind;
    struct gush_span channel;
    union {
        const struct gush_pub *pub;
        const struct gush_client_info *info; /* join, leave */
        struct {
            uint32_t code;
            struct gush_span reason;
        } end;                    /* unsubscribe, disconnect */
        struct gush_span message; /* raw */
        struct {
            bool recoverable, positioned;
            struct gush_span epoch;
            uint64_t offset;
            struct gush_span data; /* raw */
        } subscribe;
        const struct gush_connect_result *connect;
        struct {
            bool expires;
            uint32_t ttl_s;
        } refresh;
    } u;
};

enum gush_reply_kind {
    GUSH_REPLY_ERROR,
    GUSH_REPLY_CONNECT,
    GUSH_REPLY_SUBSCRIBE,
    GUSH_REPLY_UNSUBSCRIBE,
    GUSH_REPLY_PUBLISH,
    GUSH_REPLY_PRESENCE,
    GUSH_REPLY_PRESENCE_STATS,
    GUSH_REPLY_HISTORY,
    GUSH_REPLY_RPC,
    GUSH_REPLY_REFRESH,
    GUSH_REPLY_SUB_REFRESH
};

struct gush_reply {
    uint32_t id;
    enum gush_reply_kind kind;
    union {
        uint32_t error; /* code; text and temporary come from base/codes */
        const struct gush_connect_result *connect;
        const struct gush_sub_result *subscribe;
        struct {
            const struct gush_client_info *clients; /* keyed by their client id */
            size_t n;
        } presence;
        struct {
            uint32_t clients, users;
        } presence_stats;
        struct {
            const struct gush_pub *publications;
            size_t n;
            struct gush_span epoch;
            uint64_t offset;
        } history;
        struct gush_span rpc; /* raw */
        struct {
            bool expires;
            uint32_t ttl_s;
        } refresh; /* refresh, sub_refresh */
    } u;
};

/* What a client asks for when it connects. */
struct gush_connect_sub {
    struct gush_span channel;
    bool recover;
    uint64_t offset;
    struct gush_span epoch, delta;
};

struct gush_connect_header {
    struct gush_span name, value;
};

struct gush_connect_request {
    struct gush_span token, data, name, version; /* data raw */
    struct gush_connect_sub *subs;
    size_t subs_n;
    struct gush_connect_header *headers;
    size_t headers_n;
    struct gush_span last_event_id; /* of the transport: where the peer left off; empty: unsaid */
    void *memory; /* the decoder's: everything above points into it or into the input */
};

#endif
