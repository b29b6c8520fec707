#include "server/base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void exhausted(size_t n, size_t size)
{
    fprintf(stderr, "gush: out of memory: cannot allocate %zu x %zu bytes\n", n, size);
    fflush(stderr);
    abort();
}

void *gush_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (p == NULL)
        exhausted(1, size);
    return p;
}

void *gush_zalloc(size_t n, size_t size)
{
    void *p = n && size ? calloc(n, size) : calloc(1, 1);

    if (p == NULL)
        exhausted(n, size);
    return p;
}

void *gush_realloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);

    if (q == NULL)
        exhausted(1, size);
    return q;
}

void *gush_try_alloc(size_t size)
{
    return malloc(size ? size : 1);
}

char *gush_strndup(const char *s, size_t n)
{
    char *copy;

    if (n == SIZE_MAX)
        exhausted(1, n);
    copy = gush_alloc(n + 1);
    if (n)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void gush_free(void *p)
{
    free(p);
}
