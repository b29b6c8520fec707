/* port_broker: streams kept by brokers outside the process, and other nodes' publications.
 *
 * Every call returns at once; every answer comes by the gush_broker_on_* entries of node.h, on any
 * thread. An answer may be late, lost (the adapter then reports failure when its time is up), or
 * belong to an earlier connection: it carries the generation that was current when it was asked.
 * Local streams do not come here: they are the engine's own, under the channel's lock.
 *
 * Calls are made without any lock of the engine held. Names are borrowed for the call. */
#ifndef GUSH_ENGINE_PORT_BROKER_H
#define GUSH_ENGINE_PORT_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"

#include "server/codec/message.h"

struct gush_publication;

/* Opaque handle of a request; the answer brings it back. */
struct gush_broker_request;

struct gush_broker_publish {
    struct gush_span channel;
    struct gush_publication *publication;                    /* borrowed; ref it to keep it */
    int64_t history_size, history_ttl_s, history_meta_ttl_s; /* size 0: not kept */
    struct gush_span idempotency_key;
    uint64_t version;
    struct gush_span version_epoch;
};

struct gush_broker {
    const char *name;
    /* PUB/SUB. Answered by gush_broker_on_subscribed with the generation of the connection. */
    void (*subscribe)(void *broker, struct gush_span channel);
    void (*unsubscribe)(void *broker, struct gush_span channel);
    /* Answered by gush_broker_on_published. */
    void (*publish)(void *broker, const struct gush_broker_publish *publish,
                    struct gush_broker_request *request);
    /* Publications after |offset| if |since|, else none; at most |limit| (0: position only, < 0:
     * all). Answered by gush_broker_on_history. */
    void (*history)(void *broker, struct gush_span channel, bool since, uint64_t offset,
                    bool reverse, int64_t limit, int64_t meta_ttl_s,
                    struct gush_broker_request *request);
    /* Answered by gush_broker_on_published with no position. */
    void (*history_remove)(void *broker, struct gush_span channel,
                           struct gush_broker_request *request);
    void *broker;
};

#endif
