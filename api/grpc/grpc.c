#include "api/grpc/grpc.h"

#include <stdatomic.h>
#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/rpc/call.h"

#include "api/core/methods.h"
#include "api/grpc/grpc_priv.h"

#define WAITING_MAX         1024
#define WAITING_MAX_BYTES   ((size_t)64 << 20)
#define NOTE_TRANSPORT_MODE 0x100u /* beside the method's number */

/* One call. Its lane's. */
struct request {
    struct gush_method_run run;
    struct gush_arena arena;
    struct door *door;
    struct gush_rpc_call *call;
    struct gush_bytes *waiting; /* the message, while it waits at the door */
    struct request *prev, *next;
};

/* Where requests of one lane wait while some lane is behind. That lane's. */
struct door {
    struct gush_door door;
    struct gush_api_grpc *api;
    struct gush_rpc_server *server; /* pauses while somebody waits; NULL: goes on */
    struct request *first, *last;
    size_t waiting_n, waiting_bytes;
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
    gush_bytes_unref(r->waiting);
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

static void wait_add(struct door *door, struct request *r, struct gush_span message)
{
    r->waiting = gush_bytes_copy(message);
    r->prev = door->last;
    *(door->last ? &door->last->next : &door->first) = r;
    door->last = r;
    door->waiting_n++;
    door->waiting_bytes += message.n;
}

static void wait_remove(struct door *door, struct request *r)
{
    *(r->prev ? &r->prev->next : &door->first) = r->next;
    *(r->next ? &r->next->prev : &door->last) = r->prev;
    r->prev = r->next = NULL;
    door->waiting_n--;
    door->waiting_bytes -= r->waiting->n;
}

static void door_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct door *door = GUSH_CONTAINER(letter, struct door, door.letter);
    struct request *r;

    while ((r = door->first) != NULL) {
        struct gush_bytes *message = r->waiting;

        if (gush_node_hold(door->api->node, &door->door))
            return; /* the letter comes again */
        wait_remove(door, r);
        r->waiting = NULL;
        request_run(r, gush_bytes_span(message));
        gush_bytes_unref(message);
    }
    if (door->server != NULL)
        gush_rpc_server_resume(door->server, lane);
}

static void door_drop(struct gush_letter *letter)
{
    (void)letter; /* part of the door */
}

static const struct gush_letter_kind door_kind = {"api door", door_open, door_drop};

static struct door *door_of(struct gush_api_grpc *api, const struct gush_lane *lane)
{
    size_t i = 0;

    while (i < api->doors_n && api->doors[i].door.lane != lane)
        i++;
    GUSH_ASSERT(i < api->doors_n);
    return &api->doors[i];
}

static void on_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct gush_api_grpc *api = ctx;
    struct gush_lane *lane = gush_rpc_call_lane(call);
    struct door *door = door_of(api, lane);
    bool wait = door->first != NULL || gush_node_hold(api->node, &door->door);
    struct request *r;
    size_t n;

    if (wait &&
        (door->waiting_n >= WAITING_MAX || door->waiting_bytes + message.n > WAITING_MAX_BYTES)) {
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
        wait_add(door, r, message);
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
    if (r == NULL || r->waiting == NULL)
        return;
    wait_remove(r->door, r);
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
        door->door.lane = lanes[i];
        door->door.letter.kind = &door_kind;
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
