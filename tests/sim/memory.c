#include "tests/sim/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/mem.h"

#include "tests/sim/stage.h"

#if defined(__SANITIZE_ADDRESS__)
#define QUARANTINE_N 0
#else
#define QUARANTINE_N 512
#endif
#define QUARANTINE_BLOCK_BYTES 8192 /* larger ones go at once */
#define BYTE_NEW               0xCD
#define BYTE_FREED             0xDD
#define BLOCK_LIVE             UINT64_C(0x6c69766562756c6b)
#define BLOCK_FREED            UINT64_C(0x667265656462756c)

struct block {
    uint64_t state;
    size_t size;
    struct block *next, *prev;
    const void *caller, *freed_by;
};

static struct block live = {.next = &live, .prev = &live};
static size_t live_n;
#if QUARANTINE_N > 0
static struct block *quarantine[QUARANTINE_N];
static size_t quarantine_at;
#endif

static void *data_of(struct block *b)
{
    return b + 1;
}

static void *allocate(size_t size, int byte, const void *caller)
{
    struct block *b = size < SIZE_MAX / 2 ? malloc(sizeof *b + size) : NULL;

    if (b == NULL) {
        fprintf(stderr, "out of memory: %zu bytes\n", size);
        abort();
    }
    *b = (struct block){BLOCK_LIVE, size, &live, live.prev, caller, NULL};
    live.prev->next = b;
    live.prev = b;
    live_n++;
    memset(data_of(b), byte, size);
    return data_of(b);
}

#if QUARANTINE_N > 0
static void look(struct block *b)
{
    const uint8_t *p = data_of(b);

    for (size_t i = 0; i < b->size; i++)
        if (p[i] != BYTE_FREED)
            stage_fail("byte %zu of a freed block of %zu bytes was written; allocated by %p, freed "
                       "by %p",
                       i, b->size, b->caller, b->freed_by);
    if (b->state != BLOCK_FREED)
        stage_fail("the head of a freed block was written; freed by %p", b->freed_by);
}
#endif

static void retire(struct block *b)
{
#if QUARANTINE_N > 0
    if (b->size <= QUARANTINE_BLOCK_BYTES) {
        struct block *old = quarantine[quarantine_at];

        memset(data_of(b), BYTE_FREED, b->size);
        quarantine[quarantine_at] = b;
        quarantine_at = (quarantine_at + 1) % QUARANTINE_N;
        if (old == NULL)
            return;
        b = old;
        look(b);
    }
#endif
    free(b);
}

static void release(void *p, const void *caller)
{
    if (p == NULL)
        return;
    struct block *b = (struct block *)p - 1;

    if (b->state != BLOCK_LIVE)
        stage_fail("freed twice, or never allocated: by %p, before by %p", caller,
                   b->state == BLOCK_FREED ? b->freed_by : NULL);
    b->state = BLOCK_FREED;
    b->freed_by = caller;
    b->next->prev = b->prev;
    b->prev->next = b->next;
    live_n--;
    retire(b);
}

void *gush_alloc(size_t size)
{
    return allocate(size, BYTE_NEW, __builtin_return_address(0));
}

void *gush_zalloc(size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        abort();
    return allocate(n * size, 0, __builtin_return_address(0));
}

void *gush_realloc(void *p, size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *q = allocate(size, BYTE_NEW, caller);

    if (p) {
        size_t old = ((struct block *)p - 1)->size;
        memcpy(q, p, old < size ? old : size);
        release(p, caller);
    }
    return q;
}

void *gush_try_alloc(size_t size)
{
    return allocate(size, BYTE_NEW, __builtin_return_address(0));
}

char *gush_strndup(const char *s, size_t n)
{
    char *copy = allocate(n + 1, 0, __builtin_return_address(0));

    if (n)
        memcpy(copy, s, n);
    return copy;
}

void gush_free(void *p)
{
    release(p, __builtin_return_address(0));
}

size_t memory_live(void)
{
    return live_n;
}

void memory_check(void)
{
#if QUARANTINE_N > 0
    for (size_t i = 0; i < QUARANTINE_N; i++) {
        if (quarantine[i] == NULL)
            continue;
        look(quarantine[i]);
        free(quarantine[i]);
        quarantine[i] = NULL;
    }
#endif
}

void memory_describe(size_t before, char *out, size_t n)
{
    size_t at = 0, used = 0, told = 0;

    out[0] = '\0';
    for (const struct block *b = live.next; b != &live && told < 3; b = b->next) {
        if (at++ < before)
            continue;
        told++;
        int w = snprintf(out + used, n - used, "%s%zu bytes by %p", used ? ", " : "", b->size,
                         b->caller);
        if (w < 0 || (used += (size_t)w) >= n)
            return;
    }
}
