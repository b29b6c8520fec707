#include <strings.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/config/config_priv.h"

/* ---- collecting ------------------------------------------------------------------------------ */

static bool good_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    return n >= 2 && name[n] == '\0';
}

/* "gush.json:14", or the variable. */
static const char *place(const struct gush__load *l, const char *path)
{
    struct gush_span s;

    if (!l->now.is_file || !gush__position_find(&l->now, path, &s))
        return l->now.name;
    return gush__arena_printf(&l->memory->arena, "%s:%u", l->now.name,
                              gush__position_line(&l->now, s));
}

static gush_err add(struct gush__load *l, const char *path, const char *name,
                    struct gush__namespace **out)
{
    struct gush__arena *arena = &l->memory->arena;
    struct gush__namespace *ns;

    l->broke_rule = !good_name(name);
    if (l->broke_rule)
        return gush__load_fail(
            l,
            "namespace %s: invalid namespace name – %s (must match " GUSH__NAMESPACE_NAME
            " regular expression) (%s: %s)",
            name, name, place(l, path), path);
    if (l->namespaces_n == GUSH__LIST_MAX)
        return gush__load_fail(l, "%s: %s has too many elements (accepted: at most %d)",
                               l->now.name, path, GUSH__LIST_MAX);
    if (l->namespaces_n == l->namespaces_cap) {
        l->namespaces_cap = l->namespaces_cap ? l->namespaces_cap * 2 : 16;
        l->namespaces = gush_realloc(l->namespaces, l->namespaces_cap * sizeof(*l->namespaces));
    }
    ns = &l->namespaces[l->namespaces_n++];
    memset(ns, 0, sizeof(*ns));
    ns->ns.name = gush__arena_strndup(arena, name, strlen(name));
    ns->from_file = l->now.is_file;
    ns->target = (struct gush__target){
        .table = &gush__channel_keys,
        .base = &ns->ns.options,
        .state = gush__arena_alloc(arena, gush__channel_keys.n, 1),
        .path = path,
        .prefix = gush__arena_printf(arena, "namespace %s: ", name),
        .skip = "name",
    };
    *out = ns;
    return GUSH_OK;
}

static const char *element_name(const json_t *element)
{
    const char *key, *name = "";
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)element, key, value)
    {
        if (strcasecmp(key, "name") == 0 && json_is_string(value))
            name = json_string_value(value);
    }
    return name;
}

gush_err gush__namespaces_put(struct gush__load *l, const char *path, const json_t *list)
{
    size_t n = json_is_array(list) ? json_array_size(list) : 1;

    for (size_t i = 0; i < n; i++) {
        const json_t *element = json_is_array(list) ? json_array_get(list, i) : list;
        const char *full = gush__arena_printf(&l->memory->arena, "%s.[%zu]", path, i);
        struct gush__namespace *ns = NULL;
        gush_err err;

        if (!json_is_object(element))
            return gush__load_fail(l, "%s: %s is not an object (accepted: {\"name\": ...})",
                                   place(l, full), full);
        err = add(l, full, element_name(element), &ns);
        if (err == GUSH_OK)
            err = gush__file_walk(l, &ns->target, element);
        if (err != GUSH_OK)
            return err;
    }
    return GUSH_OK;
}

static gush_err put_json(struct gush__load *l, const char *path, const char *text)
{
    json_error_t why;
    json_t *list = json_loads(text, 0, &why);
    gush_err err;

    if (list == NULL)
        return gush__load_fail(l, "%s: column %d: %s (accepted: [{\"name\": ...}], or names)",
                               l->now.name, why.column, why.text);
    l->namespaces_n = 0;
    err = gush__namespaces_put(l, path, list);
    json_decref(list);
    return err;
}

gush_err gush__namespaces_put_text(struct gush__load *l, const char *path, const char *text)
{
    if (*text == '[')
        return put_json(l, path, text);
    while (*text != '\0') {
        struct gush__arena *arena = &l->memory->arena;
        size_t n = strcspn(text, " ");
        struct gush__namespace *ns;
        gush_err err = GUSH_OK;

        if (n > 0)
            err = add(l, gush__arena_printf(arena, "%s.[%zu]", path, l->namespaces_n),
                      gush__arena_strndup(arena, text, n), &ns);
        if (err != GUSH_OK)
            return err;
        text += n + (text[n] == ' ');
    }
    return GUSH_OK;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The names are the operator's, who has no reason to make them collide. */
static const struct gush_hash_key hash_key = {0, 0};

static struct gush_span name_of(const void *entry)
{
    return gush_span_str(((const struct gush_namespace *)entry)->name);
}

gush_err gush__namespaces_finish(struct gush__load *l)
{
    struct gush_config *config = l->config;
    struct gush__memory *memory = l->memory;
    size_t n = l->namespaces_n;

    config->channel.namespaces =
        gush__arena_alloc(&memory->arena, n, sizeof(struct gush_namespace));
    config->channel.namespaces_n = n;
    gush_map_init(&memory->by_name, name_of, &hash_key);
    memory->boundary_n = strlen(config->channel.namespace_boundary);
    memory->private_prefix_n = strlen(config->channel.private_prefix);
    for (size_t i = 0; i < n; i++) {
        struct gush_namespace *ns = &config->channel.namespaces[i];
        *ns = l->namespaces[i].ns;
        if (gush_map_find(&memory->by_name, name_of(ns)) != NULL)
            return gush__load_fail(l, "namespace name must be unique: %s", ns->name);
        gush_map_insert(&memory->by_name, ns);
    }
    return GUSH_OK;
}

const struct gush_namespace *gush__namespaces_find(const struct gush_config *config,
                                                   struct gush_span name)
{
    const struct gush__memory *memory = config->memory;

    return gush_map_find(&memory->by_name, name);
}
