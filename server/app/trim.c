#include "server/app/trim.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"

/* 0 where the system does not say. */
static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    char line[128] = ""; /* all pages, resident pages, ... */
    char *resident;

    if (f == NULL)
        return 0;
    if (fgets(line, sizeof(line), f) == NULL)
        line[0] = '\0';
    fclose(f);
    resident = strchr(line, ' ');
    return resident ? strtoul(resident, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

bool gush_trim_look(struct gush_trim *trim)
{
    size_t resident = resident_bytes(), free_bytes;

    if (resident < GUSH_TRIM_RESIDENT_BYTES)
        return false; /* also saves asking the allocator, which counts */
    free_bytes = mallinfo2().fordblks;
    if (free_bytes < trim->looked_at)
        trim->looked_at = free_bytes;
    /* Free memory counts as free before and after it was given back: only more of it is news. */
    if (free_bytes - trim->looked_at < resident / 8)
        return false;
    trim->looked_at = free_bytes;
    if (malloc_trim(0) == 0)
        return false;
    gush_log(GUSH_LOG_INFO, "memory given back", GUSH_FU("resident_before", resident),
             GUSH_FU("resident", resident_bytes()));
    return true;
}
