/* access_log: one line per request, when it is over: "http request" with method, path (never the
 * query: tokens travel there), status, bytes, duration, addr, version.
 *
 * A streaming response is over when it ends, so its duration is its life and its bytes are all that
 * were written for it. |addr| is the client's, as forwarded.h finds it: with the port if it is the
 * peer's own. A request whose client left before it was answered has status 499.
 *
 * Off is a NULL pointer: nothing is kept, nothing is written, one comparison per request.
 *
 * Owner     log: server/app; entry: the protocol, from begin to end
 * Thread    any for the log; an entry its exchange's
 * Limits    an entry keeps 1 KB of the path; longer ones are cut with "..."
 * spec      operations 6.1 */
#ifndef GUSH_HTTP_ACCESS_LOG_H
#define GUSH_HTTP_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "server/http/message.h"

struct gush_access_log;
struct gush_access_entry;

struct gush_access_log_options {
    bool at_info; /* http_server.access_log; otherwise at debug level, as the reference */
    uint64_t (*mono_us)(void); /* for durations */
    /* Told of each request that was answered, also where no line is written; may be NULL. */
    void (*answered)(void *arg, struct gush_span method, struct gush_span path, unsigned status);
    void *answered_arg;
};

/* NULL when lines of that level are not logged anyway, and nobody is told: call it after
 * gush_log_open. */
struct gush_access_log *gush_access_log_new(const struct gush_access_log_options *options);
void gush_access_log_free(struct gush_access_log *log);

/* The head of |request| is there; of one that could not be read, method and path are empty.
 * NULL when |log| is. */
struct gush_access_entry *gush_access_log_begin(struct gush_access_log *log,
                                                const struct gush_http_request *request);
/* Writes the line and frees |entry| (NULL is fine). |status| 0: it was never answered. |bytes| are
 * those of the body, as it was written. */
void gush_access_log_end(struct gush_access_entry *entry, unsigned status, uint64_t bytes);

#endif
