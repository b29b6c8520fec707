#include "server/engine/client_plan.h"

#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/engine/presence.h"

/* ---- plans ------------------------------------------------------------------------------------
 */

static struct gush_span plan_key(const void *entry)
{
    return ((const struct gush_client_plan_sub *)entry)->channel;
}

struct gush_client_plan *gush_client_plan_new(struct gush_client *c,
                                              void (*finish)(struct gush_client *c,
                                                             struct gush_client_plan *plan))
{
    struct gush_client_plan *plan = GUSH_NEW(struct gush_client_plan);

    gush_map_init(&plan->by_channel, plan_key, &c->node->channels.hash_key);
    plan->finish = finish;
    plan->next = c->plans;
    c->plans = plan;
    return plan;
}

void gush_client_plan_free(struct gush_client *c, struct gush_client_plan *plan)
{
    struct gush_client_plan **at = &c->plans;

    while (*at != plan)
        at = &(*at)->next;
    *at = plan->next;
    for (size_t i = 0; i < plan->subs_n; i++) {
        gush_bytes_unref(plan->subs[i]->data);
        gush_stream_release(plan->subs[i]->publications, plan->subs[i]->publications_n);
        gush_free(plan->subs[i]);
    }
    gush_map_fini(&plan->by_channel);
    gush_free(plan->subs);
    gush_free(plan);
}

void gush__client_plans_abandon(struct gush_client *c)
{
    while (c->plans) {
        struct gush_client_plan *plan = c->plans;
        if (plan->abandon)
            plan->abandon(c, plan);
        gush_client_plan_free(c, plan);
    }
}

struct gush_client_plan_sub *gush_client_plan_find(const struct gush_client_plan *plan,
                                                   struct gush_span channel)
{
    return gush_map_find(&plan->by_channel, channel);
}

struct gush_client_plan_sub *gush_client_plan_add(struct gush_client *c,
                                                  struct gush_client_plan *plan,
                                                  struct gush_span channel,
                                                  const struct gush_channel_options *options)
{
    struct gush_client_plan_sub *found = gush_client_plan_find(plan, channel);
    int64_t limit = c->node->config->client.channel_limit;

    if (found)
        return found;
    if (limit >= 0 && c->subs_n + plan->subs_n >= (uint64_t)limit) {
        gush_client_disconnect(c, GUSH_DISCONNECT_CHANNEL_LIMIT, NULL);
        return NULL;
    }
    if (plan->subs_n == plan->cap) {
        plan->cap = plan->cap ? plan->cap * 2 : 2;
        plan->subs = gush_realloc(plan->subs, plan->cap * sizeof(struct gush_client_plan_sub *));
    }
    struct gush_client_plan_sub *p = GUSH_NEW(struct gush_client_plan_sub);
    p->channel = channel;
    p->options = options;
    plan->subs[plan->subs_n++] = p;
    gush_map_insert(&plan->by_channel, p);
    return p;
}

void gush_client_plan_position(struct gush_client_plan_sub *p, uint64_t offset,
                               struct gush_span epoch)
{
    p->since = offset;
    p->since_epoch_odd = epoch.n > GUSH_EPOCH_MAX;
    if (!p->since_epoch_odd && epoch.n) {
        p->since_epoch.n = (uint8_t)epoch.n;
        memcpy(p->since_epoch.s, epoch.p, epoch.n);
    }
}

void gush_client_plan_lost(struct gush_client_plan_sub *p)
{
    p->recover = true;
    p->since = 0;
    p->since_epoch_odd = true;
}

/* ---- entering one channel -------------------------------------------------------------------- */

static bool overridden(int8_t override, bool option)
{
    return override < 0 ? option : override > 0;
}

static struct gush_sub_options sub_options(const struct gush_client_plan_sub *p)
{
    static const struct gush_token_override none = {-1, -1, -1, -1, -1};
    const struct gush_token_override *o = p->override ? p->override : &none;
    const struct gush_channel_options *n = p->options;
    struct gush_sub_options s = {
        .recoverable = overridden(o->force_recovery, n->force_recovery),
        .push_join_leave = overridden(o->force_push_join_leave, n->force_push_join_leave),
        .presence = overridden(o->presence, n->presence),
        .join_leave = overridden(o->join_leave, n->join_leave),
        .from_token = p->from_token,
        .chan_info = p->chan_info,
    };
    /* Recovery implies a position. */
    s.positioned = s.recoverable || overridden(o->force_positioning, n->force_positioning);
    return s;
}

static bool wants_latest(const struct gush_client_plan_sub *p)
{
    return p->options->force_recovery_mode == GUSH_RECOVERY_CACHE;
}

/* A cache subscriber that already has the newest publication. */
static bool has_latest(const struct gush_client_plan_sub *p, uint64_t top,
                       const struct gush_epoch *epoch)
{
    return wants_latest(p) && p->since > 0 && p->since == top && !p->since_epoch_odd &&
           gush_span_eq(gush_epoch_span(&p->since_epoch), gush_epoch_span(epoch));
}

/* Whether |p|, who left off at a position, is up to date with what was read. */
static bool is_recovered(const struct gush_client_plan_sub *p, uint64_t top,
                         const struct gush_epoch *epoch,
                         struct gush_publication *const *publications, size_t n)
{
    struct gush_span wanted = gush_epoch_span(&p->since_epoch);
    bool same_epoch =
        !p->since_epoch_odd && (wanted.n == 0 || gush_span_eq(wanted, gush_epoch_span(epoch)));
    uint64_t last = n ? gush_publication_offset(publications[n - 1]) : 0;

    if (wants_latest(p)) /* the newest is enough, whatever the epoch was */
        return n ? last == top : has_latest(p, top, epoch);
    if (!same_epoch)
        return false;
    return n == 0 ? top == p->since
                  : gush_publication_offset(publications[0]) == p->since + 1 && last == top;
}

static void count_reading(const struct gush_client *c, const struct gush_client_plan_sub *p)
{
    enum gush_action_label action = GUSH_ACTION_HISTORY_STREAM_TOP;

    if (p->recover && p->sub->recoverable)
        action = wants_latest(p) ? GUSH_ACTION_HISTORY_RECOVER_CACHE : GUSH_ACTION_HISTORY_RECOVER;
    gush__node_tally(c->node, c->lane, GUSH_METRIC_ACTIONS, GUSH_AT(action));
}

/* |n|: publications that it gets. */
static void count_recovery(const struct gush_client *c, const struct gush_client_plan_sub *p,
                           size_t n)
{
    if (!p->recover || !p->sub->recoverable)
        return;
    gush__node_tally(c->node, c->lane, GUSH_METRIC_RECOVER, GUSH_AT(n > 0, p->recovered));
    if (c->node->config->prometheus.recovered_publications_histogram)
        gush_metrics_observe(c->node->metrics, c->lane->index, GUSH_METRIC_RECOVERED, GUSH_AT_NONE,
                             n);
}

/* What the answer of a stream means for the one who asked. |top|, |epoch| and the publications are
 * as read; the array is taken over. */
static void conclude(struct gush_client_plan_sub *p, uint64_t top, const struct gush_epoch *epoch,
                     struct gush_publication **publications, size_t n)
{
    struct gush_subscription *sub = p->sub;

    gush_stream_release(p->publications, p->publications_n); /* of a reading before */
    p->publications = NULL;
    p->publications_n = 0;
    sub->epoch = *epoch;
    sub->offset = top;
    p->recovered = p->recover && sub->recoverable && is_recovered(p, top, epoch, publications, n);
    p->offset = p->recovered ? p->since : top;
    bool given = p->recovered && !has_latest(p, top, epoch);
    count_recovery(sub->client, p, given ? n : 0);
    if (!given) {
        gush_stream_release(publications, n);
        return;
    }
    p->publications = publications;
    p->publications_n = n;
    if (GUSH_BUG(GUSH_BUG_POSITION_NOT_SET))
        sub->offset = p->since;
}

static void touch(struct gush_node *node, struct gush_channel *ch)
{
    ch->stream->meta_due_ms = gush__node_now_ms(node) + gush__node_meta_ttl_ms(node, ch->options);
}

static int64_t read_limit(const struct gush_client *c, const struct gush_client_plan_sub *p)
{
    int64_t max = c->node->config->client.recovery_max_publication_limit;

    if (!p->recover || !p->sub->recoverable || (p->since_epoch_odd && !wants_latest(p)))
        return 0;
    return wants_latest(p) ? 1 : max > 0 ? max : -1;
}

static void ensure_presence(struct gush_node *node, struct gush_channel *ch,
                            const struct gush_subscription *sub)
{
    if (sub->presence && ch->presence == NULL)
        ch->presence = gush_presence_new(&node->channels.hash_key);
}

static void subscribe_local(struct gush_client *c, struct gush_client_plan_sub *p,
                            struct gush_channel *ch)
{
    struct gush_posting posting = {0};
    struct gush_publication **publications = NULL;
    struct gush_epoch epoch = {0};
    uint64_t top = 0;
    size_t n = 0;

    if (p->sub->positioned) {
        int64_t limit = read_limit(c, p);
        count_reading(c, p);
        top = ch->stream->top;
        epoch = ch->stream->epoch;
        touch(c->node, ch);
        if (limit != 0)
            n = gush_stream_read(ch->stream, !wants_latest(p), p->since, wants_latest(p), limit,
                                 &publications);
    }
    gush_channel_unlock(&c->node->channels, ch, &posting);
    if (p->sub->positioned)
        conclude(p, top, &epoch, publications, n);
}

static struct gush_remote_want want_of(const struct gush_client *c,
                                       const struct gush_client_plan_sub *p)
{
    int64_t limit = read_limit(c, p);
    return (struct gush_remote_want){.client = c->ref,
                                     .serial = p->sub->serial,
                                     .read = p->sub->positioned,
                                     .since = limit != 0 && !wants_latest(p),
                                     .latest = limit != 0 && wants_latest(p),
                                     .offset = p->since,
                                     .limit = limit};
}

static void subscribe_remote(struct gush_client *c, struct gush_client_plan *plan,
                             struct gush_client_plan_sub *p, struct gush_channel *ch)
{
    struct gush_posting posting = {0};
    struct gush_remote_calls calls = {0};
    struct gush_remote_want want = want_of(c, p);

    if (!gush_remote_subscribe(c->node, ch, &want, &calls))
        plan->pending_n++;
    gush_channel_unlock(&c->node->channels, ch, &posting);
    gush_remote_call(c->node, ch, &calls);
}

/* The lock part: linked, counted, its place in the channel's order taken. */
static void subscribe(struct gush_client *c, struct gush_client_plan *plan,
                      struct gush_client_plan_sub *p)
{
    struct gush_sub_options options = sub_options(p);
    struct gush_subscription *sub = gush__client_sub_new(c, &options, p->channel);

    p->sub = sub;
    if (p->raw_data.n)
        p->data = gush_bytes_copy(p->raw_data);
    struct gush_channel *ch = gush_channel_lock(
        &c->node->channels, p->channel, p->options,
        options.positioned && c->node->broker == NULL ? GUSH_CHANNEL_READ : GUSH_CHANNEL_CREATE,
        false);
    sub->channel = ch;
    p->channel = gush_bytes_span(ch->name);
    sub->branch = gush_channel_link(ch, c->lane);
    sub->seq = ch->seq;
    ensure_presence(c->node, ch, sub);
    gush_branch_add(sub->branch, sub);
    if (c->node->broker)
        subscribe_remote(c, plan, p, ch);
    else
        subscribe_local(c, p, ch);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* It held more than it may: once more from the history, then it is too far behind. */
static void read_again(struct gush_client *c, struct gush_client_plan_sub *p)
{
    struct gush_remote_want want = want_of(c, p);

    if (p->again) {
        gush_client_disconnect(c, GUSH_DISCONNECT_INSUFFICIENT_STATE, NULL);
        return;
    }
    p->again = true;
    p->sub->overflowed = false;
    gush_remote_again(c->node, p->sub->channel, &want);
}

/* While others were still to come, somebody may have held too much behind its own answer. */
static void read_overflowed(struct gush_client *c, struct gush_client_plan *plan)
{
    for (size_t i = 0; i < plan->subs_n; i++) {
        struct gush_client_plan_sub *p = plan->subs[i];
        if (!p->sub->overflowed || !p->sub->positioned)
            continue;
        plan->pending_n++;
        read_again(c, p);
    }
}

static void answered(struct gush_client *c, struct gush_client_plan *plan)
{
    if (--plan->pending_n > 0)
        return;
    read_overflowed(c, plan);
    if (plan->pending_n > 0)
        return;
    plan->finish(c, plan);
    gush_client_plan_free(c, plan);
}

void gush_client_plan_run(struct gush_client *c, struct gush_client_plan *plan)
{
    /* The local ones answer at once; the last one must not finish before all were asked. */
    plan->pending_n = 1;
    for (size_t i = 0; i < plan->subs_n; i++)
        subscribe(c, plan, plan->subs[i]);
    answered(c, plan);
}

static struct gush_client_plan_sub *find_serial(const struct gush_client *c, uint32_t serial,
                                                struct gush_client_plan **plan)
{
    for (*plan = c->plans; *plan; *plan = (*plan)->next)
        for (size_t i = 0; i < (*plan)->subs_n; i++)
            if ((*plan)->subs[i]->sub && (*plan)->subs[i]->sub->serial == serial)
                return (*plan)->subs[i];
    return NULL;
}

void gush__client_on_answer(struct gush_client *c, uint32_t serial,
                            const struct gush_remote_result *result)
{
    struct gush_client_plan *plan;

    if (gush__client_ending(c))
        return;
    struct gush_client_plan_sub *p = find_serial(c, serial, &plan);
    if (p == NULL)
        return;
    if (result && !result->ok) {
        gush_client_disconnect(c, GUSH_DISCONNECT_SERVER_ERROR, NULL);
        return;
    }
    if (p->sub->overflowed && p->sub->positioned) {
        read_again(c, p);
        return;
    }
    p->sub->overflowed = false; /* without a position nothing was promised before the push */
    if (result && p->sub->positioned) {
        struct gush_publication **copy = gush_zalloc(result->publications_n + 1, sizeof *copy);
        for (size_t i = 0; i < result->publications_n; i++)
            copy[i] = gush_publication_ref(result->publications[i]);
        conclude(p, result->top, &result->epoch, copy, result->publications_n);
    }
    answered(c, plan);
}

/* ---- what the client is told ------------------------------------------------------------------
 */

static struct gush_pub *views(const struct gush_client_plan_sub *p)
{
    struct gush_pub *v = gush_zalloc(p->publications_n, sizeof *v);
    for (size_t i = 0; i < p->publications_n; i++)
        v[i] = gush_publication_view(p->publications[i], GUSH_SPAN_EMPTY);
    return v;
}

void gush_client_plan_result(const struct gush_client_plan_sub *p, struct gush_sub_result *r)
{
    struct gush_subscription *sub = p->sub;

    r->channel = p->channel;
    r->data = gush_bytes_span(p->data);
    if (!sub->positioned)
        return;
    r->positioned = true;
    r->recoverable = sub->recoverable;
    r->epoch = gush_epoch_span(&sub->epoch);
    r->offset = p->offset;
    r->was_recovering = p->recover;
    r->recovered = p->recovered;
    r->publications_n = p->publications_n;
    r->publications = p->publications_n ? views(p) : NULL;
}

static void join(struct gush_client *c, struct gush_subscription *sub)
{
    struct gush_channel *ch = sub->channel;
    struct gush_posting posting = {0};

    if (sub->presence) {
        gush__node_tally(c->node, c->lane, GUSH_METRIC_ACTIONS, GUSH_AT(GUSH_ACTION_ADD_PRESENCE));
        gush_presence_add(ch->presence, sub->member);
    }
    if (!sub->join_leave)
        return;
    gush__node_tally(c->node, c->lane, GUSH_METRIC_SENT, GUSH_AT(GUSH_MESSAGE_JOIN));
    gush__node_tally(c->node, c->lane, GUSH_METRIC_RECEIVED, GUSH_AT(GUSH_MESSAGE_JOIN));
    struct gush_frames *frames = gush_frames_new(GUSH_PUSH_JOIN, sub->member, GUSH_SPAN_EMPTY);
    gush_channel_hold(ch);
    gush_channel_post(ch, &posting, GUSH_DELIVERY_JOIN, frames, &(struct gush_channel_place){0});
    gush_channel_unlock(&c->node->channels, ch, &posting);
    gush_frames_unref(frames);
}

void gush_client_plan_go_live(struct gush_client *c, struct gush_subscription *sub)
{
    if (sub->member)
        join(c, sub);
    gush_subscription_go_live(sub);
}
