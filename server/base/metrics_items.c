/* Metrics of the reference's names as flat items, with what changed between two moments. */
#include <string.h>

#include "server/base/metrics_priv.h"

#define KEY_MAX 512

static bool is_item(const struct gush__metrics_family *f)
{
    return !gush__metrics_is_histogram(f->type) && strncmp(f->name, "centrifugo_", 11) == 0;
}

/* What no item tells is not looked at: those of many namespaces would make a long turn. */
void gush__metrics_remember(struct gush_metrics *m, const struct gush__metrics_cursor *c, void *arg)
{
    (void)arg;
    if (!is_item(c->family))
        return;
    m->known[c->overall] = gush__metrics_value(m, c, &m->now[c->overall]);
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

static void tell_item(struct gush_metrics *m, const struct gush__metrics_cursor *c, void *arg)
{
    struct itemizing *t = arg;
    uint64_t value = m->now[c->overall];

    if (!is_item(c->family) || !m->known[c->overall])
        return;
    if (c->family->type == COUNTER)
        value -= m->before[c->overall];
    gush_buf_reset(&t->key);
    put_dotted(&t->key, c->family->name);
    gush__metrics_labels(m, c, put_item_label, &t->key);
    if (gush_buf_ok(&t->key))
        t->fn(t->arg, gush_buf_span(&t->key), (double)(int64_t)value * c->family->unit);
}

void gush_metrics_items(struct gush_metrics *m, gush_metrics_item_fn *fn, void *arg)
{
    struct itemizing t = {.fn = fn, .arg = arg};

    gush_buf_init(&t.key, KEY_MAX);
    gush_mutex_lock(&m->lock);
    gush__metrics_each(m, tell_item, &t);
    gush_mutex_unlock(&m->lock);
    gush_buf_fini(&t.key);
}
