/* Connecting: credentials, then every channel at once, then one connect push. */
#include <string.h>

#include "server/base/buf.h"
#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/engine/client_priv.h"
#include "server/engine/permission.h"
#include "server/engine/presence.h"

#define TTL_MAX_S (INT64_C(365) * 24 * 3600)

/* One channel of a connect: what is asked, and what came of it. */
struct plan_sub {
    struct gush_subscription *sub; /* NULL until it is made */
    struct gush_span channel;      /* borrowed until the subscription is made */
    const struct gush_channel_options *options;
    struct gush_span chan_info, raw_data; /* borrowed likewise */
    const struct gush_token_override *override;
    bool from_token, recover;
    uint64_t since;
    struct gush_epoch since_epoch;
    bool since_epoch_odd; /* longer than any epoch: it matches none */
    /* the outcome */
    struct gush_bytes *data;
    bool recovered;
    uint64_t offset;
    struct gush_publication **publications;
    size_t publications_n;
};

struct gush_connect_plan {
    struct plan_sub **subs;
    size_t subs_n, cap;
    struct gush_map by_channel; /* a request may name very many */
    size_t pending_n;           /* answers still to come */
    bool expires;
    uint32_t ttl_s;
};

void gush__client_plan_free(struct gush_client *c)
{
    struct gush_connect_plan *plan = c->plan;

    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->subs_n; i++) {
        gush_bytes_unref(plan->subs[i]->data);
        gush_stream_release(plan->subs[i]->publications, plan->subs[i]->publications_n);
        gush_free(plan->subs[i]);
    }
    gush_map_fini(&plan->by_channel);
    gush_free(plan->subs);
    gush_free(plan);
    c->plan = NULL;
}

/* ---- failing -------------------------------------------------------------------------------- */

/* An error reply has no place on a unidirectional transport: it becomes a disconnect. */
static void fail_error(struct gush_client *c, uint32_t error)
{
    const struct gush_config *config = c->node->config;
    uint32_t code;

    if (config->client.connect_code_to_unidirectional_disconnect.enabled)
        for (size_t i = 0;
             i < config->client.connect_code_to_unidirectional_disconnect.transforms_n; i++) {
            const struct gush_uni_code *t =
                &config->client.connect_code_to_unidirectional_disconnect.transforms[i];
            if (t->code == error) {
                gush_client_disconnect(c, t->to_code, t->to_reason);
                return;
            }
        }
    switch (error) {
    case GUSH_ERROR_TOKEN_EXPIRED:
    case GUSH_ERROR_EXPIRED:
        code = GUSH_DISCONNECT_EXPIRED;
        break;
    case GUSH_ERROR_TOO_MANY_REQUESTS:
        code = GUSH_DISCONNECT_TOO_MANY_REQUESTS;
        break;
    case GUSH_ERROR_PERMISSION_DENIED:
        code = GUSH_DISCONNECT_PERMISSION_DENIED;
        break;
    default:
        code = GUSH_DISCONNECT_SERVER_ERROR;
    }
    gush_client_disconnect(c, code, NULL);
}

static void log_denied(const struct gush_client *c, const char *message, const char *why,
                       struct gush_span channel)
{
    gush_log(GUSH_LOG_INFO, message, GUSH_FS("client", gush_client_id(c)),
             GUSH_FS("user", gush_bytes_span(c->user)), GUSH_FS("channel", channel),
             GUSH_F("cause", why));
}

/* ---- credentials ---------------------------------------------------------------------------- */

static bool accept_expiry(struct gush_client *c, const struct gush_claims *claims)
{
    struct gush_connect_plan *plan = c->plan;
    int64_t now_s = gush__node_wall_ms(c->node) / 1000;

    if (!claims->has_expiry || c->node->config->client.insecure)
        return true;
    if (claims->expire_at_s < now_s) {
        fail_error(c, GUSH_ERROR_EXPIRED);
        return false;
    }
    int64_t ttl = claims->expire_at_s - now_s;
    plan->expires = true;
    plan->ttl_s = (uint32_t)(ttl > TTL_MAX_S ? TTL_MAX_S : ttl);
    return true;
}

/* Claims of a valid token; false: the client was ended. */
static bool accept_token(struct gush_client *c, struct gush_span token, struct gush_claims *claims)
{
    const char *why = "";

    gush_err err =
        gush_token_verify(c->node->verifier, token, gush__node_wall_ms(c->node), claims, &why);
    if (err != GUSH_OK) {
        log_denied(c, "invalid connection token", why, GUSH_SPAN_EMPTY);
        if (err == GUSH_EEXPIRED)
            fail_error(c, GUSH_ERROR_TOKEN_EXPIRED);
        else if (err == GUSH_ESYNTAX)
            fail_error(c, GUSH_ERROR_INTERNAL);
        else
            gush_client_disconnect(c, GUSH_DISCONNECT_INVALID_TOKEN, NULL);
        return false;
    }
    if (claims->user.n == 0 && c->node->config->client.disallow_anonymous_connection_tokens) {
        gush_client_disconnect(c, GUSH_DISCONNECT_PERMISSION_DENIED, NULL);
        return false;
    }
    if (!accept_expiry(c, claims))
        return false;
    if (claims->user.n)
        c->user = gush_bytes_copy(claims->user);
    if (claims->info.n)
        c->conn_info = gush_bytes_copy(claims->info);
    return true;
}

/* ---- which channels ------------------------------------------------------------------------- */

static struct gush_span plan_key(const void *entry)
{
    return ((const struct plan_sub *)entry)->channel;
}

/* Room for one more, or NULL when the client has more channels than it may. */
static struct plan_sub *plan_add(struct gush_client *c, struct gush_span channel,
                                 const struct gush_channel_options *options)
{
    struct gush_connect_plan *plan = c->plan;
    struct plan_sub *found = gush_map_find(&plan->by_channel, channel);
    int64_t limit = c->node->config->client.channel_limit;

    if (found)
        return found;
    if (limit >= 0 && (uint64_t)limit <= plan->subs_n) {
        gush_client_disconnect(c, GUSH_DISCONNECT_CHANNEL_LIMIT, NULL);
        return NULL;
    }
    if (plan->subs_n == plan->cap) {
        plan->cap = plan->cap ? plan->cap * 2 : 2;
        plan->subs = gush_realloc(plan->subs, plan->cap * sizeof(struct plan_sub *));
    }
    struct plan_sub *p = GUSH_NEW(struct plan_sub);
    p->channel = channel;
    p->options = options;
    plan->subs[plan->subs_n++] = p;
    gush_map_insert(&plan->by_channel, p);
    return p;
}

static bool plan_token_subs(struct gush_client *c, const struct gush_claims *claims)
{
    for (size_t i = 0; i < claims->subs_n; i++) {
        const struct gush_token_sub *s = &claims->subs[i];
        const struct gush_channel_options *options;

        if (s->channel.n == 0) {
            log_denied(c, "invalid connection token", "a channel without a name", s->channel);
            gush_client_disconnect(c, GUSH_DISCONNECT_INVALID_TOKEN, NULL);
            return false;
        }
        if (gush_config_channel(c->node->config, s->channel, &options, NULL) != GUSH_OK) {
            log_denied(c, "unknown channel in token", "no such namespace", s->channel);
            fail_error(c, GUSH_ERROR_UNKNOWN_CHANNEL);
            return false;
        }
        struct plan_sub *p = plan_add(c, s->channel, options);
        if (p == NULL)
            return false;
        p->from_token = true;
        p->chan_info = s->info;
        p->raw_data = s->data;
        p->override = &s->override;
    }
    return true;
}

/* [namespace boundary] user boundary user; |name| owns the text. */
static bool plan_personal(struct gush_client *c, struct gush_buf *name)
{
    const struct gush_config *config = c->node->config;
    const char *ns = config->client.subscribe_to_user_personal_channel.personal_channel_namespace;
    const struct gush_channel_options *options;

    if (!config->client.subscribe_to_user_personal_channel.enabled || c->user == NULL)
        return true;
    if (ns && *ns) {
        gush_buf_put_str(name, ns);
        gush_buf_put_str(name, config->channel.namespace_boundary);
    }
    gush_buf_put_str(name, config->channel.user_boundary);
    gush_buf_put_span(name, gush_bytes_span(c->user));
    if (!gush_buf_ok(name) ||
        gush_config_channel(config, gush_buf_span(name), &options, NULL) != GUSH_OK) {
        fail_error(c, GUSH_ERROR_UNKNOWN_CHANNEL);
        return false;
    }
    return plan_add(c, gush_buf_span(name), options) != NULL;
}

static void plan_position(struct plan_sub *p, const struct gush_connect_sub *s)
{
    p->recover = s->recover;
    p->since = s->offset;
    p->since_epoch_odd = s->epoch.n > GUSH_EPOCH_MAX;
    if (!p->since_epoch_odd && s->epoch.n) {
        p->since_epoch.n = (uint8_t)s->epoch.n;
        memcpy(p->since_epoch.s, s->epoch.p, s->epoch.n);
    }
}

static bool plan_request_subs(struct gush_client *c, const struct gush_connect_request *request)
{
    for (size_t i = 0; i < request->subs_n; i++) {
        const struct gush_connect_sub *s = &request->subs[i];
        const struct gush_channel_options *options;
        struct plan_sub *p = gush_map_find(&c->plan->by_channel, s->channel);

        if (s->channel.n == 0 ||
            gush_config_channel(c->node->config, s->channel, &options, NULL) != GUSH_OK) {
            log_denied(c, "bad request", "no such channel", s->channel);
            gush_client_disconnect(c, GUSH_DISCONNECT_BAD_REQUEST, NULL);
            return false;
        }
        if (p == NULL) {
            if (!gush_permission_connect_sub(c->node->config, options, s->channel,
                                             gush_bytes_span(c->user))) {
                log_denied(c, "subscription not granted", "no rule grants it", s->channel);
                continue;
            }
            p = plan_add(c, s->channel, options);
            if (p == NULL)
                return false;
        }
        plan_position(p, s);
    }
    return true;
}

/* ---- subscribing ---------------------------------------------------------------------------- */

static bool overridden(int8_t override, bool option)
{
    return override < 0 ? option : override > 0;
}

static struct gush_sub_options sub_options(const struct plan_sub *p)
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

static bool wants_latest(const struct plan_sub *p)
{
    return p->options->force_recovery_mode == GUSH_RECOVERY_CACHE;
}

/* Whether |p|, who left off at a position, is up to date with what was read. */
static bool is_recovered(const struct plan_sub *p, uint64_t top, const struct gush_epoch *epoch,
                         struct gush_publication *const *publications, size_t n)
{
    struct gush_span wanted = gush_epoch_span(&p->since_epoch);
    bool same_epoch =
        !p->since_epoch_odd && (wanted.n == 0 || gush_span_eq(wanted, gush_epoch_span(epoch)));
    uint64_t last = n ? gush_publication_offset(publications[n - 1]) : 0;

    if (wants_latest(p)) /* the newest is enough, whatever the epoch was */
        return n ? last == top : same_epoch && p->since > 0 && p->since == top;
    if (!same_epoch)
        return false;
    return n == 0 ? top == p->since
                  : gush_publication_offset(publications[0]) == p->since + 1 && last == top;
}

/* A cache subscriber that already has the newest publication. */
static bool has_latest(const struct plan_sub *p, uint64_t top, const struct gush_epoch *epoch)
{
    return wants_latest(p) && p->since > 0 && p->since == top && !p->since_epoch_odd &&
           gush_span_eq(gush_epoch_span(&p->since_epoch), gush_epoch_span(epoch));
}

/* What the answer of a stream means for the one who asked. |top|, |epoch| and the publications are
 * as read; the array is taken over. */
static void conclude(struct plan_sub *p, uint64_t top, const struct gush_epoch *epoch,
                     struct gush_publication **publications, size_t n)
{
    struct gush_subscription *sub = p->sub;

    sub->epoch = *epoch;
    sub->offset = top;
    p->recovered = p->recover && sub->recoverable && is_recovered(p, top, epoch, publications, n);
    p->offset = p->recovered ? p->since : top;
    if (!p->recovered || has_latest(p, top, epoch)) {
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

static int64_t read_limit(const struct gush_client *c, const struct plan_sub *p)
{
    int64_t max = c->node->config->client.recovery_max_publication_limit;

    if (!p->recover || !p->sub->recoverable)
        return 0;
    return wants_latest(p) ? 1 : max > 0 ? max : -1;
}

static void ensure_presence(struct gush_node *node, struct gush_channel *ch,
                            const struct gush_subscription *sub)
{
    if (sub->presence && ch->presence == NULL)
        ch->presence = gush_presence_new(&node->channels.hash_key);
}

static void subscribe_local(struct gush_client *c, struct plan_sub *p, struct gush_channel *ch)
{
    struct gush_posting posting = {0};
    struct gush_publication **publications = NULL;
    struct gush_epoch epoch = {0};
    uint64_t top = 0;
    size_t n = 0;

    if (p->sub->positioned) {
        int64_t limit = read_limit(c, p);
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

static struct gush_remote_want want_of(const struct gush_client *c, const struct plan_sub *p)
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

static void subscribe_remote(struct gush_client *c, struct plan_sub *p, struct gush_channel *ch)
{
    struct gush_posting posting = {0};
    struct gush_remote_calls calls = {0};
    struct gush_remote_want want = want_of(c, p);

    if (!gush_remote_subscribe(c->node, ch, &want, &calls))
        c->plan->pending_n++;
    gush_channel_unlock(&c->node->channels, ch, &posting);
    gush_remote_call(c->node, ch, &calls);
}

/* The lock part: linked, counted, its place in the channel's order taken. */
static void subscribe(struct gush_client *c, struct plan_sub *p)
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
        subscribe_remote(c, p, ch);
    else
        subscribe_local(c, p, ch);
}

/* ---- the connect push ----------------------------------------------------------------------- */

static struct gush_pub *views(const struct plan_sub *p)
{
    struct gush_pub *v = gush_zalloc(p->publications_n, sizeof *v);
    for (size_t i = 0; i < p->publications_n; i++)
        v[i] = gush_publication_view(p->publications[i], GUSH_SPAN_EMPTY);
    return v;
}

static void fill_result(const struct plan_sub *p, struct gush_sub_result *r)
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

static void queue_result(struct gush_client *c, const struct gush_sub_result *subs, size_t subs_n)
{
    const struct gush_config *config = c->node->config;
    int64_t interval = c->transport->ping_interval_ms ? c->transport->ping_interval_ms
                                                      : config->client.ping_interval_ms;
    bool replies = gush_form_dialect(c->transport->form) == GUSH_DIALECT_REPLY;
    char session[36];
    struct gush_connect_result r = {
        .client = gush_client_id(c),
        .version = gush_span_str(c->node->version),
        .expires = c->plan->expires,
        .ttl_s = c->plan->ttl_s,
        .subs = subs,
        .subs_n = subs_n,
        .ping_s = interval > 0 && !replies ? (uint32_t)(interval / 1000) : 0,
    };

    if (c->transport->session) {
        gush__node_uuid(c->node, session);
        r.session = gush_span_of(session, sizeof session);
    }
    if (config->client.connect_include_server_time)
        r.time_ms = gush__node_wall_ms(c->node);
    if (replies)
        gush__client_queue_reply(
            c, &(struct gush_reply){.id = 1, .kind = GUSH_REPLY_CONNECT, .u.connect = &r});
    else
        gush__client_queue_push(c, &(struct gush_push){.kind = GUSH_PUSH_CONNECT, .u.connect = &r});
    if (interval > 0 && !replies) {
        uint64_t half = (uint64_t)interval / 2;
        c->ping_due = gush_lane_now_ms(c->lane) + half + gush_rng_below(&c->lane->rng, half + 1);
    }
}

static void queue_connect(struct gush_client *c)
{
    struct gush_connect_plan *plan = c->plan;
    struct gush_sub_result *subs = gush_zalloc(plan->subs_n + 1, sizeof *subs);

    for (size_t i = 0; i < plan->subs_n; i++)
        fill_result(plan->subs[i], &subs[i]);
    queue_result(c, subs, plan->subs_n);
    for (size_t i = 0; i < plan->subs_n; i++) {
        union {
            const struct gush_pub *borrowed;
            struct gush_pub *own;
        } pubs = {.borrowed = subs[i].publications};
        gush_free(pubs.own);
    }
    gush_free(subs);
}

static void join(struct gush_client *c, struct gush_subscription *sub)
{
    struct gush_channel *ch = sub->channel;
    struct gush_posting posting = {0};

    if (sub->presence)
        gush_presence_add(ch->presence, sub->member);
    if (!sub->join_leave)
        return;
    struct gush_frames *frames = gush_frames_new(GUSH_PUSH_JOIN, sub->member, GUSH_SPAN_EMPTY);
    gush_channel_hold(ch);
    gush_channel_post(ch, &posting, GUSH_DELIVERY_JOIN, frames, &(struct gush_channel_place){0});
    gush_channel_unlock(&c->node->channels, ch, &posting);
    gush_frames_unref(frames);
}

/* Every channel has answered. Order on the wire: connect, then what was held, then live ones. */
static void finish(struct gush_client *c)
{
    struct gush_connect_plan *plan = c->plan;

    queue_connect(c);
    if (gush__client_ending(c))
        return; /* it cannot have this payload in its format */
    c->state = GUSH_CLIENT_LIVE;
    c->stale_due = 0;
    if (plan->expires)
        c->expire_due = gush_lane_now_ms(c->lane) + (uint64_t)plan->ttl_s * 1000 +
                        (uint64_t)c->node->config->client.expired_close_delay_ms;
    gush__client_arm(c);
    gush__client_plan_free(c);
    for (uint32_t i = 0; i < c->subs_n; i++) {
        struct gush_subscription *sub = c->subs[i];
        if (sub->member)
            join(c, sub);
        gush_subscription_go_live(sub);
    }
}

/* ---- answers of a remote broker ------------------------------------------------------------- */

static struct plan_sub *plan_by_serial(const struct gush_client *c, uint32_t serial)
{
    for (size_t i = 0; i < c->plan->subs_n; i++)
        if (c->plan->subs[i]->sub && c->plan->subs[i]->sub->serial == serial)
            return c->plan->subs[i];
    return NULL;
}

void gush__client_on_answer(struct gush_client *c, uint32_t serial,
                            const struct gush_remote_result *result)
{
    if (c->plan == NULL || gush__client_ending(c))
        return;
    struct plan_sub *p = plan_by_serial(c, serial);
    if (p == NULL)
        return;
    if (result && !result->ok) {
        gush_client_disconnect(c, GUSH_DISCONNECT_SERVER_ERROR, NULL);
        return;
    }
    if (p->sub->overflowed && p->sub->held == NULL) {
        /* It held more than it may: once more from the history, then it is too far behind. */
        struct gush_remote_want want = want_of(c, p);
        if (p->sub->below) {
            gush_client_disconnect(c, GUSH_DISCONNECT_INSUFFICIENT_STATE, NULL);
            return;
        }
        p->sub->below = 1;
        p->sub->overflowed = false;
        gush_remote_again(c->node, p->sub->channel, &want);
        return;
    }
    p->sub->below = 0;
    if (result && p->sub->positioned) {
        struct gush_publication **copy = gush_zalloc(result->publications_n + 1, sizeof *copy);
        for (size_t i = 0; i < result->publications_n; i++)
            copy[i] = gush_publication_ref(result->publications[i]);
        conclude(p, result->top, &result->epoch, copy, result->publications_n);
    }
    if (--c->plan->pending_n == 0)
        finish(c);
}

/* ---- the request ---------------------------------------------------------------------------- */

static bool enter_user(struct gush_client *c)
{
    int64_t limit = c->node->config->client.user_connection_limit;

    if (gush_users_enter(&c->node->users, gush_bytes_span(c->user), c->user ? limit : 0) !=
        GUSH_OK) {
        gush_client_disconnect(c, GUSH_DISCONNECT_CONNECTION_LIMIT, NULL);
        return false;
    }
    c->entered_users = true;
    return true;
}

static void connect_with(struct gush_client *c, const struct gush_connect_request *request,
                         const struct gush_claims *claims)
{
    struct gush_buf personal;

    gush_buf_init(&personal, 1 << 16);
    if (enter_user(c) && plan_token_subs(c, claims) && plan_personal(c, &personal) &&
        plan_request_subs(c, request)) {
        c->state = GUSH_CLIENT_CONNECTING;
        /* The local ones answer at once; the last one must not finish before all were asked. */
        c->plan->pending_n = 1;
        for (size_t i = 0; i < c->plan->subs_n; i++)
            subscribe(c, c->plan->subs[i]);
        if (--c->plan->pending_n == 0)
            finish(c);
    }
    gush_buf_fini(&personal);
}

void gush_client_connect(struct gush_client *c, const struct gush_connect_request *request)
{
    const struct gush_config *config = c->node->config;
    struct gush_claims claims = {0};

    GUSH_ASSERT(c->magic == gush_client_MAGIC);
    gush_lane_assert(c->lane);
    if (gush__client_ending(c))
        return;
    if (c->state != GUSH_CLIENT_NEW) {
        gush_client_disconnect(c, GUSH_DISCONNECT_BAD_REQUEST, NULL);
        return;
    }
    c->plan = GUSH_NEW(struct gush_connect_plan);
    gush_map_init(&c->plan->by_channel, plan_key, &c->node->channels.hash_key);
    if (request->token.n > 0) {
        if (accept_token(c, request->token, &claims))
            connect_with(c, request, &claims);
        gush_claims_fini(&claims);
        return;
    }
    if (config->client.allow_anonymous_connect_without_token || config->client.insecure) {
        connect_with(c, request, &claims);
        return;
    }
    log_denied(c, "no credentials", "no token, and anonymous connections are off", GUSH_SPAN_EMPTY);
    gush_client_disconnect(c, GUSH_DISCONNECT_BAD_REQUEST, NULL);
}
