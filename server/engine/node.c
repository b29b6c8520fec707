#include "server/engine/node.h"

#include <limits.h>
#include <string.h>

#include "server/base/bytes.h"
#include "server/base/codes.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/engine/client_priv.h"
#include "server/engine/node_priv.h"
#include "server/engine/remote.h"

#define SWEEP_MS         1000
#define SWEEP_AGAIN_MS   20
#define SWEEP_BUDGET     GUSH_SIM_SMALL(512, 4) /* channels expired per turn */
#define SWEEP_LIMIT      GUSH_SIM_SMALL(64, 2)  /* channels expired per shard and visit */
#define DISCONNECT_BATCH GUSH_SIM_SMALL(256, 2)

/* ---- time and chance ------------------------------------------------------------------------ */

uint64_t gush__node_now_ms(const struct gush_node *node)
{
    return node->host->mono_ms(node->host->host);
}

int64_t gush__node_wall_ms(const struct gush_node *node)
{
    return node->host->wall_ms(node->host->host);
}

void gush__node_uuid(const struct gush_node *node, char out[36])
{
    uint8_t random[16];

    node->host->random(node->host->host, random, sizeof random);
    gush_uuid_format(random, out);
}

void gush__node_new_epoch(const struct gush_node *node, struct gush_epoch *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    uint8_t random[8];

    node->host->random(node->host->host, random, sizeof random);
    out->n = sizeof random;
    for (size_t i = 0; i < sizeof random; i++)
        out->s[i] = letters[random[i] % (sizeof letters - 1)];
}

uint64_t gush__node_meta_ttl_ms(const struct gush_node *node,
                                const struct gush_channel_options *options)
{
    int64_t s = options->history_meta_ttl_s ? options->history_meta_ttl_s
                                            : node->config->channel.history_meta_ttl_s;
    return (uint64_t)s * 1000;
}

void gush__node_wake(struct gush_node *node, uint64_t lanes)
{
    for (unsigned i = 0; lanes; i++, lanes >>= 1)
        if ((lanes & 1) && !GUSH_BUG(GUSH_BUG_WAKE_LEFT_OUT)) {
            const struct gush_lane_host *host = &node->lanes[i]->host;
            GUSH_SYNC_POINT("wake");
            host->wake(host->host);
        }
}

const struct gush_config *gush_node_config(const struct gush_node *node)
{
    return node->config;
}

struct gush_metrics *gush_node_metrics(const struct gush_node *node)
{
    return node->metrics;
}

/* ---- metrics --------------------------------------------------------------------------------- */

uint32_t gush__node_namespace(const struct gush_node *node, struct gush_span channel)
{
    const struct gush_config *config = node->config;
    const struct gush_channel_options *options = NULL;

    if (gush_config_channel(config, channel, &options, NULL) != GUSH_OK ||
        options == &config->channel.without_namespace)
        return 0;
    return (uint32_t)(((const char *)options - (const char *)&config->channel.namespaces->options) /
                      (ptrdiff_t)sizeof(struct gush_namespace)) +
           1;
}

#define HTTP_PATHS 64 /* those of the API, and one for each transport */

static struct gush_metrics *new_metrics(const struct gush_node_options *o)
{
    size_t n = o->config->channel.namespaces_n + 1;
    const char **names = gush_zalloc(n, sizeof *names);

    names[0] = "";
    for (size_t i = 1; i < n; i++)
        names[i] = o->config->channel.namespaces[i - 1].name;
    struct gush_metrics *m = gush_metrics_new(&(struct gush_metrics_options){
        .lanes_n = o->lanes_n,
        .version = o->version,
        .namespaces = names,
        .namespaces_n = n,
        .paths_n = o->config->prometheus.instrument_http_handlers ? HTTP_PATHS : 0});
    gush_free(names);
    return m;
}

static void find_cells(struct gush_lane_state *s)
{
    struct gush_metrics *m = s->node->metrics;
    unsigned lane = s->lane->index;

    for (uint32_t t = 0; t < GUSH_TRANSPORTS_N; t++)
        for (unsigned f = 0; f < GUSH_FRAMINGS_N; f++)
            s->sent[t][f] = (struct gush_outbox_sent){
                .frames = gush_metrics_cells(m, lane, GUSH_METRIC_MESSAGES_SENT, GUSH_AT(t)),
                .bytes = gush_metrics_cells(m, lane, GUSH_METRIC_MESSAGES_SENT_SIZE, GUSH_AT(t)),
                .framing = (enum gush_framing)f};
}

void gush_node_gauges(struct gush_node *node)
{
    struct gush_live live;
    uint64_t channels = atomic_load_explicit(&node->channels.listened_n, memory_order_relaxed);

    gush_node_live(node, &live);
    gush_metrics_set(node->metrics, GUSH_METRIC_BUILD, GUSH_AT_NONE, 1);
    gush_metrics_set(node->metrics, GUSH_METRIC_NUM_NODES, GUSH_AT_NONE, 1);
    gush_metrics_set(node->metrics, GUSH_METRIC_NUM_CLIENTS, GUSH_AT_NONE, live.clients);
    gush_metrics_set(node->metrics, GUSH_METRIC_NUM_USERS, GUSH_AT_NONE, live.users);
    gush_metrics_set(node->metrics, GUSH_METRIC_NUM_SUBSCRIPTIONS, GUSH_AT_NONE,
                     live.subscriptions);
    gush_metrics_set(node->metrics, GUSH_METRIC_NUM_CHANNELS, GUSH_AT_NONE, channels);
}

/* ---- doors: backpressure -------------------------------------------------------------------- */

static bool behind(const struct gush_node *node, unsigned divisor)
{
    uint64_t bytes = (uint64_t)node->config->lanes.backlog_bytes / divisor;
    uint64_t deliveries = (uint64_t)node->config->lanes.backlog_deliveries / divisor;

    for (size_t i = 0; i < node->lanes_n; i++) {
        const struct gush_lane *l = node->lanes[i];
        if (atomic_load_explicit(&l->backlog_bytes, memory_order_relaxed) > bytes ||
            atomic_load_explicit(&l->backlog_deliveries, memory_order_relaxed) > deliveries)
            return true;
    }
    return false;
}

/* The letter is the owner's again: it may wait anew. */
static const struct gush_letter_kind *door_is_back(struct gush_door *door)
{
    gush_mutex_lock(&door->node->doors_lock);
    door->waiting = false;
    gush_mutex_unlock(&door->node->doors_lock);
    return door->kind;
}

static void door_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct gush_door *door = GUSH_CONTAINER(letter, struct gush_door, letter);
    door_is_back(door)->open(lane, letter);
}

static void door_drop(struct gush_letter *letter)
{
    struct gush_door *door = GUSH_CONTAINER(letter, struct gush_door, letter);
    door_is_back(door)->drop(letter);
}

static const struct gush_letter_kind door_kind = {"door", door_open, door_drop};

static struct gush_door *next_door(struct gush_node *node)
{
    gush_mutex_lock(&node->doors_lock);
    struct gush_door *door = node->doors;
    if (door) {
        node->doors = door->next;
        node->doors_n--;
    }
    if (node->doors == NULL)
        atomic_store_explicit(&node->doors_wait, false, memory_order_relaxed);
    gush_mutex_unlock(&node->doors_lock);
    return door;
}

static void open_doors(struct gush_node *node)
{
    struct gush_door *door;

    gush_mutex_lock(&node->doors_lock);
    unsigned n = node->doors_n; /* who comes back meanwhile waits for the next time */
    gush_mutex_unlock(&node->doors_lock);
    while (n-- > 0 && (door = next_door(node)) != NULL)
        gush_lane_post(door->lane, &door->letter);
}

static void on_settled(void *arg)
{
    struct gush_node *node = arg;

    /* The backlog was taken off before we look who waits; a door says that it waits before it looks
     * at the backlog: one of both sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&node->doors_wait, memory_order_relaxed) && !behind(node, 2))
        open_doors(node);
}

bool gush_node_hold(struct gush_node *node, struct gush_door *door)
{
    if (!behind(node, 1))
        return false;
    gush_mutex_lock(&node->doors_lock);
    if (!door->waiting) {
        if (door->letter.kind != &door_kind)
            door->kind = door->letter.kind;
        door->letter.kind = &door_kind;
        door->node = node;
        door->waiting = true;
        door->next = node->doors;
        node->doors = door;
        node->doors_n++;
    }
    atomic_store_explicit(&node->doors_wait, true, memory_order_relaxed);
    gush_mutex_unlock(&node->doors_lock);
    atomic_thread_fence(memory_order_seq_cst);
    /* The lanes may have settled just before they could see us. */
    if (!behind(node, 2))
        open_doors(node);
    return true;
}

/* ---- lanes ---------------------------------------------------------------------------------- */

struct gush_lane_state *gush__lane_state(const struct gush_node *node, const struct gush_lane *lane)
{
    return &node->states[lane->index];
}

struct gush_client_ref gush__lane_enter(struct gush_lane_state *s, struct gush_client *client)
{
    if (s->first_free == UINT32_MAX) {
        uint32_t n = s->slots_n ? s->slots_n * 2 : 16;
        s->slots = gush_realloc(s->slots, n * sizeof *s->slots);
        for (uint32_t i = s->slots_n; i < n; i++)
            s->slots[i] = (struct gush_client_slot){NULL, 0, i + 1 < n ? i + 1 : UINT32_MAX};
        s->first_free = s->slots_n;
        s->slots_n = n;
    }
    struct gush_client_ref ref = {s->lane->index, s->first_free,
                                  ++s->slots[s->first_free].generation};
    s->slots[ref.slot].client = client;
    s->first_free = s->slots[ref.slot].next_free;
    return ref;
}

void gush__lane_leave(struct gush_lane_state *s, uint32_t slot)
{
    s->slots[slot].client = NULL;
    s->slots[slot].next_free = s->first_free;
    s->first_free = slot;
}

struct gush_client *gush__lane_client(const struct gush_lane_state *s, struct gush_client_ref ref)
{
    if (ref.slot >= s->slots_n || s->slots[ref.slot].generation != ref.generation)
        return NULL;
    return s->slots[ref.slot].client;
}

/* Worker lane i looks after the shards i, i + W, ... A pass visits each of them once; it is cut
 * when it takes too long for one turn, and begins again soon if somewhere more was due. */
static void sweep(void *arg, struct gush_timer *t)
{
    struct gush_lane_state *s = GUSH_CONTAINER(t, struct gush_lane_state, sweep);
    struct gush_lane *lane = s->lane;
    uint64_t now_ms = gush_lane_now_ms(lane);
    unsigned left = SWEEP_BUDGET;

    (void)arg;
    while (s->sweep_shard < GUSH_CHANNEL_SHARDS && left > 0) {
        unsigned limit = left < SWEEP_LIMIT ? left : SWEEP_LIMIT, n = limit;
        if (gush_channel_sweep(&s->node->channels, s->sweep_shard, now_ms, &n))
            s->sweep_again = true;
        left -= limit - n;
        if (s->node->broker && s->sweep_checks) {
            size_t looked_at = gush_remote_check_shard(s->node, s->sweep_shard, now_ms);
            left -= looked_at < left ? (unsigned)looked_at : left;
        }
        s->sweep_shard += lane->workers_n;
    }
    if (s->sweep_shard < GUSH_CHANNEL_SHARDS) {
        gush_wheel_arm(&lane->wheel, t, now_ms + 1);
        return;
    }
    gush_wheel_arm(&lane->wheel, t, now_ms + (s->sweep_again ? SWEEP_AGAIN_MS : SWEEP_MS));
    s->sweep_checks = !s->sweep_again; /* a pass that begins a second looks for checks, too */
    s->sweep_again = false;
    s->sweep_shard = lane->worker_index;
}

/* What the API's info tells is as old as the last snapshot. */
static void snapshot(void *arg, struct gush_timer *t);

static void arm_snapshot(struct gush_lane_state *s)
{
    int64_t interval_ms = s->node->config->info_metrics_aggregate_interval_ms;

    s->snapshot.fire = snapshot;
    if (interval_ms > 0)
        gush_wheel_arm(&s->lane->wheel, &s->snapshot,
                       gush_lane_now_ms(s->lane) + (uint64_t)interval_ms);
}

static void snapshot(void *arg, struct gush_timer *t)
{
    struct gush_lane_state *s = GUSH_CONTAINER(t, struct gush_lane_state, snapshot);

    (void)arg;
    gush_node_gauges(s->node);
    gush_metrics_snapshot(s->node->metrics);
    arm_snapshot(s);
}

void gush_node_lane_start(struct gush_node *node, struct gush_lane *lane)
{
    struct gush_lane_state *s = gush__lane_state(node, lane);

    lane->on_settled = on_settled;
    lane->on_settled_arg = node;
    if (lane->worker_index >= lane->workers_n)
        return; /* a gRPC lane */
    if (lane->worker_index == 0)
        arm_snapshot(s);
    s->sweep.fire = sweep;
    s->sweep_checks = true;
    s->sweep_shard = lane->worker_index;
    gush_wheel_arm(&lane->wheel, &s->sweep, gush_lane_now_ms(lane) + SWEEP_MS);
}

/* ---- everybody out -------------------------------------------------------------------------- */

/* Turns that a lane may take to deal what was published before it tells its clients to go. */
#define PATIENCE GUSH_SIM_SMALL(4096, 16)

struct everybody_out {
    struct gush_letter letter;
    struct gush_lane_state *state;
    uint32_t code, share;
    unsigned waited_n;
    bool begun;
};

/* True: |client| is told now. */
static bool tell_one(struct gush_client *client, uint32_t code)
{
    if (client == NULL || gush__client_ending(client))
        return false;
    gush__client_subs_catch_up(client); /* nobody hears anything behind his end */
    gush_client_disconnect(client, code, NULL);
    return true;
}

/* Goes through the slots until |share| of them were told; true: for now that is all. */
static bool tell_share(struct gush_lane_state *s, uint32_t code, uint32_t share)
{
    uint64_t goal = (uint64_t)s->out_of_n * share / GUSH_NODE_EVERYBODY;
    bool everybody = share == GUSH_NODE_EVERYBODY;

    for (unsigned n = 0; n < DISCONNECT_BATCH; n++) {
        if (s->out_at >= s->slots_n || (!everybody && s->out_told_n >= goal))
            return true;
        s->out_told_n += tell_one(s->slots[s->out_at++].client, code);
    }
    return false;
}

static void out_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct everybody_out *out = GUSH_CONTAINER(letter, struct everybody_out, letter);
    struct gush_lane_state *s = out->state;

    /* What was accepted before is delivered before, as usual if there is time for that. */
    if (lane->deal.head && out->waited_n++ < PATIENCE) {
        gush_lane_post(lane, letter);
        return;
    }
    if (s->out_of_n == 0)
        s->out_of_n = (uint32_t)atomic_load_explicit(&lane->stats.clients, memory_order_relaxed);
    if (out->share == GUSH_NODE_EVERYBODY && !out->begun)
        s->out_at = 0; /* who came since may be at the place of one who was told, and is gone */
    out->begun = true;
    if (!tell_share(s, out->code, out->share)) {
        gush_lane_post(lane, letter);
        return;
    }
    if (out->share == GUSH_NODE_EVERYBODY) /* who comes now is not of them */
        s->out_at = s->out_told_n = s->out_of_n = 0;
    gush_free(out);
}

static void out_drop(struct gush_letter *letter)
{
    gush_free(GUSH_CONTAINER(letter, struct everybody_out, letter));
}

static const struct gush_letter_kind everybody_out = {"everybody out", out_open, out_drop};

void gush_node_disconnect_share(struct gush_node *node, uint32_t code, uint32_t share)
{
    GUSH_ASSERT(share <= GUSH_NODE_EVERYBODY);
    for (size_t i = 0; i < node->lanes_n; i++) {
        struct everybody_out *out = GUSH_NEW(struct everybody_out);
        out->letter.kind = &everybody_out;
        out->state = &node->states[i];
        out->code = code;
        out->share = share;
        gush_lane_post(node->lanes[i], &out->letter);
    }
}

void gush_node_disconnect_all(struct gush_node *node, uint32_t code)
{
    gush_node_disconnect_share(node, code, GUSH_NODE_EVERYBODY);
}

void gush_node_close(struct gush_node *node)
{
    atomic_store(&node->closed, true);
}

bool gush_node_closed(const struct gush_node *node)
{
    return atomic_load(&node->closed);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Without a secret ids are good for this process only. */
static void event_id_key(struct gush_node *node)
{
    struct gush_span secret = gush_span_str(node->config->uni_sse.event_id_secret);
    uint8_t random[16];

    node->host->random(node->host->host, random, sizeof random);
    gush_event_id_key_init(&node->event_ids,
                           secret.n ? secret : gush_span_of(random, sizeof random));
}

struct gush_node *gush_node_new(const struct gush_node_options *o)
{
    GUSH_ASSERT(o->lanes_n > 0 && o->lanes_n <= GUSH_LANES_MAX);
    struct gush_node *node = GUSH_NEW(struct gush_node);

    node->config = o->config;
    node->verifier = o->verifier;
    node->broker = o->broker;
    node->host = o->host;
    node->version = o->version;
    node->lanes_n = o->lanes_n;
    node->lanes = gush_alloc(o->lanes_n * sizeof(struct gush_lane *));
    memcpy(node->lanes, o->lanes, o->lanes_n * sizeof(struct gush_lane *));
    node->metrics = new_metrics(o);
    node->started_ms = gush__node_now_ms(node);
    gush__node_uuid(node, node->id);
    event_id_key(node);
    gush_mutex_init(&node->doors_lock);
    gush_channel_table_init(&node->channels, node);
    gush_users_init(&node->users, &node->channels.hash_key, (unsigned)node->lanes_n);
    node->states = gush_zalloc(o->lanes_n, sizeof *node->states);
    for (size_t i = 0; i < o->lanes_n; i++) {
        GUSH_ASSERT(node->lanes[i]->index == i);
        node->states[i].node = node;
        node->states[i].lane = node->lanes[i];
        node->states[i].first_free = UINT32_MAX;
        find_cells(&node->states[i]);
    }
    gush_node_gauges(node);
    gush_metrics_snapshot(node->metrics);
    return node;
}

void gush_node_free(struct gush_node *node)
{
    gush_channel_table_fini(&node->channels);
    gush_users_fini(&node->users);
    for (size_t i = 0; i < node->lanes_n; i++)
        gush_free(node->states[i].slots);
    gush_free(node->states);
    gush_metrics_free(node->metrics);
    gush_free(node->lanes);
    gush_mutex_fini(&node->doors_lock);
    gush_free(node);
}

void gush_node_live(const struct gush_node *node, struct gush_live *out)
{
    *out = (struct gush_live){
        .channels = atomic_load_explicit(&node->channels.channels_n, memory_order_relaxed),
        .branches = gush_branch_live(),
        .users = gush_users_n(&node->users),
        .publications = gush_publication_live(),
        .frames = gush_frames_live(),
        .letters = gush_delivery_live(),
        .bytes = gush_bytes_live(),
    };
    for (size_t i = 0; i < node->lanes_n; i++) {
        const struct gush_lane_stats *s = &node->lanes[i]->stats;
        out->clients += atomic_load_explicit(&s->clients, memory_order_relaxed);
        out->subscriptions += atomic_load_explicit(&s->subscriptions, memory_order_relaxed);
    }
}
