/* What differs between two configurations, key by key. Both as they are once they are settled, so
 * that two spellings of one value are no change. */
#include <stdio.h>

#include "server/base/assert.h"

#include "server/config/config_priv.h"

struct walk {
    gush_config_change_fn *fn;
    void *arg;
    char path[GUSH__PATH_MAX];
};

/* |w->path| has |n| bytes of the way to both objects. */
static void compare(struct walk *w, size_t n, const json_t *before, const json_t *after)
{
    const char *name;
    json_t *was;

    json_object_foreach((json_t *)(uintptr_t)before, name, was)
    {
        const json_t *is = json_object_get(after, name);
        int more = snprintf(w->path + n, sizeof(w->path) - n, "%s%s", n > 0 ? "." : "", name);

        GUSH_ASSERT(more > 0 && (size_t)more < sizeof(w->path) - n); /* our own keys */
        if (json_is_object(was) && json_is_object(is))
            compare(w, n + (size_t)more, was, is);
        else if (!json_equal(was, is))
            w->fn(w->arg, w->path);
    }
}

void gush_config_changes(const struct gush_config *before, const struct gush_config *after,
                         gush_config_change_fn *fn, void *arg)
{
    struct walk w = {.fn = fn, .arg = arg};
    json_t *was = gush__dump_fields(before), *is = gush__dump_fields(after);

    compare(&w, 0, was, is);
    json_decref(was);
    json_decref(is);
}
