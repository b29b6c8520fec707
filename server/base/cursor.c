#include "server/base/cursor.h"

#include "server/base/assert.h"

void gush_cursor_fail(struct gush_cursor *c, gush_err err)
{
    GUSH_ASSERT(err != GUSH_OK);
    if (c->err == GUSH_OK)
        c->err = err;
    c->p = c->end;
}

/* The next |n| bytes, or NULL after noting that they are not there. */
static const uint8_t *advance(struct gush_cursor *c, size_t n)
{
    const uint8_t *p = c->p;

    if (gush_cursor_left(c) < n) {
        gush_cursor_fail(c, GUSH_EMORE);
        return NULL;
    }
    c->p += n;
    return p;
}

static uint64_t big_endian(struct gush_cursor *c, size_t n)
{
    const uint8_t *p = advance(c, n);
    uint64_t v = 0;

    for (size_t i = 0; p && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static uint64_t little_endian(struct gush_cursor *c, size_t n)
{
    const uint8_t *p = advance(c, n);
    uint64_t v = 0;

    for (size_t i = n; p && i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

uint8_t gush_cursor_u8(struct gush_cursor *c)
{
    const uint8_t *p = advance(c, 1);

    return p ? *p : 0;
}

int gush_cursor_peek(const struct gush_cursor *c)
{
    return c->p == c->end ? -1 : *c->p;
}

uint16_t gush_cursor_be16(struct gush_cursor *c)
{
    return (uint16_t)big_endian(c, 2);
}

uint32_t gush_cursor_be32(struct gush_cursor *c)
{
    return (uint32_t)big_endian(c, 4);
}

uint64_t gush_cursor_be64(struct gush_cursor *c)
{
    return big_endian(c, 8);
}

uint32_t gush_cursor_le32(struct gush_cursor *c)
{
    return (uint32_t)little_endian(c, 4);
}

uint64_t gush_cursor_le64(struct gush_cursor *c)
{
    return little_endian(c, 8);
}

uint64_t gush_cursor_varint(struct gush_cursor *c)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *p = advance(c, 1);

        if (p == NULL)
            return 0;
        /* The tenth byte holds bit 63 only. */
        if (shift == 63 && *p > 1)
            break;
        v |= (uint64_t)(*p & 0x7f) << shift;
        if ((*p & 0x80) == 0)
            return v;
    }
    gush_cursor_fail(c, GUSH_ERANGE);
    return 0;
}

struct gush_span gush_cursor_take(struct gush_cursor *c, uint64_t n)
{
    const uint8_t *p;

    if (n > gush_cursor_left(c)) {
        gush_cursor_fail(c, GUSH_EMORE);
        return GUSH_SPAN_EMPTY;
    }
    p = c->p;
    if (n)
        c->p += n;
    return (struct gush_span){p, (size_t)n};
}
