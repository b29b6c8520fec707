/* h1_write: responses, from their head to their last chunk. */
#include <stdio.h>
#include <time.h>

#include "server/http/gzip.h"
#include "server/http/http_priv.h"

static struct gush__h1_peer *peer_of(struct gush_exchange *s)
{
    struct gush__h1_peer *p = GUSH_CONTAINER(s, struct gush__h1_peer, stream);
    return GUSH_CAST(gush__h1_peer, p);
}

static struct gush_lane *lane_of(const struct gush__h1_peer *p)
{
    return gush_loop_lane(p->h1->loop);
}

bool gush__h1_write_rest(struct gush__h1_peer *p)
{
    struct gush_span part = gush_span_of(p->rest->data + p->rest_at, p->rest->n - p->rest_at);
    size_t written;
    gush_err err = gush_conn_write(p->conn, &part, 1, &written);

    p->rest_at += (uint32_t)written;
    if (err)
        return false;
    gush_bytes_unref(p->rest);
    p->rest = NULL;
    if (p->stage >= H1_ANSWERING)
        gush_conn_timer_clear(p->conn); /* a body that is waited for has its own */
    return true;
}

static void put_date(struct gush_h1 *h1)
{
    int64_t now_s = h1->options.wall_ms() / 1000;

    if (now_s != h1->date_s) {
        time_t t = (time_t)now_s;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(h1->date, sizeof(h1->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        h1->date_s = now_s;
    }
    gush_buf_put_str(&h1->out, "Date: ");
    gush_buf_put_str(&h1->out, h1->date);
    gush_buf_put_str(&h1->out, "\r\n");
}

/* Status line and fields, without the blank line. */
static void put_head(struct gush__h1_peer *p, const struct gush_http_response *r)
{
    struct gush_buf *out = &p->h1->out;

    gush_buf_reset(out);
    gush_buf_put_str(out, p->v11 ? "HTTP/1.1 " : "HTTP/1.0 ");
    gush_buf_put_u64(out, r->status);
    gush_buf_put_u8(out, ' ');
    gush_buf_put_str(out, gush_http_status_text(r->status));
    gush_buf_put_str(out, "\r\n");
    for (size_t i = 0; i < r->fields_n; i++) {
        gush_buf_put_span(out, r->fields[i].name);
        gush_buf_put_str(out, ": ");
        gush_buf_put_span(out, r->fields[i].value);
        gush_buf_put_str(out, "\r\n");
    }
    put_date(p->h1);
}

/* Keeps what |parts| say behind their first |written| bytes, and behind what was kept before. */
static void keep_rest(struct gush__h1_peer *p, const struct gush_span *parts, size_t parts_n,
                      size_t written)
{
    struct gush_bytes *old = p->rest;
    size_t n = 0, old_n = old ? old->n - p->rest_at : 0;

    for (size_t i = 0; i < parts_n; i++)
        n += parts[i].n;
    p->rest = gush_bytes_new(old_n + n - written);
    if (old_n)
        memcpy(p->rest->data, old->data + p->rest_at, old_n);
    gush_bytes_unref(old);
    p->rest_at = 0;
    n = old_n;
    for (size_t i = 0; i < parts_n; i++) {
        size_t skip = written < parts[i].n ? written : parts[i].n;
        written -= skip;
        if (parts[i].n > skip)
            memcpy(p->rest->data + n, parts[i].p + skip, parts[i].n - skip);
        n += parts[i].n - skip;
    }
}

/* Writes bytes of ours; what does not go out is kept. The amount is bounded by one response. */
static void write_own(struct gush__h1_peer *p, const struct gush_span *parts, size_t parts_n)
{
    size_t written = 0;
    gush_err err = GUSH_EAGAIN;

    if (p->rest == NULL)
        err = gush_conn_write(p->conn, parts, parts_n, &written);
    if (err == GUSH_EAGAIN)
        keep_rest(p, parts, parts_n, written);
}

/* The same for a response, which has its time. */
static void write_response(struct gush__h1_peer *p, const struct gush_span *parts, size_t parts_n)
{
    write_own(p, parts, parts_n);
    if (p->rest)
        gush_conn_timer_set(p->conn, gush__h1_limits(p)->response_ms);
}

void gush__h1_say_continue(struct gush__h1_peer *p)
{
    struct gush_span line = GUSH_SPAN_LIT("HTTP/1.1 100 Continue\r\n\r\n");
    write_own(p, &line, 1);
}

/* The response is complete as far as the handler is concerned. */
static void complete(struct gush__h1_peer *p)
{
    p->stage = H1_ENDING;
    if (p->rest == NULL)
        gush_lane_last(lane_of(p), &p->after);
}

/* The head of a response that is whole. */
static void put_whole_head(struct gush__h1_peer *p, const struct gush_http_response *r, bool bare)
{
    struct gush_buf *out = &p->h1->out;

    put_head(p, r);
    if (!bare) {
        gush_buf_put_str(out, "Content-Length: ");
        gush_buf_put_u64(out, r->body.n);
        gush_buf_put_str(out, "\r\n");
    }
    if (!p->keep_alive)
        gush_buf_put_str(out, "Connection: close\r\n");
    else if (!p->v11)
        gush_buf_put_str(out, "Connection: keep-alive\r\n");
    gush_buf_put_str(out, "\r\n");
    GUSH_ASSERT(gush_buf_ok(out));
}

static void h1_respond(struct gush_exchange *s, const struct gush_http_response *r)
{
    struct gush__h1_peer *p = peer_of(s);
    bool bare = r->status == 204 || r->status == 304;
    struct gush_span parts[2];
    struct gush_gzip z;

    GUSH_ASSERT(p->stage == H1_ANSWERING || p->stage == H1_DONE);
    if (p->stage == H1_DONE)
        return;
    gush__h1_body_stop(p);
    p->keep_alive &= !p->h1->draining;
    p->status = (uint16_t)r->status;
    gush_gzip_response(&z, s->accepts_gzip, r);
    put_whole_head(p, &z.response, bare);
    parts[0] = gush_buf_span(&p->h1->out);
    parts[1] = bare || p->head_only ? GUSH_SPAN_EMPTY : z.response.body;
    p->body_bytes = parts[1].n;
    write_response(p, parts, parts[1].n ? 2 : 1);
    gush_gzip_done(&z);
    complete(p);
}

static void h1_start(struct gush_exchange *s, const struct gush_http_response *r)
{
    struct gush__h1_peer *p = peer_of(s);
    struct gush_buf *out = &p->h1->out;
    struct gush_span head;

    GUSH_ASSERT(p->stage == H1_ANSWERING || p->stage == H1_DONE);
    if (p->stage == H1_DONE)
        return;
    p->stage = p->head_only ? H1_MUTED : H1_STREAMING;
    p->status = (uint16_t)r->status;
    p->keep_alive &= p->v11; /* before 1.1 only the end of the connection ends a stream */
    put_head(p, r);
    gush_buf_put_str(out, p->keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
    gush_buf_put_str(out, p->v11 ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    if (r->body.n && !p->head_only) {
        if (p->v11)
            gush_buf_printf(out, "%zx\r\n", r->body.n);
        gush_buf_put_span(out, r->body);
        if (p->v11)
            gush_buf_put_str(out, "\r\n");
        p->body_bytes = r->body.n;
    }
    GUSH_ASSERT(gush_buf_ok(out));
    head = gush_buf_span(out);
    write_response(p, &head, 1);
}

gush_err gush__h1_write_burst(struct gush__h1_peer *p)
{
    struct gush_span parts[GUSH_EXCHANGE_PIECES_MAX];
    size_t parts_n = p->stream.events->pieces(p->stream.user, parts), first = 0, written;
    size_t skip = p->sent_n;

    while (first < parts_n && parts[first].n <= skip)
        skip -= parts[first++].n;
    GUSH_ASSERT(first < parts_n);
    parts[first] = gush_span_of(parts[first].p + skip, parts[first].n - skip);
    gush_err err = gush_conn_write(p->conn, parts + first, parts_n - first, &written);
    p->sent_n += (uint32_t)written;
    p->body_bytes += written;
    p->sending = err == GUSH_EAGAIN;
    return err;
}

static gush_err h1_send(struct gush_exchange *s)
{
    struct gush__h1_peer *p = peer_of(s);

    GUSH_ASSERT(!p->sending);
    if (p->stage != H1_STREAMING)
        return p->stage == H1_MUTED ? GUSH_OK : GUSH_ECLOSED;
    p->sent_n = 0;
    if (p->rest) { /* the head is still on its way */
        p->sending = true;
        return GUSH_EAGAIN;
    }
    return gush__h1_write_burst(p);
}

/* Trailers have no place here: peers would have to ask for them, and nobody's handler needs it. */
static void h1_end(struct gush_exchange *s, const struct gush_http_field *trailers, size_t n)
{
    static const char last_chunk[] = "0\r\n\r\n";
    struct gush__h1_peer *p = peer_of(s);
    struct gush_span last = gush_span_str(last_chunk);

    (void)trailers;
    (void)n;
    GUSH_ASSERT(!p->sending || p->stage != H1_STREAMING);
    if (p->stage != H1_STREAMING && p->stage != H1_MUTED)
        return;
    gush__h1_body_stop(p);
    p->keep_alive &= !p->h1->draining;
    if (p->v11 && p->stage == H1_STREAMING)
        write_response(p, &last, 1);
    complete(p);
}

static void h1_abort(struct gush_exchange *s)
{
    struct gush__h1_peer *p = peer_of(s);

    if (p->stage == H1_DONE || p->stage == H1_ENDING)
        return;
    p->stage = H1_DONE;
    gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
}

static void h1_take(struct gush_exchange *s, size_t n)
{
    struct gush__h1_peer *p = peer_of(s);

    if (!p->giving)
        return;
    GUSH_ASSERT(n <= p->in->untaken_n);
    p->in->untaken_n -= n;
    gush_lane_last(lane_of(p), &p->after);
}

static struct gush_lane *h1_lane(struct gush_exchange *s)
{
    return lane_of(peer_of(s));
}

const struct gush_exchange_ops gush__h1_stream_ops = {h1_respond, h1_start, h1_send, h1_end,
                                                      h1_abort,   h1_take,  h1_lane};
