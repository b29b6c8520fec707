/* h1_read: requests, from the first byte to their handler. */
#include "server/base/mem.h"

#include "server/http/dispatch.h"
#include "server/http/http_priv.h"

#define PASS_OVER_MAX ((size_t)64 * 1024) /* of the body of a request that is refused */

void gush__h1_drop_inbox(struct gush__h1_peer *p)
{
    if (p->in == NULL)
        return;
    gush_buf_fini(&p->in->bytes);
    gush_free(p->in);
    p->in = NULL;
}

static size_t inbox_limit(const struct gush__h1_peer *p)
{
    return gush__h1_limits(p)->head_bytes + GUSH__H1_INBOX_SLACK;
}

void gush__h1_drop_request(struct gush__h1_peer *p, size_t n)
{
    struct gush__h1_inbox *in = p->in;
    struct gush_buf behind;

    gush_buf_consume(&in->bytes, n);
    if (in->bytes.n == 0) {
        gush__h1_drop_inbox(p);
        return;
    }
    behind = in->bytes;
    behind.limit_bytes = inbox_limit(p);
    *in = (struct gush__h1_inbox){.bytes = behind};
}

static struct gush_http_request request_of(const struct gush__h1_peer *p)
{
    const struct gush_h1_head *head = &p->h1->head;
    return (struct gush_http_request){.method = head->method,
                                      .path = head->path,
                                      .query = head->query,
                                      .fields = head->fields,
                                      .fields_n = head->fields_n,
                                      .version = head->version,
                                      .peer = gush_conn_peer(p->conn),
                                      .forwarded = p->h1->options.forwarded};
}

/* Answers what never reached a handler; the connection ends with it. */
static void refuse(struct gush__h1_peer *p, const struct gush_http_response *r)
{
    p->keep_alive = false;
    p->stage = H1_ANSWERING;
    gush_conn_timer_clear(p->conn);
    gush_exchange_respond(&p->stream, r);
    gush__h1_drop_inbox(p);
}

void gush__h1_refuse(struct gush__h1_peer *p, unsigned status)
{
    if (p->entry == NULL && p->h1->options.log) { /* nothing of it could be read */
        struct gush_http_request unread = {.version = GUSH_HTTP_1_1,
                                           .peer = gush_conn_peer(p->conn)};
        p->entry = gush_access_log_begin(p->h1->options.log, &unread);
    }
    p->v11 = true;
    p->head_only = false;
    p->stream.accepts_gzip = false;
    refuse(p, &(struct gush_http_response){.status = status});
}

/* A refusal need not cost the connection if the body is short, and comes anyway. */
static bool may_pass_over(const struct gush_h1_head *head, unsigned status)
{
    return status != 413 && !head->chunked && !head->expect_continue &&
           head->content_length <= PASS_OVER_MAX;
}

/* Finds out what the request is for and whether its body may come. False: it was answered. */
static bool admit(struct gush__h1_peer *p, const struct gush_http_request *request)
{
    const struct gush_h1_head *head = &p->h1->head;
    struct gush__h1_inbox *in = p->in;
    struct gush_dispatch d;

    gush_dispatch_head(p->h1->options.router, request, head->content_length, &d);
    p->stream.accepts_gzip = d.accepts_gzip;
    if (d.refused && !may_pass_over(head, d.response.status)) {
        refuse(p, &d.response);
        return false;
    }
    in->route = d.route;
    in->chunked = head->chunked;
    in->length = head->content_length;
    in->raw_at = in->head_n;
    in->refused = d.refused ? (uint16_t)d.response.status : 0;
    size_t limit = d.refused ? PASS_OVER_MAX : d.route->body_limit;
    if (d.refused || !d.route->streaming)
        in->bytes.limit_bytes = in->head_n + limit + GUSH__H1_INBOX_SLACK;
    return true;
}

/* False: not whole yet, or refused. */
static bool read_head(struct gush__h1_peer *p)
{
    struct gush_h1_head *head = &p->h1->head;
    struct gush_span bytes = gush_buf_span(&p->in->bytes);
    size_t limit = gush__h1_limits(p)->head_bytes;
    unsigned status;
    gush_err err = gush_h1_head_end(bytes, &p->in->looked, &p->in->head_n, NULL);

    if (err == GUSH_EMORE && bytes.n <= limit)
        return false;
    if (err == GUSH_EMORE || (err == GUSH_OK && p->in->head_n > limit)) {
        gush__h1_refuse(p, 431);
        return false;
    }
    if (err) {
        gush__h1_refuse(p, 400);
        return false;
    }
    if (gush_h1_head_parse(gush_span_of(bytes.p, p->in->head_n), head, &status, NULL) != GUSH_OK) {
        gush__h1_refuse(p, status);
        return false;
    }
    p->v11 = head->version == GUSH_HTTP_1_1;
    p->head_only = gush_span_eq_str(head->method, "HEAD");
    p->keep_alive = head->keep_alive;
    p->stream.framing = p->v11 ? GUSH_EXCHANGE_CHUNKED : GUSH_EXCHANGE_RAW;
    return true;
}

/* The head of a request whose body came later: it was read once already. */
static void read_head_again(struct gush__h1_peer *p)
{
    unsigned status;
    struct gush_span bytes = gush_span_of(p->in->bytes.p, p->in->head_n);
    gush_err err = gush_h1_head_parse(bytes, &p->h1->head, &status, NULL);

    GUSH_ASSERT(err == GUSH_OK);
}

/* False: not whole yet, or refused. The body then starts behind the head. */
static bool read_body(struct gush__h1_peer *p)
{
    struct gush__h1_inbox *in = p->in;
    struct gush_http_request request;
    struct gush_dispatch d;

    if (!in->chunked) {
        if (in->bytes.n - in->head_n < in->length)
            return false;
        in->body_n = (size_t)in->length;
        in->raw_at = in->head_n + in->body_n;
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
    request = request_of(p);
    gush_dispatch_refuse(in->route, &request, err == GUSH_ELIMIT ? 413 : 400, &d);
    refuse(p, &d.response);
    return false;
}

/* The answer to a request that was refused by its head, and whose body was passed over. */
static void refuse_whole(struct gush__h1_peer *p, const struct gush_http_request *request)
{
    struct gush_dispatch d;

    if (p->in->route) /* it is not asked again: it might think otherwise by now */
        gush_dispatch_refuse(p->in->route, request, p->in->refused, &d);
    else
        gush_dispatch_head(p->h1->options.router, request, 0, &d);
    GUSH_ASSERT(d.refused);
    gush_exchange_respond(&p->stream, &d.response);
}

static void dispatch(struct gush__h1_peer *p)
{
    struct gush_http_request request = request_of(p);
    struct gush_span body = gush_span_of(p->in->bytes.p + p->in->head_n, p->in->body_n);

    gush_conn_timer_clear(p->conn);
    p->stage = H1_ANSWERING;
    if (p->in->refused)
        refuse_whole(p, &request);
    else
        p->in->route->handle(p->in->route->arg, &p->stream, &request, body);
    gush__h1_drop_request(p, p->in->raw_at);
}

/* A head is there: the request goes its way, or begins to wait for its body. */
static void start_request(struct gush__h1_peer *p)
{
    struct gush_http_request request = request_of(p);
    bool expect_continue = p->h1->head.expect_continue;

    p->entry = gush_access_log_begin(p->h1->options.log, &request);
    if (!admit(p, &request))
        return;
    if (!p->in->refused && p->in->route->streaming) {
        gush__h1_body_begin(p, &request, expect_continue);
        return;
    }
    p->stage = H1_BODY;
    if (read_body(p)) {
        dispatch(p);
    } else if (p->stage == H1_BODY) {
        GUSH_ASSERT(p->in != NULL);
        gush_conn_timer_set(p->conn, gush__h1_limits(p)->body_ms);
        if (expect_continue && p->in->bytes.n == p->in->head_n)
            gush__h1_say_continue(p);
    }
}

void gush__h1_read_on(struct gush__h1_peer *p)
{
    if (p->stage == H1_HEAD) {
        if (read_head(p))
            start_request(p);
    } else if (read_body(p)) {
        read_head_again(p);
        dispatch(p);
    }
}

void gush__h1_take(struct gush__h1_peer *p, struct gush_span bytes)
{
    if (p->in == NULL) {
        p->in = GUSH_NEW(struct gush__h1_inbox);
        gush_buf_init(&p->in->bytes, inbox_limit(p));
    }
    gush_buf_put_span(&p->in->bytes, bytes);
    /* At most one read beyond what a request may have is there: see GUSH__H1_INBOX_SLACK. */
    GUSH_ASSERT(gush_buf_ok(&p->in->bytes));
    if (p->giving) {
        gush__h1_body_give(p);
        return;
    }
    if (p->stage != H1_HEAD && p->stage != H1_BODY) {
        gush__h1_read(p, GUSH_CONN_READ_ENDED); /* the next request waits */
        return;
    }
    if (!p->begun) {
        p->begun = true;
        gush_conn_timer_set(p->conn, gush__h1_limits(p)->head_ms);
    }
    gush__h1_read_on(p);
}
