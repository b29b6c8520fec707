#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/config/config_priv.h"

struct variable {
    const char *whole; /* NAME=value */
    const char *name;  /* behind the prefix, up to '=' */
    size_t name_n;
    const char *value;
    bool ours; /* GUSH_ */
    bool known;
};

struct variables {
    struct variable *items;
    size_t n;
};

static bool take_prefix(const char *whole, const char *prefix, struct variable *out)
{
    size_t n = strlen(prefix);
    const char *equals = strchr(whole, '=');

    if (strncmp(whole, prefix, n) != 0 || equals == NULL || equals < whole + n)
        return false;
    out->whole = whole;
    out->name = whole + n;
    out->name_n = (size_t)(equals - out->name);
    out->value = equals + 1;
    out->known = false;
    return true;
}

static struct variables collect(struct gush__load *l)
{
    struct variables v = {NULL, 0};
    char **environ_list = l->sources->environ;
    size_t n = 0;

    if (environ_list == NULL)
        return v;
    while (environ_list[n] != NULL)
        n++;
    v.items = gush__arena_alloc(&l->memory->arena, n, sizeof(*v.items));
    for (size_t i = 0; i < n; i++) {
        struct variable *item = &v.items[v.n];
        item->ours = take_prefix(environ_list[i], "GUSH_", item);
        if (item->ours || take_prefix(environ_list[i], "CENTRIFUGO_", item))
            v.n++;
    }
    return v;
}

/* An empty variable counts as unset, and CENTRIFUGO_X gives way to a GUSH_X that is not empty. */
static bool speaks(const struct variables *all, const struct variable *v)
{
    if (*v->value == '\0')
        return false;
    for (size_t i = 0; !v->ours && i < all->n; i++) {
        const struct variable *other = &all->items[i];
        if (other->ours && *other->value != '\0' && other->name_n == v->name_n &&
            memcmp(other->name, v->name, v->name_n) == 0)
            return false;
    }
    return true;
}

static gush_err put(struct gush__load *l, const struct gush__target *target,
                    const struct gush__hit *hit, const struct variable *v)
{
    struct gush__arena *arena = &l->memory->arena;
    const char *dot = *target->path ? "." : "";
    const struct gush__target *real = target;

    if (target == &l->root && hit->table == &gush__channel_keys)
        real = &l->top;
    l->now = (struct gush__source){
        .name = gush__arena_strndup(arena, v->whole, (size_t)(v->name - v->whole) + v->name_n),
        .text = v->value,
        .text_n = strlen(v->value),
        .root = gush__arena_printf(arena, "%s%s%s", target->path, dot, hit->key->path)};
    return gush__value_put(l, real, hit, l->now.root, (struct gush__value){.text = v->value});
}

/* Keys of the configuration itself; lists are known by their elements only afterwards. */
static gush_err apply_root(struct gush__load *l, struct variables *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct variable *v = &all->items[i];
        char *name = gush__arena_strndup(&l->memory->arena, v->name, v->name_n);
        struct gush__hit hit = gush__keys_find_variable(&gush__root_keys, name);
        gush_err err = GUSH_OK;

        if (hit.found == GUSH__FOUND_NOTHING)
            continue;
        v->known = true;
        if (speaks(all, v) && !gush__flags_has(l, hit.key))
            err = put(l, &l->root, &hit, v);
        if (err != GUSH_OK)
            return err;
    }
    return GUSH_OK;
}

/* What is left of |name| behind |ns| and an underscore, or NULL. */
static const char *behind_name(const char *name, const char *ns)
{
    for (; *ns != '\0'; ns++, name++)
        if (*name != gush__keys_variable_char(*ns))
            return NULL;
    return *name == '_' ? name + 1 : NULL;
}

static gush_err apply_namespaces(struct gush__load *l, struct variables *all)
{
    static const char list[] = "CHANNEL_NAMESPACES_";

    for (size_t i = 0; i < all->n; i++) {
        struct variable *v = &all->items[i];
        char *name = gush__arena_strndup(&l->memory->arena, v->name, v->name_n);

        if (strncmp(name, list, sizeof(list) - 1) != 0)
            continue;
        for (size_t j = 0; j < l->namespaces_n; j++) {
            struct gush__namespace *ns = &l->namespaces[j];
            const char *option = behind_name(name + sizeof(list) - 1, ns->ns.name);
            struct gush__hit hit = {.found = GUSH__FOUND_NOTHING};
            gush_err err = GUSH_OK;

            if (option != NULL)
                hit = gush__keys_find_variable(&gush__channel_keys, option);
            if (hit.found == GUSH__FOUND_NOTHING)
                continue;
            v->known = true;
            ns->target.base = &ns->ns.options;
            if (speaks(all, v))
                err = put(l, &ns->target, &hit, v);
            if (err != GUSH_OK)
                return err;
        }
    }
    return GUSH_OK;
}

/* Container orchestrators inject such, and VAR_ is for use inside values. The pattern is
 * ^PREFIX(?:_[A-Z0-9_]+)?_(PORT|SERVICE_), without an end. */
static bool not_ours(const struct variable *v)
{
    const char *underscore = v->name - 1;
    size_t n = v->name_n + 1;

    if (strncmp(v->name, "VAR_", 4) == 0)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (i != 1 && (strncmp(underscore + i, "_PORT", 5) == 0 ||
                       strncmp(underscore + i, "_SERVICE_", 9) == 0))
            return true;
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", underscore[i]) == NULL)
            return false;
    }
    return false;
}

gush_err gush__environ_apply(struct gush__load *l)
{
    struct variables all = collect(l);
    gush_err err;

    l->fix = true;
    err = apply_root(l, &all);
    if (err == GUSH_OK)
        err = apply_namespaces(l, &all);
    l->fix = false;
    if (err != GUSH_OK)
        return err;
    for (size_t i = 0; i < all.n; i++) {
        const struct variable *v = &all.items[i];
        if (!v->known && !not_ours(v))
            gush__load_warn(l, "unknown var in environment", "var",
                            gush__arena_strndup(&l->memory->arena, v->whole,
                                                (size_t)(v->name - v->whole) + v->name_n));
    }
    return GUSH_OK;
}
