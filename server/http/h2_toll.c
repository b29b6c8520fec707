#include "server/http/h2_toll.h"

#include <string.h>

#define PREFACE_BYTES 24
#define END_STREAM    0x1

enum type {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH,
    PING,
    GOAWAY,
    WINDOW,
    CONTINUATION
};

void gush_h2_toll_init(struct gush_h2_toll *t, uint64_t now_ms)
{
    *t = (struct gush_h2_toll){
        .points = GUSH_H2_TOLL_POINTS, .left = PREFACE_BYTES, .filled_ms = now_ms};
}

static int32_t price_of_data(uint32_t n, uint8_t flags)
{
    if (flags & END_STREAM || n >= GUSH_H2_TOLL_TINY)
        return 0;
    return n ? GUSH_H2_TOLL_TINY_DATA : GUSH_H2_TOLL_EMPTY;
}

static int32_t price_of(uint8_t type, uint32_t n, uint8_t flags)
{
    switch (type) {
    case DATA:
        return price_of_data(n, flags);
    case HEADERS:
        return GUSH_H2_TOLL_REQUEST;
    case PRIORITY:
        return GUSH_H2_TOLL_PRIORITY;
    case RST_STREAM:
        return GUSH_H2_TOLL_RESET;
    case SETTINGS:
        return GUSH_H2_TOLL_SETTINGS;
    case PING:
        return GUSH_H2_TOLL_PING;
    case WINDOW:
        return GUSH_H2_TOLL_WINDOW;
    case CONTINUATION:
        return GUSH_H2_TOLL_CONTINUATION + (n ? 0 : GUSH_H2_TOLL_EMPTY);
    default:
        return GUSH_H2_TOLL_OTHER;
    }
}

static void fill(struct gush_h2_toll *t, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - t->filled_ms, gain = passed_ms * GUSH_H2_TOLL_PER_S / 1000;

    if (passed_ms >= 1000 * GUSH_H2_TOLL_POINTS / GUSH_H2_TOLL_PER_S) {
        t->points = GUSH_H2_TOLL_POINTS;
        t->filled_ms = now_ms;
    } else if (gain) {
        t->points += (int32_t)gain;
        if (t->points > GUSH_H2_TOLL_POINTS)
            t->points = GUSH_H2_TOLL_POINTS;
        t->filled_ms += gain * 1000 / GUSH_H2_TOLL_PER_S; /* parts of a point are not lost */
    }
}

bool gush_h2_toll_bytes(struct gush_h2_toll *t, uint64_t now_ms, const uint8_t *p, size_t n)
{
    fill(t, now_ms);
    while (n) {
        size_t step = n < t->left ? n : t->left;

        p += step;
        n -= step;
        t->left -= (uint32_t)step;
        step = sizeof(t->head) - t->head_n < n ? sizeof(t->head) - t->head_n : n;
        memcpy(t->head + t->head_n, p, step);
        p += step;
        n -= step;
        t->head_n = (uint8_t)(t->head_n + step);
        if (t->head_n < sizeof(t->head))
            break;
        t->head_n = 0;
        t->left = (uint32_t)t->head[0] << 16 | (uint32_t)t->head[1] << 8 | t->head[2];
        t->points -= price_of(t->head[3], t->left, t->head[4]);
        if (t->points < 0)
            return false;
    }
    return true;
}
