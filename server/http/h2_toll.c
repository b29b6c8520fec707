#include "server/http/h2_toll.h"

void gush_h2_toll_init(struct gush_h2_toll *t, uint64_t now_ms)
{
    *t = (struct gush_h2_toll){.points = GUSH_H2_TOLL_POINTS, .filled_ms = now_ms};
}

void gush_h2_toll_pass(struct gush_h2_toll *t, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - t->filled_ms, gain = passed_ms * GUSH_H2_TOLL_PER_S / 1000;

    if (passed_ms >= 2 * 1000 * GUSH_H2_TOLL_POINTS / GUSH_H2_TOLL_PER_S) {
        t->points = GUSH_H2_TOLL_POINTS;
        t->filled_ms = now_ms;
    } else if (gain) {
        t->points += (int32_t)gain;
        if (t->points > GUSH_H2_TOLL_POINTS)
            t->points = GUSH_H2_TOLL_POINTS;
        t->filled_ms += gain * 1000 / GUSH_H2_TOLL_PER_S; /* parts of a point are not lost */
    }
}

static int32_t price_of_data(const struct gush_h2_frame *frame)
{
    if (frame->flags & GUSH_H2_FRAME_END_STREAM || frame->length >= GUSH_H2_TOLL_TINY)
        return 0;
    return frame->length ? GUSH_H2_TOLL_TINY_DATA : GUSH_H2_TOLL_EMPTY;
}

static int32_t price_of(const struct gush_h2_frame *frame)
{
    switch (frame->type) {
    case GUSH_H2_DATA:
        return price_of_data(frame);
    case GUSH_H2_HEADERS:
        return GUSH_H2_TOLL_HEADERS;
    case GUSH_H2_PRIORITY:
        return GUSH_H2_TOLL_PRIORITY;
    case GUSH_H2_RST_STREAM:
        return GUSH_H2_TOLL_RESET;
    case GUSH_H2_SETTINGS:
        return GUSH_H2_TOLL_SETTINGS;
    case GUSH_H2_PING:
        return GUSH_H2_TOLL_PING;
    case GUSH_H2_WINDOW_UPDATE:
        return GUSH_H2_TOLL_WINDOW;
    case GUSH_H2_CONTINUATION:
        return GUSH_H2_TOLL_CONTINUATION + (frame->length ? 0 : GUSH_H2_TOLL_EMPTY);
    default:
        return GUSH_H2_TOLL_OTHER;
    }
}

void gush_h2_toll_frame(struct gush_h2_toll *t, const struct gush_h2_frame *frame)
{
    t->points -= price_of(frame);
}

void gush_h2_toll_reset(struct gush_h2_toll *t)
{
    t->points -= GUSH_H2_TOLL_RESET;
}

void gush_h2_toll_too_large(struct gush_h2_toll *t)
{
    t->points -= GUSH_H2_TOLL_TOO_LARGE;
}
