/* metrics: what is counted, per lane, and summed only when somebody reads.
 *
 * A metric is a row of metrics_table.h; a series is a row with values for its labels. Every series
 * has a cell on every lane, so counting is one addition to memory that no other lane touches, and
 * takes no lock. Numbers that label (codes) and namespaces become known at run time; there are so
 * many of them and no more: what comes later is counted as "other".
 *
 * Owner     the node                  Thread  add, observe, open, close, number, set: any;
 *                                             bump: the cell's lane; write, snapshot, items: any
 * Lifetime  longer than whoever counts
 * Limits    series are fixed by new; a page is as long as what has a value
 * spec: operations 4 */
#ifndef GUSH_BASE_METRICS_H
#define GUSH_BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/metrics_table.h"
#include "server/base/span.h"

struct gush_metrics;

enum gush_metric {
#define X(id, name, type, unit, flags, help, ...) GUSH_METRIC_##id,
    GUSH_METRICS_MAP(X)
#undef X
        GUSH_METRICS_N
};

/* Values of labels: GUSH_TRANSPORT_UNI_SSE and so on. */
#define X(id, text) GUSH_TRANSPORT_##id,
enum gush_transport_label { GUSH_METRICS_TRANSPORT_MAP(X) GUSH_TRANSPORTS_N };
#undef X
#define X(id, text) GUSH_FRAME_##id,
enum gush_frame_label { GUSH_METRICS_FRAME_MAP(X) GUSH_FRAMES_N };
#undef X
#define X(id, text) GUSH_ACTION_##id,
enum gush_action_label { GUSH_METRICS_ACTION_MAP(X) GUSH_ACTIONS_N };
#undef X
#define X(id, text) GUSH_MESSAGE_##id,
enum gush_message_label { GUSH_METRICS_MESSAGE_MAP(X) GUSH_MESSAGES_N };
#undef X
#define X(id, text) GUSH_REASON_##id,
enum gush_reason_label { GUSH_METRICS_REASON_MAP(X) GUSH_REASONS_N };
#undef X
#define X(id, text) GUSH_PROTOCOL_##id,
enum gush_protocol_label { GUSH_METRICS_PROTOCOL_MAP(X) GUSH_PROTOCOLS_N };
#undef X
#define X(id, text) GUSH_LISTENER_##id,
enum gush_listener_label { GUSH_METRICS_LISTENER_MAP(X) GUSH_LISTENERS_N };
#undef X
#define X(id, text) GUSH_REFUSAL_##id,
enum gush_refusal_label { GUSH_METRICS_REFUSAL_MAP(X) GUSH_REFUSALS_N };
#undef X
#define X(id, text) GUSH_RELOAD_##id,
enum gush_reload_label { GUSH_METRICS_RELOAD_MAP(X) GUSH_RELOADS_N };
#undef X
#define X(id, text) GUSH_HTTP_VERSION_##id,
enum gush_http_version_label { GUSH_METRICS_HTTP_VERSION_MAP(X) GUSH_HTTP_VERSIONS_N };
#undef X
#define X(id, text) GUSH_HANDSHAKE_##id,
enum gush_handshake_label { GUSH_METRICS_HANDSHAKE_MAP(X) GUSH_HANDSHAKES_N };
#undef X

/* Labels by name or number, as positions in a row: in the table's order, those that vary. */
struct gush_metrics_at {
    uint32_t i[3];
};
#define GUSH_AT(...) ((struct gush_metrics_at){{__VA_ARGS__}})
#define GUSH_AT_NONE ((struct gush_metrics_at){{0}})

typedef atomic_uint_fast64_t gush_metrics_cell;

struct gush_metrics_options {
    size_t lanes_n;
    const char *version;     /* copied */
    const char **namespaces; /* copied; label values of channel_namespace */
    size_t namespaces_n;     /* at least one */
    uint32_t paths_n;        /* of HTTP that can be told apart; 0: none */
};

struct gush_metrics *gush_metrics_new(const struct gush_metrics_options *options);
void gush_metrics_free(struct gush_metrics *m);

/* ---- counting -------------------------------------------------------------------------------- */

void gush_metrics_add(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                      struct gush_metrics_at at, uint64_t by);
/* One value of a histogram, in the unit that its bounds have: nanoseconds, or items. */
void gush_metrics_observe(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                          struct gush_metrics_at at, uint64_t value);
/* One more, one less, of what is open. */
void gush_metrics_open(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                       struct gush_metrics_at at);
void gush_metrics_close(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                        struct gush_metrics_at at);
/* A gauge, or a counter that somebody else keeps. */
void gush_metrics_set(struct gush_metrics *m, enum gush_metric metric, struct gush_metrics_at at,
                      uint64_t value);

/* The lane's own cell of a series of a counter; those of the last label are neighbours. */
gush_metrics_cell *gush_metrics_cells(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                                      struct gush_metrics_at at);
/* For what happens at every delivery: nobody else may write to |cell|. */
static inline void gush_metrics_bump(gush_metrics_cell *cell, uint64_t by)
{
    uint64_t v = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, v + by, memory_order_relaxed);
}

/* Positions of labels. A transport or method that the table does not know is its last one. */
uint32_t gush_metrics_transport(const char *name);
uint32_t gush_metrics_method(struct gush_span name);
uint32_t gush_metrics_disconnect_code(struct gush_metrics *m, uint32_t code);
uint32_t gush_metrics_unsubscribe_code(struct gush_metrics *m, uint32_t code);
uint32_t gush_metrics_http_status(struct gush_metrics *m, uint32_t status);
uint32_t gush_metrics_http_method(struct gush_span method);
/* Of a route, not of whatever somebody asked for. Copied when it is new. */
uint32_t gush_metrics_path(struct gush_metrics *m, const char *path);
uint32_t gush_metrics_error_code(struct gush_metrics *m, uint32_t code);
/* Errors of API commands that have no code, as |code| of the above. */
#define GUSH_METRICS_ERROR_UNMARSHAL (UINT32_MAX - 1)
#define GUSH_METRICS_ERROR_MARSHAL   (UINT32_MAX - 2)

/* ---- reading --------------------------------------------------------------------------------- */

/* Appends all of it in the text format of Prometheus 0.0.4. */
void gush_metrics_write(struct gush_metrics *m, struct gush_buf *out);

/* Remembers the present values; items then tells what changed between the last two times. */
void gush_metrics_snapshot(struct gush_metrics *m);
/* Metrics of the reference's names but histograms, flattened: "centrifugo.node.num_clients".
 * Counters as the difference between the last two snapshots, gauges as of the last one. */
typedef void gush_metrics_item_fn(void *arg, struct gush_span key, double value);
void gush_metrics_items(struct gush_metrics *m, gush_metrics_item_fn *fn, void *arg);

#endif
