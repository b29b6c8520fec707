#include <stdio.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/mem.h"
#include "server/base/metrics_priv.h"

#define OTHER "other"

/* ---- the table ------------------------------------------------------------------------------- */

#define X(id, text) text,
static const char *const transport_words[] = {GUSH_METRICS_TRANSPORT_MAP(X)};
static const char *const frame_words[] = {GUSH_METRICS_FRAME_MAP(X)};
static const char *const action_words[] = {GUSH_METRICS_ACTION_MAP(X)};
static const char *const message_words[] = {GUSH_METRICS_MESSAGE_MAP(X)};
static const char *const reason_words[] = {GUSH_METRICS_REASON_MAP(X)};
static const char *const command_words[] = {GUSH_METRICS_COMMAND_MAP(X)};
static const char *const protocol_words[] = {GUSH_METRICS_PROTOCOL_MAP(X)};
static const char *const method_words[] = {GUSH_METRICS_METHOD_MAP(X)};
static const char *const yes_no_words[] = {GUSH_METRICS_YES_NO_MAP(X)};
static const char *const policy_words[] = {GUSH_METRICS_POLICY_MAP(X)};
static const char *const listener_words[] = {GUSH_METRICS_LISTENER_MAP(X)};
static const char *const refusal_words[] = {GUSH_METRICS_REFUSAL_MAP(X)};
static const char *const reload_words[] = {GUSH_METRICS_RELOAD_MAP(X)};
static const char *const handshake_words[] = {GUSH_METRICS_HANDSHAKE_MAP(X)};
static const char *const http_version_words[] = {GUSH_METRICS_HTTP_VERSION_MAP(X)};
static const char *const http_method_words[] = {GUSH_METRICS_HTTP_METHOD_MAP(X)};
#undef X

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a label may say: words, or numbers that are met. */
static const struct {
    const char *const *words; /* NULL: numbers */
    uint32_t n;
} dims[DIMS_N] = {[DIM_TRANSPORT] = {transport_words, COUNT(transport_words)},
                  [DIM_FRAME] = {frame_words, COUNT(frame_words)},
                  [DIM_ACTION] = {action_words, COUNT(action_words)},
                  [DIM_MESSAGE] = {message_words, COUNT(message_words)},
                  [DIM_REASON] = {reason_words, COUNT(reason_words)},
                  [DIM_COMMAND] = {command_words, COUNT(command_words)},
                  [DIM_PROTOCOL] = {protocol_words, COUNT(protocol_words)},
                  [DIM_METHOD] = {method_words, COUNT(method_words)},
                  [DIM_YES_NO] = {yes_no_words, COUNT(yes_no_words)},
                  [DIM_POLICY] = {policy_words, COUNT(policy_words)},
                  [DIM_LISTENER] = {listener_words, COUNT(listener_words)},
                  [DIM_REFUSAL] = {refusal_words, COUNT(refusal_words)},
                  [DIM_RELOAD] = {reload_words, COUNT(reload_words)},
                  [DIM_HANDSHAKE] = {handshake_words, COUNT(handshake_words)},
                  [DIM_HTTP_VERSION] = {http_version_words, COUNT(http_version_words)},
                  [DIM_HTTP_METHOD] = {http_method_words, COUNT(http_method_words)},
#define WORDS(name)
#define NUMBERS(name, count) [DIM_##name] = {NULL, (count)},
                  GUSH_METRICS_DIM_MAP(WORDS, NUMBERS)
#undef WORDS
#undef NUMBERS
};

static const struct gush__metrics_family families[GUSH_METRICS_N] = {
#define LABEL(label, values)                                                                       \
    {                                                                                              \
#label, DIM_##values, NULL                                                                 \
    }
#define FIXED(label, text)                                                                         \
    {                                                                                              \
#label, DIM_FIXED, text                                                                    \
    }
#define NAMESPACE(label)                                                                           \
    {                                                                                              \
#label, DIM_NAMESPACE, NULL                                                                \
    }
#define PATH(label)                                                                                \
    {                                                                                              \
#label, DIM_PATH, NULL                                                                     \
    }
#define VERSION(label)                                                                             \
    {                                                                                              \
#label, DIM_VERSION, NULL                                                                  \
    }
#define NO_LABELS                                                                                  \
    {                                                                                              \
        NULL, DIM_FIXED, NULL                                                                      \
    }
#define X(id, name, type, unit, flags, help, ...)                                                  \
    [GUSH_METRIC_##id] = {name, help, type, unit, flags, {__VA_ARGS__}},
    GUSH_METRICS_MAP(X)
#undef X
};

static const double bounds_b0[] = {GUSH_METRICS_B0};
static const double bounds_b4[] = {GUSH_METRICS_B4};
static const double bounds_b5[] = {GUSH_METRICS_B5};

struct gush__metrics_bounds gush__metrics_bounds(enum gush__metrics_type type)
{
    switch (type) {
    case HISTOGRAM_B0:
        return (struct gush__metrics_bounds){bounds_b0, COUNT(bounds_b0)};
    case HISTOGRAM_B4:
        return (struct gush__metrics_bounds){bounds_b4, COUNT(bounds_b4)};
    case HISTOGRAM_B5:
        return (struct gush__metrics_bounds){bounds_b5, COUNT(bounds_b5)};
    case COUNTER:
    case GAUGE:
    case OPEN:
        break;
    }
    return (struct gush__metrics_bounds){NULL, 0};
}

bool gush__metrics_is_histogram(enum gush__metrics_type type)
{
    return type >= HISTOGRAM_B0;
}

/* Cells of one series. Counter: value. Gauge: set at all, value. Open: opened, closed. Histogram:
 * one per bound, those above, sum. */
static uint32_t cells_of(enum gush__metrics_type type)
{
    if (gush__metrics_is_histogram(type))
        return gush__metrics_bounds(type).n + 2;
    return type == COUNTER ? 1 : 2;
}

/* ---- layout ---------------------------------------------------------------------------------- */

static uint32_t dim_size(const struct gush_metrics *m, enum gush__metrics_dim dim)
{
    if (dim == DIM_PATH)
        return m->paths_n;
    return dim == DIM_NAMESPACE ? m->namespaces_n : dims[dim].n;
}

static bool varies(enum gush__metrics_dim dim)
{
    return dim > DIM_VERSION;
}

static void lay_out(struct gush_metrics *m, enum gush_metric metric)
{
    const struct gush__metrics_family *f = &families[metric];
    struct gush__metrics_layout *l = &m->layouts[metric];
    size_t n = 0;

    *l = (struct gush__metrics_layout){m->cells_n, cells_of(f->type), 1, {1, 1, 1}};
    for (size_t i = 0; i < GUSH__METRICS_LABELS_MAX && f->labels[i].name; i++) {
        if (!varies(f->labels[i].dim))
            continue;
        GUSH_ASSERT(n < GUSH__METRICS_VARY_MAX);
        l->sizes[n] = dim_size(m, f->labels[i].dim);
        l->series_n *= l->sizes[n++];
    }
    m->cells_n += (size_t)l->series_n * l->width;
    m->series_n += l->series_n;
}

static uint32_t number_position(struct gush_metrics *m, enum gush__metrics_dim dim,
                                uint32_t number);

/* Whoever uses the API may end clients with any number he likes: ours find their places. */
static void know_our_codes(struct gush_metrics *m)
{
#define X(name, code, text) (void)number_position(m, DIM_DISCONNECT_CODE, code);
    GUSH_DISCONNECT_MAP(X)
#undef X
}

struct gush_metrics *gush_metrics_new(const struct gush_metrics_options *o)
{
    GUSH_ASSERT(o->lanes_n > 0 && o->namespaces_n > 0);
    struct gush_metrics *m = GUSH_NEW(struct gush_metrics);

    m->lanes_n = o->lanes_n;
    m->version = gush_strndup(o->version, strlen(o->version));
    m->namespaces_n = (uint32_t)o->namespaces_n;
    m->namespaces = gush_zalloc(o->namespaces_n, sizeof *m->namespaces);
    for (size_t i = 0; i < o->namespaces_n; i++)
        m->namespaces[i] = gush_strndup(o->namespaces[i], strlen(o->namespaces[i]));
    m->paths_n = o->paths_n ? o->paths_n : 1;
    m->paths = gush_zalloc(m->paths_n, sizeof *m->paths);
    for (unsigned i = 0; i < DIMS_N; i++)
        if (dims[i].words == NULL && dims[i].n > 0)
            m->numbers[i] = gush_zalloc(dims[i].n, sizeof *m->numbers[i]);
    know_our_codes(m);
    for (unsigned i = 0; i < GUSH_METRICS_N; i++)
        lay_out(m, (enum gush_metric)i);
    m->cells = gush_zalloc(m->lanes_n + 1, sizeof *m->cells);
    for (size_t i = 0; i <= m->lanes_n; i++)
        m->cells[i] = gush_zalloc(m->cells_n, sizeof *m->cells[i]);
    m->before = gush_zalloc(m->series_n, sizeof *m->before);
    m->now = gush_zalloc(m->series_n, sizeof *m->now);
    m->known = gush_zalloc(m->series_n, sizeof *m->known);
    gush_mutex_init(&m->lock);
    return m;
}

void gush_metrics_free(struct gush_metrics *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i <= m->lanes_n; i++)
        gush_free(m->cells[i]);
    for (unsigned i = 0; i < DIMS_N; i++)
        gush_free(m->numbers[i]);
    for (uint32_t i = 0; i < m->namespaces_n; i++)
        gush_free(m->namespaces[i]);
    for (uint32_t i = 0; i < m->paths_n; i++)
        gush_free(atomic_load(&m->paths[i]));
    gush_free(m->paths);
    gush_free(m->namespaces);
    gush_free(m->version);
    gush_free(m->cells);
    gush_free(m->before);
    gush_free(m->now);
    gush_free(m->known);
    gush_mutex_fini(&m->lock);
    gush_free(m);
}

/* ---- counting -------------------------------------------------------------------------------- */

static gush_metrics_cell *series(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                                 struct gush_metrics_at at)
{
    const struct gush__metrics_layout *l = &m->layouts[metric];

    GUSH_ASSERT(lane <= m->lanes_n && at.i[0] < l->sizes[0] && at.i[1] < l->sizes[1] &&
                at.i[2] < l->sizes[2]);
    size_t i = ((size_t)at.i[0] * l->sizes[1] + at.i[1]) * l->sizes[2] + at.i[2];
    return &m->cells[lane][l->first + i * l->width];
}

gush_metrics_cell *gush_metrics_cells(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                                      struct gush_metrics_at at)
{
    GUSH_ASSERT(families[metric].type == COUNTER && lane < m->lanes_n);
    return series(m, lane, metric, at);
}

static void add(gush_metrics_cell *cell, uint64_t by)
{
    atomic_fetch_add_explicit(cell, by, memory_order_relaxed);
}

void gush_metrics_add(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                      struct gush_metrics_at at, uint64_t by)
{
    GUSH_ASSERT(families[metric].type == COUNTER);
    add(series(m, lane, metric, at), by);
}

void gush_metrics_observe(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                          struct gush_metrics_at at, uint64_t value)
{
    struct gush__metrics_bounds bounds = gush__metrics_bounds(families[metric].type);
    gush_metrics_cell *cells = series(m, lane, metric, at);
    uint32_t i = 0;

    GUSH_ASSERT(bounds.n > 0);
    while (i < bounds.n && (double)value > bounds.v[i])
        i++;
    add(&cells[i], 1);
    add(&cells[bounds.n + 1], value);
}

void gush_metrics_open(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                       struct gush_metrics_at at)
{
    GUSH_ASSERT(families[metric].type == OPEN);
    add(&series(m, lane, metric, at)[0], 1);
}

void gush_metrics_close(struct gush_metrics *m, size_t lane, enum gush_metric metric,
                        struct gush_metrics_at at)
{
    GUSH_ASSERT(families[metric].type == OPEN);
    add(&series(m, lane, metric, at)[1], 1);
}

void gush_metrics_set(struct gush_metrics *m, enum gush_metric metric, struct gush_metrics_at at,
                      uint64_t value)
{
    gush_metrics_cell *cells = series(m, m->lanes_n, metric, at);

    GUSH_ASSERT(families[metric].type == GAUGE || families[metric].type == COUNTER);
    if (families[metric].type == GAUGE)
        atomic_store_explicit(cells++, 1, memory_order_relaxed);
    atomic_store_explicit(cells, value, memory_order_relaxed);
}

/* ---- positions of labels --------------------------------------------------------------------- */

static uint32_t word_position(enum gush__metrics_dim dim, struct gush_span word)
{
    uint32_t i = 0;

    while (i + 1 < dims[dim].n && !gush_span_eq_str(word, dims[dim].words[i]))
        i++;
    return i;
}

uint32_t gush_metrics_transport(const char *name)
{
    return word_position(DIM_TRANSPORT, gush_span_str(name));
}

uint32_t gush_metrics_method(struct gush_span name)
{
    return word_position(DIM_METHOD, name);
}

/* The place of |number|, taken now if it is new; the last one is for what finds no place. */
static uint32_t number_position(struct gush_metrics *m, enum gush__metrics_dim dim, uint32_t number)
{
    uint64_t mine = (uint64_t)number + 1;
    uint32_t i = 0;

    for (; i + 1 < dims[dim].n; i++) {
        uint64_t there = atomic_load_explicit(&m->numbers[dim][i], memory_order_relaxed);

        if (there == 0 &&
            atomic_compare_exchange_strong_explicit(&m->numbers[dim][i], &there, mine,
                                                    memory_order_relaxed, memory_order_relaxed))
            return i;
        if (there == mine)
            return i;
    }
    return i;
}

uint32_t gush_metrics_disconnect_code(struct gush_metrics *m, uint32_t code)
{
    return number_position(m, DIM_DISCONNECT_CODE, code);
}

uint32_t gush_metrics_unsubscribe_code(struct gush_metrics *m, uint32_t code)
{
    return number_position(m, DIM_UNSUBSCRIBE_CODE, code);
}

uint32_t gush_metrics_error_code(struct gush_metrics *m, uint32_t code)
{
    return number_position(m, DIM_ERROR_CODE, code);
}

uint32_t gush_metrics_http_status(struct gush_metrics *m, uint32_t status)
{
    return number_position(m, DIM_HTTP_STATUS, status);
}

uint32_t gush_metrics_http_method(struct gush_span method)
{
    return word_position(DIM_HTTP_METHOD, method);
}

uint32_t gush_metrics_path(struct gush_metrics *m, const char *path)
{
    uint32_t i = 0;

    for (; i + 1 < m->paths_n; i++) {
        char *there = atomic_load(&m->paths[i]);

        if (there == NULL) {
            char *mine = gush_strndup(path, strlen(path));
            if (atomic_compare_exchange_strong(&m->paths[i], &there, mine))
                return i;
            gush_free(mine); /* somebody was faster; |there| is his */
        }
        if (strcmp(there, path) == 0)
            return i;
    }
    return i;
}

/* ---- walking -------------------------------------------------------------------------------- */

uint64_t gush__metrics_sum(const struct gush_metrics *m, size_t cell)
{
    uint64_t total = 0;

    for (size_t lane = 0; lane <= m->lanes_n; lane++)
        total += atomic_load_explicit(&m->cells[lane][cell], memory_order_relaxed);
    return total;
}

bool gush__metrics_value(const struct gush_metrics *m, const struct gush__metrics_cursor *c,
                         uint64_t *value)
{
    bool always = c->family->flags & ALWAYS;

    *value = gush__metrics_sum(m, c->first);
    if (c->family->type == COUNTER)
        return *value != 0 || always;
    if (gush__metrics_is_histogram(c->family->type)) {
        for (uint32_t i = 1; i + 1 < c->layout->width; i++)
            *value += gush__metrics_sum(m, c->first + i);
        return *value != 0 || always;
    }
    /* Closed is read before opened, so that what comes and goes meanwhile is not below zero. */
    uint64_t second = gush__metrics_sum(m, c->first + 1), first = gush__metrics_sum(m, c->first);
    *value = c->family->type == OPEN ? first - second : second;
    return first != 0 || always;
}

void gush__metrics_each(struct gush_metrics *m, gush__metrics_visit_fn *visit, void *arg)
{
    struct gush__metrics_cursor c = {.overall = 0};

    for (unsigned i = 0; i < GUSH_METRICS_N; i++) {
        c.family = &families[i];
        c.layout = &m->layouts[i];
        c.first = c.layout->first;
        for (c.series = 0; c.series < c.layout->series_n; c.series++) {
            visit(m, &c, arg);
            c.first += c.layout->width;
            c.overall++;
        }
    }
}

/* The text of the label |l| at |position|; |room| is for numbers. */
static const char *label_text(const struct gush_metrics *m, const struct gush__metrics_label *l,
                              uint32_t position, char room[24])
{
    if (l->dim == DIM_FIXED)
        return l->fixed;
    if (l->dim == DIM_VERSION)
        return m->version;
    if (l->dim == DIM_NAMESPACE)
        return m->namespaces[position];
    if (l->dim == DIM_PATH)
        return atomic_load(&m->paths[position]) ? atomic_load(&m->paths[position]) : OTHER;
    if (dims[l->dim].words)
        return dims[l->dim].words[position];
    uint64_t there = atomic_load_explicit(&m->numbers[l->dim][position], memory_order_relaxed);
    if (there == 0)
        return OTHER;
    if (l->dim == DIM_ERROR_CODE && there - 1 == GUSH_METRICS_ERROR_UNMARSHAL)
        return "unmarshal";
    if (l->dim == DIM_ERROR_CODE && there - 1 == GUSH_METRICS_ERROR_MARSHAL)
        return "marshal";
    snprintf(room, 24, "%llu", (unsigned long long)(there - 1));
    return room;
}

void gush__metrics_labels(const struct gush_metrics *m, const struct gush__metrics_cursor *c,
                          void (*each)(struct gush_buf *out, const char *name, const char *text),
                          struct gush_buf *out)
{
    uint32_t rest = c->series, behind = c->layout->series_n;
    size_t n = 0;
    char room[24];

    for (size_t i = 0; i < GUSH__METRICS_LABELS_MAX && c->family->labels[i].name; i++) {
        const struct gush__metrics_label *l = &c->family->labels[i];
        uint32_t position = 0;

        if (varies(l->dim)) {
            behind /= c->layout->sizes[n++];
            position = rest / behind;
            rest %= behind;
        }
        each(out, l->name, label_text(m, l, position, room));
    }
}

void gush_metrics_snapshot(struct gush_metrics *m)
{
    gush_mutex_lock(&m->lock);
    uint64_t *oldest = m->before;
    m->before = m->now;
    m->now = oldest;
    gush__metrics_each(m, gush__metrics_remember, NULL);
    gush_mutex_unlock(&m->lock);
}
