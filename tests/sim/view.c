#include <stdio.h>
#include <string.h>

#include "server/base/mem.h"

#include "tests/sim/oracle.h"

#define S(span) (int)(span).n, (const char *)(span).p
#define NAME(v) S((v)->channel->name)

typedef unsigned long long ull;

void view_ask(struct view *v, struct oracle_channel *channel, const char *who)
{
    v->channel = channel;
    v->who = who;
    v->state = VIEW_ASKED;
    v->asked = oracle_tick(channel->oracle);
    v->asked_us = stage_now_us();
}

void view_again(struct view *v, struct oracle_channel *channel, const char *who, uint64_t since,
                uint64_t since_us)
{
    v->channel = channel;
    v->who = who;
    v->state = VIEW_ASKED;
    v->asked = since;
    v->asked_us = since_us;
    v->recover = v->lost = false;
    v->from = 0;
    v->from_epoch.n = 0;
}

void view_end(struct view *v)
{
    if (v->state == VIEW_TOLD)
        v->state = VIEW_OVER;
}

void view_fini(struct view *v)
{
    gush_free(v->seen);
    v->seen = NULL;
}

static void remember(struct view *v, uint32_t id)
{
    struct oracle *o = v->channel->oracle;

    stage_lock(&o->lock);
    struct oracle_record r = o->records[id];
    stage_unlock(&o->lock);
    if (r.nth <= v->last[r.publisher])
        stage_fail("%s, %.*s: publication %u (the %u. of publisher %u) came behind the %u.", v->who,
                   NAME(v), id, r.nth, r.publisher, v->last[r.publisher]);
    v->last[r.publisher] = r.nth;
    if (v->seen_n == v->seen_cap) {
        v->seen_cap = v->seen_cap ? v->seen_cap * 2 : 32;
        v->seen = gush_realloc(v->seen, v->seen_cap * sizeof(uint32_t));
    }
    v->seen[v->seen_n++] = id;
}

/* ---- The connect push ------------------------------------------------------------------------ */

/* A stream that lost nothing must not refuse to recover. */
static void justify_refusal(const struct view *v, const struct wire_sub *sub)
{
    struct oracle_channel *ch = v->channel;
    uint64_t missing = sub->offset - v->from, now_us = stage_now_us();

    stage_lock(&ch->oracle->lock);
    bool removed = ch->removed || now_us + 200000 >= ch->last_publish_us + ch->ttl_us;
    stage_unlock(&ch->oracle->lock);

    if (ch->cache) {
        if (sub->offset && !removed && !atomic_load(&ch->holes))
            stage_fail("%s, %.*s: the newest publication was there, and not given", v->who,
                       NAME(v));
        return;
    }
    if (v->from_epoch.n && !gush_span_eq(sub->epoch, gush_epoch_span(&v->from_epoch)))
        return;
    if (v->from > sub->offset || (missing && removed) || atomic_load(&ch->holes) ||
        (int64_t)missing > ch->size || missing > ch->recovery_limit)
        return;
    stage_fail("%s, %.*s: recovery from offset %llu refused without reason: same epoch, top %llu, "
               "%lld kept",
               v->who, NAME(v), (ull)v->from, (ull)sub->offset, (long long)ch->size);
}

static void check_shape(const struct view *v, const struct wire_sub *sub)
{
    const struct oracle_channel *ch = v->channel;

    if (v->state != VIEW_ASKED)
        stage_fail("%s was told twice that it is in %.*s", v->who, NAME(v));
    if (sub->positioned != ch->positioned || sub->recoverable != ch->recoverable)
        stage_fail("%s, %.*s: positioned %d recoverable %d", v->who, NAME(v), sub->positioned,
                   sub->recoverable);
    if (ch->positioned != (sub->epoch.n > 0))
        stage_fail("%s, %.*s: epoch '%.*s'", v->who, NAME(v), S(sub->epoch));
    if (sub->was_recovering != v->recover)
        stage_fail("%s, %.*s: was_recovering %d", v->who, NAME(v), sub->was_recovering);
    if (sub->recovered && !(v->recover && ch->recoverable))
        stage_fail("%s, %.*s: recovered without being asked", v->who, NAME(v));
    if (!sub->recovered && sub->pubs_n)
        stage_fail("%s, %.*s: publications without recovery", v->who, NAME(v));
    if (sub->recovered && v->from_epoch.n && !ch->cache &&
        !gush_span_eq(sub->epoch, gush_epoch_span(&v->from_epoch)))
        stage_fail("%s, %.*s: recovered over a change of epoch", v->who, NAME(v));
    if (sub->recovered && sub->offset != v->from)
        stage_fail("%s, %.*s: recovered from %llu, told %llu", v->who, NAME(v), (ull)v->from,
                   (ull)sub->offset);
}

/* Behind a broker: what was told must stem from an answer that counts, given since it asked. */
static void justify_position(const struct view *v, const struct wire_sub *sub)
{
    bool since = v->recover && v->channel->recoverable && !v->channel->cache && !v->lost;
    uint64_t top = !sub->recovered     ? sub->offset
                   : v->channel->cache ? v->pos
                                       : v->from + sub->pubs_n;

    if (!oracle_was_read(v->channel, v->asked, v->epoch, top, since, v->from))
        stage_fail("%s, %.*s: told top %llu, but the broker gave no such answer since it asked "
                   "(other than on a broken connection)",
                   v->who, NAME(v), (ull)top);
}

void view_on_told(struct view *v, const struct wire_sub *sub, const struct wire_message *message)
{
    check_shape(v, sub);
    v->state = VIEW_TOLD;
    v->told = oracle_tick(v->channel->oracle);
    v->positioned = sub->positioned;
    if (!v->positioned)
        return;
    v->epoch = oracle_epoch(v->channel, sub->epoch);
    oracle_touch(v->channel, v->epoch, v->asked_us);
    v->pos = sub->offset;
    if (v->channel->cache && sub->pubs_n) {
        if (sub->pubs_n > 1)
            stage_fail("%s, %.*s: more than the newest publication", v->who, NAME(v));
        v->pos = message->pubs[sub->pubs_at].offset;
    }
    if (!v->channel->oracle->local)
        justify_position(v, sub);
    if (v->channel->cache && sub->pubs_n)
        v->pos--;
    if (v->recover && v->channel->recoverable && !sub->recovered)
        justify_refusal(v, sub);
    for (uint32_t i = 0; i < sub->pubs_n; i++)
        view_on_publication(v, &message->pubs[sub->pubs_at + i]);
}

void view_on_subscribed(struct view *v, const struct wire_sub *sub)
{
    view_on_told(v, sub, NULL);
}

/* ---- Publications ---------------------------------------------------------------------------- */

static void positioned(struct view *v, const struct wire_pub *pub, uint32_t id)
{
    if (pub->epoch.n && !gush_span_eq(pub->epoch, gush_epoch_span(&v->epoch->name)))
        stage_fail("%s, %.*s: offset %llu of epoch %.*s in a stream of %.*s", v->who, NAME(v),
                   (ull)pub->offset, S(pub->epoch), S(gush_epoch_span(&v->epoch->name)));
    if (pub->offset != v->pos + 1)
        stage_fail("%s, %.*s: offset %llu behind %llu", v->who, NAME(v), (ull)pub->offset,
                   (ull)v->pos);
    v->pos = pub->offset;
    oracle_bind(v->channel->oracle, v->channel->index, gush_epoch_span(&v->epoch->name),
                pub->offset, id);
}

void view_on_publication(struct view *v, const struct wire_pub *pub)
{
    struct oracle *o = v->channel->oracle;
    uint32_t id = oracle_identify(o, v->channel->index, pub->data);

    if (v->state != VIEW_TOLD)
        stage_fail("%s, %.*s: publication %u before the subscription was told", v->who, NAME(v),
                   id);
    if (!v->channel->stream && pub->offset)
        stage_fail("%s, %.*s: offset %llu where nothing is kept", v->who, NAME(v),
                   (ull)pub->offset);
    stage_lock(&o->lock);
    bool old = o->records[id].ended && o->records[id].ended < v->asked;
    stage_unlock(&o->lock);
    if (v->positioned)
        positioned(v, pub, id);
    else if (old && o->local)
        stage_fail("%s, %.*s: publication %u was published before it subscribed", v->who, NAME(v),
                   id);
    remember(v, id);
}

bool view_saw(const struct view *v, uint32_t id)
{
    for (uint32_t i = v->seen_n; i > 0; i--)
        if (v->seen[i - 1] == id)
            return true;
    return false;
}

void view_heard_until(const struct view *v, uint64_t tick)
{
    struct oracle *o = v->channel->oracle;
    uint32_t missing = UINT32_MAX;

    stage_lock(&o->lock);
    for (uint32_t id = 0; id < o->records_n && missing == UINT32_MAX; id++) {
        const struct oracle_record *r = &o->records[id];

        if (r->channel == v->channel->index && r->fate == ORACLE_ACCEPTED && r->begun > v->told &&
            r->ended < tick && !view_saw(v, id))
            missing = id;
    }
    stage_unlock(&o->lock);
    if (missing != UINT32_MAX)
        stage_fail("%s, %.*s: ended by a call without publication %u, which came before it", v->who,
                   NAME(v), missing);
}

/* ---- At rest --------------------------------------------------------------------------------- */

static const char *positioned_behind(const struct view *v, char *room, size_t room_n)
{
    const struct oracle_epoch *current = v->channel->current;

    if (current == NULL)
        return NULL;
    if (v->epoch == current && v->pos == current->top)
        return NULL;
    if (v->epoch != current)
        snprintf(room, room_n, "%s, %.*s: still in epoch %.*s, the stream is in %.*s", v->who,
                 NAME(v), S(gush_epoch_span(&v->epoch->name)), S(gush_epoch_span(&current->name)));
    else
        snprintf(room, room_n, "%s, %.*s: at offset %llu, the stream is at %llu", v->who, NAME(v),
                 (ull)v->pos, (ull)current->top);
    return room;
}

static bool overlaps(const struct oracle *o, const struct oracle_record *r)
{
    for (uint32_t id = 0; id < o->records_n; id++) {
        const struct oracle_record *x = &o->records[id];

        if (x != r && x->channel == r->channel && x->begun < r->ended && x->ended > r->begun)
            return true;
    }
    return false;
}

/* Of a channel that may drop, the newest publication is not dropped. Lock held. */
static bool newest_seen(const struct view *v)
{
    const struct oracle *o = v->channel->oracle;

    for (uint32_t id = o->records_n; id > 0; id--) {
        const struct oracle_record *r = &o->records[id - 1];

        if (r->channel != v->channel->index || r->fate == ORACLE_REFUSED)
            continue;
        /* Two at once: which was the newer? */
        if (r->fate != ORACLE_ACCEPTED || r->begun <= v->told || overlaps(o, r))
            return true;
        return view_saw(v, id - 1);
    }
    return true;
}

const char *view_behind(const struct view *v, char *room, size_t room_n)
{
    struct oracle *o = v->channel->oracle;
    const char *why = NULL;

    if (v->state != VIEW_TOLD)
        return NULL;
    if (v->positioned)
        return positioned_behind(v, room, room_n);
    stage_lock(&o->lock);
    if (v->channel->lossy || v->channel->broken > v->channel->whole) {
        if (v->channel->latest && v->channel->broken == 0 && !newest_seen(v)) {
            snprintf(room, room_n, "%s, %.*s: the newest publication was dropped", v->who, NAME(v));
            why = room;
        }
        stage_unlock(&o->lock);
        return why;
    }
    for (uint32_t id = 0; id < o->records_n && why == NULL; id++) {
        const struct oracle_record *r = &o->records[id];

        if (r->channel == v->channel->index && r->fate == ORACLE_ACCEPTED && r->begun > v->told &&
            r->begun > v->channel->whole && (r->nth > v->last[r->publisher] || !view_saw(v, id))) {
            snprintf(room, room_n, "%s, %.*s: publication %u is missing", v->who, NAME(v), id);
            why = room;
        }
    }
    stage_unlock(&o->lock);
    return why;
}

void view_compare(const struct view *a, const struct view *b)
{
    const struct oracle *o = a->channel->oracle;
    uint32_t at = 0;

    for (uint32_t i = 0; i < b->seen_n; i++) {
        uint32_t id = b->seen[i], k = at;

        while (k < a->seen_n && a->seen[k] != id)
            k++;
        if (k < a->seen_n)
            at = k + 1;
        else if (view_saw(a, id))
            stage_fail("%.*s: %s and %s saw publication %u (of publisher %u) in different orders",
                       NAME(a), a->who, b->who, id, o->records[id].publisher);
    }
}
