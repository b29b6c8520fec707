/* channel: one named stream of publications, its branches, and the table of all channels.
 *
 * The table has 256 shards by keyed hash, a mutex each. Find under the shard's lock, then lock the
 * channel; if it is marked dead, look again. A channel dies, under both locks, without branches,
 * presence, remote business and stream.
 *
 * Owner     the table                 Thread  any, under the channel's lock
 * Locks     shard, then channel; never two channels; letters are pushed under the channel's lock,
 *           lanes are woken and brokers called after it
 * Limits    1,000,000 streams that were read but never written (strangers can create them)
 * spec: design 4; engines 2, 3 */
#ifndef GUSH_ENGINE_CHANNEL_H
#define GUSH_ENGINE_CHANNEL_H

#include <stdatomic.h>

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/base/map.h"
#include "server/base/sync.h"

#include "server/engine/branch.h"
#include "server/engine/node.h"
#include "server/engine/stream.h"

#define GUSH_CHANNEL_SHARDS     GUSH_SIM_SMALL(256, 2)
#define GUSH_CHANNEL_UNREAD_MAX GUSH_SIM_SMALL(1000000 / GUSH_CHANNEL_SHARDS, 1)
#define GUSH_IDEMPOTENCY_TTL_MS 300000
#define GUSH_IDEMPOTENCY_MAX    1000000

struct gush_presence;
struct gush_remote;
struct gush_subscription;

#define gush_channel_MAGIC GUSH_MAGIC('c', 'h', 'a', 'n')
struct gush_channel {
    GUSH_MAGIC_FIELD;
    atomic_uint refs;
    struct gush_mutex lock;
    struct gush_channel_table *table;           /* frozen */
    struct gush_bytes *name;                    /* frozen */
    const struct gush_channel_options *options; /* frozen */
    /* lock: this one */
    bool dead;
    uint64_t seq;                   /* of publications, joins, leaves and epoch changes */
    struct gush_stream *stream;     /* local streams; NULL: none */
    struct gush_presence *presence; /* NULL: nobody; guards itself */
    struct gush_remote *remote;     /* with a broker outside the process */
    struct gush_branch *one;        /* room for the usual case */
    struct gush_branch **branches;  /* &one, or an array */
    uint32_t branches_n, branches_cap;
    /* lock: the shard */
    uint32_t heap_at; /* 1-based place in the shard's heap of deadlines, 0 none */
    uint64_t heap_due_ms;
    bool unread; /* its stream was read but never written: in the shard's list */
    struct gush_channel *unread_next, **unread_pprev;
};

struct gush_idempotency; /* one remembered result */

struct gush_channel_shard {
    struct gush_mutex lock;
    struct gush_map map;
    struct gush_channel **heap;
    uint32_t heap_n, heap_cap;
    struct gush_channel *unread, **unread_tail;
    uint32_t unread_n;
    struct gush_map idempotency;
    struct gush_idempotency *idempotency_oldest, *idempotency_newest;
};

struct gush_channel_table {
    struct gush_node *node;
    struct gush_hash_key hash_key;
    atomic_uint_fast64_t channels_n;
    atomic_uint_fast64_t listened_n;          /* channels with subscribers on this node */
    atomic_uint_fast64_t idempotency_n;       /* remembered, over all shards */
    atomic_uint_fast64_t idempotency_evicted; /* statistic */
    struct gush_channel_shard shards[GUSH_CHANNEL_SHARDS];
};

/* What happened under a channel's lock and has to be finished after it. Zero it first. */
struct gush_posting {
    uint64_t wake;               /* lanes by index */
    struct gush_delivery *later; /* only with GUSH_BUG_PUSH_AFTER_UNLOCK */
};

enum gush_channel_want {
    GUSH_CHANNEL_FIND,
    GUSH_CHANNEL_CREATE,
    GUSH_CHANNEL_READ, /* and it has a stream */
    GUSH_CHANNEL_WRITE /* and it has a stream that somebody wrote to */
};

void gush_channel_table_init(struct gush_channel_table *t, struct gush_node *node);
/* Lanes are closed: frees every channel. */
void gush_channel_table_fini(struct gush_channel_table *t);
struct gush_channel_shard *gush_channel_shard(struct gush_channel_table *t, struct gush_span name);

/* Locked, with a reference; NULL only for FIND. |shard_held|: the caller holds the shard's lock. */
struct gush_channel *gush_channel_lock(struct gush_channel_table *t, struct gush_span name,
                                       const struct gush_channel_options *options,
                                       enum gush_channel_want want, bool shard_held);
/* Locks one that the caller has a reference of. */
void gush_channel_hold(struct gush_channel *ch);
/* Unlocks, and leaves what was posted to gush_channel_finish: for who holds the shard's lock. */
void gush_channel_part(struct gush_channel *ch, struct gush_posting *posting);
/* No lock held: wakes the lanes. */
void gush_channel_finish(struct gush_channel_table *t, struct gush_posting *posting);
/* Both. */
void gush_channel_unlock(struct gush_channel_table *t, struct gush_channel *ch,
                         struct gush_posting *posting);
/* Drops the caller's reference; a channel without a reason to live dies. No lock held. */
void gush_channel_release(struct gush_channel_table *t, struct gush_channel *ch);
struct gush_channel *gush_channel_ref(struct gush_channel *ch);
void gush_channel_unref(struct gush_channel *ch);

/* Where in its stream a letter stands; all zero: of no stream. */
struct gush_channel_place {
    uint64_t offset;
    struct gush_epoch epoch;
    bool lost; /* the broker lost writes: positions above |offset| are void */
};

/* Locked: posts one letter to every branch. */
void gush_channel_post(struct gush_channel *ch, struct gush_posting *posting,
                       enum gush_delivery_kind kind, struct gush_frames *frames,
                       const struct gush_channel_place *place);
/* Locked: appends to the stream if |size| > 0, then posts to all branches. */
void gush_channel_publish(struct gush_channel *ch, struct gush_posting *posting,
                          struct gush_publication *p, const struct gush_publish_call *call,
                          int64_t size);

/* Locked, on |lane|: the channel's branch there, made if need be, with one more subscriber. */
struct gush_branch *gush_channel_link(struct gush_channel *ch, struct gush_lane *lane);
/* Locked, on the branch's lane: one subscriber less. */
void gush_channel_unlink(struct gush_channel *ch, struct gush_branch *b,
                         struct gush_posting *posting);
/* Locked: subscribers over all lanes. */
uint32_t gush_channel_subscribers(const struct gush_channel *ch);

/* Expires what is due in |shard|, at most |*limit| channels, taken off it; true if more is due. */
bool gush_channel_sweep(struct gush_channel_table *t, unsigned shard, uint64_t now_ms,
                        unsigned *limit);
/* Locked, shard held: puts the channel into the heap for |due_ms|, or moves it. */
void gush_channel_schedule(struct gush_channel_table *t, struct gush_channel *ch, uint64_t due_ms);

/* With the shard's lock held: the remembered result of (channel, key), or NULL. */
struct gush_idempotency *gush_channel_seen(struct gush_channel_table *t,
                                           struct gush_channel_shard *shard,
                                           struct gush_publish_call *call, uint64_t now_ms);
void gush_channel_remember(struct gush_channel_table *t, struct gush_channel_shard *shard,
                           const struct gush_publish_call *call, uint64_t now_ms);

#endif
