#include "tests/sim/oracle.h"

#include <stdio.h>
#include <string.h>

#include "server/base/mem.h"

#define TIME_SLACK_US 200000 /* between a publication and its answer */
#define S(span)       (int)(span).n, (const char *)(span).p

void oracle_init(struct oracle *o, bool local)
{
    *o = (struct oracle){.local = local};
    stage_lock_init(&o->lock);
    atomic_init(&o->tick, 1);
}

void oracle_fini(struct oracle *o)
{
    for (uint32_t i = 0; i < o->channels_n; i++) {
        while (o->channels[i].epochs) {
            struct oracle_epoch *e = o->channels[i].epochs;
            o->channels[i].epochs = e->older;
            gush_free(e->ids);
            gush_free(e);
        }
    }
    for (uint32_t i = 0; i < o->channels_n; i++)
        gush_free(o->channels[i].reads);
    gush_free(o->records);
    stage_lock_fini(&o->lock);
}

uint64_t oracle_tick(struct oracle *o)
{
    return atomic_fetch_add_explicit(&o->tick, 1, memory_order_relaxed);
}

/* ---- Payloads -------------------------------------------------------------------------------- */

static size_t filler_n(uint32_t id)
{
    uint32_t h = id * UINT32_C(2654435761);
    return h % 16 == 0 ? 200 + h / 16 % 500 : h / 16 % 40;
}

/* A JSON string: number, colon, filler. */
static struct gush_span payload_of(const struct oracle *o, uint32_t id,
                                   uint8_t data[ORACLE_DATA_MAX])
{
    size_t filler = filler_n(id);
    uint32_t rest = id;

    data[0] = o->odd && id % 16 == 7 ? 0xff : '"';
    for (int i = 8; i > 0; i--, rest /= 10)
        data[i] = (uint8_t)('0' + rest % 10);
    data[9] = ':';
    memset(data + 10, 'a' + (int)(id % 26), filler);
    data[10 + filler] = '"';
    return (struct gush_span){data, filler + 11};
}

/* Lock held: |id| was delivered, or lies in a history. */
static void see_key(struct oracle *o, const struct oracle_record *r, uint32_t id)
{
    if (r->key == 0)
        return;
    struct oracle_key *k = &o->channels[r->channel].keys[r->key - 1];
    if (k->winner && k->winner != id + 1)
        stage_fail("publications %u and %u with the same idempotency key were both published",
                   k->winner - 1, id);
    k->winner = id + 1;
}

uint32_t oracle_identify(struct oracle *o, uint32_t channel, struct gush_span payload)
{
    uint8_t expected[ORACLE_DATA_MAX];
    uint32_t id = 0;

    for (size_t i = 1; i < 9 && i < payload.n; i++)
        id = id * 10 + (uint32_t)(payload.p[i] - '0');
    stage_lock(&o->lock);
    bool known = id < o->records_n && o->records[id].channel == channel;
    bool refused = known && o->records[id].fate == ORACLE_REFUSED;
    if (known)
        see_key(o, &o->records[id], id);
    stage_unlock(&o->lock);
    if (!known || !gush_span_eq(payload, payload_of(o, id, expected)))
        stage_fail("a payload in %.*s that nobody published there: %.*s",
                   S(o->channels[channel].name), (int)(payload.n < 60 ? payload.n : 60),
                   (const char *)payload.p);
    if (refused)
        stage_fail("publication %u was refused, and still delivered", id);
    return id;
}

/* ---- The log --------------------------------------------------------------------------------- */

uint32_t oracle_begin(struct oracle *o, uint32_t channel, uint32_t publisher,
                      uint8_t data[ORACLE_DATA_MAX], struct gush_span *payload)
{
    stage_lock(&o->lock);
    if (o->records_n == o->records_cap) {
        o->records_cap = o->records_cap ? o->records_cap * 2 : 128;
        o->records = gush_realloc(o->records, o->records_cap * sizeof(struct oracle_record));
    }
    uint32_t id = o->records_n++;
    o->records[id] = (struct oracle_record){.channel = channel,
                                            .publisher = publisher,
                                            .nth = ++o->nth[publisher],
                                            .begun = oracle_tick(o),
                                            .begun_us = stage_now_us()};
    stage_unlock(&o->lock);
    *payload = payload_of(o, id, data);
    return id;
}

static struct oracle_epoch *epoch_of(struct oracle_channel *ch, struct gush_span name)
{
    struct oracle_epoch *e = ch->epochs;

    while (e && !gush_span_eq(gush_epoch_span(&e->name), name))
        e = e->older;
    if (e)
        return e;
    if (name.n == 0 || name.n > GUSH_EPOCH_MAX)
        stage_fail("an epoch of %zu bytes in %.*s", name.n, S(ch->name));
    e = GUSH_NEW(struct oracle_epoch);
    e->name.n = (uint8_t)name.n;
    memcpy(e->name.s, name.p, name.n);
    e->older = ch->epochs;
    ch->epochs = e;
    return e;
}

struct oracle_epoch *oracle_epoch(struct oracle_channel *channel, struct gush_span name)
{
    stage_lock(&channel->oracle->lock);
    struct oracle_epoch *e = epoch_of(channel, name);
    stage_unlock(&channel->oracle->lock);
    return e;
}

static void grow(struct oracle_epoch *e, uint64_t offset)
{
    uint32_t cap = e->cap ? e->cap : 32;

    if (offset > 10000000)
        stage_fail("an offset of %llu", (unsigned long long)offset);
    if (offset <= e->cap)
        return;
    while (cap < offset)
        cap *= 2;
    e->ids = gush_realloc(e->ids, cap * sizeof(uint32_t));
    memset(e->ids + e->cap, 0, (cap - e->cap) * sizeof(uint32_t));
    e->cap = cap;
}

/* Lock held. */
static struct oracle_epoch *bind(struct oracle *o, uint32_t channel, struct gush_span epoch,
                                 uint64_t offset, uint32_t id)
{
    struct oracle_channel *ch = &o->channels[channel];
    struct oracle_record *r = &o->records[id];
    struct oracle_epoch *e = epoch_of(ch, epoch);

    grow(e, offset);
    if (offset == 0)
        stage_fail("publication %u in a stream has no offset", id);
    if (e->ids[offset - 1] && e->ids[offset - 1] != id + 1)
        stage_fail("%.*s %.*s: offset %llu is publication %u and publication %u", S(ch->name),
                   S(epoch), (unsigned long long)offset, e->ids[offset - 1] - 1, id);
    if (r->epoch && (r->epoch != e || r->offset != offset))
        stage_fail("%.*s: publication %u has offset %llu in %.*s and %llu in %.*s", S(ch->name), id,
                   (unsigned long long)r->offset, S(gush_epoch_span(&r->epoch->name)),
                   (unsigned long long)offset, S(epoch));
    e->ids[offset - 1] = id + 1;
    if (r->begun_us > e->touched_us)
        e->touched_us = r->begun_us;
    r->epoch = e;
    r->offset = offset;
    if (offset > e->top)
        e->top = offset;
    return e;
}

void oracle_bind(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t offset,
                 uint32_t id)
{
    stage_lock(&o->lock);
    bind(o, channel, epoch, offset, id);
    stage_unlock(&o->lock);
}

void oracle_set_key(struct oracle *o, uint32_t id, uint8_t key)
{
    stage_lock(&o->lock);
    o->records[id].key = (uint8_t)(key + 1);
    stage_unlock(&o->lock);
}

/* Lock held: all answers of one key are the same; which publication it was, they do not say. */
static void end_key(struct oracle *o, const struct oracle_record *r, struct gush_span epoch,
                    uint64_t offset)
{
    struct oracle_channel *ch = &o->channels[r->channel];
    struct oracle_key *k = &ch->keys[r->key - 1];
    struct oracle_epoch *e = epoch.n ? epoch_of(ch, epoch) : NULL;

    if (k->answered && (k->epoch != e || k->offset != offset))
        stage_fail("%.*s: one idempotency key, two answers: offsets %llu and %llu", S(ch->name),
                   (unsigned long long)k->offset, (unsigned long long)offset);
    if (ch->stream && (e == NULL || offset == 0))
        stage_fail("%.*s: a publish with an idempotency key told no position", S(ch->name));
    k->answered = true;
    k->epoch = e;
    k->offset = offset;
    if (e && offset > e->top) {
        grow(e, offset);
        e->top = offset;
    }
}

/* A publication entered the stream between |since_us| and now. What was kept before may have
 * expired in between. */
static void note_publish(struct oracle_channel *ch, uint64_t since_us)
{
    if (ch->last_publish_us && stage_now_us() + TIME_SLACK_US >= ch->last_publish_us + ch->ttl_us)
        ch->removed = true;
    if (since_us > ch->last_publish_us)
        ch->last_publish_us = since_us;
}

void oracle_touch(struct oracle_channel *ch, struct oracle_epoch *epoch, uint64_t us)
{
    stage_lock(&ch->oracle->lock);
    if (us > epoch->touched_us)
        epoch->touched_us = us;
    stage_unlock(&ch->oracle->lock);
}

bool oracle_may_be_over(struct oracle_channel *ch, const struct oracle_epoch *epoch)
{
    stage_lock(&ch->oracle->lock);
    /* The engine reckons in milliseconds. */
    bool may = stage_now_us() + 2000 >= epoch->touched_us + ch->meta_ttl_us;
    stage_unlock(&ch->oracle->lock);
    return may;
}

void oracle_broken(struct oracle *o, uint32_t channel)
{
    stage_lock(&o->lock);
    o->channels[channel].broken = oracle_tick(o);
    atomic_store(&o->channels[channel].holes, true);
    stage_unlock(&o->lock);
}

void oracle_whole(struct oracle *o, uint32_t channel)
{
    stage_lock(&o->lock);
    o->channels[channel].whole = oracle_tick(o);
    stage_unlock(&o->lock);
}

void oracle_end(struct oracle *o, uint32_t id, enum oracle_fate fate, struct gush_span epoch,
                uint64_t offset)
{
    stage_lock(&o->lock);
    struct oracle_record *r = &o->records[id];
    struct oracle_channel *ch = &o->channels[r->channel];

    r->ended = oracle_tick(o);
    r->fate = fate == ORACLE_REFUSED && r->applied ? ORACLE_UNSURE : fate;
    /* An equal key that was answered before published nothing. */
    if (fate == ORACLE_ACCEPTED && !r->applied && !(r->key && ch->keys[r->key - 1].answered))
        note_publish(ch, r->begun_us);
    if (r->key && fate == ORACLE_ACCEPTED) {
        r->fate = ORACLE_UNSURE;
        end_key(o, r, epoch, offset);
    } else if (epoch.n)
        bind(o, r->channel, epoch, offset, id);
    else if (fate == ORACLE_ACCEPTED && ch->stream && r->publisher < 8)
        stage_fail("%.*s keeps a stream, but a publish told no position", S(ch->name));
    stage_unlock(&o->lock);
}

void oracle_applied(struct oracle *o, uint32_t id, struct gush_span epoch, uint64_t offset)
{
    stage_lock(&o->lock);
    struct oracle_record *r = &o->records[id];

    if (r->applied)
        stage_fail("publication %u reached the broker twice", id);
    r->applied = true;
    note_publish(&o->channels[r->channel], stage_now_us());
    if (epoch.n)
        bind(o, r->channel, epoch, offset, id);
    stage_unlock(&o->lock);
}

void oracle_current(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t top)
{
    stage_lock(&o->lock);
    struct oracle_channel *ch = &o->channels[channel];

    struct oracle_epoch *e = epoch_of(ch, epoch);
    bool rewound = e->top > top && !atomic_load(&ch->holes);
    /* On threads somebody may have published since the read; this is asked again then. */
    if (rewound && stage_is_virtual())
        stage_fail("%.*s: the top is %llu, but offset %llu was given", S(ch->name),
                   (unsigned long long)top, (unsigned long long)e->top);
    ch->current = e;
    if (!rewound) {
        grow(e, top);
        e->top = top;
    }
    stage_unlock(&o->lock);
}

void oracle_read(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t top,
                 bool since, uint64_t offset)
{
    struct oracle_channel *ch = &o->channels[channel];

    stage_lock(&o->lock);
    if (ch->reads_n == ch->reads_cap) {
        ch->reads_cap = ch->reads_cap ? ch->reads_cap * 2 : 16;
        ch->reads = gush_realloc(ch->reads, ch->reads_cap * sizeof(struct oracle_read));
    }
    ch->reads[ch->reads_n++] =
        (struct oracle_read){oracle_tick(o), epoch_of(ch, epoch), top, since, since ? offset : 0};
    stage_unlock(&o->lock);
}

bool oracle_was_read(struct oracle_channel *ch, uint64_t tick, const struct oracle_epoch *epoch,
                     uint64_t top, bool since, uint64_t offset)
{
    bool found = false;

    stage_lock(&ch->oracle->lock);
    for (uint32_t i = ch->reads_n; i > 0 && !found && ch->reads[i - 1].tick > tick; i--) {
        const struct oracle_read *r = &ch->reads[i - 1];
        found = r->epoch == epoch && r->top == top && r->since == since &&
                (!since || r->offset == offset);
    }
    stage_unlock(&ch->oracle->lock);
    return found;
}

void oracle_history(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t top,
                    struct gush_publication *const *publications, size_t n, bool reverse)
{
    struct gush_span name = o->channels[channel].name;
    uint64_t before = 0;

    for (size_t i = 0; i < n; i++) {
        struct gush_pub pub = gush_publication_view(publications[i], GUSH_SPAN_EMPTY);
        uint64_t offset = gush_publication_offset(publications[i]);

        if (i && offset != (reverse ? before - 1 : before + 1))
            stage_fail("history of %.*s: offset %llu behind %llu", S(name),
                       (unsigned long long)offset, (unsigned long long)before);
        if (offset > top)
            stage_fail("history of %.*s: offset %llu above its top %llu", S(name),
                       (unsigned long long)offset, (unsigned long long)top);
        oracle_bind(o, channel, epoch, offset, oracle_identify(o, channel, pub.data));
        before = offset;
    }
}
