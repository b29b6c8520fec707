#include "server/engine/client.h"

#include <string.h>

#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/codec/id_line.h"
#include "server/codec/push_encode.h"
#include "server/codec/reply_encode.h"

#include "server/engine/client_priv.h"
#include "server/engine/slow.h"

/* How long the queue may take to be written once the end was decided. */
#define LINGER_MS  5000
#define RECHECK_MS 1000

static bool flush_run(struct gush_lane *lane, struct gush_work *work);
static bool end_run(struct gush_lane *lane, struct gush_work *work);
static void on_timer(void *arg, struct gush_timer *t);

static struct gush_lane_stats *stats(const struct gush_client *c)
{
    return &c->lane->stats;
}

static uint64_t now_ms(const struct gush_client *c)
{
    return gush_lane_now_ms(c->lane);
}

struct gush_client *gush_client_open(struct gush_node *node, struct gush_lane *lane,
                                     const struct gush_transport *transport, void *conn)
{
    GUSH_ASSERT(transport->burst_n > 0 && transport->burst_n <= GUSH_BURST_MAX);
    GUSH_ASSERT(!transport->marks ||
                (transport->burst_n >= GUSH_MARKS_BURST_MIN && gush_id_line_in(transport->form)));
    struct gush_client *c = GUSH_NEW(struct gush_client);

    gush_lane_assert(lane);
    c->magic = gush_client_MAGIC;
    c->node = node;
    c->lane = lane;
    c->transport = transport;
    c->transport_label = (uint8_t)gush_metrics_transport(transport->name);
    c->sent =
        &gush__lane_state(node, lane)->sent[c->transport_label][gush_form_framing(transport->form)];
    c->conn = conn;
    c->flush.run = flush_run;
    c->end.run = end_run;
    c->timer.fire = on_timer;
    gush__node_uuid(node, c->id);
    node->host->random(node->host->host, c->session, sizeof c->session);
    c->ref = gush__lane_enter(gush__lane_state(node, lane), c);
    if (node->config->client.stale_close_delay_ms > 0)
        c->stale_due = now_ms(c) + (uint64_t)node->config->client.stale_close_delay_ms;
    gush__client_arm(c);
    gush__count(&stats(c)->clients, 1);
    gush__count(&stats(c)->connects, 1);
    return c;
}

struct gush_span gush_client_id(const struct gush_client *c)
{
    return gush_span_of(c->id, sizeof c->id);
}

uint32_t gush_client_refusal(const struct gush_client *c)
{
    return c->refusal;
}

struct gush_subscription *gush__client_find_sub(const struct gush_client *c,
                                                struct gush_span channel)
{
    for (uint32_t i = 0; i < c->subs_n; i++)
        if (gush_span_eq(gush_bytes_span(c->subs[i]->channel->name), channel))
            return c->subs[i];
    return NULL;
}

/* ---- the queue ------------------------------------------------------------------------------ */

uint64_t gush__client_queue_limit(const struct gush_client *c)
{
    return (uint64_t)c->node->config->client.queue_max_size;
}

static bool too_old(const struct gush_client *c)
{
    int64_t max = c->node->config->client.queue_max_age_ms;
    return max > 0 && gush_outbox_age_ms(&c->out, now_ms(c)) > (uint64_t)max;
}

static uint64_t waiting_bytes(const struct gush_client *c)
{
    return gush_outbox_waiting_bytes(&c->out) + gush_marks_waiting_bytes(c->marks);
}

/* What waits behind the write under way. One frame alone is always fine, whatever its size. */
static bool over_limits(const struct gush_client *c)
{
    uint32_t n = gush_outbox_waiting_n(&c->out);

    if (n == 0)
        return false;
    if (too_old(c))
        return true;
    return n > 1 && (waiting_bytes(c) > gush__client_queue_limit(c) ||
                     n > (uint64_t)c->node->config->client.queue_max_messages);
}

static void slow(struct gush_client *c)
{
    if (gush__client_ending(c))
        return;
    gush__count(&stats(c)->slow_disconnects, 1);
    gush_slow_disconnected(c);
    gush_client_disconnect(c, GUSH_DISCONNECT_SLOW, NULL);
}

static bool flush_once(struct gush_client *c);

static void count_dropped(void *arg, const struct gush_delivery *d)
{
    const struct gush_client *c = arg;
    uint32_t namespace = gush__node_namespace(c->node, gush_delivery_channel(d));

    gush__node_tally(c->node, c->lane, GUSH_METRIC_DROPPED,
                     GUSH_AT(namespace, (uint32_t)d->policy, c->transport_label));
}

/* Something was queued: keep within the limits, by writing, by policy, by ending the client. A peer
 * that took nothing for queue_max_age is slow under every policy. */
static void after_put(struct gush_client *c)
{
    if (over_limits(c) && c->out.flight_n == 0)
        flush_once(c); /* not slow, only not written yet */
    if (over_limits(c) && !too_old(c)) {
        uint64_t keep_bytes = gush__client_queue_limit(c) / 4 * 3;
        uint32_t keep_n = (uint32_t)c->node->config->client.queue_max_messages / 4 * 3;
        uint32_t dropped = gush_outbox_drop(&c->out, &c->node->channels.hash_key, keep_bytes,
                                            keep_n, count_dropped, c);
        gush__count(&stats(c)->dropped_frames, dropped);
    }
    if (over_limits(c))
        slow(c);
    if (c->out.flight_n == 0 && c->out.n > 0)
        gush_lane_flush(c->lane, &c->flush);
}

/* A payload that is not JSON ends the JSON clients of its channel, nobody else. */
static void cannot_travel(struct gush_client *c, gush_err err)
{
    gush_client_disconnect(c,
                           err == GUSH_ESYNTAX ? GUSH_DISCONNECT_INAPPROPRIATE_PROTOCOL
                                               : GUSH_DISCONNECT_SERVER_ERROR,
                           NULL);
}

static enum gush_outbox_flag flag_of(const struct gush_client *c,
                                     const struct gush_subscription *sub,
                                     const struct gush_delivery *d)
{
    if (d->kind != GUSH_DELIVERY_PUB)
        return GUSH_OUTBOX_PLAIN;
    if (sub->positioned)
        return c->marks && d->offset > 0 ? GUSH_OUTBOX_MOVES : GUSH_OUTBOX_PLAIN;
    return d->policy == GUSH_QUEUE_DISCONNECT ? GUSH_OUTBOX_PLAIN : GUSH_OUTBOX_DROPPABLE;
}

void gush__client_queue_delivery(struct gush_client *c, struct gush_subscription *sub,
                                 struct gush_delivery *d)
{
    struct gush_bytes *bytes = NULL;

    gush_err err = gush_frames_get(d->frames, c->transport->form, &bytes);

    if (err != GUSH_OK) {
        cannot_travel(c, err);
        return;
    }
    if (GUSH_BUG(GUSH_BUG_POSITIONED_FRAME_DROPPED) && d->kind == GUSH_DELIVERY_PUB &&
        c->out.n > c->out.flight_n + 2)
        return;
    gush_outbox_put_delivery(&c->out, d, bytes->n, flag_of(c, sub, d), now_ms(c));
    gush__count(&stats(c)->deliveries, 1);
    after_put(c);
}

/* Frames of one connection are never dropped: queued is as good as sent. */
static void count_own(const struct gush_client *c, enum gush_frame_label label, uint32_t bytes_n)
{
    gush_metrics_bump(&c->sent->frames[label], 1);
    gush_metrics_bump(&c->sent->bytes[label], gush_outbox_message_n(c->sent->framing, bytes_n));
}

static void queue_bytes(struct gush_client *c, struct gush_bytes *bytes,
                        enum gush_frame_label label, enum gush_outbox_flag flag)
{
    count_own(c, label, bytes->n);
    gush_outbox_put_bytes(&c->out, bytes, flag, now_ms(c));
    after_put(c);
}

static enum gush_frame_label push_label(enum gush_push_kind kind)
{
    static const uint8_t labels[] = {[GUSH_PUSH_PING] = GUSH_FRAME_PING,
                                     [GUSH_PUSH_PUB] = GUSH_FRAME_PUSH_PUBLICATION,
                                     [GUSH_PUSH_JOIN] = GUSH_FRAME_PUSH_JOIN,
                                     [GUSH_PUSH_LEAVE] = GUSH_FRAME_PUSH_LEAVE,
                                     [GUSH_PUSH_UNSUBSCRIBE] = GUSH_FRAME_PUSH_UNSUBSCRIBE,
                                     [GUSH_PUSH_MESSAGE] = GUSH_FRAME_PUSH_MESSAGE,
                                     [GUSH_PUSH_SUBSCRIBE] = GUSH_FRAME_PUSH_SUBSCRIBE,
                                     [GUSH_PUSH_CONNECT] = GUSH_FRAME_PUSH_CONNECT,
                                     [GUSH_PUSH_DISCONNECT] = GUSH_FRAME_PUSH_DISCONNECT,
                                     [GUSH_PUSH_REFRESH] = GUSH_FRAME_PUSH_REFRESH};

    GUSH_ASSERT(kind < sizeof labels);
    return (enum gush_frame_label)labels[kind];
}

static bool changes_positions(enum gush_push_kind kind)
{
    return kind == GUSH_PUSH_CONNECT || kind == GUSH_PUSH_SUBSCRIBE ||
           kind == GUSH_PUSH_UNSUBSCRIBE;
}

void gush__client_queue_push(struct gush_client *c, const struct gush_push *push)
{
    struct gush_bytes *bytes = NULL;
    gush_err err = gush_push_encode(push, c->transport->form, &bytes);
    if (err == GUSH_OK)
        queue_bytes(c, bytes, push_label(push->kind),
                    c->transport->marks && changes_positions(push->kind) && gush_marks_change(c)
                        ? GUSH_OUTBOX_MOVES
                        : GUSH_OUTBOX_PLAIN);
    else
        cannot_travel(c, err);
    if (push->kind == GUSH_PUSH_UNSUBSCRIBE)
        gush__node_tally(
            c->node, c->lane, GUSH_METRIC_UNSUBSCRIBES,
            GUSH_AT(gush_metrics_unsubscribe_code(c->node->metrics, push->u.end.code)));
}

void gush__client_queue_reply(struct gush_client *c, const struct gush_reply *reply)
{
    struct gush_bytes *bytes = NULL;
    gush_err err = gush_reply_encode(reply, c->transport->form, &bytes);
    if (err != GUSH_OK) {
        cannot_travel(c, err);
        return;
    }
    queue_bytes(c, bytes,
                reply->kind == GUSH_REPLY_CONNECT   ? GUSH_FRAME_CONNECT
                : reply->kind == GUSH_REPLY_PUBLISH ? GUSH_FRAME_PUBLISH
                                                    : GUSH_FRAME_OTHER,
                GUSH_OUTBOX_PLAIN);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Hands one burst to the transport. True: there is more and it may be written at once. */
static bool flush_once(struct gush_client *c)
{
    struct gush_frame frames[GUSH_BURST_MAX];

    if (c->broken || c->out.flight_n > 0 || c->out.n == 0 || c->state == GUSH_CLIENT_CLOSED)
        return false;
    size_t n, entries_n;
    if (c->marks) {
        n = gush_marks_frames(c, frames, c->transport->burst_n, &entries_n);
    } else {
        n = gush_outbox_frames(&c->out, c->transport->form, frames, c->transport->burst_n);
        entries_n = n;
    }
    gush__count(&stats(c)->flushes, 1);
    gush_err err = c->transport->send(c->conn, frames, n);
    if (err == GUSH_OK) {
        gush_outbox_pop(&c->out, entries_n, c->sent);
        return c->out.n > 0;
    }
    if (err == GUSH_EAGAIN) {
        gush_outbox_fly(&c->out, entries_n);
        gush__client_arm(c); /* the oldest entry now has a deadline */
    } else {
        c->broken = true;
    }
    return false;
}

static void transport_close(struct gush_client *c)
{
    if (c->state == GUSH_CLIENT_CLOSED)
        return;
    c->state = GUSH_CLIENT_CLOSED;
    c->linger_due = 0;
    gush__client_arm(c);
    if (!c->transport->disconnect_push) /* then the wire carries the code */
        gush__node_tally(c->node, c->lane, GUSH_METRIC_OUTGOING_CLOSE,
                         GUSH_AT(gush_metrics_disconnect_code(c->node->metrics, c->close_code),
                                 c->transport_label));
    c->transport->close(c->conn, c->close_code, c->close_reason);
}

static void free_when_idle(struct gush_client *c)
{
    if (c->flush.queued || c->end.queued)
        return;
    c->magic = GUSH_MAGIC_DEAD;
    gush_free(c);
}

static bool flush_run(struct gush_lane *lane, struct gush_work *work)
{
    struct gush_client *c = GUSH_CONTAINER(work, struct gush_client, flush);

    (void)lane;
    if (c->gone) {
        free_when_idle(c);
        return true;
    }
    if (flush_once(c))
        return false;
    if (c->state == GUSH_CLIENT_ENDING && c->out.n == 0)
        transport_close(c);
    return true;
}

void gush_client_on_sent(struct gush_client *c)
{
    GUSH_ASSERT(c->magic == gush_client_MAGIC);
    gush_lane_assert(c->lane);
    gush_outbox_land(&c->out, c->sent);
    if (c->out.n > 0 || c->state == GUSH_CLIENT_ENDING)
        gush_lane_flush(c->lane, &c->flush);
}

size_t gush_client_flight(const struct gush_client *c, struct gush_frame *frames, size_t max)
{
    if (c->marks)
        return gush_marks_again(c, frames, max);
    size_t n = c->out.flight_n < max ? c->out.flight_n : max;
    return gush_outbox_frames(&c->out, c->transport->form, frames, n);
}

/* ---- the end -------------------------------------------------------------------------------- */

void gush_client_disconnect(struct gush_client *c, uint32_t code, const char *reason)
{
    GUSH_ASSERT(c->magic == gush_client_MAGIC);
    if (gush__client_ending(c))
        return;
    c->closing = true;
    c->close_code = code;
    if (c->state < GUSH_CLIENT_LIVE && c->refusal == 0)
        c->refusal = code;
    c->close_reason = gush_disconnect_text(code);
    if (reason) {
        c->close_reason_own = gush_strndup(reason, strlen(reason));
        c->close_reason = c->close_reason_own;
    }
    /* The branch that found out may be dealing: leave the channels when the turn ends. */
    gush_lane_last(c->lane, &c->end);
}

/* Now it is certain as what it ends. */
static void count_end(const struct gush_client *c)
{
    if (c->close_code != GUSH_DISCONNECT_CONNECTION_CLOSED)
        gush__node_tally(c->node, c->lane, GUSH_METRIC_DISCONNECTS,
                         GUSH_AT(gush_metrics_disconnect_code(c->node->metrics, c->close_code)));
    gush_log(GUSH_LOG_DEBUG, "client disconnected", GUSH_FS("client", gush_client_id(c)),
             GUSH_FS("user", gush_client_user(c)), GUSH_FU("code", c->close_code),
             GUSH_F("reason", c->close_reason));
}

static bool end_run(struct gush_lane *lane, struct gush_work *work)
{
    struct gush_client *c = GUSH_CONTAINER(work, struct gush_client, end);
    bool silent =
        c->close_code == GUSH_DISCONNECT_CONNECTION_CLOSED || c->close_code == GUSH_DISCONNECT_SLOW;

    (void)lane;
    if (c->gone) {
        free_when_idle(c);
        return true;
    }
    count_end(c);
    gush__client_plans_abandon(c);
    gush__client_subs_detach(c);
    c->state = GUSH_CLIENT_ENDING;
    c->stale_due = c->ping_due = c->expire_due = c->subs_expire_due = c->recheck_due = 0;
    if (silent) {
        gush_outbox_clear(&c->out);
        transport_close(c);
        return true;
    }
    if (c->transport->disconnect_push) {
        struct gush_push push = {.kind = GUSH_PUSH_DISCONNECT,
                                 .u.end = {c->close_code, gush_span_str(c->close_reason)}};
        struct gush_bytes *bytes = NULL;
        /* A custom reason is UTF-8 or it is replaced: this cannot fail for want of valid JSON. */
        if (gush_push_encode(&push, c->transport->form, &bytes) == GUSH_OK) {
            count_own(c, GUSH_FRAME_PUSH_DISCONNECT, bytes->n);
            gush_outbox_put_bytes(&c->out, bytes, GUSH_OUTBOX_PLAIN, now_ms(c));
        }
    }
    c->linger_due = now_ms(c) + LINGER_MS;
    gush__client_arm(c);
    if (c->out.flight_n == 0)
        gush_lane_flush(c->lane, &c->flush);
    return true;
}

void gush_client_on_closed(struct gush_client *c)
{
    GUSH_ASSERT(c->magic == gush_client_MAGIC && !c->gone);
    gush_lane_assert(c->lane);
    gush_wheel_disarm(&c->lane->wheel, &c->timer);
    if (c->end.queued)
        count_end(c);
    gush__client_plans_abandon(c);
    gush__client_subs_detach(c);
    gush__client_subs_free(c);
    if (c->user) {
        gush__node_tally(c->node, c->lane, GUSH_METRIC_ACTIONS, GUSH_AT(GUSH_ACTION_REMOVE_CLIENT));
        gush_metrics_close(c->node->metrics, c->lane->index, GUSH_METRIC_CONNECTIONS_INFLIGHT,
                           GUSH_AT(c->transport_label));
        gush__client_list_remove(c);
        gush_users_leave(&c->node->users, c->user, c->lane->index);
    }
    gush__lane_leave(gush__lane_state(c->node, c->lane), c->ref.slot);
    gush_outbox_fini(&c->out);
    gush_marks_free(c->marks);
    gush_bytes_unref(c->conn_info);
    gush_free(c->close_reason_own);
    gush__count(&stats(c)->clients, -1);
    gush__count(&stats(c)->disconnects, 1);
    c->gone = true;
    free_when_idle(c);
}

/* ---- time ----------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

/* When the write under way is too late; 0: none is, or there is no such limit. */
static uint64_t write_due(const struct gush_client *c)
{
    int64_t max = c->node->config->client.queue_max_age_ms;

    if (c->out.flight_n == 0 || max <= 0 || c->state >= GUSH_CLIENT_ENDING)
        return 0;
    return now_ms(c) - gush_outbox_age_ms(&c->out, now_ms(c)) + (uint64_t)max + 1;
}

void gush__client_arm(struct gush_client *c)
{
    uint64_t due = earlier(c->stale_due, c->ping_due);

    due = earlier(due, c->expire_due);
    due = earlier(due, c->subs_expire_due);
    due = earlier(due, c->recheck_due);
    due = earlier(due, c->linger_due);
    due = earlier(due, write_due(c));
    if (due)
        gush_wheel_arm(&c->lane->wheel, &c->timer, due);
    else
        gush_wheel_disarm(&c->lane->wheel, &c->timer);
}

void gush__client_recheck_later(struct gush_client *c)
{
    if (c->recheck_due)
        return;
    c->recheck_due = now_ms(c) + RECHECK_MS;
    gush__client_arm(c);
}

static bool is_due(uint64_t *due, uint64_t now)
{
    if (*due == 0 || *due > now)
        return false;
    *due = 0;
    return true;
}

static void ping(struct gush_client *c)
{
    int64_t interval = c->transport->ping_interval_ms ? c->transport->ping_interval_ms
                                                      : c->node->config->client.ping_interval_ms;
    struct gush_push push = {.kind = GUSH_PUSH_PING};

    c->ping_due = now_ms(c) + (uint64_t)interval;
    gush__client_queue_push(c, &push);
}

static void on_timer(void *arg, struct gush_timer *t)
{
    struct gush_client *c = GUSH_CONTAINER(t, struct gush_client, timer);
    uint64_t now = now_ms(c);

    (void)arg;
    GUSH_ASSERT(c->magic == gush_client_MAGIC);
    if (is_due(&c->linger_due, now))
        transport_close(c);
    if (is_due(&c->stale_due, now)) /* connecting: it is the broker who does not answer */
        gush_client_disconnect(c,
                               c->state == GUSH_CLIENT_CONNECTING ? GUSH_DISCONNECT_SERVER_ERROR
                                                                  : GUSH_DISCONNECT_STALE,
                               NULL);
    if (is_due(&c->expire_due, now))
        gush_client_disconnect(c, GUSH_DISCONNECT_EXPIRED, NULL);
    if (is_due(&c->subs_expire_due, now))
        gush_client_disconnect(c, GUSH_DISCONNECT_SUBSCRIPTION_EXPIRED, NULL);
    uint64_t late = write_due(c);
    if (late && late <= now && !gush__client_ending(c))
        slow(c);
    if (is_due(&c->recheck_due, now) && !gush__client_ending(c))
        for (uint32_t i = 0; i < c->subs_n; i++)
            gush_subscription_recheck(c->subs[i]);
    if (is_due(&c->ping_due, now) && !gush__client_ending(c))
        ping(c);
    gush__client_arm(c);
}
