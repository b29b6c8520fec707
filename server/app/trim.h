/* trim: after a crowd or an attack has gone, the allocator keeps what it was given; this gives it
 * back to the system. Looked at now and then, so that a server in its stride is left alone.
 *
 * Owner     server/app                Thread  one at a time, none that serves: it may take
 *                                             milliseconds, and others' allocations wait meanwhile
 * Limits    acts only when GUSH_TRIM_LEAST_BYTES, and a quarter of what is resident, are free */
#ifndef GUSH_APP_TRIM_H
#define GUSH_APP_TRIM_H

#include <stdbool.h>
#include <stddef.h>

#define GUSH_TRIM_EVERY_S     10
#define GUSH_TRIM_LEAST_BYTES ((size_t)16 << 20)

/* Zeroed at first. */
struct gush_trim {
    size_t looked_at; /* free bytes that were given back already, or could not be */
};

/* True: something was given back. */
bool gush_trim_look(struct gush_trim *trim);

#endif
