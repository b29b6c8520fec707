#include "bench/load/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void read_stat(uint64_t pid, struct load_usage *out)
{
    char path[64], text[1024], *p;
    unsigned long long user, system;
    uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return;
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    p = strrchr(text, ')'); /* the name before it may hold anything */
    if (p &&
        sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) == 2) {
        out->user_ns = user * tick_ns;
        out->system_ns = system * tick_ns;
    }
}

static void read_statm(uint64_t pid, struct load_usage *out)
{
    char path[64];
    unsigned long long pages;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%" PRIu64 "/statm", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fscanf(f, "%*u %llu", &pages) == 1)
        out->rss = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    fclose(f);
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
