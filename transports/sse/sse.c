#include "transports/sse/sse.h"

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/codec/connect_decode.h"

#include "server/http/query.h"

#include "server/engine/client.h"

#define gush_sse_conn_MAGIC GUSH_MAGIC('s', 's', 'e', 'c')

struct gush_sse {
    struct gush_node *node;
    const struct gush_cors *cors;
};

struct gush_sse_conn {
    GUSH_MAGIC_FIELD;
    bool pending;                    /* a burst is under way */
    size_t frames_n;                 /* of ... */
    const struct gush_frame *frames; /* ... the burst being given, inside of send only */
    struct gush_exchange *stream;
    struct gush_client *client;
};

/* ---- the engine's side ---------------------------------------------------------------------- */

static gush_err sse_send(void *arg, const struct gush_frame *frames, size_t frames_n)
{
    struct gush_sse_conn *conn = GUSH_CAST(gush_sse_conn, arg);

    GUSH_ASSERT(!conn->pending);
    conn->frames = frames;
    conn->frames_n = frames_n;
    gush_err err = gush_exchange_send(conn->stream);
    conn->frames = NULL;
    conn->pending = err == GUSH_EAGAIN;
    return err;
}

static void sse_close(void *arg, uint32_t code, const char *reason)
{
    struct gush_sse_conn *conn = GUSH_CAST(gush_sse_conn, arg);

    (void)reason; /* said by the push */
    /* A half-written event cannot be completed, and a slow reader would not read on. */
    if (conn->pending || code == GUSH_DISCONNECT_SLOW)
        gush_exchange_abort(conn->stream);
    else
        gush_exchange_end(conn->stream);
}

static const struct gush_transport transport_chunked = {.name = "uni_sse",
                                                        .form = GUSH_FORM_SSE_CHUNKED,
                                                        .burst_n = GUSH_BURST_MAX,
                                                        .disconnect_push = true,
                                                        .session = true,
                                                        .send = sse_send,
                                                        .close = sse_close};
static const struct gush_transport transport_raw = {.name = "uni_sse",
                                                    .form = GUSH_FORM_SSE,
                                                    .burst_n = GUSH_BURST_MAX,
                                                    .disconnect_push = true,
                                                    .session = true,
                                                    .send = sse_send,
                                                    .close = sse_close};

_Static_assert(GUSH_BURST_MAX <= GUSH_EXCHANGE_PIECES_MAX, "a burst fits");

/* ---- the stream's side ---------------------------------------------------------------------- */

static size_t pieces(void *user, struct gush_span out[GUSH_EXCHANGE_PIECES_MAX])
{
    struct gush_sse_conn *conn = GUSH_CAST(gush_sse_conn, user);
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
    struct gush_sse_conn *conn = GUSH_CAST(gush_sse_conn, user);

    conn->pending = false;
    gush_client_on_sent(conn->client);
}

static void on_closed(void *user)
{
    struct gush_sse_conn *conn = GUSH_CAST(gush_sse_conn, user);

    gush_client_on_closed(conn->client);
    conn->magic = GUSH_MAGIC_DEAD;
    gush_free(conn);
}

static const struct gush_exchange_events stream_events = {
    .pieces = pieces, .on_sent = on_sent, .on_closed = on_closed};

static void refuse(struct gush_sse *sse, struct gush_exchange *s,
                   const struct gush_http_request *request, unsigned status, bool with_cors)
{
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX];
    struct gush_http_response r = {.status = status, .fields = fields, .fields_n = 0};

    if (with_cors)
        r.fields_n = gush_cors_fields(sse->cors, request, fields);
    gush_exchange_respond(s, &r);
}

static void start(struct gush_sse *sse, struct gush_exchange *s,
                  const struct gush_http_request *request)
{
    struct gush_http_field fields[5 + GUSH_CORS_FIELDS_MAX] = {
        {GUSH_SPAN_LIT("Content-Type"), GUSH_SPAN_LIT("text/event-stream; charset=utf-8")},
        {GUSH_SPAN_LIT("Cache-Control"),
         GUSH_SPAN_LIT("private, no-cache, no-store, must-revalidate, max-age=0")},
        {GUSH_SPAN_LIT("Pragma"), GUSH_SPAN_LIT("no-cache")},
        {GUSH_SPAN_LIT("Expire"), GUSH_SPAN_LIT("0")}, /* sic */
        {GUSH_SPAN_LIT("X-Accel-Buffering"), GUSH_SPAN_LIT("no")},
    };
    struct gush_http_response r = {
        .status = 200, .fields = fields, .fields_n = 5, .body = GUSH_SPAN_LIT("\r\n")};

    r.fields_n += gush_cors_fields(sse->cors, request, fields + 5);
    gush_exchange_start(s, &r);
}

static void open_session(struct gush_sse *sse, struct gush_exchange *s,
                         const struct gush_http_request *http,
                         const struct gush_connect_request *request)
{
    struct gush_sse_conn *conn = GUSH_NEW(struct gush_sse_conn);
    bool chunked = gush_exchange_framing(s) == GUSH_EXCHANGE_CHUNKED;

    conn->magic = gush_sse_conn_MAGIC;
    conn->stream = s;
    conn->client = gush_client_open(sse->node, gush_exchange_lane(s),
                                    chunked ? &transport_chunked : &transport_raw, conn);
    gush_exchange_watch(s, &stream_events, conn);
    start(sse, s, http);
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

static bool full(const struct gush_sse *sse)
{
    int64_t limit = gush_node_config(sse->node)->client.connection_limit;
    struct gush_live live;

    if (limit <= 0)
        return false;
    gush_node_live(sse->node, &live);
    return live.clients >= (uint64_t)limit;
}

static void handle(void *arg, struct gush_exchange *s, const struct gush_http_request *http,
                   struct gush_span body)
{
    struct gush_sse *sse = (struct gush_sse *)arg;
    struct gush_connect_request request;
    struct gush_buf decoded;
    struct gush_span text;

    if (full(sse)) {
        refuse(sse, s, http, 503, false);
        return;
    }
    gush_buf_init(&decoded, http->query.n);
    gush_err err = find_request(http, body, &decoded, &text);
    if (err == GUSH_OK)
        err = gush_connect_decode_json(text, GUSH_CONNECT_MEMBERS_MAX, &request, NULL);
    if (err == GUSH_OK) {
        open_session(sse, s, http, &request);
        gush_connect_request_fini(&request);
    } else {
        refuse(sse, s, http, 400, true);
    }
    gush_buf_fini(&decoded);
}

/* ---- outside -------------------------------------------------------------------------------- */

struct gush_sse *gush_sse_new(struct gush_node *node, const struct gush_cors *cors)
{
    struct gush_sse *sse = GUSH_NEW(struct gush_sse);

    sse->node = node;
    sse->cors = cors;
    return sse;
}

void gush_sse_free(struct gush_sse *sse)
{
    gush_free(sse);
}

gush_err gush_sse_route(struct gush_sse *sse, struct gush_router *router)
{
    const struct gush_config *config = gush_node_config(sse->node);
    int64_t limit = config->uni_sse.max_request_body_size;
    struct gush_route route = {.path = config->uni_sse.handler_prefix,
                               .methods = GUSH_ROUTER_GET | GUSH_ROUTER_POST,
                               .body_limit = limit > 0 ? (size_t)limit : 0,
                               .handle = handle,
                               .arg = sse,
                               .cors = sse->cors};

    return gush_router_add(router, &route);
}
