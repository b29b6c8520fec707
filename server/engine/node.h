/* node: the engine as the rest of the server sees it: lanes in, API calls in, broker answers in.
 *
 * An API call is a structure of the caller: inputs are borrowed and the structure stays the
 * engine's until |done| runs, on the lane named |home|, behind the letters that the call caused.
 * |done| always runs, exactly once, unless the home lane has closed: then |dropped| runs instead,
 * on any thread.
 *
 * Owner     server/app                Thread  any, unless said otherwise
 * Lifetime  from before the lanes' first turn until after their gush_lane_close */
#ifndef GUSH_ENGINE_NODE_H
#define GUSH_ENGINE_NODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/lane.h"

#include "server/codec/message.h"
#include "server/config/config.h"

#include "server/auth/token.h"

#include "server/engine/port_broker.h"
#include "server/engine/port_host.h"
#include "server/engine/publication.h"

struct gush_metrics;
struct gush_node;
struct gush_user;

struct gush_node_options {
    const struct gush_config *config;           /* borrowed, frozen */
    const struct gush_token_verifier *verifier; /* borrowed */
    const struct gush_broker *broker;           /* borrowed; NULL: local streams */
    const struct gush_host *host;               /* borrowed */
    struct gush_lane **lanes;                   /* borrowed array: index i has lane->index i */
    size_t lanes_n;
    const char *version; /* as told to clients: "0.0.0 OSS" */
};

struct gush_node *gush_node_new(const struct gush_node_options *options);
void gush_node_free(struct gush_node *node);
/* On each lane's thread before its first turn: arms the sweep of its shards. */
void gush_node_lane_start(struct gush_node *node, struct gush_lane *lane);
/* Ends every client of every lane with |code|: returns at once, the lanes do it, behind what was
 * posted to them before. */
void gush_node_disconnect_all(struct gush_node *node, uint32_t code);
/* From now on whoever wants to connect is sent away with 3001. Who counts what is under way before
 * he looks whether the node is closed (both sequentially consistent) is seen by whoever closes it
 * and then looks at the count, or is turned away. */
void gush_node_close(struct gush_node *node);
bool gush_node_closed(const struct gush_node *node);
/* Of everybody who is there at the first of these calls, makes |share| of GUSH_NODE_EVERYBODY go
 * with |code|, on each lane alike; the last share takes also who came since. Shares grow. Returns
 * at once, as above. */
#define GUSH_NODE_EVERYBODY 65536
void gush_node_disconnect_share(struct gush_node *node, uint32_t code, uint32_t share);

const struct gush_config *gush_node_config(const struct gush_node *node);
/* Where everybody counts. */
struct gush_metrics *gush_node_metrics(const struct gush_node *node);
/* Gives the gauges of the node their present values. */
void gush_node_gauges(struct gush_node *node);

/* ---- API calls ------------------------------------------------------------------------------ */

struct gush_api_call {
    struct gush_letter letter; /* the engine's */
    struct gush_lane *home;
    void (*done)(struct gush_api_call *call);
    void (*dropped)(struct gush_api_call *call); /* frees without answering */
    uint32_t error;                              /* out: 0 or a code of base/codes */
};

#define GUSH_EPOCH_MAX 23
struct gush_epoch {
    uint8_t n;
    char s[GUSH_EPOCH_MAX];
};

static inline struct gush_span gush_epoch_span(const struct gush_epoch *e)
{
    return gush_span_of(e->s, e->n);
}

struct gush_publish_call {
    struct gush_api_call call;
    struct gush_span channel, data;
    const struct gush_client_info *info; /* NULL: none */
    const struct gush_tag *tags;
    size_t tags_n;
    struct gush_span idempotency_key, version_epoch;
    uint64_t version;
    bool skip_history, delta;
    /* out */
    uint64_t offset;
    struct gush_epoch epoch; /* n 0: the channel keeps no stream */
    /* the engine's until done */
    struct gush_publication *publication;
    struct gush_node *node;
};

/* Channel, namespace and data format are checked: errors 107, 102, 107 in that order.  Then the
 * broker's verdict: 100 when it failed. */
void gush_publish(struct gush_node *node, struct gush_publish_call *call);

struct gush_history_call {
    struct gush_api_call call;
    struct gush_span channel;
    int64_t limit; /* 0: position only, < 0: all */
    bool has_since, reverse;
    uint64_t since_offset;
    struct gush_span since_epoch; /* empty: not compared */
    /* out; end with gush_history_call_fini in |done| or |dropped| */
    struct gush_publication **publications;
    size_t publications_n;
    uint64_t offset;
    struct gush_epoch epoch;
    struct gush_node *node; /* the engine's */
};

/* Errors: 107 no channel, 102 namespace, 108 no history, 112 other epoch, 100 reverse since 0 or
 * broker failure. */
void gush_history(struct gush_node *node, struct gush_history_call *call);
void gush_history_call_fini(struct gush_history_call *call);

struct gush_history_remove_call {
    struct gush_api_call call;
    struct gush_span channel;
    struct gush_node *node; /* the engine's */
};
void gush_history_remove(struct gush_node *node, struct gush_history_remove_call *call);

struct gush_presence_call {
    struct gush_api_call call;
    struct gush_span channel;
    bool stats_only;
    /* out; end with gush_presence_call_fini */
    struct gush_client_info *clients;
    size_t clients_n;
    uint32_t users_n;
    void *memory;
};
/* Errors: 107, 102, 108 presence is off. */
void gush_presence(struct gush_node *node, struct gush_presence_call *call);
void gush_presence_call_fini(struct gush_presence_call *call);

struct gush_channels_call {
    struct gush_api_call call;
    struct gush_span pattern; /* glob, empty: all */
    /* out; end with gush_channels_call_fini */
    struct gush_channel_count {
        struct gush_bytes *name;
        uint32_t clients;
    } * channels;
    size_t channels_n;
};
/* Error: 100 bad pattern. */
void gush_channels(struct gush_node *node, struct gush_channels_call *call);
void gush_channels_call_fini(struct gush_channels_call *call);

struct gush_info_call {
    struct gush_api_call call;
    /* out */
    char uid[36];
    const char *name, *version;
    uint32_t clients, users, channels, subs, uptime_s;
};
void gush_info(struct gush_node *node, struct gush_info_call *call);

/* ---- API calls on clients ---------------------------------------------------------------------
 */

enum gush_clients_action {
    GUSH_CLIENTS_SUBSCRIBE,
    GUSH_CLIENTS_UNSUBSCRIBE,
    GUSH_CLIENTS_DISCONNECT,
    GUSH_CLIENTS_REFRESH
};

/* One letter goes to each lane that has the user; the last one answers, so an answer means "done on
 * this node". Nobody connected is success. */
struct gush_clients_call {
    struct gush_api_call call;
    enum gush_clients_action action;
    struct gush_span user;            /* empty: connections without a user */
    struct gush_span client, session; /* narrow it down; empty: not */
    uint64_t before;                  /* only connections with a smaller number; 0: all */
    struct gush_span channel;         /* subscribe, unsubscribe (empty: a push and nothing else) */
    /* disconnect */
    bool has_code; /* |code| and |reason| are said as they are; else 3503 */
    uint32_t code;
    struct gush_span reason;
    const struct gush_span *whitelist; /* client ids that stay, sorted by gush_span_cmp */
    size_t whitelist_n;
    /* subscribe */
    struct gush_span data;                      /* of the push */
    const struct gush_token_override *override; /* NULL: none */
    bool has_since;
    uint64_t since_offset;
    struct gush_span since_epoch;
    /* subscribe, refresh */
    struct gush_span info;
    int64_t expire_at_s; /* Unix; 0 or below: never */
    bool expired;        /* refresh: now */
    /* the engine's until done */
    struct gush_node *node;
    struct gush_user *held;
    atomic_uint parts_n; /* still to come */
    atomic_uint failed;  /* first error */
};

/* Errors: 107 no channel, 102 namespace, 100 a client could not be subscribed (already is, expiry
 * in the past). */
void gush_clients(struct gush_node *node, struct gush_clients_call *call);

/* ---- Backpressure --------------------------------------------------------------------------- */

/* Where an API door waits while lanes are behind (lanes.backlog_*). */
struct gush_door {
    struct gush_letter letter; /* its kind is the door's: opened on |lane| when to go on */
    struct gush_lane *lane;
    /* the engine's */
    struct gush_node *node;
    const struct gush_letter_kind *kind; /* the owner's, while the letter bears ours */
    struct gush_door *next;
    bool waiting; /* from hold until the letter opens */
};

/* True: a lane is over its backlog; stop reading, |door|'s letter is posted once all are below
 * half. False: go on. Calling again while waiting is allowed. */
bool gush_node_hold(struct gush_node *node, struct gush_door *door);

/* ---- What is alive, for /debug/live and tests ----------------------------------------------- */

struct gush_live {
    uint64_t clients, subscriptions, channels, branches, users, publications, frames, letters,
        bytes;
};
void gush_node_live(const struct gush_node *node, struct gush_live *out);

/* ---- Answers of a remote broker (see port_broker.h) ----------------------------------------- */

/* The PUB/SUB connection is up (again): |generation| grows. Channels in use are subscribed anew. */
void gush_broker_on_connected(struct gush_node *node, uint64_t generation);
/* It is gone: what is asked from now on waits for the next one. */
void gush_broker_on_disconnected(struct gush_node *node);
/* SUBSCRIBE was acknowledged, or failed (|ok| false). */
void gush_broker_on_subscribed(struct gush_node *node, struct gush_span channel,
                               uint64_t generation, bool ok);
/* |publication| is borrowed. |offset| 0: not of a stream. */
void gush_broker_on_publication(struct gush_node *node, struct gush_span channel,
                                struct gush_publication *publication, struct gush_span epoch);
/* |ok| false: failed or timed out. Takes |request| back. */
void gush_broker_on_published(struct gush_node *node, struct gush_broker_request *request, bool ok,
                              uint64_t offset, struct gush_span epoch);
/* What a stream was found to hold. Everything is borrowed for the call. */
struct gush_broker_history {
    bool ok; /* false: failed or timed out, and nothing else counts */
    struct gush_publication *const *publications;
    size_t publications_n;
    uint64_t offset; /* the top of the stream */
    struct gush_span epoch;
};
/* Takes |request| back. */
void gush_broker_on_history(struct gush_node *node, struct gush_broker_request *request,
                            const struct gush_broker_history *history);

#endif
