#include "tests/sim/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/stage.h"

static const char *const prefixes[] = {
#define X(name, text) [PLAN_##name] = text,
    PLAN_KIND_MAP(X)
#undef X
};

#define OPEN                                                                                       \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true,"                  \
    "\"allow_publish_for_client\":true,\"allow_publish_for_anonymous\":true"
#define HISTORY "\"history_size\":16,\"history_ttl\":\"60s\""
#define MEMBERS "\"presence\":true,\"join_leave\":true,\"force_push_join_leave\":true"

static const char config_text[] =
    "{\"client\":{\"allow_anonymous_connect_without_token\":true},\"channel\":{\"namespaces\":["
    "{\"name\":\"rec\"," OPEN "," HISTORY ",\"force_recovery\":true},"
    "{\"name\":\"pos\"," OPEN "," HISTORY ",\"force_positioning\":true},"
    "{\"name\":\"raw\"," OPEN "},"
    "{\"name\":\"mem\"," OPEN "," MEMBERS "},"
    "{\"name\":\"jlr\"," OPEN "," HISTORY "," MEMBERS ",\"force_recovery\":true},"
    "{\"name\":\"drop\"," OPEN ",\"queue_policy\":\"drop_oldest\"},"
    "{\"name\":\"last\"," OPEN ",\"queue_policy\":\"latest\"},"
    "{\"name\":\"hist\"," OPEN "," HISTORY "},"
    "{\"name\":\"cache\"," OPEN "," HISTORY ",\"force_recovery\":true,"
    "\"force_recovery_mode\":\"cache\"}]}}";

static void ignore_warning(void *arg, const char *message, const char *field, const char *value)
{
    (void)arg, (void)message, (void)field, (void)value;
}

struct gush_config *plan_config(void)
{
    char path[] = "/tmp/gush-sim-XXXXXX.json", message[512] = "";
    char *none[] = {NULL};
    struct gush_config *config = NULL;
    int fd = mkstemps(path, 5); /* the loader knows a format by its suffix */

    if (fd < 0 || write(fd, config_text, sizeof config_text - 1) != sizeof config_text - 1) {
        perror("configuration");
        exit(GUSH_SIM_EXIT_USAGE);
    }
    struct gush_config_sources sources = {.file = path, .environ = none, .argv = none};
    if (gush_config_load(&sources, ignore_warning, NULL, &config, message, sizeof message) !=
        GUSH_OK) {
        fprintf(stderr, "configuration: %s\n", message);
        exit(GUSH_SIM_EXIT_USAGE);
    }
    close(fd);
    unlink(path);
    return config;
}

void plan_patch(const struct plan *plan, struct gush_config *config)
{
    config->client.queue_max_size = plan->queue_bytes;
    config->client.queue_max_messages = plan->small_queues ? 8 : 16384;
    config->client.queue_max_age_ms = plan->short_age ? 1500 : 30000;
    config->client.ping_interval_ms = plan->ping_ms;
    config->client.recovery_max_publication_limit = plan->recovery_limit;
    config->client.stale_close_delay_ms = plan->stale_ms;
    config->client.user_connection_limit = plan->user_limit;
    config->client.expired_close_delay_ms = 1000;
    config->client.expired_sub_close_delay_ms = 1000;
    config->client.channel_position_check_delay_ms = (int64_t)plan->check_ms;
    config->lanes.backlog_bytes = plan->doors ? 2000 : 64 << 20;
    config->lanes.backlog_deliveries = plan->doors ? 8 : 1000000;
    for (size_t i = 0; i < config->channel.namespaces_n; i++) {
        struct gush_channel_options *o = &config->channel.namespaces[i].options;

        if (o->history_size == 0)
            continue;
        o->history_size = plan->size;
        o->history_ttl_s = plan->ttl_s;
        o->history_meta_ttl_s = plan->meta_ttl_s;
    }
}

void plan_channels(const struct plan *plan, struct oracle *oracle)
{
    for (uint32_t i = 0; i < plan->channels_n; i++) {
        enum plan_kind kind = plan->kinds[i];
        bool recovers = kind == PLAN_REC || kind == PLAN_JLR || kind == PLAN_CACHE;
        bool stream = recovers || kind == PLAN_POS || kind == PLAN_HIST;

        oracle->channels[i] = (struct oracle_channel){
            .oracle = oracle,
            .index = i,
            .name = gush_span_str(plan->names[i]),
            .stream = stream,
            .positioned = stream && kind != PLAN_HIST,
            .recoverable = recovers,
            .members = kind == PLAN_MEM || kind == PLAN_JLR,
            .cache = kind == PLAN_CACHE,
            .lossy = kind == PLAN_DROP || kind == PLAN_LAST,
            .latest = kind == PLAN_LAST,
            .size = stream ? plan->size : 0,
            .recovery_limit = (uint64_t)plan->recovery_limit,
            .ttl_us = (uint64_t)plan->ttl_s * 1000000,
            .meta_ttl_us = (uint64_t)plan->meta_ttl_s * 1000000,
        };
    }
    oracle->channels_n = plan->channels_n;
    oracle->odd = plan->odd;
}

/* ---- The dice -------------------------------------------------------------------------------- */

struct dice {
    struct gush_rng rng;
};

static uint32_t below(struct dice *d, uint32_t n)
{
    return (uint32_t)gush_rng_below(&d->rng, n);
}

/* True once in |n| times. */
static bool once_in(struct dice *d, uint32_t n)
{
    return below(d, n) == 0;
}

static void choose_channels(struct plan *p, struct dice *d)
{
    static const enum plan_kind usual[] = {PLAN_REC,  PLAN_REC,  PLAN_REC,  PLAN_JLR,
                                           PLAN_POS,  PLAN_MEM,  PLAN_RAW,  PLAN_DROP,
                                           PLAN_LAST, PLAN_HIST, PLAN_CACHE};

    p->channels_n = 1 + below(d, 3);
    for (uint32_t i = 0; i < p->channels_n; i++) {
        p->kinds[i] = usual[below(d, sizeof usual / sizeof usual[0])];
        snprintf(p->names[i], sizeof p->names[i], "%s:%c", prefixes[p->kinds[i]], (char)('a' + i));
    }
}

static void choose_history(struct plan *p, struct dice *d)
{
    p->size = once_in(d, 3) ? 1 + below(d, 4) : 8 + below(d, 60);
    p->ttl_s = once_in(d, 3) ? 1 + below(d, 2) : 60;
    p->meta_expires = once_in(d, 4);
    p->meta_ttl_s = p->meta_expires ? p->ttl_s + below(d, 2) : 3600;
    if (p->meta_expires && p->ttl_s > 5)
        p->ttl_s = p->meta_ttl_s = 2;
    p->removes = once_in(d, 6);
}

static void choose_faults(struct plan *p, struct dice *d)
{
    struct model_faults *f = &p->faults;

    f->delay_us = p->pace_us;
    f->slow_us = 4000000;
    if (once_in(d, 2))
        return; /* a broker that works */
    if (once_in(d, 3))
        f->slow_of_256 = 20;
    if (once_in(d, 4))
        f->lost_of_256 = once_in(d, 2) ? 12 : 50;
    if (once_in(d, 3))
        f->forgets_of_256 = 20;
    if (once_in(d, 2))
        f->breaks_n = 1 + below(d, 3);
    f->rewinds = f->breaks_n && once_in(d, 4);
    f->new_epochs = f->breaks_n && once_in(d, 4);
}

/* Real seconds are dear, and more happens in one. */
static void suit_threads(struct plan *p)
{
    p->lanes_n = p->lanes_n < 2 ? 2 : p->lanes_n;
    p->ops_n *= 60;
    p->acts_n *= 10;
    p->peers_n += 6;
    p->pace_us = p->pace_us > 50 ? 100 : 50;
    p->faults.delay_us = p->pace_us;
    p->faults.slow_us = 100000;
    p->very_late = 0;
    p->meta_expires = false;
    p->ttl_s = 60;
    p->meta_ttl_s = 3600;
    p->check_ms = 300;
    p->rude = p->lonely = false;
    p->patience_us = 2000000;
}

void plan_make(struct plan *p, uint64_t seed, bool threads)
{
    static const uint64_t paces[] = {50, 300, 2000};
    struct dice dice, *d = &dice;

    gush_rng_seed(&d->rng, seed * 2 + 1);
    memset(p, 0, sizeof *p);
    p->seed = seed;
    p->remote = seed % 2 == 1;
    p->lanes_n = 1 + below(d, PLAN_LANES_MAX);
    p->pace_us = paces[below(d, 3)];
    p->publishers_n = 1 + below(d, PLAN_PUBLISHERS_MAX);
    p->ops_n = 2 + below(d, 10);
    p->phases_n = 1 + below(d, 3);
    p->peers_n = once_in(d, 12) ? 12 + below(d, 8) : 1 + below(d, 7);
    p->elsewhere = p->remote && !once_in(d, 3);
    p->doors = once_in(d, 6);
    p->check_ms = 1000 + 500 * below(d, 5);
    choose_channels(p, d);
    choose_history(p, d);
    choose_faults(p, d);
    p->late = once_in(d, 3) ? 30 : 160;
    p->very_late = once_in(d, 6) ? 20 : 0;
    p->stalls = once_in(d, 5) ? 60 : 0;
    p->dies = once_in(d, 4) ? 0 : 60 + below(d, 120);
    p->errors = once_in(d, 6) ? 10 : 0;
    p->never_connects = once_in(d, 10) ? 40 : 0;
    p->acts_n = below(d, 5);
    p->small_queues = once_in(d, 4);
    p->queue_bytes = !p->small_queues ? 1 << 20 : once_in(d, 2) ? 500 : 2000;
    p->short_age = once_in(d, 4);
    p->ping_ms = once_in(d, 3) ? 1000 : 25000;
    p->recovery_limit = once_in(d, 5) ? 3 : 300;
    p->stale_ms = p->never_connects ? 3000 : 10000;
    p->keys = !p->remote && once_in(d, 4);
    p->odd = once_in(d, 10);
    p->stragglers = once_in(d, 3);
    p->abrupt = once_in(d, 3);
    if (p->small_queues && once_in(d, 2))
        p->faults.slow_of_256 = 80; /* who waits long holds much */
    p->rude = once_in(d, 6);
    p->tokens = once_in(d, 3);
    p->user_limit = once_in(d, 2) ? 2 : 0;
    p->calls = once_in(d, 4);
    if (p->calls && once_in(d, 2)) /* a user has many clients on a lane */
        p->peers_n = 8 + below(d, 10);
    p->lonely = once_in(d, 8);
    if (p->lonely) {
        p->peers_n = 1 + below(d, 3);
        p->dies = 220;
        p->acts_n += 1;
    }
    p->patience_us = p->check_ms * 2000 + 12000000;
    if (threads)
        suit_threads(p);
}
