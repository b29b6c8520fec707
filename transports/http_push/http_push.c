#include "transports/http_push/http_push.h"

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/codec/connect_decode.h"

#include "server/http/query.h"

#include "server/engine/admission.h"

#include "transports/http_push/http_push_priv.h"

#define gush_http_push_conn_MAGIC GUSH_MAGIC('h', 'p', 'u', 'c')

struct gush_http_push {
    struct gush_http_push_options options;
};

struct gush_http_push_conn {
    GUSH_MAGIC_FIELD;
    bool pending;                    /* a burst is under way */
    size_t frames_n;                 /* of ... */
    const struct gush_frame *frames; /* ... the burst being given, inside of send only */
    struct gush_exchange *stream;
    struct gush_client *client;
    const struct gush_http_push_options *options;
    struct gush_http_push_later *later; /* NULL: the response has started */
};

/* ---- the engine's side ---------------------------------------------------------------------- */

static void start_now(struct gush_http_push_conn *conn)
{
    if (conn->later == NULL)
        return;
    gush__http_push_start_later(conn->options, conn->stream, conn->later);
    gush__http_push_later_free(conn->later);
    conn->later = NULL;
}

gush_err gush_http_push_send(void *arg, const struct gush_frame *frames, size_t frames_n)
{
    struct gush_http_push_conn *conn = GUSH_CAST(gush_http_push_conn, arg);

    GUSH_ASSERT(!conn->pending);
    if (conn->later && gush_client_refusal(conn->client))
        return GUSH_OK; /* a disconnect push: close says it in another way */
    start_now(conn);
    conn->frames = frames;
    conn->frames_n = frames_n;
    gush_err err = gush_exchange_send(conn->stream);
    conn->frames = NULL;
    conn->pending = err == GUSH_EAGAIN;
    return err;
}

/* What the refused client would have been told. */
static const char *refusal_text(uint32_t refusal, uint32_t code, const char *reason)
{
    return refusal == code ? reason : gush_error_text(refusal);
}

void gush_http_push_close(void *arg, uint32_t code, const char *reason)
{
    struct gush_http_push_conn *conn = GUSH_CAST(gush_http_push_conn, arg);
    uint32_t refusal = gush_client_refusal(conn->client);

    /* A half-written event cannot be completed, and a slow reader would not read on. */
    if (conn->pending || code == GUSH_DISCONNECT_SLOW) {
        gush_exchange_abort(conn->stream);
        return;
    }
    if (conn->later && refusal) {
        gush__http_push_failed(conn->options, conn->stream, conn->later, refusal,
                               refusal_text(refusal, code, reason));
        return;
    }
    start_now(conn);
    gush_exchange_end(conn->stream); /* the push has said why */
}

_Static_assert(GUSH_BURST_MAX <= GUSH_EXCHANGE_PIECES_MAX, "a burst fits");

/* ---- the stream's side ---------------------------------------------------------------------- */

static size_t pieces(void *user, struct gush_span out[GUSH_EXCHANGE_PIECES_MAX])
{
    struct gush_http_push_conn *conn = GUSH_CAST(gush_http_push_conn, user);
    struct gush_frame flight[GUSH_BURST_MAX];
    const struct gush_frame *frames = conn->frames ? conn->frames : flight;
    size_t n =
        conn->frames ? conn->frames_n : gush_client_flight(conn->client, flight, GUSH_BURST_MAX);

    for (size_t i = 0; i < n; i++)
        out[i] = gush_bytes_span(frames[i].bytes);
    return n;
}

static void on_sent(void *user)
{
    struct gush_http_push_conn *conn = GUSH_CAST(gush_http_push_conn, user);

    conn->pending = false;
    gush_client_on_sent(conn->client);
}

static void on_closed(void *user)
{
    struct gush_http_push_conn *conn = GUSH_CAST(gush_http_push_conn, user);

    gush_client_on_closed(conn->client);
    gush__http_push_later_free(conn->later);
    conn->magic = GUSH_MAGIC_DEAD;
    gush_free(conn);
}

static const struct gush_exchange_events stream_events = {
    .pieces = pieces, .on_sent = on_sent, .on_closed = on_closed};

static void open_session(const struct gush_http_push_options *o, struct gush_exchange *s,
                         const struct gush_http_request *http,
                         const struct gush_connect_request *request)
{
    struct gush_http_push_conn *conn = GUSH_NEW(struct gush_http_push_conn);
    bool chunked = gush_exchange_framing(s) == GUSH_EXCHANGE_CHUNKED;

    conn->magic = gush_http_push_conn_MAGIC;
    conn->options = o;
    conn->stream = s;
    conn->client =
        gush_client_open(o->node, gush_exchange_lane(s), chunked ? o->chunked : o->raw, conn);
    gush_exchange_watch(s, &stream_events, conn);
    if (o->responses->enabled) {
        conn->later = gush__http_push_later(o->cors, http);
    } else {
        struct gush_http_field cors[GUSH_CORS_FIELDS_MAX];

        gush__http_push_start(o, s, cors, gush_cors_fields(o->cors, http, cors));
    }
    gush_client_connect(conn->client, request);
}

/* Where the connect request is: |*text| points into the body or |decoded|. */
static gush_err find_request(const struct gush_http_request *http, struct gush_span body,
                             struct gush_buf *decoded, struct gush_span *text)
{
    bool found;

    *text = body;
    if (gush_span_eq_str(http->method, "POST"))
        return body.n ? GUSH_OK : GUSH_ESYNTAX;
    gush_err err = gush_query_find(http->query, "cf_connect", decoded, &found);
    *text = decoded->n ? gush_buf_span(decoded) : GUSH_SPAN_LIT("{}");
    return err;
}

static void handle(void *arg, struct gush_exchange *s, const struct gush_http_request *http,
                   struct gush_span body)
{
    const struct gush_http_push_options *o = &((struct gush_http_push *)arg)->options;
    struct gush_connect_request request;
    struct gush_buf decoded;
    struct gush_span text;

    if (gush_span_eq_str(http->method, "OPTIONS")) {
        gush__http_push_preflight(o, s, http);
        return;
    }
    if (!gush_admission_try(o->node, gush_exchange_lane(s))) {
        gush__http_push_refuse(o, s, NULL, 503);
        return;
    }
    gush_buf_init(&decoded, http->query.n);
    gush_err err = find_request(http, body, &decoded, &text);
    if (err == GUSH_OK)
        err = gush_connect_decode_json(text, GUSH_CONNECT_MEMBERS_MAX, &request, NULL);
    if (err == GUSH_OK) {
        request.last_event_id =
            gush_http_field_find(http->fields, http->fields_n, "Last-Event-ID", NULL);
        open_session(o, s, http, &request);
        gush_connect_request_fini(&request);
    } else {
        gush__http_push_refuse(o, s, http, 400);
    }
    gush_buf_fini(&decoded);
}

/* ---- outside -------------------------------------------------------------------------------- */

struct gush_http_push *gush_http_push_new(const struct gush_http_push_options *options)
{
    struct gush_http_push *push = GUSH_NEW(struct gush_http_push);

    push->options = *options;
    return push;
}

void gush_http_push_free(struct gush_http_push *push)
{
    gush_free(push);
}

gush_err gush_http_push_route(struct gush_http_push *push, struct gush_router *router)
{
    const struct gush_http_push_options *o = &push->options;
    struct gush_route route = {.path = o->path,
                               .methods = GUSH_ROUTER_POST | (o->query ? GUSH_ROUTER_GET : 0) |
                                          (o->preflight ? GUSH_ROUTER_OPTIONS : 0),
                               .body_limit = o->body_limit > 0 ? (size_t)o->body_limit : 0,
                               .handle = handle,
                               .arg = push,
                               .cors = o->cors};

    return gush_router_add(router, &route);
}
