/* waiting: requests that wait at the door of their lane while some lane is behind.
 *
 * Every face of the API does the same with a request that comes while lanes have too much to
 * deliver: it keeps the bytes and goes on when they have caught up, in the order of arrival. One
 * struct gush_waiting per lane and face; a request embeds a gush_waiter.
 *
 *     if (gush_waiting_must(w)) { if (!gush_waiting_room(w, n)) refuse; else gush_waiting_add(...);
 * } else run at once
 *
 * Owner     the face                  Thread  its lane's
 * Lifetime  longer than the lane turns
 * Limits    GUSH_WAITING_MAX requests, GUSH_WAITING_MAX_BYTES of them; one request always may */
#ifndef GUSH_API_WAITING_H
#define GUSH_API_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/bytes.h"
#include "server/base/lane.h"

#include "server/engine/node.h"

#define GUSH_WAITING_MAX       1024
#define GUSH_WAITING_MAX_BYTES ((size_t)64 << 20)

/* A request. Zeroed: it does not wait. */
struct gush_waiter {
    struct gush_bytes *bytes; /* what came, while it waits */
    struct gush_waiter *prev, *next;
};

struct gush_waiting;

struct gush_waiting_ops {
    /* |waiter| waits no longer: it runs with |bytes|, borrowed for the call. */
    void (*run)(struct gush_waiting *w, struct gush_waiter *waiter, struct gush_span bytes);
    /* Nobody waits any more; not for those who left. May be NULL. */
    void (*empty)(struct gush_waiting *w);
};

struct gush_waiting {
    struct gush_door door; /* names the lane */
    struct gush_node *node;
    const struct gush_waiting_ops *ops;
    void *owner;
    struct gush_waiter *first, *last;
    size_t n, bytes;
};

void gush_waiting_init(struct gush_waiting *w, struct gush_node *node, struct gush_lane *lane,
                       const struct gush_waiting_ops *ops, void *owner);
/* Whoever comes now waits. */
bool gush_waiting_must(struct gush_waiting *w);
/* There is room for a request of |n| bytes. */
bool gush_waiting_room(const struct gush_waiting *w, size_t n);
/* |waiter| waits with a copy of |bytes|. */
void gush_waiting_add(struct gush_waiting *w, struct gush_waiter *waiter, struct gush_span bytes);
/* |waiter| leaves if it waits; false: it does not. */
bool gush_waiting_leave(struct gush_waiting *w, struct gush_waiter *waiter);

#endif
