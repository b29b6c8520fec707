/* What reader.c, slot.c, judge.c and churn.c share. All of it belongs to the reader's thread. */
#ifndef BENCH_LOAD_READER_PRIV_H
#define BENCH_LOAD_READER_PRIV_H

#include "server/base/rng.h"

#include "bench/load/h2.h"
#include "bench/load/http.h"
#include "bench/load/reader.h"
#include "bench/load/track.h"

#define LOAD_READ_SIZE ((size_t)256 * 1024)

enum load_state { LOAD_AWAY, LOAD_CONNECTING, LOAD_LIVE };

/* One subscriber. */
struct load_sub {
    struct load_slot *slot;
    uint32_t number, channel, stream;
    enum load_state state;
    bool over;  /* its stream ended: whoever reads it must look up */
    bool waits; /* is in a queue: to come back, or to leave */
    bool visitor;
    bool heard; /* was live before */
    uint64_t due_us, live_ns, heard_ns;
    struct load_position position;
    struct load_track track;
    struct load_framer framer;
};

/* One connection, and the subscribers that have streams on it. */
struct load_slot {
    struct load_reader *reader;
    enum load_wire wire;
    int fd;
    bool closed;   /* no descriptor */
    bool draining; /* GOAWAY: no new streams */
    bool small;    /* a small receive buffer: the kind that stalls */
    bool stalled, was_stalled;
    uint64_t due_us;    /* stalled: when it reads on */
    uint64_t rested_us; /* when it may stall again */
    uint32_t first, count, hint;
    uint32_t next_stream;
    struct load_h2 h2;
    struct load_http http;
};

/* Numbers in the order in which they are due; the delay of a queue is always the same. */
struct load_queue {
    uint32_t *at;
    uint32_t size, head, n;
};

struct load_reader {
    const struct load_options *options;
    struct load_published *published;
    struct load_counts counts;
    struct load_hist latency[LOAD_WIRES];
    struct load_code codes[LOAD_CODES_MAX];
    size_t codes_n;
    char complaint[200];
    _Atomic int order;
    bool cycled; /* LOAD_CYCLE was done */
    pthread_t thread;
    int epoll;

    struct load_sub *subs;
    uint32_t subs_n, visitors_from; /* visitors are the last of them */
    struct load_slot *slots;
    uint32_t slots_n, visitor_slots_from;
    struct load_queue away, leaving, stalled;
    uint32_t connecting, next_visitor, told_n;
    uint64_t now_ns, churned_us;
    double owed[4]; /* connects, stops, kills, stalls that the rates ask for */
    struct gush_rng rng;
    uint8_t *bytes;
    struct load_push *push;
};

#define LOAD_ADD(count, n)                                                                         \
    atomic_store_explicit(&(count),                                                                \
                          atomic_load_explicit(&(count), memory_order_relaxed) + (uint64_t)(n),    \
                          memory_order_relaxed)

/* ---- reader.c */
void load__queue_put(struct load_queue *q, uint32_t number);
bool load__queue_take(struct load_queue *q, uint32_t *number);
/* The stream of |sub| is over; it comes back unless it was a visitor. */
void load__sub_end(struct load_sub *sub);

/* ---- slot.c: sockets */
void load__slot_init(struct load_slot *slot, struct load_reader *r, enum load_wire wire);
void load__slot_fini(struct load_slot *slot);
/* Opens a stream for |sub|, and the connection if there is none. */
void load__slot_open(struct load_slot *slot, struct load_sub *sub);
void load__slot_readable(struct load_slot *slot);
/* Ends the stream of |sub|, in order; the connection too when nobody is left on it. */
void load__slot_stop(struct load_slot *slot, struct load_sub *sub);
/* Ends the connection, by reset or in order, and every stream on it. */
void load__slot_close(struct load_slot *slot, bool reset);
void load__slot_stall(struct load_slot *slot, bool stall);

/* ---- judge.c: what a subscriber hears */
/* An incoming message of |arg|, a sub. */
void load__judge_message(void *arg, struct gush_span message);
void load__judge_refused(struct load_reader *r, const char *what, struct gush_span said);

/* ---- churn.c */
void load__churn(struct load_reader *r, uint64_t now_us);

#endif
