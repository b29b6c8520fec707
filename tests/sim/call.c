#include "tests/sim/call.h"

#include <stdio.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

void call_open(struct call_answer *a, struct world *w, struct gush_rng *rng)
{
    *a = (struct call_answer){.world = w,
                              .home = &w->lanes[rng ? gush_rng_below(rng, w->plan.lanes_n) : 0]};
    stage_signal_init(&a->signal);
}

void call_wait(struct call_answer *a, const char *what)
{
    if (!stage_wait(&a->signal, stage_now_us() + CALL_LIMIT_US))
        stage_fail("%s is never answered", what);
    stage_signal_fini(&a->signal);
}

void call_check_done(struct gush_api_call *call)
{
    const struct world_lane *home = GUSH_CONTAINER(call->home, struct world_lane, lane);

    if (!atomic_load(&home->in_turn))
        stage_fail("an API call is answered, and not on its home lane");
    if (stage_locks_held())
        stage_fail("an API call is answered with a lock held");
}

/* ---- Calls on clients ------------------------------------------------------------------------ */

struct clients_op {
    struct gush_clients_call clients;
    struct call_answer *answer;
    char user[16];
    uint32_t number;            /* of the user */
    struct oracle_calls *calls; /* of that user in that channel */
    uint64_t begun;             /* tick */
    uint32_t subscribes_n;      /* begun before, and all of them on their way */
    bool clears;                /* an unsubscribe behind all of those */
};

/* What the oracle has to know before it happens. */
static void note_begin(struct clients_op *op)
{
    struct oracle *o = &op->answer->world->oracle;

    stage_lock(&o->lock);
    if (op->clients.action == GUSH_CLIENTS_SUBSCRIBE) {
        op->calls->subscribes_n++;
        op->calls->posting++;
        op->calls->cleared = 0;
    }
    op->subscribes_n = op->calls->subscribes_n;
    op->clears = op->clients.action == GUSH_CLIENTS_UNSUBSCRIBE && op->calls->posting == 0;
    stage_unlock(&o->lock);
}

static void note_posted(struct oracle *o, struct oracle_calls *calls)
{
    stage_lock(&o->lock);
    calls->posting--;
    stage_unlock(&o->lock);
}

static void note_end(struct clients_op *op)
{
    struct oracle *o = &op->answer->world->oracle;

    stage_lock(&o->lock);
    if (op->clears && op->calls->subscribes_n == op->subscribes_n && op->calls->cleared < op->begun)
        op->calls->cleared = op->begun;
    if (op->clients.action == GUSH_CLIENTS_DISCONNECT && o->sent_away[op->number] < op->begun)
        o->sent_away[op->number] = op->begun;
    stage_unlock(&o->lock);
}

static void clients_end(struct gush_api_call *call)
{
    struct clients_op *op = GUSH_CONTAINER(call, struct clients_op, clients.call);
    struct call_answer *a = op->answer;

    gush_free(op);
    stage_raise(&a->signal);
}

static void clients_done(struct gush_api_call *call)
{
    const struct clients_op *op = GUSH_CONTAINER(call, struct clients_op, clients.call);

    call_check_done(call);
    if (call->error &&
        (call->error != GUSH_ERROR_INTERNAL || op->clients.action != GUSH_CLIENTS_SUBSCRIBE))
        stage_fail("a call on clients (%d) got error %u", (int)op->clients.action, call->error);
    note_end(GUSH_CONTAINER(call, struct clients_op, clients.call));
    clients_end(call);
}

static void choose_action(struct world *w, struct gush_rng *rng, uint32_t user,
                          struct clients_op *op)
{
    struct gush_clients_call *c = &op->clients;
    struct oracle_channel *ch = &w->oracle.channels[gush_rng_below(rng, w->oracle.channels_n)];
    int64_t now_s = w->host.wall_ms(w->host.host) / 1000;
    uint64_t die = gush_rng_below(rng, 16);

    op->begun = oracle_tick(&w->oracle);
    op->number = user;
    op->calls = &ch->calls[user];
    c->channel = ch->name;
    if (die < 7) {
        c->action = GUSH_CLIENTS_SUBSCRIBE;
        c->info = die < 3 ? GUSH_SPAN_LIT("{\"by\":\"api\"}") : GUSH_SPAN_EMPTY;
        c->expire_at_s = die == 6 ? now_s + 2 : 0;
    } else if (die < 13) {
        c->action = GUSH_CLIENTS_UNSUBSCRIBE;
    } else if (die < 14) {
        c->action = GUSH_CLIENTS_DISCONNECT;
        c->has_code = true;
        c->code = WORLD_CALL_CODE + (uint32_t)op->begun;
        c->reason = GUSH_SPAN_LIT("called off");
    } else {
        c->action = GUSH_CLIENTS_REFRESH;
        c->expire_at_s = die < 15 ? now_s + 3 : 0;
    }
}

void call_clients(struct world *w, struct gush_rng *rng)
{
    struct clients_op *op = GUSH_NEW(struct clients_op);
    uint32_t user = (uint32_t)gush_rng_below(rng, ORACLE_USERS_N);
    struct call_answer a;

    call_open(&a, w, rng);
    op->answer = &a;
    if (user)
        snprintf(op->user, sizeof op->user, "u%u", user);
    op->clients.call =
        (struct gush_api_call){.home = &a.home->lane, .done = clients_done, .dropped = clients_end};
    op->clients.user = gush_span_str(op->user);
    choose_action(w, rng, user, op);
    stage_trace("calls the clients of '%s': action %d on %.*s", op->user, (int)op->clients.action,
                (int)op->clients.channel.n, (const char *)op->clients.channel.p);
    note_begin(op);
    struct oracle_calls *posting = op->clients.action == GUSH_CLIENTS_SUBSCRIBE ? op->calls : NULL;
    gush_clients(w->node, &op->clients); /* and |op| may be gone */
    if (posting)
        note_posted(&w->oracle, posting);
    call_wait(&a, "a call on clients");
}
