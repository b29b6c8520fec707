/* h2_guard: bytes in. Every frame is looked at before the library reads it: it is paid for, and the
 * rules are kept that the library leaves to others. */
#include "server/http/h2_priv.h"

/* What to tell a peer with whom nghttp2 could not go on. */
static uint32_t code_of(ssize_t failure)
{
    switch (failure) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        return NGHTTP2_PROTOCOL_ERROR;
    case NGHTTP2_ERR_CALLBACK_FAILURE: /* a bomb: see on_header */
    case NGHTTP2_ERR_FLOODED:
    default: /* too many CONTINUATION frames: not every version has a name for it */
        return NGHTTP2_ENHANCE_YOUR_CALM;
    }
}

/* ---- rules that the library leaves to others ------------------------------------------------- */

#define BY_US (1u << 31)

void gush__h2_remember(struct gush__h2_session *p, int32_t id, bool by_us)
{
    p->past[p->past_n] = (uint32_t)id | (by_us ? BY_US : 0);
    p->past_n = (uint8_t)((p->past_n + 1) % GUSH__H2_PAST_MAX);
}

static bool is_past(const struct gush__h2_session *p, uint32_t entry)
{
    for (size_t i = 0; i < GUSH__H2_PAST_MAX; i++) {
        if (p->past[i] == entry)
            return true;
    }
    return false;
}

/* Whether |frame| could break a rule that the library does not know. */
static bool is_suspect(struct gush__h2_session *p, const struct gush_h2_frame *frame)
{
    if (frame->type == GUSH_H2_HEADERS && frame->stream > p->last_id) {
        p->last_id = frame->stream;
        return false;
    }
    return frame->type == GUSH_H2_HEADERS || frame->type == GUSH_H2_DATA ||
           frame->type == GUSH_H2_PRIORITY;
}

/* RFC 9113 sections 5.1, 5.1.1 and 6.3, and 5.3.1 of its predecessor. Frames for a stream that we
 * have reset may have been on their way; those for one that the client ended itself may not. */
static uint32_t judge(const struct gush__h2_session *p, const struct gush_h2_frame *frame)
{
    if (frame->type == GUSH_H2_PRIORITY)
        return frame->stream == 0 || frame->stream == frame->depends_on ? NGHTTP2_PROTOCOL_ERROR
                                                                        : NGHTTP2_NO_ERROR;
    if (frame->stream % 2 == 0 ||
        nghttp2_session_get_stream_user_data(p->ng, (int32_t)frame->stream) != NULL ||
        is_past(p, frame->stream | BY_US))
        return NGHTTP2_NO_ERROR;
    if (is_past(p, frame->stream))
        return NGHTTP2_STREAM_CLOSED;
    return frame->type == GUSH_H2_HEADERS ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_NO_ERROR;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void feed(struct gush__h2_session *p, const uint8_t *from, const uint8_t *to)
{
    ssize_t n = nghttp2_session_mem_recv(p->ng, from, (size_t)(to - from));

    if (n < 0)
        gush__h2_part(p, code_of(n));
}

/* Feeds the library. Before it sees all of a suspect's head, what came before is done with. */
static void feed_frames(struct gush__h2_session *p, struct gush_span bytes)
{
    const uint8_t *fed = bytes.p, *end = bytes.p + bytes.n;
    struct gush_h2_frame frame;

    while (!p->deaf && gush_h2_frames_next(&p->frames, &bytes, &frame)) {
        uint32_t code = NGHTTP2_NO_ERROR;

        gush_h2_toll_frame(&p->toll, &frame);
        if (p->toll.points < 0) {
            code = NGHTTP2_ENHANCE_YOUR_CALM;
        } else if (is_suspect(p, &frame)) {
            feed(p, fed, bytes.p - 1);
            fed = bytes.p - 1;
            code = judge(p, &frame);
        }
        if (code != NGHTTP2_NO_ERROR && !p->deaf)
            gush__h2_part(p, code);
    }
    if (!p->deaf)
        feed(p, fed, end);
}

void gush__h2_read(struct gush__h2_session *p, struct gush_span bytes)
{
    if (p->deaf)
        return;
    gush_h2_toll_pass(&p->toll, gush_lane_now_ms(gush__h2_lane(p)));
    feed_frames(p, bytes);
    gush__h2_settle(p);
    gush__h2_touch(p);
}
