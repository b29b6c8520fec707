#include "api/core/methods.h"

#include <string.h>

#include "server/base/buf.h"
#include "server/base/text.h"

#include "server/codec/proto_guard.h"

#include "api/core/api_core_priv.h"

/* ---- The table ------------------------------------------------------------------------------- */

#define ROW(name, member)                                                                          \
    {                                                                                              \
        name, #member, GUSH__DESCRIPTOR(member##_request), GUSH__DESCRIPTOR(member##_result),      \
            GUSH__DESCRIPTOR(member##_response), false, gush__method_##member                      \
    }

static const struct gush_method table[] = {
    ROW("Publish", publish),
    ROW("Broadcast", broadcast),
    ROW("Subscribe", subscribe),
    ROW("Unsubscribe", unsubscribe),
    ROW("Disconnect", disconnect),
    ROW("History", history),
    ROW("HistoryRemove", history_remove),
    ROW("Presence", presence),
    ROW("PresenceStats", presence_stats),
    ROW("Info", info),
    {"RPC", "rpc", GUSH__DESCRIPTOR(rpcrequest), GUSH__DESCRIPTOR(rpcresult),
     GUSH__DESCRIPTOR(rpcresponse), false, gush__method_rpc},
    ROW("Refresh", refresh),
    ROW("Channels", channels),
    {"Batch", "batch", GUSH__DESCRIPTOR(batch_request), GUSH__DESCRIPTOR(batch_response),
     GUSH__DESCRIPTOR(batch_response), true, gush__method_batch},
};

const struct gush_method *gush_methods_all(size_t *n)
{
    *n = sizeof(table) / sizeof(table[0]);
    return table;
}

const struct gush_method *gush_methods_find(struct gush_span name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (gush_span_eq_str(name, table[i].name))
            return &table[i];
    }
    return NULL;
}

const struct gush_method *gush_methods_find_member(struct gush_span member)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (gush_span_eq_str(member, table[i].member))
            return &table[i];
    }
    return NULL;
}

/* Methods of the schema whose engine part is not here, by the beginning of their names. */
static const struct {
    const char *prefix, *feature;
} absent[] = {
    {"Map", "map channels"},
    {"SharedPoll", "shared poll channels"},
};

const char *gush_methods_absent(struct gush_span name)
{
    const ProtobufCServiceDescriptor *service =
        &centrifugal__centrifugo__api__centrifugo_api__descriptor;
    bool known = false;

    for (unsigned i = 0; i < service->n_methods; i++)
        known |= gush_span_eq_str(name, service->methods[i].name);
    for (size_t i = 0; known && i < sizeof(absent) / sizeof(absent[0]); i++) {
        size_t n = strlen(absent[i].prefix);
        if (name.n > n && memcmp(name.p, absent[i].prefix, n) == 0)
            return absent[i].feature;
    }
    return NULL;
}

/* The API has its own words for these. */
const char *gush_methods_error_text(uint32_t code)
{
    if (code == GUSH_ERROR_METHOD_NOT_FOUND)
        return "not found";
    if (code == GUSH_ERROR_CONCURRENT_PAGINATION)
        return "conflict";
    return gush_error_text(code);
}

/* ---- Fields ---------------------------------------------------------------------------------- */

char *gush__method_string(struct gush_arena *a, struct gush_span s)
{
    return gush_arena_string(a, s);
}

ProtobufCBinaryData gush__method_bytes(struct gush_span s)
{
    /* The library never writes through it. */
    return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

GUSH__MESSAGE(Error) * gush__method_error(struct gush_arena *a, uint32_t code)
{
    GUSH__MESSAGE(Error) *error = gush_arena_message(a, GUSH__DESCRIPTOR(error));

    error->code = code;
    error->message = gush__method_string(a, gush_span_str(gush_methods_error_text(code)));
    return error;
}

bool gush__method_payload(struct gush_arena *a, const char *base64, ProtobufCBinaryData raw,
                          struct gush_span *out)
{
    struct gush_span text = gush_span_str(base64);
    struct gush_buf buf;
    bool ok;

    if (text.n == 0) {
        *out = gush_span_of(raw.data, raw.len);
        return true;
    }
    gush_buf_init(&buf, text.n);
    ok = gush_base64_decode(text, &buf) == GUSH_OK && gush_buf_ok(&buf);
    if (ok)
        *out = gush_span_of(gush_arena_string(a, gush_buf_span(&buf)), buf.n);
    gush_buf_fini(&buf);
    return ok;
}

/* Points the sub-message |name| of |message| to |value|. */
static void set_member(ProtobufCMessage *message, const char *name, void *value)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);

    GUSH_ASSERT(field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE);
    memcpy((char *)message + field->offset, &value, sizeof(value));
}

/* ---- Runs ------------------------------------------------------------------------------------ */

gush_err gush_methods_unpack(const struct gush_method *method, struct gush_span in,
                             struct gush_arena *arena, ProtobufCMessage **out, const char **why)
{
    ProtobufCAllocator allocator = gush_arena_allocator(arena);
    gush_err err = gush_proto_guard(method->request, in, GUSH_METHODS_FIELDS_MAX, why);

    if (err != GUSH_OK)
        return err;
    *out = protobuf_c_message_unpack(method->request, &allocator, in.n, in.p);
    if (*out == NULL)
        return gush_fail(why, GUSH_ESYNTAX, "malformed message");
    return GUSH_OK;
}

static uint64_t clock_us(const struct gush_method_run *run)
{
    return run->home->host.mono_us(run->home->host.host);
}

static void count_duration(const struct gush_method_run *run)
{
    uint32_t method = gush_metrics_method(gush_span_str(run->method->member));

    gush_metrics_observe(gush_node_metrics(run->node), run->home->index, GUSH_METRIC_API_DURATION,
                         GUSH_AT(method, run->protocol), (clock_us(run) - run->started_us) * 1000);
}

void gush__method_count_error(const struct gush_method_run *run, const char *method, uint32_t error)
{
    struct gush_metrics *m = gush_node_metrics(run->node);

    if (run->errors_uncounted)
        return;
    gush_metrics_add(m, run->home->index, GUSH_METRIC_API_ERRORS,
                     GUSH_AT(gush_metrics_error_code(m, error),
                             gush_metrics_method(gush_span_str(method)), run->protocol),
                     1);
}

void gush_methods_count_error(const struct gush_method_run *run, const struct gush_method *method,
                              uint32_t error)
{
    gush__method_count_error(run, method->member, error);
}

void gush_methods_run(struct gush_method_run *run)
{
    GUSH_ASSERT(run->request->descriptor == run->method->request);
    run->lost = false;
    run->error = GUSH_ERROR_NONE;
    run->result = NULL;
    run->state = NULL;
    run->fini = NULL;
    run->started_us = clock_us(run);
    run->method->run(run);
}

void gush__method_done(struct gush_method_run *run, void *result)
{
    run->result = result;
    GUSH_ASSERT(run->result->descriptor == run->method->result);
    count_duration(run);
    run->done(run);
}

void gush__method_failed(struct gush_method_run *run, uint32_t error)
{
    GUSH_ASSERT(error != GUSH_ERROR_NONE);
    run->error = error;
    count_duration(run);
    gush__method_count_error(run, run->method->member, error);
    run->done(run);
}

void gush__method_lost(struct gush_method_run *run)
{
    run->lost = true;
    run->done(run);
}

ProtobufCMessage *gush_methods_response(struct gush_method_run *run)
{
    ProtobufCMessage *response;

    if (run->method->bare) {
        GUSH_ASSERT(run->error == GUSH_ERROR_NONE);
        return run->result;
    }
    response = gush_arena_message(run->arena, run->method->response);
    if (run->error != GUSH_ERROR_NONE)
        set_member(response, "error", gush__method_error(run->arena, run->error));
    else
        set_member(response, "result", run->result);
    return response;
}

ProtobufCMessage *gush_methods_error(struct gush_arena *arena, uint32_t code)
{
    return &gush__method_error(arena, code)->base;
}

void gush_methods_fini(struct gush_method_run *run)
{
    if (run->fini)
        run->fini(run);
    run->fini = NULL;
}
