/* h1_read: requests, from the first byte to their handler. */
#include "server/base/mem.h"

#include "server/http/dispatch.h"
#include "server/http/http_priv.h"

void gush__h1_drop_inbox(struct gush__h1_peer *p)
{
    if (p->in == NULL)
        return;
    gush_buf_fini(&p->in->bytes);
    gush_free(p->in);
    p->in = NULL;
}

/* The first |n| bytes of the inbox are done with; what is behind them is the next request. */
static void drop_request(struct gush__h1_peer *p, size_t n)
{
    struct gush__h1_inbox *in = p->in;

    gush_buf_consume(&in->bytes, n);
    if (in->bytes.n == 0) {
        gush__h1_drop_inbox(p);
        return;
    }
    in->bytes.limit_bytes = p->h1->options.head_limit + GUSH__H1_INBOX_SLACK;
    in->looked = in->head_n = in->body_n = in->raw_at = 0;
    in->decoder = (struct gush_h1_chunk){0};
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

/* Answers what never reached a handler. The connection ends with it unless the request was whole.
 */
static void refuse(struct gush__h1_peer *p, const struct gush_http_response *r, bool whole)
{
    p->keep_alive &= whole;
    p->stage = H1_ANSWERING;
    gush_conn_timer_clear(p->conn);
    gush_exchange_respond(&p->stream, r);
    drop_request(p, whole ? p->in->head_n : p->in->bytes.n);
}

/* For a request whose head made no sense: nothing of it is known. */
void gush__h1_refuse(struct gush__h1_peer *p, unsigned status)
{
    p->v11 = true;
    p->head_only = false;
    refuse(p, &(struct gush_http_response){.status = status}, false);
}

/* Finds out what the request is for and whether its body may come. False: it was answered. */
static bool admit(struct gush__h1_peer *p)
{
    const struct gush_h1_head *head = &p->h1->head;
    struct gush_http_request request = request_of(p);
    struct gush_dispatch d;

    gush_dispatch_head(p->h1->options.router, &request, head->content_length, &d);
    if (d.refused) {
        bool whole = !head->chunked && head->content_length == 0;
        refuse(p, &d.response, whole);
        return false;
    }
    p->in->route = d.route;
    p->in->chunked = head->chunked;
    p->in->length = (size_t)head->content_length;
    p->in->raw_at = p->in->head_n;
    p->in->bytes.limit_bytes = p->in->head_n + d.route->body_limit + GUSH__H1_INBOX_SLACK;
    return true;
}

/* False: not whole yet, or answered. */
static bool read_head(struct gush__h1_peer *p)
{
    struct gush_h1_head *head = &p->h1->head;
    struct gush_span bytes = gush_buf_span(&p->in->bytes);
    size_t limit = p->h1->options.head_limit;
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
    return admit(p);
}

/* The head of a request whose body came later: it was read once already. */
static void read_head_again(struct gush__h1_peer *p)
{
    unsigned status;
    struct gush_span bytes = gush_span_of(p->in->bytes.p, p->in->head_n);
    gush_err err = gush_h1_head_parse(bytes, &p->h1->head, &status, NULL);

    GUSH_ASSERT(err == GUSH_OK);
}

static void say_continue(struct gush__h1_peer *p)
{
    struct gush_span line = GUSH_SPAN_LIT("HTTP/1.1 100 Continue\r\n\r\n");
    size_t written;
    gush_err err = gush_conn_write(p->conn, &line, 1, &written);

    /* A client that does not hear it sends its body after a while; half a line confuses it. */
    if (err == GUSH_EAGAIN && written > 0)
        gush_conn_close(p->conn, GUSH_CONN_END_ABORT);
}

/* False: not whole yet, or answered. The body then starts behind the head. */
static bool read_body(struct gush__h1_peer *p)
{
    struct gush__h1_inbox *in = p->in;
    struct gush_http_request request;
    struct gush_dispatch d;

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
    request = request_of(p);
    gush_dispatch_refuse(in->route, &request, err == GUSH_ELIMIT ? 413 : 400, &d);
    refuse(p, &d.response, false);
    return false;
}

static void dispatch(struct gush__h1_peer *p)
{
    struct gush_http_request request = request_of(p);
    struct gush_span body = gush_span_of(p->in->bytes.p + p->in->head_n, p->in->body_n);

    gush_conn_timer_clear(p->conn);
    p->stage = H1_ANSWERING;
    p->in->route->handle(p->in->route->arg, &p->stream, &request, body);
    drop_request(p, p->in->raw_at);
}

/* Goes on with what is in the inbox. */
void gush__h1_read_on(struct gush__h1_peer *p)
{
    bool again = p->stage == H1_BODY;

    if (p->stage == H1_HEAD) {
        if (!read_head(p))
            return;
        p->stage = H1_BODY;
    }
    if (!read_body(p)) {
        if (!again && p->stage == H1_BODY) {
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

void gush__h1_take(struct gush__h1_peer *p, const uint8_t *bytes, size_t n)
{
    if (p->in == NULL) {
        p->in = GUSH_NEW(struct gush__h1_inbox);
        gush_buf_init(&p->in->bytes, p->h1->options.head_limit + GUSH__H1_INBOX_SLACK);
    }
    gush_buf_put(&p->in->bytes, bytes, n);
    /* At most one read beyond what a request may have is there: see GUSH__H1_INBOX_SLACK. */
    GUSH_ASSERT(gush_buf_ok(&p->in->bytes));
    if (p->stage != H1_HEAD && p->stage != H1_BODY) {
        gush_conn_read(p->conn, GUSH_CONN_READ_ENDED); /* the next request waits */
        return;
    }
    if (!p->begun) {
        p->begun = true;
        gush_conn_timer_set(p->conn, p->h1->options.head_ms);
    }
    gush__h1_read_on(p);
}
