/* publisher: sends publications at fixed moments, on one thread and one connection, by unary calls
 * of the gRPC API that are not waited for.
 *
 * The schedule is open: publication k is meant for moment begin + k/rate, carries that moment, and
 * is judged by it even if the server was too slow to take it then. At most --inflight calls of one
 * channel are under way, so that the order of a channel is the order of its numbers.
 *
 * Owner     main                      Thread  its own; counts are atomic
 * Lifetime  new .. free */
#ifndef BENCH_LOAD_PUBLISHER_H
#define BENCH_LOAD_PUBLISHER_H

#include "bench/load/hist.h"
#include "bench/load/options.h"
#include "bench/load/reader.h"

struct load_publisher;

/* Connects.  NULL: it was said on stderr why not. */
struct load_publisher *load_publisher_new(const struct load_options *options,
                                          struct load_published *published);
/* Begins to publish for |seconds|; what was published before goes on being counted. */
gush_err load_publisher_begin(struct load_publisher *p, double seconds);
/* Whether everything was sent and answered, or cannot be any more. */
bool load_publisher_done(const struct load_publisher *p);
/* Waits for the thread. Then these may be asked. */
void load_publisher_end(struct load_publisher *p);
uint64_t load_publisher_answered(const struct load_publisher *p);
uint64_t load_publisher_failed(const struct load_publisher *p);
/* From the intended moment until the kernel had it, and from there to the answer. */
const struct load_hist *load_publisher_lateness(const struct load_publisher *p);
const struct load_hist *load_publisher_answering(const struct load_publisher *p);
/* Both begin anew. */
void load_publisher_forget(struct load_publisher *p);
void load_publisher_free(struct load_publisher *p);

#endif
