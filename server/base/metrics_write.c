/* The page that Prometheus reads: text format 0.0.4. */
#include <stdio.h>

#include "server/base/metrics_priv.h"

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
static void put_name(const struct gush_metrics *m, const struct gush__metrics_cursor *c,
                     const char *suffix, const char *le, struct gush_buf *out)
{
    gush_buf_put_str(out, c->family->name);
    gush_buf_put_str(out, suffix);
    if (c->family->labels[0].name || le) {
        gush_buf_put_u8(out, '{');
        gush__metrics_labels(m, c, put_label, out);
        if (le)
            put_label(out, "le", le);
        gush_buf_put_u8(out, '}');
    }
    gush_buf_put_u8(out, ' ');
}

static void put_value(const struct gush__metrics_family *f, uint64_t value, struct gush_buf *out)
{
    /* What is open is summed over lanes that may have seen either end: as signed it is right. */
    if (f->unit == 1)
        gush_buf_put_i64(out, (int64_t)value);
    else
        gush_buf_printf(out, "%.12g", (double)value * f->unit);
    gush_buf_put_u8(out, '\n');
}

static void put_histogram(const struct gush_metrics *m, const struct gush__metrics_cursor *c,
                          struct gush_buf *out)
{
    struct gush__metrics_bounds bounds = gush__metrics_bounds(c->family->type);
    uint64_t so_far = 0;

    for (uint32_t i = 0; i <= bounds.n; i++) {
        char le[32] = "+Inf";

        if (i < bounds.n)
            snprintf(le, sizeof le, "%.6g", bounds.v[i] * c->family->unit);
        so_far += gush__metrics_sum(m, c->first + i);
        put_name(m, c, "_bucket", le, out);
        gush_buf_put_u64(out, so_far);
        gush_buf_put_u8(out, '\n');
    }
    put_name(m, c, "_sum", NULL, out);
    put_value(c->family, gush__metrics_sum(m, c->first + bounds.n + 1), out);
    put_name(m, c, "_count", NULL, out);
    gush_buf_put_u64(out, so_far);
    gush_buf_put_u8(out, '\n');
}

struct writing {
    struct gush_buf *out;
    const struct gush__metrics_family *headed; /* the last one that has its head */
};

static void write_series(struct gush_metrics *m, const struct gush__metrics_cursor *c, void *arg)
{
    struct writing *w = arg;
    uint64_t value;

    if (!gush__metrics_value(m, c, &value))
        return;
    if (w->headed != c->family) {
        const char *type = gush__metrics_is_histogram(c->family->type) ? "histogram"
                           : c->family->type == COUNTER                ? "counter"
                                                                       : "gauge";
        gush_buf_printf(w->out, "# HELP %s %s\n# TYPE %s %s\n", c->family->name, c->family->help,
                        c->family->name, type);
        w->headed = c->family;
    }
    if (gush__metrics_is_histogram(c->family->type)) {
        put_histogram(m, c, w->out);
        return;
    }
    put_name(m, c, "", NULL, w->out);
    put_value(c->family, value, w->out);
}

void gush_metrics_write(struct gush_metrics *m, struct gush_buf *out)
{
    gush__metrics_each(m, write_series, &(struct writing){.out = out});
}
