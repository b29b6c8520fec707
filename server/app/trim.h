/* trim: after a crowd or an attack has gone, the allocator keeps what it was given; this gives it
 * back to the system. Looked at now and then, so that a server in its stride is left alone.
 *
 * Owner     server/app                Thread  one at a time, none that serves: it may take
 *                                             milliseconds, and others' allocations wait meanwhile
 * Limits    acts only above GUSH_TRIM_RESIDENT_BYTES, and when an eighth of that is free */
#ifndef GUSH_APP_TRIM_H
#define GUSH_APP_TRIM_H

#include <stdbool.h>
#include <stddef.h>

#define GUSH_TRIM_EVERY_S        5
#define GUSH_TRIM_RESIDENT_BYTES ((size_t)32 << 20)

/* Zeroed at first. */
struct gush_trim {
    size_t looked_at; /* free bytes that were given back already, or could not be */
};

/* True: something was given back. */
bool gush_trim_look(struct gush_trim *trim);

#endif
