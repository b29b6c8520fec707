/* The virtual stage: coroutines, a virtual clock, and a seed that decides.
 *
 * Every mutex operation, every atomic hand-over and every wake-up of the engine is a point at which
 * another actor may go on (server/base/sync.h). Two ways to decide, chosen by the seed: toss a coin
 * at every point, or give the actors random priorities and change them now and then, which finds
 * orders in which one actor stands still for long. Time creeps a little at every point, so that
 * turns are cut at odd places, and jumps to the next due time when nobody can run. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/sync.h"

#include "tests/sim/coroutine.h"
#include "tests/sim/stage.h"

#define ACTORS_MAX  24
#define STEPS_LIMIT 20000000 /* points in one play */
#define TIME_LIMIT  (UINT64_C(3600) * 1000000)
#define START_US    (UINT64_C(1000) * 1000000)

enum state { READY, WAITING, BLOCKED, SETTLING, ENDED };

struct stage_actor {
    const char *name;
    struct coroutine co;
    stage_run *run;
    void *arg;
    enum state state;
    bool timed_out;
    uint64_t due_us; /* WAITING, SETTLING: quiet time */
    struct gush_mutex *mutex;
    unsigned locks_n;
    uint32_t priority;
    const char *where;
};

int gush_sim_bug;

static struct {
    struct stage_options options;
    struct gush_rng rng;
    uint64_t now_us, next_due_us, steps;
    uint64_t creep_us;      /* most that one point costs */
    uint32_t switch_of_256; /* coin */
    bool priorities;
    uint32_t lowest;
    struct stage_actor actors[ACTORS_MAX];
    unsigned actors_n, alive_n;
    struct stage_actor *self; /* NULL outside of a play */
    unsigned play_locks_n;    /* stage_lock: nobody else may run meanwhile */
    struct coroutine home;
} st;

/* ---- Telling --------------------------------------------------------------------------------- */

bool stage_traces(void)
{
    return st.options.trace;
}

void stage_trace(const char *fmt, ...)
{
    va_list ap;

    if (!st.options.trace)
        return;
    printf("%10.3f %-12s ", (double)(st.now_us - START_US) / 1000.0, st.self ? st.self->name : "-");
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

_Noreturn void stage_fail(const char *fmt, ...)
{
    char what[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    stage_trace("FAILED: %s", what);
    if (st.options.failed)
        st.options.failed(what);
    fflush(stdout);
    _exit(GUSH_SIM_EXIT_FAILED);
}

uint64_t stage_steps(void)
{
    return st.steps;
}

unsigned stage_locks_held(void)
{
    return st.self ? st.self->locks_n : 0;
}

/* ---- Who runs next --------------------------------------------------------------------------- */

static uint32_t below(uint32_t n)
{
    return (uint32_t)((gush_rng_u64(&st.rng) >> 32) * n >> 32);
}

/* Whoever waited for a time that has come can run; remembers the next such time. */
static void wake_due(void)
{
    st.next_due_us = STAGE_NEVER;
    for (unsigned i = 0; i < st.actors_n; i++) {
        struct stage_actor *a = &st.actors[i];

        if (a->state != WAITING)
            continue;
        if (a->due_us <= st.now_us) {
            a->state = READY;
            a->timed_out = true;
        } else if (a->due_us < st.next_due_us) {
            st.next_due_us = a->due_us;
        }
    }
}

static void move_clock(uint64_t to_us)
{
    st.now_us = to_us;
    if (st.now_us >= st.next_due_us)
        wake_due();
}

static struct stage_actor *pick_by_coin(void)
{
    struct stage_actor *ready[ACTORS_MAX];
    uint32_t n = 0;

    for (unsigned i = 0; i < st.actors_n; i++)
        if (st.actors[i].state == READY)
            ready[n++] = &st.actors[i];
    return n ? ready[below(n)] : NULL;
}

static struct stage_actor *pick_by_priority(void)
{
    struct stage_actor *best = NULL;

    for (unsigned i = 0; i < st.actors_n; i++) {
        struct stage_actor *a = &st.actors[i];
        if (a->state == READY && (best == NULL || a->priority > best->priority))
            best = a;
    }
    return best;
}

static struct stage_actor *pick(void)
{
    return st.priorities ? pick_by_priority() : pick_by_coin();
}

static void switch_to(struct stage_actor *next)
{
    struct stage_actor *from = st.self;

    if (next == from)
        return;
    if (st.options.trace)
        printf("%10.3f %-12s   -> %s (%s)\n", (double)(st.now_us - START_US) / 1000.0, from->name,
               next->name, next->where);
    st.self = next;
    coroutine_switch(&from->co, &next->co);
}

static _Noreturn void fail_stuck(const char *why)
{
    char list[700] = "";
    size_t n = 0;

    for (unsigned i = 0; i < st.actors_n && n < sizeof list - 1; i++) {
        const struct stage_actor *a = &st.actors[i];
        const struct stage_actor *holder = a->state == BLOCKED ? a->mutex->holder : NULL;

        if (a->state == ENDED)
            continue;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s at %s%s%s", n ? ", " : "", a->name,
                              a->where, holder ? " held by " : "", holder ? holder->name : "");
    }
    stage_fail("%s: %s", why, list);
}

/* Nobody can run: something must be due, or the play is over or stuck. */
static void jump(void)
{
    struct stage_actor *director = &st.actors[0];

    for (unsigned i = 0; i < st.actors_n; i++)
        if (st.actors[i].state == BLOCKED)
            fail_stuck("deadlock");
    if (st.options.idle)
        st.options.idle();
    if (director->state == SETTLING &&
        (st.next_due_us == STAGE_NEVER || st.next_due_us - st.now_us > director->due_us)) {
        director->state = READY;
        return;
    }
    if (st.next_due_us == STAGE_NEVER)
        fail_stuck("nobody can run and nothing is due");
    if (st.next_due_us - START_US > TIME_LIMIT)
        fail_stuck("no end after an hour of virtual time");
    move_clock(st.next_due_us);
}

/* The running actor cannot go on, or need not. */
static void next(void)
{
    struct stage_actor *to;

    while ((to = pick()) == NULL)
        jump();
    switch_to(to);
}

static void creep(void)
{
    if (++st.steps > STEPS_LIMIT)
        fail_stuck("no end after 20 million points");
    if (st.creep_us)
        move_clock(st.now_us + below((uint32_t)st.creep_us + 1));
}

void stage_point(const char *where)
{
    if (st.self == NULL)
        return;
    if (st.play_locks_n)
        stage_fail("the play holds a lock of its own at %s", where);
    st.self->where = where;
    creep();
    if (st.priorities) {
        if (below(192) == 0)
            st.self->priority = --st.lowest;
        switch_to(pick_by_priority());
    } else if (below(256) < st.switch_of_256) {
        switch_to(pick_by_coin());
    }
}

/* ---- The engine's sync calls ----------------------------------------------------------------- */

void gush_sim_point(const char *where)
{
    stage_point(where);
}

static void check_mutex(const struct gush_mutex *m)
{
    const struct stage_actor *holder = m->holder;

    if (holder && (holder < st.actors || holder >= st.actors + st.actors_n))
        stage_fail("a mutex in memory that is not one");
}

void gush_sim_lock(struct gush_mutex *m)
{
    if (st.self == NULL)
        return;
    stage_point("lock");
    check_mutex(m);
    if (m->holder == st.self)
        stage_fail("%s locks a mutex that it holds", st.self->name);
    if (st.self->locks_n == 2)
        stage_fail("%s takes a third lock", st.self->name);
    while (m->holder) {
        st.self->state = BLOCKED;
        st.self->mutex = m;
        next();
        check_mutex(m);
    }
    m->holder = st.self;
    st.self->locks_n++;
}

void gush_sim_unlock(struct gush_mutex *m)
{
    if (st.self == NULL)
        return;
    if (m->holder != st.self)
        stage_fail("%s unlocks a mutex that it does not hold", st.self->name);
    m->holder = NULL;
    st.self->locks_n--;
    for (unsigned i = 0; i < st.actors_n; i++)
        if (st.actors[i].state == BLOCKED && st.actors[i].mutex == m)
            st.actors[i].state = READY;
    stage_point("unlocked");
}

/* ---- For actors ------------------------------------------------------------------------------ */

uint64_t stage_now_us(void)
{
    return st.now_us;
}

static void wait_until(uint64_t due_us, const char *where)
{
    struct stage_actor *self = st.self;

    self->where = where;
    self->state = WAITING;
    self->timed_out = false;
    self->due_us = due_us;
    if (due_us < st.next_due_us)
        st.next_due_us = due_us;
    if (due_us <= st.now_us)
        wake_due();
    next();
}

void stage_sleep(uint64_t us)
{
    wait_until(st.now_us + us, "sleep");
}

void stage_signal_init(struct stage_signal *s)
{
    *s = (struct stage_signal){.fd = -1};
}

void stage_signal_fini(struct stage_signal *s)
{
    (void)s;
}

void stage_raise(struct stage_signal *s)
{
    stage_point("raise");
    s->raised = true;
    if (s->waiter && s->waiter->state == WAITING)
        s->waiter->state = READY;
}

bool stage_wait(struct stage_signal *s, uint64_t until_us)
{
    stage_point("wait");
    s->waiter = st.self;
    if (!s->raised && until_us > st.now_us)
        wait_until(until_us, "wait");
    s->waiter = NULL;
    bool raised = s->raised;
    s->raised = false;
    return raised;
}

bool stage_is_virtual(void)
{
    return true;
}

void stage_settle(uint64_t quiet_us)
{
    st.self->where = "settle";
    st.self->state = SETTLING;
    st.self->due_us = quiet_us;
    next();
}

void stage_join(void)
{
    while (st.alive_n > 1)
        stage_sleep(1000);
}

static void actor_main(void *arg)
{
    struct stage_actor *self = arg;

    self->run(self->arg);
    if (self->locks_n)
        stage_fail("%s ends with a mutex held", self->name);
    self->state = ENDED;
    if (--st.alive_n == 0) {
        st.self = NULL;
        coroutine_leave(&self->co, &st.home);
    }
    struct stage_actor *to;
    while ((to = pick()) == NULL)
        jump();
    st.self = to;
    coroutine_leave(&self->co, &to->co);
}

void stage_spawn(const char *name, stage_run *run, void *arg)
{
    if (st.actors_n == ACTORS_MAX)
        stage_fail("too many actors");
    struct stage_actor *a = &st.actors[st.actors_n];

    *a = (struct stage_actor){.name = name, .run = run, .arg = arg, .where = "start"};
    a->priority = UINT32_MAX / 2 + below(1000000);
    coroutine_init(&a->co, st.actors_n, actor_main, a);
    st.actors_n++;
    st.alive_n++;
}

static void roll_the_dice(void)
{
    static const uint32_t coins[] = {3, 10, 30, 80, 256};
    static const uint64_t creeps[] = {0, 1, 4, 20, 100};

    st.priorities = below(3) == 0;
    st.switch_of_256 = coins[below(5)];
    st.creep_us = creeps[below(5)];
    st.lowest = UINT32_MAX / 2;
}

void stage_open(const struct stage_options *options)
{
    memset(&st, 0, sizeof st);
    st.options = *options;
    gush_rng_seed(&st.rng, options->seed);
    st.now_us = START_US;
    st.next_due_us = STAGE_NEVER;
    roll_the_dice();
}

void stage_play(stage_run *director, void *arg)
{
    stage_spawn("director", director, arg);
    st.self = &st.actors[0];
    coroutine_switch(&st.home, &st.actors[0].co);
}

void stage_lock_init(struct stage_lock *l)
{
    (void)l;
}

void stage_lock_fini(struct stage_lock *l)
{
    (void)l;
}

void stage_lock(struct stage_lock *l)
{
    (void)l;
    st.play_locks_n++;
}

void stage_unlock(struct stage_lock *l)
{
    (void)l;
    st.play_locks_n--;
}
