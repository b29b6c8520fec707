#include "bench/load/usage.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The file |name| of the process as text; false: there is none any more. */
static bool read_file(uint64_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%" PRIu64 "/%s", pid, name);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    n = fread(text, 1, size - 1, f);
    fclose(f);
    text[n] = '\0';
    return n > 0;
}

/* Number |at| of the words of |text|, from 0; 0 if it is not there. */
static uint64_t word(const char *text, unsigned at)
{
    for (; at && *text; text++)
        at -= *text == ' ';
    return strtoull(text, NULL, 10);
}

static void read_stat(uint64_t pid, struct load_usage *out)
{
    uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    char text[1024];
    const char *behind_name;

    if (!read_file(pid, "stat", text, sizeof text))
        return;
    behind_name = strrchr(text, ')'); /* the name may hold anything */
    if (behind_name == NULL)
        return;
    out->user_ns = word(behind_name, 12) * tick_ns;
    out->system_ns = word(behind_name, 13) * tick_ns;
}

static void read_statm(uint64_t pid, struct load_usage *out)
{
    char text[256];

    if (read_file(pid, "statm", text, sizeof text))
        out->rss = word(text, 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void load_usage_read(uint64_t pid, struct load_usage *out)
{
    struct timespec t;
    clockid_t clock;

    memset(out, 0, sizeof *out);
    if (pid == 0)
        return;
    if (clock_getcpuclockid((pid_t)pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
        out->cpu_ns = (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
    read_stat(pid, out);
    read_statm(pid, out);
}
