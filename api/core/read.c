/* History, HistoryRemove, Presence, PresenceStats, Channels, Info: what the engine knows. */
#include "server/base/metrics.h"

#include "api/core/api_core_priv.h"

/* Every engine call is kept until fini: its results are borrowed by the answer. */
#define READING(type)                                                                              \
    struct reading_##type {                                                                        \
        struct gush_##type##_call call;                                                            \
        struct gush_method_run *run;                                                               \
    };                                                                                             \
    static void type##_lost(struct gush_api_call *call)                                            \
    {                                                                                              \
        gush__method_lost(GUSH_CONTAINER(call, struct reading_##type, call.call)->run);            \
    }                                                                                              \
    static struct gush_##type##_call *type##_begin(struct gush_method_run *run,                    \
                                                   void (*done)(struct gush_api_call * call))      \
    {                                                                                              \
        struct reading_##type *r = gush_arena_alloc(run->arena, 1, sizeof(*r));                    \
                                                                                                   \
        r->run = run;                                                                              \
        r->call.call.home = run->home;                                                             \
        r->call.call.done = done;                                                                  \
        r->call.call.dropped = type##_lost;                                                        \
        run->state = &r->call;                                                                     \
        return &r->call;                                                                           \
    }                                                                                              \
    static struct reading_##type *type##_back(struct gush_api_call *call)                          \
    {                                                                                              \
        struct reading_##type *r = GUSH_CONTAINER(call, struct reading_##type, call.call);         \
                                                                                                   \
        if (call->error == GUSH_ERROR_NONE)                                                        \
            return r;                                                                              \
        gush__method_failed(r->run, call->error);                                                  \
        return NULL;                                                                               \
    }

READING(history)
READING(history_remove)
READING(presence)
READING(channels)
READING(info)

/* ---- Shared shapes --------------------------------------------------------------------------- */

static GUSH__MESSAGE(ClientInfo) *
    client_info(struct gush_arena *a, const struct gush_client_info *from)
{
    GUSH__MESSAGE(ClientInfo) *info = gush_arena_message(a, GUSH__DESCRIPTOR(client_info));

    info->user = gush__method_string(a, from->user);
    info->client = gush__method_string(a, from->client);
    info->conn_info = gush__method_bytes(from->conn_info);
    info->chan_info = gush__method_bytes(from->chan_info);
    return info;
}

/* ---- History --------------------------------------------------------------------------------- */

static GUSH__MESSAGE(Publication) *
    publication(struct gush_arena *a, const struct gush_publication *from)
{
    GUSH__MESSAGE(Publication) *p = gush_arena_message(a, GUSH__DESCRIPTOR(publication));
    struct gush_pub view = gush_publication_view(from, GUSH_SPAN_EMPTY);

    p->data = gush__method_bytes(view.data);
    p->offset = view.offset;
    if (view.info)
        p->info = client_info(a, view.info);
    if (view.tags_n == 0)
        return p;
    p->n_tags = view.tags_n;
    p->tags = gush_arena_alloc(a, view.tags_n, sizeof(p->tags[0]));
    for (size_t i = 0; i < view.tags_n; i++) {
        p->tags[i] = gush_arena_message(a, GUSH__DESCRIPTOR(publication__tags_entry));
        p->tags[i]->key = gush__method_string(a, view.tags[i].key);
        p->tags[i]->value = gush__method_string(a, view.tags[i].value);
    }
    return p;
}

static void history_done(struct gush_api_call *call)
{
    struct reading_history *r = history_back(call);
    GUSH__MESSAGE(HistoryResult) * result;
    struct gush_arena *a;

    if (r == NULL)
        return;
    a = r->run->arena;
    result = gush_arena_message(a, GUSH__DESCRIPTOR(history_result));
    result->offset = r->call.offset;
    result->epoch = gush__method_string(a, gush_epoch_span(&r->call.epoch));
    result->n_publications = r->call.publications_n;
    if (result->n_publications > 0)
        result->publications =
            gush_arena_alloc(a, result->n_publications, sizeof(result->publications[0]));
    for (size_t i = 0; i < result->n_publications; i++)
        result->publications[i] = publication(a, r->call.publications[i]);
    gush__method_done(r->run, result);
}

static void history_fini(struct gush_method_run *run)
{
    gush_history_call_fini(run->state);
}

void gush__method_history(struct gush_method_run *run)
{
    const GUSH__MESSAGE(HistoryRequest) *request = GUSH__REQUEST(HistoryRequest, run);
    struct gush_history_call *call = history_begin(run, history_done);

    run->fini = history_fini;
    call->channel = gush_span_str(request->channel);
    call->limit = request->limit;
    call->reverse = request->reverse != 0;
    if (request->since) {
        call->has_since = true;
        call->since_offset = request->since->offset;
        call->since_epoch = gush_span_str(request->since->epoch);
    }
    gush_history(run->node, call);
}

static void history_remove_done(struct gush_api_call *call)
{
    struct reading_history_remove *r = history_remove_back(call);

    if (r != NULL)
        gush__method_done(
            r->run, gush_arena_message(r->run->arena, GUSH__DESCRIPTOR(history_remove_result)));
}

void gush__method_history_remove(struct gush_method_run *run)
{
    struct gush_history_remove_call *call = history_remove_begin(run, history_remove_done);

    call->channel = gush_span_str(GUSH__REQUEST(HistoryRemoveRequest, run)->channel);
    gush_history_remove(run->node, call);
}

/* ---- Presence -------------------------------------------------------------------------------- */

static void presence_fini(struct gush_method_run *run)
{
    gush_presence_call_fini(run->state);
}

static void presence_done(struct gush_api_call *call)
{
    struct reading_presence *r = presence_back(call);
    GUSH__MESSAGE(PresenceResult) * result;
    struct gush_arena *a;

    if (r == NULL)
        return;
    a = r->run->arena;
    result = gush_arena_message(a, GUSH__DESCRIPTOR(presence_result));
    result->n_presence = r->call.clients_n;
    if (result->n_presence > 0)
        result->presence = gush_arena_alloc(a, result->n_presence, sizeof(result->presence[0]));
    for (size_t i = 0; i < result->n_presence; i++) {
        const struct gush_client_info *info = &r->call.clients[i];

        result->presence[i] =
            gush_arena_message(a, GUSH__DESCRIPTOR(presence_result__presence_entry));
        result->presence[i]->key = gush__method_string(a, info->client);
        result->presence[i]->value = client_info(a, info);
    }
    gush__method_done(r->run, result);
}

void gush__method_presence(struct gush_method_run *run)
{
    struct gush_presence_call *call = presence_begin(run, presence_done);

    run->fini = presence_fini;
    call->channel = gush_span_str(GUSH__REQUEST(PresenceRequest, run)->channel);
    gush_presence(run->node, call);
}

static void presence_stats_done(struct gush_api_call *call)
{
    struct reading_presence *r = presence_back(call);
    GUSH__MESSAGE(PresenceStatsResult) * result;

    if (r == NULL)
        return;
    result = gush_arena_message(r->run->arena, GUSH__DESCRIPTOR(presence_stats_result));
    result->num_clients = (uint32_t)r->call.clients_n;
    result->num_users = r->call.users_n;
    gush__method_done(r->run, result);
}

void gush__method_presence_stats(struct gush_method_run *run)
{
    struct gush_presence_call *call = presence_begin(run, presence_stats_done);

    run->fini = presence_fini;
    call->stats_only = true;
    call->channel = gush_span_str(GUSH__REQUEST(PresenceStatsRequest, run)->channel);
    gush_presence(run->node, call);
}

/* ---- Channels, Info -------------------------------------------------------------------------- */

static void channels_fini(struct gush_method_run *run)
{
    gush_channels_call_fini(run->state);
}

static void channels_done(struct gush_api_call *call)
{
    struct reading_channels *r = channels_back(call);
    GUSH__MESSAGE(ChannelsResult) * result;
    struct gush_arena *a;

    if (r == NULL)
        return;
    a = r->run->arena;
    result = gush_arena_message(a, GUSH__DESCRIPTOR(channels_result));
    result->n_channels = r->call.channels_n;
    if (result->n_channels > 0)
        result->channels = gush_arena_alloc(a, result->n_channels, sizeof(result->channels[0]));
    for (size_t i = 0; i < result->n_channels; i++) {
        GUSH__MESSAGE(ChannelInfo) *info = gush_arena_message(a, GUSH__DESCRIPTOR(channel_info));

        info->num_clients = r->call.channels[i].clients;
        result->channels[i] =
            gush_arena_message(a, GUSH__DESCRIPTOR(channels_result__channels_entry));
        result->channels[i]->key =
            gush__method_string(a, gush_bytes_span(r->call.channels[i].name));
        result->channels[i]->value = info;
    }
    gush__method_done(r->run, result);
}

void gush__method_channels(struct gush_method_run *run)
{
    struct gush_channels_call *call = channels_begin(run, channels_done);

    run->fini = channels_fini;
    call->pattern = gush_span_str(GUSH__REQUEST(ChannelsRequest, run)->pattern);
    gush_channels(run->node, call);
}

struct itemizing {
    struct gush_arena *arena;
    GUSH__MESSAGE(Metrics) * metrics;
    size_t cap;
};

static void count_item(void *arg, struct gush_span key, double value)
{
    (void)key;
    (void)value;
    ++*(size_t *)arg;
}

static void add_item(void *arg, struct gush_span key, double value)
{
    struct itemizing *t = arg;
    GUSH__MESSAGE(Metrics__ItemsEntry) * item;

    if (t->metrics->n_items == t->cap)
        return; /* a snapshot was taken between counting and now: the next answer has it */
    item = gush_arena_message(t->arena, GUSH__DESCRIPTOR(metrics__items_entry));
    item->key = gush__method_string(t->arena, key);
    item->value = value;
    t->metrics->items[t->metrics->n_items++] = item;
}

/* What was counted in the last interval. */
static GUSH__MESSAGE(Metrics) * metrics_of(struct gush_node *node, struct gush_arena *a)
{
    struct itemizing t = {a, gush_arena_message(a, GUSH__DESCRIPTOR(metrics)), 0};
    struct gush_metrics *metrics = gush_node_metrics(node);

    t.metrics->interval = (double)gush_node_config(node)->info_metrics_aggregate_interval_ms / 1000;
    gush_metrics_items(metrics, count_item, &t.cap);
    if (t.cap > 0)
        t.metrics->items = gush_arena_alloc(a, t.cap, sizeof(t.metrics->items[0]));
    gush_metrics_items(metrics, add_item, &t);
    return t.metrics;
}

static void info_done(struct gush_api_call *call)
{
    struct reading_info *r = info_back(call);
    GUSH__MESSAGE(InfoResult) * result;
    GUSH__MESSAGE(NodeResult) * node;
    struct gush_arena *a;

    if (r == NULL)
        return;
    a = r->run->arena;
    result = gush_arena_message(a, GUSH__DESCRIPTOR(info_result));
    node = gush_arena_message(a, GUSH__DESCRIPTOR(node_result));
    node->uid = gush__method_string(a, gush_span_of(r->call.uid, sizeof(r->call.uid)));
    node->name = gush__method_string(a, gush_span_str(r->call.name));
    node->version = gush__method_string(a, gush_span_str(r->call.version));
    node->num_clients = r->call.clients;
    node->num_users = r->call.users;
    node->num_channels = r->call.channels;
    node->num_subs = r->call.subs;
    node->uptime = r->call.uptime_s;
    node->metrics = metrics_of(r->run->node, a);
    result->n_nodes = 1;
    result->nodes = gush_arena_alloc(a, 1, sizeof(result->nodes[0]));
    result->nodes[0] = node;
    gush__method_done(r->run, result);
}

void gush__method_info(struct gush_method_run *run)
{
    gush_info(run->node, info_begin(run, info_done));
}
