#include "api/grpc/grpc.h"

#include <stdatomic.h>
#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/rpc/call.h"

#include "api/core/methods.h"
#include "api/core/waiting.h"
#include "api/grpc/grpc_priv.h"

#define NOTE_TRANSPORT_MODE 0x100u /* beside the method's number */

/* One call. Its lane's. */
struct request {
    struct gush_method_run run;
    struct gush_arena arena;
    struct door *door;
    struct gush_rpc_call *call;
    struct gush_waiter waiter; /* at the door */
};

/* Where requests of one lane wait while some lane is behind. That lane's. */
struct door {
    struct gush_waiting waiting;
    struct gush_api_grpc *api;
    struct gush_rpc_server *server; /* pauses while somebody waits; NULL: goes on */
};

struct gush_api_grpc {
    struct gush_node *node;
    struct gush_rpc_service service;
    struct door *doors; /* one per lane */
    size_t doors_n;
    struct gush_buf expected; /* the only good authorization; empty: any */
    bool transport_mode;
    atomic_size_t under_way;
};

/* ---- At the door ----------------------------------------------------------------------------- */

static void admit(void *ctx, const struct gush_rpc_head *head, struct gush_rpc_verdict *verdict)
{
    const struct gush_api_grpc *api = ctx;
    const struct gush_method *method = gush_methods_find(head->method);
    size_t n;

    if (api->expected.n > 0 && !gush_span_eq_secret(gush_rpc_head_find(head, "authorization"),
                                                    gush_buf_span(&api->expected))) {
        verdict->status = GUSH_RPC_UNAUTHENTICATED;
        snprintf(verdict->message, sizeof(verdict->message), "unauthenticated");
        return;
    }
    if (method == NULL) {
        gush_rpc_verdict_unknown(verdict, head, gush_methods_absent(head->method));
        return;
    }
    verdict->note = (uint32_t)(method - gush_methods_all(&n));
    if (api->transport_mode ||
        gush_span_eq_str(gush_rpc_head_find(head, "x-centrifugo-error-mode"), "transport"))
        verdict->note |= NOTE_TRANSPORT_MODE;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void end_with(struct gush_rpc_call *call, enum gush_rpc_status status, const char *what,
                     const char *why)
{
    char message[GUSH_RPC_MESSAGE_MAX];
    struct gush_rpc_end end = {.status = status};

    snprintf(message, sizeof(message), "%s: %s", what, why);
    end.message = gush_span_str(message);
    gush_rpc_call_finish(call, NULL, &end);
}

static void answer_response(struct request *r)
{
    ProtobufCMessage *response = gush_methods_response(&r->run);
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};
    size_t n = protobuf_c_message_get_packed_size(response);
    struct gush_bytes *reply;

    if (n > INT32_MAX) { /* nobody could read it */
        end_with(r->call, GUSH_RPC_RESOURCE_EXHAUSTED, "response", "too large");
        return;
    }
    reply = gush_bytes_new(n);
    protobuf_c_message_pack(response, reply->data);
    gush_rpc_call_finish(r->call, reply, &end);
}

static void answer(struct request *r)
{
    bool transport_mode = gush_rpc_call_note(r->call) & NOTE_TRANSPORT_MODE;

    if (r->run.error != 0 && r->run.method->bare)
        end_with(r->call, GUSH_RPC_INVALID_ARGUMENT, gush_methods_error_text(r->run.error),
                 "too many commands");
    else if (r->run.error != 0 && transport_mode)
        gush__grpc_end(r->call, r->run.error);
    else
        answer_response(r);
}

static void request_free(struct request *r)
{
    struct gush_rpc_call *call = r->call;

    atomic_fetch_sub(&r->door->api->under_way, 1);
    gush_arena_fini(&r->arena);
    gush_free(r);
    gush_rpc_call_set_user(call, NULL);
    gush_rpc_call_release(call);
}

static void request_done(struct gush_method_run *run)
{
    struct request *r = GUSH_CONTAINER(run, struct request, run);

    GUSH_ASSERT(!run->lost); /* a held call keeps its lane open */
    answer(r);
    gush_methods_fini(run);
    request_free(r);
}

static void request_run(struct request *r, struct gush_span message)
{
    ProtobufCMessage *request = NULL;
    const char *why = NULL;
    gush_err err = gush_methods_unpack(r->run.method, message, &r->arena, &request, &why);

    if (err != GUSH_OK) {
        end_with(r->call, err == GUSH_ELIMIT ? GUSH_RPC_RESOURCE_EXHAUSTED : GUSH_RPC_INTERNAL,
                 "request", why ? why : gush_err_text(err));
        request_free(r);
        return;
    }
    r->run.request = request;
    gush_methods_run(&r->run);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void run_waiter(struct gush_waiting *w, struct gush_waiter *waiter, struct gush_span message)
{
    (void)w;
    request_run(GUSH_CONTAINER(waiter, struct request, waiter), message);
}

static void nobody_waits(struct gush_waiting *w)
{
    const struct door *door = GUSH_CONTAINER(w, struct door, waiting);

    if (door->server != NULL)
        gush_rpc_server_resume(door->server, w->door.lane);
}

static const struct gush_waiting_ops waiting_ops = {run_waiter, nobody_waits};

static struct door *door_of(struct gush_api_grpc *api, const struct gush_lane *lane)
{
    size_t i = 0;

    while (i < api->doors_n && api->doors[i].waiting.door.lane != lane)
        i++;
    GUSH_ASSERT(i < api->doors_n);
    return &api->doors[i];
}

static void on_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct gush_api_grpc *api = ctx;
    struct gush_lane *lane = gush_rpc_call_lane(call);
    struct door *door = door_of(api, lane);
    bool wait = gush_waiting_must(&door->waiting);
    struct request *r;
    size_t n;

    if (wait && !gush_waiting_room(&door->waiting, message.n)) {
        end_with(call, GUSH_RPC_RESOURCE_EXHAUSTED, "server", "too many requests are waiting");
        return;
    }
    atomic_fetch_add(&api->under_way, 1);
    if (gush_node_closed(api->node)) { /* in this order: see there */
        atomic_fetch_sub(&api->under_way, 1);
        end_with(call, GUSH_RPC_UNAVAILABLE, "server", "shutting down");
        return;
    }
    r = GUSH_NEW(struct request);
    r->run.method = &gush_methods_all(&n)[gush_rpc_call_note(call) & ~NOTE_TRANSPORT_MODE];
    r->run.node = api->node;
    r->run.home = lane;
    r->run.protocol = GUSH_PROTOCOL_GRPC;
    r->run.arena = &r->arena;
    r->run.done = request_done;
    r->door = door;
    r->call = call;
    gush_rpc_call_hold(call);
    gush_rpc_call_set_user(call, r);
    if (wait) {
        gush_waiting_add(&door->waiting, &r->waiter, message);
        if (door->server != NULL)
            gush_rpc_server_pause(door->server, lane);
    } else {
        request_run(r, message);
    }
}

/* Whoever waits and leaves makes room; what runs is answered to nobody. */
static void on_gone(void *ctx, struct gush_rpc_call *call)
{
    struct request *r = gush_rpc_call_user(call);

    (void)ctx;
    if (r != NULL && gush_waiting_leave(&r->door->waiting, &r->waiter))
        request_free(r);
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct gush_api_grpc *gush_api_grpc_new(struct gush_node *node)
{
    struct gush_api_grpc *api = GUSH_NEW(struct gush_api_grpc);
    const struct gush_config *config = gush_node_config(node);
    struct gush_span key = gush_span_str(config->grpc_api.key);

    api->node = node;
    api->transport_mode = gush_span_eq_str(gush_span_str(config->grpc_api.error_mode), "transport");
    api->service = (struct gush_rpc_service){.name = "centrifugal.centrifugo.api.CentrifugoApi",
                                             .ctx = api,
                                             .admit = admit,
                                             .on_request = on_request,
                                             .on_gone = on_gone};
    gush_buf_init(&api->expected, sizeof("apikey ") + key.n);
    if (key.n > 0) {
        gush_buf_put_str(&api->expected, "apikey ");
        gush_buf_put_span(&api->expected, key);
    }
    return api;
}

const struct gush_rpc_service *gush_api_grpc_service(const struct gush_api_grpc *api)
{
    return &api->service;
}

void gush_api_grpc_attach(struct gush_api_grpc *api, struct gush_rpc_server *server,
                          struct gush_lane *const *lanes, size_t lanes_n)
{
    api->doors = gush_realloc(api->doors, (api->doors_n + lanes_n) * sizeof(api->doors[0]));
    for (size_t i = 0; i < lanes_n; i++) {
        struct door *door = &api->doors[api->doors_n++];

        *door = (struct door){.api = api, .server = server};
        gush_waiting_init(&door->waiting, api->node, lanes[i], &waiting_ops, NULL);
    }
}

size_t gush_api_grpc_under_way(const struct gush_api_grpc *api)
{
    return atomic_load(&api->under_way);
}

void gush_api_grpc_free(struct gush_api_grpc *api)
{
    if (api == NULL)
        return;
    gush_buf_fini(&api->expected);
    gush_free(api->doors);
    gush_free(api);
}
