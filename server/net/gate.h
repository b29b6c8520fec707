/* gate: who may come in through one port, decided before anybody else hears of the connection.
 *
 * Descriptors: a newcomer whose number is not below descriptors_max is turned away. The kernel
 * gives the lowest free number, so there are always some left for files and for libraries, and the
 * process never runs out of them by connections of gates. Then the limits of the port, of the
 * address (census.h), and of those who have not said anything yet: where |first| is given, a
 * newcomer waits at the gate until his first bytes have come and are these, at the price of his
 * descriptor and some 100 bytes; others never see him. If he takes too long, or says something
 * else, he is closed. Where there is no more room, the oldest of those who wait makes way.
 *
 * An address is the socket's: behind a proxy all clients have the proxy's, also where a PROXY
 * header (proxy.h) names theirs later, so a limit per address would be one of the proxy. Where a
 * header comes first, |first| must be empty.
 *
 * Who was let in is counted until his descriptor is closed, by whomever.
 *
 * Owner     server/app, one for each port, shared by the listeners on all loops
 * Thread    stats: any; new, free: the main one; listeners of net call the rest
 * Lifetime  new .. listeners of it .. free, before its census */
#ifndef GUSH_NET_GATE_H
#define GUSH_NET_GATE_H

#include <stdint.h>

#include "server/base/span.h"

#include "server/net/census.h"

#define GUSH_GATE_FIRST_MAX 64 /* bytes of |first| */

struct gush_gate;

struct gush_gate_options {
    const char *name;                /* of the port, in logs; borrowed */
    struct gush_census *census;      /* borrowed */
    int descriptors_max;             /* see gush_gate_descriptors */
    uint64_t most, most_per_address; /* connections at once, 0: no limit */
    /* Borrowed. What everybody begins with; empty: nobody waits. */
    struct gush_span first;
    /* Borrowed. For those who begin with another capital letter, as text protocols do. */
    struct gush_span answer;
    uint64_t first_ms;    /* how long |first| may take, 0: for ever */
    unsigned waiting_max; /* who may wait, on each loop; at least 1 if |first| is given */
};

/* Why somebody was not let in, or not any further. */
#define GUSH_GATE_REASONS(X)                                                                       \
    X(DESCRIPTORS, "descriptors") /* none left that may be used */                                 \
    X(LIMIT, "limit")             /* of the port */                                                \
    X(ADDRESS, "address_limit")                                                                    \
    X(CROWD, "waiting_limit") /* made way for somebody newer */                                    \
    X(TIMEOUT, "handshake_timeout")                                                                \
    X(FIRST_BYTES, "first_bytes") /* not what is spoken here */                                    \
    X(LEFT, "left")               /* went by himself before he said anything */

enum gush_gate_reason {
#define X(name, text) GUSH_GATE_##name,
    GUSH_GATE_REASONS(X)
#undef X
        GUSH_GATE_REASONS_N
};

struct gush_gate_stats {
    const char *name;
    uint64_t accepted; /* by the kernel: let in, waiting or refused */
    uint64_t admitted; /* let in */
    uint64_t open;     /* let in or waiting, and not closed */
    uint64_t waiting;
    uint64_t refused[GUSH_GATE_REASONS_N];
};

struct gush_gate *gush_gate_new(const struct gush_gate_options *options);
void gush_gate_free(struct gush_gate *gate);

struct gush_gate_stats gush_gate_stats(struct gush_gate *gate);
/* As in metrics and logs. */
const char *gush_gate_reason_text(enum gush_gate_reason reason);

/* How many descriptors connections may take: the process's limit less a reserve. */
int gush_gate_descriptors(void);

#endif
