#include "server/http/h1.h"

#include "server/base/mem.h"

#include "server/http/http_priv.h"

#define RESPONSE_LIMIT ((size_t)64 * 1024) /* of a response's head with a stream's first bytes */

static struct gush_lane *lane_of(const struct gush__h1_peer *p)
{
    return gush_loop_lane(p->h1->loop);
}

/* ---- between requests ----------------------------------------------------------------------- */

static void tell_closed(struct gush__h1_peer *p)
{
    const struct gush_exchange_events *events = p->stream.events;

    p->stream.events = NULL;
    if (events)
        events->on_closed(p->stream.user);
}

static void peer_free(struct gush__h1_peer *p)
{
    gush__h1_drop_inbox(p);
    gush_bytes_unref(p->rest);
    p->h1->peers_n--;
    p->magic = GUSH_MAGIC_DEAD;
    p->stream.magic = GUSH_MAGIC_DEAD;
    gush_free(p);
}

/* Nothing more to say to this peer. */
static void leave(struct gush__h1_peer *p)
{
    p->stage = H1_DONE;
    gush_conn_close(p->conn, GUSH_CONN_END_NOW);
}

static bool after_response(struct gush_lane *lane, struct gush_work *work)
{
    struct gush__h1_peer *p = GUSH_CONTAINER(work, struct gush__h1_peer, after);

    (void)lane;
    GUSH_ASSERT(p->magic == gush__h1_peer_MAGIC);
    tell_closed(p);
    if (p->conn == NULL) {
        peer_free(p);
        return true;
    }
    if (p->stage != H1_ENDING)
        return true; /* broken off meanwhile: the connection's end follows */
    if (!p->keep_alive || (p->eof && p->in == NULL)) {
        p->stage = H1_DONE;
        gush__h1_drop_inbox(p);
        gush_conn_close(p->conn, GUSH_CONN_END_GRACEFUL);
        return true;
    }
    p->stage = H1_HEAD;
    p->begun = p->in != NULL;
    gush_conn_timer_set(p->conn, p->begun ? p->h1->options.head_ms : p->h1->options.idle_ms);
    if (!p->eof)
        gush_conn_read(p->conn, GUSH_CONN_READ_ON);
    if (p->in)
        gush__h1_read_on(p);
    if (p->eof && (p->stage == H1_HEAD || p->stage == H1_BODY))
        leave(p); /* the rest of this request will not come */
    return true;
}

/* ---- the connection's events ---------------------------------------------------------------- */

static void on_bytes(void *owner, const uint8_t *bytes, size_t n)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    if (p->stage != H1_DONE)
        gush__h1_take(p, bytes, n);
}

static void on_eof(void *owner)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    p->eof = true;
    /* A client may close its half and still wait for an answer, but not for a stream's end. */
    if (p->stage == H1_HEAD || p->stage == H1_BODY || p->stage == H1_STREAMING)
        leave(p);
}

static void on_writable(void *owner)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    if (p->rest && !gush__h1_write_rest(p))
        return;
    if (p->stage == H1_ENDING)
        gush_lane_last(lane_of(p), &p->after);
    else if (p->stage == H1_STREAMING && p->sending && gush__h1_write_burst(p) == GUSH_OK)
        p->stream.events->on_sent(p->stream.user);
}

static void on_timer(void *owner)
{
    struct gush__h1_peer *p = GUSH_CAST(gush__h1_peer, owner);

    switch ((enum gush__h1_stage)p->stage) {
    case H1_HEAD:
    case H1_BODY:
        if (p->in)
            gush__h1_refuse(p, 408);
        else
            leave(p);
        break;
    case H1_ANSWERING:
    case H1_STREAMING:
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
    tell_closed(p);
    if (!p->after.queued)
        peer_free(p);
}

static const struct gush_conn_ops h1_conn_ops = {on_bytes, on_eof,    on_writable,
                                                 on_timer, on_closed, NULL};

/* ---- outside -------------------------------------------------------------------------------- */

static struct gush__h1_peer *peer_new(struct gush_h1 *h1)
{
    struct gush__h1_peer *p = GUSH_NEW(struct gush__h1_peer);

    p->magic = gush__h1_peer_MAGIC;
    p->stage = H1_HEAD;
    p->h1 = h1;
    p->stream.magic = gush_exchange_MAGIC;
    p->stream.ops = &gush__h1_stream_ops;
    p->after.run = after_response;
    h1->peers_n++;
    return p;
}

void gush_h1_adopt(struct gush_h1 *h1, struct gush_conn *conn, struct gush_span first)
{
    struct gush__h1_peer *p = peer_new(h1);

    p->conn = conn;
    gush_conn_hand_over(conn, &h1_conn_ops, p);
    gush_conn_timer_set(conn, h1->options.head_ms);
    if (first.n)
        gush__h1_take(p, first.p, first.n);
}

void gush_h1_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_h1 *h1 = GUSH_CAST(gush_h1, arg);
    struct gush__h1_peer *p = peer_new(h1);

    GUSH_ASSERT(loop == h1->loop);
    if (gush_conn_open(loop, fd, peer, &h1_conn_ops, p, &p->conn) != GUSH_OK) {
        peer_free(p);
        return;
    }
    gush_conn_timer_set(p->conn, h1->options.head_ms);
}

static void default_u32(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

struct gush_h1 *gush_h1_new(struct gush_loop *loop, const struct gush_h1_options *options)
{
    struct gush_h1 *h1 = GUSH_NEW(struct gush_h1);

    GUSH_ASSERT(options->router != NULL && options->wall_ms != NULL);
    h1->magic = gush_h1_MAGIC;
    h1->loop = loop;
    h1->options = *options;
    if (h1->options.head_limit == 0)
        h1->options.head_limit = (size_t)16 * 1024;
    default_u32(&h1->options.head_ms, 10 * 1000);
    default_u32(&h1->options.body_ms, 30 * 1000);
    default_u32(&h1->options.response_ms, 10 * 1000);
    default_u32(&h1->options.idle_ms, 30 * 1000);
    gush_buf_init(&h1->out, RESPONSE_LIMIT);
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

void gush_h1_drain(struct gush_h1 *h1)
{
    h1->draining = true;
}
