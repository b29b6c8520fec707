#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/config/config_priv.h"

/* ---- reading --------------------------------------------------------------------------------- */

static gush_err check_extension(struct gush__load *l, const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *dot = strrchr(slash ? slash : name, '.');

    if (dot != NULL && strcmp(dot, ".json") == 0)
        return GUSH_OK;
    if (dot != NULL &&
        (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".toml") == 0))
        return gush__load_fail(
            l, "%s: this version reads json only (accepted: a file name that ends in .json)", name);
    return gush__load_fail(l, "Unsupported Config Type \"%s\": %s (accepted: json)",
                           dot ? dot + 1 : "", name);
}

static gush_err io_fail(struct gush__load *l, const char *name, const char *what)
{
    (void)gush__load_fail(l, "%s: %s", name, what);
    return GUSH_EIO;
}

static gush_err read_all(struct gush__load *l, const char *name, int fd, char **text,
                         size_t *text_n)
{
    size_t n = 0, cap = 4096;
    char *p = gush_alloc(cap);
    ssize_t got;

    for (;;) {
        if (n == cap) {
            cap *= 2;
            p = gush_realloc(p, cap);
        }
        got = read(fd, p + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
        if (n > GUSH__FILE_MAX) {
            gush_free(p);
            return gush__load_fail(l, "%s: the file is too large (accepted: at most 16 MB)", name);
        }
    }
    if (got < 0) {
        int why = errno;
        gush_free(p);
        return io_fail(l, name, strerror(why));
    }
    *text = p;
    *text_n = n;
    return GUSH_OK;
}

gush_err gush__file_read(struct gush__load *l, const char **name, char **text, size_t *text_n)
{
    gush_err err;
    int fd;

    *text = NULL;
    *text_n = 0;
    *name = l->sources->file ? l->sources->file : "config.json";
    err = check_extension(l, *name);
    if (err != GUSH_OK)
        return err;
    fd = open(*name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (l->sources->file_must_exist)
            return gush__load_fail(l, "config file not found: %s", *name);
        gush__load_warn(l, "config file not found, continue using environment and flag options",
                        "path", *name);
        return GUSH_OK;
    }
    if (fd < 0)
        return io_fail(l, *name, strerror(errno));
    err = read_all(l, *name, fd, text, text_n);
    (void)close(fd);
    return err;
}

/* ---- walking --------------------------------------------------------------------------------- */

static void unknown_key(struct gush__load *l, const struct gush__target *target, const char *path)
{
    char meant[GUSH__PATH_MAX];
    const char *dot = *target->path ? "." : "";
    struct gush__arena *arena = &l->memory->arena;
    const char *full;

    if (l->warned_n >= GUSH__WARNINGS_MAX) {
        if (l->warned_n++ == GUSH__WARNINGS_MAX)
            gush__load_warn(l, "further unknown keys are not listed", "key", path);
        return;
    }
    l->warned_n++;
    full = gush__arena_printf(arena, "%s%s%s", target->path, dot, path);
    if (gush__keys_suggest(target->table, path, meant, sizeof(meant)))
        full =
            gush__arena_printf(arena, "%s (did you mean %s%s%s?)", full, target->path, dot, meant);
    gush__load_warn(l, "unknown key in configuration file", "key", full);
}

static gush_err not_a_section(struct gush__load *l, const char *path)
{
    struct gush_span s;

    if (!gush__position_find(&l->now, path, &s))
        return gush__load_fail(l, "%s: %s is not an object (accepted: {...})", l->now.name, path);
    return gush__load_fail(l, "%s:%u: %s: %.*s is not an object (accepted: {...})", l->now.name,
                           gush__position_line(&l->now, s), path, (int)(s.n > 80 ? 80 : s.n),
                           (const char *)s.p);
}

/* Appends a key in lower case; false if it does not fit. */
static bool append(char *path, size_t *n, const char *key)
{
    size_t key_n = strlen(key), dot = *n > 0;

    if (key_n == 0 || key_n + dot + 1 > GUSH__PATH_MAX - *n)
        return false;
    if (dot)
        path[(*n)++] = '.';
    for (size_t i = 0; i < key_n; i++)
        path[(*n)++] = key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] - 'A' + 'a') : key[i];
    path[*n] = '\0';
    return true;
}

static gush_err walk(struct gush__load *l, const struct gush__target *target, char *path, size_t n,
                     const json_t *object);

static gush_err member(struct gush__load *l, const struct gush__target *target, char *path,
                       size_t n, const json_t *value)
{
    struct gush__hit hit = gush__keys_find(target->table, path);
    const struct gush__target *real = target;
    char full[GUSH__PATH_MAX * 2];

    (void)snprintf(full, sizeof(full), "%s%s%s", target->path, *target->path ? "." : "", path);
    if (hit.found == GUSH__FOUND_NOTHING) {
        if (target->skip == NULL || strcmp(target->skip, path) != 0)
            unknown_key(l, target, path);
        return GUSH_OK;
    }
    if (hit.found == GUSH__FOUND_SECTION) {
        if (!json_is_object(value))
            return not_a_section(l, full);
        return walk(l, target, path, n, value);
    }
    /* Below the only mount that has fields. */
    if (target == &l->root && hit.table == &gush__channel_keys)
        real = &l->top;
    return gush__value_put(l, real, &hit, full, (struct gush__value){.json = value});
}

static gush_err walk(struct gush__load *l, const struct gush__target *target, char *path, size_t n,
                     const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t end = n;
        gush_err err = GUSH_OK;

        if (json_is_null(value))
            continue;
        if (append(path, &end, key))
            err = member(l, target, path, end, value);
        else
            unknown_key(l, target, key);
        path[n] = '\0';
        if (err != GUSH_OK)
            return err;
    }
    return GUSH_OK;
}

gush_err gush__file_walk(struct gush__load *l, const struct gush__target *target,
                         const json_t *object)
{
    char path[GUSH__PATH_MAX] = "";

    GUSH_ASSERT(json_is_object(object));
    return walk(l, target, path, 0, object);
}

gush_err gush__file_decode(struct gush__load *l)
{
    json_error_t why;
    json_t *document = json_loadb(l->now.text, l->now.text_n, 0, &why);
    gush_err err;

    if (document == NULL)
        return gush__load_fail(l, "%s:%d:%d: %s", l->now.name, why.line < 1 ? 1 : why.line,
                               why.column < 1 ? 1 : why.column, why.text);
    if (json_is_object(document))
        err = gush__file_walk(l, &l->root, document);
    else
        err = gush__load_fail(l, "%s:1: the file is not one object (accepted: {...})", l->now.name);
    json_decref(document);
    return err;
}
