/* churn: who leaves, who comes, who stops listening. Everything is taken at random, at the rates
 * asked for; who left comes back from its last position. */
#include "bench/load/reader_priv.h"

#define TRIES 32

enum act { VISIT, STOP, KILL, STALL };

static bool visit(struct load_reader *r)
{
    for (uint32_t i = r->visitors_from; i < r->subs_n; i++) {
        struct load_sub *sub = &r->subs[r->next_visitor];

        if (++r->next_visitor == r->subs_n)
            r->next_visitor = r->visitors_from;
        if (sub->state != LOAD_AWAY || sub->waits)
            continue;
        sub->position.known = false;
        sub->channel = (uint32_t)gush_rng_below(&r->rng, r->options->channels);
        load__slot_open(sub->slot, sub);
        LOAD_ADD(r->counts.visits, 1);
        return true;
    }
    return false;
}

static bool stop(struct load_reader *r)
{
    for (unsigned i = 0; i < TRIES; i++) {
        struct load_sub *sub = &r->subs[gush_rng_below(&r->rng, r->visitors_from)];

        if (sub->state == LOAD_LIVE && !sub->slot->stalled) {
            load__slot_stop(sub->slot, sub);
            LOAD_ADD(r->counts.stops, 1);
            return true;
        }
    }
    return false;
}

static bool kill(struct load_reader *r)
{
    for (unsigned i = 0; i < TRIES; i++) {
        struct load_slot *slot = &r->slots[gush_rng_below(&r->rng, r->visitor_slots_from)];

        if (!slot->closed && !slot->stalled) {
            load__slot_close(slot, true);
            LOAD_ADD(r->counts.kills, 1);
            return true;
        }
    }
    return false;
}

static bool stall(struct load_reader *r)
{
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t number = (uint32_t)gush_rng_below(&r->rng, r->visitor_slots_from);
        struct load_slot *slot = &r->slots[number];

        if (slot->small && !slot->closed && !slot->stalled && slot->rested_us < r->now_ns / 1000) {
            load__slot_stall(slot, true);
            slot->due_us = r->now_ns / 1000 + r->options->stall_ms * 1000;
            load__queue_put(&r->stalled, number);
            LOAD_ADD(r->counts.stalls, 1);
            return true;
        }
    }
    return false;
}

void load__churn(struct load_reader *r, uint64_t now_us)
{
    const double rates[] = {r->options->connects, r->options->stops, r->options->kills,
                            r->options->stalls};
    double seconds = (double)(now_us - r->churned_us) / 1e6;

    r->churned_us = now_us;
    for (int i = VISIT; i <= STALL; i++) {
        r->owed[i] += rates[i] * seconds;
        while (r->owed[i] >= 1) {
            bool done = i == VISIT  ? visit(r)
                        : i == STOP ? stop(r)
                        : i == KILL ? kill(r)
                                    : stall(r);
            r->owed[i] = done ? r->owed[i] - 1 : 0;
        }
    }
}
