/* buf: a growing buffer that cannot be made without its maximum.
 *
 * Owner     whoever embeds it         Thread  one at a time
 * Errors    sticky: after the limit was hit, writes do nothing and gush_buf_ok says false */
#ifndef GUSH_BASE_BUF_H
#define GUSH_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/span.h"

struct gush_buf {
    uint8_t *p;
    size_t n, cap, limit_bytes;
    bool failed;
};

void gush_buf_init(struct gush_buf *b, size_t limit_bytes);
void gush_buf_fini(struct gush_buf *b);
/* Forgets contents and failure, keeps the memory. */
void gush_buf_reset(struct gush_buf *b);
void gush_buf_put(struct gush_buf *b, const void *p, size_t n);
void gush_buf_put_span(struct gush_buf *b, struct gush_span s);
void gush_buf_put_str(struct gush_buf *b, const char *s);
void gush_buf_put_u8(struct gush_buf *b, uint8_t c);
/* Decimal text. */
void gush_buf_put_u64(struct gush_buf *b, uint64_t v);
void gush_buf_put_i64(struct gush_buf *b, int64_t v);
void gush_buf_printf(struct gush_buf *b, const char *fmt, ...) GUSH_PRINTF(2, 3);
/* Room for |n| more bytes; NULL over the limit. The caller then adds what it used to |n|. */
uint8_t *gush_buf_reserve(struct gush_buf *b, size_t n);
/* Drops the first |n| bytes. */
void gush_buf_consume(struct gush_buf *b, size_t n);

static inline bool gush_buf_ok(const struct gush_buf *b)
{
    return !b->failed;
}

static inline struct gush_span gush_buf_span(const struct gush_buf *b)
{
    return (struct gush_span){b->p, b->n};
}

#endif
