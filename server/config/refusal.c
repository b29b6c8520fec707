/* What the operator is told about a value that is not acceptable: place, key, the value as written,
 * and what would be accepted. */
#include "server/base/text.h"

#include "server/config/config_priv.h"

static const char *type_name(const struct gush__key *key)
{
    switch (key->type) {
    case GUSH__STR:
    case GUSH__LOG_LEVEL:
    case GUSH__WORD:
        return "a string";
    case GUSH__PATH:
        return "an URL path";
    case GUSH__BOOL:
        return "a boolean";
    case GUSH__INT:
    case GUSH__U32:
        return "a whole number";
    case GUSH__DUR_MS:
    case GUSH__DUR_S:
        return "a duration";
    case GUSH__STRINGS:
        return "a list of strings";
    case GUSH__LIST:
    case GUSH__NAMESPACES:
        return "a list of objects";
    case GUSH__MOUNT:
    case GUSH__MAP:
    case GUSH__ANY:
        break;
    }
    return "an object of strings";
}

static const char *words_text(struct gush__arena *arena, const struct gush__word *words)
{
    const char *text = "";

    for (; words->word != NULL; words++)
        if (*words->word)
            text = gush__arena_printf(arena, "%s%s\"%s\"", text, *text ? ", " : "", words->word);
    return text;
}

static const char *accepted(struct gush__arena *arena, const struct gush__key *key)
{
    switch (key->type) {
    case GUSH__STR:
    case GUSH__WORD:
        return key->words ? words_text(arena, key->words) : "text in quotes";
    case GUSH__LOG_LEVEL:
        return "\"trace\", \"debug\", \"info\", \"warn\", \"error\", \"fatal\", \"none\"";
    case GUSH__PATH:
        return "text that begins with \"/\"";
    case GUSH__BOOL:
        return "true, false";
    case GUSH__INT:
    case GUSH__U32:
        return "a whole number, such as 100";
    case GUSH__DUR_MS:
        return "a number with unit, such as \"25s\", \"1m30s\"";
    case GUSH__DUR_S:
        return "a number with unit in whole seconds, such as \"25s\", \"1m30s\"";
    case GUSH__STRINGS:
        return "[\"one\", \"two\"]";
    case GUSH__LIST:
    case GUSH__NAMESPACES:
        return "[{...}, {...}]";
    case GUSH__MOUNT:
    case GUSH__MAP:
    case GUSH__ANY:
        break;
    }
    return "{\"name\": \"value\"}";
}

/* The value as the operator wrote it, in one short line. */
static const char *as_written(const struct gush__decoding *d)
{
    struct gush__arena *arena = &d->l->memory->arena;
    struct gush_span s = gush_span_str(d->value.text);
    size_t n;
    char *text;

    if (d->key->flags & GUSH__SECRET)
        return "(value not shown)";
    if (d->value.json != NULL && !gush__position_find(&d->l->now, d->path, &s))
        return "the value";
    n = s.n > 80 ? 80 : s.n;
    while (n < s.n && n > 0 && (s.p[n] & 0xc0) == 0x80)
        n--; /* not inside a character */
    text = gush__arena_printf(arena, "%s%.*s%s%s", d->value.json ? "" : "\"", (int)n,
                              (const char *)s.p, n < s.n ? "..." : "", d->value.json ? "" : "\"");
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    return text;
}

/* "gush.json:14", or the name of the variable or flag. */
static const char *place(const struct gush__decoding *d)
{
    struct gush__arena *arena = &d->l->memory->arena;
    const struct gush__source *now = &d->l->now;
    struct gush_span s;

    if (!now->is_file)
        return now->name;
    if (!gush__position_find(now, d->path, &s))
        return gush__arena_printf(arena, "%s", now->name);
    return gush__arena_printf(arena, "%s:%u", now->name, gush__position_line(now, s));
}

/* A variable or flag names its key by itself, unless it holds a whole document. */
static const char *key_text(const struct gush__decoding *d)
{
    if (d->value.json == NULL)
        return "";
    return gush__arena_printf(&d->l->memory->arena, ": %s", d->path);
}

gush_err gush__refusal_type(const struct gush__decoding *d)
{
    return gush__load_fail(d->l, "%s%s: %s is not %s (accepted: %s)", place(d), key_text(d),
                           as_written(d), type_name(d->key),
                           accepted(&d->l->memory->arena, d->key));
}

char *gush__refusal_duration(struct gush__arena *arena, int64_t ns)
{
    struct gush_buf text;
    char *out;

    gush_buf_init(&text, 64);
    gush_format_duration(ns, &text);
    out = gush__arena_strndup(arena, (const char *)text.p, text.n);
    gush_buf_fini(&text);
    return out;
}

static const char *bound(const struct gush__decoding *d, int64_t n)
{
    struct gush__arena *arena = &d->l->memory->arena;
    int64_t unit = d->key->type == GUSH__DUR_S ? 1000000000 : 1000000;

    if (d->key->type != GUSH__DUR_MS && d->key->type != GUSH__DUR_S)
        return gush__arena_printf(arena, "%lld", (long long)n);
    return gush__refusal_duration(arena, n * unit);
}

gush_err gush__refusal_range(const struct gush__decoding *d)
{
    const struct gush__key *key = d->key;
    int64_t min = key->min, max = key->max;

    if (key->type == GUSH__U32)
        max = UINT32_MAX;
    else if (min == INT64_MIN || (min == 0 && max == 0))
        return gush__load_fail(d->l, "%s%s: %s is out of range (accepted: at most 64 bits)",
                               place(d), key_text(d), as_written(d));
    if (max != INT64_MAX)
        return gush__load_fail(d->l, "%s%s: %s is out of range (accepted: %s to %s)", place(d),
                               key_text(d), as_written(d), bound(d, min), bound(d, max));
    return gush__load_fail(d->l, "%s%s: %s is out of range (accepted: %s or more)", place(d),
                           key_text(d), as_written(d), bound(d, min));
}

/* A word outside the list: the reference's sentence, and where and what else behind it. */
gush_err gush__refusal_word(const struct gush__decoding *d, const char *word)
{
    d->l->broke_rule = true;
    return gush__load_fail(d->l, "%s%s%s%s (%s%s, accepted: %s)", d->target->prefix,
                           d->key->refusal[0], word, d->key->refusal[1], place(d), key_text(d),
                           words_text(&d->l->memory->arena, d->key->words));
}

gush_err gush__refusal_fraction(const struct gush__decoding *d, int64_t ns)
{
    d->l->broke_rule = true;
    return gush__load_fail(d->l,
                           "%sin %s: malformed duration %s, sub-second precision is not supported "
                           "for this key (%s%s)",
                           d->target->prefix, d->key->path,
                           gush__refusal_duration(&d->l->memory->arena, ns), place(d), key_text(d));
}

gush_err gush__refusal_count(const struct gush__decoding *d)
{
    return gush__load_fail(d->l, "%s%s: the list is too long (accepted: at most %d elements)",
                           place(d), key_text(d), GUSH__LIST_MAX);
}

gush_err gush__refusal_unsupported(const struct gush__decoding *d)
{
    return gush__load_fail(d->l,
                           "%s%s: %s is not supported by this version, and ignoring it would "
                           "weaken security (accepted: leaving it out)",
                           place(d), key_text(d), as_written(d));
}
