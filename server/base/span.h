/* span: borrowed bytes, never owned, never NUL-terminated.
 *
 * Thread    as the bytes it points into */
#ifndef GUSH_BASE_SPAN_H
#define GUSH_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct gush_span {
    const uint8_t *p; /* may be NULL when n == 0 */
    size_t n;
};

#define GUSH_SPAN_EMPTY ((struct gush_span){NULL, 0})
/* A string literal, without its NUL; INIT for static tables. */
#define GUSH_SPAN_INIT(s)                                                                          \
    {                                                                                              \
        (const uint8_t *)("" s), sizeof(s) - 1                                                     \
    }
#define GUSH_SPAN_LIT(s) ((struct gush_span){(const uint8_t *)("" s), sizeof(s) - 1})

static inline struct gush_span gush_span_of(const void *p, size_t n)
{
    return (struct gush_span){(const uint8_t *)p, n};
}

/* |s| may be NULL: the empty span. */
static inline struct gush_span gush_span_str(const char *s)
{
    return s ? (struct gush_span){(const uint8_t *)s, strlen(s)} : GUSH_SPAN_EMPTY;
}

static inline bool gush_span_eq(struct gush_span a, struct gush_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool gush_span_eq_str(struct gush_span a, const char *s)
{
    return gush_span_eq(a, gush_span_str(s));
}

/* Byte order, shorter first on a tie: <0, 0, >0. */
static inline int gush_span_cmp(struct gush_span a, struct gush_span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

#endif
