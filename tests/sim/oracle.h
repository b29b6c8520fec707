/* oracle: what was published, what each connection decoded, and whether the two agree.
 *
 * Every publication carries its number in its payload, so that it can be told from all others. The
 * log says which number has which (channel, epoch, offset), as far as the publisher's answer, the
 * broker's model, a history read or a subscriber's stream told; two different answers are a
 * failure. A view is what one connection saw of one channel; it is judged frame by frame, and
 * against the log when everything rests.
 *
 * Owner     the play                  Thread  log: any (its lock); a view: its connection's lane
 * Lifetime  one play */
#ifndef GUSH_SIM_ORACLE_H
#define GUSH_SIM_ORACLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/engine/node.h"

#include "tests/sim/stage.h"
#include "tests/sim/wire.h"

#define ORACLE_CHANNELS_MAX   5
#define ORACLE_PUBLISHERS_MAX 96
#define ORACLE_DATA_MAX       1024

struct oracle;
struct view;

struct oracle_epoch {
    uint64_t touched_us; /* read by a subscriber, or written, then or later */
    struct gush_epoch name;
    uint64_t top;  /* highest offset known */
    uint32_t *ids; /* by offset - 1: number + 1, 0 unknown */
    uint32_t cap;
    struct oracle_epoch *older;
};

enum oracle_fate { ORACLE_UNDER_WAY, ORACLE_ACCEPTED, ORACLE_REFUSED, ORACLE_UNSURE };

struct oracle_record {
    uint32_t channel, publisher, nth;
    uint64_t begun, ended; /* ticks */
    uint64_t begun_us;
    enum oracle_fate fate;
    bool applied; /* the broker's model has it */
    uint8_t key;  /* idempotency key + 1, 0 none */
    struct oracle_epoch *epoch;
    uint64_t offset;
};

#define ORACLE_USERS_N 4 /* nobody, u1, u2, u3 */
#define ORACLE_KEYS_N  8

/* What publishing with one idempotency key came to. */
struct oracle_key {
    uint32_t winner; /* the publication that was seen + 1 */
    bool answered;
    struct oracle_epoch *epoch;
    uint64_t offset;
};

/* An answer that the broker gave, and that the engine may build on. */
struct oracle_read {
    uint64_t tick;
    struct oracle_epoch *epoch;
    uint64_t top;
    bool since;
    uint64_t offset;
};

struct oracle_channel {
    struct oracle *oracle;
    uint32_t index;
    struct gush_span name;
    /* what the plan says */
    bool stream, positioned, recoverable, members, lossy, latest, cache;
    int64_t size;
    uint64_t ttl_us, meta_ttl_us, recovery_limit;
    /* lock: the oracle's */
    struct oracle_epoch *epochs;  /* newest known first */
    struct oracle_epoch *current; /* as a read at rest or the broker's model says; NULL unknown */
    uint64_t last_publish_us;     /* at least */
    bool removed;                 /* history_remove was called at some time, or the list expired */
    struct oracle_key keys[ORACLE_KEYS_N];
    struct oracle_read *reads;
    uint32_t reads_n, reads_cap;
    /* Calls of the API, by user. */
    struct oracle_calls {
        uint32_t subscribes_n, posting; /* how many subscribe; those not yet on their way */
        uint64_t cleared; /* tick: whoever was there before was unsubscribed since; 0 nobody */
    } calls[ORACLE_USERS_N];
    uint64_t broken, whole; /* ticks: the broker's connection broke; it was acknowledged anew */
    atomic_bool holes;      /* publications may be lost on the way: the broker's connection broke */
};

struct oracle {
    struct stage_lock lock;
    bool local;
    bool odd; /* some payloads are not JSON */
    struct oracle_channel channels[ORACLE_CHANNELS_MAX];
    uint32_t channels_n;
    struct oracle_record *records;
    uint32_t records_n, records_cap;
    uint32_t nth[ORACLE_PUBLISHERS_MAX];
    uint64_t sent_away[ORACLE_USERS_N]; /* lock; tick: whoever was there before was disconnected */
    atomic_uint_fast64_t tick;
};

void oracle_init(struct oracle *o, bool local);
void oracle_fini(struct oracle *o);
uint64_t oracle_tick(struct oracle *o);

/* ---- The log --------------------------------------------------------------------------------- */

/* A new publication by |publisher|; its payload is written to |data|. */
uint32_t oracle_begin(struct oracle *o, uint32_t channel, uint32_t publisher,
                      uint8_t data[ORACLE_DATA_MAX], struct gush_span *payload);
/* The publication |id| has this idempotency key: of all with it at most one is ever seen. */
void oracle_set_key(struct oracle *o, uint32_t id, uint8_t key);
/* The publisher's answer. |epoch| empty: it told no position. */
void oracle_end(struct oracle *o, uint32_t id, enum oracle_fate fate, struct gush_span epoch,
                uint64_t offset);
void oracle_applied(struct oracle *o, uint32_t id, struct gush_span epoch, uint64_t offset);
/* The number in |payload|; a payload that nobody wrote, or changed ones, are a failure. */
uint32_t oracle_identify(struct oracle *o, uint32_t channel, struct gush_span payload);
/* The stream was read or written at |us| or later. */
void oracle_touch(struct oracle_channel *channel, struct oracle_epoch *epoch, uint64_t us);
/* |epoch| may have ended: nobody touched it for longer than its metadata lives. */
bool oracle_may_be_over(struct oracle_channel *channel, const struct oracle_epoch *epoch);
/* The connection to the broker broke; SUBSCRIBE was acknowledged on a new one. */
void oracle_broken(struct oracle *o, uint32_t channel);
void oracle_whole(struct oracle *o, uint32_t channel);
/* |id| has this position; a contradiction is a failure. */
void oracle_bind(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t offset,
                 uint32_t id);
/* The epoch of that name, made known if need be. */
struct oracle_epoch *oracle_epoch(struct oracle_channel *channel, struct gush_span name);
/* The truth about a channel at rest: its epoch and top. */
void oracle_current(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t top);
/* The broker answers a read now, on the connection on which it was asked. */
void oracle_read(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t top,
                 bool since, uint64_t offset);
/* There was such an answer behind |tick|. */
bool oracle_was_read(struct oracle_channel *channel, uint64_t tick,
                     const struct oracle_epoch *epoch, uint64_t top, bool since, uint64_t offset);
/* |publications| came from a history read; forward order unless |reverse|. */
void oracle_history(struct oracle *o, uint32_t channel, struct gush_span epoch, uint64_t top,
                    struct gush_publication *const *publications, size_t n, bool reverse);

/* ---- Views ----------------------------------------------------------------------------------- */

enum view_state { VIEW_NONE, VIEW_ASKED, VIEW_TOLD, VIEW_OVER };

struct view {
    struct oracle_channel *channel;
    const char *who;
    enum view_state state;
    bool positioned;
    struct oracle_epoch *epoch;
    uint64_t pos;
    uint64_t asked, told; /* ticks */
    uint64_t asked_us;
    bool recover; /* asked with a position ... */
    bool lost;    /* ... that nobody could read */
    struct gush_epoch from_epoch;
    uint64_t from;
    uint32_t *seen; /* numbers in order */
    uint32_t seen_n, seen_cap;
    uint32_t last[ORACLE_PUBLISHERS_MAX]; /* nth of each publisher's newest one seen */
};

void view_ask(struct view *v, struct oracle_channel *channel, const char *who);
/* Subscribed by the API at an unknown time behind |since|. */
void view_again(struct view *v, struct oracle_channel *channel, const char *who, uint64_t since,
                uint64_t since_us);
void view_end(struct view *v);
void view_fini(struct view *v);
/* The connect push has an entry for it. |message| holds its publications. */
void view_on_told(struct view *v, const struct wire_sub *sub, const struct wire_message *message);
/* So says a subscribe push. */
void view_on_subscribed(struct view *v, const struct wire_sub *sub);
void view_on_publication(struct view *v, const struct wire_pub *pub);
bool view_saw(const struct view *v, uint32_t id);
/* What was published before |tick| has been seen; of a channel where nothing is dropped or lost. */
void view_heard_until(const struct view *v, uint64_t tick);
/* At rest: NULL, or what is missing. |strict| false: only what even a lost connection allows. */
const char *view_behind(const struct view *v, char *room, size_t room_n);
/* Both saw the same order. */
void view_compare(const struct view *a, const struct view *b);

#endif
