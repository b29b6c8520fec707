/* h2_answer: what handlers say on their streams, and how nghttp2 gets to it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/http/gzip.h"
#include "server/http/h2_priv.h"

/* The handler's, and :status, content-length, date. */
#define FIELDS_MAX 64

static struct gush__h2_stream *stream_of(struct gush_exchange *e)
{
    struct gush__h2_stream *s = GUSH_CONTAINER(e, struct gush__h2_stream, exchange);
    return GUSH_CAST(gush__h2_stream, s);
}

/* Has nghttp2 ask again for what |s| has to say. */
static void awake(struct gush__h2_stream *s)
{
    if (s->asleep) {
        s->asleep = false;
        /* Fails only where the peer just made an end of the stream. */
        (void)nghttp2_session_resume_data(s->session->ng, s->id);
    }
    gush__h2_touch(s->session);
}

/* ---- heads ---------------------------------------------------------------------------------- */

static struct gush_span date_of(struct gush_h2 *h2)
{
    int64_t now_s = h2->options.wall_ms() / 1000;

    if (now_s != h2->date_s) {
        time_t t = (time_t)now_s;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(h2->date, sizeof(h2->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        h2->date_s = now_s;
    }
    return gush_span_str(h2->date);
}

/* nghttp2 copies both, and makes names lower-case. */
static nghttp2_nv nv_of(struct gush_span name, struct gush_span value)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } n = {name.p}, v = {value.p};

    return (nghttp2_nv){n.out, v.out, name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

static bool is_bare(unsigned status)
{
    return status == 204 || status == 304;
}

/* |whole|: r->body is all of the body. |more|: DATA will follow. */
static void submit_head(struct gush__h2_stream *s, const struct gush_http_response *r, bool whole,
                        bool more)
{
    char status[12], length[24];
    nghttp2_nv nv[FIELDS_MAX + 3];
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = gush__h2_read_data};
    size_t n = 0;

    GUSH_ASSERT(r->fields_n <= FIELDS_MAX);
    s->status = (uint16_t)r->status;
    snprintf(status, sizeof(status), "%u", r->status);
    nv[n++] = nv_of(GUSH_SPAN_LIT(":status"), gush_span_str(status));
    for (size_t i = 0; i < r->fields_n; i++)
        nv[n++] = nv_of(r->fields[i].name, r->fields[i].value);
    if (whole && !is_bare(r->status)) {
        snprintf(length, sizeof(length), "%zu", r->body.n);
        nv[n++] = nv_of(GUSH_SPAN_LIT("content-length"), gush_span_str(length));
    }
    nv[n++] = nv_of(GUSH_SPAN_LIT("date"), date_of(s->session->h2));
    int rv = nghttp2_submit_response(s->session->ng, s->id, nv, n, more ? &provider : NULL);
    GUSH_ASSERT(rv == 0);
    gush__h2_touch(s->session);
}

/* ---- what handlers call --------------------------------------------------------------------- */

static void h2_respond(struct gush_exchange *e, const struct gush_http_response *r)
{
    struct gush__h2_stream *s = stream_of(e);
    struct gush_gzip gzip;

    GUSH_ASSERT(s->stage == H2_ANSWERING || s->stage == H2_GONE);
    if (s->stage == H2_GONE)
        return;
    gush_gzip_response(&gzip, e->accepts_gzip, r);
    r = &gzip.response;
    bool more = r->body.n && !s->head_only && !is_bare(r->status);
    if (more)
        gush__h2_own(s, r->body);
    gush__h2_stage(s, H2_ENDING);
    submit_head(s, r, true, more);
    gush_gzip_done(&gzip);
}

static void h2_start(struct gush_exchange *e, const struct gush_http_response *r)
{
    struct gush__h2_stream *s = stream_of(e);

    GUSH_ASSERT(s->stage == H2_ANSWERING || s->stage == H2_GONE);
    if (s->stage == H2_GONE)
        return;
    if (r->body.n && !s->head_only)
        gush__h2_own(s, r->body);
    gush__h2_stage(s, s->head_only ? H2_ENDING : H2_STREAMING);
    submit_head(s, r, false, !s->head_only);
}

static gush_err h2_send(struct gush_exchange *e)
{
    struct gush__h2_stream *s = stream_of(e);

    GUSH_ASSERT(!s->sending || s->stage == H2_GONE);
    if (s->stage != H2_STREAMING)
        return GUSH_ECLOSED;
    s->sending = true;
    s->sent_n = 0;
    awake(s);
    return GUSH_EAGAIN;
}

static void put_u32(uint8_t **at, size_t n)
{
    uint32_t v = (uint32_t)n;
    memcpy(*at, &v, sizeof(v));
    *at += sizeof(v);
}

static void put_span(uint8_t **at, struct gush_span s)
{
    put_u32(at, s.n);
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
}

static struct gush_bytes *pack_tail(const struct gush_http_field *fields, size_t n)
{
    size_t size = 0;

    GUSH_ASSERT(n <= FIELDS_MAX);
    for (size_t i = 0; i < n; i++)
        size += 2 * sizeof(uint32_t) + fields[i].name.n + fields[i].value.n;
    struct gush_bytes *tail = gush_bytes_new(size);
    uint8_t *at = tail->data;
    for (size_t i = 0; i < n; i++) {
        put_span(&at, fields[i].name);
        put_span(&at, fields[i].value);
    }
    return tail;
}

static void h2_end(struct gush_exchange *e, const struct gush_http_field *trailers, size_t n)
{
    struct gush__h2_stream *s = stream_of(e);

    GUSH_ASSERT(!s->sending || s->stage == H2_GONE);
    if (s->stage != H2_STREAMING)
        return;
    if (n)
        s->tail = pack_tail(trailers, n);
    gush__h2_stage(s, H2_ENDING);
    awake(s);
}

void gush__h2_break(struct gush__h2_stream *s, uint32_t code)
{
    if (s->stage == H2_GONE)
        return;
    int rv = nghttp2_submit_rst_stream(s->session->ng, NGHTTP2_FLAG_NONE, s->id, code);
    GUSH_ASSERT(rv == 0);
    s->broken = true;
    gush__h2_stage(s, H2_GONE);
    gush__h2_due(s);
    gush__h2_touch(s->session);
}

static void h2_abort(struct gush_exchange *e)
{
    struct gush__h2_stream *s = stream_of(e);

    if (s->stage != H2_ENDING)
        gush__h2_break(s, NGHTTP2_INTERNAL_ERROR);
}

/* Windows are small at first, as there may be many streams that say nothing. A body that does not
 * end soon gets a larger one. */
static void widen(struct gush__h2_stream *s, size_t n)
{
    if (s->wide || s->body_over)
        return;
    s->got_n += (uint32_t)n;
    if (s->got_n < GUSH__H2_WINDOW_FIRST / 2)
        return;
    s->wide = true;
    int rv = nghttp2_session_set_local_window_size(s->session->ng, NGHTTP2_FLAG_NONE, s->id,
                                                   (int32_t)GUSH_EXCHANGE_BODY_WINDOW);
    GUSH_ASSERT(rv == 0);
}

void gush__h2_credit(struct gush__h2_stream *s, size_t n)
{
    int rv = nghttp2_session_consume_stream(s->session->ng, s->id, n);

    GUSH_ASSERT(rv == 0);
    widen(s, n);
    gush__h2_touch(s->session);
}

static void h2_take(struct gush_exchange *e, size_t n)
{
    struct gush__h2_stream *s = stream_of(e);

    if (s->stage != H2_GONE && n)
        gush__h2_credit(s, n);
}

static struct gush_lane *h2_lane(struct gush_exchange *e)
{
    return gush__h2_lane(stream_of(e)->session);
}

const struct gush_exchange_ops gush__h2_ops = {h2_respond, h2_start, h2_send, h2_end,
                                               h2_abort,   h2_take,  h2_lane};

/* ---- what nghttp2 asks ---------------------------------------------------------------------- */

static struct gush_span next_span(const uint8_t **at)
{
    uint32_t n;
    memcpy(&n, *at, sizeof(n));
    struct gush_span s = gush_span_of(*at + sizeof(n), n);
    *at += sizeof(n) + n;
    return s;
}

static void submit_tail(struct gush__h2_stream *s)
{
    nghttp2_nv nv[FIELDS_MAX];
    const uint8_t *at = s->tail->data, *end = at + s->tail->n;
    size_t n = 0;

    while (at < end) {
        struct gush_span name = next_span(&at);
        nv[n++] = nv_of(name, next_span(&at));
    }
    int rv = nghttp2_submit_trailer(s->session->ng, s->id, nv, n);
    GUSH_ASSERT(rv == 0);
}

/* Nothing comes behind what is given now. */
static void say_end(struct gush__h2_stream *s, uint32_t *flags)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->tail) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        submit_tail(s);
    }
}

static size_t burst_left(struct gush__h2_stream *s)
{
    struct gush_h2 *h2 = s->session->h2;
    size_t n = 0;

    h2->pieces_n = s->exchange.events->pieces(s->exchange.user, h2->pieces);
    for (size_t i = 0; i < h2->pieces_n; i++)
        n += h2->pieces[i].n;
    GUSH_ASSERT(n >= s->sent_n);
    return n - s->sent_n;
}

/* Only says how much there is; h2_write.c gathers it. */
// NOLINTNEXTLINE(readability-function-size): as many parameters as nghttp2 gives
ssize_t gush__h2_read_data(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                           nghttp2_data_source *source, void *arg)
{
    struct gush__h2_stream *s = GUSH_CAST(gush__h2_stream, source->ptr);
    size_t left = 0;

    (void)ng;
    (void)id;
    (void)buf;
    (void)arg;
    if (s->stage == H2_GONE)
        return NGHTTP2_ERR_DEFERRED;
    n = n < GUSH__H2_FRAME_BYTES ? n : GUSH__H2_FRAME_BYTES;
    if (s->own && s->own_at < s->own->n)
        left = s->own->n - s->own_at;
    else if (s->sending && !s->sent && (left = burst_left(s)) == 0) {
        s->sent = true;
        gush__h2_due(s);
    }
    n = left < n ? left : n;
    if (s->stage == H2_ENDING && n == left)
        say_end(s, flags);
    else if (n == 0) {
        s->asleep = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)n;
}
