/* h2_write: frames out. They are gathered from all streams of a connection into as few writes as
 * possible: frame heads and small pieces are copied together, long pieces stay where they are until
 * the write is done. */
#include <string.h>

#include "server/http/h2_priv.h"

#define WRITES_MAX     8                  /* of one turn: others want theirs */
#define PROGRESS_BYTES ((size_t)64 << 10) /* of an answer: who takes so many is not stuck */

/* ---- gathering ------------------------------------------------------------------------------ */

static void gather_copy(struct gush_h2 *h2, const uint8_t *p, size_t n)
{
    uint8_t *to = h2->scratch + h2->scratch_n;
    struct gush_span *last = h2->parts_n ? &h2->parts[h2->parts_n - 1] : NULL;

    GUSH_ASSERT(n <= GUSH__H2_SCRATCH_BYTES - h2->scratch_n);
    memcpy(to, p, n);
    h2->scratch_n += n;
    h2->gathered_n += n;
    if (last && last->p + last->n == to)
        last->n += n;
    else
        h2->parts[h2->parts_n++] = gush_span_of(to, n);
}

/* |p| stays as it is until the write. */
static void gather(struct gush_h2 *h2, const uint8_t *p, size_t n)
{
    /* a place is left for the copies behind it */
    if (n <= GUSH__H2_COPY_BYTES || h2->parts_n + 2 > GUSH_CONN_PARTS_MAX) {
        gather_copy(h2, p, n);
        return;
    }
    h2->parts[h2->parts_n++] = gush_span_of(p, n);
    h2->gathered_n += n;
}

static void gather_own(struct gush__h2_stream *s, size_t n)
{
    gather(s->session->h2, s->own->data + s->own_at, n);
    if ((s->own_at + n) / PROGRESS_BYTES > s->own_at / PROGRESS_BYTES)
        gush__h2_stage(s, (enum gush__h2_stage)s->stage); /* its time begins again */
    s->own_at += (uint32_t)n;
    if (s->own_at == s->own->n)
        gush__h2_due(s);
}

/* The next |n| bytes of the burst; its pieces were fetched just now. */
static void gather_burst(struct gush__h2_stream *s, size_t n)
{
    struct gush_h2 *h2 = s->session->h2;
    size_t skip = s->sent_n, i = 0;

    s->sent_n += (uint32_t)n;
    for (; skip >= h2->pieces[i].n; i++)
        skip -= h2->pieces[i].n;
    while (n) {
        size_t part = h2->pieces[i].n - skip < n ? h2->pieces[i].n - skip : n;
        if (part)
            gather(h2, h2->pieces[i].p + skip, part);
        n -= part;
        skip = 0;
        if (n)
            i++;
    }
    for (skip = 0, i = 0; i < h2->pieces_n; i++)
        skip += h2->pieces[i].n;
    if (s->sent_n == skip) {
        s->sent = true;
        gush__h2_due(s);
    }
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *framehd, size_t n,
                        nghttp2_data_source *source, void *arg)
{
    struct gush__h2_stream *s = GUSH_CAST(gush__h2_stream, source->ptr);
    struct gush_h2 *h2 = s->session->h2;

    (void)ng;
    (void)frame;
    (void)arg;
    gather_copy(h2, framehd, 9);
    if (s->own && s->own_at < s->own->n)
        gather_own(s, n);
    else
        gather_burst(s, n);
    s->body_n += n;
    gush_h2_toll_served(&s->session->toll);
    return h2->gathered_n >= GUSH__H2_GATHER_BYTES ? NGHTTP2_ERR_PAUSE : 0;
}

/* A response that ends before its request waits a while for the client to see it, as a reset may
 * make it forget what it has read. */
static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, arg);
    struct gush__h2_stream *s;

    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
        if (s == NULL || !s->broken)
            gush_h2_toll_reset(&p->toll);
        if (s)
            s->broken = true;
        else
            gush__h2_remember(p, frame->hd.stream_id, true);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS)
        gush_h2_toll_served(&p->toll);
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (s && s->stage == H2_ENDING && !s->body_over) {
        gush__h2_stage(s, H2_LINGERING);
        gush__h2_due(s);
    }
    return 0;
}

/* A head that is too large for nghttp2, for one. */
static int on_frame_not_send(nghttp2_session *ng, const nghttp2_frame *frame, int why, void *arg)
{
    struct gush__h2_stream *s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);

    (void)why;
    (void)arg;
    if (frame->hd.type == NGHTTP2_HEADERS && s)
        gush__h2_break(s, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

void gush__h2_write_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Fills one write. False: nghttp2 has failed. */
static bool gather_frames(struct gush__h2_session *p, bool *all)
{
    struct gush_h2 *h2 = p->h2;

    h2->parts_n = h2->gathered_n = h2->scratch_n = 0;
    *all = false;
    while (h2->gathered_n < GUSH__H2_GATHER_BYTES) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(p->ng, &bytes);

        if (n < 0)
            return false;
        if (n == 0) {
            *all = h2->gathered_n < GUSH__H2_GATHER_BYTES;
            break;
        }
        gather_copy(h2, bytes, (size_t)n);
    }
    return true;
}

static void keep_rest(struct gush__h2_session *p, size_t written)
{
    struct gush_h2 *h2 = p->h2;
    uint8_t *to;

    p->rest = gush_bytes_new(h2->gathered_n - written);
    p->rest_at = 0;
    p->stuck_ms = gush_lane_now_ms(gush__h2_lane(p));
    to = p->rest->data;
    for (size_t i = 0; i < h2->parts_n; i++) {
        size_t skip = written < h2->parts[i].n ? written : h2->parts[i].n;
        written -= skip;
        memcpy(to, h2->parts[i].p + skip, h2->parts[i].n - skip);
        to += h2->parts[i].n - skip;
    }
}

/* True: there is nothing more to say now, or nobody who would hear it. */
static bool write_once(struct gush__h2_session *p)
{
    bool all;
    size_t written;

    if (!gather_frames(p, &all)) {
        gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
        return true;
    }
    if (p->h2->parts_n &&
        gush_conn_write(p->conn, p->h2->parts, p->h2->parts_n, &written) == GUSH_EAGAIN)
        keep_rest(p, written);
    gush__h2_settle(p);
    return all || p->rest || gush_conn_closing(p->conn);
}

bool gush__h2_flush(struct gush__h2_session *p)
{
    bool done = p->rest != NULL;

    for (int i = 0; i < WRITES_MAX && !done; i++)
        done = write_once(p);
    return done;
}

void gush__h2_flush_rest(struct gush__h2_session *p)
{
    struct gush_span part;
    size_t written;

    if (p->rest) {
        part = gush_span_of(p->rest->data + p->rest_at, p->rest->n - p->rest_at);
        gush_err err = gush_conn_write(p->conn, &part, 1, &written);
        p->rest_at += (uint32_t)written;
        if (written)
            p->stuck_ms = gush_lane_now_ms(gush__h2_lane(p));
        if (err)
            return;
        gush_bytes_unref(p->rest);
        p->rest = NULL;
    }
    gush__h2_touch(p);
}
