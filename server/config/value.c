/* One value of one key. Weak typing as the reference has it: numbers and booleans from strings,
 * strings from numbers, lists from single values; an empty string is a number's zero. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/text.h"

#include "server/config/config_priv.h"

/* Where a decoded value goes: a field of the target, or nowhere for keys of later versions. */
union slot {
    int64_t number;
    bool boolean;
    char *string;
    struct gush_string_list strings;
};

/* ---- scalars --------------------------------------------------------------------------------- */

/* Go's base prefixes: 0x, 0o, 0b, and a leading zero for octal. */
static gush_err number_of_text(const char *s, int64_t *out)
{
    bool negative = *s == '-';
    const char *digits = s + (*s == '-' || *s == '+');
    unsigned base = 10;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, n = 0;

    if (digits[0] == '0' && digits[1] != '\0') {
        char c = (char)(digits[1] | 0x20);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        digits += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
    }
    if (*digits == '\0')
        return GUSH_ETYPE;
    for (; *digits != '\0'; digits++) {
        char c = (char)(*digits | 0x20);
        unsigned d = c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : (unsigned)(*digits - '0');
        if (d >= base)
            return GUSH_ETYPE;
        if (n > (limit - d) / base)
            return GUSH_ERANGE;
        n = n * base + d;
    }
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return GUSH_OK;
}

static gush_err number_of_real(double d, int64_t *out)
{
    if (!(d > -9.2e18 && d < 9.2e18))
        return GUSH_ERANGE;
    *out = (int64_t)d;
    return GUSH_OK;
}

static gush_err to_number(struct gush__value v, int64_t *out)
{
    if (v.json == NULL)
        return number_of_text(v.text, out);
    if (json_is_integer(v.json)) {
        *out = json_integer_value(v.json);
        return GUSH_OK;
    }
    if (json_is_real(v.json))
        return number_of_real(json_real_value(v.json), out);
    if (!json_is_string(v.json))
        return GUSH_ETYPE;
    *out = 0;
    return *json_string_value(v.json) ? number_of_text(json_string_value(v.json), out) : GUSH_OK;
}

static gush_err boolean_of_text(const char *s, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        *out = strcmp(s, yes[i]) == 0;
        if (*out || strcmp(s, no[i]) == 0)
            return GUSH_OK;
    }
    return GUSH_ETYPE;
}

static gush_err to_boolean(struct gush__value v, bool *out)
{
    *out = false;
    if (v.json == NULL)
        return boolean_of_text(v.text, out);
    if (json_is_boolean(v.json))
        *out = json_is_true(v.json);
    else if (json_is_integer(v.json))
        *out = json_integer_value(v.json) != 0;
    else if (json_is_real(v.json))
        *out = fpclassify(json_real_value(v.json)) != FP_ZERO;
    else if (!json_is_string(v.json))
        return GUSH_ETYPE;
    else if (*json_string_value(v.json))
        return boolean_of_text(json_string_value(v.json), out);
    return GUSH_OK;
}

/* The shortest decimal that reads back as |d|. */
static char *real_text(struct gush__arena *arena, double d)
{
    char text[32];

    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, d);
        if (!(strtod(text, NULL) < d) && !(strtod(text, NULL) > d))
            break;
    }
    return gush__arena_strndup(arena, text, strlen(text));
}

static gush_err to_string(struct gush__arena *arena, struct gush__value v, char **out)
{
    GUSH_ASSERT(v.json != NULL || v.text != NULL);
    if (v.json == NULL)
        *out = gush__arena_strndup(arena, v.text, strlen(v.text));
    else if (json_is_string(v.json))
        *out = gush__arena_strndup(arena, json_string_value(v.json), json_string_length(v.json));
    else if (json_is_integer(v.json))
        *out = gush__arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(v.json));
    else if (json_is_real(v.json))
        *out = real_text(arena, json_real_value(v.json));
    else if (json_is_boolean(v.json))
        *out = gush__arena_strndup(arena, json_is_true(v.json) ? "1" : "0", 1);
    else
        return GUSH_ETYPE;
    return GUSH_OK;
}

static gush_err to_nanoseconds(struct gush__value v, int64_t *out)
{
    if (v.json == NULL)
        return gush_parse_duration(gush_span_str(v.text), out);
    if (json_is_string(v.json))
        return gush_parse_duration(
            gush_span_of(json_string_value(v.json), json_string_length(v.json)), out);
    if (json_is_number(v.json))
        return to_number(v, out);
    return GUSH_ETYPE;
}

/* ---- by type --------------------------------------------------------------------------------- */

static bool within(const struct gush__key *key, int64_t n)
{
    return (key->min == 0 && key->max == 0) || (n >= key->min && n <= key->max);
}

static gush_err put_number(struct gush__decoding *d, int64_t *out)
{
    gush_err err = to_number(d->value, out);

    if (err == GUSH_ETYPE)
        return gush__refusal_type(d);
    if (err != GUSH_OK || !within(d->key, *out) ||
        (d->key->type == GUSH__U32 && (*out < 0 || *out > UINT32_MAX)))
        return gush__refusal_range(d);
    d->zero = *out == 0;
    return GUSH_OK;
}

static gush_err put_duration(struct gush__decoding *d, int64_t *out)
{
    int64_t ns = 0, unit = 1000000;
    gush_err err = to_nanoseconds(d->value, &ns);

    if (err == GUSH_ERANGE)
        return gush__refusal_range(d);
    if (err != GUSH_OK)
        return gush__refusal_type(d);
    d->zero = ns == 0;
    if (d->key->type == GUSH__DUR_S) {
        unit = 1000000000;
        if (ns % unit != 0)
            return gush__refusal_fraction(d, ns);
    }
    *out = ns / unit;
    if (*out == 0 && ns != 0)
        *out = ns < 0 ? -1 : 1;
    if (!within(d->key, *out))
        return gush__refusal_range(d);
    if (ns != 0 && d->value.json != NULL && json_is_number(d->value.json))
        gush__load_warn(d->l, "duration without a unit counts nanoseconds", "key", d->path);
    return GUSH_OK;
}

static gush_err put_string(struct gush__decoding *d, char **out)
{
    gush_err err = to_string(&d->l->memory->arena, d->value, out);

    if (err != GUSH_OK)
        return gush__refusal_type(d);
    d->zero = **out == '\0';
    if (d->key->type == GUSH__PATH && !d->zero && **out != '/')
        return gush__refusal_type(d);
    if (d->key->words != NULL && !d->zero) {
        const struct gush__word *w = d->key->words;
        while (w->word != NULL && strcmp(w->word, *out) != 0)
            w++;
        if (w->word == NULL)
            return gush__refusal_word(d, *out);
    }
    return GUSH_OK;
}

static gush_err put_word(struct gush__decoding *d, void *field)
{
    char *text = NULL;
    gush_err err = put_string(d, &text);

    if (err != GUSH_OK)
        return err;
    for (const struct gush__word *w = d->key->words; w->word != NULL; w++)
        if (strcmp(w->word, text) == 0)
            memcpy(field, &w->value, sizeof(w->value)); /* an enum without negatives */
    return GUSH_OK;
}

static gush_err put_log_level(struct gush__decoding *d, enum gush_log_level *out)
{
    char *text = NULL;
    gush_err err = put_string(d, &text);

    if (err != GUSH_OK || d->zero)
        return err;
    if (!gush_log_level_parse(gush_span_str(text), out)) {
        gush__load_warn(d->l, "unknown log level, using info", "level", text);
        *out = GUSH_LOG_INFO;
    }
    return GUSH_OK;
}

/* A variable: separated by single blanks. */
static void split(struct gush__arena *arena, const char *text, struct gush_string_list *out)
{
    out->items = gush__arena_alloc(arena, strlen(text) / 2 + 1, sizeof(*out->items));
    out->n = 0;
    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        if (n > 0)
            out->items[out->n++] = gush__arena_strndup(arena, text, n);
        text += n + (text[n] == ' ');
    }
}

static gush_err put_strings(struct gush__decoding *d, struct gush_string_list *out)
{
    struct gush__arena *arena = &d->l->memory->arena;
    const json_t *json = d->value.json;
    size_t n = json_is_array(json) ? json_array_size(json) : 1;

    if (json == NULL) {
        split(arena, d->value.text, out);
        d->zero = out->n == 0;
        return GUSH_OK;
    }
    out->items = gush__arena_alloc(arena, n, sizeof(*out->items));
    out->n = 0;
    d->zero = n == 0;
    for (size_t i = 0; i < n; i++) {
        struct gush__value v = {.json = json_is_array(json) ? json_array_get(json, i) : json};
        if (to_string(arena, v, &out->items[out->n++]) != GUSH_OK)
            return gush__refusal_type(d);
    }
    return GUSH_OK;
}

/* Strings of an element are never NULL. */
static void blank_strings(struct gush__arena *arena, const struct gush__table *table, char *base)
{
    for (size_t i = 0; i < table->n; i++)
        if (table->keys[i].type == GUSH__STR) {
            char *empty = gush__arena_strndup(arena, "", 0);
            memcpy(base + table->keys[i].at, &empty, sizeof(empty));
        }
}

/* |base| + i * element_bytes takes element i; NULL for keys of later versions. */
static gush_err walk_elements(struct gush__decoding *d, const json_t *list, char *base)
{
    size_t n = json_is_array(list) ? json_array_size(list) : 1;

    for (size_t i = 0; i < n; i++) {
        const json_t *element = json_is_array(list) ? json_array_get(list, i) : list;
        struct gush__target target = {.table = d->key->sub, .prefix = ""};
        gush_err err;

        if (!json_is_object(element))
            return gush__refusal_type(d);
        if (base != NULL) {
            target.base = base + i * d->key->element_bytes;
            blank_strings(&d->l->memory->arena, d->key->sub, target.base);
        }
        target.path = gush__arena_printf(&d->l->memory->arena, "%s.[%zu]", d->path, i);
        d->l->hush += base == NULL; /* told once, for the list */
        err = gush__file_walk(d->l, &target, element);
        d->l->hush -= base == NULL;
        if (err != GUSH_OK)
            return err;
    }
    return GUSH_OK;
}

static gush_err put_list(struct gush__decoding *d, void *base)
{
    const json_t *list = d->value.json;
    json_t *parsed = NULL;
    size_t n;
    char *elements = NULL;
    gush_err err;

    if (list == NULL) {
        if (base == NULL)
            return GUSH_OK; /* names are fine too, and nothing keeps them */
        list = parsed = json_loads(d->value.text, 0, NULL);
    }
    n = json_is_array(list) ? json_array_size(list) : 1;
    if (!(json_is_array(list) || json_is_object(list)) || n > GUSH__LIST_MAX) {
        err = n > GUSH__LIST_MAX ? gush__refusal_count(d) : gush__refusal_type(d);
        goto out;
    }
    if (base != NULL)
        elements = gush__arena_alloc(&d->l->memory->arena, n, d->key->element_bytes);
    d->zero = n == 0;
    err = walk_elements(d, list, elements);
    if (err == GUSH_OK && base != NULL) {
        memcpy((char *)base + d->key->at, &elements, sizeof(elements));
        memcpy((char *)base + d->key->count_at, &n, sizeof(n));
    }
out:
    json_decref(parsed);
    return err;
}

static gush_err put_namespaces(struct gush__decoding *d)
{
    const json_t *list = d->value.json;

    if (list == NULL)
        return gush__namespaces_put_text(d->l, d->path, d->value.text);
    if (!json_is_array(list) && !json_is_object(list))
        return gush__refusal_type(d);
    return gush__namespaces_put(d->l, d->path, list);
}

/* Things that no field takes: only whether they are empty is of interest. */
static gush_err put_nothing(struct gush__decoding *d)
{
    const json_t *json = d->value.json;
    bool flag = false;

    if (json == NULL)
        return GUSH_OK;
    if (json_is_object(json) || json_is_array(json)) {
        d->zero = json_object_size(json) + json_array_size(json) == 0;
        return GUSH_OK;
    }
    if (d->key->type == GUSH__MAP)
        return gush__refusal_type(d);
    if (json_is_string(json))
        d->zero = json_string_length(json) == 0;
    else if (to_boolean(d->value, &flag) == GUSH_OK)
        d->zero = !flag;
    return GUSH_OK;
}

static gush_err put_u32(struct gush__decoding *d, uint32_t *out)
{
    int64_t n = 0;
    gush_err err = put_number(d, &n);

    *out = (uint32_t)n;
    return err;
}

/* |field|: where the value goes; |base|: the struct around it, NULL for keys of later versions. */
static gush_err put(struct gush__decoding *d, void *field, void *base)
{
    switch (d->key->type) {
    case GUSH__STR:
    case GUSH__PATH:
        return put_string(d, field);
    case GUSH__BOOL:
        if (to_boolean(d->value, field) != GUSH_OK)
            return gush__refusal_type(d);
        d->zero = !*(bool *)field;
        return GUSH_OK;
    case GUSH__INT:
        return put_number(d, field);
    case GUSH__U32:
        return put_u32(d, field);
    case GUSH__DUR_MS:
    case GUSH__DUR_S:
        return put_duration(d, field);
    case GUSH__STRINGS:
        return put_strings(d, field);
    case GUSH__LOG_LEVEL:
        return put_log_level(d, field);
    case GUSH__WORD:
        return put_word(d, field);
    case GUSH__LIST:
        return put_list(d, base);
    case GUSH__NAMESPACES:
        return put_namespaces(d);
    case GUSH__MAP:
    case GUSH__ANY:
        return put_nothing(d);
    case GUSH__MOUNT:
        break;
    }
    GUSH_ASSERT(d->key->type != GUSH__MOUNT);
    return GUSH_ECONFIG;
}

/* ---- keys of later versions ------------------------------------------------------------------ */

static bool same_as_fallback(const struct gush__decoding *d, const union slot *slot)
{
    struct gush__decoding other = *d;
    union slot fallback;

    if (d->key->fallback == NULL || *d->key->fallback == '\0')
        return d->zero;
    if (d->zero)
        return true; /* the default replaces it */
    memset(&fallback, 0, sizeof(fallback));
    other.value = (struct gush__value){.text = d->key->fallback};
    if (put(&other, &fallback, NULL) != GUSH_OK)
        return false;
    if (d->key->type == GUSH__STR) {
        GUSH_ASSERT(slot->string != NULL && fallback.string != NULL);
        return strcmp(slot->string, fallback.string) == 0;
    }
    if (d->key->type == GUSH__STRINGS)
        return slot->strings.n == 1 && strcmp(slot->strings.items[0], d->key->fallback) == 0;
    return slot->number == fallback.number;
}

static gush_err put_later(struct gush__decoding *d, bool critical)
{
    union slot slot;
    gush_err err;

    memset(&slot, 0, sizeof(slot));
    err = put(d, &slot, NULL);
    if (err != GUSH_OK || (d->key->flags & GUSH__QUIET) || d->l->hush > 0 ||
        same_as_fallback(d, &slot))
        return err;
    if (critical)
        return gush__refusal_unsupported(d);
    gush__load_warn(d->l, "known key is not supported by this version",
                    d->value.json ? "key" : "var", d->value.json ? d->path : d->l->now.name);
    return GUSH_OK;
}

/* The zero-value rule. A switch that is on by default may be turned off: the reference has none. */
static bool is_unset(const struct gush__decoding *d)
{
    return d->zero && d->key->type != GUSH__BOOL;
}

gush_err gush__value_put(struct gush__load *l, const struct gush__target *target,
                         const struct gush__hit *hit, const char *path, struct gush__value value)
{
    struct gush__decoding d = {
        .l = l, .target = target, .key = hit->key, .path = path, .value = value};
    gush_err err;

    GUSH_ASSERT(hit->found == GUSH__FOUND_KEY);
    GUSH_ASSERT((value.json == NULL) != (value.text == NULL));
    if ((hit->key->flags & GUSH__LATER) || target->base == NULL)
        return put_later(&d, hit->critical);
    err = put(&d, (char *)target->base + hit->key->at, target->base);
    if (err == GUSH_OK && target->state != NULL)
        target->state[hit->key - hit->table->keys] = (uint8_t)(l->fix         ? GUSH__FIXED
                                                               : is_unset(&d) ? GUSH__UNSET
                                                                              : GUSH__GIVEN);
    return err;
}

void gush__value_put_default(struct gush__load *l, const struct gush__target *target,
                             const struct gush__key *key)
{
    struct gush__decoding d = {.l = l, .target = target, .key = key, .path = key->path};
    gush_err err;

    d.value.text = key->fallback;
    err = put(&d, (char *)target->base + key->at, target->base);
    GUSH_ASSERT(err == GUSH_OK);
}
