/* Callers of the node's API: publishers with a script of their own, other nodes behind the broker,
 * and the questions that the director asks at rest. Each call is memory of its own, given back in
 * |done|, so that a node which touches it later is caught. */
#include <stdio.h>
#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "tests/sim/call.h"

/* ---- Publish --------------------------------------------------------------------------------- */

struct publish_op {
    struct gush_publish_call publish;
    struct call_answer *answer;
    uint32_t id;
    uint8_t data[ORACLE_DATA_MAX];
    char key[2];
};

static void end_publish(struct publish_op *op, enum oracle_fate fate)
{
    struct call_answer *a = op->answer;
    struct gush_publish_call *p = &op->publish;

    oracle_end(&a->world->oracle, op->id, fate, gush_epoch_span(&p->epoch), p->offset);
    gush_free(op);
    stage_raise(&a->signal);
}

static void publish_done(struct gush_api_call *call)
{
    struct publish_op *op = GUSH_CONTAINER(call, struct publish_op, publish.call);
    const struct world *w = op->answer->world;

    call_check_done(call);
    stage_trace("publish %u is answered: error %u, offset %llu", op->id, call->error,
                (unsigned long long)op->publish.offset);
    if (call->error && (w->model == NULL || call->error != GUSH_ERROR_INTERNAL))
        stage_fail("publish %u got error %u", op->id, call->error);
    end_publish(op, call->error ? ORACLE_REFUSED : ORACLE_ACCEPTED);
}

static void publish_dropped(struct gush_api_call *call)
{
    struct publish_op *op = GUSH_CONTAINER(call, struct publish_op, publish.call);

    if (!atomic_load(&op->answer->world->closing))
        stage_fail("publish %u is dropped by a lane that is open", op->id);
    op->publish.epoch.n = 0;
    end_publish(op, ORACLE_UNSURE);
}

static void publish_one(struct publisher *p, uint32_t channel)
{
    struct world *w = p->world;
    struct publish_op *op = GUSH_NEW(struct publish_op);
    struct call_answer a;

    call_open(&a, w, &p->rng);
    op->answer = &a;
    op->publish = (struct gush_publish_call){
        .call = {.home = &a.home->lane, .done = publish_done, .dropped = publish_dropped},
        .channel = w->oracle.channels[channel].name,
    };
    op->id = oracle_begin(&w->oracle, channel, p->index, op->data, &op->publish.data);
    if (w->plan.keys && gush_rng_below(&p->rng, 2)) {
        uint8_t key = (uint8_t)gush_rng_below(&p->rng, ORACLE_KEYS_N);
        op->key[0] = (char)('k' + key);
        op->publish.idempotency_key = gush_span_of(op->key, 1);
        oracle_set_key(&w->oracle, op->id, key);
    }
    stage_trace("publishes %u in %u", op->id, channel);
    gush_publish(w->node, &op->publish);
    call_wait(&a, "a publish");
}

/* ---- History --------------------------------------------------------------------------------- */

struct history_op {
    struct gush_history_call history;
    struct call_answer *answer;
    uint32_t channel;
    bool settle; /* nothing moves: what it says is the truth */
    struct gush_epoch since_epoch;
};

static void history_judge(struct history_op *op)
{
    struct gush_history_call *h = &op->history;
    struct oracle *o = &op->answer->world->oracle;
    uint32_t error = h->call.error;

    if (error == GUSH_ERROR_UNRECOVERABLE_POSITION && op->since_epoch.n)
        return;
    if (error == GUSH_ERROR_INTERNAL && !o->local)
        return;
    if (error)
        stage_fail("history of %u got error %u", op->channel, error);
    if (op->since_epoch.n &&
        !gush_span_eq(gush_epoch_span(&op->since_epoch), gush_epoch_span(&h->epoch)))
        stage_fail("history of %u since another epoch", op->channel);
    if (h->limit >= 0 && h->publications_n > (size_t)h->limit)
        stage_fail("history of %u has %zu publications, asked for %lld", op->channel,
                   h->publications_n, (long long)h->limit);
    oracle_history(o, op->channel, gush_epoch_span(&h->epoch), h->offset, h->publications,
                   h->publications_n, h->reverse);
    if (h->publications_n && h->has_since) {
        uint64_t first = gush_publication_offset(h->publications[0]);
        if (h->reverse ? first >= h->since_offset : first <= h->since_offset)
            stage_fail("history of %u since %llu begins at %llu", op->channel,
                       (unsigned long long)h->since_offset, (unsigned long long)first);
    }
    if (op->settle)
        oracle_current(o, op->channel, gush_epoch_span(&h->epoch), h->offset);
}

static void history_end(struct history_op *op)
{
    struct call_answer *a = op->answer;

    gush_history_call_fini(&op->history);
    gush_free(op);
    stage_raise(&a->signal);
}

static void history_done(struct gush_api_call *call)
{
    struct history_op *op = GUSH_CONTAINER(call, struct history_op, history.call);

    call_check_done(call);
    history_judge(op);
    history_end(op);
}

static void history_dropped(struct gush_api_call *call)
{
    history_end(GUSH_CONTAINER(call, struct history_op, history.call));
}

static struct history_op *history_new(struct call_answer *a, uint32_t channel)
{
    struct history_op *op = GUSH_NEW(struct history_op);

    op->answer = a;
    op->channel = channel;
    op->history = (struct gush_history_call){
        .call = {.home = &a->home->lane, .done = history_done, .dropped = history_dropped},
        .channel = a->world->oracle.channels[channel].name,
        .limit = -1,
    };
    return op;
}

static void read_history(struct publisher *p, uint32_t channel)
{
    struct world *w = p->world;
    const struct oracle_channel *ch = &w->oracle.channels[channel];
    struct call_answer a;

    if (!ch->stream)
        return;
    call_open(&a, w, &p->rng);
    struct history_op *op = history_new(&a, channel);
    op->history.limit = (int64_t)gush_rng_below(&p->rng, 8) - 1;
    op->history.has_since = gush_rng_below(&p->rng, 2);
    op->history.reverse = gush_rng_below(&p->rng, 3) == 0;
    if (op->history.has_since)
        op->history.since_offset = 1 + gush_rng_below(&p->rng, 12);
    if (op->history.has_since && gush_rng_below(&p->rng, 2)) {
        stage_lock(&w->oracle.lock);
        if (ch->epochs)
            op->since_epoch = ch->epochs->name;
        stage_unlock(&w->oracle.lock);
        op->history.since_epoch = gush_epoch_span(&op->since_epoch);
    }
    gush_history(w->node, &op->history);
    call_wait(&a, "a history read");
}

void publisher_read_streams(struct world *w)
{
    if (w->model) {
        model_tell(w->model);
        return;
    }
    for (uint32_t i = 0; i < w->oracle.channels_n; i++) {
        struct call_answer a;

        if (!w->oracle.channels[i].stream)
            continue;
        call_open(&a, w, NULL);
        struct history_op *op = history_new(&a, i);
        op->settle = true;
        gush_history(w->node, &op->history);
        call_wait(&a, "a history read at rest");
    }
}

/* ---- History remove -------------------------------------------------------------------------- */

struct remove_op {
    struct gush_history_remove_call remove;
    struct call_answer *answer;
};

static void remove_end(struct gush_api_call *call)
{
    struct remove_op *op = GUSH_CONTAINER(call, struct remove_op, remove.call);
    struct call_answer *a = op->answer;

    if (call->error && a->world->model == NULL)
        stage_fail("history remove got error %u", call->error);
    gush_free(op);
    stage_raise(&a->signal);
}

static void remove_history(struct publisher *p, uint32_t channel)
{
    struct oracle_channel *ch = &p->world->oracle.channels[channel];
    struct call_answer a;

    if (!ch->stream)
        return;
    call_open(&a, p->world, &p->rng);
    struct remove_op *op = GUSH_NEW(struct remove_op);
    op->answer = &a;
    op->remove = (struct gush_history_remove_call){
        .call = {.home = &a.home->lane, .done = remove_end, .dropped = remove_end},
        .channel = ch->name,
    };
    stage_lock(&p->world->oracle.lock);
    ch->removed = true;
    stage_unlock(&p->world->oracle.lock);
    gush_history_remove(p->world->node, &op->remove);
    call_wait(&a, "a history remove");
}

/* ---- Presence -------------------------------------------------------------------------------- */

struct presence_op {
    struct gush_presence_call presence;
    struct call_answer *answer;
    uint32_t channel;
};

static bool listed(const struct gush_presence_call *p, const struct conn *c)
{
    for (size_t i = 0; i < p->clients_n; i++)
        if (gush_span_eq(p->clients[i].client, gush_span_of(c->id, sizeof c->id)))
            return true;
    return false;
}

/* Nothing moves: present are those who were told so, and maybe those whose reply is on its way. */
static void presence_judge(const struct world *w, const struct presence_op *op)
{
    const struct gush_presence_call *p = &op->presence;
    uint32_t users = 0; /* by bit */
    size_t seen = 0;

    if (p->call.error)
        stage_fail("presence of %u got error %u", op->channel, p->call.error);
    for (const struct conn *c = w->conns; c; c = c->next) {
        enum view_state state = c->views[op->channel].state;
        bool there = listed(p, c);
        bool behind = c->link && (c->link->pending || c->dead); /* it has not read yet */

        seen += there;
        if (there)
            users |= 1u << c->peer->user;
        if (there && !behind && (c->client == NULL || state == VIEW_NONE || state == VIEW_OVER))
            stage_fail("%s is gone, and present in %u", c->name, op->channel);
        if (!there && !behind && c->client && state == VIEW_TOLD)
            stage_fail("%s is there, and not present in %u", c->name, op->channel);
    }
    if (seen != p->clients_n || p->users_n != (uint32_t)__builtin_popcount(users))
        stage_fail("presence of %u: %zu clients, %zu of them known, %u users", op->channel,
                   p->clients_n, seen, p->users_n);
}

static void presence_end(struct gush_api_call *call)
{
    struct call_answer *a = GUSH_CONTAINER(call, struct presence_op, presence.call)->answer;

    stage_raise(&a->signal);
}

static void presence_done(struct gush_api_call *call)
{
    call_check_done(call);
    presence_end(call);
}

/* Waits for the answer; the caller frees it. */
static struct presence_op *ask_presence(struct world *w, struct gush_rng *rng, uint32_t channel,
                                        bool stats_only)
{
    struct call_answer a;
    struct presence_op *op = GUSH_NEW(struct presence_op);

    call_open(&a, w, rng);
    op->answer = &a;
    op->channel = channel;
    op->presence = (struct gush_presence_call){
        .call = {.home = &a.home->lane, .done = presence_done, .dropped = presence_end},
        .channel = w->oracle.channels[channel].name,
        .stats_only = stats_only,
    };
    gush_presence(w->node, &op->presence);
    call_wait(&a, "presence");
    op->answer = NULL;
    return op;
}

static void presence_free(struct presence_op *op)
{
    gush_presence_call_fini(&op->presence);
    gush_free(op);
}

struct presence_op *publisher_ask_presence(struct world *w, uint32_t channel)
{
    return w->oracle.channels[channel].members ? ask_presence(w, NULL, channel, false) : NULL;
}

void publisher_judge_presence(const struct world *w, struct presence_op *op)
{
    if (op == NULL)
        return;
    presence_judge(w, op);
    presence_free(op);
}

/* ---- Channels -------------------------------------------------------------------------------- */

struct channels_op {
    struct gush_channels_call channels;
    struct call_answer *answer;
};

static void channels_end(struct gush_api_call *call)
{
    struct channels_op *op = GUSH_CONTAINER(call, struct channels_op, channels.call);
    struct call_answer *a = op->answer;

    if (call->error)
        stage_fail("channels got error %u", call->error);
    gush_channels_call_fini(&op->channels);
    gush_free(op);
    stage_raise(&a->signal);
}

static void list_channels(struct publisher *p)
{
    struct call_answer a;

    call_open(&a, p->world, &p->rng);
    struct channels_op *op = GUSH_NEW(struct channels_op);
    op->answer = &a;
    op->channels = (struct gush_channels_call){
        .call = {.home = &a.home->lane, .done = channels_end, .dropped = channels_end},
        .pattern = gush_rng_below(&p->rng, 2) ? GUSH_SPAN_LIT("*:[ab]") : GUSH_SPAN_EMPTY,
    };
    gush_channels(p->world->node, &op->channels);
    call_wait(&a, "a list of channels");
}

struct info_op {
    struct gush_info_call info;
    struct call_answer *answer;
};

static void info_end(struct gush_api_call *call)
{
    struct info_op *op = GUSH_CONTAINER(call, struct info_op, info.call);
    struct call_answer *a = op->answer;

    gush_free(op);
    stage_raise(&a->signal);
}

static void ask_info(struct publisher *p)
{
    struct call_answer a;

    call_open(&a, p->world, &p->rng);
    struct info_op *op = GUSH_NEW(struct info_op);
    op->answer = &a;
    op->info.call =
        (struct gush_api_call){.home = &a.home->lane, .done = info_end, .dropped = info_end};
    gush_info(p->world->node, &op->info);
    call_wait(&a, "info");
}

/* ---- Doors ----------------------------------------------------------------------------------- */

struct sim_door {
    struct gush_door door;
    struct stage_signal signal;
};

static void door_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct sim_door *d = GUSH_CONTAINER(letter, struct sim_door, door.letter);

    (void)lane;
    stage_raise(&d->signal);
}

static void door_drop(struct gush_letter *letter)
{
    door_open(NULL, letter);
}

static const struct gush_letter_kind door_letter = {"door", door_open, door_drop};

static void wait_at_door(struct publisher *p, struct sim_door *d)
{
    d->door.letter.kind = &door_letter;
    d->door.lane = &p->world->lanes[gush_rng_below(&p->rng, p->world->plan.lanes_n)].lane;
    if (!gush_node_hold(p->world->node, &d->door))
        return;
    stage_trace("waits at the door");
    if (!stage_wait(&d->signal, stage_now_us() + CALL_LIMIT_US))
        stage_fail("a door never opens");
}

/* ---- The scripts ----------------------------------------------------------------------------- */

static void leave(struct publisher *p)
{
    atomic_fetch_sub(&p->world->publishers_left, 1);
    stage_raise(&p->world->publisher_left);
}

static void pause_a_while(struct publisher *p)
{
    uint64_t pace = p->world->plan.pace_us;

    if (gush_rng_below(&p->rng, 3) == 0)
        stage_sleep(gush_rng_below(&p->rng, pace * 2 + 1));
}

void publisher_run(void *arg)
{
    struct publisher *p = arg;
    struct world *w = p->world;
    struct sim_door door = {.door = {.lane = NULL}};

    stage_signal_init(&door.signal);
    for (uint32_t i = 0; i < w->plan.ops_n; i++) {
        uint32_t channel = (uint32_t)gush_rng_below(&p->rng, w->oracle.channels_n);
        uint64_t what = gush_rng_below(&p->rng, 100);

        pause_a_while(p);
        if (w->plan.calls && gush_rng_below(&p->rng, 4) == 0)
            call_clients(w, &p->rng);
        if (what < 80) {
            if (w->plan.doors)
                wait_at_door(p, &door);
            if (w->model == NULL || !model_spoilt(w->model, channel))
                publish_one(p, channel);
        } else if (what < 90) {
            read_history(p, channel);
        } else if (what < 94) {
            if (w->oracle.channels[channel].members)
                presence_free(ask_presence(w, &p->rng, channel, gush_rng_below(&p->rng, 2)));
        } else if (what < 97) {
            if (w->plan.removes)
                remove_history(p, channel);
        } else if (what < 98) {
            list_channels(p);
        } else {
            ask_info(p);
        }
    }
    stage_signal_fini(&door.signal);
    leave(p);
}

void publisher_elsewhere_run(void *arg)
{
    struct publisher *p = arg;
    struct world *w = p->world;

    for (uint32_t i = 0; i < w->plan.ops_n; i++) {
        pause_a_while(p);
        stage_point("elsewhere");
        model_publish_elsewhere(w->model, (uint32_t)gush_rng_below(&p->rng, w->oracle.channels_n),
                                p->index);
    }
    leave(p);
}
