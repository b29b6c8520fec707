#include "server/rpc/reflection.h"

#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/codec/proto_write.h"

#include "server/rpc/call.h"
#include "server/rpc/field.h"
#include "server/rpc/roster.h"

#define REPLY_MAX ((size_t)16 << 20) /* all schemas and the request: our own sizes */

struct gush_rpc_reflection {
    struct gush_rpc_service v1, v1alpha;
    struct gush_rpc_roster *roster;
    struct gush_rpc_descriptors *descriptors;
    const char *names[GUSH_RPC_SERVICES_MAX + 1];
};

/* One stream. Its lane's. */
struct stream {
    struct gush_rpc_roster_entry entry;
    const struct gush_rpc_reflection *reflection;
    unsigned requests_n;
    bool sending, finished;
};

/* ---- Requests and responses ------------------------------------------------------------------ */

/* The numbers of ServerReflectionRequest's oneof. */
enum ask {
    ASK_NOTHING = 0,
    ASK_FILE = 3,
    ASK_SYMBOL = 4,
    ASK_EXTENSION = 5,
    ASK_EXTENSION_NUMBERS = 6,
    ASK_SERVICES = 7
};

struct request {
    struct gush_span host;
    enum ask ask;
    struct gush_span name; /* of the file, the symbol or the type; of an extension the message */
};

/* The numbers of ServerReflectionResponse. */
enum answer {
    ANSWER_HOST = 1,
    ANSWER_REQUEST = 2,
    ANSWER_FILES = 4,
    ANSWER_EXTENSION_NUMBERS = 5,
    ANSWER_SERVICES = 6,
    ANSWER_ERROR = 7
};

/* ExtensionRequest { containing_type = 1, extension_number = 2 } */
static bool is_extension(struct gush_span message)
{
    struct gush_cursor in = gush_cursor_over(message);
    struct gush_rpc_field field;

    while (gush_rpc_field_next(&in, &field)) {
        if (field.number == 1 && field.is_bytes && !gush_utf8_valid(field.bytes))
            return false;
    }
    return gush_rpc_field_end(&in) == GUSH_OK;
}

/* What passes can be echoed: the peer's library would choke on a string that is not UTF-8. */
static gush_err decode(struct gush_span message, struct request *out)
{
    struct gush_cursor in = gush_cursor_over(message);
    struct gush_rpc_field field;

    *out = (struct request){.ask = ASK_NOTHING};
    while (gush_rpc_field_next(&in, &field)) {
        if (!field.is_bytes)
            continue; /* no field of ours */
        if (field.number != 1 && (field.number < ASK_FILE || field.number > ASK_SERVICES))
            continue;
        if (field.number == ASK_EXTENSION ? !is_extension(field.bytes)
                                          : !gush_utf8_valid(field.bytes))
            return GUSH_ESYNTAX;
        if (field.number == 1) {
            out->host = field.bytes;
        } else {
            out->ask = (enum ask)field.number; /* of a oneof the last one counts */
            out->name = field.bytes;
        }
    }
    return gush_rpc_field_end(&in);
}

static void put_error(struct gush_buf *b, enum gush_rpc_status status, const char *text)
{
    size_t error = gush_proto_begin(b, ANSWER_ERROR);

    gush_proto_u64(b, 1, (uint64_t)status);
    gush_proto_bytes(b, 2, gush_span_str(text));
    gush_proto_end(b, error);
}

/* |file| and what it imports, those first that others need. NULL: not found. */
static void put_files(struct gush_buf *b, const struct gush_rpc_descriptors *d,
                      const struct gush_rpc_descriptors_file *file)
{
    size_t files;

    if (file == NULL) {
        put_error(b, GUSH_RPC_NOT_FOUND, "not found");
        return;
    }
    files = gush_proto_begin(b, ANSWER_FILES);
    gush_proto_bytes(b, 1, file->bytes);
    for (size_t i = 0; i < gush_rpc_descriptors_n(d); i++) {
        const struct gush_rpc_descriptors_file *other = gush_rpc_descriptors_get(d, i);

        if (other != file && (file->needs >> i & 1) != 0)
            gush_proto_bytes(b, 1, other->bytes);
    }
    gush_proto_end(b, files);
}

/* Our schemas have no extensions; descriptors.c makes sure of it. */
static void put_extension_numbers(struct gush_buf *b, const struct gush_rpc_descriptors *d,
                                  struct gush_span type)
{
    size_t numbers;

    if (!gush_rpc_descriptors_is_message(d, type)) {
        put_error(b, GUSH_RPC_NOT_FOUND, "not found");
        return;
    }
    numbers = gush_proto_begin(b, ANSWER_EXTENSION_NUMBERS);
    gush_proto_bytes(b, 1, type);
    gush_proto_end(b, numbers);
}

static void put_services(struct gush_buf *b, const char *const *names)
{
    size_t services = gush_proto_begin(b, ANSWER_SERVICES);

    for (size_t i = 0; names[i] != NULL; i++) {
        size_t service = gush_proto_begin(b, 1);

        gush_proto_bytes(b, 1, gush_span_str(names[i]));
        gush_proto_end(b, service);
    }
    gush_proto_end(b, services);
}

gush_err gush_rpc_reflection_answer(const struct gush_rpc_descriptors *descriptors,
                                    const char *const *names, struct gush_span request,
                                    struct gush_buf *reply)
{
    struct request r;

    if (request.n > GUSH_RPC_REFLECTION_REQUEST_MAX)
        return GUSH_ELIMIT;
    if (decode(request, &r) != GUSH_OK)
        return GUSH_ESYNTAX;
    gush_proto_bytes(reply, ANSWER_HOST, r.host);
    gush_proto_bytes_always(reply, ANSWER_REQUEST, request);
    if (r.name.n > GUSH_RPC_REFLECTION_NAME_MAX)
        put_error(reply, GUSH_RPC_INVALID_ARGUMENT, "the name is too long");
    else if (r.ask == ASK_FILE)
        put_files(reply, descriptors, gush_rpc_descriptors_find(descriptors, r.name));
    else if (r.ask == ASK_SYMBOL)
        put_files(reply, descriptors, gush_rpc_descriptors_find_symbol(descriptors, r.name));
    else if (r.ask == ASK_EXTENSION)
        put_error(reply, GUSH_RPC_NOT_FOUND, "there are no extensions here");
    else if (r.ask == ASK_EXTENSION_NUMBERS)
        put_extension_numbers(reply, descriptors, r.name);
    else if (r.ask == ASK_SERVICES)
        put_services(reply, names);
    else
        put_error(reply, GUSH_RPC_INVALID_ARGUMENT, "the request asks for nothing");
    GUSH_ASSERT(gush_buf_ok(reply));
    return GUSH_OK;
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void admit(void *ctx, const struct gush_rpc_head *head, struct gush_rpc_verdict *verdict)
{
    const struct gush_rpc_reflection *reflection = ctx;

    verdict->many = true;
    if (!gush_span_eq_str(head->method, "ServerReflectionInfo")) {
        gush_rpc_verdict_unknown(verdict, head, NULL);
    } else if (gush_rpc_roster_is_ended(reflection->roster)) {
        verdict->status = GUSH_RPC_UNAVAILABLE;
        snprintf(verdict->message, sizeof(verdict->message), "the server is going down");
    }
}

static void end(struct stream *s, enum gush_rpc_status status, const char *why)
{
    struct gush_rpc_end last = {.status = status, .message = gush_span_str(why)};

    s->finished = true;
    gush_rpc_call_finish(s->entry.call, NULL, &last);
}

/* Between two requests. */
static void go_on(struct stream *s)
{
    if (gush_rpc_roster_is_ended(s->reflection->roster))
        end(s, GUSH_RPC_UNAVAILABLE, "the server is going down");
    else
        gush_rpc_call_read(s->entry.call);
}

static void look(struct gush_rpc_roster_entry *entry)
{
    struct stream *s = GUSH_CONTAINER(entry, struct stream, entry);

    if (!s->sending && !s->finished && gush_rpc_roster_is_ended(s->reflection->roster))
        end(s, GUSH_RPC_UNAVAILABLE, "the server is going down");
}

static void send_reply(struct stream *s, struct gush_span reply)
{
    struct gush_bytes *bytes = gush_bytes_copy(reply);
    gush_err err;

    err = gush_rpc_call_send_bytes(s->entry.call, bytes);
    gush_bytes_unref(bytes);
    s->sending = err == GUSH_EAGAIN;
    if (err == GUSH_OK)
        go_on(s);
}

/* The call's stream, made with its first request; NULL: there are too many. */
static struct stream *stream_of(const struct gush_rpc_reflection *reflection,
                                struct gush_rpc_call *call)
{
    struct stream *s = gush_rpc_call_user(call);

    if (s != NULL)
        return s;
    s = GUSH_NEW(struct stream);
    s->reflection = reflection;
    if (!gush_rpc_roster_try_add(reflection->roster, &s->entry, call)) {
        gush_free(s);
        return NULL;
    }
    gush_rpc_call_set_user(call, s);
    return s;
}

static void on_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    const struct gush_rpc_reflection *reflection = ctx;
    struct gush_rpc_end full = {.status = GUSH_RPC_RESOURCE_EXHAUSTED,
                                .message = GUSH_SPAN_LIT("too many streams ask")};
    struct stream *s = stream_of(reflection, call);
    struct gush_buf reply;
    gush_err err;

    if (s == NULL) {
        gush_rpc_call_finish(call, NULL, &full);
        return;
    }
    if (++s->requests_n > GUSH_RPC_REFLECTION_REQUESTS_MAX) {
        end(s, GUSH_RPC_RESOURCE_EXHAUSTED, "too many requests on one stream");
        return;
    }
    gush_buf_init(&reply, REPLY_MAX);
    err = gush_rpc_reflection_answer(reflection->descriptors, reflection->names, message, &reply);
    if (err == GUSH_OK)
        send_reply(s, gush_buf_span(&reply));
    else if (err == GUSH_ELIMIT)
        end(s, GUSH_RPC_RESOURCE_EXHAUSTED, "request: too long");
    else
        end(s, GUSH_RPC_INTERNAL, "request: malformed");
    gush_buf_fini(&reply);
}

static void on_half_close(void *ctx, struct gush_rpc_call *call)
{
    struct stream *s = gush_rpc_call_user(call);
    struct gush_rpc_end ok = {.status = GUSH_RPC_OK};

    (void)ctx;
    if (s != NULL)
        end(s, GUSH_RPC_OK, "");
    else
        gush_rpc_call_finish(call, NULL, &ok); /* it asked nothing at all */
}

static void on_sent(void *ctx, struct gush_rpc_call *call, bool ok)
{
    struct stream *s = gush_rpc_call_user(call);

    (void)ctx;
    s->sending = false;
    if (ok && !s->finished)
        go_on(s);
}

static void on_gone(void *ctx, struct gush_rpc_call *call)
{
    struct stream *s = gush_rpc_call_user(call);

    (void)ctx;
    if (s != NULL)
        s->finished = true;
}

static void on_closed(void *ctx, struct gush_rpc_call *call)
{
    const struct gush_rpc_reflection *reflection = ctx;
    struct stream *s = gush_rpc_call_user(call);

    if (s == NULL)
        return;
    gush_rpc_roster_remove(reflection->roster, &s->entry);
    gush_free(s);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static struct gush_rpc_service service_named(const char *name, struct gush_rpc_reflection *ctx)
{
    return (struct gush_rpc_service){.name = name,
                                     .ctx = ctx,
                                     .admit = admit,
                                     .on_request = on_request,
                                     .on_half_close = on_half_close,
                                     .on_sent = on_sent,
                                     .on_gone = on_gone,
                                     .on_closed = on_closed};
}

const struct gush_rpc_service *
gush_rpc_reflection_service_v1(const struct gush_rpc_reflection *reflection)
{
    return &reflection->v1;
}

const struct gush_rpc_service *
gush_rpc_reflection_service_v1alpha(const struct gush_rpc_reflection *reflection)
{
    return &reflection->v1alpha;
}

void gush_rpc_reflection_end(struct gush_rpc_reflection *reflection)
{
    gush_rpc_roster_end(reflection->roster);
}

struct gush_rpc_reflection *gush_rpc_reflection_new(struct gush_lane *const *lanes, size_t lanes_n,
                                                    const char *const *names, struct gush_span set)
{
    struct gush_rpc_reflection *reflection = GUSH_NEW(struct gush_rpc_reflection);

    reflection->v1 = service_named(GUSH_RPC_REFLECTION_V1, reflection);
    reflection->v1alpha = service_named(GUSH_RPC_REFLECTION_V1ALPHA, reflection);
    for (size_t i = 0; names[i] != NULL; i++) {
        GUSH_ASSERT(i < GUSH_RPC_SERVICES_MAX);
        reflection->names[i] = names[i];
    }
    reflection->descriptors = gush_rpc_descriptors_new(set);
    reflection->roster = gush_rpc_roster_new(lanes, lanes_n, GUSH_RPC_REFLECTION_STREAMS_MAX, look);
    return reflection;
}

void gush_rpc_reflection_free(struct gush_rpc_reflection *reflection)
{
    if (reflection == NULL)
        return;
    gush_rpc_roster_free(reflection->roster);
    gush_rpc_descriptors_free(reflection->descriptors);
    gush_free(reflection);
}
