#include "server/http/h2_frames.h"

#include <string.h>

#define PREFACE_BYTES    24
#define HEAD_BYTES       9
#define DEPENDENCY_BYTES 4
#define PRIORITY_BYTES   5

void gush_h2_frames_init(struct gush_h2_frames *f)
{
    *f = (struct gush_h2_frames){.left = PREFACE_BYTES};
}

static uint32_t length_of(const uint8_t *head)
{
    return (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
}

/* Without the bit that has no meaning. */
static uint32_t id_of(const uint8_t *p)
{
    return (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_priority(const struct gush_h2_frames *f)
{
    return f->head[3] == GUSH_H2_PRIORITY && length_of(f->head) == PRIORITY_BYTES;
}

static void take(struct gush_span *bytes, size_t n)
{
    bytes->p += n;
    bytes->n -= n;
}

/* Reads on until |wanted_n| bytes of the head are there. */
static bool read_head(struct gush_h2_frames *f, struct gush_span *bytes, size_t wanted_n)
{
    size_t n = f->head_n < wanted_n ? wanted_n - f->head_n : 0;

    n = n < bytes->n ? n : bytes->n;
    if (n)
        memcpy(f->head + f->head_n, bytes->p, n);
    f->head_n = (uint8_t)(f->head_n + n);
    take(bytes, n);
    return f->head_n >= wanted_n;
}

bool gush_h2_frames_next(struct gush_h2_frames *f, struct gush_span *bytes,
                         struct gush_h2_frame *out)
{
    size_t payload_n = bytes->n < f->left ? bytes->n : f->left;

    f->left -= (uint32_t)payload_n;
    take(bytes, payload_n);
    if (f->left || !read_head(f, bytes, HEAD_BYTES))
        return false;
    if (is_priority(f) && !read_head(f, bytes, HEAD_BYTES + DEPENDENCY_BYTES))
        return false;
    *out = (struct gush_h2_frame){.length = length_of(f->head),
                                  .stream = id_of(f->head + 5),
                                  .type = f->head[3],
                                  .flags = f->head[4]};
    f->left = out->length;
    if (is_priority(f)) {
        out->depends_on = id_of(f->head + HEAD_BYTES);
        f->left -= DEPENDENCY_BYTES;
    }
    f->head_n = 0;
    return true;
}
