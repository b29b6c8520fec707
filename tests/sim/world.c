#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "server/auth/token.h"

#define QUIET_US 20000    /* rest: nothing is due for so long */
#define REST_US  30000000 /* on threads: rest must come within this */

static struct world *world; /* the play of now */
static uint64_t last_deliveries;

/* ---- The host -------------------------------------------------------------------------------- */

static uint64_t host_mono_ms(void *host)
{
    (void)host;
    return stage_now_us() / 1000;
}

static int64_t host_wall_ms(void *host)
{
    (void)host;
    return INT64_C(1700000000000) + (int64_t)(stage_now_us() / 1000);
}

static void host_random(void *host, void *out, size_t n)
{
    struct world *w = host;
    uint8_t *p = out;

    stage_lock(&w->random_lock);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = gush_rng_u64(&w->random);
        memcpy(p + i, &v, n - i < 8 ? n - i : 8);
    }
    stage_unlock(&w->random_lock);
}

/* ---- Lanes ----------------------------------------------------------------------------------- */

static uint64_t lane_mono_us(void *host)
{
    (void)host;
    return stage_now_us();
}

static void lane_wake(void *host)
{
    struct world_lane *wl = host;

    stage_point("wake");
    atomic_store(&wl->woken, true);
    stage_raise(&wl->signal);
}

void world_later(struct world_lane *wl, uint64_t delay_us, void (*happen)(void *arg), void *arg)
{
    if (wl->events_n == WORLD_EVENTS_MAX)
        stage_fail("too many events on %s", wl->name);
    wl->events[wl->events_n++] = (struct world_event){stage_now_us() + delay_us, happen, arg};
}

static struct world_event *earliest(struct world_lane *wl)
{
    struct world_event *e = wl->events;

    if (wl->events_n == 0)
        return NULL;
    for (uint32_t i = 1; i < wl->events_n; i++)
        if (wl->events[i].due_us < e->due_us)
            e = &wl->events[i];
    return e;
}

/* What the transports of this lane have to report. True: there was something. */
static bool run_events(struct world_lane *wl)
{
    bool any = false;

    for (int n = 0; n < 4; n++) {
        struct world_event *e = earliest(wl);

        if (e == NULL || e->due_us > stage_now_us())
            break;
        struct world_event now = *e;
        *e = wl->events[--wl->events_n];
        wl->lane.now_us = stage_now_us(); /* as the owner of a lane must, before it reports */
        now.happen(now.arg);
        any = true;
    }
    return any;
}

static void notice_phase(struct world_lane *wl)
{
    struct world *w = wl->world;

    for (uint32_t i = 0; i < w->plan.peers_n; i++)
        if (w->peers[i].wl == wl && w->peers[i].phase != atomic_load(&w->phase))
            peer_notice(&w->peers[i]);
}

/* The node gives up a channel at the broker: the moment to come back to it. */
static void invite(void *arg)
{
    struct world *w = arg;

    for (uint32_t i = 0; i < w->plan.lanes_n; i++) {
        atomic_store(&w->lanes[i].invited, true);
        stage_raise(&w->lanes[i].signal);
    }
}

static bool accept_invitation(struct world_lane *wl)
{
    bool any = false;

    wl->lane.now_us = stage_now_us();
    for (uint32_t i = 0; i < wl->world->plan.peers_n; i++)
        if (wl->world->peers[i].wl == wl)
            any |= peer_invite(&wl->world->peers[i]);
    return any;
}

static bool has_clients(const struct world_lane *wl)
{
    for (uint32_t i = 0; i < wl->world->plan.peers_n; i++) {
        const struct peer *p = &wl->world->peers[i];
        if (p->wl == wl && p->conn && p->conn->client)
            return true;
    }
    return false;
}

/* Threads: the director looks at everything while all lanes stand here. */
static void stand_still(struct world_lane *wl)
{
    struct world *w = wl->world;

    atomic_fetch_add(&w->frozen_n, 1);
    while (atomic_load(&w->freeze))
        (void)stage_wait(&w->thaw[wl->lane.index], stage_now_us() + 1000000);
    atomic_fetch_sub(&w->frozen_n, 1);
}

static void turn(struct world_lane *wl)
{
    atomic_store(&wl->woken, false);
    atomic_store(&wl->in_turn, true);
    uint64_t next_ms = gush_lane_turn(&wl->lane);
    atomic_store(&wl->in_turn, false);
    wl->turn_due_us = next_ms == GUSH_LANE_CALL_IDLE ? STAGE_NEVER : next_ms * 1000;
}

static void lane_run(void *arg)
{
    struct world_lane *wl = arg;
    struct world *w = wl->world;

    gush_lane_adopt(&wl->lane);
    gush_node_lane_start(w->node, &wl->lane);
    wl->turn_due_us = 0;
    for (;;) {
        const struct world_event *e = earliest(wl);
        uint64_t until_us = e && e->due_us < wl->turn_due_us ? e->due_us : wl->turn_due_us;

        if (!atomic_load(&wl->woken))
            (void)stage_wait(&wl->signal, until_us);
        else
            stage_point("lane");
        if (atomic_load(&w->freeze))
            stand_still(wl);
        notice_phase(wl);
        bool happened = atomic_exchange(&wl->invited, false) && accept_invitation(wl);
        happened |= run_events(wl);
        if (atomic_load(&wl->woken) || happened || stage_now_us() >= wl->turn_due_us)
            turn(wl);
        if (atomic_load(&w->ending) && !has_clients(wl))
            break;
    }
    gush_lane_close(&wl->lane);
    atomic_store(&wl->closed, true);
}

/* Nobody can run: a lane that sleeps on letters was not woken. */
static void look_for_sleepers(void)
{
    for (uint32_t i = 0; world && i < world->plan.lanes_n; i++) {
        struct world_lane *wl = &world->lanes[i];

        if (!atomic_load(&wl->closed) && wl->lane.mailbox.head)
            stage_fail("%s sleeps, and its mailbox is not empty", wl->name);
    }
}

/* ---- Rest ------------------------------------------------------------------------------------ */

static void raise_lanes(struct world *w)
{
    for (uint32_t i = 0; i < w->plan.lanes_n; i++)
        stage_raise(&w->lanes[i].signal);
}

static void enter_phase(struct world *w)
{
    atomic_fetch_add(&w->phase, 1);
    raise_lanes(w);
}

static void freeze(struct world *w)
{
    if (stage_is_virtual())
        return; /* at rest nobody runs anyway */
    atomic_store(&w->freeze, true);
    raise_lanes(w);
    while (atomic_load(&w->frozen_n) < w->plan.lanes_n)
        stage_sleep(100);
}

static void thaw(struct world *w)
{
    if (stage_is_virtual())
        return;
    atomic_store(&w->freeze, false);
    for (uint32_t i = 0; i < w->plan.lanes_n; i++)
        stage_raise(&w->thaw[i]);
    while (atomic_load(&w->frozen_n) > 0)
        stage_sleep(100);
}

/* What was posted is dealt and written: the doors' count is back at nothing. */
static const char *backlog(const struct world *w, char *room, size_t room_n)
{
    for (uint32_t i = 0; i < w->plan.lanes_n; i++) {
        const struct gush_lane *l = &w->lanes[i].lane;
        uint64_t deliveries = atomic_load(&l->backlog_deliveries);
        uint64_t bytes = atomic_load(&l->backlog_bytes);

        if (deliveries == 0 && bytes == 0)
            continue;
        snprintf(room, room_n, "lane%u: a backlog of %llu deliveries, %llu bytes", i,
                 (unsigned long long)deliveries, (unsigned long long)bytes);
        return room;
    }
    return NULL;
}

/* What is not as it must be at rest, or NULL. */
static const char *behind(struct world *w, bool final, char *room, size_t room_n)
{
    const char *why = backlog(w, room, room_n);

    if (why)
        return why;
    if (w->model && !model_quiet(w->model)) {
        if (!final)
            return NULL; /* an answer takes seconds: ask at the end */
        snprintf(room, room_n, "the broker still has something to say");
        return room;
    }
    for (const struct conn *c = w->conns; c && why == NULL; c = c->next)
        why = conn_behind(c, final, room, room_n);
    return why;
}

/* Reads every stream while nothing happens. Somebody may come behind a read: then it does not
 * count. */
static void read_at_rest(struct world *w)
{
    uint64_t tick;

    stage_settle(QUIET_US);
    do {
        tick = atomic_load(&w->oracle.tick);
        publisher_read_streams(w);
        stage_settle(QUIET_US);
    } while (stage_is_virtual() && atomic_load(&w->oracle.tick) != tick);
}

/* Everybody is where the log is, or was told. Virtual: now. Threads: soon. */
static void judge_rest(struct world *w, bool final)
{
    uint64_t limit_us = stage_now_us() + REST_US;
    char room[300];
    const char *why;

    for (;;) {
        read_at_rest(w);
        freeze(w);
        why = behind(w, final, room, sizeof room);
        thaw(w);
        if (why == NULL)
            return;
        if (stage_is_virtual() || stage_now_us() > limit_us)
            stage_fail("at rest: %s", why);
        stage_sleep(5000);
    }
}

/* ---- The play -------------------------------------------------------------------------------- */

static void spawn_publishers(struct world *w, uint32_t phase)
{
    static const char *const names[] = {"publisher0", "publisher1", "publisher2", "elsewhere"};
    uint32_t n = w->plan.publishers_n + w->plan.elsewhere;

    atomic_store(&w->publishers_left, n);
    for (uint32_t i = 0; i < n; i++) {
        bool elsewhere = i == w->plan.publishers_n;
        struct publisher *p = &w->publishers[i];

        p->world = w;
        p->index = elsewhere ? 8 : i;
        gush_rng_seed(&p->rng, w->plan.seed * 100 + phase * 10 + i);
        stage_spawn(names[elsewhere ? 3 : i], elsewhere ? publisher_elsewhere_run : publisher_run,
                    p);
    }
}

static void wait_for_publishers(struct world *w)
{
    while (atomic_load(&w->publishers_left) > 0)
        (void)stage_wait(&w->publisher_left, stage_now_us() + 1000000);
}

/* Time that makes things expire, or nothing. */
static void let_time_pass(struct world *w)
{
    if (!stage_is_virtual())
        return;
    if (w->plan.lonely)
        stage_sleep(4000000);
    switch (gush_rng_below(&w->dice, 4)) {
    case 0:
        stage_sleep(gush_rng_below(&w->dice, 3000000));
        break;
    case 1:
        if (w->plan.meta_expires)
            stage_sleep((uint64_t)w->plan.meta_ttl_s * 1000000 + 2500000);
        break;
    default:
        break;
    }
}

/* Long enough for the checks of a broken connection to have told everybody. */
static void let_checks_run(struct world *w)
{
    if (w->model &&
        (w->plan.faults.breaks_n || w->plan.faults.lost_of_256 || w->plan.faults.slow_of_256))
        stage_sleep(w->plan.patience_us);
}

/* What can only be judged at the end, all connections together. */
static void judge_all(struct world *w)
{
    struct presence_op *present[ORACLE_CHANNELS_MAX];

    for (uint32_t i = 0; i < w->oracle.channels_n; i++)
        present[i] = publisher_ask_presence(w, i);
    freeze(w);
    peer_judge_all(w);
    for (uint32_t i = 0; i < w->oracle.channels_n; i++)
        publisher_judge_presence(w, present[i]);
    thaw(w);
}

static void phases(struct world *w)
{
    for (uint32_t i = 0; i < w->plan.phases_n; i++) {
        stage_trace("phase %u", i);
        enter_phase(w);
        spawn_publishers(w, i);
        if (w->plan.rude && i + 1 == w->plan.phases_n)
            return;
        wait_for_publishers(w);
        judge_rest(w, false);
        let_time_pass(w);
    }
    stage_trace("calm");
    atomic_store(&w->calm, true);
    if (w->model)
        model_calm(w->model);
    enter_phase(w);
    stage_settle(QUIET_US);
    if (stage_is_virtual() && (w->plan.very_late || w->plan.stalls))
        stage_sleep(8000000);
    if (w->plan.never_connects)
        stage_sleep((uint64_t)w->plan.stale_ms * 1000 + 2000000);
    let_checks_run(w);
    judge_rest(w, true);
    judge_all(w);
}

static bool clients_gone(const struct world *w)
{
    struct gush_live live;

    gush_node_live(w->node, &live);
    return live.clients == 0;
}

static void wait_clients_gone(struct world *w)
{
    for (int i = 0; !clients_gone(w); i++) {
        if (i == 40000)
            stage_fail("clients stay after the end");
        stage_sleep(1000);
    }
}

/* Nothing that lived for a client or a letter is left. */
static void judge_leftovers(const struct world *w)
{
    struct gush_live live;

    gush_node_live(w->node, &live);
    if (live.clients || live.subscriptions || live.branches || live.users || live.letters ||
        live.frames)
        stage_fail("left over: %llu clients, %llu subscriptions, %llu branches, %llu users, %llu "
                   "letters, %llu frames",
                   (unsigned long long)live.clients, (unsigned long long)live.subscriptions,
                   (unsigned long long)live.branches, (unsigned long long)live.users,
                   (unsigned long long)live.letters, (unsigned long long)live.frames);
}

/* With nobody there, streams die of age, subscriptions at the broker are given up, and channels go
 * with them. */
static void judge_old_age(struct world *w)
{
    struct gush_live live;

    if (!stage_is_virtual() || w->plan.stragglers || w->plan.rude)
        return;
    if (w->model == NULL && !w->plan.meta_expires)
        return;
    stage_sleep(w->model ? 5000000 : (uint64_t)w->plan.meta_ttl_s * 1000000 + 3000000);
    gush_node_live(w->node, &live);
    if (live.channels)
        stage_fail("%llu channels outlive everybody", (unsigned long long)live.channels);
    for (uint32_t i = 0; w->model && i < w->oracle.channels_n; i++)
        if (model_listens(w->model, i))
            stage_fail("nobody is there, and the node still listens to %s", w->plan.names[i]);
}

/* Everybody goes. Lanes close when their clients are gone; those who still call the API then are
 * answered, or dropped. */
static void close_everything(struct world *w)
{
    stage_trace("closing");
    atomic_store(&w->closing, true);
    if (w->plan.abrupt)
        atomic_store(&w->ending, true);
    if (w->plan.stragglers && !w->plan.rude)
        spawn_publishers(w, w->plan.phases_n);
    enter_phase(w);
    if (w->plan.seed / 2 % 2 == 0)
        gush_node_disconnect_all(w->node, GUSH_DISCONNECT_SHUTDOWN);
    wait_clients_gone(w);
    if (!w->plan.abrupt)
        judge_old_age(w);
    atomic_store(&w->ending, true);
    raise_lanes(w);
    wait_for_publishers(w);
    if (w->model)
        model_stop(w->model);
    stage_join();
    judge_leftovers(w);
}

static void direct(void *arg)
{
    struct world *w = arg;
    struct gush_lane *lanes[PLAN_LANES_MAX];

    for (uint32_t i = 0; i < w->plan.lanes_n; i++)
        lanes[i] = &w->lanes[i].lane;
    w->node = gush_node_new(&(struct gush_node_options){
        .config = w->config,
        .verifier = w->verifier,
        .broker = w->model ? model_broker(w->model) : NULL,
        .host = &w->host,
        .lanes = lanes,
        .lanes_n = w->plan.lanes_n,
        .version = "0.0.0 sim",
    });
    for (uint32_t i = 0; i < w->plan.lanes_n; i++)
        stage_spawn(w->lanes[i].name, lane_run, &w->lanes[i]);
    if (w->model)
        model_start(w->model, w->node);
    phases(w);
    close_everything(w);
}

/* ---- Building and clearing away -------------------------------------------------------------- */

static void init_lane(struct world *w, uint32_t i)
{
    struct world_lane *wl = &w->lanes[i];
    struct gush_lane_host host = {.mono_us = lane_mono_us, .wake = lane_wake, .host = wl};

    wl->world = w;
    snprintf(wl->name, sizeof wl->name, "lane%u", i);
    stage_signal_init(&wl->signal);
    stage_signal_init(&w->thaw[i]);
    gush_lane_init(&wl->lane, &host, i, w->plan.seed + i);
    /* With several lanes the last one has no share of the sweep, as a gRPC lane. */
    bool worker = w->plan.lanes_n == 1 || i + 1 < w->plan.lanes_n;
    wl->lane.workers_n = w->plan.lanes_n > 1 ? w->plan.lanes_n - 1 : 1;
    wl->lane.worker_index = worker ? i : UINT32_MAX;
}

static void world_init(struct world *w, const struct plan *plan, const struct gush_config *config)
{
    memset(w, 0, sizeof *w);
    w->plan = *plan;
    w->config = config;
    w->host = (struct gush_host){
        .wall_ms = host_wall_ms, .mono_ms = host_mono_ms, .random = host_random, .host = w};
    gush_rng_seed(&w->random, plan->seed ^ UINT64_C(0x9e3779b97f4a7c15));
    gush_rng_seed(&w->dice, plan->seed ^ UINT64_C(0xd1b54a32d192ed03));
    stage_lock_init(&w->random_lock);
    stage_lock_init(&w->conns_lock);
    stage_signal_init(&w->publisher_left);
    oracle_init(&w->oracle, !plan->remote);
    plan_channels(plan, &w->oracle);
    const char *why = "";
    if (gush_token_verifier_new(&config->client.token, true, &w->verifier, &why) != GUSH_OK)
        stage_fail("token verifier: %s", why);
    if (plan->remote)
        w->model = model_new(&w->oracle, &plan->faults, plan->seed, invite, w);
}

static void world_fini(struct world *w)
{
    if (atomic_load(&w->caches_live))
        stage_fail("%llu frame caches were not dropped",
                   (unsigned long long)atomic_load(&w->caches_live));
    last_deliveries = 0;
    while (w->conns) {
        struct conn *c = w->conns;
        w->conns = c->next;
        for (uint32_t i = 0; i < ORACLE_CHANNELS_MAX; i++)
            last_deliveries += c->views[i].seen_n;
        conn_free(c);
    }
    for (uint32_t i = 0; i < w->plan.lanes_n; i++) {
        stage_signal_fini(&w->lanes[i].signal);
        stage_signal_fini(&w->thaw[i]);
    }
    stage_signal_fini(&w->publisher_left);
    stage_lock_fini(&w->random_lock);
    stage_lock_fini(&w->conns_lock);
    if (w->model)
        model_free(w->model);
    gush_token_verifier_free(w->verifier);
    oracle_fini(&w->oracle);
}

void world_play(const struct plan *plan, const struct gush_config *config,
                const struct stage_options *options)
{
    static struct world the_world;
    struct stage_options with_idle = *options;
    struct world *w = &the_world;

    with_idle.idle = look_for_sleepers;
    world = NULL;
    world_init(w, plan, config);
    stage_open(&with_idle);
    for (uint32_t i = 0; i < plan->lanes_n; i++)
        init_lane(w, i);
    for (uint32_t i = 0; i < plan->peers_n; i++)
        peer_init(&w->peers[i], w, i);
    world = w;
    stage_play(direct, w);
    world = NULL;
    gush_node_free(w->node);
    world_fini(w);
}

void world_judge_counters(void)
{
    if (gush_publication_live() || gush_bytes_live())
        stage_fail("left over: %llu publications, %llu bytes objects",
                   (unsigned long long)gush_publication_live(),
                   (unsigned long long)gush_bytes_live());
}

uint64_t world_deliveries(void)
{
    return last_deliveries;
}
