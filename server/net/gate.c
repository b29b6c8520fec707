#include "server/net/gate.h"

#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/net/net_priv.h"

#define RESERVE    64 /* descriptors that connections leave alone */
#define SILENCE_US 1000000

struct gush_gate {
    struct gush_gate_options options; /* frozen */
    unsigned port;                    /* frozen; of the census */
    /* atomic, relaxed: statistics */
    atomic_uint_fast64_t accepted, admitted, waiting;
    atomic_uint_fast64_t refused[GUSH_GATE_REASONS_N];
    atomic_uint_fast64_t unsaid;  /* refused since the last line in the log */
    atomic_uint_fast64_t said_us; /* when that was; 0: never */
};

const char *gush_gate_reason_text(enum gush_gate_reason reason)
{
    static const char *const texts[] = {
#define X(name, text) text,
        GUSH_GATE_REASONS(X)
#undef X
    };

    GUSH_ASSERT((unsigned)reason < GUSH_GATE_REASONS_N);
    return texts[reason];
}

int gush_gate_descriptors(void)
{
    struct rlimit limit;
    rlim_t reserve;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    /* With very few descriptors, half of them are for ourselves. */
    reserve = limit.rlim_cur / 2 < RESERVE ? limit.rlim_cur / 2 : RESERVE;
    return (int)(limit.rlim_cur - reserve);
}

struct gush_gate *gush_gate_new(const struct gush_gate_options *options)
{
    struct gush_gate *g = GUSH_NEW(struct gush_gate);

    GUSH_ASSERT(options->first.n <= GUSH_GATE_FIRST_MAX);
    GUSH_ASSERT(options->first.n == 0 || options->waiting_max > 0);
    g->options = *options;
    g->port = gush_census_add_port(options->census, options->most, options->most_per_address);
    return g;
}

void gush_gate_free(struct gush_gate *g)
{
    gush_free(g);
}

const struct gush_gate_options *gush__gate_options(const struct gush_gate *g)
{
    return &g->options;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The first one at once, then a line a second at most, with how many it stands for. */
static void say(struct gush_gate *g, enum gush_gate_reason reason, const struct gush_peer *peer)
{
    uint64_t now_us = gush_clock_mono_us();
    uint_fast64_t said_us = get(&g->said_us);
    char address[GUSH_PEER_TEXT_MAX];

    add(&g->unsaid, 1);
    if (said_us != 0 && now_us < said_us + SILENCE_US)
        return;
    if (!atomic_compare_exchange_strong_explicit(&g->said_us, &said_us, now_us,
                                                 memory_order_relaxed, memory_order_relaxed))
        return; /* somebody else says it */
    gush_peer_format(peer, address);
    gush_log(GUSH_LOG_WARN, "connections refused", GUSH_F("listener", g->options.name),
             GUSH_F("reason", gush_gate_reason_text(reason)), GUSH_F("address", address),
             GUSH_FU("count", atomic_exchange_explicit(&g->unsaid, 0, memory_order_relaxed)));
}

struct gush_gate_stats gush_gate_stats(struct gush_gate *g)
{
    struct gush_gate_stats s = {.name = g->options.name,
                                .accepted = get(&g->accepted),
                                .admitted = get(&g->admitted),
                                .waiting = get(&g->waiting)};

    s.open = gush_census_count(g->options.census, g->port, gush_clock_mono_us());
    for (size_t i = 0; i < GUSH_GATE_REASONS_N; i++)
        s.refused[i] = get(&g->refused[i]);
    return s;
}

/* ---- deciding ------------------------------------------------------------------------------- */

void gush__gate_close(int fd)
{
    struct linger reset = {1, 0};

    /* Failing only means a FIN instead of a reset, and a while in TIME-WAIT. */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

void gush__gate_refuse(struct gush_gate *g, enum gush_gate_reason reason,
                       const struct gush_peer *peer)
{
    add(&g->refused[reason], 1);
    if (reason != GUSH_GATE_LEFT) /* a look whether the port is open is nothing to report */
        say(g, reason, peer);
}

void gush__gate_wait(struct gush_gate *g, int by)
{
    add(&g->waiting, (uint64_t)by);
}

void gush__gate_admit(struct gush_gate *g)
{
    add(&g->admitted, 1);
}

void gush__gate_arrive(struct gush_gate *g)
{
    add(&g->accepted, 1);
}

void gush__gate_leave(struct gush_gate *g, int fd)
{
    gush_census_leave(g->options.census, fd);
}

bool gush__gate_enter(struct gush_gate *g, int fd, const struct gush_peer *peer,
                      enum gush_gate_reason *reason)
{
    *reason = GUSH_GATE_DESCRIPTORS;
    if (fd >= g->options.descriptors_max)
        return false;
    switch (gush_census_enter(g->options.census, g->port, fd, peer, gush_clock_mono_us())) {
    case GUSH_CENSUS_IN:
        return true;
    case GUSH_CENSUS_FULL:
        *reason = GUSH_GATE_LIMIT;
        break;
    case GUSH_CENSUS_ADDRESS_FULL:
        *reason = GUSH_GATE_ADDRESS;
        break;
    }
    return false;
}
