/* Connecting: credentials, then every channel at once, then one connect push. */
#include <string.h>

#include "server/base/buf.h"
#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/engine/client_plan.h"
#include "server/engine/permission.h"
#include "server/engine/presence.h"

/* ---- failing -------------------------------------------------------------------------------- */

/* An error reply has no place on a unidirectional transport: it becomes a disconnect. */
static void fail_error(struct gush_client *c, uint32_t error)
{
    const struct gush_config *config = c->node->config;
    uint32_t code;

    c->refusal = error;
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
             GUSH_FS("user", gush_client_user(c)), GUSH_FS("channel", channel),
             GUSH_F("cause", why));
}

/* ---- credentials ---------------------------------------------------------------------------- */

static bool accept_expiry(struct gush_client *c, struct gush_client_plan *plan,
                          const struct gush_claims *claims)
{
    int64_t now_s = gush__node_wall_ms(c->node) / 1000;

    if (!claims->has_expiry || c->node->config->client.insecure)
        return true;
    if (claims->expire_at_s < now_s) {
        fail_error(c, GUSH_ERROR_EXPIRED);
        return false;
    }
    int64_t ttl = claims->expire_at_s - now_s;
    plan->expires = true;
    plan->ttl_s = (uint32_t)(ttl > GUSH__CLIENT_TTL_MAX_S ? GUSH__CLIENT_TTL_MAX_S : ttl);
    return true;
}

/* Claims of a valid token; false: the client was ended. */
static bool accept_token(struct gush_client *c, struct gush_client_plan *plan,
                         struct gush_span token, struct gush_claims *claims)
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
    if (!accept_expiry(c, plan, claims))
        return false;
    if (claims->info.n)
        c->conn_info = gush_bytes_copy(claims->info);
    return true;
}

/* ---- which channels ------------------------------------------------------------------------- */

static bool plan_token_subs(struct gush_client *c, struct gush_client_plan *plan,
                            const struct gush_claims *claims)
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
        struct gush_client_plan_sub *p = gush_client_plan_add(c, plan, s->channel, options);
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
static bool plan_personal(struct gush_client *c, struct gush_client_plan *plan,
                          struct gush_buf *name)
{
    const struct gush_config *config = c->node->config;
    const char *ns = config->client.subscribe_to_user_personal_channel.personal_channel_namespace;
    const struct gush_channel_options *options;

    if (!config->client.subscribe_to_user_personal_channel.enabled || gush_client_user(c).n == 0)
        return true;
    if (ns && *ns) {
        gush_buf_put_str(name, ns);
        gush_buf_put_str(name, config->channel.namespace_boundary);
    }
    gush_buf_put_str(name, config->channel.user_boundary);
    gush_buf_put_span(name, gush_client_user(c));
    if (!gush_buf_ok(name) ||
        gush_config_channel(config, gush_buf_span(name), &options, NULL) != GUSH_OK) {
        fail_error(c, GUSH_ERROR_UNKNOWN_CHANNEL);
        return false;
    }
    return gush_client_plan_add(c, plan, gush_buf_span(name), options) != NULL;
}

static bool plan_request_subs(struct gush_client *c, struct gush_client_plan *plan,
                              const struct gush_connect_request *request)
{
    size_t denied_n = 0;

    for (size_t i = 0; i < request->subs_n; i++) {
        const struct gush_connect_sub *s = &request->subs[i];
        const struct gush_channel_options *options;
        struct gush_client_plan_sub *p = gush_client_plan_find(plan, s->channel);

        if (s->channel.n == 0 ||
            gush_config_channel(c->node->config, s->channel, &options, NULL) != GUSH_OK) {
            log_denied(c, "bad request", "no such channel", s->channel);
            gush_client_disconnect(c, GUSH_DISCONNECT_BAD_REQUEST, NULL);
            return false;
        }
        if (p == NULL) {
            if (!gush_permission_connect_sub(c->node->config, options, s->channel,
                                             gush_client_user(c))) {
                if (denied_n++ == 0) /* a request may name very many */
                    log_denied(c, "subscription not granted", "no rule grants it", s->channel);
                continue;
            }
            p = gush_client_plan_add(c, plan, s->channel, options);
            if (p == NULL)
                return false;
        }
        p->recover = s->recover;
        gush_client_plan_position(p, s->offset, s->epoch);
    }
    return true;
}

/* ---- the connect push ----------------------------------------------------------------------- */

static void queue_result(struct gush_client *c, const struct gush_client_plan *plan,
                         const struct gush_sub_result *subs)
{
    const struct gush_config *config = c->node->config;
    int64_t interval = c->transport->ping_interval_ms ? c->transport->ping_interval_ms
                                                      : config->client.ping_interval_ms;
    bool replies = gush_form_dialect(c->transport->form) == GUSH_DIALECT_REPLY;
    char session[36];
    struct gush_connect_result r = {
        .client = gush_client_id(c),
        .version = gush_span_str(c->node->version),
        .expires = plan->expires,
        .ttl_s = plan->ttl_s,
        .subs = subs,
        .subs_n = plan->subs_n,
        .ping_s = interval > 0 && !replies ? (uint32_t)(interval / 1000) : 0,
    };

    if (c->transport->session) {
        gush_uuid_format(c->session, session);
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

static void queue_connect(struct gush_client *c, const struct gush_client_plan *plan)
{
    struct gush_sub_result *subs = gush_zalloc(plan->subs_n + 1, sizeof *subs);

    for (size_t i = 0; i < plan->subs_n; i++) {
        gush_client_plan_result(plan->subs[i], &subs[i]);
        plan->subs[i]->sub->told = true;
    }
    queue_result(c, plan, subs);
    for (size_t i = 0; i < plan->subs_n; i++) {
        union {
            const struct gush_pub *borrowed;
            struct gush_pub *own;
        } pubs = {.borrowed = subs[i].publications};
        gush_free(pubs.own);
    }
    gush_free(subs);
}

/* Every channel has answered. Order on the wire: connect, then what was held, then live ones. */
static void finish(struct gush_client *c, struct gush_client_plan *plan)
{
    queue_connect(c, plan);
    if (gush__client_ending(c))
        return; /* it cannot have this payload in its format */
    c->state = GUSH_CLIENT_LIVE;
    c->stale_due = 0;
    if (plan->expires)
        c->expire_due = gush_lane_now_ms(c->lane) + (uint64_t)plan->ttl_s * 1000 +
                        (uint64_t)c->node->config->client.expired_close_delay_ms;
    gush__client_arm(c);
    for (size_t i = 0; i < plan->subs_n; i++)
        if (plan->subs[i]->leaves) {
            gush__client_tell_unsubscribed(c, plan->subs[i]->channel);
            gush__client_sub_end(c, plan->subs[i]->sub);
        }
    for (uint32_t i = 0; i < c->subs_n; i++)
        gush_client_plan_go_live(c, c->subs[i]);
}

/* ---- the request ---------------------------------------------------------------------------- */

static bool enter_user(struct gush_client *c, struct gush_span user)
{
    int64_t limit = user.n ? c->node->config->client.user_connection_limit : 0;

    if (gush_users_enter(&c->node->users, user, c->lane->index, limit, &c->user, &c->user_number) !=
        GUSH_OK) {
        gush_client_disconnect(c, GUSH_DISCONNECT_CONNECTION_LIMIT, NULL);
        return false;
    }
    gush__client_list_add(c);
    gush__node_tally(c->node, c->lane, GUSH_METRIC_ACTIONS, GUSH_AT(GUSH_ACTION_ADD_CLIENT));
    gush__node_tally(c->node, c->lane, GUSH_METRIC_CONNECTIONS_ACCEPTED,
                     GUSH_AT(c->transport_label));
    gush_metrics_open(c->node->metrics, c->lane->index, GUSH_METRIC_CONNECTIONS_INFLIGHT,
                      GUSH_AT(c->transport_label));
    return true;
}

/* The newest connection of a user is the one that stays. */
static void end_earlier(struct gush_client *c)
{
    const struct gush_config *config = c->node->config;

    if (config->client.subscribe_to_user_personal_channel.enabled &&
        config->client.subscribe_to_user_personal_channel.single_connection &&
        gush_client_user(c).n > 0)
        gush__clients_end_earlier(c, GUSH_DISCONNECT_CONNECTION_LIMIT);
}

static void connect_with(struct gush_client *c, struct gush_client_plan *plan,
                         const struct gush_connect_request *request,
                         const struct gush_claims *claims)
{
    struct gush_buf personal;

    gush_buf_init(&personal, 1 << 16);
    if (enter_user(c, claims->user) && plan_token_subs(c, plan, claims) &&
        plan_personal(c, plan, &personal) && plan_request_subs(c, plan, request)) {
        gush_marks_resume(c, plan, request->last_event_id);
        c->state = GUSH_CLIENT_CONNECTING;
        end_earlier(c);
        gush_client_plan_run(c, plan);
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
    if (gush_node_closed(c->node)) {
        gush_client_disconnect(c, GUSH_DISCONNECT_SHUTDOWN, NULL);
        return;
    }
    struct gush_client_plan *plan = gush_client_plan_new(c, finish);
    if (request->token.n > 0) {
        if (accept_token(c, plan, request->token, &claims))
            connect_with(c, plan, request, &claims);
        gush_claims_fini(&claims);
        return;
    }
    if (config->client.allow_anonymous_connect_without_token || config->client.insecure) {
        connect_with(c, plan, request, &claims);
        return;
    }
    log_denied(c, "no credentials", "no token, and anonymous connections are off", GUSH_SPAN_EMPTY);
    gush_client_disconnect(c, GUSH_DISCONNECT_BAD_REQUEST, NULL);
}
