#include "api/core/arena.h"

#include <stdalign.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#define CHUNK_MIN 2048
#define CHUNK_MAX 65536

struct gush_arena_chunk {
    struct gush_arena_chunk *next;
    max_align_t data[];
};

static void *take(struct gush_arena *a, size_t n)
{
    size_t room = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    void *p;

    GUSH_ASSERT(room >= n);
    if (a->chunks == NULL || a->cap - a->used < room) {
        struct gush_arena_chunk *chunk;
        size_t cap = a->cap ? a->cap * 2 : CHUNK_MIN;

        if (cap > CHUNK_MAX)
            cap = CHUNK_MAX;
        if (cap < room)
            cap = room;
        chunk = gush_alloc(sizeof(*chunk) + cap);
        chunk->next = a->chunks;
        a->chunks = chunk;
        a->cap = cap;
        a->used = 0;
    }
    p = (char *)a->chunks->data + a->used;
    a->used += room;
    return p;
}

void *gush_arena_alloc(struct gush_arena *a, size_t n, size_t size)
{
    void *p;

    GUSH_ASSERT(size > 0 && n <= SIZE_MAX / 2 / size);
    p = take(a, n * size);
    memset(p, 0, n * size);
    return p;
}

char *gush_arena_string(struct gush_arena *a, struct gush_span s)
{
    char *copy = take(a, s.n + 1);

    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return copy;
}

void *gush_arena_message(struct gush_arena *a, const ProtobufCMessageDescriptor *descriptor)
{
    void *message = take(a, descriptor->sizeof_message);

    protobuf_c_message_init(descriptor, message);
    return message;
}

void gush_arena_fini(struct gush_arena *a)
{
    struct gush_arena_chunk *next;

    for (struct gush_arena_chunk *chunk = a->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        gush_free(chunk);
    }
    *a = (struct gush_arena){0};
}

static void *allocator_alloc(void *arena, size_t n)
{
    return take(arena, n);
}

static void allocator_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

ProtobufCAllocator gush_arena_allocator(struct gush_arena *a)
{
    return (ProtobufCAllocator){allocator_alloc, allocator_free, a};
}
