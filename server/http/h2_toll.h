/* h2_toll: what a peer pays for the frames it sends, so that it cannot make the server work for
 * nothing.
 *
 * A connection has points. Every frame costs some, those that do no work for anybody (resets,
 * pings, settings, priorities, empty ones, unknown ones) the most. What the server sends in earnest
 * brings points back, since a busy client answers it with window updates, pings and the occasional
 * reset; and so does time. Who has no points left is asked to calm down, and goes.
 *
 * Owner     the connection            Thread  its own; no state but the struct
 * Limits    GUSH_H2_TOLL_POINTS at once, GUSH_H2_TOLL_PER_S of them in the long run
 * spec      RFC 9113 section 10.5 */
#ifndef GUSH_HTTP_H2_TOLL_H
#define GUSH_HTTP_H2_TOLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/h2_frames.h"

#define GUSH_H2_TOLL_POINTS 4000
#define GUSH_H2_TOLL_PER_S  200

/* What a frame of the peer costs. */
#define GUSH_H2_TOLL_HEADERS      5
#define GUSH_H2_TOLL_TINY_DATA    2 /* less than GUSH_H2_TOLL_TINY bytes, and more will follow */
#define GUSH_H2_TOLL_EMPTY        10
#define GUSH_H2_TOLL_RESET        10 /* by whomever: the peer asked for it */
#define GUSH_H2_TOLL_PRIORITY     5
#define GUSH_H2_TOLL_SETTINGS     20
#define GUSH_H2_TOLL_PING         10
#define GUSH_H2_TOLL_WINDOW       2
#define GUSH_H2_TOLL_CONTINUATION 10
#define GUSH_H2_TOLL_OTHER        10
#define GUSH_H2_TOLL_TOO_LARGE    200 /* a head: its compressed form may be small */
#define GUSH_H2_TOLL_TINY         64

/* What a frame of ours brings back. */
#define GUSH_H2_TOLL_SERVED 20

struct gush_h2_toll {
    int32_t points;     /* below 0: used up */
    uint64_t filled_ms; /* up to when time was counted */
};

void gush_h2_toll_init(struct gush_h2_toll *t, uint64_t now_ms);
/* Time has passed. */
void gush_h2_toll_pass(struct gush_h2_toll *t, uint64_t now_ms);
void gush_h2_toll_frame(struct gush_h2_toll *t, const struct gush_h2_frame *frame);
/* A stream was reset by us because of what the peer did. */
void gush_h2_toll_reset(struct gush_h2_toll *t);
/* A head was beyond its limit. */
void gush_h2_toll_too_large(struct gush_h2_toll *t);

/* A frame was sent that the peer had asked for. */
static inline void gush_h2_toll_served(struct gush_h2_toll *t)
{
    t->points += GUSH_H2_TOLL_SERVED;
    if (t->points > GUSH_H2_TOLL_POINTS)
        t->points = GUSH_H2_TOLL_POINTS;
}

#endif
