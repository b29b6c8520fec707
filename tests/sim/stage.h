/* stage: where actors run, and the only clock they have. One play, two stages:
 *
 *   stage_sim.c      coroutines on one thread; the seed decides who runs next, time is virtual and
 *                    jumps when nobody can run
 *   stage_threads.c  real threads and the real clock (the stress build)
 *
 * Actors of the play (lanes, publishers, the broker's two connections, the director) are written
 * once, against this header.
 *
 * Thread    any actor, unless said otherwise */
#ifndef GUSH_SIM_STAGE_H
#define GUSH_SIM_STAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/rng.h"

#define STAGE_NEVER UINT64_MAX

typedef void stage_run(void *arg);
struct stage_actor;

/* ---- The frame around a play ---------------------------------------------------------------- */

struct stage_options {
    uint64_t seed;
    bool trace;
    void (*failed)(const char *what); /* told before the process ends; may be NULL */
    void (*idle)(void);               /* virtual: nobody can run, before time jumps; may be NULL */
};

/* Sets the clock and the dice. */
void stage_open(const struct stage_options *options);
/* Runs |director| as the first actor; returns when it and every actor it started have ended. */
void stage_play(stage_run *director, void *arg);
/* Virtual stage: scheduling points of the last play. Threads: 0. */
uint64_t stage_steps(void);

/* The play went wrong: says so and ends the process with GUSH_SIM_EXIT_FAILED. */
_Noreturn void stage_fail(const char *fmt, ...) GUSH_PRINTF(1, 2);
void stage_trace(const char *fmt, ...) GUSH_PRINTF(1, 2);
bool stage_traces(void);

#define GUSH_SIM_EXIT_FAILED 1 /* an invariant broke */
#define GUSH_SIM_EXIT_USAGE  2
#define GUSH_SIM_EXIT_MISSED 3 /* --bug: not found within the seeds given */

/* ---- For actors ------------------------------------------------------------------------------ */

/* |name| is borrowed for the play. */
void stage_spawn(const char *name, stage_run *run, void *arg);
uint64_t stage_now_us(void);
void stage_sleep(uint64_t us);
/* Another actor may run here. */
void stage_point(const char *where);
/* Director: until all other actors have ended. */
void stage_join(void);
/* Director: returns when nothing moves and nothing is due within |quiet_us|. Threads cannot know
 * that: they wait a little. */
void stage_settle(uint64_t quiet_us);
bool stage_is_virtual(void);
/* How many of the engine's mutexes the running actor holds; 0 where it is not known. */
unsigned stage_locks_held(void);

/* A flag that one actor waits for and anybody raises; waiting takes it down. */
struct stage_signal {
    bool raised;                /* sim */
    struct stage_actor *waiter; /* sim */
    int fd;                     /* threads: an eventfd */
};

void stage_signal_init(struct stage_signal *s);
void stage_signal_fini(struct stage_signal *s);
void stage_raise(struct stage_signal *s);
/* True: it was raised. False: |until_us| came. */
bool stage_wait(struct stage_signal *s, uint64_t until_us);

/* Guards what the play itself shares between actors: nothing on the virtual stage, where actors
 * change only inside the engine and at the calls above. */
struct stage_lock {
    pthread_mutex_t m;
};

void stage_lock_init(struct stage_lock *l);
void stage_lock_fini(struct stage_lock *l);
void stage_lock(struct stage_lock *l);
void stage_unlock(struct stage_lock *l);

#endif
