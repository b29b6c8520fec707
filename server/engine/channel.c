#include "server/engine/channel.h"

#include <limits.h>
#include <string.h>

#include "server/base/mem.h"

#include "server/engine/node_priv.h"
#include "server/engine/presence.h"
#include "server/engine/remote.h"

#define UNREAD_EVICT_N    4 /* looked at for each new one */
#define LEAVING_PER_SWEEP 32
#define KEYS_PER_SWEEP    1024 /* forgotten per shard and visit */

/* ---- references and the end ----------------------------------------------------------------- */

struct gush_channel *gush_channel_ref(struct gush_channel *ch)
{
    atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);
    return ch;
}

void gush_channel_unref(struct gush_channel *ch)
{
    if (ch == NULL || atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel) != 1)
        return;
    GUSH_ASSERT(ch->magic == gush_channel_MAGIC && ch->branches_n == 0);
    gush_stream_free(ch->stream);
    gush_presence_free(ch->presence);
    gush_remote_free(ch->remote);
    if (ch->branches != &ch->one)
        gush_free(ch->branches);
    gush_bytes_unref(ch->name);
    gush_mutex_fini(&ch->lock);
    ch->magic = GUSH_MAGIC_DEAD;
    gush_free(ch);
}

static bool has_reason_to_live(const struct gush_channel *ch)
{
    return ch->branches_n > 0 || ch->stream != NULL || gush_presence_n(ch->presence) > 0 ||
           gush_remote_busy(ch->remote);
}

static struct gush_channel *channel_new(struct gush_channel_table *t, struct gush_span name,
                                        const struct gush_channel_options *options)
{
    struct gush_channel *ch = GUSH_NEW(struct gush_channel);

    ch->magic = gush_channel_MAGIC;
    atomic_init(&ch->refs, 1); /* the table's */
    gush_mutex_init(&ch->lock);
    ch->table = t;
    ch->name = gush_bytes_copy(name);
    ch->options = options;
    ch->branches = &ch->one;
    ch->branches_cap = 1;
    if (t->node->broker)
        ch->remote = gush_remote_new();
    atomic_fetch_add_explicit(&t->channels_n, 1, memory_order_relaxed);
    return ch;
}

static struct gush_span channel_key(const void *entry)
{
    return gush_bytes_span(((const struct gush_channel *)entry)->name);
}

/* ---- the shard's heap of deadlines ---------------------------------------------------------- */

static void heap_put(struct gush_channel_shard *sh, uint32_t at, struct gush_channel *ch)
{
    sh->heap[at] = ch;
    ch->heap_at = at + 1;
}

static void heap_up(struct gush_channel_shard *sh, uint32_t at)
{
    struct gush_channel *ch = sh->heap[at];

    while (at > 0 && sh->heap[(at - 1) / 2]->heap_due_ms > ch->heap_due_ms) {
        heap_put(sh, at, sh->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(sh, at, ch);
}

static void heap_down(struct gush_channel_shard *sh, uint32_t at)
{
    struct gush_channel *ch = sh->heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= sh->heap_n)
            break;
        if (child + 1 < sh->heap_n &&
            sh->heap[child + 1]->heap_due_ms < sh->heap[child]->heap_due_ms)
            child++;
        if (sh->heap[child]->heap_due_ms >= ch->heap_due_ms)
            break;
        heap_put(sh, at, sh->heap[child]);
        at = child;
    }
    heap_put(sh, at, ch);
}

static void heap_remove(struct gush_channel_shard *sh, struct gush_channel *ch)
{
    if (ch->heap_at == 0)
        return;
    uint32_t at = ch->heap_at - 1;
    struct gush_channel *last = sh->heap[--sh->heap_n];

    ch->heap_at = 0;
    if (last == ch)
        return;
    heap_put(sh, at, last);
    heap_up(sh, at);
    heap_down(sh, last->heap_at - 1);
}

void gush_channel_schedule(struct gush_channel_table *t, struct gush_channel *ch, uint64_t due_ms)
{
    struct gush_channel_shard *sh = gush_channel_shard(t, gush_bytes_span(ch->name));

    if (ch->heap_at == 0) {
        if (sh->heap_n == sh->heap_cap) {
            sh->heap_cap = sh->heap_cap ? sh->heap_cap * 2 : 8;
            sh->heap = gush_realloc(sh->heap, sh->heap_cap * sizeof(struct gush_channel *));
        }
        ch->heap_due_ms = due_ms;
        heap_put(sh, sh->heap_n++, ch);
        heap_up(sh, ch->heap_at - 1);
        return;
    }
    ch->heap_due_ms = due_ms;
    heap_up(sh, ch->heap_at - 1);
    heap_down(sh, ch->heap_at - 1);
}

/* ---- streams that were only read ------------------------------------------------------------ */

static void unread_remove(struct gush_channel_shard *sh, struct gush_channel *ch)
{
    if (!ch->unread)
        return;
    *ch->unread_pprev = ch->unread_next;
    if (ch->unread_next)
        ch->unread_next->unread_pprev = ch->unread_pprev;
    else
        sh->unread_tail = ch->unread_pprev;
    ch->unread = false;
    sh->unread_n--;
}

static void unread_append(struct gush_channel_shard *sh, struct gush_channel *ch)
{
    GUSH_ASSERT(!ch->unread);
    ch->unread = true;
    ch->unread_next = NULL;
    ch->unread_pprev = sh->unread_tail;
    *sh->unread_tail = ch;
    sh->unread_tail = &ch->unread_next;
    sh->unread_n++;
}

/* Shard and channel locked, and |ch| has no reason to live: out of the table. */
static void channel_die(struct gush_channel_table *t, struct gush_channel_shard *sh,
                        struct gush_channel *ch)
{
    ch->dead = true;
    gush_map_remove(&sh->map, gush_bytes_span(ch->name));
    heap_remove(sh, ch);
    unread_remove(sh, ch);
    atomic_fetch_sub_explicit(&t->channels_n, 1, memory_order_relaxed);
}

/* Shard locked: the longest unwritten stream goes, or to the end if somebody listens to it. */
static void unread_evict_one(struct gush_channel_table *t, struct gush_channel_shard *sh,
                             struct gush_channel *ch)
{
    bool died = false;

    gush_mutex_lock(&ch->lock);
    unread_remove(sh, ch);
    if (ch->branches_n > 0) {
        unread_append(sh, ch);
    } else if (ch->stream && ch->stream->top == 0) {
        gush_stream_free(ch->stream);
        ch->stream = NULL;
        died = !has_reason_to_live(ch);
        if (died)
            channel_die(t, sh, ch);
    }
    gush_mutex_unlock(&ch->lock);
    if (died)
        gush_channel_unref(ch);
}

/* More than one at a time, so that the list shrinks again after listeners left. */
static void unread_evict(struct gush_channel_table *t, struct gush_channel_shard *sh)
{
    for (unsigned n = 0; n < UNREAD_EVICT_N && sh->unread_n >= GUSH_CHANNEL_UNREAD_MAX; n++)
        unread_evict_one(t, sh, sh->unread);
}

/* ---- the table ------------------------------------------------------------------------------ */

static struct gush_span idempotency_key(const void *entry);
static bool idempotency_expire(struct gush_channel_table *t, struct gush_channel_shard *sh,
                               uint64_t now_ms, unsigned limit);

void gush_channel_table_init(struct gush_channel_table *t, struct gush_node *node)
{
    t->node = node;
    node->host->random(node->host->host, &t->hash_key, sizeof t->hash_key);
    for (unsigned i = 0; i < GUSH_CHANNEL_SHARDS; i++) {
        struct gush_channel_shard *sh = &t->shards[i];
        gush_mutex_init(&sh->lock);
        gush_map_init(&sh->map, channel_key, &t->hash_key);
        gush_map_init(&sh->idempotency, idempotency_key, &t->hash_key);
        sh->unread_tail = &sh->unread;
        sh->idempotency_newest = NULL;
    }
}

struct gush_channel_shard *gush_channel_shard(struct gush_channel_table *t, struct gush_span name)
{
    return &t->shards[(gush_hash(&t->hash_key, name) >> 56) % GUSH_CHANNEL_SHARDS];
}

static void make_stream(struct gush_channel_table *t, struct gush_channel_shard *sh,
                        struct gush_channel *ch, enum gush_channel_want want)
{
    uint64_t now_ms = gush__node_now_ms(t->node);

    if (ch->stream == NULL) {
        struct gush_epoch epoch;
        gush__node_new_epoch(t->node, &epoch);
        ch->stream = gush_stream_new(&epoch, now_ms + gush__node_meta_ttl_ms(t->node, ch->options));
        gush_channel_schedule(t, ch, ch->stream->meta_due_ms);
        if (want == GUSH_CHANNEL_READ)
            unread_append(sh, ch);
    }
    if (want != GUSH_CHANNEL_WRITE)
        return;
    unread_remove(sh, ch);
    /* A list begins, and ends before what the heap knows of. Later publications only move that
     * deadline back: the sweep finds out. */
    uint64_t due_ms = now_ms + (uint64_t)ch->options->history_ttl_s * 1000;
    if (ch->stream->history_due_ms == 0 && due_ms < ch->heap_due_ms)
        gush_channel_schedule(t, ch, due_ms);
}

/* Shard held. Finds or makes; a reference for the caller. */
static struct gush_channel *find_or_new(struct gush_channel_table *t, struct gush_channel_shard *sh,
                                        struct gush_span name,
                                        const struct gush_channel_options *options,
                                        enum gush_channel_want want)
{
    struct gush_channel *ch = gush_map_find(&sh->map, name);

    if (ch == NULL && want == GUSH_CHANNEL_FIND)
        return NULL;
    if (ch == NULL) {
        ch = channel_new(t, name, options);
        gush_map_insert(&sh->map, ch);
    }
    return gush_channel_ref(ch);
}

static bool needs_shard(const struct gush_channel *ch, enum gush_channel_want want)
{
    if (ch->remote || want < GUSH_CHANNEL_READ)
        return false;
    return ch->stream == NULL ||
           (want == GUSH_CHANNEL_WRITE && (ch->unread || ch->stream->history_due_ms == 0));
}

/* Clang cannot follow a lock that is handed from function to function: the three that hand the
 * channel's over are not analysed. */
GUSH_TSA(no_thread_safety_analysis)
struct gush_channel *gush_channel_lock(struct gush_channel_table *t, struct gush_span name,
                                       const struct gush_channel_options *options,
                                       enum gush_channel_want want, bool shard_held)
{
    struct gush_channel_shard *sh = gush_channel_shard(t, name);
    bool keep_shard = shard_held;

    for (;;) {
        if (!shard_held)
            gush_mutex_lock(&sh->lock);
        if (keep_shard && want == GUSH_CHANNEL_READ)
            unread_evict(t, sh); /* now, while no channel is locked */
        struct gush_channel *ch = find_or_new(t, sh, name, options, want);
        if (ch == NULL) {
            if (!shard_held)
                gush_mutex_unlock(&sh->lock);
            return NULL;
        }
        if (!keep_shard)
            gush_mutex_unlock(&sh->lock);
        gush_mutex_lock(&ch->lock);
        bool again = ch->dead || (!keep_shard && needs_shard(ch, want));
        if (!again) {
            if (needs_shard(ch, want))
                make_stream(t, sh, ch, want);
            if (keep_shard && !shard_held)
                gush_mutex_unlock(&sh->lock);
            return ch;
        }
        keep_shard = true; /* next time both locks stay */
        gush_mutex_unlock(&ch->lock);
        gush_channel_release(t, ch);
    }
}

static void push(struct gush_posting *posting, struct gush_delivery *d)
{
    struct gush_lane *lane = d->branch->lane;

    switch (gush_mailbox_push(&lane->mailbox, &d->letter)) {
    case GUSH_MAILBOX_WAKE:
        posting->wake |= UINT64_C(1) << lane->index;
        break;
    case GUSH_MAILBOX_QUEUED:
        break;
    case GUSH_MAILBOX_CLOSED:
        d->letter.kind->drop(&d->letter);
        break;
    }
}

GUSH_TSA(no_thread_safety_analysis)
void gush_channel_hold(struct gush_channel *ch)
{
    gush_mutex_lock(&ch->lock);
}

GUSH_TSA(no_thread_safety_analysis)
void gush_channel_part(struct gush_channel *ch, struct gush_posting *posting)
{
    gush_mutex_unlock(&ch->lock);
    while (posting->later) {
        struct gush_delivery *d = posting->later;
        posting->later = (struct gush_delivery *)(void *)d->letter.next;
        push(posting, d);
    }
}

void gush_channel_finish(struct gush_channel_table *t, struct gush_posting *posting)
{
    gush__node_wake(t->node, posting->wake);
    posting->wake = 0;
}

void gush_channel_unlock(struct gush_channel_table *t, struct gush_channel *ch,
                         struct gush_posting *posting)
{
    gush_channel_part(ch, posting);
    gush_channel_finish(t, posting);
}

void gush_channel_release(struct gush_channel_table *t, struct gush_channel *ch)
{
    gush_mutex_lock(&ch->lock);
    bool idle = !ch->dead && !has_reason_to_live(ch);
    bool leaving = gush_remote_wants_schedule(ch->remote);
    gush_mutex_unlock(&ch->lock);
    if (idle || leaving) {
        struct gush_channel_shard *sh = gush_channel_shard(t, gush_bytes_span(ch->name));
        bool died = false;

        gush_mutex_lock(&sh->lock);
        gush_mutex_lock(&ch->lock);
        if (!ch->dead && !has_reason_to_live(ch)) {
            channel_die(t, sh, ch);
            died = true;
        } else if (!ch->dead && gush_remote_wants_schedule(ch->remote)) {
            gush_channel_schedule(t, ch, gush_remote_scheduled(ch->remote));
        }
        gush_mutex_unlock(&ch->lock);
        gush_mutex_unlock(&sh->lock);
        if (died)
            gush_channel_unref(ch); /* the table's */
    }
    gush_channel_unref(ch);
}

/* ---- letters -------------------------------------------------------------------------------- */

void gush_channel_post(struct gush_channel *ch, struct gush_posting *posting,
                       enum gush_delivery_kind kind, struct gush_frames *frames,
                       const struct gush_channel_place *place)
{
    size_t bytes_n = frames ? gush_publication_bytes(gush_frames_publication(frames)) : 0;

    ch->seq++;
    for (uint32_t i = 0; i < ch->branches_n; i++) {
        struct gush_branch *b = ch->branches[i];
        struct gush_delivery *d = gush_delivery_new(kind, b, frames);

        d->policy = ch->options->queue_policy;
        d->seq = ch->seq;
        d->offset = place->offset;
        d->epoch = place->epoch;
        d->lost = place->lost;
        d->posted_n = b->count;
        atomic_fetch_add_explicit(&b->lane->backlog_deliveries, b->count, memory_order_relaxed);
        atomic_fetch_add_explicit(&b->lane->backlog_bytes, bytes_n * b->count,
                                  memory_order_relaxed);
        if (GUSH_BUG(GUSH_BUG_PUSH_AFTER_UNLOCK)) {
            d->letter.next = (struct gush_letter *)(void *)posting->later;
            posting->later = d;
        } else {
            push(posting, d);
        }
    }
}

void gush_channel_publish(struct gush_channel *ch, struct gush_posting *posting,
                          struct gush_publication *p, const struct gush_publish_call *call,
                          int64_t size)
{
    struct gush_channel_place place = {0};

    if (size > 0) {
        gush_stream_append(ch->stream, p, size, call->version, call->version_epoch);
        place.offset = gush_publication_offset(p);
        place.epoch = ch->stream->epoch;
    }
    if (ch->branches_n == 0)
        return;
    struct gush_frames *frames = gush_frames_new(
        GUSH_PUSH_PUB, p, place.offset == 1 ? gush_epoch_span(&place.epoch) : GUSH_SPAN_EMPTY);
    gush_channel_post(ch, posting, GUSH_DELIVERY_PUB, frames, &place);
    gush_frames_unref(frames);
}

/* ---- branches ------------------------------------------------------------------------------- */

struct gush_branch *gush_channel_link(struct gush_channel *ch, struct gush_lane *lane)
{
    for (uint32_t i = 0; i < ch->branches_n; i++)
        if (ch->branches[i]->lane == lane) {
            ch->branches[i]->count++;
            return ch->branches[i];
        }
    if (ch->branches_n == ch->branches_cap) {
        uint32_t cap = ch->branches_cap * 2;
        struct gush_branch **more = gush_alloc(cap * sizeof(struct gush_branch *));
        memcpy(more, ch->branches, ch->branches_n * sizeof(struct gush_branch *));
        if (ch->branches != &ch->one)
            gush_free(ch->branches);
        ch->branches = more;
        ch->branches_cap = cap;
    }
    struct gush_branch *b = gush_branch_new(ch, lane);
    b->linked = true;
    b->count = 1;
    if (ch->branches_n++ == 0)
        atomic_fetch_add_explicit(&ch->table->listened_n, 1, memory_order_relaxed);
    ch->branches[ch->branches_n - 1] = b;
    return b;
}

void gush_channel_unlink(struct gush_channel *ch, struct gush_branch *b,
                         struct gush_posting *posting)
{
    GUSH_ASSERT(b->linked && b->count > 0 && b->channel == ch);
    if (--b->count > 0)
        return;
    b->linked = false;
    for (uint32_t i = 0; i < ch->branches_n; i++)
        if (ch->branches[i] == b) {
            ch->branches[i] = ch->branches[--ch->branches_n];
            break;
        }
    if (ch->branches_n == 0)
        atomic_fetch_sub_explicit(&ch->table->listened_n, 1, memory_order_relaxed);
    if (GUSH_BUG(GUSH_BUG_BRANCH_FREED_AT_ONCE)) {
        gush_branch_free(b);
        return;
    }
    /* Letters reach a branch only under this lock and while it is linked: none comes behind. */
    push(posting, gush_delivery_new(GUSH_DELIVERY_FREE, b, NULL));
}

uint32_t gush_channel_subscribers(const struct gush_channel *ch)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ch->branches_n; i++)
        n += ch->branches[i]->count;
    return n;
}

/* ---- deadlines ------------------------------------------------------------------------------ */

/* Both locked. The stream's position is forgotten; who still listens is told. */
static void expire_stream(struct gush_channel_table *t, struct gush_channel_shard *sh,
                          struct gush_channel *ch, uint64_t now_ms, struct gush_posting *posting)
{
    gush_stream_free(ch->stream);
    ch->stream = NULL;
    unread_remove(sh, ch);
    if (ch->branches_n == 0)
        return;
    struct gush_epoch epoch;
    gush__node_new_epoch(t->node, &epoch);
    ch->stream = gush_stream_new(&epoch, now_ms + gush__node_meta_ttl_ms(t->node, ch->options));
    unread_append(sh, ch);
    gush_channel_post(ch, posting, GUSH_DELIVERY_EPOCH, NULL,
                      &(struct gush_channel_place){.epoch = epoch});
}

/* Both locked. Returns when to look again, UINT64_MAX never. */
static uint64_t expire(struct gush_channel_table *t, struct gush_channel_shard *sh,
                       struct gush_channel *ch, uint64_t now_ms, struct gush_posting *posting)
{
    struct gush_stream *s = ch->stream;

    if (s && s->history_due_ms && s->history_due_ms <= now_ms)
        gush_stream_clear(s);
    if (s && s->meta_due_ms <= now_ms) {
        expire_stream(t, sh, ch, now_ms, posting);
        s = ch->stream;
    }
    uint64_t due = s ? s->meta_due_ms : UINT64_MAX;
    if (s && s->history_due_ms && s->history_due_ms < due)
        due = s->history_due_ms;
    uint64_t remote_due = gush_remote_scheduled(ch->remote);
    return remote_due < due ? remote_due : due;
}

/* True: |ch| left the table, and the table's reference is the caller's. |*leaving|: its second
 * without listeners is over. */
static bool sweep_one(struct gush_channel_table *t, struct gush_channel_shard *sh,
                      struct gush_channel *ch, uint64_t now_ms, uint64_t *wake, bool *leaving)
{
    struct gush_posting posting = {0};
    bool died = false;

    gush_mutex_lock(&ch->lock);
    *leaving = gush_remote_scheduled(ch->remote) <= now_ms;
    uint64_t due = expire(t, sh, ch, now_ms, &posting);
    if (!has_reason_to_live(ch)) {
        channel_die(t, sh, ch);
        died = true;
    } else if (due == UINT64_MAX) {
        heap_remove(sh, ch);
    } else {
        gush_channel_schedule(t, ch, due > now_ms ? due : now_ms + 1);
    }
    gush_mutex_unlock(&ch->lock);
    *wake |= posting.wake;
    return died;
}

bool gush_channel_sweep(struct gush_channel_table *t, unsigned shard, uint64_t now_ms,
                        unsigned *limit)
{
    struct gush_channel_shard *sh = &t->shards[shard];
    struct gush_channel *leaving[LEAVING_PER_SWEEP];
    unsigned leaving_n = 0;
    uint64_t wake = 0;

    gush_mutex_lock(&sh->lock);
    while (sh->heap_n > 0 && sh->heap[0]->heap_due_ms <= now_ms && *limit > 0 &&
           leaving_n < LEAVING_PER_SWEEP) {
        struct gush_channel *ch = sh->heap[0];
        bool leave;

        --*limit;
        if (sweep_one(t, sh, ch, now_ms, &wake, &leave))
            gush_channel_unref(ch);
        else if (leave)
            leaving[leaving_n++] =
                gush_channel_ref(ch); /* the broker is called without our locks */
    }
    bool more = sh->heap_n > 0 && sh->heap[0]->heap_due_ms <= now_ms;
    if (idempotency_expire(t, sh, now_ms, KEYS_PER_SWEEP))
        more = true;
    gush_mutex_unlock(&sh->lock);
    gush__node_wake(t->node, wake);
    for (unsigned i = 0; i < leaving_n; i++) {
        gush_remote_leave(t->node, leaving[i], now_ms);
        gush_channel_release(t, leaving[i]);
    }
    return more;
}

/* ---- idempotency ---------------------------------------------------------------------------- */

struct gush_idempotency {
    struct gush_idempotency *next; /* by age */
    uint64_t due_ms, offset;
    struct gush_epoch epoch;
    uint32_t key_n;
    uint8_t key[]; /* channel, NUL, key */
};

static struct gush_span idempotency_key(const void *entry)
{
    const struct gush_idempotency *e = entry;
    return gush_span_of(e->key, e->key_n);
}

static void idempotency_drop_oldest(struct gush_channel_table *t, struct gush_channel_shard *sh)
{
    struct gush_idempotency *e = sh->idempotency_oldest;

    gush_map_remove(&sh->idempotency, gush_span_of(e->key, e->key_n));
    sh->idempotency_oldest = e->next;
    if (e->next == NULL)
        sh->idempotency_newest = NULL;
    gush_free(e);
    atomic_fetch_sub_explicit(&t->idempotency_n, 1, memory_order_relaxed);
}

/* Shard locked: forgets what is old, at most |limit|; true if more is. */
static bool idempotency_expire(struct gush_channel_table *t, struct gush_channel_shard *sh,
                               uint64_t now_ms, unsigned limit)
{
    while (sh->idempotency_oldest && sh->idempotency_oldest->due_ms <= now_ms) {
        if (limit-- == 0)
            return true;
        idempotency_drop_oldest(t, sh);
    }
    return false;
}

static struct gush_idempotency *idempotency_new(const struct gush_publish_call *call)
{
    size_t key_n = call->channel.n + 1 + call->idempotency_key.n;
    struct gush_idempotency *e = gush_zalloc(1, sizeof *e + key_n);

    e->key_n = (uint32_t)key_n;
    memcpy(e->key, call->channel.p, call->channel.n);
    memcpy(e->key + call->channel.n + 1, call->idempotency_key.p, call->idempotency_key.n);
    return e;
}

struct gush_idempotency *gush_channel_seen(struct gush_channel_table *t,
                                           struct gush_channel_shard *sh,
                                           struct gush_publish_call *call, uint64_t now_ms)
{
    (void)idempotency_expire(t, sh, now_ms, UINT_MAX);
    struct gush_idempotency *probe = idempotency_new(call);
    struct gush_idempotency *e =
        gush_map_find(&sh->idempotency, gush_span_of(probe->key, probe->key_n));
    gush_free(probe);
    if (e) {
        call->offset = e->offset;
        call->epoch = e->epoch;
    }
    return e;
}

void gush_channel_remember(struct gush_channel_table *t, struct gush_channel_shard *sh,
                           const struct gush_publish_call *call, uint64_t now_ms)
{
    struct gush_idempotency *e = idempotency_new(call);

    /* All keys of a busy channel are in one shard: the limit is of all shards together. */
    if (sh->idempotency_oldest &&
        atomic_load_explicit(&t->idempotency_n, memory_order_relaxed) >= GUSH_IDEMPOTENCY_MAX) {
        idempotency_drop_oldest(t, sh);
        atomic_fetch_add_explicit(&t->idempotency_evicted, 1, memory_order_relaxed);
    }
    e->due_ms = now_ms + GUSH_IDEMPOTENCY_TTL_MS;
    e->offset = call->offset;
    e->epoch = call->epoch;
    gush_map_insert(&sh->idempotency, e);
    atomic_fetch_add_explicit(&t->idempotency_n, 1, memory_order_relaxed);
    if (sh->idempotency_newest)
        sh->idempotency_newest->next = e;
    else
        sh->idempotency_oldest = e;
    sh->idempotency_newest = e;
}

/* ---- the end of the table ------------------------------------------------------------------- */

void gush_channel_table_fini(struct gush_channel_table *t)
{
    for (unsigned i = 0; i < GUSH_CHANNEL_SHARDS; i++) {
        struct gush_channel_shard *sh = &t->shards[i];
        struct gush_channel *ch;
        uint32_t at = 0;

        while ((ch = gush_map_next(&sh->map, &at)) != NULL) {
            gush_channel_ref(ch);
            channel_die(t, sh, ch);
            gush_channel_unref(ch);
            gush_channel_unref(ch);
        }
        while (sh->idempotency_oldest)
            idempotency_drop_oldest(t, sh);
        gush_map_fini(&sh->map);
        gush_map_fini(&sh->idempotency);
        gush_free(sh->heap);
        gush_mutex_fini(&sh->lock);
    }
}
