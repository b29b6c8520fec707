/* Listeners of numbered publications, in channels of every policy: what the tests of a session and
 * of its queue share. */
#ifndef GUSH_TESTS_UNIT_ENGINE_LISTENERS_H
#define GUSH_TESTS_UNIT_ENGINE_LISTENERS_H

#include "tests/unit/engine/harness.h"

#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true"

/* |client| are more members of the section: "" or ",...". */
#define CONFIG(client)                                                                             \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"                                 \
    "\"insecure_skip_token_signature_verify\":true" client "},"                                    \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{" OPEN "},"                  \
    "\"namespaces\":[{\"name\":\"drop\",\"queue_policy\":\"drop_oldest\"," OPEN "},"               \
    "{\"name\":\"latest\",\"queue_policy\":\"latest\"," OPEN "},"                                  \
    "{\"name\":\"rec\",\"history_size\":50,\"history_ttl\":\"50s\",\"force_recovery\":true," OPEN  \
    "},{\"name\":\"who\",\"presence\":true,\"join_leave\":true,"                                   \
    "\"force_push_join_leave\":true," OPEN "}]}}"

/* Subscribed to |channel|, the connect push heard. */
static inline struct peer *listener(struct world *w, const char *channel)
{
    char json[128];

    (void)snprintf(json, sizeof(json), "{\"subs\":{\"%s\":{}}}", channel);
    struct peer *p = peer_new(w, json);
    expect_connected(p);
    return p;
}

static inline void publish_numbers(struct world *w, const char *channel, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++) {
        char data[16];
        (void)snprintf(data, sizeof(data), "%u", i);
        publish(w, channel, data);
    }
}

static inline void expect_number(struct peer *p, const char *channel, unsigned i)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "{\"channel\":\"%s\",\"pub\":{\"data\":%u}}", channel, i);
    expect(p, text);
}

static inline void expect_numbers(struct peer *p, const char *channel, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++)
        expect_number(p, channel, i);
}

#endif
