#include "api/http/http.h"

#include <stdio.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "api/http/from_json.h"
#include "api/http/http_priv.h"
#include "api/http/to_json.h"

#define OUT_KEPT ((size_t)64 << 10) /* a larger buffer goes with its answer */

/* ---- Answers --------------------------------------------------------------------------------- */

static void free_request(struct gush__api_request *r)
{
    struct gush_api_http *api = r->part->api;

    gush__api_stream_free(r->stream);
    gush_arena_fini(&r->arena);
    gush_free(r);
    atomic_fetch_sub(&api->under_way, 1);
}

void gush__api_drop(struct gush__api_request *r)
{
    GUSH_ASSERT(r->exchange == NULL); /* connections close before their lane */
    free_request(r);
}

static void respond_json(struct gush_exchange *exchange, unsigned status, struct gush_span json)
{
    static const struct gush_http_field type = {GUSH_SPAN_INIT("Content-Type"),
                                                GUSH_SPAN_INIT("application/json")};

    gush_exchange_respond(
        exchange,
        &(struct gush_http_response){
            .status = status, .fields = &type, .fields_n = 1, .body = json, .compress = true});
}

/* 400 and 500 say what they are, others are empty. */
static void respond_refusal(struct gush_exchange *exchange, unsigned status)
{
    static const struct gush_http_field fields[] = {
        {GUSH_SPAN_INIT("Content-Type"), GUSH_SPAN_INIT("text/plain; charset=utf-8")},
        {GUSH_SPAN_INIT("X-Content-Type-Options"), GUSH_SPAN_INIT("nosniff")}};
    struct gush_http_response r = {.status = status};

    if (status == 400 || status == 500) {
        r.fields = fields;
        r.fields_n = 2;
        r.body = status == 400 ? GUSH_SPAN_LIT("Bad Request\n")
                               : GUSH_SPAN_LIT("Internal Server Error\n");
    }
    gush_exchange_respond(exchange, &r);
}

void gush__api_answer(struct gush__api_request *r, unsigned status, struct gush_span json)
{
    struct gush_exchange *exchange = r->exchange;

    if (exchange) {
        gush_exchange_watch(exchange, NULL, NULL);
        respond_json(exchange, status, json);
    }
    free_request(r);
}

void gush__api_refuse(struct gush__api_request *r, unsigned status)
{
    struct gush_exchange *exchange = r->exchange;

    if (exchange) {
        gush_exchange_watch(exchange, NULL, NULL);
        respond_refusal(exchange, status);
    }
    free_request(r);
}

static unsigned status_of(uint32_t code)
{
    switch (code) {
    case GUSH_ERROR_UNKNOWN_CHANNEL:
    case GUSH_ERROR_METHOD_NOT_FOUND:
        return 404;
    case GUSH_ERROR_BAD_REQUEST:
    case GUSH_ERROR_NOT_AVAILABLE:
        return 400;
    case GUSH_ERROR_UNRECOVERABLE_POSITION:
        return 416;
    case GUSH_ERROR_CONCURRENT_PAGINATION:
        return 409;
    default:
        return 500;
    }
}

static void answer_run(struct gush__api_request *r)
{
    struct gush_buf *out = &r->part->out;
    unsigned status = 200;
    gush_err err;

    gush_buf_reset(out);
    if (r->run.error != GUSH_ERROR_NONE && (r->transport_mode || r->run.method->bare)) {
        status = status_of(r->run.error);
        err = gush_to_json(gush_methods_error(&r->arena, r->run.error), out);
    } else {
        err = gush_to_json(gush_methods_response(&r->run), out);
    }
    gush_methods_fini(&r->run);
    if (err == GUSH_OK) {
        gush__api_answer(r, status, gush_buf_span(out));
        return;
    }
    gush_methods_count_error(&r->run, r->method, GUSH_METRICS_ERROR_MARSHAL);
    gush_log(GUSH_LOG_ERROR, "an API answer cannot be written", GUSH_F("method", r->method->member),
             GUSH_F("why", err == GUSH_ESYNTAX ? "a payload is not JSON" : gush_err_text(err)));
    gush__api_refuse(r, 500);
}

static void request_done(struct gush_method_run *run)
{
    struct gush__api_request *r = GUSH_CONTAINER(run, struct gush__api_request, run);
    struct gush__api_part *part = r->part;

    if (run->lost) {
        gush_methods_fini(run);
        gush__api_drop(r);
        return;
    }
    if (r->exchange == NULL) {
        gush_methods_fini(run);
        free_request(r);
        return;
    }
    answer_run(r);
    if (part->out.cap > OUT_KEPT) {
        gush_buf_fini(&part->out);
        gush_buf_init(&part->out, GUSH_API_HTTP_ANSWER_MAX);
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void begin(struct gush__api_request *r, struct gush_span body)
{
    ProtobufCMessage *request = NULL;
    const char *why = NULL;
    gush_err err;

    if (r->method == NULL) {
        gush__api_stream_begin(r, body);
        return;
    }
    err = gush_from_json(r->method->request, body, &r->arena, &request, &why);
    if (err != GUSH_OK) {
        gush_methods_count_error(&r->run, r->method, GUSH_METRICS_ERROR_UNMARSHAL);
        gush_log(GUSH_LOG_WARN, "an API request cannot be read",
                 GUSH_F("method", r->method->member), GUSH_F("why", why));
        gush__api_refuse(r, err == GUSH_ELIMIT ? 413 : 400);
        return;
    }
    r->run.method = r->method;
    r->run.request = request;
    r->run.done = request_done;
    gush_methods_run(&r->run);
}

static void run_waiter(struct gush_waiting *w, struct gush_waiter *waiter, struct gush_span bytes)
{
    (void)w;
    begin(GUSH_CONTAINER(waiter, struct gush__api_request, waiter), bytes);
}

static const struct gush_waiting_ops waiting_ops = {run_waiter, NULL};

/* Whoever waits and leaves makes room; what runs is answered to nobody. */
static void on_closed(void *user)
{
    struct gush__api_request *r = user;

    r->exchange = NULL;
    if (gush_waiting_leave(&r->part->waiting, &r->waiter))
        free_request(r);
}

static const struct gush_exchange_events events = {.on_closed = on_closed};

static struct gush__api_part *part_of(const struct gush_api_http *api, const struct gush_lane *lane)
{
    size_t i = 0;

    while (i < api->parts_n && api->parts[i].waiting.door.lane != lane)
        i++;
    GUSH_ASSERT(i < api->parts_n);
    return &api->parts[i];
}

static struct gush__api_request *new_request(const struct gush__api_endpoint *endpoint,
                                             struct gush__api_part *part,
                                             struct gush_exchange *exchange)
{
    struct gush__api_request *r = GUSH_NEW(struct gush__api_request);

    r->part = part;
    r->exchange = exchange;
    r->method = endpoint->method;
    r->run.node = endpoint->api->node;
    r->run.home = part->waiting.door.lane;
    r->run.protocol = GUSH_PROTOCOL_HTTP;
    r->run.arena = &r->arena;
    gush_exchange_watch(exchange, &events, r);
    return r;
}

static bool wants_transport_mode(const struct gush_api_http *api,
                                 const struct gush_http_request *request)
{
    return api->transport_mode ||
           gush_span_eq_str(gush_http_field_find(request->fields, request->fields_n,
                                                 "X-Centrifugo-Error-Mode", NULL),
                            "transport");
}

static unsigned admit(void *arg, const struct gush_http_request *http)
{
    const struct gush_api_http *api = ((const struct gush__api_endpoint *)arg)->api;

    return api->insecure || gush__api_key_fits(api->key, http) ? 0 : 401;
}

static void handle(void *arg, struct gush_exchange *exchange, const struct gush_http_request *http,
                   struct gush_span body)
{
    const struct gush__api_endpoint *endpoint = arg;
    struct gush_api_http *api = endpoint->api;
    struct gush__api_part *part = part_of(api, gush_exchange_lane(exchange));
    struct gush__api_request *r;
    bool wait;

    wait = gush_waiting_must(&part->waiting);
    if (wait && !gush_waiting_room(&part->waiting, body.n)) {
        respond_refusal(exchange, 503);
        return;
    }
    atomic_fetch_add(&api->under_way, 1);
    if (gush_node_closed(api->node)) { /* in this order: see there */
        atomic_fetch_sub(&api->under_way, 1);
        respond_refusal(exchange, 503);
        return;
    }
    r = new_request(endpoint, part, exchange);
    r->transport_mode = wants_transport_mode(api, http);
    if (wait)
        gush_waiting_add(&part->waiting, &r->waiter, body);
    else
        begin(r, body);
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct gush_api_http *gush_api_http_new(struct gush_node *node, struct gush_lane *const *lanes,
                                        size_t lanes_n)
{
    struct gush_api_http *api = GUSH_NEW(struct gush_api_http);
    const struct gush_config *config = gush_node_config(node);
    size_t methods_n;
    const struct gush_method *methods = gush_methods_all(&methods_n);

    api->node = node;
    api->key = gush_span_str(config->http_api.key);
    api->insecure = config->http_api.insecure;
    api->transport_mode = gush_span_eq_str(gush_span_str(config->http_api.error_mode), "transport");
    api->parts = gush_zalloc(lanes_n, sizeof(api->parts[0]));
    api->parts_n = lanes_n;
    for (size_t i = 0; i < lanes_n; i++) {
        api->parts[i].api = api;
        gush_waiting_init(&api->parts[i].waiting, node, lanes[i], &waiting_ops, &api->parts[i]);
        gush_buf_init(&api->parts[i].out, GUSH_API_HTTP_ANSWER_MAX);
    }
    api->endpoints = gush_zalloc(methods_n + 1, sizeof(api->endpoints[0]));
    for (size_t i = 0; i <= methods_n; i++) {
        api->endpoints[i].api = api;
        api->endpoints[i].method = i < methods_n ? &methods[i] : NULL;
    }
    return api;
}

static gush_err add_route(struct gush_router *router, const char *path, size_t body_limit,
                          struct gush__api_endpoint *endpoint)
{
    return gush_router_add(router, &(struct gush_route){.path = path,
                                                        .methods = GUSH_ROUTER_POST,
                                                        .body_limit = body_limit,
                                                        .admit = admit,
                                                        .handle = handle,
                                                        .arg = endpoint});
}

gush_err gush_api_http_routes(struct gush_api_http *api, struct gush_router *router)
{
    const struct gush_config *config = gush_node_config(api->node);
    struct gush_span prefix = gush_span_str(config->http_api.handler_prefix);
    size_t body_limit = (size_t)config->http_api.max_request_body_size;
    struct gush__api_endpoint *endpoint = api->endpoints;
    gush_err err = GUSH_OK;
    struct gush_buf path;

    if (config->http_api.disabled)
        return GUSH_OK;
    while (prefix.n > 0 && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    gush_buf_init(&path, prefix.n + 64);
    for (; err == GUSH_OK && endpoint->method != NULL; endpoint++) {
        gush_buf_reset(&path);
        gush_buf_put_span(&path, prefix);
        gush_buf_put_u8(&path, '/');
        gush_buf_put(&path, endpoint->method->member, strlen(endpoint->method->member) + 1);
        err = add_route(router, (const char *)path.p, body_limit, endpoint);
    }
    if (err == GUSH_OK) {
        path.p[prefix.n] = '\0';
        err = add_route(router, (const char *)path.p, body_limit, endpoint);
    }
    gush_buf_fini(&path);
    return err;
}

size_t gush_api_http_under_way(const struct gush_api_http *api)
{
    return atomic_load(&api->under_way);
}

void gush_api_http_free(struct gush_api_http *api)
{
    if (api == NULL)
        return;
    for (size_t i = 0; i < api->parts_n; i++)
        gush_buf_fini(&api->parts[i].out);
    gush_free(api->parts);
    gush_free(api->endpoints);
    gush_free(api);
}
