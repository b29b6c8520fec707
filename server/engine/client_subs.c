#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/engine/client_priv.h"
#include "server/engine/presence.h"

struct gush_subscription *gush__client_sub_new(struct gush_client *c,
                                               const struct gush_sub_options *options,
                                               struct gush_span channel)
{
    struct gush_subscription *sub = GUSH_NEW(struct gush_subscription);

    sub->magic = gush_subscription_MAGIC;
    sub->serial = ++c->next_serial;
    sub->client = c;
    sub->holding = true;
    sub->positioned = options->positioned;
    sub->recoverable = options->recoverable;
    sub->push_join_leave = options->push_join_leave;
    sub->presence = options->presence;
    sub->join_leave = options->join_leave;
    sub->from_token = options->from_token;
    if (options->presence || options->join_leave) {
        struct gush_client_info info = {.user = gush_client_user(c),
                                        .client = gush_client_id(c),
                                        .conn_info = gush_bytes_span(c->conn_info),
                                        .chan_info = options->chan_info};
        struct gush_bytes *name = gush_bytes_copy(channel);
        sub->member = gush_publication_new(name, &(struct gush_pub){.info = &info});
        gush_bytes_unref(name);
    }
    if (c->subs_n == c->subs_cap) {
        c->subs_cap = c->subs_cap ? c->subs_cap * 2 : 1;
        c->subs = gush_realloc(c->subs, c->subs_cap * sizeof(struct gush_subscription *));
    }
    c->subs[c->subs_n++] = sub;
    gush__count(&c->lane->stats.subscriptions, 1);
    gush__node_tally(c->node, c->lane, GUSH_METRIC_ACTIONS, GUSH_AT(GUSH_ACTION_ADD_SUBSCRIPTION));
    gush__node_tally(c->node, c->lane, GUSH_METRIC_SUBSCRIPTIONS_ACCEPTED, GUSH_AT_NONE);
    gush_metrics_open(c->node->metrics, c->lane->index, GUSH_METRIC_SUBSCRIPTIONS_INFLIGHT,
                      GUSH_AT_NONE);
    return sub;
}

static void detach(struct gush_client *c, struct gush_subscription *sub)
{
    struct gush_channel *ch = sub->channel;
    struct gush_posting posting = {0};

    if (sub->branch == NULL)
        return;
    gush_branch_remove(sub->branch, sub);
    gush_channel_hold(ch);
    gush_channel_unlink(ch, sub->branch, &posting);
    gush_remote_part(ch, sub->positioned, gush_lane_now_ms(c->lane));
    gush_channel_unlock(&c->node->channels, ch, &posting);
    sub->branch = NULL;
}

void gush__client_tell_unsubscribed(struct gush_client *c, struct gush_span channel)
{
    struct gush_span why = gush_span_str(gush_unsubscribe_text(GUSH_UNSUBSCRIBE_SERVER));
    struct gush_subscription *sub = channel.n ? gush__client_find_sub(c, channel) : NULL;

    if (sub)
        sub->told = false;
    gush__client_queue_push(c, &(struct gush_push){.kind = GUSH_PUSH_UNSUBSCRIBE,
                                                   .channel = channel,
                                                   .u.end = {GUSH_UNSUBSCRIBE_SERVER, why}});
}

uint64_t gush__client_subs_catch_up(struct gush_client *c)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < c->subs_n; i++)
        n += gush_branch_catch_up(c->subs[i]->branch, c->subs[i]);
    return n;
}

void gush__client_subs_detach(struct gush_client *c)
{
    for (uint32_t i = 0; i < c->subs_n; i++) {
        detach(c, c->subs[i]);
        gush_subscription_drop_held(c->subs[i]);
    }
}

/* Other members hear of it when the connection is already gone. */
static void leave(struct gush_client *c, struct gush_subscription *sub)
{
    struct gush_channel *ch = sub->channel;
    struct gush_posting posting = {0};

    if (sub->presence) {
        gush__node_tally(c->node, c->lane, GUSH_METRIC_ACTIONS,
                         GUSH_AT(GUSH_ACTION_REMOVE_PRESENCE));
        gush_presence_remove(ch->presence, sub->member);
    }
    if (!sub->join_leave)
        return;
    gush__node_tally(c->node, c->lane, GUSH_METRIC_SENT, GUSH_AT(GUSH_MESSAGE_LEAVE));
    gush__node_tally(c->node, c->lane, GUSH_METRIC_RECEIVED, GUSH_AT(GUSH_MESSAGE_LEAVE));
    struct gush_frames *frames = gush_frames_new(GUSH_PUSH_LEAVE, sub->member, GUSH_SPAN_EMPTY);
    gush_channel_hold(ch);
    gush_channel_post(ch, &posting, GUSH_DELIVERY_LEAVE, frames, &(struct gush_channel_place){0});
    gush_channel_unlock(&c->node->channels, ch, &posting);
    gush_frames_unref(frames);
}

static void sub_free(struct gush_client *c, struct gush_subscription *sub)
{
    if (sub->member && sub->channel && !sub->holding)
        leave(c, sub);
    if (sub->channel)
        gush_channel_release(&c->node->channels, sub->channel);
    gush_publication_unref(sub->member);
    sub->magic = GUSH_MAGIC_DEAD;
    gush_free(sub);
    gush__count(&c->lane->stats.subscriptions, -1);
    gush__node_tally(c->node, c->lane, GUSH_METRIC_ACTIONS,
                     GUSH_AT(GUSH_ACTION_REMOVE_SUBSCRIPTION));
    gush_metrics_close(c->node->metrics, c->lane->index, GUSH_METRIC_SUBSCRIPTIONS_INFLIGHT,
                       GUSH_AT_NONE);
}

void gush__client_subs_free(struct gush_client *c)
{
    for (uint32_t i = 0; i < c->subs_n; i++)
        sub_free(c, c->subs[i]);
    gush_free(c->subs);
    c->subs = NULL;
    c->subs_n = c->subs_cap = 0;
}

void gush__client_subs_expiry(struct gush_client *c)
{
    c->subs_expire_due = 0;
    for (uint32_t i = 0; i < c->subs_n; i++) {
        uint64_t due = c->subs[i]->expire_due;
        if (due && (c->subs_expire_due == 0 || due < c->subs_expire_due))
            c->subs_expire_due = due;
    }
    gush__client_arm(c);
}

void gush__client_sub_end(struct gush_client *c, struct gush_subscription *sub)
{
    detach(c, sub);
    gush_subscription_drop_held(sub);
    for (uint32_t i = 0; i < c->subs_n; i++)
        if (c->subs[i] == sub) {
            c->subs[i] = c->subs[--c->subs_n];
            break;
        }
    sub_free(c, sub);
    gush__client_subs_expiry(c);
}
