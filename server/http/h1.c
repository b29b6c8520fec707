#include "server/http/h1.h"

#include "server/base/mem.h"

#include "server/http/http_priv.h"

/* Of a response's head with a stream's first bytes, without what it repeats of the request's head
 * (cors.h does). */
#define RESPONSE_LIMIT ((size_t)64 * 1024)

static struct gush_lane *lane_of(const struct gush__h1_peer *p)
{
    return gush_loop_lane(p->h1->loop);
}

void gush__h1_read(struct gush__h1_peer *p, enum gush_conn_read mode)
{
    p->paused = mode == GUSH_CONN_READ_ENDED;
    gush_conn_read(p->conn, mode);
}

/* ---- between requests ----------------------------------------------------------------------- */

void gush__h1_tell_closed(struct gush__h1_peer *p)
{
    const struct gush_exchange_events *events = p->stream.events;

    p->stream.events = NULL;
    if (events && events->on_closed)
        events->on_closed(p->stream.user);
}

/* The request is over, however it ended. */
static void end_request(struct gush__h1_peer *p)
{
    gush__h1_tell_closed(p);
    gush_access_log_end(p->entry, p->status, p->body_bytes);
    p->entry = NULL;
    p->status = 0;
    p->body_bytes = 0;
    p->giving = false;
}

static void peer_free(struct gush__h1_peer *p)
{
    gush__h1_drop_inbox(p);
    gush_bytes_unref(p->rest);
    *p->pprev = p->next;
    if (p->next)
        p->next->pprev = p->pprev;
    p->h1->peers_n--;
    p->magic = GUSH_MAGIC_DEAD;
    p->stream.magic = GUSH_MAGIC_DEAD;
    gush_free(p);
}

void gush__h1_leave(struct gush__h1_peer *p)
{
    p->stage = H1_DONE;
    gush_conn_close(p->conn, GUSH_CONN_END_NOW);
}

/* Waits for the next request, or takes it from what is there. */
static void next_request(struct gush__h1_peer *p)
{
    p->stage = H1_HEAD;
    p->begun = p->in != NULL;
    gush_conn_timer_set(p->conn,
                        p->begun ? gush__h1_limits(p)->head_ms : gush__h1_limits(p)->idle_ms);
    if (p->in)
        gush__h1_read_on(p);
    if (p->stage != H1_HEAD && p->stage != H1_BODY)
        return;
    if (p->eof) /* the rest of this request will not come */
        gush__h1_leave(p);
    else
        gush__h1_read(p, GUSH_CONN_READ_ON);
}

static void after_response(struct gush__h1_peer *p)
{
    bool more = !p->eof || p->in != NULL;

    end_request(p);
    if (p->keep_alive && more && !(p->h1->draining && p->in == NULL)) {
        next_request(p);
        return;
    }
    p->stage = H1_DONE;
    gush__h1_drop_inbox(p);
    gush_conn_close(p->conn, GUSH_CONN_END_GRACEFUL);
}

/* What may not be done from inside a call of the handler's. */
static bool run_after(struct gush_lane *lane, struct gush_work *work)
{
    struct gush__h1_peer *p = GUSH_CONTAINER(work, struct gush__h1_peer, after);

    (void)lane;
    GUSH_ASSERT(p->magic == gush__h1_peer_MAGIC);
    if (p->conn == NULL)
        peer_free(p);
    else if (p->stage == H1_ENDING && p->rest == NULL)
        after_response(p);
    else if (p->giving)
        gush__h1_body_give(p);
    /* else: broken off meanwhile: the connection's end follows */
    return true;
}

/* ---- the connection's events ---------------------------------------------------------------- */

static void on_bytes(void *owner, const uint8_t *bytes, size_t n)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    if (p->stage != H1_DONE)
        gush__h1_take(p, gush_span_of(bytes, n));
}

static void on_eof(void *owner)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    /* A client may close its half and still wait for its answers, but not for a stream's end. */
    if (p->stage == H1_STREAMING || p->stage == H1_MUTED) {
        gush__h1_leave(p);
    } else if (p->paused) {
        p->paused = false; /* its end comes again, behind the requests that were not read yet */
    } else {
        p->eof = true;
        if (p->stage == H1_HEAD || p->stage == H1_BODY || (p->giving && !p->in->whole))
            gush__h1_leave(p);
    }
}

static void on_writable(void *owner)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    if (p->rest) {
        if (!gush__h1_write_rest(p))
            return;
        if (p->giving)
            gush_lane_last(lane_of(p), &p->after); /* sets the body's timer again */
    }
    if (p->stage == H1_ENDING)
        gush_lane_last(lane_of(p), &p->after);
    else if (p->stage == H1_STREAMING && p->sending && gush__h1_write_burst(p) == GUSH_OK)
        p->stream.events->on_sent(p->stream.user);
}

static void on_timer(void *owner)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    if (p->giving && p->rest == NULL) {
        gush__h1_body_late(p);
        return;
    }
    switch ((enum gush__h1_stage)p->stage) {
    case H1_HEAD:
    case H1_BODY:
        if (p->in)
            gush__h1_refuse(p, 408);
        else
            gush__h1_leave(p);
        break;
    case H1_ANSWERING:
    case H1_STREAMING:
    case H1_MUTED:
    case H1_ENDING: /* the peer does not take what it asked for */
        p->stage = H1_DONE;
        gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
        break;
    case H1_DONE:
        break;
    }
}

static void on_closed(void *owner)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    p->conn = NULL;
    p->stage = H1_DONE;
    end_request(p);
    if (!p->after.queued)
        peer_free(p);
}

static const struct gush_conn_ops h1_conn_ops = {.on_bytes = on_bytes,
                                                 .on_eof = on_eof,
                                                 .on_writable = on_writable,
                                                 .on_timer = on_timer,
                                                 .on_closed = on_closed};

/* ---- outside -------------------------------------------------------------------------------- */

static struct gush__h1_peer *peer_new(struct gush_h1 *h1)
{
    struct gush__h1_peer *p = GUSH_NEW(struct gush__h1_peer);

    p->magic = gush__h1_peer_MAGIC;
    p->stage = H1_HEAD;
    p->h1 = h1;
    p->stream.magic = gush_exchange_MAGIC;
    p->stream.ops = &gush__h1_stream_ops;
    p->after.run = run_after;
    return p;
}

static void peer_join(struct gush__h1_peer *p)
{
    struct gush_h1 *h1 = p->h1;

    p->next = h1->peers;
    p->pprev = &h1->peers;
    if (p->next)
        p->next->pprev = &p->next;
    h1->peers = p;
    h1->peers_n++;
    gush_conn_timer_set(p->conn, h1->options.limits.head_ms);
}

void gush_h1_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_h1 *h1 = GUSH_CAST(gush_h1, arg);
    struct gush__h1_peer *p = peer_new(h1);

    GUSH_ASSERT(loop == h1->loop);
    if (gush_conn_open(loop, fd, peer, &h1_conn_ops, p, &p->conn) != GUSH_OK) {
        gush_free(p);
        return;
    }
    peer_join(p);
}

void gush_h1_adopt(struct gush_h1 *h1, struct gush_conn *conn, struct gush_span first)
{
    struct gush__h1_peer *p = peer_new(h1);

    GUSH_ASSERT(gush_conn_loop(conn) == h1->loop);
    p->conn = conn;
    gush_conn_hand_over(conn, &h1_conn_ops, p);
    peer_join(p);
    if (first.n)
        gush__h1_take(p, first);
}

static void default_u32(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

struct gush_h1 *gush_h1_new(struct gush_loop *loop, const struct gush_h1_options *options)
{
    struct gush_h1 *h1 = GUSH_NEW(struct gush_h1);
    struct gush_http_limits *limits = &h1->options.limits;

    GUSH_ASSERT(options->router != NULL && options->wall_ms != NULL);
    h1->magic = gush_h1_MAGIC;
    h1->loop = loop;
    h1->options = *options;
    if (limits->head_bytes == 0)
        limits->head_bytes = GUSH_HTTP_HEAD_BYTES;
    default_u32(&limits->head_ms, GUSH_HTTP_HEAD_MS);
    default_u32(&limits->body_ms, GUSH_HTTP_BODY_MS);
    default_u32(&limits->response_ms, GUSH_HTTP_RESPONSE_MS);
    default_u32(&limits->idle_ms, GUSH_HTTP_IDLE_MS);
    gush_buf_init(&h1->out, RESPONSE_LIMIT + limits->head_bytes);
    h1->date_s = -1;
    return h1;
}

void gush_h1_free(struct gush_h1 *h1)
{
    if (h1 == NULL)
        return;
    GUSH_ASSERT(h1->peers_n == 0);
    gush_buf_fini(&h1->out);
    h1->magic = GUSH_MAGIC_DEAD;
    gush_free(h1);
}

size_t gush_h1_connections(const struct gush_h1 *h1)
{
    return h1->peers_n;
}

size_t gush_h1_under_way(const struct gush_h1 *h1)
{
    size_t n = 0;

    for (const struct gush__h1_peer *p = h1->peers; p; p = p->next)
        n += p->stage != H1_DONE && (p->stage != H1_HEAD || p->in != NULL);
    return n;
}

void gush_h1_drain(struct gush_h1 *h1)
{
    h1->draining = true;
    for (struct gush__h1_peer *p = h1->peers; p; p = p->next) {
        if (p->stage == H1_HEAD && p->in == NULL)
            gush__h1_leave(p); /* on_closed comes later: the list stays as it is */
    }
}
