#include "transports/grpc_uni/grpc_uni.h"

#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/codec/connect_decode.h"

#include "server/rpc/call.h"

#include "server/engine/client.h"
#include "server/engine/port_transport.h"

#define BURST_N 32

struct gush_grpc_uni {
    struct gush_node *node;
    struct gush_transport sliced, framed; /* by what the call's door wants */
    struct gush_rpc_service service;
};

/* One stream. Its lane's. There are many: in an order without gaps. */
struct gush_grpc_uni_conn {
    GUSH_MAGIC_FIELD;
    uint8_t taken_n;  /* slices: frames of the burst under way that the library has */
    uint8_t frames_n; /* framed: of |frames| */
    bool pending;     /* a burst is under way */
    bool framed;
    struct gush_rpc_call *call;
    struct gush_client *client;
    const struct gush_frame *frames; /* framed: of the send that is running; NULL: none */
};
_Static_assert(GUSH_BURST_MAX <= UINT8_MAX, "frames of a burst are counted in a byte");
#define gush_grpc_uni_conn_MAGIC GUSH_MAGIC('g', 'u', 'n', 'i')

/* ---- Pushes as slices
 * --------------------------------------------------------------------------------- */

_Static_assert(sizeof(((struct gush_frame_cache *)0)->room) == sizeof(struct gush_rpc_slice),
               "a slice fits the room beside a frame");

static struct gush_rpc_slice *slice_in(struct gush_frame_cache *cache)
{
    return (struct gush_rpc_slice *)(void *)cache->room;
}

static void drop_slice(struct gush_frame_cache *cache)
{
    gush_rpc_slice_fini(slice_in(cache));
}

static gush_err send_frame(struct gush_grpc_uni_conn *conn, const struct gush_frame *frame,
                           bool more)
{
    struct gush_rpc_slice own;
    gush_err err;

    if (frame->cache != NULL) {
        if (frame->cache->drop == NULL) {
            gush_rpc_slice_init(slice_in(frame->cache), frame->bytes);
            frame->cache->drop = drop_slice;
        }
        return gush_rpc_call_send(conn->call, slice_in(frame->cache), more);
    }
    gush_rpc_slice_init(&own, frame->bytes);
    err = gush_rpc_call_send(conn->call, &own, more);
    gush_rpc_slice_fini(&own);
    return err;
}

/* Sends what the library does not have yet of a burst. */
static gush_err send_rest(struct gush_grpc_uni_conn *conn, const struct gush_frame *frames,
                          size_t frames_n)
{
    gush_err err = GUSH_OK;

    while (err == GUSH_OK && conn->taken_n < frames_n) {
        size_t i = conn->taken_n++;

        err = send_frame(conn, &frames[i], i + 1 < frames_n);
    }
    conn->pending = err == GUSH_EAGAIN;
    return err;
}

static gush_err send_slices(void *arg, const struct gush_frame *frames, size_t frames_n)
{
    struct gush_grpc_uni_conn *conn = GUSH_CAST(gush_grpc_uni_conn, arg);

    GUSH_ASSERT(!conn->pending);
    conn->taken_n = 0;
    return send_rest(conn, frames, frames_n);
}

/* Whether the burst under way is out now; what the library does not have yet goes on. */
static bool slices_sent(struct gush_grpc_uni_conn *conn)
{
    struct gush_frame frames[GUSH_BURST_MAX];
    size_t frames_n = gush_client_flight(conn->client, frames, GUSH_BURST_MAX);

    return send_rest(conn, frames, frames_n) == GUSH_OK;
}

/* ---- Pushes in frames ----------------------------------------------------------------------- */

_Static_assert(GUSH_BURST_MAX == GUSH_RPC_PIECES_MAX, "a burst of the engine is one of a call");

static size_t pieces(void *ctx, struct gush_rpc_call *call, struct gush_span *out)
{
    struct gush_grpc_uni_conn *conn = GUSH_CAST(gush_grpc_uni_conn, gush_rpc_call_user(call));
    struct gush_frame flight[GUSH_BURST_MAX];
    const struct gush_frame *frames = conn->frames ? conn->frames : flight;
    size_t n =
        conn->frames ? conn->frames_n : gush_client_flight(conn->client, flight, GUSH_BURST_MAX);

    (void)ctx;
    for (size_t i = 0; i < n; i++)
        out[i] = gush_bytes_span(frames[i].bytes);
    return n;
}

static gush_err send_framed(void *arg, const struct gush_frame *frames, size_t frames_n)
{
    struct gush_grpc_uni_conn *conn = GUSH_CAST(gush_grpc_uni_conn, arg);
    gush_err err;

    GUSH_ASSERT(!conn->pending && frames_n <= GUSH_BURST_MAX);
    conn->frames = frames;
    conn->frames_n = (uint8_t)frames_n;
    err = gush_rpc_call_burst(conn->call);
    conn->frames = NULL;
    conn->pending = err == GUSH_EAGAIN;
    return err;
}

/* ---- Both ----------------------------------------------------------------------------------- */

static void on_sent(void *ctx, struct gush_rpc_call *call, bool ok)
{
    struct gush_grpc_uni_conn *conn = GUSH_CAST(gush_grpc_uni_conn, gush_rpc_call_user(call));

    (void)ctx;
    if (!ok)
        return; /* broken: on_closed follows */
    if (conn->framed)
        conn->pending = false;
    else if (!slices_sent(conn))
        return;
    gush_client_on_sent(conn->client);
}

static void uni_close(void *arg, uint32_t code, const char *reason)
{
    struct gush_grpc_uni_conn *conn = GUSH_CAST(gush_grpc_uni_conn, arg);
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};

    /* A status would queue behind the message that does not get through. */
    if (conn->pending)
        gush_rpc_call_cancel(conn->call, GUSH_RPC_UNAVAILABLE, reason);
    else if (code == GUSH_DISCONNECT_SHUTDOWN)
        gush_rpc_call_leave(conn->call);
    else
        gush_rpc_call_finish(conn->call, NULL, &end);
}

/* ---- Streams -------------------------------------------------------------------------------- */

static void admit(void *ctx, const struct gush_rpc_head *head, struct gush_rpc_verdict *verdict)
{
    (void)ctx;
    if (!gush_span_eq_str(head->method, "Consume"))
        gush_rpc_verdict_unknown(verdict, head, NULL);
}

static void refuse(struct gush_rpc_call *call, gush_err err, const char *why)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_INVALID_ARGUMENT};
    char message[GUSH_RPC_MESSAGE_MAX];

    if (err == GUSH_ELIMIT)
        end.status = GUSH_RPC_RESOURCE_EXHAUSTED;
    snprintf(message, sizeof(message), "connect request: %s", why ? why : gush_err_text(err));
    end.message = gush_span_str(message);
    gush_rpc_call_finish(call, NULL, &end);
}

static void on_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct gush_grpc_uni *uni = ctx;
    struct gush_connect_request request;
    struct gush_grpc_uni_conn *conn;
    const char *why = NULL;
    gush_err err = gush_connect_decode_proto(message, GUSH_CONNECT_MEMBERS_MAX, &request, &why);

    if (err != GUSH_OK) {
        refuse(call, err, why);
        return;
    }
    conn = GUSH_NEW(struct gush_grpc_uni_conn);
    conn->magic = gush_grpc_uni_conn_MAGIC;
    conn->call = call;
    gush_rpc_call_set_user(call, conn);
    conn->framed = gush_rpc_call_framed(call);
    conn->client = gush_client_open(uni->node, gush_rpc_call_lane(call),
                                    conn->framed ? &uni->framed : &uni->sliced, conn);
    gush_client_connect(conn->client, &request);
    gush_connect_request_fini(&request);
}

static void on_closed(void *ctx, struct gush_rpc_call *call)
{
    struct gush_grpc_uni_conn *conn = gush_rpc_call_user(call);

    (void)ctx;
    if (conn == NULL)
        return; /* refused */
    conn = GUSH_CAST(gush_grpc_uni_conn, conn);
    gush_client_on_closed(conn->client);
    conn->magic = GUSH_MAGIC_DEAD;
    gush_free(conn);
}

/* ---- Life ----------------------------------------------------------------------------------- */

struct gush_grpc_uni *gush_grpc_uni_new(struct gush_node *node)
{
    struct gush_grpc_uni *uni = GUSH_NEW(struct gush_grpc_uni);

    uni->node = node;
    uni->sliced = (struct gush_transport){.name = "uni_grpc",
                                          .form = GUSH_FORM_GRPC,
                                          .burst_n = BURST_N,
                                          .disconnect_push = true,
                                          .session = true,
                                          .ping_interval_ms =
                                              gush_node_config(node)->uni_grpc.ping_interval_ms,
                                          .send = send_slices,
                                          .close = uni_close};
    uni->framed = uni->sliced;
    uni->framed.form = GUSH_FORM_GRPC_FRAMED;
    uni->framed.send = send_framed;
    uni->service =
        (struct gush_rpc_service){.name = "centrifugal.centrifugo.unistream.CentrifugoUniStream",
                                  .ctx = uni,
                                  .admit = admit,
                                  .on_request = on_request,
                                  .pieces = pieces,
                                  .on_sent = on_sent,
                                  .on_closed = on_closed};
    return uni;
}

const struct gush_rpc_service *gush_grpc_uni_service(const struct gush_grpc_uni *uni)
{
    return &uni->service;
}

void gush_grpc_uni_free(struct gush_grpc_uni *uni)
{
    gush_free(uni);
}
