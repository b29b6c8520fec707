/* cursor: the only way foreign bytes are read. Cannot pass its end, remembers its first failure.
 *
 * Owner     the parser's stack         Thread  one */
#ifndef GUSH_BASE_CURSOR_H
#define GUSH_BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/span.h"

struct gush_cursor {
    const uint8_t *p, *end;
    gush_err err; /* GUSH_OK, GUSH_EMORE when it ran out, or what a parser set */
};

static inline struct gush_cursor gush_cursor_over(struct gush_span s)
{
    return (struct gush_cursor){s.p, s.p ? s.p + s.n : s.p, GUSH_OK};
}

static inline bool gush_cursor_ok(const struct gush_cursor *c)
{
    return c->err == GUSH_OK;
}

static inline size_t gush_cursor_left(const struct gush_cursor *c)
{
    return (size_t)(c->end - c->p);
}

/* Records |err| unless an earlier one is there, and moves to the end. */
void gush_cursor_fail(struct gush_cursor *c, gush_err err);
/* Next byte, or 0 and GUSH_EMORE. */
uint8_t gush_cursor_u8(struct gush_cursor *c);
/* Next byte without taking it, or -1 at the end (no failure). */
int gush_cursor_peek(const struct gush_cursor *c);
uint16_t gush_cursor_be16(struct gush_cursor *c);
uint32_t gush_cursor_be32(struct gush_cursor *c);
uint64_t gush_cursor_be64(struct gush_cursor *c);
uint32_t gush_cursor_le32(struct gush_cursor *c);
uint64_t gush_cursor_le64(struct gush_cursor *c);
/* Protobuf base-128; more than ten bytes or over 64 bits: GUSH_ERANGE. */
uint64_t gush_cursor_varint(struct gush_cursor *c);
/* The next |n| bytes, or the empty span and GUSH_EMORE. */
struct gush_span gush_cursor_take(struct gush_cursor *c, uint64_t n);

#endif
