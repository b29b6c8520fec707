/* h2_read: requests in. Heads are collected until they are whole; then they are dispatched, with
 * their body collected, or given to the handler as it comes. */
#include <string.h>

#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/http/dispatch.h"
#include "server/http/h2_priv.h"

#define FIELD_COST   32 /* besides its name and value: RFC 9113 section 6.5.2 */
#define BOMB_FACTOR  8  /* a list so many times over the limit is an attack */
#define TRAILERS_MAX ((size_t)8 * 1024)
/* Of requests that are collected at a time: from here on only the oldest gets more window. */
#define BODIES_SOFT (GUSH_H2_BODIES_MAX / 4)

/* ---- request heads -------------------------------------------------------------------------- */

static struct gush__h2_request *new_request(struct gush_h2 *h2)
{
    struct gush__h2_request *in = h2->spare;

    if (in) {
        h2->spare = in->next;
    } else {
        in = GUSH_NEW(struct gush__h2_request);
        gush_buf_init(&in->bytes, h2->options.limits.head_bytes);
    }
    in->method = in->path = in->authority = -1;
    return in;
}

static void free_request(struct gush__h2_request *in)
{
    gush_buf_fini(&in->bytes);
    gush_buf_fini(&in->body);
    gush_free(in->spots);
    gush_free(in);
}

void gush__h2_drop_request(struct gush_h2 *h2, struct gush__h2_request *in)
{
    struct gush_buf bytes;

    if (in == NULL)
        return;
    if (h2->spare) { /* one is enough */
        free_request(in);
        return;
    }
    bytes = in->bytes;
    gush_buf_reset(&bytes);
    gush_buf_fini(&in->body);
    *in = (struct gush__h2_request){.bytes = bytes, .spots = in->spots, .spots_cap = in->spots_cap};
    h2->spare = in;
}

void gush__h2_free_spare(struct gush_h2 *h2)
{
    if (h2->spare)
        free_request(h2->spare);
}

static void put_field(struct gush__h2_request *in, struct gush_span name, struct gush_span value)
{
    struct gush__h2_spot *spot;

    if (in->spots_n == in->spots_cap) {
        in->spots_cap = in->spots_cap ? 2 * in->spots_cap : 32;
        in->spots = gush_realloc(in->spots, in->spots_cap * sizeof(*in->spots));
    }
    spot = &in->spots[in->spots_n];
    *spot = (struct gush__h2_spot){(uint32_t)in->bytes.n, (uint32_t)name.n, (uint32_t)value.n};
    gush_buf_put_span(&in->bytes, name);
    gush_buf_put_span(&in->bytes, value);
    GUSH_ASSERT(gush_buf_ok(&in->bytes)); /* less than list_bytes, which is within the limit */
    if (name.n && name.p[0] == ':') {
        if (gush_span_eq_str(name, ":method"))
            in->method = (int)in->spots_n;
        else if (gush_span_eq_str(name, ":path"))
            in->path = (int)in->spots_n;
        else if (gush_span_eq_str(name, ":authority"))
            in->authority = (int)in->spots_n;
    }
    in->spots_n++;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, arg);
    struct gush__h2_stream *s;

    p->trailer_n = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    gush__h2_drop_request(p->h2, p->head); /* the library found it malformed */
    s = gush__h2_stream_new(p, frame->hd.stream_id);
    p->head = new_request(p->h2);
    p->head_id = s->id;
    p->head_ms = gush_lane_now_ms(gush__h2_lane(p));
    return nghttp2_session_set_stream_user_data(ng, s->id, s);
}

// NOLINTNEXTLINE(readability-function-size): as many parameters as nghttp2 gives
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, arg);
    struct gush__h2_request *in = p->head;
    size_t limit = p->h2->options.limits.head_bytes, n = name_n + value_n + FIELD_COST;

    (void)ng;
    (void)flags;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        p->trailer_n += n;
        return p->trailer_n > TRAILERS_MAX ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    }
    GUSH_ASSERT(in != NULL);
    in->list_bytes += n;
    if (in->list_bytes > limit * BOMB_FACTOR)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (in->list_bytes > limit)
        in->too_large = true;
    else
        put_field(in, gush_span_of(name, name_n), gush_span_of(value, value_n));
    return 0;
}

/* What cannot be a field at all is not passed over in silence. */
// NOLINTNEXTLINE(readability-function-size): as many parameters as nghttp2 gives
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
                             void *arg)
{
    (void)ng;
    (void)frame;
    (void)name;
    (void)name_n;
    (void)value;
    (void)value_n;
    (void)flags;
    (void)arg;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* ---- requests ------------------------------------------------------------------------------- */

static struct gush_span name_of(const struct gush__h2_request *in, size_t i)
{
    return gush_span_of(in->bytes.p + in->spots[i].at, in->spots[i].name_n);
}

static struct gush_span value_of(const struct gush__h2_request *in, size_t i)
{
    return gush_span_of(in->bytes.p + in->spots[i].at + in->spots[i].name_n, in->spots[i].value_n);
}

static bool is_target(struct gush_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '#')
            return false;
    }
    return s.n > 0;
}

/* Fields without pseudo fields; :authority speaks as host, and overrules one. */
static size_t collect_fields(struct gush_h2 *h2, const struct gush__h2_request *in)
{
    size_t n = 0;

    if (h2->fields_cap < in->spots_n + 1) {
        h2->fields_cap = in->spots_cap + 1;
        h2->fields = gush_realloc(h2->fields, h2->fields_cap * sizeof(*h2->fields));
    }
    if (in->authority >= 0)
        h2->fields[n++] =
            (struct gush_http_field){GUSH_SPAN_LIT("host"), value_of(in, (size_t)in->authority)};
    for (size_t i = 0; i < in->spots_n; i++) {
        struct gush_span name = name_of(in, i);
        if (name.p[0] == ':' || (in->authority >= 0 && gush_span_eq_str(name, "host")))
            continue;
        h2->fields[n++] = (struct gush_http_field){name, value_of(in, i)};
    }
    return n;
}

/* The request that |in| holds; valid until the next one of this loop. */
static struct gush_http_request request_of(const struct gush__h2_stream *s,
                                           const struct gush__h2_request *in)
{
    struct gush_h2 *h2 = s->session->h2;
    struct gush_http_request r = {.version = GUSH_HTTP_2,
                                  .peer = gush_conn_peer(s->session->conn),
                                  .forwarded = h2->options.forwarded};
    struct gush_span target = in->path >= 0 ? value_of(in, (size_t)in->path) : GUSH_SPAN_EMPTY;
    const uint8_t *question = target.n ? memchr(target.p, '?', target.n) : NULL;

    r.path = target;
    if (question) {
        r.path.n = (size_t)(question - target.p);
        r.query = gush_span_of(question + 1, target.n - r.path.n - 1);
    }
    if (in->method >= 0)
        r.method = value_of(in, (size_t)in->method);
    r.fields_n = collect_fields(h2, in);
    r.fields = h2->fields;
    return r;
}

/* Answers what does not get to a handler. */
static void refuse(struct gush__h2_stream *s, const struct gush_http_request *request,
                   const struct gush_route *route, unsigned status)
{
    struct gush_dispatch d;

    gush_dispatch_refuse(route, request, status, &d);
    gush__h2_stage(s, H2_ANSWERING);
    gush_exchange_respond(&s->exchange, &d.response);
}

void gush__h2_drop_in(struct gush__h2_stream *s)
{
    s->session->bodies_n -= s->in->bytes.n + s->in->body.n;
    gush__h2_drop_request(s->session->h2, s->in);
    s->in = NULL;
}

static void refuse_body(struct gush__h2_stream *s, unsigned status)
{
    struct gush_http_request request = request_of(s, s->in);

    refuse(s, &request, s->in->route, status);
    gush__h2_credit(s, s->in->uncredited); /* what is left of it is read and forgotten */
    gush__h2_drop_in(s);
}

void gush__h2_give_up_body(struct gush__h2_stream *s)
{
    refuse_body(s, 408);
}

static void say_continue(struct gush__h2_stream *s)
{
    static uint8_t name[] = ":status", value[] = "100";
    nghttp2_nv nv = {name, value, sizeof(name) - 1, sizeof(value) - 1, NGHTTP2_NV_FLAG_NONE};
    int rv = nghttp2_submit_headers(s->session->ng, NGHTTP2_FLAG_NONE, s->id, NULL, &nv, 1, NULL);

    GUSH_ASSERT(rv == 0);
}

static uint64_t length_of(const struct gush_http_request *request)
{
    struct gush_span text =
        gush_http_field_find(request->fields, request->fields_n, "content-length", NULL);
    uint64_t n = 0;

    for (size_t i = 0; i < text.n; i++) /* digits: nghttp2 has looked */
        n = n > UINT64_MAX / 10 - 1 ? UINT64_MAX : n * 10 + (uint64_t)(text.p[i] - '0');
    return n;
}

/* Whether the handler wants more of the body. */
static bool is_heard(const struct gush__h2_stream *s)
{
    return s->body_wanted && s->exchange.events != NULL &&
           (s->stage == H2_ANSWERING || s->stage == H2_STREAMING);
}

static void end_streamed_body(struct gush__h2_stream *s)
{
    bool heard = is_heard(s);

    s->body_wanted = false;
    if (heard && s->exchange.events->on_body_end)
        s->exchange.events->on_body_end(s->exchange.user);
}

static void handle(struct gush__h2_stream *s, const struct gush_route *route,
                   const struct gush_http_request *request, struct gush_span body)
{
    gush__h2_stage(s, H2_ANSWERING);
    route->handle(route->arg, &s->exchange, request, body);
}

/* Whether there is no room for more answers. One large answer alone holds nobody up. */
static bool is_full(const struct gush__h2_session *p)
{
    return p->answers_n > GUSH_H2_ANSWERS_MAX && p->answers_count > 1;
}

/* All of the request that |s| collected is there. */
static void handle_whole(struct gush__h2_stream *s)
{
    struct gush_http_request request;

    if (is_full(s->session)) {
        gush__h2_stage(s, H2_HELD);
        return;
    }
    request = request_of(s, s->in);
    handle(s, s->in->route, &request, gush_buf_span(&s->in->body));
    gush__h2_drop_in(s);
}

static struct gush__h2_stream *oldest_in(const struct gush__h2_session *p,
                                         enum gush__h2_stage stage)
{
    struct gush__h2_stream *oldest = NULL;

    for (struct gush__h2_stream *s = p->streams; s; s = s->next) {
        if (s->stage == stage && (oldest == NULL || s->id < oldest->id))
            oldest = s;
    }
    return oldest;
}

void gush__h2_release(struct gush__h2_session *p)
{
    while (p->held_n && !is_full(p))
        handle_whole(oldest_in(p, H2_HELD));
}

static void expect_body(struct gush__h2_stream *s, const struct gush_http_request *request)
{
    bool found;
    struct gush_span expect =
        gush_http_field_find(request->fields, request->fields_n, "expect", &found);

    if (found && gush_span_eq_nocase(expect, GUSH_SPAN_LIT("100-continue")))
        say_continue(s);
}

/* The request is for |route|; |*in| is taken if it must wait. */
static void admit(struct gush__h2_stream *s, const struct gush_route *route,
                  const struct gush_http_request *request, struct gush__h2_request **in)
{
    if (!s->body_over)
        expect_body(s, request);
    if (route->streaming && is_full(s->session)) {
        gush__h2_break(s, NGHTTP2_REFUSED_STREAM);
    } else if (route->streaming) {
        s->body_wanted = true;
        handle(s, route, request, GUSH_SPAN_EMPTY);
        if (s->body_over)
            end_streamed_body(s);
    } else if (s->body_over && !is_full(s->session)) {
        handle(s, route, request, GUSH_SPAN_EMPTY);
    } else {
        s->in = *in;
        *in = NULL;
        s->session->bodies_n += s->in->bytes.n;
        s->in->route = route;
        gush_buf_init(&s->in->body, route->body_limit);
        gush__h2_stage(s, s->body_over ? H2_HELD : H2_BODY);
    }
}

/* The head is whole. */
static void begin(struct gush__h2_stream *s, struct gush__h2_request *in)
{
    struct gush_h2 *h2 = s->session->h2;
    struct gush_http_request request = request_of(s, in);
    struct gush_dispatch d;

    if (h2->options.log)
        s->entry = gush_access_log_begin(h2->options.log, &request);
    s->head_only = gush_span_eq_str(request.method, "HEAD");
    in->length = length_of(&request);
    if (s->session->bodies_n > GUSH_H2_BODIES_MAX) {
        gush__h2_break(s, NGHTTP2_REFUSED_STREAM);
    } else if (in->too_large) {
        gush_h2_toll_too_large(&s->session->toll);
        refuse(s, &request, NULL, 431);
    } else if (in->path < 0 || !is_target(value_of(in, (size_t)in->path)) ||
               (request.path.p[0] != '/' && !gush_span_eq_str(request.method, "OPTIONS"))) {
        refuse(s, &request, NULL, 400);
    } else {
        gush_dispatch_head(h2->options.router, &request, in->length, &d);
        s->exchange.accepts_gzip = d.accepts_gzip;
        if (d.refused) {
            gush__h2_stage(s, H2_ANSWERING);
            gush_exchange_respond(&s->exchange, &d.response);
        } else {
            admit(s, d.route, &request, &in);
        }
    }
    gush__h2_drop_request(h2, in);
}

/* ---- bodies --------------------------------------------------------------------------------- */

static void credit(struct gush__h2_stream *s)
{
    gush__h2_credit(s, s->in->uncredited);
    s->in->uncredited = 0;
}

/* Lets bodies go on that wait: all of them, or, where much has been collected, the oldest. */
void gush__h2_credit_bodies(struct gush__h2_session *p)
{
    struct gush__h2_stream *oldest;

    if (p->bodies_n > BODIES_SOFT) {
        oldest = oldest_in(p, H2_BODY);
        if (oldest && oldest->in->uncredited)
            credit(oldest);
        return;
    }
    p->bodies_wait = false;
    for (struct gush__h2_stream *s = p->streams; s; s = s->next) {
        if (s->stage == H2_BODY && s->in->uncredited)
            credit(s);
    }
}

static void collect(struct gush__h2_stream *s, struct gush_span bytes)
{
    struct gush__h2_session *p = s->session;
    struct gush__h2_request *in = s->in;

    in->uncredited += bytes.n;
    if (in->body.n + bytes.n > in->route->body_limit) {
        refuse_body(s, 413);
        return;
    }
    if (p->bodies_n + bytes.n > GUSH_H2_BODIES_MAX && oldest_in(p, H2_BODY) != s) {
        gush__h2_break(s, NGHTTP2_REFUSED_STREAM);
        return;
    }
    gush_buf_put_span(&in->body, bytes);
    GUSH_ASSERT(gush_buf_ok(&in->body));
    p->bodies_n += bytes.n;
    if (p->bodies_n <= BODIES_SOFT)
        credit(s);
    else
        p->bodies_wait = true;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t n,
                   void *arg)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, arg);
    struct gush__h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);

    (void)p;
    (void)flags;
    int rv = nghttp2_session_consume_connection(ng, n);
    GUSH_ASSERT(rv == 0);
    if (s == NULL)
        return 0;
    if (s->stage == H2_BODY)
        collect(s, gush_span_of(data, n));
    else if (is_heard(s) && s->exchange.events->on_body)
        s->exchange.events->on_body(s->exchange.user, gush_span_of(data, n));
    else if (s->stage == H2_ENDING || s->stage == H2_LINGERING)
        gush__h2_credit(s, n); /* some clients read no answer before all of their body is out */
    return 0;
}

static void end_body(struct gush__h2_stream *s)
{
    s->body_over = true;
    if (s->stage == H2_GONE || s->stage == H2_LINGERING)
        return;
    if (s->stage == H2_BODY)
        handle_whole(s);
    else
        end_streamed_body(s);
}

/* ---- frames --------------------------------------------------------------------------------- */

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, arg);
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct gush__h2_stream *s;

    if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK)
        gush__h2_on_pong(p, frame->ping.opaque_data);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (s == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct gush__h2_request *in = p->head;
        p->head = NULL;
        s->body_over = last;
        begin(s, in);
    } else if (last) {
        end_body(s);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct gush__h2_session *p = GUSH_CAST(gush__h2_session, arg);
    struct gush__h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);

    (void)code;
    if (s == NULL)
        return 0;
    if (p->head_id == id) {
        gush__h2_drop_request(p->h2, p->head);
        p->head = NULL;
    }
    gush__h2_stage(s, H2_GONE);
    gush__h2_remember(p, id, s->broken);
    s->closed = true;
    gush__h2_due(s);
    return 0;
}

void gush__h2_read_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
