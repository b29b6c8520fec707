#include "server/base/metrics.h"

#include <stdio.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/codes.h"
#include "server/base/mem.h"
#include "server/base/sync.h"

#define LABELS_MAX 4
#define VARY_MAX   3
#define BOUNDS_MAX 15
#define KEY_MAX    512
#define OTHER      "other"

/* ---- the table ------------------------------------------------------------------------------- */

enum dim {
    DIM_FIXED,
    DIM_VERSION,
    DIM_NAMESPACE,
#define WORDS(name)      DIM_##name,
#define NUMBERS(name, n) DIM_##name,
    GUSH_METRICS_DIM_MAP(WORDS, NUMBERS)
#undef WORDS
#undef NUMBERS
        DIMS_N
};

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
#define WORDS(name)
#define NUMBERS(name, count) [DIM_##name] = {NULL, (count)},
                  GUSH_METRICS_DIM_MAP(WORDS, NUMBERS)
#undef WORDS
#undef NUMBERS
};

enum type { COUNTER, GAUGE, OPEN, HISTOGRAM_B0, HISTOGRAM_B4, HISTOGRAM_B5 };
#define ALWAYS 1u

struct label {
    const char *name;
    enum dim dim;
    const char *fixed; /* DIM_FIXED */
};

static const struct family {
    const char *name, *help;
    enum type type;
    double unit;
    unsigned flags;
    struct label labels[LABELS_MAX];
} families[GUSH_METRICS_N] = {
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

struct bounds {
    const double *v;
    uint32_t n;
};

static struct bounds bounds_of(enum type type)
{
    switch (type) {
    case HISTOGRAM_B0:
        return (struct bounds){bounds_b0, COUNT(bounds_b0)};
    case HISTOGRAM_B4:
        return (struct bounds){bounds_b4, COUNT(bounds_b4)};
    case HISTOGRAM_B5:
        return (struct bounds){bounds_b5, COUNT(bounds_b5)};
    case COUNTER:
    case GAUGE:
    case OPEN:
        break;
    }
    return (struct bounds){NULL, 0};
}

static bool is_histogram(enum type type)
{
    return type >= HISTOGRAM_B0;
}

/* Cells of one series. Counter: value. Gauge: set at all, value. Open: opened, closed. Histogram:
 * one per bound, those above, sum. */
static uint32_t cells_of(enum type type)
{
    if (is_histogram(type))
        return bounds_of(type).n + 2;
    return type == COUNTER ? 1 : 2;
}

/* ---- layout ---------------------------------------------------------------------------------- */

struct layout {
    size_t first;   /* cell */
    uint32_t width; /* cells of a series */
    uint32_t series_n;
    uint32_t sizes[VARY_MAX]; /* of labels that vary, 1 behind them */
};

struct gush_metrics {
    size_t lanes_n, cells_n, series_n;
    gush_metrics_cell **cells; /* by lane; the last one is for what is set */
    char *version;
    char **namespaces;
    uint32_t namespaces_n;
    atomic_uint_fast64_t *numbers[DIMS_N]; /* number + 1, 0: free */
    struct layout layouts[GUSH_METRICS_N];
    struct gush_mutex lock; /* of the two below */
    uint64_t *before, *now; /* by series: what the last two snapshots found */
    bool *known;            /* by series: the last one found something */
};

static uint32_t dim_size(const struct gush_metrics *m, enum dim dim)
{
    return dim == DIM_NAMESPACE ? m->namespaces_n : dims[dim].n;
}

static bool varies(enum dim dim)
{
    return dim > DIM_VERSION;
}

static void lay_out(struct gush_metrics *m, enum gush_metric metric)
{
    const struct family *f = &families[metric];
    struct layout *l = &m->layouts[metric];
    size_t n = 0;

    *l = (struct layout){m->cells_n, cells_of(f->type), 1, {1, 1, 1}};
    for (size_t i = 0; i < LABELS_MAX && f->labels[i].name; i++) {
        if (!varies(f->labels[i].dim))
            continue;
        GUSH_ASSERT(n < VARY_MAX);
        l->sizes[n] = dim_size(m, f->labels[i].dim);
        l->series_n *= l->sizes[n++];
    }
    m->cells_n += (size_t)l->series_n * l->width;
    m->series_n += l->series_n;
}

static uint32_t number_position(struct gush_metrics *m, enum dim dim, uint32_t number);

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
    const struct layout *l = &m->layouts[metric];

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
    struct bounds bounds = bounds_of(families[metric].type);
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

static uint32_t word_position(enum dim dim, struct gush_span word)
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
static uint32_t number_position(struct gush_metrics *m, enum dim dim, uint32_t number)
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

/* ---- reading: series ------------------------------------------------------------------------- */

/* One series with its place; the walk over all of them. */
struct cursor {
    const struct family *family;
    const struct layout *layout;
    size_t first;    /* its first cell */
    uint32_t series; /* of the family */
    size_t overall;  /* of all */
};

static uint64_t sum(const struct gush_metrics *m, size_t cell)
{
    uint64_t total = 0;

    for (size_t lane = 0; lane <= m->lanes_n; lane++)
        total += atomic_load_explicit(&m->cells[lane][cell], memory_order_relaxed);
    return total;
}

/* Counter and gauge: its value; histogram: how many values it has. False: nothing was counted, and
 * nobody wants to see the 0. */
static bool value_of(const struct gush_metrics *m, const struct cursor *c, uint64_t *value)
{
    bool always = c->family->flags & ALWAYS;

    *value = sum(m, c->first);
    if (c->family->type == COUNTER)
        return *value != 0 || always;
    if (is_histogram(c->family->type)) {
        for (uint32_t i = 1; i + 1 < c->layout->width; i++)
            *value += sum(m, c->first + i);
        return *value != 0 || always;
    }
    /* Closed is read before opened, so that what comes and goes meanwhile is not below zero. */
    uint64_t second = sum(m, c->first + 1), first = sum(m, c->first);
    *value = c->family->type == OPEN ? first - second : second;
    return first != 0 || always;
}

static void visit_all(struct gush_metrics *m,
                      void (*visit)(struct gush_metrics *m, const struct cursor *c, void *arg),
                      void *arg)
{
    struct cursor c = {.overall = 0};

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
static const char *label_text(const struct gush_metrics *m, const struct label *l,
                              uint32_t position, char room[24])
{
    if (l->dim == DIM_FIXED)
        return l->fixed;
    if (l->dim == DIM_VERSION)
        return m->version;
    if (l->dim == DIM_NAMESPACE)
        return m->namespaces[position];
    if (dims[l->dim].words)
        return dims[l->dim].words[position];
    uint64_t there = atomic_load_explicit(&m->numbers[l->dim][position], memory_order_relaxed);
    if (there == 0)
        return OTHER;
    snprintf(room, 24, "%llu", (unsigned long long)(there - 1));
    return room;
}

/* Calls |each| with every label of the series. */
static void labels_of(const struct gush_metrics *m, const struct cursor *c,
                      void (*each)(struct gush_buf *out, const char *name, const char *text),
                      struct gush_buf *out)
{
    uint32_t rest = c->series, behind = c->layout->series_n;
    size_t n = 0;
    char room[24];

    for (size_t i = 0; i < LABELS_MAX && c->family->labels[i].name; i++) {
        const struct label *l = &c->family->labels[i];
        uint32_t position = 0;

        if (varies(l->dim)) {
            behind /= c->layout->sizes[n++];
            position = rest / behind;
            rest %= behind;
        }
        each(out, l->name, label_text(m, l, position, room));
    }
}

/* ---- reading: text --------------------------------------------------------------------------- */

static void put_label(struct gush_buf *out, const char *name, const char *text)
{
    gush_buf_put_str(out, out->n && out->p[out->n - 1] == '{' ? "" : ",");
    gush_buf_put_str(out, name);
    gush_buf_put_str(out, "=\"");
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            gush_buf_put_u8(out, '\\');
        if (*text == '\n')
            gush_buf_put_str(out, "\\n");
        else
            gush_buf_put_u8(out, (uint8_t)*text);
    }
    gush_buf_put_u8(out, '"');
}

/* |suffix| and |le| (NULL: none) are a histogram's. */
static void put_name(const struct gush_metrics *m, const struct cursor *c, const char *suffix,
                     const char *le, struct gush_buf *out)
{
    gush_buf_put_str(out, c->family->name);
    gush_buf_put_str(out, suffix);
    if (c->family->labels[0].name || le) {
        gush_buf_put_u8(out, '{');
        labels_of(m, c, put_label, out);
        if (le)
            put_label(out, "le", le);
        gush_buf_put_u8(out, '}');
    }
    gush_buf_put_u8(out, ' ');
}

static void put_value(const struct family *f, uint64_t value, struct gush_buf *out)
{
    /* What is open is summed over lanes that may have seen either end: as signed it is right. */
    if (f->unit == 1)
        gush_buf_put_i64(out, (int64_t)value);
    else
        gush_buf_printf(out, "%.12g", (double)value * f->unit);
    gush_buf_put_u8(out, '\n');
}

static void put_histogram(const struct gush_metrics *m, const struct cursor *c,
                          struct gush_buf *out)
{
    struct bounds bounds = bounds_of(c->family->type);
    uint64_t so_far = 0;

    for (uint32_t i = 0; i <= bounds.n; i++) {
        char le[32] = "+Inf";

        if (i < bounds.n)
            snprintf(le, sizeof le, "%.6g", bounds.v[i] * c->family->unit);
        so_far += sum(m, c->first + i);
        put_name(m, c, "_bucket", le, out);
        gush_buf_put_u64(out, so_far);
        gush_buf_put_u8(out, '\n');
    }
    put_name(m, c, "_sum", NULL, out);
    put_value(c->family, sum(m, c->first + bounds.n + 1), out);
    put_name(m, c, "_count", NULL, out);
    gush_buf_put_u64(out, so_far);
    gush_buf_put_u8(out, '\n');
}

struct writing {
    struct gush_buf *out;
    const struct family *headed; /* the last one that has its head */
};

static void write_series(struct gush_metrics *m, const struct cursor *c, void *arg)
{
    struct writing *w = arg;
    uint64_t value;

    if (!value_of(m, c, &value))
        return;
    if (w->headed != c->family) {
        const char *type = is_histogram(c->family->type) ? "histogram"
                           : c->family->type == COUNTER  ? "counter"
                                                         : "gauge";
        gush_buf_printf(w->out, "# HELP %s %s\n# TYPE %s %s\n", c->family->name, c->family->help,
                        c->family->name, type);
        w->headed = c->family;
    }
    if (is_histogram(c->family->type)) {
        put_histogram(m, c, w->out);
        return;
    }
    put_name(m, c, "", NULL, w->out);
    put_value(c->family, value, w->out);
}

void gush_metrics_write(struct gush_metrics *m, struct gush_buf *out)
{
    visit_all(m, write_series, &(struct writing){.out = out});
}

/* ---- reading: items -------------------------------------------------------------------------- */

static bool is_item(const struct family *f)
{
    return !is_histogram(f->type) && strncmp(f->name, "centrifugo_", 11) == 0;
}

/* What no item tells is not looked at: those of many namespaces would make a long turn. */
static void remember(struct gush_metrics *m, const struct cursor *c, void *arg)
{
    (void)arg;
    if (!is_item(c->family))
        return;
    m->known[c->overall] = value_of(m, c, &m->now[c->overall]);
}

void gush_metrics_snapshot(struct gush_metrics *m)
{
    gush_mutex_lock(&m->lock);
    uint64_t *oldest = m->before;
    m->before = m->now;
    m->now = oldest;
    visit_all(m, remember, NULL);
    gush_mutex_unlock(&m->lock);
}

static void put_item_label(struct gush_buf *out, const char *name, const char *text)
{
    if (*text == '\0')
        return;
    gush_buf_put_u8(out, '.');
    gush_buf_put_str(out, name);
    gush_buf_put_u8(out, '.');
    gush_buf_put_str(out, text);
}

/* The first two underscores of a name are dots. */
static void put_dotted(struct gush_buf *out, const char *name)
{
    unsigned dots = 0;

    for (; *name; name++) {
        bool dot = *name == '_' && dots < 2;
        dots += dot;
        gush_buf_put_u8(out, dot ? '.' : (uint8_t)*name);
    }
}

struct itemizing {
    gush_metrics_item_fn *fn;
    void *arg;
    struct gush_buf key;
};

static void tell_item(struct gush_metrics *m, const struct cursor *c, void *arg)
{
    struct itemizing *t = arg;
    uint64_t value = m->now[c->overall];

    if (!is_item(c->family) || !m->known[c->overall])
        return;
    if (c->family->type == COUNTER)
        value -= m->before[c->overall];
    gush_buf_reset(&t->key);
    put_dotted(&t->key, c->family->name);
    labels_of(m, c, put_item_label, &t->key);
    if (gush_buf_ok(&t->key))
        t->fn(t->arg, gush_buf_span(&t->key), (double)(int64_t)value * c->family->unit);
}

void gush_metrics_items(struct gush_metrics *m, gush_metrics_item_fn *fn, void *arg)
{
    struct itemizing t = {.fn = fn, .arg = arg};

    gush_buf_init(&t.key, KEY_MAX);
    gush_mutex_lock(&m->lock);
    visit_all(m, tell_item, &t);
    gush_mutex_unlock(&m->lock);
    gush_buf_fini(&t.key);
}
