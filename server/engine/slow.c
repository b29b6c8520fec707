#include "server/engine/slow.h"

#include <string.h>

#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/engine/client_priv.h"

#define CLIENTS_PER_TURN GUSH_SIM_SMALL(1024, 3)
#define LINES_PER_SECOND 10 /* of the log, per lane */

/* ---- asking ---------------------------------------------------------------------------------- */

/* What one lane finds. */
struct gush_slow_part {
    struct gush_letter letter;
    struct gush_slow_call *call;
    uint32_t at; /* slots looked at */
    size_t n;
    struct gush_slow_client *clients; /* room for call->most, most bytes first */
    struct gush_slow_sum sums[GUSH_TRANSPORTS_N];
};

static size_t copy_cut(char *to, size_t max, struct gush_span from)
{
    size_t n = from.n < max ? from.n : max;

    if (n > 0)
        memcpy(to, from.p, n);
    return n;
}

/* Where one with |bytes| belongs among the |n| of |list|; |most|: nowhere. */
static size_t rank(const struct gush_slow_client *list, size_t n, size_t most, uint64_t bytes)
{
    size_t at = n;

    while (at > 0 && list[at - 1].bytes < bytes)
        at--;
    return at < most ? at : most;
}

/* Room at |at|; the last one goes if there are too many. */
static struct gush_slow_client *insert(struct gush_slow_client *list, size_t *n, size_t most,
                                       size_t at)
{
    if (*n < most)
        ++*n;
    memmove(&list[at + 1], &list[at], (*n - 1 - at) * sizeof *list);
    return &list[at];
}

static void look_at(struct gush_slow_part *part, const struct gush_client *c)
{
    struct gush_slow_sum *sum = &part->sums[c->transport_label];
    size_t most = part->call->most, at;

    if (c->out.n == 0)
        return;
    sum->clients++;
    sum->messages += c->out.n;
    sum->bytes += c->out.bytes_n;
    at = rank(part->clients, part->n, most, c->out.bytes_n);
    if (at == most)
        return;
    struct gush_slow_client *s = insert(part->clients, &part->n, most, at);
    const struct gush_delivery *largest = gush_outbox_largest(&c->out);
    memcpy(s->id, c->id, sizeof s->id);
    s->transport = c->transport->name;
    s->bytes = c->out.bytes_n;
    s->messages = c->out.n;
    s->age_ms = gush_outbox_age_ms(&c->out, gush_lane_now_ms(c->lane));
    s->user_n = copy_cut(s->user, sizeof s->user, gush_client_user(c));
    s->channel_n =
        largest ? copy_cut(s->channel, sizeof s->channel, gush_delivery_channel(largest)) : 0;
}

static void merge(struct gush_slow_call *call, const struct gush_slow_part *part)
{
    for (size_t i = 0; i < GUSH_TRANSPORTS_N; i++) {
        call->sums[i].clients += part->sums[i].clients;
        call->sums[i].messages += part->sums[i].messages;
        call->sums[i].bytes += part->sums[i].bytes;
    }
    for (size_t i = 0; i < part->n; i++) {
        size_t at = rank(call->clients, call->clients_n, call->most, part->clients[i].bytes);
        if (at < call->most)
            *insert(call->clients, &call->clients_n, call->most, at) = part->clients[i];
    }
}

static void part_done(struct gush_slow_call *call)
{
    if (atomic_fetch_sub_explicit(&call->parts_n, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < call->node->lanes_n; i++) {
        merge(call, &call->parts[i]);
        gush_free(call->parts[i].clients);
    }
    gush_free(call->parts);
    call->parts = NULL;
    gush__node_answer(&call->call, GUSH_ERROR_NONE);
}

static void part_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct gush_slow_part *part = GUSH_CONTAINER(letter, struct gush_slow_part, letter);
    const struct gush_lane_state *s = gush__lane_state(part->call->node, lane);

    for (unsigned n = 0; n < CLIENTS_PER_TURN && part->at < s->slots_n; n++, part->at++)
        if (s->slots[part->at].client)
            look_at(part, s->slots[part->at].client);
    if (part->at < s->slots_n)
        gush_lane_post(lane, letter);
    else
        part_done(part->call);
}

static void part_drop(struct gush_letter *letter)
{
    part_done(GUSH_CONTAINER(letter, struct gush_slow_part, letter)->call);
}

static const struct gush_letter_kind part_kind = {"slow", part_open, part_drop};

void gush_slow(struct gush_node *node, struct gush_slow_call *call)
{
    GUSH_ASSERT(call->most <= GUSH_SLOW_MAX);
    call->node = node;
    call->clients = gush_zalloc(call->most + 1, sizeof *call->clients);
    call->clients_n = 0;
    memset(call->sums, 0, sizeof call->sums);
    call->parts = gush_zalloc(node->lanes_n, sizeof *call->parts);
    atomic_init(&call->parts_n, node->lanes_n + 1); /* one is ours, until all are on their way */
    for (size_t i = 0; i < node->lanes_n; i++) {
        call->parts[i].call = call;
        call->parts[i].letter.kind = &part_kind;
        call->parts[i].clients = gush_zalloc(call->most + 1, sizeof *call->clients);
        gush_lane_post(node->lanes[i], &call->parts[i].letter);
    }
    part_done(call);
}

void gush_slow_call_fini(struct gush_slow_call *call)
{
    gush_free(call->clients);
    call->clients = NULL;
    call->clients_n = 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* True: |*unsaid| slow clients were not logged since the last one that was. */
static bool may_say(struct gush_lane_state *s, uint64_t now_ms, uint64_t *unsaid)
{
    if (now_ms / 1000 != s->slow_said_s) {
        s->slow_said_s = now_ms / 1000;
        s->slow_said_n = 0;
    }
    if (s->slow_said_n == LINES_PER_SECOND) {
        s->slow_unsaid_n++;
        return false;
    }
    s->slow_said_n++;
    *unsaid = s->slow_unsaid_n;
    s->slow_unsaid_n = 0;
    return true;
}

void gush_slow_disconnected(struct gush_client *c)
{
    const struct gush_delivery *largest = gush_outbox_largest(&c->out);
    struct gush_span channel = largest ? gush_delivery_channel(largest) : GUSH_SPAN_EMPTY;
    uint32_t policy = largest ? (uint32_t)largest->policy : GUSH_QUEUE_DISCONNECT;
    uint64_t now_ms = gush_lane_now_ms(c->lane), unsaid = 0;

    gush_metrics_add(c->node->metrics, c->lane->index, GUSH_METRIC_SLOW,
                     GUSH_AT(gush__node_namespace(c->node, channel), policy, c->transport_label),
                     1);
    if (!may_say(gush__lane_state(c->node, c->lane), now_ms, &unsaid))
        return;
    gush_log(GUSH_LOG_INFO, "slow client", GUSH_FS("client", gush_client_id(c)),
             GUSH_FS("user", gush_client_user(c)), GUSH_F("transport", c->transport->name),
             GUSH_FS("channel", channel), GUSH_FU("queued_bytes", c->out.bytes_n),
             GUSH_FU("queued_messages", c->out.n),
             GUSH_FU("oldest_ms", gush_outbox_age_ms(&c->out, now_ms)),
             GUSH_FU("not_logged", unsaid));
}
