/* API calls: checks, then the channel, then the answer behind its letters. */
#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/engine/node_priv.h"
#include "server/engine/permission.h"
#include "server/engine/presence.h"
#include "server/engine/remote.h"

/* ---- answering ------------------------------------------------------------------------------ */

static void answer_open(struct gush_lane *lane, struct gush_letter *letter)
{
    struct gush_api_call *call = GUSH_CONTAINER(letter, struct gush_api_call, letter);
    (void)lane;
    call->done(call);
}

static void answer_drop(struct gush_letter *letter)
{
    struct gush_api_call *call = GUSH_CONTAINER(letter, struct gush_api_call, letter);
    call->dropped(call);
}

static const struct gush_letter_kind answer = {"answer", answer_open, answer_drop};

void gush__node_answer(struct gush_api_call *call, uint32_t error)
{
    call->error = error;
    call->letter.kind = &answer;
    gush_lane_post(call->home, &call->letter);
}

/* 107 without a channel, 102 without its namespace. */
static uint32_t resolve(const struct gush_node *node, struct gush_span channel,
                        const struct gush_channel_options **options)
{
    if (channel.n == 0)
        return GUSH_ERROR_BAD_REQUEST;
    if (gush_config_channel(node->config, channel, options, NULL) != GUSH_OK)
        return GUSH_ERROR_UNKNOWN_CHANNEL;
    return GUSH_ERROR_NONE;
}

/* ---- publish -------------------------------------------------------------------------------- */

static void count(const struct gush_node *node, const struct gush_api_call *call,
                  enum gush_metric metric, uint32_t label)
{
    gush__node_tally(node, call->home, metric, GUSH_AT(label));
}

static struct gush_publication *publication_of(const struct gush_publish_call *call,
                                               struct gush_bytes *name)
{
    return gush_publication_new(name, &(struct gush_pub){.data = call->data,
                                                         .info = call->info,
                                                         .tags = call->tags,
                                                         .tags_n = call->tags_n});
}

static void keep_deadlines(struct gush_node *node, struct gush_channel *ch)
{
    uint64_t now_ms = gush__node_now_ms(node);

    ch->stream->history_due_ms = now_ms + (uint64_t)ch->options->history_ttl_s * 1000;
    ch->stream->meta_due_ms = now_ms + gush__node_meta_ttl_ms(node, ch->options);
}

/* Publishing where nobody listens and nothing is kept makes no channel: NULL. Else the channel,
 * unlocked, with a reference; the caller finishes |posting|. */
static struct gush_channel *publish_local(struct gush_node *node, struct gush_publish_call *call,
                                          const struct gush_channel_options *options,
                                          bool shard_held, struct gush_posting *posting)
{
    bool keep = gush__keeps_history(options) && !call->skip_history;
    struct gush_channel *ch =
        gush_channel_lock(&node->channels, call->channel, options,
                          keep ? GUSH_CHANNEL_WRITE : GUSH_CHANNEL_FIND, shard_held);

    if (ch == NULL)
        return NULL;
    if (keep) {
        keep_deadlines(node, ch);
        call->epoch = ch->stream->epoch;
    }
    if (keep && gush_stream_stale_version(ch->stream, call->version, call->version_epoch)) {
        count(node, &call->call, GUSH_METRIC_SUPPRESSED, GUSH_REASON_VERSION);
    } else {
        struct gush_publication *p = publication_of(call, ch->name);
        count(node, &call->call, GUSH_METRIC_RECEIVED, GUSH_MESSAGE_PUBLICATION);
        gush_channel_publish(ch, posting, p, call, keep ? options->history_size : 0);
        gush_publication_unref(p);
    }
    if (keep)
        call->offset = ch->stream->top;
    gush_channel_part(ch, posting);
    return ch;
}

/* With a key, check and publish under the shard's lock: two equal ones never both pass. */
static struct gush_channel *publish_once(struct gush_node *node, struct gush_publish_call *call,
                                         const struct gush_channel_options *options,
                                         struct gush_posting *posting)
{
    struct gush_channel_shard *sh = gush_channel_shard(&node->channels, call->channel);
    uint64_t now_ms = gush__node_now_ms(node);
    struct gush_channel *ch = NULL;

    gush_mutex_lock(&sh->lock);
    if (gush_channel_seen(&node->channels, sh, call, now_ms)) {
        count(node, &call->call, GUSH_METRIC_SUPPRESSED, GUSH_REASON_IDEMPOTENCY);
    } else {
        ch = publish_local(node, call, options, true, posting);
        gush_channel_remember(&node->channels, sh, call, now_ms);
    }
    gush_mutex_unlock(&sh->lock);
    return ch;
}

void gush_publish(struct gush_node *node, struct gush_publish_call *call)
{
    const struct gush_channel_options *options = NULL;
    uint32_t error = resolve(node, call->channel, &options);

    call->offset = 0;
    call->epoch.n = 0;
    call->node = node;
    if (error == GUSH_ERROR_NONE && !gush_permission_data(node->config, options, call->data))
        error = GUSH_ERROR_BAD_REQUEST;
    if (error == GUSH_ERROR_NONE)
        count(node, &call->call, GUSH_METRIC_SENT, GUSH_MESSAGE_PUBLICATION);
    if (error == GUSH_ERROR_NONE && node->broker) {
        gush_remote_publish(node, call, options);
        return;
    }
    if (error == GUSH_ERROR_NONE) {
        struct gush_posting posting = {0};
        struct gush_channel *ch = call->idempotency_key.n
                                      ? publish_once(node, call, options, &posting)
                                      : publish_local(node, call, options, false, &posting);
        gush_channel_finish(&node->channels, &posting);
        if (ch)
            gush_channel_release(&node->channels, ch);
    }
    gush__node_answer(&call->call, error);
}

/* ---- history -------------------------------------------------------------------------------- */

static uint32_t read_stream(struct gush_node *node, struct gush_history_call *call,
                            const struct gush_channel_options *options)
{
    struct gush_posting posting = {0};
    struct gush_channel *ch =
        gush_channel_lock(&node->channels, call->channel, options, GUSH_CHANNEL_READ, false);
    struct gush_stream *s = ch->stream;
    uint32_t error = GUSH_ERROR_NONE;

    s->meta_due_ms = gush__node_now_ms(node) + gush__node_meta_ttl_ms(node, options);
    call->offset = s->top;
    call->epoch = s->epoch;
    if (call->has_since && call->since_epoch.n &&
        !gush_span_eq(call->since_epoch, gush_epoch_span(&s->epoch)))
        error = GUSH_ERROR_UNRECOVERABLE_POSITION;
    else if (call->limit != 0)
        call->publications_n = gush_stream_read(s, call->has_since, call->since_offset,
                                                call->reverse, call->limit, &call->publications);
    gush_channel_unlock(&node->channels, ch, &posting);
    gush_channel_release(&node->channels, ch);
    return error;
}

void gush_history(struct gush_node *node, struct gush_history_call *call)
{
    const struct gush_channel_options *options = NULL;
    uint32_t error = resolve(node, call->channel, &options);

    call->publications = NULL;
    call->publications_n = 0;
    call->offset = 0;
    call->epoch.n = 0;
    call->node = node;
    if (error == GUSH_ERROR_NONE && !gush__keeps_history(options))
        error = GUSH_ERROR_NOT_AVAILABLE;
    if (error == GUSH_ERROR_NONE)
        count(node, &call->call, GUSH_METRIC_ACTIONS, GUSH_ACTION_HISTORY);
    if (error == GUSH_ERROR_NONE && call->has_since && call->reverse && call->since_offset == 0)
        error = GUSH_ERROR_INTERNAL; /* the reference's broker refuses it */
    if (error == GUSH_ERROR_NONE && node->broker) {
        gush_remote_history(node, call, options);
        return;
    }
    if (error == GUSH_ERROR_NONE)
        error = read_stream(node, call, options);
    gush__node_answer(&call->call, error);
}

void gush_history_call_fini(struct gush_history_call *call)
{
    gush_stream_release(call->publications, call->publications_n);
    call->publications = NULL;
    call->publications_n = 0;
}

void gush_history_remove(struct gush_node *node, struct gush_history_remove_call *call)
{
    const struct gush_channel_options *options = NULL;
    uint32_t error = resolve(node, call->channel, &options);

    call->node = node;
    if (error == GUSH_ERROR_NONE && !gush__keeps_history(options))
        error = GUSH_ERROR_NOT_AVAILABLE;
    if (error == GUSH_ERROR_NONE)
        count(node, &call->call, GUSH_METRIC_ACTIONS, GUSH_ACTION_HISTORY_REMOVE);
    if (error == GUSH_ERROR_NONE && node->broker) {
        gush_remote_history_remove(node, call);
        return;
    }
    if (error == GUSH_ERROR_NONE) {
        struct gush_posting posting = {0};
        struct gush_channel *ch =
            gush_channel_lock(&node->channels, call->channel, options, GUSH_CHANNEL_FIND, false);
        if (ch) {
            if (ch->stream)
                gush_stream_clear(ch->stream);
            gush_channel_unlock(&node->channels, ch, &posting);
            gush_channel_release(&node->channels, ch);
        }
    }
    gush__node_answer(&call->call, error);
}

/* ---- presence ------------------------------------------------------------------------------- */

void gush_presence(struct gush_node *node, struct gush_presence_call *call)
{
    const struct gush_channel_options *options = NULL;
    uint32_t error = resolve(node, call->channel, &options);
    struct gush_posting posting = {0};

    call->clients = NULL;
    call->clients_n = 0;
    call->users_n = 0;
    call->memory = NULL;
    if (error == GUSH_ERROR_NONE && !options->presence)
        error = GUSH_ERROR_NOT_AVAILABLE;
    if (error == GUSH_ERROR_NONE) {
        count(node, &call->call, GUSH_METRIC_ACTIONS,
              call->stats_only ? GUSH_ACTION_PRESENCE_STATS : GUSH_ACTION_PRESENCE);
        struct gush_channel *ch =
            gush_channel_lock(&node->channels, call->channel, options, GUSH_CHANNEL_FIND, false);
        if (ch) {
            struct gush_presence *presence = ch->presence;
            gush_channel_unlock(&node->channels, ch, &posting);
            /* It lives as long as the channel, which we hold. */
            if (presence)
                gush_presence_read(presence, call);
            gush_channel_release(&node->channels, ch);
        }
    }
    gush__node_answer(&call->call, error);
}

/* ---- channels, info ------------------------------------------------------------------------- */

static void list_shard(struct gush_channel_shard *sh, struct gush_channels_call *call, size_t *cap)
{
    struct gush_channel *ch;
    uint32_t at = 0;

    gush_mutex_lock(&sh->lock);
    while ((ch = gush_map_next(&sh->map, &at)) != NULL) {
        gush_mutex_lock(&ch->lock);
        uint32_t clients = gush_channel_subscribers(ch);
        gush_mutex_unlock(&ch->lock);
        if (clients == 0 ||
            (call->pattern.n && !gush_glob_match(call->pattern, gush_bytes_span(ch->name))))
            continue;
        if (call->channels_n == *cap) {
            *cap = *cap ? *cap * 2 : 16;
            call->channels = gush_realloc(call->channels, *cap * sizeof *call->channels);
        }
        call->channels[call->channels_n++] =
            (struct gush_channel_count){gush_bytes_ref(ch->name), clients};
    }
    gush_mutex_unlock(&sh->lock);
}

void gush_channels(struct gush_node *node, struct gush_channels_call *call)
{
    uint32_t error = GUSH_ERROR_NONE;
    size_t cap = 0;

    call->channels = NULL;
    call->channels_n = 0;
    if (call->pattern.n && gush_glob_valid(call->pattern) != GUSH_OK)
        error = GUSH_ERROR_INTERNAL;
    for (unsigned i = 0; error == GUSH_ERROR_NONE && i < GUSH_CHANNEL_SHARDS; i++)
        list_shard(&node->channels.shards[i], call, &cap);
    gush__node_answer(&call->call, error);
}

void gush_channels_call_fini(struct gush_channels_call *call)
{
    for (size_t i = 0; i < call->channels_n; i++)
        gush_bytes_unref(call->channels[i].name);
    gush_free(call->channels);
    call->channels = NULL;
    call->channels_n = 0;
}

void gush_info(struct gush_node *node, struct gush_info_call *call)
{
    struct gush_live live;

    gush_node_live(node, &live);
    memcpy(call->uid, node->id, sizeof call->uid);
    call->name = node->config->node_name;
    call->version = node->version;
    call->clients = (uint32_t)live.clients;
    call->users = (uint32_t)live.users;
    call->channels =
        (uint32_t)atomic_load_explicit(&node->channels.listened_n, memory_order_relaxed);
    call->subs = (uint32_t)live.subscriptions;
    call->uptime_s = (uint32_t)((gush__node_now_ms(node) - node->started_ms) / 1000);
    gush__node_answer(&call->call, GUSH_ERROR_NONE);
}
