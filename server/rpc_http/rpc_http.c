#include "server/rpc_http/rpc_http.h"

#include "server/base/mem.h"

#include "server/rpc_http/rpc_http_priv.h"
#include "server/rpc_http/wire.h"

#define CONTENT_TYPE "application/grpc"

struct gush_rpc_http {
    const struct gush_rpc_service *services[GUSH_RPC_SERVICES_MAX + 1];
    struct gush_rpc_http_limits limits[GUSH_RPC_SERVICES_MAX];
    atomic_size_t long_bytes[GUSH_RPC_SERVICES_MAX]; /* of messages that are being read */
    size_t services_n;
};

static struct gush_span field(const struct gush_http_request *request, const char *name)
{
    return gush_http_field_find(request->fields, request->fields_n, name, NULL);
}

/* Answers who does not speak gRPC. False: |request| does. */
static bool refuse_http(struct gush_exchange *s, const struct gush_http_request *request)
{
    static const struct gush_http_field allow = {GUSH_SPAN_INIT("allow"), GUSH_SPAN_INIT("POST")};

    if (!gush_rpc_http_wire_type_ok(field(request, "content-type"))) {
        gush_exchange_respond(s, &(struct gush_http_response){.status = 415});
        return true;
    }
    if (!gush_span_eq_str(request->method, "POST")) {
        gush_exchange_respond(
            s, &(struct gush_http_response){.status = 405, .fields = &allow, .fields_n = 1});
        return true;
    }
    return false;
}

static void refuse(struct gush_exchange *s, enum gush_rpc_status status, const char *message)
{
    struct gush_rpc_end end = {.status = status, .message = gush_span_str(message)};

    gush__http_call_end_only(s, &end);
}

/* Whose call it is, or |verdict| says why nobody's. */
static const struct gush_rpc_service *admit(const struct gush_rpc_http *door,
                                            const struct gush_http_request *request,
                                            struct gush_rpc_verdict *verdict)
{
    struct gush_rpc_http_metadata metadata;
    struct gush_rpc_head head;
    const struct gush_rpc_service *service;

    gush_rpc_http_wire_metadata(&metadata, request, &head);
    service = gush_rpc_service_admit(door->services, request->path, &head, verdict);
    gush_rpc_http_wire_metadata_fini(&metadata);
    return service;
}

static size_t place_of(const struct gush_rpc_http *door, const struct gush_rpc_service *service)
{
    size_t i = 0;

    while (door->services[i] != service)
        i++;
    return i;
}

static void on_exchange(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                        struct gush_span body)
{
    struct gush_rpc_http *door = arg;
    const struct gush_rpc_service *service;
    struct gush_rpc_verdict verdict;
    size_t place;
    struct gush__http_call *call;
    struct gush_span timeout = field(request, "grpc-timeout");
    uint64_t ms = 0;

    (void)body;
    if (refuse_http(s, request))
        return;
    if (!gush_rpc_http_wire_has(field(request, "te"), "trailers")) {
        refuse(s, GUSH_RPC_INTERNAL, "te: trailers is missing: something in between lost it");
        return;
    }
    if (timeout.n > 0 && gush_rpc_http_wire_timeout(timeout, &ms) != GUSH_OK) {
        refuse(s, GUSH_RPC_INTERNAL, "grpc-timeout: malformed");
        return;
    }
    service = admit(door, request, &verdict);
    if (service == NULL) {
        refuse(s, verdict.status, verdict.message);
        return;
    }
    call = gush__http_call_new(s, service, &verdict);
    place = place_of(door, service);
    gush__intake_open(call, &door->limits[place], &door->long_bytes[place], request);
    if (timeout.n > 0)
        gush__http_call_within(call, ms);
}

struct gush_rpc_http *gush_rpc_http_new(void)
{
    return GUSH_NEW(struct gush_rpc_http);
}

void gush_rpc_http_free(struct gush_rpc_http *door)
{
    gush_free(door);
}

void gush_rpc_http_offer(struct gush_rpc_http *door, const struct gush_rpc_service *service,
                         const struct gush_rpc_http_limits *limits)
{
    GUSH_ASSERT(door->services_n < GUSH_RPC_SERVICES_MAX);
    door->services[door->services_n] = service;
    door->limits[door->services_n++] = *limits;
}

struct gush_route gush_rpc_http_route(struct gush_rpc_http *door)
{
    return (struct gush_route){.content_type = CONTENT_TYPE,
                               .methods = GUSH_ROUTER_ANY,
                               .body_limit = SIZE_MAX,
                               .handle = on_exchange,
                               .arg = door,
                               .streaming = true};
}
