/* API calls on clients: subscribe, unsubscribe, disconnect, refresh, by user. */
#include <stdlib.h>
#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/engine/client_plan.h"

#define EXPIRY_MAX_S  (INT64_C(1) << 40) /* keeps milliseconds of it within range */
#define COST_PER_TURN GUSH_SIM_SMALL(2048, 1)
#define COST_OF_ACT   16 /* to look at a client costs 1, as does a letter that it still gets */

/* What travels to one lane, and waits there for its turn. */
struct gush_clients_part {
    struct gush_letter letter;
    struct gush_clients_part *next;
    struct gush_clients_call *call;
    uint64_t newest; /* number of the user's newest client here when it arrived; 0: nobody */
    bool settled;    /* walked, in a turn before this one */
};

/* ---- the user's clients on a lane -------------------------------------------------------------
 */

void gush__client_list_add(struct gush_client *c)
{
    struct gush_client **first = gush_users_clients(c->user, c->lane->index);

    c->user_next = *first;
    c->user_pprev = first;
    if (*first)
        (*first)->user_pprev = &c->user_next;
    *first = c;
}

void gush__client_list_remove(struct gush_client *c)
{
    struct gush_lane_state *s = gush__lane_state(c->node, c->lane);

    if (s->walk_at == c)
        s->walk_at = GUSH_BUG(GUSH_BUG_CALL_LEFT_ITS_PLACE) ? NULL : c->user_next;
    *c->user_pprev = c->user_next;
    if (c->user_next)
        c->user_next->user_pprev = c->user_pprev;
}

/* ---- counting down ----------------------------------------------------------------------------
 */

/* One part is done; the last one answers. */
static void part_done(struct gush_clients_call *call, uint32_t error)
{
    if (error) {
        unsigned none = 0;
        atomic_compare_exchange_strong(&call->failed, &none, error);
    }
    if (atomic_fetch_sub_explicit(&call->parts_n, 1, memory_order_acq_rel) != 1)
        return;
    if (call->held)
        gush_users_drop(&call->node->users, call->held);
    gush__node_answer(&call->call, atomic_load(&call->failed));
}

static void part_begin(struct gush_clients_call *call)
{
    atomic_fetch_add_explicit(&call->parts_n, 1, memory_order_relaxed);
}

/* ---- subscribe --------------------------------------------------------------------------------
 */

/* How long it is until |expire_at_s|, which is above 0. */
static int64_t left_ms(const struct gush_client *c, int64_t expire_at_s)
{
    int64_t at_s = expire_at_s < EXPIRY_MAX_S ? expire_at_s : EXPIRY_MAX_S;

    return at_s * 1000 - gush__node_wall_ms(c->node);
}

static uint64_t expiry_due(const struct gush_client *c, int64_t expire_at_s)
{
    int64_t due_ms = left_ms(c, expire_at_s) + c->node->config->client.expired_sub_close_delay_ms;
    return gush_lane_now_ms(c->lane) + (due_ms > 0 ? (uint64_t)due_ms : 1);
}

/* The channel answered: tell the client, then let it hear. What it missed since the given position
 * is not delivered, as the reference has it. */
static void subscribed(struct gush_client *c, struct gush_client_plan *plan)
{
    struct gush_clients_call *call = plan->arg;
    struct gush_client_plan_sub *p = plan->subs[0];
    struct gush_sub_result r = {0};
    uint32_t error = GUSH_ERROR_NONE;

    gush_stream_release(p->publications, p->publications_n);
    p->publications = NULL;
    p->publications_n = 0;
    gush_client_plan_result(p, &r);
    p->sub->told = true;
    gush__client_queue_push(c, &(struct gush_push){.kind = GUSH_PUSH_SUBSCRIBE,
                                                   .channel = p->channel,
                                                   .u.subscribe = {.recoverable = r.recoverable,
                                                                   .positioned = r.positioned,
                                                                   .epoch = r.epoch,
                                                                   .offset = r.offset,
                                                                   .data = r.data}});
    if (gush__client_ending(c) && c->close_code == GUSH_DISCONNECT_INAPPROPRIATE_PROTOCOL)
        error = GUSH_ERROR_INTERNAL; /* the caller's payload is to blame */
    if (call->expire_at_s > 0) {
        p->sub->expire_due = expiry_due(c, call->expire_at_s);
        gush__client_subs_expiry(c);
    }
    if (!gush__client_ending(c))
        gush_client_plan_go_live(c, p->sub);
    part_done(call, error);
}

static void subscribe_abandoned(struct gush_client *c, struct gush_client_plan *plan)
{
    (void)c;
    part_done(plan->arg, GUSH_ERROR_NONE); /* its end is no error of the call */
}

/* The plan in which |c| is entering |channel|, and its part there; NULL: it is not. */
static struct gush_client_plan *entering(const struct gush_client *c, struct gush_span channel,
                                         struct gush_client_plan_sub **sub)
{
    for (struct gush_client_plan *plan = c->plans; plan; plan = plan->next) {
        *sub = gush_client_plan_find(plan, channel);
        if (*sub)
            return plan;
    }
    return NULL;
}

static void subscribe_one(struct gush_client *c, struct gush_clients_call *call)
{
    const struct gush_channel_options *options;

    if (gush_config_channel(c->node->config, call->channel, &options, NULL) != GUSH_OK)
        return; /* it was there when the call was checked */
    bool late = call->expire_at_s > 0 && left_ms(c, call->expire_at_s) <= 0;
    if (late || gush__client_find_sub(c, call->channel)) { /* also one that is being entered */
        part_begin(call);
        part_done(call, GUSH_ERROR_INTERNAL);
        return;
    }
    struct gush_client_plan *plan = gush_client_plan_new(c, subscribed);
    struct gush_client_plan_sub *p = gush_client_plan_add(c, plan, call->channel, options);
    if (p == NULL) { /* over the channel limit: the client ends, the call succeeds */
        gush_client_plan_free(c, plan);
        return;
    }
    p->chan_info = call->info;
    p->raw_data = call->data;
    p->override = call->override;
    if (call->has_since) {
        p->recover = true;
        gush_client_plan_position(p, call->since_offset, call->since_epoch);
    }
    plan->arg = call;
    plan->abandon = subscribe_abandoned;
    part_begin(call);
    gush_client_plan_run(c, plan);
}

/* ---- unsubscribe, disconnect, refresh ---------------------------------------------------------
 */

/* The subscribe call that waits for this channel is overtaken: it never was a subscription, and
 * nobody will be told that it is one. */
static void overtake(struct gush_client *c, struct gush_client_plan *plan)
{
    if (plan->abandon)
        plan->abandon(c, plan);
    gush_client_plan_free(c, plan);
}

/* A client that is not subscribed is told all the same. Without a channel only the push goes out,
 * as the reference has it. */
static void unsubscribe_one(struct gush_client *c, struct gush_clients_call *call)
{
    struct gush_client_plan_sub *p = NULL;
    struct gush_client_plan *plan = entering(c, call->channel, &p);
    struct gush_subscription *sub =
        call->channel.n ? gush__client_find_sub(c, call->channel) : NULL;

    if (c->state != GUSH_CLIENT_LIVE) { /* it hears of it behind its connect push */
        if (p)
            p->leaves = true;
        return;
    }
    if (plan)
        overtake(c, plan);
    if (sub) /* what was published before the call */
        gush__lane_state(c->node, c->lane)->walk_cost += gush_branch_catch_up(sub->branch, sub);
    if (gush__client_ending(c))
        return; /* it could not have that */
    gush__client_tell_unsubscribed(c, call->channel);
    if (sub)
        gush__client_sub_end(c, sub);
}

static int by_bytes(const void *a, const void *b)
{
    return gush_span_cmp(*(const struct gush_span *)a, *(const struct gush_span *)b);
}

static bool listed(const struct gush_clients_call *call, const struct gush_client *c)
{
    struct gush_span id = gush_client_id(c);

    return call->whitelist_n > 0 &&
           bsearch(&id, call->whitelist, call->whitelist_n, sizeof id, by_bytes) != NULL;
}

/* What was published before the call is heard before the end. */
static void end(struct gush_client *c, uint32_t code, const char *reason)
{
    if (c->state == GUSH_CLIENT_LIVE)
        gush__lane_state(c->node, c->lane)->walk_cost += gush__client_subs_catch_up(c);
    c->closing = false; /* too slow for that: the end is still the one that the call asks for */
    gush_client_disconnect(c, code, reason);
}

static void disconnect_one(struct gush_client *c, struct gush_clients_call *call)
{
    if (listed(call, c))
        return;
    if (!call->has_code) {
        end(c, GUSH_DISCONNECT_FORCE_NO_RECONNECT, NULL);
        return;
    }
    char *reason = gush_strndup((const char *)call->reason.p, call->reason.n);
    end(c, call->code, reason);
    gush_free(reason);
}

static void refresh_one(struct gush_client *c, struct gush_clients_call *call)
{
    bool expires = call->expire_at_s > 0;
    int64_t ttl_ms = expires ? left_ms(c, call->expire_at_s) : 0;

    if (call->expired || (expires && ttl_ms <= 0)) {
        end(c, GUSH_DISCONNECT_EXPIRED, NULL);
        return;
    }
    if (c->state != GUSH_CLIENT_LIVE)
        return; /* what it connects with is what holds */
    if (ttl_ms > GUSH__CLIENT_TTL_MAX_S * 1000)
        ttl_ms = GUSH__CLIENT_TTL_MAX_S * 1000;
    c->expire_due = expires ? gush_lane_now_ms(c->lane) + (uint64_t)ttl_ms +
                                  (uint64_t)c->node->config->client.expired_close_delay_ms
                            : 0;
    gush__client_arm(c);
    if (expires && call->info.n) { /* the reference has it so: a new info comes with an expiry */
        gush_bytes_unref(c->conn_info);
        c->conn_info = gush_bytes_copy(call->info);
    }
    gush__client_queue_push(
        c, &(struct gush_push){.kind = GUSH_PUSH_REFRESH,
                               .u.refresh = {expires, (uint32_t)((ttl_ms + 999) / 1000)}});
}

/* ---- letters ----------------------------------------------------------------------------------
 */

static bool is_meant(const struct gush_client *c, const struct gush_clients_call *call)
{
    char session[36];

    if (gush__client_ending(c) ||
        (c->state != GUSH_CLIENT_LIVE && call->action == GUSH_CLIENTS_SUBSCRIBE))
        return false; /* who is still connecting is not there yet, but must not slip through */
    if (call->before && c->user_number >= call->before)
        return false;
    if (call->client.n && !gush_span_eq(call->client, gush_client_id(c)))
        return false;
    if (call->session.n == 0)
        return true;
    gush_uuid_format(c->session, session);
    return gush_span_eq(call->session, gush_span_of(session, sizeof session));
}

static void act(struct gush_client *c, struct gush_clients_call *call)
{
    switch (call->action) {
    case GUSH_CLIENTS_SUBSCRIBE:
        subscribe_one(c, call);
        break;
    case GUSH_CLIENTS_UNSUBSCRIBE:
        unsubscribe_one(c, call);
        break;
    case GUSH_CLIENTS_DISCONNECT:
        disconnect_one(c, call);
        break;
    case GUSH_CLIENTS_REFRESH:
        refresh_one(c, call);
        break;
    }
}

/* ---- one call after the other ------------------------------------------------------------------
 *
 * A user may have very many clients on a lane, so a turn visits a bounded number of them: some when
 * the letter is opened, which is enough for nearly every call, and more at the end of each turn.
 * Calls are worked off in the order in which they came: of two calls on one client the first one
 * acts first. Who comes is put in front of the list, so that the walk does not meet him any more;
 * who goes hands the walk's place to the next one. */

static void walk_from_start(struct gush_lane_state *s, struct gush_clients_part *part)
{
    s->walking = part;
    s->walk_at = part ? *gush_users_clients(part->call->held, s->lane->index) : NULL;
}

static void walk(struct gush_lane_state *s)
{
    while (s->walking) {
        const struct gush_clients_part *part = s->walking;
        struct gush_client *c = s->walk_at;

        if (c == NULL) {
            walk_from_start(s, part->next);
            continue;
        }
        if (s->walk_cost >= COST_PER_TURN)
            return;
        s->walk_at = c->user_next;
        s->walk_cost++;
        if (c->user_number > part->newest || !is_meant(c, part->call))
            continue;
        s->walk_cost += COST_OF_ACT;
        act(c, part->call);
    }
}

/* A turn after the walk: by then those who were told to go have left their channels. */
static void answer_settled(struct gush_lane_state *s)
{
    while (s->calls && s->calls->settled) {
        struct gush_clients_part *part = s->calls;

        s->calls = part->next;
        part_done(part->call, GUSH_ERROR_NONE);
        gush_free(part);
    }
    for (struct gush_clients_part *part = s->calls; part && part != s->walking; part = part->next)
        part->settled = true;
}

/* At the end of a turn. */
static bool calls_run(struct gush_lane *lane, struct gush_work *work)
{
    struct gush_lane_state *s = GUSH_CONTAINER(work, struct gush_lane_state, calls_work);

    GUSH_ASSERT(!lane->dealing);
    answer_settled(s);
    walk(s);
    s->walk_cost = 0;
    return s->calls == NULL;
}

static void part_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct gush_clients_part *part = GUSH_CONTAINER(letter, struct gush_clients_part, letter);
    struct gush_lane_state *s = gush__lane_state(part->call->node, lane);
    const struct gush_client *first = *gush_users_clients(part->call->held, lane->index);

    part->newest = first ? first->user_number : 0;
    if (s->calls)
        s->calls_tail->next = part;
    else
        s->calls = part;
    s->calls_tail = part;
    if (s->walking == NULL)
        walk_from_start(s, part);
    walk(s);
    s->calls_work.run = calls_run;
    gush_lane_last(lane, &s->calls_work);
}

static void part_drop(struct gush_letter *letter)
{
    struct gush_clients_part *part = GUSH_CONTAINER(letter, struct gush_clients_part, letter);
    struct gush_clients_call *call = part->call;

    gush_free(part);
    part_done(call, GUSH_ERROR_NONE);
}

static const struct gush_letter_kind part_kind = {"clients", part_open, part_drop};

static uint32_t check(const struct gush_node *node, const struct gush_clients_call *call)
{
    const struct gush_channel_options *options;

    if (call->action != GUSH_CLIENTS_SUBSCRIBE && call->action != GUSH_CLIENTS_UNSUBSCRIBE)
        return GUSH_ERROR_NONE;
    if (call->channel.n == 0)
        return call->action == GUSH_CLIENTS_SUBSCRIBE ? GUSH_ERROR_BAD_REQUEST : GUSH_ERROR_NONE;
    return gush_config_channel(node->config, call->channel, &options, NULL) == GUSH_OK
               ? GUSH_ERROR_NONE
               : GUSH_ERROR_UNKNOWN_CHANNEL;
}

void gush_clients(struct gush_node *node, struct gush_clients_call *call)
{
    uint32_t error = check(node, call);
    uint64_t lanes = 0;

    call->node = node;
    call->held = NULL;
    atomic_init(&call->parts_n, 1); /* ours, until every letter is on its way */
    atomic_init(&call->failed, 0);
    if (error == GUSH_ERROR_NONE)
        call->held = gush_users_hold(&node->users, call->user, &lanes);
    for (unsigned i = 0; lanes; i++, lanes >>= 1) {
        if ((lanes & 1) == 0)
            continue;
        struct gush_clients_part *part = GUSH_NEW(struct gush_clients_part);
        part->letter.kind = &part_kind;
        part->call = call;
        part_begin(call);
        gush_lane_post(node->lanes[i], &part->letter);
    }
    part_done(call, error);
}

/* ---- one connection per user ------------------------------------------------------------------
 */

struct end_earlier {
    struct gush_clients_call clients;
    struct gush_bytes *user;
};

static void earlier_ended(struct gush_api_call *call)
{
    struct end_earlier *e = GUSH_CONTAINER(call, struct end_earlier, clients.call);

    gush_bytes_unref(e->user);
    gush_free(e);
}

void gush__clients_end_earlier(struct gush_client *c, uint32_t code)
{
    struct end_earlier *e = GUSH_NEW(struct end_earlier);

    e->user = gush_bytes_copy(gush_client_user(c));
    e->clients.call.home = c->lane;
    e->clients.call.done = earlier_ended;
    e->clients.call.dropped = earlier_ended;
    e->clients.action = GUSH_CLIENTS_DISCONNECT;
    e->clients.user = gush_bytes_span(e->user);
    e->clients.has_code = true;
    e->clients.code = code;
    e->clients.reason = gush_span_str(gush_disconnect_text(code));
    e->clients.before = c->user_number;
    gush_clients(c->node, &e->clients);
}
