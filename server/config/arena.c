#include <stdalign.h>
#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/config/config_priv.h"

#define BLOCK_BYTES 8192

struct gush__block {
    struct gush__block *next;
    alignas(max_align_t) unsigned char data[];
};

void *gush__arena_alloc(struct gush__arena *arena, size_t n, size_t size)
{
    size_t align = alignof(max_align_t), want;
    unsigned char *p;

    GUSH_ASSERT(size == 0 || n <= (SIZE_MAX / 2) / size);
    want = (n * size + align - 1) / align * align;
    if (arena->blocks == NULL || arena->cap - arena->used < want) {
        size_t cap = want > BLOCK_BYTES ? want : BLOCK_BYTES;
        struct gush__block *block = gush_alloc(sizeof(*block) + cap);
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = 0;
        arena->cap = cap;
    }
    p = arena->blocks->data + arena->used;
    arena->used += want;
    memset(p, 0, want);
    return p;
}

char *gush__arena_strndup(struct gush__arena *arena, const char *s, size_t n)
{
    char *copy = gush__arena_alloc(arena, 1, n + 1);

    if (n > 0)
        memcpy(copy, s, n);
    return copy;
}

char *gush__arena_printf(struct gush__arena *arena, const char *fmt, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    GUSH_ASSERT(n >= 0);
    text = gush__arena_alloc(arena, 1, (size_t)n + 1);
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

void gush__arena_fini(struct gush__arena *arena)
{
    while (arena->blocks != NULL) {
        struct gush__block *block = arena->blocks;
        arena->blocks = block->next;
        gush_free(block);
    }
    arena->used = arena->cap = 0;
}
