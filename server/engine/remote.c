#include "server/engine/remote.h"

#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/engine/client_priv.h"

#define LEAVING_MS 1000 /* nobody listens: how long the broker still sends */

enum remote_state { OUT, JOINING, IN, LEAVING, GOING };

struct waiter {
    struct waiter *next;
    struct gush_remote_want want;
};

enum request_kind { ASK, CHECK, PUBLISH, HISTORY, REMOVE };

/* One question to the broker. Its memory is ours; the broker only brings it back. */
struct gush_broker_request {
    struct gush_broker_request *next;
    enum request_kind kind;
    struct gush_channel *channel; /* counted; ASK and CHECK */
    uint64_t generation;          /* of the connection when it was asked */
    struct gush_remote_want want; /* ASK */
    struct waiter *waiters;       /* ASK: who asked exactly this */
    uint64_t seen_top;            /* CHECK: the newest offset that was handed out when asking, */
    struct gush_epoch seen_epoch; /* and its epoch */
    struct gush_api_call *call;   /* API calls */
};

struct gush_remote {
    enum remote_state state;
    bool wanted;   /* GOING: somebody came meanwhile */
    bool rejoined; /* JOINING: some were in before, on an older connection */
    bool checking;
    uint64_t generation; /* of the connection that acknowledged */
    uint64_t leave_due_ms, check_due_ms;
    struct waiter *waiting; /* for the acknowledgement */
    uint32_t positioned_n;  /* subscriptions whose position is checked */
    uint64_t seen_top;      /* newest offset handed to anybody, live or from history */
    struct gush_epoch seen_epoch;
};

struct gush_remote *gush_remote_new(void)
{
    return GUSH_NEW(struct gush_remote);
}

static void waiters_free(struct waiter *w)
{
    while (w) {
        struct waiter *next = w->next;
        gush_free(w);
        w = next;
    }
}

void gush_remote_free(struct gush_remote *r)
{
    if (r == NULL)
        return;
    waiters_free(r->waiting);
    gush_free(r);
}

bool gush_remote_busy(const struct gush_remote *r)
{
    return r && r->state != OUT;
}

bool gush_remote_wants_schedule(const struct gush_remote *r)
{
    return r && r->state == LEAVING;
}

uint64_t gush_remote_scheduled(const struct gush_remote *r)
{
    return gush_remote_wants_schedule(r) ? r->leave_due_ms : UINT64_MAX;
}

/* ---- answers travel to lanes ---------------------------------------------------------------- */

struct answer {
    struct gush_letter letter;
    struct gush_node *node;
    struct gush_remote_result *result; /* counted; NULL: acknowledged */
    struct waiter *waiters;            /* all of this lane */
};

void gush_remote_result_unref(struct gush_remote_result *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    gush_stream_release(r->publications, r->publications_n);
    gush_free(r);
}

static void answer_free(struct answer *a)
{
    waiters_free(a->waiters);
    gush_remote_result_unref(a->result);
    gush_free(a);
}

static void answer_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct answer *a = GUSH_CONTAINER(letter, struct answer, letter);
    struct gush_lane_state *s = gush__lane_state(a->node, lane);

    for (struct waiter *w = a->waiters; w; w = w->next) {
        struct gush_client *c = gush__lane_client(s, w->want.client);
        if (c)
            gush__client_on_answer(c, w->want.serial, a->result);
    }
    answer_free(a);
}

static void answer_drop(struct gush_letter *letter)
{
    answer_free(GUSH_CONTAINER(letter, struct answer, letter));
}

static const struct gush_letter_kind answer_kind = {"broker answer", answer_open, answer_drop};

/* Sends |result| (borrowed; NULL: acknowledged) to all |waiters| (taken), one letter per lane. */
static void answer(struct gush_node *node, struct waiter *waiters,
                   struct gush_remote_result *result)
{
    while (waiters) {
        struct answer *a = GUSH_NEW(struct answer);
        uint32_t lane = waiters->want.client.lane;
        struct waiter **at = &waiters;

        a->letter.kind = &answer_kind;
        a->node = node;
        if (result) {
            atomic_fetch_add_explicit(&result->refs, 1, memory_order_relaxed);
            a->result = result;
        }
        while (*at) {
            struct waiter *w = *at;
            if (w->want.client.lane != lane) {
                at = &w->next;
                continue;
            }
            *at = w->next;
            w->next = a->waiters;
            a->waiters = w;
        }
        gush_lane_post(node->lanes[lane], &a->letter);
    }
}

static void answer_failure(struct gush_node *node, struct waiter *waiters)
{
    struct gush_remote_result *r = GUSH_NEW(struct gush_remote_result);

    atomic_init(&r->refs, 1);
    answer(node, waiters, r);
    gush_remote_result_unref(r);
}

/* ---- asking --------------------------------------------------------------------------------- */

static struct gush_broker_request *request_new(enum request_kind kind, struct gush_channel *ch)
{
    struct gush_broker_request *q = GUSH_NEW(struct gush_broker_request);

    q->kind = kind;
    if (ch) {
        q->channel = gush_channel_ref(ch);
        q->generation = ch->remote->generation;
    }
    return q;
}

static bool same_question(const struct gush_remote_want *a, const struct gush_remote_want *b)
{
    return a->since == b->since && a->latest == b->latest && a->offset == b->offset &&
           a->limit == b->limit;
}

/* Locked. Ten thousand equal positions make one read. */
static void ask(struct gush_channel *ch, struct waiter *w, struct gush_remote_calls *calls)
{
    struct gush_broker_request *q = calls->asks;

    while (q && !(q->kind == ASK && same_question(&q->want, &w->want)))
        q = q->next;
    if (q == NULL) {
        q = request_new(ASK, ch);
        q->want = w->want;
        q->next = calls->asks;
        calls->asks = q;
    }
    w->next = q->waiters;
    q->waiters = w;
}

static struct waiter *waiter_new(const struct gush_remote_want *want)
{
    struct waiter *w = GUSH_NEW(struct waiter);
    w->want = *want;
    return w;
}

static void wait_for_ack(struct gush_remote *r, struct waiter *w)
{
    w->next = r->waiting;
    r->waiting = w;
}

bool gush_remote_subscribe(struct gush_node *node, struct gush_channel *ch,
                           const struct gush_remote_want *want, struct gush_remote_calls *calls)
{
    struct gush_remote *r = ch->remote;

    (void)node;
    if (want->read)
        r->positioned_n++;
    if (r->state == LEAVING)
        r->state = IN; /* somebody came back in time */
    if (r->state == IN && !want->read)
        return true;
    if (r->state == IN || (GUSH_BUG(GUSH_BUG_HISTORY_BEFORE_ACK) && want->read)) {
        ask(ch, waiter_new(want), calls);
        if (r->state != OUT)
            return false;
    } else {
        wait_for_ack(r, waiter_new(want));
    }
    if (r->state == GOING)
        r->wanted = true;
    if (r->state == OUT) {
        r->state = JOINING;
        calls->subscribe = true;
    }
    return false;
}

/* Nobody listens any more: a second from now it is left. */
static void idle(struct gush_channel *ch, uint64_t now_ms)
{
    struct gush_remote *r = ch->remote;

    if (r->state != IN)
        return;
    r->state = LEAVING;
    r->leave_due_ms = now_ms + LEAVING_MS;
}

void gush_remote_part(struct gush_channel *ch, bool positioned, uint64_t now_ms)
{
    if (ch->remote == NULL)
        return;
    if (positioned) {
        GUSH_ASSERT(ch->remote->positioned_n > 0);
        ch->remote->positioned_n--;
    }
    if (ch->branches_n == 0)
        idle(ch, now_ms);
}

void gush_remote_call(struct gush_node *node, struct gush_channel *ch,
                      struct gush_remote_calls *calls)
{
    const struct gush_broker *b = node->broker;
    struct gush_span name = gush_bytes_span(ch->name);
    struct gush_broker_request *q = calls->asks;

    /* While the connection is down, its return subscribes everything that is joining. */
    if (calls->subscribe && atomic_load(&node->remote_generation) != 0)
        b->subscribe(b->broker, name);
    while (q) {
        struct gush_broker_request *next = q->next;
        int64_t meta_ttl_s = (int64_t)(gush__node_meta_ttl_ms(node, ch->options) / 1000);
        bool check = q->kind == CHECK;
        b->history(b->broker, name, !check && q->want.since, q->want.offset,
                   !check && q->want.latest, check ? 0 : q->want.limit, meta_ttl_s, q);
        q = next;
    }
    calls->asks = NULL;
}

void gush_remote_again(struct gush_node *node, struct gush_channel *ch,
                       const struct gush_remote_want *want)
{
    struct gush_remote_calls calls = {0};
    struct gush_posting posting = {0};

    gush_channel_hold(ch);
    if (ch->remote->state == IN)
        ask(ch, waiter_new(want), &calls);
    else
        wait_for_ack(ch->remote, waiter_new(want));
    gush_channel_unlock(&node->channels, ch, &posting);
    gush_remote_call(node, ch, &calls);
}

/* ---- leaving -------------------------------------------------------------------------------- */

/* The call must not be overtaken by a SUBSCRIBE of somebody who comes now: until it returned, the
 * channel is going, and whoever comes waits for us to subscribe it anew. */
void gush_remote_leave(struct gush_node *node, struct gush_channel *ch, uint64_t now_ms)
{
    struct gush_remote *r = ch->remote;
    struct gush_remote_calls calls = {0};
    struct gush_posting posting = {0};

    gush_channel_hold(ch);
    bool go = r->state == LEAVING && r->leave_due_ms <= now_ms && ch->branches_n == 0;
    if (go)
        r->state = GOING;
    gush_channel_unlock(&node->channels, ch, &posting);
    if (!go)
        return;
    node->broker->unsubscribe(node->broker->broker, gush_bytes_span(ch->name));
    gush_channel_hold(ch);
    if (r->wanted || ch->branches_n > 0) {
        r->state = JOINING;
        calls.subscribe = true;
    } else {
        r->state = OUT;
    }
    r->wanted = false;
    gush_channel_unlock(&node->channels, ch, &posting);
    gush_remote_call(node, ch, &calls);
}

/* ---- positions ------------------------------------------------------------------------------ */

static void set_epoch(struct gush_epoch *out, struct gush_span epoch)
{
    out->n = (uint8_t)(epoch.n > GUSH_EPOCH_MAX ? GUSH_EPOCH_MAX : epoch.n);
    if (out->n)
        memcpy(out->s, epoch.p, out->n);
}

static bool same_epoch(const struct gush_epoch *a, const struct gush_epoch *b)
{
    return gush_span_eq(gush_epoch_span(a), gush_epoch_span(b));
}

/* Locked: somebody's position may be |offset| from now on. */
static void saw(struct gush_remote *r, uint64_t offset, const struct gush_epoch *epoch)
{
    if (!same_epoch(&r->seen_epoch, epoch)) {
        r->seen_epoch = *epoch;
        r->seen_top = 0;
    }
    if (offset > r->seen_top)
        r->seen_top = offset;
}

/* ---- position checks ------------------------------------------------------------------------ */

static void check(struct gush_channel *ch, struct gush_remote_calls *calls)
{
    struct gush_remote *r = ch->remote;

    if (r->checking || r->positioned_n == 0 || !gush__keeps_history(ch->options))
        return;
    struct gush_broker_request *q = request_new(CHECK, ch);
    q->seen_top = r->seen_top;
    q->seen_epoch = r->seen_epoch;
    q->next = calls->asks;
    calls->asks = q;
    r->checking = true;
}

/* References of every channel of a shard for which |wanted| says so. */
static struct gush_channel **collect(struct gush_node *node, unsigned shard, uint64_t now_ms,
                                     bool (*wanted)(struct gush_channel *, uint64_t), size_t *n)
{
    struct gush_channel_shard *sh = &node->channels.shards[shard];
    struct gush_channel **list = NULL, *ch;
    uint32_t at = 0;
    size_t cap = 0;

    *n = 0;
    gush_mutex_lock(&sh->lock);
    while ((ch = gush_map_next(&sh->map, &at)) != NULL) {
        gush_mutex_lock(&ch->lock);
        bool take = wanted(ch, now_ms);
        gush_mutex_unlock(&ch->lock);
        if (!take)
            continue;
        if (*n == cap) {
            cap = cap ? cap * 2 : 8;
            list = gush_realloc(list, cap * sizeof(struct gush_channel *));
        }
        list[(*n)++] = gush_channel_ref(ch);
    }
    gush_mutex_unlock(&sh->lock);
    return list;
}

static bool check_is_due(struct gush_channel *ch, uint64_t now_ms)
{
    const struct gush_remote *r = ch->remote;

    return r->state == IN && r->positioned_n > 0 && r->check_due_ms <= now_ms;
}

size_t gush_remote_check_shard(struct gush_node *node, unsigned shard, uint64_t now_ms)
{
    int64_t delay = node->config->client.channel_position_check_delay_ms;
    size_t n;

    if (delay <= 0)
        return 0;
    struct gush_channel **list = collect(node, shard, now_ms, check_is_due, &n);
    for (size_t i = 0; i < n; i++) {
        struct gush_remote_calls calls = {0};
        struct gush_posting posting = {0};
        bool first;

        gush_channel_hold(list[i]);
        first = list[i]->remote->check_due_ms == 0;
        /* Jitter by name, so that channels do not all ask in the same second. */
        list[i]->remote->check_due_ms =
            now_ms + (uint64_t)delay / 2 +
            gush_hash(&node->channels.hash_key, gush_bytes_span(list[i]->name)) %
                ((uint64_t)delay / 2 + 1);
        if (!first)
            check(list[i], &calls);
        gush_channel_unlock(&node->channels, list[i], &posting);
        gush_remote_call(node, list[i], &calls);
        gush_channel_release(&node->channels, list[i]);
    }
    gush_free(list);
    struct gush_channel_shard *sh = &node->channels.shards[shard];
    gush_mutex_lock(&sh->lock);
    size_t looked_at = gush_map_n(&sh->map);
    gush_mutex_unlock(&sh->lock);
    return looked_at;
}

/* ---- the broker's connection ---------------------------------------------------------------- */

static bool rejoin(struct gush_channel *ch, uint64_t now_ms)
{
    struct gush_remote *r = ch->remote;

    (void)now_ms;
    if (r->state == OUT || r->state == GOING)
        return false;
    r->rejoined = r->rejoined || r->state == IN;
    /* Nobody listens: on the new connection it is not subscribed, and need not be. */
    r->state = r->state == LEAVING ? OUT : JOINING;
    return true;
}

static bool is_joining(struct gush_channel *ch)
{
    gush_mutex_lock(&ch->lock);
    bool joining = ch->remote->state == JOINING;
    gush_mutex_unlock(&ch->lock);
    return joining;
}

void gush_broker_on_connected(struct gush_node *node, uint64_t generation)
{
    const struct gush_broker *b = node->broker;

    atomic_store(&node->remote_generation, generation);
    for (unsigned shard = 0; shard < GUSH_CHANNEL_SHARDS; shard++) {
        size_t n;
        struct gush_channel **list = collect(node, shard, 0, rejoin, &n);
        for (size_t i = 0; i < n; i++) {
            if (is_joining(list[i]))
                b->subscribe(b->broker, gush_bytes_span(list[i]->name));
            gush_channel_release(&node->channels, list[i]);
        }
        gush_free(list);
    }
}

void gush_broker_on_disconnected(struct gush_node *node)
{
    atomic_store(&node->remote_generation, 0);
}

/* Locked: the acknowledgement of SUBSCRIBE; only now is history asked. */
static struct waiter *acknowledge(struct gush_channel *ch, uint64_t generation,
                                  struct gush_remote_calls *calls)
{
    struct gush_remote *r = ch->remote;
    struct waiter *w = r->waiting, *ready = NULL;

    r->generation = generation;
    if (r->state != JOINING)
        return NULL;
    r->state = IN;
    r->waiting = NULL;
    while (w) {
        struct waiter *next = w->next;
        if (w->want.read) {
            ask(ch, w, calls);
        } else {
            w->next = ready;
            ready = w;
        }
        w = next;
    }
    if (r->rejoined)
        check(ch, calls); /* who was in before may have missed something */
    r->rejoined = false;
    return ready;
}

void gush_broker_on_subscribed(struct gush_node *node, struct gush_span channel,
                               uint64_t generation, bool ok)
{
    struct gush_remote_calls calls = {0};
    struct gush_posting posting = {0};
    struct waiter *ready = NULL, *failed = NULL;

    if (generation != atomic_load(&node->remote_generation))
        return; /* of a connection that is gone */
    struct gush_channel *ch =
        gush_channel_lock(&node->channels, channel, NULL, GUSH_CHANNEL_FIND, false);
    if (ch == NULL)
        return;
    if (ok) {
        ready = acknowledge(ch, generation, &calls);
        if (ch->branches_n == 0)
            idle(ch, gush__node_now_ms(node));
    } else if (ch->remote->state == JOINING) {
        failed = ch->remote->waiting;
        ch->remote->waiting = NULL;
        if (ch->branches_n > 0)
            calls.subscribe = true; /* others depend on it: again */
        else
            ch->remote->state = OUT;
    }
    gush_channel_unlock(&node->channels, ch, &posting);
    answer(node, ready, NULL);
    if (failed)
        answer_failure(node, failed);
    gush_remote_call(node, ch, &calls);
    gush_channel_release(&node->channels, ch);
}

void gush_broker_on_publication(struct gush_node *node, struct gush_span channel,
                                struct gush_publication *p, struct gush_span epoch)
{
    struct gush_posting posting = {0};
    struct gush_epoch e = {0};
    uint64_t offset = gush_publication_offset(p);
    struct gush_channel *ch =
        gush_channel_lock(&node->channels, channel, NULL, GUSH_CHANNEL_FIND, false);

    if (ch == NULL)
        return;
    set_epoch(&e, epoch);
    if (offset > 0)
        saw(ch->remote, offset, &e);
    if (ch->branches_n > 0) {
        struct gush_frames *frames =
            gush_frames_new(GUSH_PUSH_PUB, p, offset == 1 ? gush_epoch_span(&e) : GUSH_SPAN_EMPTY);
        gush_channel_post(ch, &posting, GUSH_DELIVERY_PUB, frames,
                          &(struct gush_channel_place){.offset = offset, .epoch = e});
        gush_frames_unref(frames);
    }
    gush_channel_unlock(&node->channels, ch, &posting);
    gush_channel_release(&node->channels, ch);
}

/* ---- API calls over the broker -------------------------------------------------------------- */

void gush_remote_publish(struct gush_node *node, struct gush_publish_call *call,
                         const struct gush_channel_options *options)
{
    const struct gush_broker *b = node->broker;
    bool keep = gush__keeps_history(options) && !call->skip_history;
    struct gush_bytes *name = gush_bytes_copy(call->channel);
    struct gush_broker_publish publish = {
        .channel = gush_bytes_span(name),
        .publication = gush_publication_new(name, &(struct gush_pub){.data = call->data,
                                                                     .info = call->info,
                                                                     .tags = call->tags,
                                                                     .tags_n = call->tags_n}),
        .history_size = keep ? options->history_size : 0,
        .history_ttl_s = keep ? options->history_ttl_s : 0,
        .history_meta_ttl_s = (int64_t)(gush__node_meta_ttl_ms(node, options) / 1000),
        .idempotency_key = call->idempotency_key,
        .version = call->version,
        .version_epoch = call->version_epoch,
    };
    struct gush_broker_request *q = request_new(PUBLISH, NULL);

    q->call = &call->call;
    b->publish(b->broker, &publish, q);
    gush_publication_unref(publish.publication);
    gush_bytes_unref(name);
}

void gush_remote_history(struct gush_node *node, struct gush_history_call *call,
                         const struct gush_channel_options *options)
{
    struct gush_broker_request *q = request_new(HISTORY, NULL);

    q->call = &call->call;
    node->broker->history(node->broker->broker, call->channel, call->has_since, call->since_offset,
                          call->reverse, call->limit,
                          (int64_t)(gush__node_meta_ttl_ms(node, options) / 1000), q);
}

void gush_remote_history_remove(struct gush_node *node, struct gush_history_remove_call *call)
{
    struct gush_broker_request *q = request_new(REMOVE, NULL);

    q->call = &call->call;
    node->broker->history_remove(node->broker->broker, call->channel, q);
}

void gush_broker_on_published(struct gush_node *node, struct gush_broker_request *q, bool ok,
                              uint64_t offset, struct gush_span epoch)
{
    (void)node;
    if (q->kind == PUBLISH) {
        struct gush_publish_call *call = GUSH_CONTAINER(q->call, struct gush_publish_call, call);
        call->offset = offset;
        set_epoch(&call->epoch, epoch);
    }
    gush__node_answer(q->call, ok ? GUSH_ERROR_NONE : GUSH_ERROR_INTERNAL);
    gush_free(q);
}

/* ---- what the broker read ------------------------------------------------------------------- */

static struct gush_publication **copy_refs(struct gush_publication *const *publications, size_t n)
{
    struct gush_publication **copy = n ? gush_zalloc(n, sizeof(struct gush_publication *)) : NULL;
    for (size_t i = 0; i < n; i++)
        copy[i] = gush_publication_ref(publications[i]);
    return copy;
}

static void history_done(struct gush_history_call *call, const struct gush_broker_history *h)
{
    uint32_t error = h->ok ? GUSH_ERROR_NONE : GUSH_ERROR_INTERNAL;

    call->offset = h->offset;
    set_epoch(&call->epoch, h->epoch);
    if (h->ok && call->has_since && call->since_epoch.n &&
        !gush_span_eq(call->since_epoch, h->epoch)) {
        error = GUSH_ERROR_UNRECOVERABLE_POSITION;
    } else if (h->ok) {
        call->publications = copy_refs(h->publications, h->publications_n);
        call->publications_n = h->publications_n;
    }
    gush__node_answer(&call->call, error);
}

static void ask_done(struct gush_node *node, struct gush_broker_request *q,
                     struct gush_remote_result *result)
{
    struct gush_channel *ch = q->channel;
    struct gush_remote_calls calls = {0};
    struct gush_posting posting = {0};
    struct waiter *w = q->waiters;

    gush_channel_hold(ch);
    bool current = ch->remote->generation == q->generation && ch->remote->state == IN;
    if (GUSH_BUG(GUSH_BUG_OLD_GENERATION_ACCEPTED) || GUSH_BUG(GUSH_BUG_HISTORY_BEFORE_ACK))
        current = true;
    if (result->ok && current) {
        saw(ch->remote, result->top, &result->epoch);
    } else if (result->ok) {
        /* The connection changed meanwhile: ask again, now or when it is acknowledged. */
        q->waiters = NULL;
        while (w) {
            struct waiter *next = w->next;
            if (ch->remote->state == IN)
                ask(ch, w, &calls);
            else
                wait_for_ack(ch->remote, w);
            w = next;
        }
    }
    gush_channel_unlock(&node->channels, ch, &posting);
    answer(node, q->waiters, result);
    q->waiters = NULL;
    gush_remote_call(node, ch, &calls);
}

static void check_done(struct gush_node *node, struct gush_broker_request *q, bool ok, uint64_t top,
                       struct gush_span epoch)
{
    struct gush_channel *ch = q->channel;
    struct gush_posting posting = {0};
    struct gush_epoch e = {0};

    set_epoch(&e, epoch);
    gush_channel_hold(ch);
    ch->remote->checking = false;
    bool lost = same_epoch(&q->seen_epoch, &e) && q->seen_top > top;
    if (ok && ch->remote->generation == q->generation && ch->remote->state == IN)
        gush_channel_post(ch, &posting, GUSH_DELIVERY_CHECK, NULL,
                          &(struct gush_channel_place){top, e, lost});
    else
        ch->remote->check_due_ms = 1; /* soon again */
    gush_channel_unlock(&node->channels, ch, &posting);
}

void gush_broker_on_history(struct gush_node *node, struct gush_broker_request *q,
                            const struct gush_broker_history *h)
{
    switch (q->kind) {
    case ASK: {
        struct gush_remote_result *r = GUSH_NEW(struct gush_remote_result);
        atomic_init(&r->refs, 1);
        r->ok = h->ok;
        r->top = h->offset;
        set_epoch(&r->epoch, h->epoch);
        r->publications = copy_refs(h->publications, h->publications_n);
        r->publications_n = h->publications_n;
        ask_done(node, q, r);
        gush_remote_result_unref(r);
        break;
    }
    case CHECK:
        check_done(node, q, h->ok, h->offset, h->epoch);
        break;
    case HISTORY:
        history_done(GUSH_CONTAINER(q->call, struct gush_history_call, call), h);
        break;
    case PUBLISH:
    case REMOVE:
        GUSH_ASSERT(q->kind != PUBLISH && q->kind != REMOVE);
    }
    if (q->channel)
        gush_channel_release(&node->channels, q->channel);
    gush_free(q);
}
