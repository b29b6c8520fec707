/* h1_body: request bodies that are given to their handler as they come (routes with |streaming|).
 *
 * The inbox then begins with |ready_n| bytes of the body, decoded; while all of it has not been
 * read, nothing is behind them. The connection is read only while there is nothing ready, so an
 * inbox holds one read at the most. */
#include "server/http/http_priv.h"

/* Whether the handler still listens. */
static bool is_heard(const struct gush__h1_peer *p)
{
    return p->giving &&
           (p->stage == H1_ANSWERING || p->stage == H1_STREAMING || p->stage == H1_MUTED);
}

/* Nothing that follows on this connection can be told apart from the body any more. */
static void give_up(struct gush__h1_peer *p, unsigned status)
{
    p->giving = false;
    if (p->stage != H1_ANSWERING) {
        gush__h1_leave(p);
        return;
    }
    gush__h1_tell_closed(p);
    gush__h1_refuse(p, status);
}

/* Turns what was read into bytes that are ready. */
static gush_err decode(struct gush__h1_inbox *in)
{
    size_t raw_n = in->bytes.n - in->ready_n;

    if (in->whole)
        return GUSH_OK;
    if (!in->chunked) {
        size_t n = raw_n < in->length ? raw_n : (size_t)in->length;
        in->ready_n += n;
        in->length -= n;
        in->whole = in->length == 0;
        return GUSH_OK;
    }
    uint8_t *raw = in->bytes.p + in->ready_n;
    struct gush_cursor c = gush_cursor_over(gush_span_of(raw, raw_n));
    size_t decoded_n = 0;
    gush_err err = gush_h1_chunk_feed(&in->decoder, &c, raw, &decoded_n, UINT64_MAX, NULL);
    if (err != GUSH_OK && err != GUSH_EMORE)
        return err;
    size_t behind_n = gush_cursor_left(&c);
    if (behind_n)
        memmove(raw + decoded_n, c.p, behind_n);
    in->ready_n += decoded_n;
    in->bytes.n = in->ready_n + behind_n;
    in->whole = err == GUSH_OK;
    return GUSH_OK;
}

static void give_pieces(struct gush__h1_peer *p)
{
    struct gush__h1_inbox *in = p->in;

    while (is_heard(p) && in->ready_n && in->untaken_n < GUSH_EXCHANGE_BODY_WINDOW) {
        size_t room = GUSH_EXCHANGE_BODY_WINDOW - in->untaken_n;
        size_t n = in->ready_n < room ? in->ready_n : room;
        const struct gush_exchange_events *events = p->stream.events;
        if (events && events->on_body) {
            in->untaken_n += n;
            events->on_body(p->stream.user, gush_span_of(in->bytes.p, n));
        }
        in->ready_n -= n;
        gush_buf_consume(&in->bytes, n);
    }
}

static void end_body(struct gush__h1_peer *p)
{
    p->giving = false;
    if (p->rest == NULL)
        gush_conn_timer_clear(p->conn);
    gush__h1_drop_request(p, 0);
    if (!p->eof)
        gush__h1_read(p, GUSH_CONN_READ_ON); /* for the end, and for what is behind */
    if (p->stream.events && p->stream.events->on_body_end)
        p->stream.events->on_body_end(p->stream.user);
}

void gush__h1_body_give(struct gush__h1_peer *p)
{
    struct gush__h1_inbox *in = p->in;

    if (!is_heard(p))
        return;
    if (decode(in) != GUSH_OK) {
        give_up(p, 400);
        return;
    }
    give_pieces(p);
    if (!is_heard(p))
        return;
    if (in->whole && in->ready_n == 0) {
        end_body(p);
    } else if (in->whole || in->ready_n) { /* what is there waits for gush_exchange_take */
        gush__h1_read(p, GUSH_CONN_READ_OFF);
        if (p->rest == NULL)
            gush_conn_timer_clear(p->conn);
    } else {
        gush__h1_read(p, GUSH_CONN_READ_ON);
        if (p->rest == NULL)
            gush_conn_timer_set(p->conn, gush__h1_limits(p)->body_ms);
    }
}

void gush__h1_body_begin(struct gush__h1_peer *p, const struct gush_http_request *request,
                         bool expect_continue)
{
    struct gush__h1_inbox *in = p->in;

    gush_conn_timer_clear(p->conn);
    p->stage = H1_ANSWERING;
    p->giving = true;
    in->whole = !in->chunked && in->length == 0;
    in->ready_n = in->untaken_n = 0;
    in->route->handle(in->route->arg, &p->stream, request, GUSH_SPAN_EMPTY);
    gush_buf_consume(&in->bytes, in->head_n);
    in->head_n = 0;
    if (!is_heard(p)) { /* answered: what is here of a body goes with it */
        gush__h1_drop_request(p, p->keep_alive ? 0 : in->bytes.n);
        return;
    }
    GUSH_ASSERT(p->stream.events != NULL);
    if (expect_continue && !in->whole && in->bytes.n == 0)
        gush__h1_say_continue(p);
    gush__h1_body_give(p);
}

void gush__h1_body_stop(struct gush__h1_peer *p)
{
    if (!p->giving)
        return;
    p->giving = false;
    p->keep_alive &= p->in->whole && p->in->ready_n == 0;
}

void gush__h1_body_late(struct gush__h1_peer *p)
{
    give_up(p, 408);
}
