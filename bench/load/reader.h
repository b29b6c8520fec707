/* reader: all subscribers, on one thread: connects them, reads what comes, judges it, and plays the
 * churn: visitors, streams that are stopped, connections that are reset, readers that stop reading.
 * Whoever is away comes back from its last position.
 *
 * While data flows the thread looks at its sockets every --poll-gap-us instead of being woken for
 * each message: on loopback the sender would pay for the wake-ups, and real readers are elsewhere.
 *
 * Owner     main                      Thread  its own; counts and orders are atomic
 * Lifetime  new .. join */
#ifndef BENCH_LOAD_READER_H
#define BENCH_LOAD_READER_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench/load/hist.h"
#include "bench/load/options.h"

typedef _Atomic uint64_t load_count;

/* What the publisher tells the reader. */
struct load_published {
    load_count *sent; /* for each channel: how many were handed to the kernel */
    load_count measure_from_ns;
};

/* Written by the reader's thread only. */
#define LOAD_COUNTS(X)                                                                             \
    X(live)         /* subscribers that hear their channel now */                                  \
    X(received)     /* publications, recovered ones included */                                    \
    X(visited)      /* of these: heard by visitors */                                              \
    X(recovered)    /* of these, too: in an answer to connect */                                   \
    X(lost)         /* gaps; a late one is taken off again */                                      \
    X(doubles)      /* came twice */                                                               \
    X(late)         /* behind a later one */                                                       \
    X(wrong)        /* not ours: another channel, no record, offset and count disagree */          \
    X(reads)        /* that brought publications */                                                \
    X(connected)    /* connects that went well */                                                  \
    X(refused)      /* connects that did not */                                                    \
    X(unrecovered)  /* came back, and the server could not tell what was missed */                 \
    X(dropped)      /* streams ended by the server, nobody knows why */                            \
    X(dropped_slow) /* likewise, of readers that had stopped */                                    \
    X(visits)       /* churn: subscribers that came for a while */                                 \
    X(stops)        /* churn: streams ended in order */                                            \
    X(kills)        /* churn: connections reset */                                                 \
    X(stalls)       /* churn: readers that stopped reading for a while */

struct load_counts {
#define X(name) load_count name;
    LOAD_COUNTS(X)
#undef X
};

/* Disconnect codes that were heard. */
#define LOAD_CODES_MAX 16
struct load_code {
    uint32_t code;
    uint64_t n;
};

enum load_order {
    LOAD_RUN,    /* bring everybody back who is away */
    LOAD_CHURN,  /* and play the churn */
    LOAD_CYCLE,  /* reset every connection, once; then as LOAD_RUN */
    LOAD_LEAVE,  /* close everything */
    LOAD_RETURN, /* end the thread */
};

struct load_reader;

/* Everybody begins to connect.  NULL: no descriptors for an epoll or a thread. */
struct load_reader *load_reader_start(const struct load_options *options,
                                      struct load_published *published);
void load_reader_order(struct load_reader *r, enum load_order order);
const struct load_counts *load_reader_counts(const struct load_reader *r);
/* Subscribers that stay, visitors not counted. */
uint64_t load_reader_population(const struct load_reader *r);
/* Ends the thread. From now on main may ask what follows. */
void load_reader_join(struct load_reader *r);
/* Publications that never came, beyond the gaps already counted; |last| for each channel. */
uint64_t load_reader_missing(const struct load_reader *r, const load_count *last);
const struct load_hist *load_reader_latency(const struct load_reader *r, enum load_wire wire);
const struct load_code *load_reader_codes(const struct load_reader *r, size_t *n);
/* Why the first refused connect was refused; "" if none was. */
const char *load_reader_complaint(const struct load_reader *r);
void load_reader_free(struct load_reader *r);

uint64_t load_reader_now_ns(void);

#endif
