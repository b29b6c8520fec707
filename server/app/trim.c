#include "server/app/trim.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "server/base/log.h"

/* 0 where the system does not say. */
static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

bool gush_trim_look(struct gush_trim *trim)
{
    size_t resident = resident_bytes(), free_bytes, least;

    if (resident < 2 * GUSH_TRIM_LEAST_BYTES)
        return false; /* also saves asking the allocator, which counts */
    free_bytes = mallinfo2().fordblks;
    least = resident / 4 > GUSH_TRIM_LEAST_BYTES ? resident / 4 : GUSH_TRIM_LEAST_BYTES;
    if (free_bytes < trim->looked_at)
        trim->looked_at = free_bytes;
    /* Free memory counts as free before and after it was given back: only more of it is news. */
    if (free_bytes - trim->looked_at < least)
        return false;
    trim->looked_at = free_bytes;
    if (malloc_trim(0) == 0)
        return false;
    gush_log(GUSH_LOG_INFO, "memory given back", GUSH_FU("resident_before", resident),
             GUSH_FU("resident", resident_bytes()));
    return true;
}
