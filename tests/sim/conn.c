#include "tests/sim/conn.h"

#include <stdio.h>
#include <string.h>

#include "server/base/codes.h"
#include "server/base/mem.h"

#include "tests/sim/world.h"

#define S(span) (int)(span).n, (const char *)(span).p

static void link_sent(void *arg);

static const struct plan *plan_of(const struct conn *c)
{
    return &c->peer->world->plan;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static struct view *view_of(struct conn *c, struct gush_span channel)
{
    const struct oracle *o = &c->peer->world->oracle;

    for (uint32_t i = 0; i < o->channels_n; i++)
        if (gush_span_eq(o->channels[i].name, channel) && c->views[i].state != VIEW_NONE)
            return &c->views[i];
    stage_fail("%s hears of channel '%.*s'", c->name, S(channel));
}

static void on_connect(struct conn *c, const struct wire_message *m)
{
    if (c->connected || !c->asked)
        stage_fail("%s: a connect push out of place", c->name);
    if (!gush_span_eq(m->client, gush_span_of(c->id, sizeof c->id)))
        stage_fail("%s: connected as '%.*s'", c->name, S(m->client));
    c->connected = true;
    for (uint32_t i = 0; i < m->subs_n; i++)
        view_on_told(view_of(c, m->subs[i].channel), &m->subs[i], m);
    for (uint32_t i = 0; i < ORACLE_CHANNELS_MAX; i++)
        if (c->views[i].state == VIEW_ASKED)
            stage_fail("%s: connected without %.*s", c->name, S(c->views[i].channel->name));
}

static struct conn *conn_by_id(struct world *w, struct gush_span id)
{
    stage_lock(&w->conns_lock);
    struct conn *c = w->conns;
    while (c && !gush_span_eq(gush_span_of(c->id, sizeof c->id), id))
        c = c->next;
    stage_unlock(&w->conns_lock);
    return c;
}

static uint8_t *member_of(struct conn *c, uint32_t channel, const struct conn *other)
{
    if (other->number >= c->members_n) {
        uint32_t n = c->members_n ? c->members_n * 2 : 16;

        while (n <= other->number)
            n *= 2;
        for (uint32_t i = 0; i < ORACLE_CHANNELS_MAX; i++) {
            c->members[i] = gush_realloc(c->members[i], n);
            memset(c->members[i] + c->members_n, CONN_UNHEARD, n - c->members_n);
        }
        c->members_n = n;
    }
    return &c->members[channel][other->number];
}

static void on_member(struct conn *c, const struct wire_message *m)
{
    struct view *v = view_of(c, m->channel);
    const struct conn *other = conn_by_id(c->peer->world, m->client);
    bool join = m->kind == WIRE_JOIN;

    if (other == NULL || !v->channel->members || v->state != VIEW_TOLD)
        stage_fail("%s, %.*s: %s of '%.*s'", c->name, S(m->channel), join ? "join" : "leave",
                   S(m->client));
    uint8_t *member = member_of(c, v->channel->index, other);
    bool calls = plan_of(c)->calls; /* then somebody may leave and join again */
    if (join && (calls ? *member == CONN_JOINED : *member != CONN_UNHEARD))
        stage_fail("%s, %.*s: %s joins again", c->name, S(m->channel), other->name);
    if (!join && (*member == CONN_LEFT || other == c || !(calls || atomic_load(&other->leaving))))
        stage_fail("%s, %.*s: a leave of %s out of place", c->name, S(m->channel), other->name);
    *member = join ? CONN_JOINED : CONN_LEFT;
}

static void on_published(struct conn *c, const struct wire_message *m)
{
    struct oracle *o = &c->peer->world->oracle;
    uint32_t at = m->id - 2;
    bool ok = m->kind == WIRE_PUBLISHED;

    if (m->id < 2 || at >= c->publishes_n || c->publishes[at].answered)
        stage_fail("%s: an answer to %u", c->name, m->id);
    c->publishes[at].answered = true;
    uint32_t id = c->publishes[at].id;
    const struct view *v = &c->views[c->publishes[at].channel];
    if (!ok && (o->local || m->code != GUSH_ERROR_INTERNAL))
        stage_fail("%s: publish %u got error %u", c->name, m->id, m->code);
    bool subscribed = v->state == VIEW_TOLD && v->told == c->publishes[at].told;
    if (ok && subscribed && o->local && !v->channel->lossy && !view_saw(v, id))
        stage_fail("%s, %.*s: the reply to publish %u came before its own push", c->name,
                   S(v->channel->name), m->id);
    oracle_end(o, id, ok ? ORACLE_ACCEPTED : ORACLE_REFUSED, GUSH_SPAN_EMPTY, 0);
}

static void on_subscribe(struct conn *c, const struct wire_message *m)
{
    struct oracle *o = &c->peer->world->oracle;
    struct view *v = NULL;

    for (uint32_t i = 0; i < o->channels_n; i++) {
        if (!gush_span_eq(o->channels[i].name, m->channel))
            continue;
        v = &c->views[i];
        if (v->state == VIEW_NONE || v->state == VIEW_OVER)
            view_again(v, &o->channels[i], c->name, c->asked_tick, c->opened_us);
        if (c->members[i]) /* who came and went meanwhile, nobody told */
            memset(c->members[i], CONN_UNHEARD, c->members_n);
    }
    if (v == NULL || v->state != VIEW_ASKED || !c->connected || !plan_of(c)->calls)
        stage_fail("%s: a subscribe push out of place", c->name);
    view_on_subscribed(v, &m->subs[0]);
}

static void on_unsubscribe(struct conn *c, const struct wire_message *m)
{
    if (m->code != GUSH_UNSUBSCRIBE_SERVER || !c->connected || !plan_of(c)->calls)
        stage_fail("%s: an unsubscribe push out of place, code %u", c->name, m->code);
    for (uint32_t i = 0; i < c->peer->world->oracle.channels_n; i++)
        if (c->views[i].channel && gush_span_eq(c->views[i].channel->name, m->channel))
            view_end(&c->views[i]); /* it is told so even if it was not subscribed */
}

/* A call ended it: nothing that was published before the call is missing. */
static void on_called_off(const struct conn *c, uint64_t tick)
{
    const struct plan *plan = plan_of(c);
    bool whole = plan->calls && !plan->remote && !plan->meta_expires && !plan->odd;
    bool slow = plan->small_queues || plan->short_age || plan->stalls || plan->very_late;

    for (uint32_t i = 0; whole && !slow && i < c->peer->world->oracle.channels_n; i++)
        if (c->views[i].state == VIEW_TOLD && !c->views[i].channel->lossy)
            view_heard_until(&c->views[i], tick);
}

static void read_message(struct conn *c, const struct wire_message *m)
{
    if (c->told_end)
        stage_fail("%s: something behind the disconnect push", c->name);
    if (m->kind == WIRE_SUBSCRIBE || m->kind == WIRE_UNSUBSCRIBE || m->kind == WIRE_REFRESH ||
        (m->kind == WIRE_DISCONNECT && m->code >= WORLD_CALL_CODE))
        peer_called(c->peer);
    switch (m->kind) {
    case WIRE_CONNECT:
        on_connect(c, m);
        break;
    case WIRE_PUB:
        view_on_publication(view_of(c, m->channel), &m->pubs[0]);
        break;
    case WIRE_JOIN:
    case WIRE_LEAVE:
        on_member(c, m);
        break;
    case WIRE_PUBLISHED:
    case WIRE_ERROR:
        on_published(c, m);
        break;
    case WIRE_DISCONNECT:
        if (m->code == GUSH_DISCONNECT_CONNECTION_CLOSED || m->code == GUSH_DISCONNECT_SLOW)
            stage_fail("%s: told %u, which is silent", c->name, m->code);
        c->told_end = true;
        c->code = m->code;
        if (m->code >= WORLD_CALL_CODE)
            on_called_off(c, m->code - WORLD_CALL_CODE);
        break;
    case WIRE_PING:
        if (!c->connected)
            stage_fail("%s: a ping before the connect push", c->name);
        break;
    case WIRE_SUBSCRIBE:
        on_subscribe(c, m);
        break;
    case WIRE_UNSUBSCRIBE:
        on_unsubscribe(c, m);
        break;
    case WIRE_REFRESH:
        if (!plan_of(c)->calls)
            stage_fail("%s: a refresh push that nobody caused", c->name);
        break;
    case WIRE_OTHER:
        stage_fail("%s: a push that nobody caused (kind %d)", c->name, (int)m->kind);
    }
}

static void trace_message(const struct conn *c, const struct wire_message *m)
{
    static const char *const names[] = {"ping",    "pub",       "join",    "leave",
                                        "unsub",   "sub",       "connect", "disconnect",
                                        "refresh", "published", "error",   "other"};

    if (!stage_traces())
        return;
    stage_trace("%s reads %s %.*s %.*s", c->name, names[m->kind], S(m->channel),
                m->kind == WIRE_PUB ? 10 : 0,
                m->kind == WIRE_PUB ? (const char *)m->pubs[0].data.p : "");
    for (uint32_t i = 0; i < m->subs_n; i++)
        stage_trace("    %.*s epoch %.*s offset %llu recovered %d with %u", S(m->subs[i].channel),
                    S(m->subs[i].epoch), (unsigned long long)m->subs[i].offset,
                    m->subs[i].recovered, m->subs[i].pubs_n);
}

static void read_frames(struct conn *c, const struct gush_frame *frames, size_t n)
{
    struct wire_message *m = &c->peer->wl->message;

    for (size_t i = 0; i < n; i++) {
        struct gush_span frame = gush_bytes_span(frames[i].bytes);
        enum gush_form form = c->peer->transport->form;

        if (c->peer->transport->marks && !browser_strip(form, &frame, c->pending_id))
            continue;
        const char *why = wire_decode(frame, form, m);
        if (why)
            stage_fail("%s cannot read a frame of %u bytes: %s", c->name, frames[i].bytes->n, why);
        trace_message(c, m);
        read_message(c, m);
        if (c->peer->transport->marks)
            browser_heard(c);
    }
}

/* ---- The transport port ---------------------------------------------------------------------- */

static void cache_drop(struct gush_frame_cache *cache)
{
    struct world *w = (struct world *)(uintptr_t)cache->room[1];

    gush_bytes_unref((struct gush_bytes *)(uintptr_t)cache->room[0]);
    atomic_fetch_sub(&w->caches_live, 1);
}

/* As a gRPC transport does with its slice. */
static void use_cache(struct conn *c, const struct gush_frame *f)
{
    if (f->cache == NULL || c->peer->transport->form != GUSH_FORM_GRPC)
        return;
    if (f->cache->drop == NULL) {
        f->cache->room[0] = (uint64_t)(uintptr_t)gush_bytes_ref(f->bytes);
        f->cache->room[1] = (uint64_t)(uintptr_t)c->peer->world;
        f->cache->drop = cache_drop;
        atomic_fetch_add(&c->peer->world->caches_live, 1);
    }
    if (f->cache->room[0] != (uint64_t)(uintptr_t)f->bytes)
        stage_fail("%s: the cache of a frame belongs to other bytes", c->name);
}

static void plan_sent(struct conn *c)
{
    struct peer *p = c->peer;
    bool very_late = peer_chance(p, p->world->plan.very_late);

    if (c->stalled || c->sending)
        return;
    c->sending = true;
    world_later(p->wl, very_late ? 500000 + peer_below(p, 6000000) : peer_soon(p), link_sent, c);
}

static gush_err port_send(void *conn, const struct gush_frame *frames, size_t frames_n)
{
    struct link *l = GUSH_CAST(link, conn);
    struct conn *c = l->conn;
    struct peer *p = c->peer;

    if (stage_locks_held())
        stage_fail("%s: send with a lock held", c->name);
    if (c->closed || l->pending || frames_n == 0 || frames_n > p->transport->burst_n)
        stage_fail("%s: send of %zu frames, closed %d, pending %d", c->name, frames_n, c->closed,
                   l->pending);
    for (size_t i = 0; i < frames_n; i++)
        use_cache(c, &frames[i]);
    if (c->dead) /* the kernel took it, or told */
        return peer_below(p, 2) ? GUSH_OK : GUSH_EIO;
    if (peer_chance(p, p->world->plan.errors)) {
        c->dead = true;
        world_later(p->wl, peer_soon(p), conn_gone, c);
        return GUSH_EIO;
    }
    if (c->stalled || peer_chance(p, p->world->plan.late)) {
        memcpy(l->frames, frames, frames_n * sizeof frames[0]);
        l->frames_n = frames_n;
        l->pending = true;
        plan_sent(c);
        return GUSH_EAGAIN;
    }
    read_frames(c, frames, frames_n);
    return GUSH_OK;
}

/* Local streams have no gaps: only a stream that began anew is a reason. Where the connect push was
 * not read yet, nobody knows which. */
static bool stream_may_be_new(const struct conn *c)
{
    bool may = c->link->pending && plan_of(c)->meta_expires;

    for (uint32_t i = 0; i < c->peer->world->oracle.channels_n; i++) {
        const struct view *v = &c->views[i];

        if (v->state == VIEW_ASKED && v->channel->positioned)
            may |= plan_of(c)->meta_expires;
        if (v->state == VIEW_TOLD && v->positioned)
            may |= oracle_may_be_over(v->channel, v->epoch);
    }
    return may;
}

/* Behind a broker: somewhere it is not where the stream is. */
static bool something_is_missing(const struct conn *c)
{
    bool missing = c->link->pending; /* who knows what it did not read */

    for (uint32_t i = 0; i < c->peer->world->oracle.channels_n; i++) {
        const struct view *v = &c->views[i];

        if (v->state == VIEW_ASKED)
            missing |= v->channel->positioned;
        if (v->state == VIEW_TOLD && v->positioned)
            missing |= !model_is_at(c->peer->world->model, i, v->pos);
    }
    return missing;
}

/* Is there a reason to be told this? */
static void judge_code(const struct conn *c, uint32_t code)
{
    const struct plan *plan = plan_of(c);
    const struct model_faults *f = &plan->faults;
    bool ok = false;

    switch (code) {
    case GUSH_DISCONNECT_SHUTDOWN:
        ok = atomic_load(&c->peer->world->closing);
        break;
    case GUSH_DISCONNECT_SLOW:
        ok = plan->small_queues || plan->stalls || plan->very_late;
        break;
    case GUSH_DISCONNECT_INAPPROPRIATE_PROTOCOL:
        ok = plan->odd && gush_form_format(c->peer->transport->form) == GUSH_JSON;
        break;
    case GUSH_DISCONNECT_INSUFFICIENT_STATE:
        if (plan->remote) /* with small queues: it could not hold what came meanwhile */
            ok = plan->small_queues ||
                 ((f->breaks_n || f->forgets_of_256) && something_is_missing(c));
        else
            ok = stream_may_be_new(c);
        break;
    case GUSH_DISCONNECT_SERVER_ERROR:
        ok = plan->remote && (f->lost_of_256 || f->slow_of_256 || f->breaks_n);
        break;
    case GUSH_DISCONNECT_EXPIRED:
        ok = c->peer->user || plan->calls;
        break;
    case GUSH_DISCONNECT_SUBSCRIPTION_EXPIRED:
        ok = plan->calls;
        break;
    case GUSH_DISCONNECT_CONNECTION_LIMIT:
        ok = c->peer->user && plan->user_limit;
        break;
    case GUSH_DISCONNECT_STALE:
        ok = !c->connected && (!c->asked || plan->remote);
        break;
    default:
        ok = code == c->kick || (code >= WORLD_CALL_CODE && plan->calls);
        break;
    }
    if (!ok)
        stage_fail("%s is ended with code %u", c->name, code);
}

static void port_close(void *conn, uint32_t code, const char *reason)
{
    struct link *l = GUSH_CAST(link, conn);
    struct conn *c = l->conn;

    (void)reason;
    if (stage_locks_held())
        stage_fail("%s: close with a lock held", c->name);
    if (c->closed)
        stage_fail("%s is closed twice", c->name);
    stage_trace("%s is closed, code %u%s", c->name, code, l->pending ? ", write pending" : "");
    if (c->told_end && c->code != code)
        stage_fail("%s: the push said %u, close says %u", c->name, c->code, code);
    judge_code(c, code);
    c->code = code;
    c->closed = true;
    l->abandoned = l->pending;
    l->pending = false;
    if (!c->dead)
        world_later(c->peer->wl, peer_soon(c->peer), conn_gone, c);
    c->dead = true;
}

#define TRANSPORT(form_, burst, push)                                                              \
    {                                                                                              \
        .name = #form_, .form = GUSH_FORM_##form_, .burst_n = (burst), .disconnect_push = (push),  \
        .marks = GUSH_FORM_##form_ == GUSH_FORM_SSE || GUSH_FORM_##form_ == GUSH_FORM_SSE_CHUNKED, \
        .session = (push), .send = port_send, .close = port_close                                  \
    }

static const struct gush_transport transports[] = {
    TRANSPORT(GRPC, 32, true),
    TRANSPORT(GRPC, 1, true),
    TRANSPORT(PUSH_JSON, 4, false),
    TRANSPORT(SSE, 64, true),
    TRANSPORT(SSE_CHUNKED, 3, true),
    TRANSPORT(REPLY_JSON, 16, false),
    TRANSPORT(REPLY_PROTOBUF, 2, false),
    TRANSPORT(GRPC_FRAMED, 64, true),
    TRANSPORT(LINE, 5, true),
    TRANSPORT(LINE_CHUNKED, 64, true),
};

const struct gush_transport *conn_transport(uint64_t die)
{
    return &transports[die % (sizeof transports / sizeof transports[0])];
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

struct conn *conn_open(struct peer *p)
{
    struct world *w = p->world;
    struct conn *c = GUSH_NEW(struct conn);
    struct link *l = GUSH_NEW(struct link);
    l->magic = link_MAGIC;
    l->conn = c;
    c->peer = p;
    c->opened_us = stage_now_us();
    c->link = l;
    p->conn = c;
    c->client = gush_client_open(w->node, &p->wl->lane, p->transport, l);
    memcpy(c->id, gush_client_id(c->client).p, sizeof c->id);
    stage_lock(&w->conns_lock);
    c->number = w->conns_n++;
    c->next = w->conns;
    w->conns = c;
    stage_unlock(&w->conns_lock);
    snprintf(c->name, sizeof c->name, "%s.%u", p->name, c->number);
    return c;
}

/* ---- The end of it ----------------------------------------------------------------------------
 */

static void remember_positions(struct conn *c)
{
    for (uint32_t i = 0; i < ORACLE_CHANNELS_MAX; i++) {
        struct view *v = &c->views[i];

        if (v->state == VIEW_TOLD && v->positioned) {
            c->peer->last[i].known = true;
            c->peer->last[i].epoch = v->epoch->name;
            c->peer->last[i].offset = v->pos;
        }
        if (v->state != VIEW_NONE)
            v->state = v->state == VIEW_TOLD ? VIEW_OVER : VIEW_NONE;
    }
}

static void give_up_publishes(struct conn *c)
{
    for (uint32_t i = 0; i < c->publishes_n; i++) {
        if (c->publishes[i].answered)
            continue;
        oracle_end(&c->peer->world->oracle, c->publishes[i].id, ORACLE_UNSURE, GUSH_SPAN_EMPTY, 0);
        c->peer->mute = c->peer->world->model != NULL;
    }
}

/* A library may hold on to an abandoned write until its handle is closed. */
static void look_at_abandoned(struct conn *c)
{
    const struct link *l = c->link;

    for (size_t i = 0; l->abandoned && i < l->frames_n; i++) {
        struct gush_span frame = gush_bytes_span(l->frames[i].bytes);
        enum gush_form form = c->peer->transport->form;

        if (c->peer->transport->marks && !browser_strip(form, &frame, NULL))
            continue;
        if (wire_decode(frame, form, &c->peer->wl->message))
            stage_fail("%s: a frame of the abandoned write is gone before the end", c->name);
    }
}

/* The transport noticed: the engine is told, the link is gone. */
void conn_gone(void *arg)
{
    struct conn *c = arg;
    struct peer *p = c->peer;

    if (c->client == NULL)
        return;
    stage_trace("%s is gone", c->name);
    look_at_abandoned(c);
    remember_positions(c);
    atomic_store(&c->leaving, true);
    gush_client_on_closed(c->client);
    c->client = NULL;
    c->link->magic = GUSH_MAGIC_DEAD;
    gush_free(c->link);
    c->link = NULL;
    c->ended = oracle_tick(&p->world->oracle);
    give_up_publishes(c);
    peer_on_gone(p);
}

/* The peer vanishes; of a write under way it read some. */
void conn_die(struct conn *c)
{
    struct peer *p = c->peer;

    if (c->client == NULL || c->dead)
        return;
    stage_trace("%s dies", c->name);
    if (c->link->pending && !c->stalled)
        read_frames(c, c->link->frames, peer_below(p, c->link->frames_n + 1));
    c->dead = true;
    if (peer_below(p, 2))
        conn_gone(c);
    else
        world_later(p->wl, peer_soon(p), conn_gone, c);
}

static void link_sent(void *arg)
{
    struct conn *c = arg;
    struct link *l = c->link;
    struct gush_frame again[GUSH_BURST_MAX];

    c->sending = false;
    if (c->client == NULL || c->dead || c->stalled || !l->pending)
        return;
    size_t n = gush_client_flight(c->client, again, GUSH_BURST_MAX);
    if (n != l->frames_n)
        stage_fail("%s: %zu frames are under way, flight says %zu", c->name, l->frames_n, n);
    for (size_t i = 0; i < n; i++)
        if (again[i].bytes != l->frames[i].bytes)
            stage_fail("%s: flight tells other bytes than were given", c->name);
    read_frames(c, l->frames, l->frames_n);
    l->pending = false;
    gush_client_on_sent(c->client);
}

void conn_stall(struct conn *c, bool stalled)
{
    c->stalled = stalled;
    if (!stalled && c->link && c->link->pending)
        plan_sent(c);
}

void conn_free(struct conn *c)
{
    for (uint32_t i = 0; i < ORACLE_CHANNELS_MAX; i++) {
        view_fini(&c->views[i]);
        gush_free(c->members[i]);
    }
    gush_free(c);
}

/* ---- At rest --------------------------------------------------------------------------------- */

static const char *members_behind(const struct conn *c, uint32_t channel, char *room, size_t room_n)
{
    const struct view *v = &c->views[channel];
    const char *wrong = NULL;

    for (const struct conn *x = c->peer->world->conns; x && wrong == NULL; x = x->next) {
        const struct view *xv = &x->views[channel];
        uint8_t heard = x->number < c->members_n ? c->members[channel][x->number] : CONN_UNHEARD;
        bool late = x == c || xv->asked > v->told;

        if (x->link && (x->link->pending || x->dead))
            continue; /* it may not have read yet where it is */
        if (heard == CONN_JOINED && xv->state != VIEW_TOLD)
            wrong = "leave";
        else if (heard != CONN_JOINED && xv->state == VIEW_TOLD && late)
            wrong = "join";
        if (wrong)
            snprintf(room, room_n, "%s, %.*s: no %s of %s", c->name, S(v->channel->name), wrong,
                     x->name);
    }
    return wrong ? room : NULL;
}

/* An unsubscribe call came behind everything that could have put it there. */
static bool was_called_out(const struct conn *c, uint32_t channel)
{
    struct oracle *o = &c->peer->world->oracle;

    stage_lock(&o->lock);
    uint64_t cleared = o->channels[channel].calls[c->peer->user].cleared;
    stage_unlock(&o->lock);
    return c->entered_tick && cleared > c->entered_tick;
}

/* A disconnect call was answered that began when it was already there. */
static bool was_sent_away(const struct conn *c)
{
    struct oracle *o = &c->peer->world->oracle;

    stage_lock(&o->lock);
    uint64_t sent_away = o->sent_away[c->peer->user];
    stage_unlock(&o->lock);
    return c->entered_tick && sent_away > c->entered_tick;
}

const char *conn_behind(const struct conn *c, bool final, char *room, size_t room_n)
{
    const char *why = NULL;

    if (c->client == NULL || c->dead || c->link->pending)
        return NULL;
    if (final && !c->asked &&
        stage_now_us() > c->opened_us + (uint64_t)plan_of(c)->stale_ms * 1000 + 1000000) {
        snprintf(room, room_n, "%s never said a word, and was not ended", c->name);
        return room;
    }
    if (c->asked && !c->connected && (final || c->peer->world->model == NULL)) {
        snprintf(room, room_n, "%s was not told that it is connected", c->name);
        return room;
    }
    if (was_sent_away(c)) {
        snprintf(room, room_n, "%s is still there, behind a disconnect call", c->name);
        return room;
    }
    for (uint32_t i = 0; i < c->peer->world->oracle.channels_n && why == NULL; i++) {
        const struct view *v = &c->views[i];
        const struct model *model = c->peer->world->model;

        if (final && v->state == VIEW_TOLD && model && !model_listens(model, i)) {
            snprintf(room, room_n, "%s is in %.*s, and the node does not listen to it", c->name,
                     S(v->channel->name));
            return room;
        }
        if (v->state == VIEW_TOLD && was_called_out(c, i)) {
            snprintf(room, room_n, "%s is in %.*s, from where it was unsubscribed", c->name,
                     S(v->channel->name));
            return room;
        }
        if (v->state != VIEW_TOLD || (v->positioned && atomic_load(&v->channel->holes) && !final))
            continue;
        why = view_behind(v, room, room_n);
        if (why == NULL && v->channel->members)
            why = members_behind(c, i, room, room_n);
    }
    return why;
}
