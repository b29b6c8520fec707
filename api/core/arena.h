/* arena: memory of one API request, given back at once.
 *
 * Owner     the request               Thread  one at a time
 * Limits    none of its own: what a peer sent was measured before it comes here */
#ifndef GUSH_API_ARENA_H
#define GUSH_API_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

struct gush_arena_chunk;

/* Zeroed means empty. */
struct gush_arena {
    struct gush_arena_chunk *chunks; /* newest first */
    size_t used, cap;                /* of the newest */
};

/* Zeroed memory, aligned for anything, until fini. */
void *gush_arena_alloc(struct gush_arena *a, size_t n, size_t size);
/* A copy with a NUL behind it. */
char *gush_arena_string(struct gush_arena *a, struct gush_span s);
/* An initialised message. */
void *gush_arena_message(struct gush_arena *a, const ProtobufCMessageDescriptor *descriptor);
void gush_arena_fini(struct gush_arena *a);
/* For protobuf_c_message_unpack: everything unpacked lives in |a|. */
ProtobufCAllocator gush_arena_allocator(struct gush_arena *a);

#endif
