/* call: an API call of an actor that waits for it, and the calls on a user's clients.
 *
 * Owner     the caller's stack, until call_wait returned
 * Thread    open, wait: the caller; check_done: where the answer comes */
#ifndef GUSH_SIM_CALL_H
#define GUSH_SIM_CALL_H

#include "tests/sim/world.h"

#define CALL_LIMIT_US (UINT64_C(120) * 1000000)

/* Shared by the caller, who waits, and the answer, which comes on a lane. */
struct call_answer {
    struct stage_signal signal;
    struct world *world;
    struct world_lane *home;
};

/* |rng| chooses the home lane; NULL: the first. */
void call_open(struct call_answer *a, struct world *w, struct gush_rng *rng);
void call_wait(struct call_answer *a, const char *what);
/* It is answered on its home lane, in a turn, without a lock. */
void call_check_done(struct gush_api_call *call);

/* Subscribes, unsubscribes, disconnects or refreshes the clients of some user. */
void call_clients(struct world *w, struct gush_rng *rng);

#endif
