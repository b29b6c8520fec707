/* Batch: several commands in one request, one after the other or side by side. */
#include <stdatomic.h>
#include <string.h>

#include "api/core/api_core_priv.h"

/* Members of a command in the order in which the first one present wins. What is not here is not
 * seen: alone in its command it is as good as nothing, error 104. */
#define COMMANDS(X)                                                                                \
    X(publish)                                                                                     \
    X(broadcast)                                                                                   \
    X(subscribe)                                                                                   \
    X(unsubscribe)                                                                                 \
    X(disconnect)                                                                                  \
    X(history)                                                                                     \
    X(history_remove)                                                                              \
    X(presence)                                                                                    \
    X(presence_stats)                                                                              \
    X(info)                                                                                        \
    X(rpc)                                                                                         \
    X(refresh)                                                                                     \
    X(channels)

struct batch;

struct part {
    struct gush_method_run run;
    struct batch *batch;
    GUSH__MESSAGE(Reply) * reply;
    size_t in_reply; /* offset of the result's place */
};

/* Parts are answered on the home lane. When that has closed they are lost, on any thread and
 * several at once; hence the atomics. */
struct batch {
    struct gush_method_run *run;
    const GUSH__MESSAGE(BatchRequest) * request;
    GUSH__MESSAGE(BatchResponse) * response;
    struct part *parts;
    size_t next, window;
    atomic_size_t under_way; /* parts, and one while the first are started: the last ends all */
    atomic_bool lost;
    bool starting;
};

/* What |command| asks for, or the error. NULL is what JSON calls null. */
static uint32_t choose(const GUSH__MESSAGE(Command) * command, struct part *part)
{
    if (command == NULL)
        return GUSH_ERROR_BAD_REQUEST;
#define X(name)                                                                                    \
    if (command->name) {                                                                           \
        part->run.method = gush_methods_find_member(GUSH_SPAN_LIT(#name));                         \
        part->run.request = &command->name->base;                                                  \
        part->in_reply = offsetof(GUSH__MESSAGE(Reply), name);                                     \
        GUSH_ASSERT(part->run.method != NULL);                                                     \
        return GUSH_ERROR_NONE;                                                                    \
    }
    COMMANDS(X)
#undef X
    return GUSH_ERROR_METHOD_NOT_FOUND;
}

static void start_more(struct batch *b);

/* |b| may be gone behind this. */
static void release(struct batch *b)
{
    if (atomic_fetch_sub(&b->under_way, 1) > 1)
        return;
    if (atomic_load(&b->lost))
        gush__method_lost(b->run);
    else
        gush__method_done(b->run, b->response);
}

static void part_done(struct gush_method_run *run)
{
    struct part *part = GUSH_CONTAINER(run, struct part, run);
    struct batch *b = part->batch;

    if (run->lost) {
        atomic_store(&b->lost, true);
        release(b);
        return;
    }
    if (run->error != GUSH_ERROR_NONE)
        part->reply->error = gush__method_error(run->arena, run->error);
    else
        memcpy((char *)part->reply + part->in_reply, &run->result, sizeof(run->result));
    start_more(b);
    release(b);
}

static void start(struct batch *b, size_t i)
{
    struct part *part = &b->parts[i];
    uint32_t error = choose(b->request->commands[i], part);

    part->batch = b;
    part->reply = b->response->replies[i];
    part->run.node = b->run->node;
    part->run.home = b->run->home;
    part->run.protocol = b->run->protocol;
    part->run.errors_uncounted = b->run->errors_uncounted;
    part->run.arena = b->run->arena;
    part->run.done = part_done;
    if (error != GUSH_ERROR_NONE) {
        gush__method_count_error(b->run, "unknown", error);
        part->reply->error = gush__method_error(b->run->arena, error);
        return;
    }
    atomic_fetch_add(&b->under_way, 1);
    gush_methods_run(&part->run);
}

/* Starts what may be started; a part that ends inside its own start comes back to this loop. The
 * caller holds one of |under_way|, which takes no room in the window. */
static void start_more(struct batch *b)
{
    if (b->starting)
        return;
    b->starting = true;
    while (b->next < b->request->n_commands && atomic_load(&b->under_way) <= b->window &&
           !atomic_load(&b->lost))
        start(b, b->next++);
    b->starting = false;
}

static void batch_fini(struct gush_method_run *run)
{
    struct batch *b = run->state;

    for (size_t i = 0; i < b->next; i++)
        gush_methods_fini(&b->parts[i].run);
}

void gush__method_batch(struct gush_method_run *run)
{
    const GUSH__MESSAGE(BatchRequest) *request = GUSH__REQUEST(BatchRequest, run);
    struct gush_arena *a = run->arena;
    size_t n = request->n_commands;
    struct batch *b = gush_arena_alloc(a, 1, sizeof(*b));

    if (n > GUSH_METHODS_MEMBERS_MAX) {
        gush__method_failed(run, GUSH_ERROR_BAD_REQUEST);
        return;
    }
    b->run = run;
    b->request = request;
    b->window = request->parallel ? GUSH__METHOD_WINDOW : 1;
    b->parts = gush_arena_alloc(a, n, sizeof(*b->parts));
    b->response = gush_arena_message(a, GUSH__DESCRIPTOR(batch_response));
    b->response->n_replies = n;
    b->response->replies = gush_arena_alloc(a, n, sizeof(b->response->replies[0]));
    for (size_t i = 0; i < n; i++)
        b->response->replies[i] = gush_arena_message(a, GUSH__DESCRIPTOR(reply));
    run->state = b;
    run->fini = batch_fini;
    atomic_store(&b->under_way, 1); /* us */
    start_more(b);
    release(b);
}
