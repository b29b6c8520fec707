/* remote: a channel whose stream lives in a broker outside the process.
 *
 * A channel is out, joining, in, or leaving. Subscribing waits for the acknowledgement, only then
 * is history read, once per distinct position; answers of an older connection are asked again.
 * Meanwhile the subscription holds what arrives and merges it by offset.
 *
 * Owner     the channel               Thread  any, under the channel's lock; calls to the broker
 *                                             are made without locks
 * Limits    leaving lasts at least 1 s; one check per channel under way
 * spec: design 7 */
#ifndef GUSH_ENGINE_REMOTE_H
#define GUSH_ENGINE_REMOTE_H

#include "server/engine/node_priv.h"

/* What a subscription wants to know before it goes live. */
struct gush_remote_want {
    struct gush_client_ref client;
    uint32_t serial; /* of the subscription */
    bool read;       /* positioned: the stream's top at least */
    bool since;      /* recovering: publications after |offset| */
    bool latest;     /* cache recovery: the newest publication */
    uint64_t offset;
    int64_t limit;
};

/* What the broker said, shared by all who asked the same. */
struct gush_remote_result {
    atomic_uint refs;
    bool ok;
    uint64_t top;
    struct gush_epoch epoch;
    struct gush_publication **publications;
    size_t publications_n;
};

struct gush_remote *gush_remote_new(void);
void gush_remote_free(struct gush_remote *r); /* NULL is fine */
/* Not out: the channel must stay. |r| may be NULL. */
bool gush_remote_busy(const struct gush_remote *r);
bool gush_remote_wants_schedule(const struct gush_remote *r);
uint64_t gush_remote_scheduled(const struct gush_remote *r); /* UINT64_MAX: never */

/* What to tell the broker once the channel is unlocked. Zero it first. */
struct gush_remote_calls {
    bool subscribe;
    struct gush_broker_request *asks; /* linked */
};

/* Locked, the subscription is linked. True: it is live at once; false: an answer will come. */
bool gush_remote_subscribe(struct gush_node *node, struct gush_channel *ch,
                           const struct gush_remote_want *want, struct gush_remote_calls *calls);
/* Locked: a subscription was unlinked, perhaps the last one of this node. */
void gush_remote_part(struct gush_channel *ch, bool positioned, uint64_t now_ms);
/* No lock: makes the calls. */
void gush_remote_call(struct gush_node *node, struct gush_channel *ch,
                      struct gush_remote_calls *calls);
/* No lock: the channel's second is over; unsubscribes it if still nobody is there. */
void gush_remote_leave(struct gush_node *node, struct gush_channel *ch, uint64_t now_ms);
/* Asks again for a subscription that overflowed. No lock. */
void gush_remote_again(struct gush_node *node, struct gush_channel *ch,
                       const struct gush_remote_want *want);
/* One round of position checks over a shard; returns how many channels it looked at. No lock. */
size_t gush_remote_check_shard(struct gush_node *node, unsigned shard, uint64_t now_ms);

/* API calls. */
void gush_remote_publish(struct gush_node *node, struct gush_publish_call *call,
                         const struct gush_channel_options *options);
void gush_remote_history(struct gush_node *node, struct gush_history_call *call,
                         const struct gush_channel_options *options);
void gush_remote_history_remove(struct gush_node *node, struct gush_history_remove_call *call);

void gush_remote_result_unref(struct gush_remote_result *result);

#endif
