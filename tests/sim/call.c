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
};

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
    clients_end(call);
}

static void choose_action(struct world *w, struct gush_rng *rng, struct gush_clients_call *c)
{
    int64_t now_s = w->host.wall_ms(w->host.host) / 1000;
    uint64_t die = gush_rng_below(rng, 16);

    c->channel = w->oracle.channels[gush_rng_below(rng, w->oracle.channels_n)].name;
    if (die < 7) {
        c->action = GUSH_CLIENTS_SUBSCRIBE;
        c->info = die < 3 ? GUSH_SPAN_LIT("{\"by\":\"api\"}") : GUSH_SPAN_EMPTY;
        c->expire_at_s = die == 6 ? now_s + 2 : 0;
    } else if (die < 13) {
        c->action = GUSH_CLIENTS_UNSUBSCRIBE;
    } else if (die < 14) {
        c->action = GUSH_CLIENTS_DISCONNECT;
        c->has_code = true;
        c->code = WORLD_CALL_CODE;
        c->reason = GUSH_SPAN_LIT("called off");
    } else {
        c->action = GUSH_CLIENTS_REFRESH;
        c->expire_at_s = die < 15 ? now_s + 3 : 0;
    }
}

void call_clients(struct world *w, struct gush_rng *rng)
{
    struct clients_op *op = GUSH_NEW(struct clients_op);
    uint32_t user = (uint32_t)gush_rng_below(rng, 4);
    struct call_answer a;

    call_open(&a, w, rng);
    op->answer = &a;
    if (user)
        snprintf(op->user, sizeof op->user, "u%u", user);
    op->clients.call =
        (struct gush_api_call){.home = &a.home->lane, .done = clients_done, .dropped = clients_end};
    op->clients.user = gush_span_str(op->user);
    choose_action(w, rng, &op->clients);
    stage_trace("calls the clients of '%s': action %d on %.*s", op->user, (int)op->clients.action,
                (int)op->clients.channel.n, (const char *)op->clients.channel.p);
    gush_clients(w->node, &op->clients);
    call_wait(&a, "a call on clients");
}
