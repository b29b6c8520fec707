#include "tests/sim/peer.h"

#include <stdio.h>
#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "tests/sim/world.h"

#define S(span) (int)(span).n, (const char *)(span).p

#define LIVES_MAX 16

static void peer_come(void *arg);
static void peer_act(void *arg);

/* ---- Dice ------------------------------------------------------------------------------------ */

uint64_t peer_below(struct peer *p, uint64_t n)
{
    return gush_rng_below(&p->rng, n);
}

bool peer_chance(struct peer *p, uint32_t of_256)
{
    return peer_below(p, 256) < of_256;
}

uint64_t peer_soon(struct peer *p)
{
    return peer_below(p, 3) == 0 ? peer_below(p, 8) : peer_below(p, p->world->plan.pace_us * 2 + 1);
}

/* ---- Coming and going ------------------------------------------------------------------------ */

static void ask(struct conn *c, uint32_t i, struct gush_connect_sub *sub)
{
    struct peer *p = c->peer;
    struct oracle_channel *ch = &p->world->oracle.channels[i];
    struct view *v = &c->views[i];

    view_ask(v, ch, c->name);
    *sub = (struct gush_connect_sub){.channel = ch->name};
    if (!ch->positioned || peer_chance(p, 24))
        return;
    if (p->last[i].known) {
        v->recover = true;
        v->from = p->last[i].offset;
        v->from_epoch = p->last[i].epoch;
    } else if (peer_chance(p, 40)) {
        v->recover = true; /* everything there is */
    }
    if (v->recover && peer_chance(p, 6))
        v->from_epoch = (struct gush_epoch){.n = 4, .s = "none"};
    if (v->recover && peer_chance(p, 6))
        v->from += 1 + peer_below(p, 3);
    sub->recover = v->recover;
    sub->offset = v->from;
    sub->epoch = gush_epoch_span(&v->from_epoch);
}

/* A token whose signature nobody looks at. */
static void write_token(struct peer *p, struct gush_buf *out)
{
    const struct gush_host *host = &p->world->host;
    char claims[200];
    int n =
        snprintf(claims, sizeof claims, "{\"sub\":\"u%u\",\"info\":{\"n\":%u}", p->user, p->index);

    if (peer_below(p, 3) == 0)
        n +=
            snprintf(claims + n, sizeof claims - (size_t)n, ",\"exp\":%lld",
                     (long long)(host->wall_ms(host->host) / 1000 + 2 + (int64_t)peer_below(p, 4)));
    n += snprintf(claims + n, sizeof claims - (size_t)n, "}");
    gush_base64url_encode(GUSH_SPAN_LIT("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), out);
    gush_buf_put_u8(out, '.');
    gush_base64url_encode(gush_span_of(claims, (size_t)n), out);
    gush_buf_put_str(out, ".AAAA");
}

static void peer_connect(void *arg)
{
    struct conn *c = arg;
    struct peer *p = c->peer;
    struct gush_connect_sub subs[ORACLE_CHANNELS_MAX];
    struct gush_connect_request request = {.subs = subs};
    struct gush_buf token;

    if (c->client == NULL || c->dead || c->asked)
        return;
    gush_buf_init(&token, 1000);
    if (p->user) {
        write_token(p, &token);
        request.token = gush_buf_span(&token);
    }
    for (uint32_t i = 0; i < p->world->oracle.channels_n; i++)
        if (p->wants & 1u << i)
            ask(c, i, &subs[request.subs_n++]);
    browser_ask(c, &request);
    c->asked = true;
    c->asked_tick = oracle_tick(&p->world->oracle);
    stage_trace("%s connects as %.36s", c->name, c->id);
    gush_client_connect(c->client, &request);
    c->entered_tick = oracle_tick(&p->world->oracle);
    gush_buf_fini(&token);
}

static void peer_come(void *arg)
{
    struct peer *p = arg;
    struct world *w = p->world;

    if (p->conn && p->conn->client)
        return;
    if (atomic_load(&w->closing))
        return;
    struct conn *c = conn_open(p);

    if (peer_chance(p, w->plan.never_connects))
        return;
    if (peer_below(p, 2))
        peer_connect(c);
    else
        world_later(p->wl, peer_soon(p), peer_connect, c);
}

/* Ever later: a crowd with small queues could otherwise end each other's connections for ever by
 * their joins and leaves. */
void peer_on_gone(struct peer *p)
{
    struct world *w = p->world;
    uint64_t delay_us = peer_soon(p) << (p->lives_n / 2), now_us = stage_now_us();

    if (++p->lives_n > LIVES_MAX)
        return;
    /* Or just when another lane's timers fire. */
    if (stage_is_virtual() && peer_below(p, 4) == 0) {
        uint64_t due_us = w->lanes[peer_below(p, w->plan.lanes_n)].turn_due_us;
        if (due_us > now_us && due_us < now_us + 3000000)
            delay_us = due_us - now_us + peer_below(p, 300);
    }
    if (w->plan.lonely)
        delay_us = 900000 + peer_below(p, 2500000);
    world_later(p->wl, delay_us, peer_come, p);
}

/* ---- Acting ---------------------------------------------------------------------------------- */

static void say_something(struct conn *c)
{
    struct peer *p = c->peer;
    struct world *w = p->world;
    uint8_t data[ORACLE_DATA_MAX];
    struct gush_span payload;

    if (gush_form_dialect(p->transport->form) != GUSH_DIALECT_REPLY || !c->connected ||
        c->publishes_n == CONN_PUBLISHES_MAX)
        return;
    uint32_t channel = (uint32_t)peer_below(p, w->oracle.channels_n);
    if (w->model) {
        if (p->mute || model_spoilt(w->model, channel))
            return;
        if (c->publishes_n && !c->publishes[c->publishes_n - 1].answered)
            return; /* two at once may overtake each other at the broker */
    }
    uint32_t id = oracle_begin(&w->oracle, channel, 16 + p->index, data, &payload);
    uint32_t at = c->publishes_n++;
    c->publishes[at].channel = channel;
    c->publishes[at].id = id;
    c->publishes[at].told = c->views[channel].state == VIEW_TOLD ? c->views[channel].told : 0;
    c->publishes[at].answered = false;
    stage_trace("%s publishes %u in %u", c->name, id, channel);
    gush_client_publish(c->client, at + 2, w->oracle.channels[channel].name, payload);
}

static void peer_act(void *arg)
{
    struct peer *p = arg;
    struct conn *c = p->conn;
    const struct plan *plan = &p->world->plan;

    if (atomic_load(&p->world->calm) || p->acts_left == 0)
        return;
    p->acts_left--;
    world_later(p->wl, peer_soon(p) * 2, peer_act, p);
    if (c == NULL || c->client == NULL || c->dead)
        return;
    if (peer_chance(p, plan->dies)) {
        conn_die(c);
    } else if (peer_chance(p, 8)) {
        c->kick = GUSH_DISCONNECT_FORCE_RECONNECT;
        gush_client_disconnect(c->client, c->kick, peer_below(p, 2) ? "go \"away\"" : NULL);
    } else if (peer_chance(p, plan->stalls)) {
        conn_stall(c, !c->stalled);
    } else {
        say_something(c);
    }
}

static void peer_goes(void *arg)
{
    const struct peer *p = arg;

    if (!atomic_load(&p->world->calm) && p->conn)
        conn_die(p->conn);
}

void peer_called(struct peer *p)
{
    struct world *w = p->world;

    if (atomic_load(&w->calm) || !peer_chance(p, w->plan.dies))
        return;
    for (uint32_t i = 0; i < 4; i++) {
        struct peer *other = &w->peers[peer_below(p, w->plan.peers_n)];

        if (other == p || other->wl != p->wl || other->user != p->user)
            continue;
        if (p->wl->events_n < WORLD_EVENTS_MAX / 2)
            world_later(p->wl, peer_below(p, 20), peer_goes, other);
        return;
    }
}

void peer_notice(struct peer *p)
{
    struct world *w = p->world;
    struct conn *c = p->conn;

    p->phase = atomic_load(&w->phase);
    if (atomic_load(&w->calm) && c)
        conn_stall(c, false);
    if (atomic_load(&w->closing)) {
        if (c && w->plan.seed / 2 % 2) {
            if (!c->dead)
                conn_die(c);
        }
        return;
    }
    p->acts_left = w->plan.acts_n;
    if (c == NULL)
        world_later(p->wl, peer_soon(p) * peer_below(p, 4), peer_come, p);
    world_later(p->wl, peer_soon(p) * peer_below(p, 4), peer_act, p);
}

bool peer_invite(struct peer *p)
{
    bool comes = p->conn && p->conn->client == NULL && peer_below(p, 2);

    if (comes)
        peer_come(p);
    return comes;
}

void peer_init(struct peer *p, struct world *w, uint32_t index)
{
    p->world = w;
    p->index = index;
    gush_rng_seed(&p->rng, w->plan.seed * 1000 + index);
    p->wl = &w->lanes[peer_below(p, w->plan.lanes_n)];
    p->transport = conn_transport(peer_below(p, 1000));
    p->wants = (uint32_t)(1 + peer_below(p, (1u << w->plan.channels_n) - 1));
    if (peer_below(p, 2))
        p->wants = (1u << w->plan.channels_n) - 1;
    if (w->plan.tokens && peer_below(p, 2))
        p->user = 1 + (uint32_t)peer_below(p, 3);
    snprintf(p->name, sizeof p->name, "peer%u", index);
}

/* ---- At rest --------------------------------------------------------------------------------- */

static void judge_user_limit(const struct world *w)
{
    int64_t n[4] = {0};

    for (const struct conn *c = w->conns; c; c = c->next)
        if (c->client && c->connected && c->peer->user && ++n[c->peer->user] > w->plan.user_limit &&
            w->plan.user_limit)
            stage_fail("user u%u has more than %lld connections", c->peer->user,
                       (long long)w->plan.user_limit);
}

void peer_judge_all(struct world *w)
{
    judge_user_limit(w);
    for (const struct conn *a = w->conns; a; a = a->next)
        for (const struct conn *b = a->next; b; b = b->next)
            for (uint32_t i = 0; i < w->oracle.channels_n; i++)
                if (a->views[i].seen_n && b->views[i].seen_n && !a->views[i].channel->lossy)
                    view_compare(&a->views[i], &b->views[i]);
}
