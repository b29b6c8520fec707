#include "server/rpc/health.h"

#include <stdatomic.h>
#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/mem.h"

#include "server/codec/proto_write.h"

#include "server/rpc/field.h"
#include "server/rpc/roster.h"

#define REPLY_MAX ((size_t)4096)

enum status { STATUS_SERVING = 1, STATUS_NOT_SERVING = 2, STATUS_SERVICE_UNKNOWN = 3 };

enum method { METHOD_CHECK, METHOD_WATCH, METHOD_LIST };

struct name {
    const char *text;
    atomic_bool serving;
};

struct gush_rpc_health {
    struct gush_rpc_service service;
    struct gush_rpc_roster *roster;
    struct name names[GUSH_RPC_HEALTH_NAMES_MAX + 1]; /* the first is "" */
    size_t names_n;
};

/* One Watch. Its lane's. */
struct watch {
    struct gush_rpc_roster_entry entry;
    const struct gush_rpc_health *health;
    const struct name *name; /* NULL: not one of ours */
    enum status told;        /* 0: nothing yet */
    bool sending, finished;
};

/* ---- States ---------------------------------------------------------------------------------- */

static struct name *find_name(struct gush_rpc_health *health, struct gush_span text)
{
    for (size_t i = 0; i < health->names_n; i++) {
        if (gush_span_eq_str(text, health->names[i].text))
            return &health->names[i];
    }
    return NULL;
}

static enum status status_of(const struct name *name)
{
    if (name == NULL)
        return STATUS_SERVICE_UNKNOWN;
    return atomic_load(&name->serving) ? STATUS_SERVING : STATUS_NOT_SERVING;
}

/* HealthCheckResponse { status = 1 } */
static struct gush_bytes *reply_for(enum status status)
{
    uint8_t message[2] = {1 << 3, (uint8_t)status};

    return gush_bytes_copy(gush_span_of(message, sizeof(message)));
}

/* HealthListResponse { map<string, HealthCheckResponse> statuses = 1 } */
static struct gush_bytes *reply_for_all(const struct gush_rpc_health *health)
{
    struct gush_buf b;
    struct gush_bytes *reply;

    gush_buf_init(&b, REPLY_MAX);
    for (size_t i = 0; i < health->names_n; i++) {
        size_t member = gush_proto_begin(&b, 1), value;

        gush_proto_bytes(&b, 1, gush_span_str(health->names[i].text));
        value = gush_proto_begin(&b, 2);
        gush_proto_u64(&b, 1, status_of(&health->names[i]));
        gush_proto_end(&b, value);
        gush_proto_end(&b, member);
    }
    GUSH_ASSERT(gush_buf_ok(&b));
    reply = gush_bytes_copy(gush_buf_span(&b));
    gush_buf_fini(&b);
    return reply;
}

/* ---- Watch ----------------------------------------------------------------------------------- */

/* The last message, unless it is known, and the end. */
static void watch_end(struct watch *w, enum status status)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_UNAVAILABLE,
                               .message = GUSH_SPAN_LIT("the server is going down")};

    w->finished = true;
    gush_rpc_call_finish(w->entry.call, status == w->told ? NULL : reply_for(status), &end);
}

/* Tells what has changed, if the last message is out. */
static void watch_tell(struct watch *w)
{
    enum status status = status_of(w->name);
    struct gush_bytes *reply;

    if (w->sending || w->finished)
        return;
    if (gush_rpc_roster_is_ended(w->health->roster)) {
        watch_end(w, status);
        return;
    }
    if (status == w->told)
        return;
    w->told = status;
    reply = reply_for(status);
    w->sending = gush_rpc_call_send_bytes(w->entry.call, reply) == GUSH_EAGAIN;
    gush_bytes_unref(reply);
}

static void look(struct gush_rpc_roster_entry *entry)
{
    watch_tell(GUSH_CONTAINER(entry, struct watch, entry));
}

static void watch_begin(struct gush_rpc_health *health, struct gush_rpc_call *call,
                        const struct name *name)
{
    struct gush_rpc_end full = {.status = GUSH_RPC_RESOURCE_EXHAUSTED,
                                .message = GUSH_SPAN_LIT("too many are watching")};
    struct watch *w = GUSH_NEW(struct watch);

    if (!gush_rpc_roster_try_add(health->roster, &w->entry, call)) {
        gush_free(w);
        gush_rpc_call_finish(call, NULL, &full);
        return;
    }
    w->health = health;
    w->name = name;
    gush_rpc_call_set_user(call, w);
    watch_tell(w);
}

static void on_sent(void *ctx, struct gush_rpc_call *call, bool ok)
{
    struct watch *w = gush_rpc_call_user(call);

    (void)ctx;
    w->sending = false;
    if (ok)
        watch_tell(w); /* it may have changed meanwhile */
}

static void on_gone(void *ctx, struct gush_rpc_call *call)
{
    struct watch *w = gush_rpc_call_user(call);

    (void)ctx;
    if (w != NULL)
        w->finished = true;
}

static void on_closed(void *ctx, struct gush_rpc_call *call)
{
    struct gush_rpc_health *health = ctx;
    struct watch *w = gush_rpc_call_user(call);

    if (w == NULL)
        return;
    gush_rpc_roster_remove(health->roster, &w->entry);
    gush_free(w);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static void admit(void *ctx, const struct gush_rpc_head *head, struct gush_rpc_verdict *verdict)
{
    (void)ctx;
    if (gush_span_eq_str(head->method, "Check")) {
        verdict->note = METHOD_CHECK;
    } else if (gush_span_eq_str(head->method, "Watch")) {
        verdict->note = METHOD_WATCH;
    } else if (gush_span_eq_str(head->method, "List")) {
        verdict->note = METHOD_LIST;
    } else {
        gush_rpc_verdict_unknown(verdict, head, NULL);
    }
}

/* HealthCheckRequest { service = 1 } */
static gush_err decode(struct gush_span message, struct gush_span *service)
{
    struct gush_cursor in = gush_cursor_over(message);
    struct gush_rpc_field field;

    *service = GUSH_SPAN_EMPTY;
    while (gush_rpc_field_next(&in, &field)) {
        if (field.number == 1 && field.is_bytes)
            *service = field.bytes;
    }
    return gush_rpc_field_end(&in);
}

static void check(struct gush_rpc_call *call, const struct name *name)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_OK};

    if (name == NULL) {
        end.status = GUSH_RPC_NOT_FOUND;
        end.message = GUSH_SPAN_LIT("unknown service");
    }
    gush_rpc_call_finish(call, name ? reply_for(status_of(name)) : NULL, &end);
}

static void on_request(void *ctx, struct gush_rpc_call *call, struct gush_span message)
{
    struct gush_rpc_health *health = ctx;
    struct gush_rpc_end ok = {.status = GUSH_RPC_OK};
    struct gush_rpc_end broken = {.status = GUSH_RPC_INTERNAL,
                                  .message = GUSH_SPAN_LIT("request: malformed")};
    struct gush_span service;

    if (decode(message, &service) != GUSH_OK)
        gush_rpc_call_finish(call, NULL, &broken);
    else if (gush_rpc_call_note(call) == METHOD_LIST)
        gush_rpc_call_finish(call, reply_for_all(health), &ok);
    else if (gush_rpc_call_note(call) == METHOD_WATCH)
        watch_begin(health, call, find_name(health, service));
    else
        check(call, find_name(health, service));
}

/* ---- Life ------------------------------------------------------------------------------------ */

gush_err gush_rpc_health_set_serving(struct gush_rpc_health *health, const char *name, bool serving)
{
    struct name *one = name ? find_name(health, gush_span_str(name)) : NULL;

    if (name != NULL && one == NULL)
        return GUSH_EUNKNOWN;
    for (size_t i = 0; i < health->names_n; i++) {
        if (one == NULL || one == &health->names[i])
            atomic_store(&health->names[i].serving, serving);
    }
    gush_rpc_roster_look(health->roster);
    return GUSH_OK;
}

void gush_rpc_health_end(struct gush_rpc_health *health)
{
    for (size_t i = 0; i < health->names_n; i++)
        atomic_store(&health->names[i].serving, false);
    gush_rpc_roster_end(health->roster);
}

const struct gush_rpc_service *gush_rpc_health_service(const struct gush_rpc_health *health)
{
    return &health->service;
}

static void add_name(struct gush_rpc_health *health, const char *text)
{
    struct name *name = &health->names[health->names_n++];

    GUSH_ASSERT(health->names_n <= GUSH_RPC_HEALTH_NAMES_MAX + 1);
    name->text = text;
    atomic_init(&name->serving, true);
}

struct gush_rpc_health *gush_rpc_health_new(struct gush_lane *const *lanes, size_t lanes_n,
                                            const char *const *names)
{
    struct gush_rpc_health *health = GUSH_NEW(struct gush_rpc_health);

    health->service = (struct gush_rpc_service){.name = GUSH_RPC_HEALTH_NAME,
                                                .ctx = health,
                                                .admit = admit,
                                                .on_request = on_request,
                                                .on_sent = on_sent,
                                                .on_gone = on_gone,
                                                .on_closed = on_closed};
    health->roster = gush_rpc_roster_new(lanes, lanes_n, GUSH_RPC_HEALTH_WATCHES_MAX, look);
    add_name(health, "");
    for (size_t i = 0; names[i] != NULL; i++)
        add_name(health, names[i]);
    return health;
}

void gush_rpc_health_free(struct gush_rpc_health *health)
{
    if (health == NULL)
        return;
    gush_rpc_roster_free(health->roster);
    gush_free(health);
}
