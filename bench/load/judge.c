/* judge: what a subscriber hears, held against what it should hear. */
#include <stdio.h>

#include "bench/load/reader_priv.h"
#include "bench/load/record.h"

void load__judge_refused(struct load_reader *r, const char *what, struct gush_span said)
{
    LOAD_ADD(r->counts.refused, 1);
    if (r->complaint[0] == '\0')
        snprintf(r->complaint, sizeof r->complaint, "%s %.*s", what,
                 said.n < 120 ? (int)said.n : 120, (const char *)said.p);
}

static void note_code(struct load_reader *r, uint32_t code)
{
    for (size_t i = 0; i < r->codes_n; i++) {
        if (r->codes[i].code == code) {
            r->codes[i].n++;
            return;
        }
    }
    if (r->codes_n < LOAD_CODES_MAX)
        r->codes[r->codes_n++] = (struct load_code){.code = code, .n = 1};
}

static void measure(struct load_sub *sub, const struct load_record *record)
{
    struct load_reader *r = sub->slot->reader;

    if (sub->slot->was_stalled || record->intended_ns < atomic_load(&r->published->measure_from_ns))
        return;
    load_hist_add(&r->latency[sub->slot->wire],
                  r->now_ns > record->intended_ns ? r->now_ns - record->intended_ns : 0);
}

static void publication(struct load_sub *sub, const struct load_publication *pub, bool live)
{
    struct load_reader *r = sub->slot->reader;
    const struct load_options *o = r->options;
    struct load_record record;
    const uint8_t *end;
    uint64_t key, lost;

    if (!load_record_find(pub->data, &record, &end) || record.channel != sub->channel ||
        (o->history && pub->offset == 0) ||
        (o->history && o->inflight == 1 && pub->offset != record.seq)) {
        LOAD_ADD(r->counts.wrong, 1);
        return;
    }
    key = o->history ? pub->offset : record.seq;
    switch (load_track_see(&sub->track, key, &lost)) {
    case LOAD_DOUBLE:
        LOAD_ADD(r->counts.doubles, 1);
        return;
    case LOAD_LATE:
        LOAD_ADD(r->counts.late, 1);
        LOAD_ADD(r->counts.lost, -1);
        break;
    case LOAD_NEW:
        LOAD_ADD(r->counts.lost, lost);
        break;
    }
    if (pub->offset > sub->position.offset)
        sub->position.offset = pub->offset;
    LOAD_ADD(r->counts.received, 1);
    LOAD_ADD(r->counts.visited, sub->visitor);
    if (live)
        measure(sub, &record);
    else
        LOAD_ADD(r->counts.recovered, 1);
}

/* A connect push of a subscriber without a position: what it hears begins here. */
static void begin(struct load_sub *sub, const struct load_push *push)
{
    struct load_reader *r = sub->slot->reader;

    if (r->options->history) {
        load_track_begin(&sub->track, push->offset);
        sub->track.begun = true;
        sub->position.offset = push->offset;
    } else {
        /* What was sent before this moment may come or not; all the rest must. */
        uint64_t sent = atomic_load(&r->published->sent[sub->channel]);

        if (sub->heard) /* it was away, and nobody kept for it what it missed */
            LOAD_ADD(r->counts.lost, load_track_missing(&sub->track, sent));
        load_track_begin(&sub->track, sent);
    }
}

static void keep_position(struct load_sub *sub, const struct load_push *push)
{
    if (!sub->slot->reader->options->history || push->epoch.n >= LOAD_EPOCH_MAX)
        return;
    sub->position.known = !sub->visitor;
    memcpy(sub->position.epoch, push->epoch.p, push->epoch.n);
    sub->position.epoch[push->epoch.n] = '\0';
}

static void connected(struct load_sub *sub, const struct load_push *push, struct gush_span message)
{
    struct load_reader *r = sub->slot->reader;
    bool recovering = sub->position.known;

    if (!push->subscribed || (r->options->history && !push->positioned)) {
        load__judge_refused(r, "connected, but not subscribed with a position:", message);
        load__sub_end(sub);
        return;
    }
    if (!recovering) {
        begin(sub, push);
    } else if (!push->recovered) {
        LOAD_ADD(r->counts.unrecovered, 1);
        LOAD_ADD(r->counts.lost, load_track_missing(&sub->track, push->offset));
        begin(sub, push);
    }
    keep_position(sub, push);
    sub->state = LOAD_LIVE;
    sub->heard = !sub->visitor;
    sub->live_ns = r->now_ns;
    r->connecting--;
    LOAD_ADD(r->counts.live, 1);
    LOAD_ADD(r->counts.connected, 1);
    for (size_t i = 0; i < push->pubs_n; i++)
        publication(sub, &push->pubs[i], false);
    if (sub->visitor) {
        sub->due_us = r->now_ns / 1000 + r->options->stay_ms * 1000;
        sub->waits = true;
        load__queue_put(&r->leaving, sub->number);
    }
}

void load__judge_message(void *arg, struct gush_span message)
{
    struct load_sub *sub = arg;
    struct load_reader *r = sub->slot->reader;
    struct load_push *push = r->push;

    sub->heard_ns = r->now_ns;
    if (load_wire_decode(sub->slot->wire, message, push) != GUSH_OK) {
        LOAD_ADD(r->counts.wrong, 1);
        return;
    }
    switch (push->kind) {
    case LOAD_PUB:
        if (sub->state == LOAD_LIVE)
            publication(sub, &push->pub, true);
        else
            LOAD_ADD(r->counts.wrong, 1);
        break;
    case LOAD_CONNECT:
        if (sub->state == LOAD_CONNECTING)
            connected(sub, push, message);
        else
            LOAD_ADD(r->counts.wrong, 1);
        break;
    case LOAD_DISCONNECT:
        /* The end of the stream follows, and is what counts. */
        note_code(r, push->code);
        break;
    case LOAD_OTHER:
        break;
    }
}
