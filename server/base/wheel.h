/* wheel: hierarchical timing wheel. An idle connection costs no library timer, only one entry here.
 *
 * Resolution 4 ms. Six levels of 64 slots span 8 years from boot; what lies behind waits apart.
 * Owner     the lane                  Thread  the lane's */
#ifndef GUSH_BASE_WHEEL_H
#define GUSH_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define GUSH_WHEEL_LEVELS 6
#define GUSH_WHEEL_SLOTS  64
#define GUSH_WHEEL_NEVER  UINT64_MAX

struct gush_timer;
/* The timer is no longer armed when it fires; it may be armed again or freed inside. */
typedef void gush_timer_fn(void *arg, struct gush_timer *t);

/* Embedded; zeroed means not armed. */
struct gush_timer {
    struct gush_timer *next, **pprev; /* pprev NULL: not armed */
    uint64_t due_ms;
    gush_timer_fn *fire;
};

struct gush_wheel {
    uint64_t now_tick;                    /* everything due before it has fired */
    uint64_t occupied[GUSH_WHEEL_LEVELS]; /* one bit a slot */
    struct gush_timer *slots[GUSH_WHEEL_LEVELS][GUSH_WHEEL_SLOTS];
    struct gush_timer *far;   /* due beyond the span of the levels */
    struct gush_timer *again; /* armed for the past during an advance: the next one's */
    bool advancing;
};

void gush_wheel_init(struct gush_wheel *w, uint64_t now_ms);
/* Arms or re-arms |t| for |due_ms| (monotonic); the past means the next advance. */
void gush_wheel_arm(struct gush_wheel *w, struct gush_timer *t, uint64_t due_ms);
void gush_wheel_disarm(struct gush_wheel *w, struct gush_timer *t);
/* Fires everything due at |now_ms|, |arg| being passed through. Never early; late by at most one
 * tick, and due ones in the order of their ticks. At most |limit| timers are fired or moved closer;
 * true if there is more to do now. */
bool gush_wheel_advance(struct gush_wheel *w, uint64_t now_ms, void *arg, unsigned limit);
/* When to call advance next (a lower bound, so a call may find nothing), or GUSH_WHEEL_NEVER. */
uint64_t gush_wheel_next_ms(const struct gush_wheel *w);

static inline bool gush_timer_armed(const struct gush_timer *t)
{
    return t->pprev != (struct gush_timer **)0;
}

#endif
