/* The stage of the stress build: every actor a thread, the real clock, signals by eventfd, and
 * points at which a thread gives the processor away now and then. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "server/base/sync.h"

#include "tests/sim/stage.h"

#define ACTORS_MAX 32

struct stage_actor {
    const char *name;
    stage_run *run;
    void *arg;
    pthread_t thread;
};

static struct {
    struct stage_options options;
    struct stage_actor actors[ACTORS_MAX]; /* the director's */
    unsigned actors_n;
    atomic_uint_fast64_t dice;
} st;

static _Thread_local const char *self_name = "director";
static _Thread_local struct gush_rng self_rng;
static _Thread_local bool self_seeded;

bool stage_traces(void)
{
    return st.options.trace;
}

void stage_trace(const char *fmt, ...)
{
    char line[512];
    va_list ap;

    if (!st.options.trace)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    printf("%.3f %-12s %s\n", (double)stage_now_us() / 1000.0, self_name, line);
}

_Noreturn void stage_fail(const char *fmt, ...)
{
    char what[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (st.options.failed)
        st.options.failed(what);
    fflush(stdout);
    _exit(GUSH_SIM_EXIT_FAILED);
}

uint64_t stage_steps(void)
{
    return 0;
}

unsigned stage_locks_held(void)
{
    return 0;
}

bool stage_is_virtual(void)
{
    return false;
}

uint64_t stage_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void stage_sleep(uint64_t us)
{
    struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000 * 1000)};

    while (nanosleep(&t, &t) != 0 && errno == EINTR) { /* allow sleep: plays real time passing */
    }
}

void gush_stress_point(const char *where)
{
    (void)where;
    if (!self_seeded) {
        gush_rng_seed(&self_rng, atomic_fetch_add(&st.dice, 1));
        self_seeded = true;
    }
    uint64_t v = gush_rng_u64(&self_rng) >> 32;
    if (v % 4096 == 0)
        stage_sleep(20 + v % 64);
    else if (v % 32 == 0)
        sched_yield();
}

void stage_point(const char *where)
{
    gush_stress_point(where);
}

static void *thread_main(void *arg)
{
    struct stage_actor *a = arg;

    self_name = a->name;
    a->run(a->arg);
    return NULL;
}

void stage_spawn(const char *name, stage_run *run, void *arg)
{
    if (st.actors_n == ACTORS_MAX)
        stage_fail("too many actors");
    struct stage_actor *a = &st.actors[st.actors_n++];

    *a = (struct stage_actor){.name = name, .run = run, .arg = arg};
    int err = pthread_create(&a->thread, NULL, thread_main, a);
    if (err)
        stage_fail("cannot start a thread: %s", strerror(err));
}

void stage_join(void)
{
    for (unsigned i = 0; i < st.actors_n; i++)
        pthread_join(st.actors[i].thread, NULL);
    st.actors_n = 0;
}

void stage_settle(uint64_t quiet_us)
{
    stage_sleep(quiet_us < 2000 ? quiet_us : 2000);
}

void stage_open(const struct stage_options *options)
{
    st.options = *options;
    st.actors_n = 0;
    atomic_store(&st.dice, options->seed * 1000 + 1);
}

void stage_play(stage_run *director, void *arg)
{
    director(arg);
    stage_join();
}

void stage_signal_init(struct stage_signal *s)
{
    s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->fd < 0)
        stage_fail("eventfd: %s", strerror(errno));
}

void stage_signal_fini(struct stage_signal *s)
{
    close(s->fd);
    s->fd = -1;
}

void stage_raise(struct stage_signal *s)
{
    uint64_t one = 1;

    if (write(s->fd, &one, sizeof one) != sizeof one && errno != EAGAIN)
        stage_fail("eventfd: %s", strerror(errno));
}

bool stage_wait(struct stage_signal *s, uint64_t until_us)
{
    uint64_t count;

    for (;;) {
        uint64_t now_us = stage_now_us();
        uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
        int timeout_ms = left_us > 3600000000 ? 3600000 : (int)((left_us + 999) / 1000);
        struct pollfd p = {.fd = s->fd, .events = POLLIN};

        if (read(s->fd, &count, sizeof count) == sizeof count)
            return true;
        if (left_us == 0)
            return false;
        if (poll(&p, 1, timeout_ms) < 0 && errno != EINTR)
            stage_fail("poll: %s", strerror(errno));
    }
}

void stage_lock_init(struct stage_lock *l)
{
    pthread_mutex_init(&l->m, NULL);
}

void stage_lock_fini(struct stage_lock *l)
{
    pthread_mutex_destroy(&l->m);
}

void stage_lock(struct stage_lock *l)
{
    pthread_mutex_lock(&l->m);
}

void stage_unlock(struct stage_lock *l)
{
    pthread_mutex_unlock(&l->m);
}
