#include "server/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#define FIRST_CAP 64

void gush_buf_init(struct gush_buf *b, size_t limit_bytes)
{
    *b = (struct gush_buf){.limit_bytes = limit_bytes};
}

void gush_buf_fini(struct gush_buf *b)
{
    gush_free(b->p);
    *b = (struct gush_buf){0};
}

void gush_buf_reset(struct gush_buf *b)
{
    b->n = 0;
    b->failed = false;
}

uint8_t *gush_buf_reserve(struct gush_buf *b, size_t n)
{
    size_t cap;

    GUSH_ASSERT(b->n <= b->cap);
    if (b->failed)
        return NULL;
    if (b->n > b->limit_bytes || n > b->limit_bytes - b->n) {
        b->failed = true;
        return NULL;
    }
    if (b->p && n <= b->cap - b->n)
        return b->p + b->n;
    cap = b->cap > b->limit_bytes / 2 ? b->limit_bytes : b->cap * 2;
    if (cap < FIRST_CAP && FIRST_CAP <= b->limit_bytes)
        cap = FIRST_CAP;
    if (cap < b->n + n)
        cap = b->n + n;
    b->p = gush_realloc(b->p, cap);
    b->cap = cap;
    return b->p + b->n;
}

void gush_buf_put(struct gush_buf *b, const void *p, size_t n)
{
    uint8_t *to = gush_buf_reserve(b, n);

    if (to == NULL || n == 0)
        return;
    memcpy(to, p, n);
    b->n += n;
}

void gush_buf_put_span(struct gush_buf *b, struct gush_span s)
{
    gush_buf_put(b, s.p, s.n);
}

void gush_buf_put_str(struct gush_buf *b, const char *s)
{
    gush_buf_put(b, s, strlen(s));
}

void gush_buf_put_u8(struct gush_buf *b, uint8_t c)
{
    uint8_t *to = gush_buf_reserve(b, 1);

    if (to == NULL)
        return;
    *to = c;
    b->n++;
}

void gush_buf_put_u64(struct gush_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    gush_buf_put(b, digits + at, sizeof(digits) - at);
}

void gush_buf_put_i64(struct gush_buf *b, int64_t v)
{
    if (v < 0)
        gush_buf_put_u8(b, '-');
    gush_buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void gush_buf_printf(struct gush_buf *b, const char *fmt, ...)
{
    va_list args;
    uint8_t *to;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    GUSH_ASSERT(n >= 0);
    to = gush_buf_reserve(b, (size_t)n);
    if (to == NULL)
        return;
    /* vsnprintf ends with a NUL that does not count against the limit. */
    if (b->cap - b->n <= (size_t)n) {
        b->p = gush_realloc(b->p, b->n + (size_t)n + 1);
        b->cap = b->n + (size_t)n + 1;
        to = b->p + b->n;
    }
    va_start(args, fmt);
    n = vsnprintf((char *)to, (size_t)n + 1, fmt, args);
    va_end(args);
    b->n += (size_t)n;
}

void gush_buf_consume(struct gush_buf *b, size_t n)
{
    GUSH_ASSERT(n <= b->n);
    b->n -= n;
    if (b->n && n)
        memmove(b->p, b->p + n, b->n);
}
