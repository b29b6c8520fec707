/* Finding a key in the tables: by its path, by its variable, by whether it is a flag. */
#include <string.h>

#include "server/config/config_priv.h"

/* What is left of |s| behind |start|, or NULL. */
static const char *behind(const char *s, const char *start)
{
    size_t n = strlen(start);

    return strncmp(s, start, n) == 0 ? s + n : NULL;
}

static struct gush__hit hit_of(const struct gush__table *table, const struct gush__key *key,
                               bool critical)
{
    return (struct gush__hit){GUSH__FOUND_KEY, key, table,
                              critical && (key->flags & GUSH__CRITICAL) != 0};
}

/* A mount that has fields passes criticality on; one of later versions only if it has it. */
static bool critical_below(const struct gush__key *mount, bool critical)
{
    if ((mount->flags & GUSH__LATER) == 0)
        return true;
    return critical && (mount->flags & GUSH__CRITICAL) != 0;
}

static struct gush__hit find(const struct gush__table *table, const char *path, bool critical);

/* |key| of |table| against |path|. */
static struct gush__hit match(const struct gush__table *table, const struct gush__key *key,
                              const char *path, bool critical)
{
    const struct gush__hit nothing = {.found = GUSH__FOUND_NOTHING};
    const struct gush__hit section = {.found = GUSH__FOUND_SECTION};
    const char *rest = behind(path, key->path), *more = behind(key->path, path);

    if (rest == NULL)
        return more != NULL && *more == '.' ? section : nothing;
    if (*rest == '\0')
        return key->type == GUSH__MOUNT ? section : hit_of(table, key, critical);
    if (*rest != '.')
        return nothing;
    if (key->type == GUSH__MOUNT)
        return find(key->sub, rest + 1, critical_below(key, critical));
    return key->type == GUSH__ANY || key->type == GUSH__MAP ? hit_of(table, key, critical)
                                                            : nothing;
}

static struct gush__hit find(const struct gush__table *table, const char *path, bool critical)
{
    struct gush__hit best = {.found = GUSH__FOUND_NOTHING};

    for (; table != NULL; table = table->later) {
        for (size_t i = 0; i < table->n; i++) {
            struct gush__hit hit = match(table, &table->keys[i], path, critical);
            if (hit.found == GUSH__FOUND_KEY)
                return hit;
            if (hit.found == GUSH__FOUND_SECTION)
                best = hit;
        }
    }
    return best;
}

struct gush__hit gush__keys_find(const struct gush__table *table, const char *path)
{
    return find(table, path, true);
}

char gush__keys_variable_char(char c)
{
    if (c == '.' || c == '-')
        return '_';
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* What is left of |name| behind |path|, or NULL. */
static const char *behind_variable(const char *name, const char *path)
{
    for (; *path != '\0'; path++, name++)
        if (*name != gush__keys_variable_char(*path))
            return NULL;
    return name;
}

static struct gush__hit find_variable(const struct gush__table *table, const char *name,
                                      bool critical);

static struct gush__hit match_variable(const struct gush__table *table, const struct gush__key *key,
                                       const char *name, bool critical)
{
    const struct gush__hit nothing = {.found = GUSH__FOUND_NOTHING};
    const char *rest = behind_variable(name, key->path);

    if (rest == NULL)
        return nothing;
    if (*rest == '\0')
        return key->type == GUSH__MOUNT ? nothing : hit_of(table, key, critical);
    if (*rest != '_')
        return nothing;
    if (key->type == GUSH__MOUNT)
        return find_variable(key->sub, rest + 1, critical_below(key, critical));
    /* ..._PROXIES_NAME_OPTION and the like: elements of lists that are not used yet. */
    if ((key->flags & GUSH__LATER) && (key->type == GUSH__ANY || key->type == GUSH__LIST))
        return hit_of(table, key, critical);
    return nothing;
}

static struct gush__hit find_variable(const struct gush__table *table, const char *name,
                                      bool critical)
{
    struct gush__hit hit = {.found = GUSH__FOUND_NOTHING};

    for (; table != NULL && hit.found == GUSH__FOUND_NOTHING; table = table->later)
        for (size_t i = 0; i < table->n && hit.found == GUSH__FOUND_NOTHING; i++)
            hit = match_variable(table, &table->keys[i], name, critical);
    return hit;
}

struct gush__hit gush__keys_find_variable(const struct gush__table *table, const char *name)
{
    return find_variable(table, name, true);
}

void gush__keys_each_flag(gush__key_fn *fn, void *arg)
{
    for (const struct gush__table *table = &gush__root_keys; table != NULL; table = table->later)
        for (size_t i = 0; i < table->n; i++)
            if (table->keys[i].flags & GUSH__FLAG)
                fn(arg, &table->keys[i]);
}
