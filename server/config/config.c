#include "server/config/config.h"

#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/config/config_priv.h"

/* ---- talking to the operator ----------------------------------------------------------------- */

void gush__load_warn(struct gush__load *l, const char *message, const char *field,
                     const char *value)
{
    if (l->warn != NULL)
        l->warn(l->warn_arg, message, field, value);
}

gush_err gush__load_fail(struct gush__load *l, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (l->message_n > 0)
        (void)vsnprintf(l->message, l->message_n, fmt, args);
    va_end(args);
    return GUSH_ECONFIG;
}

/* ---- loading --------------------------------------------------------------------------------- */

static void begin(struct gush__load *l)
{
    struct gush__arena *arena;

    l->memory = GUSH_NEW(struct gush__memory);
    arena = &l->memory->arena;
    l->config = gush__arena_alloc(arena, 1, sizeof(*l->config));
    l->config->memory = l->memory;
    l->root = (struct gush__target){
        .table = &gush__root_keys,
        .base = l->config,
        .state = gush__arena_alloc(arena, gush__root_keys.n, 1),
        .path = "",
        .prefix = "",
    };
    l->top = (struct gush__target){
        .table = &gush__channel_keys,
        .base = &l->config->channel.without_namespace,
        .state = gush__arena_alloc(arena, gush__channel_keys.n, 1),
        .path = "channel.without_namespace",
        .prefix = "in channel.without_namespace: ",
    };
}

/* The zero-value rule: whatever has a default and is zero gets it, unless the environment or the
 * command line said so. Strings are never NULL. */
static void apply_defaults(struct gush__load *l, const struct gush__target *target)
{
    for (size_t i = 0; i < target->table->n; i++) {
        const struct gush__key *key = &target->table->keys[i];
        bool has_default = key->fallback != NULL && *key->fallback != '\0';
        bool is_string = key->type == GUSH__STR || key->type == GUSH__PATH;

        if (target->state[i] == GUSH__UNSET && has_default)
            gush__value_put_default(l, target, key);
        else if (is_string && target->state[i] == GUSH__UNSET)
            *(char **)(void *)((char *)target->base + key->at) =
                gush__arena_strndup(&l->memory->arena, "", 0);
    }
}

static void apply_all_defaults(struct gush__load *l)
{
    apply_defaults(l, &l->root);
    apply_defaults(l, &l->top);
    for (size_t i = 0; i < l->namespaces_n; i++) {
        l->namespaces[i].target.base = &l->namespaces[i].ns.options;
        apply_defaults(l, &l->namespaces[i].target);
    }
}

static gush_err decode_file(struct gush__load *l, const char *name, const char *text, size_t text_n)
{
    if (text == NULL)
        return GUSH_OK;
    l->file = (struct gush__source){
        .name = name, .text = text, .text_n = text_n, .root = "", .is_file = true};
    l->now = l->file;
    return gush__file_decode(l);
}

static gush_err decode(struct gush__load *l, const char *name, const char *text, size_t text_n)
{
    gush_err err = gush__flags_parse(l);

    if (err == GUSH_OK)
        err = decode_file(l, name, text, text_n);
    if (err == GUSH_OK)
        err = gush__environ_apply(l);
    if (err == GUSH_OK)
        err = gush__flags_apply(l);
    if (err != GUSH_OK)
        return err;
    apply_all_defaults(l);
    err = gush__validate(l);
    l->broke_rule = err != GUSH_OK;
    if (err != GUSH_OK || l->as_said)
        return err;
    gush__validate_settle(l);
    gush__validate_warn(l);
    return GUSH_OK;
}

/* Gives the configuration out, or everything back. */
static gush_err finish(struct gush__load *l, gush_err err, struct gush_config **out)
{
    gush_free(l->namespaces);
    if (err == GUSH_OK)
        *out = l->config;
    else
        gush_config_free(l->config);
    return err;
}

gush_err gush__load_text(struct gush__load *l, const char *name, const char *text, size_t text_n,
                         struct gush_config **out)
{
    begin(l);
    return finish(l, decode(l, name, text, text_n), out);
}

gush_err gush_config_load(const struct gush_config_sources *sources, gush_config_warn_fn *warn,
                          void *warn_arg, struct gush_config **out, char *message, size_t message_n)
{
    struct gush__load l = {.sources = sources,
                           .warn = warn,
                           .warn_arg = warn_arg,
                           .message = message,
                           .message_n = message_n};
    const char *name = NULL;
    char *text = NULL;
    size_t text_n = 0;
    gush_err err;

    GUSH_ASSERT(sources != NULL && out != NULL && message != NULL);
    begin(&l);
    err = gush__file_read(&l, &name, &text, &text_n);
    if (err == GUSH_OK)
        err = decode(&l, name, text, text_n);
    gush_free(text);
    return finish(&l, err, out);
}

void gush_config_free(struct gush_config *config)
{
    struct gush__memory *memory;

    if (config == NULL)
        return;
    memory = config->memory;
    gush_map_fini(&memory->by_name);
    gush__arena_fini(&memory->arena); /* |config| lives in it */
    gush_free(memory);
}

void gush_config_usage(FILE *out)
{
    gush__flags_usage(out);
}

/* ---- asking ---------------------------------------------------------------------------------- */

gush_err gush_config_channel(const struct gush_config *config, struct gush_span channel,
                             const struct gush_channel_options **options, struct gush_span *rest)
{
    const struct gush__memory *memory = config->memory;
    const char *boundary = config->channel.namespace_boundary;
    const struct gush_namespace *ns;
    struct gush_span name = channel;
    const uint8_t *at = NULL;

    if (name.n >= memory->private_prefix_n && memory->private_prefix_n > 0 &&
        memcmp(name.p, config->channel.private_prefix, memory->private_prefix_n) == 0)
        name = gush_span_of(name.p + memory->private_prefix_n, name.n - memory->private_prefix_n);
    if (memory->boundary_n > 0 && name.n > 0)
        at = memmem(name.p, name.n, boundary, memory->boundary_n);
    if (rest != NULL)
        *rest = at == NULL ? channel
                           : gush_span_of(at + memory->boundary_n,
                                          (size_t)(name.p + name.n - at) - memory->boundary_n);
    *options = &config->channel.without_namespace;
    if (at == NULL || at == name.p)
        return GUSH_OK;
    ns = gush__namespaces_find(config, gush_span_of(name.p, (size_t)(at - name.p)));
    if (ns == NULL)
        return GUSH_EUNKNOWN;
    *options = &ns->options;
    return GUSH_OK;
}
