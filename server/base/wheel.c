/* A timer that is due at tick |e| sits at the level of the highest base-64 digit in which |e| and
 * now_tick differ, in the slot of |e|'s digit there. So level 0 holds the current 64 ticks, each
 * slot of level 1 a later group of 64, and so on; slots at or before the current digit of a level
 * above 0 are empty, except while a slot that now_tick has just entered is being moved down. */
#include "server/base/wheel.h"

#include "server/base/assert.h"

#define TICK_MS    4
#define DIGIT_BITS 6
#define SPAN_BITS  (DIGIT_BITS * GUSH_WHEEL_LEVELS)

static unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (DIGIT_BITS * level)) % GUSH_WHEEL_SLOTS;
}

/* Rounded up: never early. */
static uint64_t due_tick(const struct gush_timer *t)
{
    return t->due_ms / TICK_MS + (t->due_ms % TICK_MS != 0);
}

static void push(struct gush_timer **head, struct gush_timer *t)
{
    t->next = *head;
    t->pprev = head;
    if (t->next)
        t->next->pprev = &t->next;
    *head = t;
}

static void place(struct gush_wheel *w, struct gush_timer *t)
{
    uint64_t tick = due_tick(t), differ;
    unsigned level;

    if (tick < w->now_tick)
        tick = w->now_tick;
    differ = tick ^ w->now_tick;
    if (differ >> SPAN_BITS) {
        push(&w->far, t);
        return;
    }
    level = differ ? (63 - (unsigned)__builtin_clzll(differ)) / DIGIT_BITS : 0;
    push(&w->slots[level][digit(tick, level)], t);
    w->occupied[level] |= UINT64_C(1) << digit(tick, level);
}

void gush_wheel_init(struct gush_wheel *w, uint64_t now_ms)
{
    *w = (struct gush_wheel){.now_tick = now_ms / TICK_MS};
}

void gush_wheel_disarm(struct gush_wheel *w, struct gush_timer *t)
{
    uintptr_t offset = (uintptr_t)t->pprev - (uintptr_t)&w->slots[0][0];

    if (!gush_timer_armed(t))
        return;
    GUSH_DEBUG_ASSERT(*t->pprev == t);
    *t->pprev = t->next;
    if (t->next)
        t->next->pprev = t->pprev;
    else if (offset < sizeof(w->slots)) { /* it was first and last of a slot */
        unsigned slot = (unsigned)(offset / sizeof(w->slots[0][0]));

        w->occupied[slot / GUSH_WHEEL_SLOTS] &= ~(UINT64_C(1) << slot % GUSH_WHEEL_SLOTS);
    }
    t->next = NULL;
    t->pprev = NULL;
}

void gush_wheel_arm(struct gush_wheel *w, struct gush_timer *t, uint64_t due_ms)
{
    GUSH_DEBUG_ASSERT(t->fire != NULL);
    gush_wheel_disarm(w, t);
    t->due_ms = due_ms;
    if (w->advancing && due_tick(t) <= w->now_tick)
        push(&w->again, t);
    else
        place(w, t);
}

/* The next tick after now_tick at which a slot begins that holds something. */
static uint64_t next_tick(const struct gush_wheel *w)
{
    for (unsigned level = 0; level < GUSH_WHEEL_LEVELS; level++) {
        unsigned here = digit(w->now_tick, level), bits = DIGIT_BITS * level;
        uint64_t later = here == 63 ? 0 : w->occupied[level] >> (here + 1);

        if (later)
            return ((w->now_tick >> bits) + 1 + (unsigned)__builtin_ctzll(later)) << bits;
    }
    if (w->far)
        return ((w->now_tick >> SPAN_BITS) + 1) << SPAN_BITS;
    return GUSH_WHEEL_NEVER;
}

/* Moves timers of the slots that now_tick has entered down to where they belong now. False: |*left|
 * ran out before the end. */
static bool cascade(struct gush_wheel *w, unsigned *left)
{
    for (unsigned level = GUSH_WHEEL_LEVELS; level-- > 1;) {
        struct gush_timer **slot = &w->slots[level][digit(w->now_tick, level)];

        while (*slot) {
            struct gush_timer *t = *slot;

            if (*left == 0)
                return false;
            --*left;
            gush_wheel_disarm(w, t);
            place(w, t);
        }
    }
    return true;
}

/* now_tick entered a new span: the few timers that waited apart may have a slot now. */
static void recall_far(struct gush_wheel *w)
{
    struct gush_timer *t = w->far, *next;

    w->far = NULL;
    for (; t; t = next) {
        next = t->next;
        place(w, t);
    }
}

static bool advance_to(struct gush_wheel *w, uint64_t target, void *arg, unsigned left)
{
    for (;;) {
        struct gush_timer **due = &w->slots[0][digit(w->now_tick, 0)];
        uint64_t tick;

        if (!cascade(w, &left))
            return true;
        while (*due) {
            struct gush_timer *t = *due;

            if (left == 0)
                return true;
            left--;
            gush_wheel_disarm(w, t);
            t->fire(arg, t);
        }
        tick = next_tick(w);
        if (tick > target)
            break;
        if ((tick ^ w->now_tick) >> SPAN_BITS) {
            w->now_tick = tick;
            recall_far(w);
        }
        w->now_tick = tick;
    }
    w->now_tick = target;
    return false;
}

bool gush_wheel_advance(struct gush_wheel *w, uint64_t now_ms, void *arg, unsigned limit)
{
    uint64_t target = now_ms / TICK_MS;
    bool more;

    GUSH_ASSERT(!w->advancing);
    if (target < w->now_tick)
        return false;
    w->advancing = true;
    more = advance_to(w, target, arg, limit);
    w->advancing = false;
    while (w->again) {
        struct gush_timer *t = w->again;

        gush_wheel_disarm(w, t);
        place(w, t);
        more = true;
    }
    return more;
}

uint64_t gush_wheel_next_ms(const struct gush_wheel *w)
{
    uint64_t tick = w->now_tick;
    bool now = false;

    for (unsigned level = 0; level < GUSH_WHEEL_LEVELS; level++)
        now |= (w->occupied[level] >> digit(tick, level) & 1) != 0;
    if (!now)
        tick = next_tick(w);
    return tick > GUSH_WHEEL_NEVER / TICK_MS ? GUSH_WHEEL_NEVER : tick * TICK_MS;
}
