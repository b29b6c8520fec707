/* sync: mutexes, and the atomics that carry hand-overs between threads.
 *
 * Three builds of the same engine go through here: release (pthread and C11 atomics), the
 * simulation (GUSH_SIM: one thread, every call a scheduling point chosen by the seed) and stress
 * (GUSH_STRESS: real threads that yield at random). Plain statistics and reference counts use C11
 * atomics directly: they hand nothing over by themselves.
 *
 * Locks     leaf-level: shard, then channel; never two channels, nothing that calls out inside */
#ifndef GUSH_BASE_SYNC_H
#define GUSH_BASE_SYNC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__) && !defined(GUSH_SIM)
#define GUSH_TSA(x) __attribute__((x))
#else
#define GUSH_TSA(x)
#endif

struct GUSH_TSA(capability("mutex")) gush_mutex {
#ifdef GUSH_SIM
    void *holder; /* the coroutine that holds it, NULL when free */
#else
    pthread_mutex_t m;
#endif
};

/* An address that crosses threads: mailbox heads, shared encodings. */
typedef _Atomic(void *) gush_atomic_ptr;

#ifdef GUSH_SIM
/* Implemented by tests/sim: may switch to another coroutine before it returns. */
void gush_sim_point(const char *where);
void gush_sim_lock(struct gush_mutex *m);
void gush_sim_unlock(struct gush_mutex *m);
#define GUSH_SYNC_POINT(where) gush_sim_point(where)
#elif defined(GUSH_STRESS)
/* Implemented by tests/sim: gives the processor away now and then. */
void gush_stress_point(const char *where);
#define GUSH_SYNC_POINT(where) gush_stress_point(where)
#else
#define GUSH_SYNC_POINT(where) ((void)0)
#endif

/* How much is done between two looks at the clock: little in the simulation, so that its few
 * subscribers see turns end at odd places. */
#ifdef GUSH_SIM
#define GUSH_SIM_SMALL(n, sim_n) (sim_n)
#else
#define GUSH_SIM_SMALL(n, sim_n) (n)
#endif

static inline void gush_mutex_init(struct gush_mutex *m)
{
#ifdef GUSH_SIM
    m->holder = NULL;
#else
    pthread_mutex_init(&m->m, NULL);
#endif
}

static inline void gush_mutex_fini(struct gush_mutex *m)
{
#ifdef GUSH_SIM
    (void)m;
#else
    pthread_mutex_destroy(&m->m);
#endif
}

static inline void gush_mutex_lock(struct gush_mutex *m) GUSH_TSA(acquire_capability(*m));
static inline void gush_mutex_unlock(struct gush_mutex *m) GUSH_TSA(release_capability(*m));

static inline void gush_mutex_lock(struct gush_mutex *m) GUSH_TSA(no_thread_safety_analysis)
{
#ifdef GUSH_SIM
    gush_sim_lock(m);
#else
    GUSH_SYNC_POINT("lock");
    pthread_mutex_lock(&m->m);
#endif
}

static inline void gush_mutex_unlock(struct gush_mutex *m) GUSH_TSA(no_thread_safety_analysis)
{
#ifdef GUSH_SIM
    gush_sim_unlock(m);
#else
    pthread_mutex_unlock(&m->m);
    GUSH_SYNC_POINT("unlocked");
#endif
}

static inline void *gush_atomic_load(gush_atomic_ptr *p)
{
    GUSH_SYNC_POINT("load");
    return atomic_load_explicit(p, memory_order_acquire);
}

static inline void *gush_atomic_exchange(gush_atomic_ptr *p, void *value)
{
    GUSH_SYNC_POINT("exchange");
    return atomic_exchange_explicit(p, value, memory_order_acq_rel);
}

/* On failure |*expected| is what was found. */
static inline bool gush_atomic_cas(gush_atomic_ptr *p, void **expected, void *value)
{
    GUSH_SYNC_POINT("cas");
    return atomic_compare_exchange_strong_explicit(p, expected, value, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* Bugs that the simulation must find, see tests/sim: constant false outside of it. */
#ifdef GUSH_SIM
extern int gush_sim_bug;
#define GUSH_BUG(n) (gush_sim_bug == (n))
#else
#define GUSH_BUG(n) false
#endif

enum gush_bug {
    GUSH_BUG_NONE,
    GUSH_BUG_EPOCH_IGNORED_AT_SEAM,
    GUSH_BUG_PUSH_AFTER_UNLOCK,
    GUSH_BUG_WAKE_LEFT_OUT,
    GUSH_BUG_BRANCH_FREED_AT_ONCE,
    GUSH_BUG_POSITION_NOT_SET,
    GUSH_BUG_HISTORY_BEFORE_ACK,
    GUSH_BUG_OLD_GENERATION_ACCEPTED,
    GUSH_BUG_POSITIONED_FRAME_DROPPED,
    GUSH_BUG_SWAP_REMOVE_WHILE_DEALING,
    GUSH_BUG_REPLY_BEFORE_OWN_PUSH,
    GUSH_BUG_CALL_LEFT_ITS_PLACE,
    GUSH_BUG_ID_OF_THE_QUEUE,
    GUSH_BUG_N
};

#endif
