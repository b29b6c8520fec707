/* metrics_priv: what the files of the metrics share: metrics.c (the table, counting, and walking
 * over what was counted), metrics_write.c (a page of text), metrics_items.c (for the API's Info).
 *
 * Owner     gush_metrics              Thread  as metrics.h says */
#ifndef GUSH_BASE_METRICS_PRIV_H
#define GUSH_BASE_METRICS_PRIV_H

#include <stdbool.h>

#include "server/base/metrics.h"
#include "server/base/sync.h"

#define GUSH__METRICS_LABELS_MAX 4
#define GUSH__METRICS_VARY_MAX   3

enum gush__metrics_dim {
    DIM_FIXED,
    DIM_VERSION,
    DIM_NAMESPACE,
    DIM_PATH,
#define WORDS(name)      DIM_##name,
#define NUMBERS(name, n) DIM_##name,
    GUSH_METRICS_DIM_MAP(WORDS, NUMBERS)
#undef WORDS
#undef NUMBERS
        DIMS_N
};

enum gush__metrics_type { COUNTER, GAUGE, OPEN, HISTOGRAM_B0, HISTOGRAM_B4, HISTOGRAM_B5 };
#define ALWAYS 1u

struct gush__metrics_label {
    const char *name;
    enum gush__metrics_dim dim;
    const char *fixed; /* DIM_FIXED */
};

struct gush__metrics_family {
    const char *name, *help;
    enum gush__metrics_type type;
    double unit;
    unsigned flags;
    struct gush__metrics_label labels[GUSH__METRICS_LABELS_MAX];
};

struct gush__metrics_layout {
    size_t first;   /* cell */
    uint32_t width; /* cells of a series */
    uint32_t series_n;
    uint32_t sizes[GUSH__METRICS_VARY_MAX]; /* of labels that vary, 1 behind them */
};

struct gush_metrics {
    size_t lanes_n, cells_n, series_n;
    gush_metrics_cell **cells; /* by lane; the last one is for what is set */
    char *version;
    char **namespaces;
    uint32_t namespaces_n;
    atomic_uint_fast64_t *numbers[DIMS_N]; /* number + 1, 0: free */
    _Atomic(char *) *paths;                /* NULL: free */
    uint32_t paths_n;
    struct gush__metrics_layout layouts[GUSH_METRICS_N];
    struct gush_mutex lock; /* of the two below */
    uint64_t *before, *now; /* by series: what the last two snapshots found */
    bool *known;            /* by series: the last one found something */
};

/* One series with its place; the walk over all of them. */
struct gush__metrics_cursor {
    const struct gush__metrics_family *family;
    const struct gush__metrics_layout *layout;
    size_t first;    /* its first cell */
    uint32_t series; /* of the family */
    size_t overall;  /* of all */
};

/* ---- walking --------------------------------------------------------------------------------- */

typedef void gush__metrics_visit_fn(struct gush_metrics *m, const struct gush__metrics_cursor *c,
                                    void *arg);
void gush__metrics_each(struct gush_metrics *m, gush__metrics_visit_fn *visit, void *arg);
/* Over all lanes. */
uint64_t gush__metrics_sum(const struct gush_metrics *m, size_t cell);
/* Counter and gauge: its value; histogram: how many values it has. False: nothing was counted, and
 * nobody wants to see the 0. */
bool gush__metrics_value(const struct gush_metrics *m, const struct gush__metrics_cursor *c,
                         uint64_t *value);
/* Calls |each| with every label of the series. */
void gush__metrics_labels(const struct gush_metrics *m, const struct gush__metrics_cursor *c,
                          void (*each)(struct gush_buf *out, const char *name, const char *text),
                          struct gush_buf *out);

struct gush__metrics_bounds {
    const double *v;
    uint32_t n;
};
struct gush__metrics_bounds gush__metrics_bounds(enum gush__metrics_type type);
bool gush__metrics_is_histogram(enum gush__metrics_type type);

/* ---- metrics_items.c ------------------------------------------------------------------------- */

/* Into m->now, under the lock. */
gush__metrics_visit_fn gush__metrics_remember;

#endif
