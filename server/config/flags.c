#include <stdio.h>

#include "server/base/assert.h"

#include "server/config/config_priv.h"

struct lookup {
    const char *name;
    size_t name_n;
    char letter;
    const struct gush__key *found;
};

static void match(void *arg, const struct gush__key *key)
{
    struct lookup *look = arg;

    if (look->letter ? key->letter == look->letter
                     : strlen(key->path) == look->name_n &&
                           strncmp(key->path, look->name, look->name_n) == 0)
        look->found = key;
}

static gush_err unknown(struct gush__load *l, const char *arg, size_t n, const char *name)
{
    char meant[GUSH__PATH_MAX];
    char *bare = gush__arena_strndup(&l->memory->arena, name, n - (size_t)(name - arg));

    if (gush__keys_suggest(&gush__root_keys, bare, meant, sizeof(meant)))
        return gush__load_fail(l, "unknown flag: %.*s (did you mean --%s?)", (int)n, arg, meant);
    return gush__load_fail(l, "unknown flag: %.*s (accepted: see --help)", (int)n, arg);
}

/* One argument, and the next one if it is its value: moves |*i| on. */
static gush_err parse_one(struct gush__load *l, int *i)
{
    const char *arg = l->sources->argv[*i], *value = NULL;
    bool is_long = arg[0] == '-' && arg[1] == '-';
    struct lookup look = {.name = arg + 2};
    size_t n = strcspn(arg, "=");

    if (arg[0] != '-' || arg[1] == '\0' || (is_long && arg[2] == '\0'))
        return gush__load_fail(l, "unknown command \"%s\" (accepted: see --help)", arg);
    if (is_long) {
        look.name_n = n - 2;
        value = arg[n] == '=' ? arg + n + 1 : NULL;
    } else {
        look.letter = arg[1];
        n = 2;
        if (arg[2] != '\0')
            value = arg + (arg[2] == '=' ? 3 : 2);
    }
    gush__keys_each_flag(match, &look);
    if (look.found == NULL)
        return unknown(l, arg, n, is_long ? arg + 2 : arg + 1);
    if (value == NULL && look.found->type == GUSH__BOOL)
        value = "true";
    if (value == NULL && *i + 1 < l->sources->argc)
        value = l->sources->argv[++*i];
    if (value == NULL)
        return gush__load_fail(l, "flag needs an argument: %s", arg);
    l->flags[l->flags_n++] = (struct gush__flag){look.found, value};
    return GUSH_OK;
}

gush_err gush__flags_parse(struct gush__load *l)
{
    int argc = l->sources->argc;
    gush_err err = GUSH_OK;

    GUSH_ASSERT(argc >= 0);
    l->flags = gush__arena_alloc(&l->memory->arena, (size_t)argc, sizeof(*l->flags));
    for (int i = 0; i < argc && err == GUSH_OK; i++)
        err = parse_one(l, &i);
    return err;
}

bool gush__flags_has(const struct gush__load *l, const struct gush__key *key)
{
    for (size_t i = 0; i < l->flags_n; i++)
        if (l->flags[i].key == key)
            return true;
    return false;
}

gush_err gush__flags_apply(struct gush__load *l)
{
    gush_err err = GUSH_OK;

    l->fix = true;
    for (size_t i = 0; i < l->flags_n && err == GUSH_OK; i++) {
        const struct gush__flag *flag = &l->flags[i];
        struct gush__hit hit = gush__keys_find(&gush__root_keys, flag->key->path);
        char *name = gush__arena_printf(&l->memory->arena, "--%s", flag->key->path);

        /* An empty number or switch is the zero, as in the reference's string flags. */
        if (*flag->value == '\0' && flag->key->type != GUSH__STR)
            continue;
        l->now = (struct gush__source){
            .name = name, .text = flag->value, .text_n = strlen(flag->value), .root = ""};
        err = gush__value_put(l, &l->root, &hit, flag->key->path,
                              (struct gush__value){.text = flag->value});
    }
    l->fix = false;
    return err;
}

static void print_flag(void *arg, const struct gush__key *key)
{
    FILE *out = arg;
    const char *type = key->type == GUSH__BOOL ? "" : key->type == GUSH__INT ? " int" : " string";
    char letter[8] = "    ", left[64];

    if (key->flags & GUSH__LATER)
        return;
    if (key->letter)
        (void)snprintf(letter, sizeof(letter), "-%c, ", key->letter);
    (void)snprintf(left, sizeof(left), "%s--%s%s", letter, key->path, type);
    if (key->fallback != NULL && *key->fallback != '\0')
        (void)fprintf(out, "  %-42s %s (default %s)\n", left, key->help, key->fallback);
    else
        (void)fprintf(out, "  %-42s %s\n", left, key->help);
}

/* Without -c: it is not a key, and main's to take and to explain. */
void gush__flags_usage(FILE *out)
{
    gush__keys_each_flag(print_flag, out);
}
