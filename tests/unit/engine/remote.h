/* Worlds with a broker outside the process: their namespaces, and what their tests say again and
 * again. */
#ifndef GUSH_TESTS_UNIT_ENGINE_REMOTE_H
#define GUSH_TESTS_UNIT_ENGINE_REMOTE_H

#include "tests/unit/engine/broker.h"

#define REMOTE_NS(name, options)                                                                   \
    "{\"name\":\"" name "\",\"allow_subscribe_for_client\":true,"                                  \
    "\"allow_subscribe_for_anonymous\":true" options "}"
#define REMOTE_HISTORY ",\"history_size\":50,\"history_ttl\":\"50s\""
#define REMOTE_RECOVER ",\"force_recovery\":true"
#define REMOTE_CACHE   ",\"force_recovery_mode\":\"cache\""
#define REMOTE_LATEST  ",\"queue_policy\":\"latest\""
#define REMOTE_WHO     ",\"presence\":true,\"join_leave\":true,\"force_push_join_leave\":true"

#define REMOTE_NAMESPACES                                                                          \
    REMOTE_NS("rec", REMOTE_HISTORY REMOTE_RECOVER)                                                \
    "," REMOTE_NS("cache", REMOTE_HISTORY REMOTE_RECOVER REMOTE_CACHE) "," REMOTE_NS(              \
        "hist", REMOTE_HISTORY) "," REMOTE_NS("latest", REMOTE_LATEST) "," REMOTE_NS("who",        \
                                                                                     REMOTE_WHO)

/* |client|: more of the section client, with a comma before it. */
#define REMOTE_CONFIG(client)                                                                      \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"                                 \
    "\"insecure_skip_token_signature_verify\":true" client "},"                                    \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":"                             \
    "{\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                \
    "\"namespaces\":[" REMOTE_NAMESPACES "]}}"

/* What is known of a stream at offset 5 of epoch E. */
#define TOP_5 "\"recoverable\":true,\"epoch\":\"E\",\"offset\":5,\"positioned\":true"

static inline struct world *remote_world(void **state)
{
    return broker_world(state, &broker, REMOTE_CONFIG(""), 1);
}

/* Asks to recover |channel| from |offset| of epoch E. */
static inline struct peer *comes_back(struct world *w, const char *channel, unsigned offset)
{
    char json[256];

    (void)snprintf(json, sizeof(json),
                   "{\"subs\":{\"%s\":{\"recover\":true,\"offset\":%u,\"epoch\":\"E\"}}}", channel,
                   offset);
    return peer_new(w, json);
}

static inline void expect_result(struct peer *p, const char *channel, const char *result)
{
    char text[512];

    (void)snprintf(
        text, sizeof(text),
        "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"%s\":{%s}},"
        "\"session\":\"~\"}}",
        channel, result);
    expect(p, text);
}

static inline void expect_numbers(struct peer *p, const char *channel, unsigned first,
                                  unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        char text[128];
        (void)snprintf(text, sizeof(text),
                       "{\"channel\":\"%s\",\"pub\":{\"data\":%u,\"offset\":%u}}", channel, i, i);
        expect(p, text);
    }
}

/* A live subscriber of rec:a at offset |top|. */
static inline struct peer *live_one(struct world *w, unsigned top)
{
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    acknowledge(&broker, "rec:a");
    answer_top(&broker, asked_next(&broker, ASKED_HISTORY, "rec:a"), top, "E");
    expect_connected(p);
    expect_unasked(&broker);
    return p;
}

#endif
