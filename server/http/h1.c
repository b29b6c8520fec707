#include "server/http/h1.h"

#include <stdio.h>
#include <time.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/mem.h"

#include "server/net/conn.h"

#include "server/http/h1_chunk.h"
#include "server/http/h1_head.h"
#include "server/http/stream.h"

#define gush_h1_MAGIC  GUSH_MAGIC('h', '1', 's', 'v')
#define h1_peer_MAGIC  GUSH_MAGIC('h', '1', 'p', 'r')
#define RESPONSE_LIMIT (64u * 1024) /* of a response's head with a stream's first bytes */
/* Beyond one request an inbox holds what one read brought with it, and one more read before the
 * reading stops. */
#define INBOX_SLACK (2 * (size_t)GUSH_LOOP_READ_BYTES)

struct gush_h1 {
    GUSH_MAGIC_FIELD;
    bool draining;
    struct gush_loop *loop;
    struct gush_h1_options options;
    size_t peers_n;
    struct gush_h1_head head; /* scratch of one callback: too large for every connection */
    struct gush_buf out;      /* scratch of one response */
    int64_t date_s;           /* what |date| says */
    char date[32];
};

/* Where a connection stands. */
enum stage {
    HEAD,      /* reading a request, or waiting for one */
    BODY,      /* reading its body */
    ANSWERING, /* the handler has it */
    STREAMING, /* a streaming response has begun */
    ENDING,    /* the response is complete, its last bytes may still wait in |out| */
    DONE       /* closing, nothing is to be said any more */
};

/* What was read and not handled yet; exists only while there is some. */
struct inbox {
    struct gush_buf bytes; /* head, decoded body, then what came behind */
    size_t looked;         /* for gush_h1_head_end */
    size_t head_n, body_n;
    size_t raw_at; /* chunked: where undecoded bytes begin */
    bool chunked;
    size_t length; /* not chunked; within the route's limit */
    struct gush_h1_chunk decoder;
    const struct gush_route *route;
};

struct h1_peer {
    GUSH_MAGIC_FIELD;
    uint8_t stage;
    bool v11, head_only, keep_alive;
    bool begun; /* HEAD: some of it is there */
    bool eof;   /* the client will send no more */
    struct gush_stream stream;
    struct gush_h1 *h1;
    struct gush_conn *conn; /* NULL: gone; only |after| keeps this alive */
    struct inbox *in;
    struct gush_work after;  /* what follows a response, outside of the call that completed it */
    struct gush_bytes *rest; /* of the server's own bytes that the socket did not take */
    uint32_t rest_at;
};

static void read_on(struct h1_peer *p);

static struct gush_lane *lane_of(const struct h1_peer *p)
{
    return gush_loop_lane(p->h1->loop);
}

static struct h1_peer *peer_of(struct gush_stream *s)
{
    struct h1_peer *p = GUSH_CONTAINER(s, struct h1_peer, stream);
    return GUSH_CAST(h1_peer, p);
}

/* ---- writing -------------------------------------------------------------------------------- */

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
static void put_head(struct h1_peer *p, const struct gush_http_response *r)
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

static void keep_rest(struct h1_peer *p, const struct gush_span *parts, size_t parts_n,
                      size_t written)
{
    size_t n = 0;

    for (size_t i = 0; i < parts_n; i++)
        n += parts[i].n;
    p->rest = gush_bytes_new(n - written);
    p->rest_at = 0;
    n = 0;
    for (size_t i = 0; i < parts_n; i++) {
        size_t skip = written < parts[i].n ? written : parts[i].n;
        written -= skip;
        if (parts[i].n > skip)
            memcpy(p->rest->data + n, parts[i].p + skip, parts[i].n - skip);
        n += parts[i].n - skip;
    }
}

/* Writes bytes of ours; what does not go out is kept. The amount is bounded by one response. */
static void write_own(struct h1_peer *p, const struct gush_span *parts, size_t parts_n)
{
    size_t written;
    gush_err err;

    GUSH_ASSERT(p->rest == NULL);
    err = gush_conn_write(p->conn, parts, parts_n, &written);
    if (err == GUSH_EAGAIN) {
        keep_rest(p, parts, parts_n, written);
        gush_conn_timer_set(p->conn, p->h1->options.response_ms);
    }
}

/* The response is complete as far as the handler is concerned. */
static void complete(struct h1_peer *p)
{
    p->stage = ENDING;
    if (p->rest == NULL)
        gush_lane_last(lane_of(p), &p->after);
}

static void h1_respond(struct gush_stream *s, const struct gush_http_response *r)
{
    struct h1_peer *p = peer_of(s);
    struct gush_buf *out = &p->h1->out;
    struct gush_span parts[2];
    bool bare = r->status == 204 || r->status == 304;

    GUSH_ASSERT(p->stage == ANSWERING || p->stage == DONE);
    if (p->stage == DONE)
        return;
    p->keep_alive &= !p->h1->draining;
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
    parts[0] = gush_buf_span(out);
    parts[1] = r->body;
    write_own(p, parts, bare || p->head_only || r->body.n == 0 ? 1 : 2);
    complete(p);
}

static void h1_start(struct gush_stream *s, const struct gush_http_response *r)
{
    struct h1_peer *p = peer_of(s);
    struct gush_buf *out = &p->h1->out;
    struct gush_span head;

    GUSH_ASSERT(p->stage == ANSWERING || p->stage == DONE);
    if (p->stage == DONE)
        return;
    p->stage = STREAMING;
    p->keep_alive &= p->v11; /* before 1.1 only the end of the connection ends a stream */
    put_head(p, r);
    gush_buf_put_str(out, p->keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
    gush_buf_put_str(out, p->v11 ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    if (r->body.n && p->v11) {
        gush_buf_printf(out, "%zx\r\n", r->body.n);
        gush_buf_put_span(out, r->body);
        gush_buf_put_str(out, "\r\n");
    } else {
        gush_buf_put_span(out, r->body);
    }
    GUSH_ASSERT(gush_buf_ok(out));
    head = gush_buf_span(out);
    write_own(p, &head, 1);
}

static gush_err h1_write(struct gush_stream *s, const struct gush_span *parts, size_t parts_n,
                         size_t *written)
{
    struct h1_peer *p = peer_of(s);

    *written = 0;
    if (p->stage != STREAMING)
        return GUSH_ECLOSED;
    if (p->rest) /* the head is still on its way: on_writable comes behind it */
        return GUSH_EAGAIN;
    return gush_conn_write(p->conn, parts, parts_n, written);
}

static void h1_end(struct gush_stream *s)
{
    static const char last_chunk[] = "0\r\n\r\n";
    struct h1_peer *p = peer_of(s);
    struct gush_span last = gush_span_str(last_chunk);

    if (p->stage != STREAMING)
        return;
    p->keep_alive &= !p->h1->draining;
    if (p->v11 && p->rest) { /* behind the head */
        struct gush_span both[2] = {
            gush_span_of(p->rest->data + p->rest_at, p->rest->n - p->rest_at), last};
        struct gush_bytes *old = p->rest;
        keep_rest(p, both, 2, 0);
        gush_bytes_unref(old);
    } else if (p->v11) {
        write_own(p, &last, 1);
    }
    complete(p);
}

static void h1_abort(struct gush_stream *s)
{
    struct h1_peer *p = peer_of(s);

    if (p->stage == DONE || p->stage == ENDING)
        return;
    p->stage = DONE;
    gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
}

static struct gush_lane *h1_lane(struct gush_stream *s)
{
    return lane_of(peer_of(s));
}

static const struct gush_stream_ops h1_stream_ops = {h1_respond, h1_start, h1_write,
                                                     h1_end,     h1_abort, h1_lane};

/* ---- between requests ----------------------------------------------------------------------- */

static void tell_closed(struct h1_peer *p)
{
    const struct gush_stream_events *events = p->stream.events;

    p->stream.events = NULL;
    if (events)
        events->on_closed(p->stream.user);
}

static void drop_inbox(struct h1_peer *p)
{
    if (p->in == NULL)
        return;
    gush_buf_fini(&p->in->bytes);
    gush_free(p->in);
    p->in = NULL;
}

/* The first |n| bytes of the inbox are done with; what is behind them is the next request. */
static void drop_request(struct h1_peer *p, size_t n)
{
    struct inbox *in = p->in;

    gush_buf_consume(&in->bytes, n);
    if (in->bytes.n == 0) {
        drop_inbox(p);
        return;
    }
    in->bytes.limit_bytes = p->h1->options.head_limit + INBOX_SLACK;
    in->looked = in->head_n = in->body_n = in->raw_at = 0;
    in->decoder = (struct gush_h1_chunk){0};
}

static void peer_free(struct h1_peer *p)
{
    drop_inbox(p);
    gush_bytes_unref(p->rest);
    p->h1->peers_n--;
    p->magic = GUSH_MAGIC_DEAD;
    p->stream.magic = GUSH_MAGIC_DEAD;
    gush_free(p);
}

/* Nothing more to say to this peer. */
static void leave(struct h1_peer *p)
{
    p->stage = DONE;
    gush_conn_close(p->conn, GUSH_CONN_END_NOW);
}

static bool after_response(struct gush_lane *lane, struct gush_work *work)
{
    struct h1_peer *p = GUSH_CONTAINER(work, struct h1_peer, after);

    (void)lane;
    GUSH_ASSERT(p->magic == h1_peer_MAGIC);
    tell_closed(p);
    if (p->conn == NULL) {
        peer_free(p);
        return true;
    }
    if (p->stage != ENDING)
        return true; /* broken off meanwhile: the connection's end follows */
    if (!p->keep_alive || (p->eof && p->in == NULL)) {
        p->stage = DONE;
        drop_inbox(p);
        gush_conn_close(p->conn, GUSH_CONN_END_GRACEFUL);
        return true;
    }
    p->stage = HEAD;
    p->begun = p->in != NULL;
    gush_conn_timer_set(p->conn, p->begun ? p->h1->options.head_ms : p->h1->options.idle_ms);
    if (!p->eof)
        gush_conn_read(p->conn, GUSH_CONN_READ_ON);
    if (p->in)
        read_on(p);
    if (p->eof && (p->stage == HEAD || p->stage == BODY))
        leave(p); /* the rest of this request will not come */
    return true;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Answers what never reached a handler. The connection ends with it unless the request was whole.
 */
static void refuse(struct h1_peer *p, unsigned status, const struct gush_http_field *fields,
                   size_t fields_n, bool whole)
{
    struct gush_http_field all[GUSH_CORS_FIELDS_MAX + 2];
    struct gush_http_response r = {status, fields, fields_n, GUSH_SPAN_EMPTY};

    if (status == 404) {
        all[0] = (struct gush_http_field){GUSH_SPAN_LIT("Content-Type"),
                                          GUSH_SPAN_LIT("text/plain; charset=utf-8")};
        all[1] = (struct gush_http_field){GUSH_SPAN_LIT("X-Content-Type-Options"),
                                          GUSH_SPAN_LIT("nosniff")};
        r = (struct gush_http_response){404, all, 2, GUSH_SPAN_LIT("404 page not found\n")};
    }
    p->keep_alive &= whole;
    p->stage = ANSWERING;
    gush_conn_timer_clear(p->conn);
    h1_respond(&p->stream, &r);
    drop_request(p, whole ? p->in->head_n : p->in->bytes.n);
}

/* For a request whose head made no sense: nothing of it is known. */
static void refuse_unread(struct h1_peer *p, unsigned status)
{
    p->v11 = true;
    p->head_only = false;
    refuse(p, status, NULL, 0, false);
}

static struct gush_http_request request_of(const struct h1_peer *p)
{
    const struct gush_h1_head *head = &p->h1->head;
    return (struct gush_http_request){head->method,           head->path,     head->query,
                                      head->fields,           head->fields_n, head->version,
                                      gush_conn_peer(p->conn)};
}

/* What a refusal says to pages of other origins. */
static size_t cors_of(const struct h1_peer *p, struct gush_http_field out[GUSH_CORS_FIELDS_MAX])
{
    struct gush_http_request request = request_of(p);
    const struct gush_cors *cors = p->in->route->cors;

    return cors ? gush_cors_fields(cors, &request, out) : 0;
}

/* Finds out what the request is for and whether its body may come. False: it was answered. */
static bool admit(struct h1_peer *p)
{
    const struct gush_h1_head *head = &p->h1->head;
    const struct gush_route *route = gush_router_find(p->h1->options.router, head->path);
    bool whole = !head->chunked && head->content_length == 0;
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX];

    if (route == NULL) {
        refuse(p, 404, NULL, 0, whole);
        return false;
    }
    p->in->route = route;
    if (!(route->methods & gush_router_method(head->method))) {
        refuse(p, 405, fields, cors_of(p, fields), whole);
        return false;
    }
    if (head->content_length > route->body_limit) {
        refuse(p, 413, fields, cors_of(p, fields), false);
        return false;
    }
    p->in->chunked = head->chunked;
    p->in->length = (size_t)head->content_length;
    p->in->raw_at = p->in->head_n;
    p->in->bytes.limit_bytes = p->in->head_n + route->body_limit + INBOX_SLACK;
    return true;
}

/* False: not whole yet, or answered. */
static bool read_head(struct h1_peer *p)
{
    struct gush_h1_head *head = &p->h1->head;
    struct gush_span bytes = gush_buf_span(&p->in->bytes);
    size_t limit = p->h1->options.head_limit;
    unsigned status;
    gush_err err = gush_h1_head_end(bytes, &p->in->looked, &p->in->head_n, NULL);

    if (err == GUSH_EMORE && bytes.n <= limit)
        return false;
    if (err == GUSH_EMORE || (err == GUSH_OK && p->in->head_n > limit)) {
        refuse_unread(p, 431);
        return false;
    }
    if (err) {
        refuse_unread(p, 400);
        return false;
    }
    if (gush_h1_head_parse(gush_span_of(bytes.p, p->in->head_n), head, &status, NULL) != GUSH_OK) {
        refuse_unread(p, status);
        return false;
    }
    p->v11 = head->version == GUSH_HTTP_1_1;
    p->head_only = gush_span_eq_str(head->method, "HEAD");
    p->keep_alive = head->keep_alive;
    p->stream.framing = p->v11 ? GUSH_STREAM_CHUNKED : GUSH_STREAM_RAW;
    return admit(p);
}

/* The head of a request whose body came later: it was read once already. */
static void read_head_again(struct h1_peer *p)
{
    unsigned status;
    struct gush_span bytes = gush_span_of(p->in->bytes.p, p->in->head_n);
    gush_err err = gush_h1_head_parse(bytes, &p->h1->head, &status, NULL);

    GUSH_ASSERT(err == GUSH_OK);
}

static void say_continue(struct h1_peer *p)
{
    struct gush_span line = GUSH_SPAN_LIT("HTTP/1.1 100 Continue\r\n\r\n");
    size_t written;
    gush_err err = gush_conn_write(p->conn, &line, 1, &written);

    /* A client that does not hear it sends its body after a while; half a line confuses it. */
    if (err == GUSH_EAGAIN && written > 0)
        gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
}

/* False: not whole yet, or answered. The body then starts behind the head. */
static bool read_body(struct h1_peer *p)
{
    struct inbox *in = p->in;
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX];

    if (!in->chunked) {
        if (in->bytes.n - in->head_n < in->length)
            return false;
        in->body_n = in->length;
        in->raw_at = in->head_n + in->length;
        return true;
    }
    struct gush_cursor raw =
        gush_cursor_over(gush_span_of(in->bytes.p + in->raw_at, in->bytes.n - in->raw_at));
    gush_err err = gush_h1_chunk_feed(&in->decoder, &raw, in->bytes.p + in->head_n + in->body_n,
                                      &in->body_n, in->route->body_limit, NULL);
    in->raw_at = (size_t)(raw.p - in->bytes.p);
    if (err == GUSH_OK)
        return true;
    if (err == GUSH_EMORE) { /* keep only what was decoded */
        in->bytes.n = in->raw_at = in->head_n + in->body_n;
        return false;
    }
    read_head_again(p);
    refuse(p, err == GUSH_ELIMIT ? 413 : 400, fields, cors_of(p, fields), false);
    return false;
}

static void dispatch(struct h1_peer *p)
{
    struct gush_http_request request = request_of(p);
    struct gush_span body = gush_span_of(p->in->bytes.p + p->in->head_n, p->in->body_n);

    gush_conn_timer_clear(p->conn);
    p->stage = ANSWERING;
    p->in->route->handle(p->in->route->arg, &p->stream, &request, body);
    drop_request(p, p->in->raw_at);
}

/* Goes on with what is in the inbox. */
static void read_on(struct h1_peer *p)
{
    bool again = p->stage == BODY;

    if (p->stage == HEAD) {
        if (!read_head(p))
            return;
        p->stage = BODY;
    }
    if (!read_body(p)) {
        if (!again && p->stage == BODY) {
            gush_conn_timer_set(p->conn, p->h1->options.body_ms);
            if (p->h1->head.expect_continue && p->in->bytes.n == p->in->head_n)
                say_continue(p);
        }
        return;
    }
    if (again)
        read_head_again(p);
    dispatch(p);
}

/* ---- the connection's events ---------------------------------------------------------------- */

static void on_bytes(void *owner, const uint8_t *bytes, size_t n)
{
    struct h1_peer *p = GUSH_CAST(h1_peer, owner);

    if (p->stage == DONE)
        return;
    if (p->in == NULL) {
        p->in = GUSH_NEW(struct inbox);
        gush_buf_init(&p->in->bytes, p->h1->options.head_limit + INBOX_SLACK);
    }
    gush_buf_put(&p->in->bytes, bytes, n);
    /* At most one read beyond what a request may have is there: see INBOX_SLACK. */
    GUSH_ASSERT(gush_buf_ok(&p->in->bytes));
    if (p->stage != HEAD && p->stage != BODY) {
        gush_conn_read(p->conn, GUSH_CONN_READ_ENDED); /* the next request waits */
        return;
    }
    if (!p->begun) {
        p->begun = true;
        gush_conn_timer_set(p->conn, p->h1->options.head_ms);
    }
    read_on(p);
}

static void on_eof(void *owner)
{
    struct h1_peer *p = GUSH_CAST(h1_peer, owner);

    p->eof = true;
    /* A client may close its half and still wait for an answer, but not for a stream's end. */
    if (p->stage == HEAD || p->stage == BODY || p->stage == STREAMING)
        leave(p);
}

/* True when nothing of ours waits any more. */
static bool write_rest(struct h1_peer *p)
{
    struct gush_span part = gush_span_of(p->rest->data + p->rest_at, p->rest->n - p->rest_at);
    size_t written;
    gush_err err = gush_conn_write(p->conn, &part, 1, &written);

    p->rest_at += (uint32_t)written;
    if (err)
        return false;
    gush_bytes_unref(p->rest);
    p->rest = NULL;
    gush_conn_timer_clear(p->conn);
    return true;
}

static void on_writable(void *owner)
{
    struct h1_peer *p = GUSH_CAST(h1_peer, owner);

    if (p->rest && !write_rest(p))
        return;
    if (p->stage == ENDING)
        gush_lane_last(lane_of(p), &p->after);
    else if (p->stage == STREAMING && p->stream.events)
        p->stream.events->on_writable(p->stream.user);
}

static void on_timer(void *owner)
{
    struct h1_peer *p = GUSH_CAST(h1_peer, owner);

    switch ((enum stage)p->stage) {
    case HEAD:
    case BODY:
        if (p->in)
            refuse_unread(p, 408);
        else
            leave(p);
        break;
    case ANSWERING:
    case STREAMING:
    case ENDING: /* the peer does not take what it asked for */
        p->stage = DONE;
        gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
        break;
    case DONE:
        break;
    }
}

static void on_closed(void *owner)
{
    struct h1_peer *p = GUSH_CAST(h1_peer, owner);

    p->conn = NULL;
    p->stage = DONE;
    tell_closed(p);
    if (!p->after.queued)
        peer_free(p);
}

static const struct gush_conn_ops h1_conn_ops = {on_bytes, on_eof, on_writable, on_timer,
                                                 on_closed};

/* ---- outside -------------------------------------------------------------------------------- */

void gush_h1_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_h1 *h1 = GUSH_CAST(gush_h1, arg);
    struct h1_peer *p = GUSH_NEW(struct h1_peer);

    GUSH_ASSERT(loop == h1->loop);
    p->magic = h1_peer_MAGIC;
    p->stage = HEAD;
    p->h1 = h1;
    p->stream.magic = gush_stream_MAGIC;
    p->stream.ops = &h1_stream_ops;
    p->after.run = after_response;
    if (gush_conn_open(loop, fd, peer, &h1_conn_ops, p, &p->conn) != GUSH_OK) {
        gush_free(p);
        return;
    }
    h1->peers_n++;
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
        h1->options.head_limit = 16 * 1024;
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
