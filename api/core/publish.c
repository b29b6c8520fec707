/* Publish and Broadcast: one payload into one channel, or into many. */
#include <stdatomic.h>
#include <stdlib.h>

#include "api/core/api_core_priv.h"

/* ---- What both requests carry ---------------------------------------------------------------- */

struct numbered_tag {
    struct gush_tag tag;
    size_t number;
};

static int by_key(const void *a, const void *b)
{
    const struct numbered_tag *x = a, *y = b;
    int order = gush_span_cmp(x->tag.key, y->tag.key);

    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* Sorted, as every map of the API is shown; of equal keys the last one counts. */
static void keep_tags(struct gush_publish_call *call, struct gush_arena *a,
                      struct numbered_tag *all, size_t n)
{
    struct gush_tag *tags = gush_arena_alloc(a, n, sizeof(*tags));
    size_t kept = 0;

    qsort(all, n, sizeof(*all), by_key);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n || !gush_span_eq(all[i].tag.key, all[i + 1].tag.key))
            tags[kept++] = all[i].tag;
    }
    call->tags = tags;
    call->tags_n = kept;
}

/* Fields of the same names in two generated types. */
#define TAKE_COMMON(call, arena, request)                                                          \
    do {                                                                                           \
        (call)->skip_history = (request)->skip_history != 0;                                       \
        (call)->idempotency_key = gush_span_str((request)->idempotency_key);                       \
        (call)->delta = (request)->delta != 0;                                                     \
        (call)->version = (request)->version;                                                      \
        (call)->version_epoch = gush_span_str((request)->version_epoch);                           \
        if ((request)->n_tags > 0) {                                                               \
            struct numbered_tag *all_ =                                                            \
                gush_arena_alloc((arena), (request)->n_tags, sizeof(*all_));                       \
            for (size_t i_ = 0; i_ < (request)->n_tags; i_++) {                                    \
                all_[i_].tag.key = gush_span_str((request)->tags[i_]->key);                        \
                all_[i_].tag.value = gush_span_str((request)->tags[i_]->value);                    \
                all_[i_].number = i_;                                                              \
            }                                                                                      \
            keep_tags((call), (arena), all_, (request)->n_tags);                                   \
        }                                                                                          \
    } while (0)

static GUSH__MESSAGE(PublishResult) *
    result_of(struct gush_arena *a, const struct gush_publish_call *call)
{
    GUSH__MESSAGE(PublishResult) *result = gush_arena_message(a, GUSH__DESCRIPTOR(publish_result));

    result->offset = call->offset;
    if (call->epoch.n > 0)
        result->epoch = gush__method_string(a, gush_epoch_span(&call->epoch));
    return result;
}

/* ---- Publish --------------------------------------------------------------------------------- */

struct publishing {
    struct gush_publish_call call;
    struct gush_method_run *run;
};

static void published(struct gush_api_call *call)
{
    struct publishing *p = GUSH_CONTAINER(call, struct publishing, call.call);

    if (call->error != GUSH_ERROR_NONE)
        gush__method_failed(p->run, call->error);
    else
        gush__method_done(p->run, result_of(p->run->arena, &p->call));
}

static void publish_lost(struct gush_api_call *call)
{
    struct publishing *p = GUSH_CONTAINER(call, struct publishing, call.call);

    gush__method_lost(p->run);
}

void gush__method_publish(struct gush_method_run *run)
{
    const GUSH__MESSAGE(PublishRequest) *request = GUSH__REQUEST(PublishRequest, run);
    struct publishing *p = gush_arena_alloc(run->arena, 1, sizeof(*p));

    p->run = run;
    p->call.call.home = run->home;
    p->call.call.done = published;
    p->call.call.dropped = publish_lost;
    p->call.channel = gush_span_str(request->channel);
    if (!gush__method_payload(run->arena, request->b64data, request->data, &p->call.data)) {
        gush__method_failed(run, GUSH_ERROR_BAD_REQUEST); /* before the namespace is looked at */
        return;
    }
    TAKE_COMMON(&p->call, run->arena, request);
    gush_publish(run->node, &p->call);
}

/* ---- Broadcast ------------------------------------------------------------------------------- */

struct broadcast;

/* One publish under way; used again for the next channel. */
struct broadcast_slot {
    struct gush_publish_call call;
    struct broadcast *broadcast;
    size_t index; /* of the channel */
};

struct broadcast {
    struct gush_method_run *run;
    struct gush_publish_call common;
    GUSH__MESSAGE(BroadcastResult) * result;
    char **channels;
    size_t channels_n, next;
    /* Parts, and one while the first are started. Answers come to the home lane; when that has
     * closed they are lost, on any thread and several at once. */
    atomic_size_t under_way;
    atomic_bool lost;
};

static void broadcast_next(struct broadcast *b, struct broadcast_slot *slot)
{
    slot->index = b->next++;
    atomic_fetch_add(&b->under_way, 1);
    slot->call = b->common;
    slot->call.channel = gush_span_str(b->channels[slot->index]);
    gush_publish(b->run->node, &slot->call);
}

/* |b| may be gone behind this. */
static void broadcast_release(struct broadcast *b)
{
    if (atomic_fetch_sub(&b->under_way, 1) > 1)
        return;
    if (atomic_load(&b->lost))
        gush__method_lost(b->run);
    else
        gush__method_done(b->run, b->result);
}

static void broadcast_part_done(struct gush_api_call *call)
{
    struct broadcast_slot *slot = GUSH_CONTAINER(call, struct broadcast_slot, call.call);
    struct broadcast *b = slot->broadcast;
    struct gush_arena *a = b->run->arena;
    GUSH__MESSAGE(PublishResponse) *response =
        gush_arena_message(a, GUSH__DESCRIPTOR(publish_response));

    if (call->error != GUSH_ERROR_NONE) {
        gush__method_count_error(b->run, "broadcast_publish", call->error);
        response->error = gush__method_error(a, call->error);
    } else {
        response->result = result_of(a, &slot->call);
    }
    b->result->responses[slot->index] = response;
    if (b->next < b->channels_n && !atomic_load(&b->lost))
        broadcast_next(b, slot);
    broadcast_release(b);
}

static void broadcast_part_lost(struct gush_api_call *call)
{
    struct broadcast_slot *slot = GUSH_CONTAINER(call, struct broadcast_slot, call.call);

    atomic_store(&slot->broadcast->lost, true);
    broadcast_release(slot->broadcast);
}

void gush__method_broadcast(struct gush_method_run *run)
{
    const GUSH__MESSAGE(BroadcastRequest) *request = GUSH__REQUEST(BroadcastRequest, run);
    struct gush_arena *a = run->arena;
    size_t n = request->n_channels, slots_n = n < GUSH__METHOD_WINDOW ? n : GUSH__METHOD_WINDOW;
    struct broadcast *b = gush_arena_alloc(a, 1, sizeof(*b));
    struct broadcast_slot *slots;

    if (n == 0 || n > GUSH_METHODS_MEMBERS_MAX ||
        !gush__method_payload(a, request->b64data, request->data, &b->common.data)) {
        gush__method_failed(run, GUSH_ERROR_BAD_REQUEST);
        return;
    }
    TAKE_COMMON(&b->common, a, request);
    b->run = run;
    b->common.call.home = run->home;
    b->common.call.done = broadcast_part_done;
    b->common.call.dropped = broadcast_part_lost;
    b->channels = request->channels;
    b->channels_n = n;
    b->result = gush_arena_message(a, GUSH__DESCRIPTOR(broadcast_result));
    b->result->n_responses = n;
    b->result->responses = gush_arena_alloc(a, n, sizeof(b->result->responses[0]));
    slots = gush_arena_alloc(a, slots_n, sizeof(*slots));
    atomic_store(&b->under_way, 1); /* us: a closed lane loses letters while we still post */
    for (size_t i = 0; i < slots_n && !atomic_load(&b->lost); i++) {
        slots[i].broadcast = b;
        broadcast_next(b, &slots[i]);
    }
    broadcast_release(b);
}
