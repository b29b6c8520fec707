/* A whole configuration as one JSON document. Keys that this version acts on are written from the
 * loaded fields, in canonical form; keys of later versions have no fields, so their defaults are
 * overlaid with what the file says. */
#include <stdlib.h>

#include "server/base/assert.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include "server/config/config_priv.h"

#define DURATION_TEXT_MAX 64

/* The outermost names in the order of the reference, which our tables, split in two, do not keep.
 * What is not named here follows behind. */
static const char *const sections[] = {
    "http_server",
    "log",
    "engine",
    "broker",
    "presence_manager",
    "map_broker",
    "controller",
    "shared_poll",
    "client",
    "channel",
    "rpc",
    "proxies",
    "http_api",
    "grpc_api",
    "websocket",
    "sse",
    "http_stream",
    "emulation",
    "uni_sse",
    "uni_http_stream",
    "uni_websocket",
    "uni_grpc",
    "webtransport",
    "admin",
    "prometheus",
    "health",
    "swagger",
    "debug",
    "init",
    "opentelemetry",
    "graphite",
    "usage_stats",
    "node",
    "shutdown",
    "pid_file",
    "enable_unreleased_features",
    "consumers",
};

/* ---- building ---------------------------------------------------------------------------------*/

/* Steals |value| into |object| at the dotted |path|, making objects on the way. */
static void put(json_t *object, const char *path, json_t *value)
{
    char name[GUSH__PATH_MAX];
    size_t n = strcspn(path, ".");
    int failed;

    GUSH_ASSERT(n > 0 && n < sizeof(name));
    memcpy(name, path, n);
    name[n] = '\0';
    if (path[n] == '.') {
        if (!json_is_object(json_object_get(object, name)))
            put(object, name, json_object());
        put(json_object_get(object, name), path + n + 1, value);
        return;
    }
    failed = json_object_set_new(object, name, value);
    GUSH_ASSERT(failed == 0); /* out of memory, or bytes that are not UTF-8: config took none */
}

static json_t *duration(int64_t ns)
{
    struct gush_buf text;
    json_t *value;

    gush_buf_init(&text, DURATION_TEXT_MAX);
    gush_format_duration(ns, &text);
    value = json_stringn((const char *)text.p, text.n);
    gush_buf_fini(&text);
    return value;
}

/* ---- keys with a field ------------------------------------------------------------------------*/

static json_t *object_of(const struct gush__table *table, const char *base);

static json_t *strings_of(const struct gush_string_list *list)
{
    json_t *array;

    if (list->n == 0)
        return json_null();
    array = json_array();
    for (size_t i = 0; i < list->n; i++)
        (void)json_array_append_new(array, json_string(list->items[i]));
    return array;
}

static json_t *list_of(const struct gush__key *key, const char *base)
{
    const char *elements = *(char *const *)(const void *)(base + key->at);
    size_t n = *(const size_t *)(const void *)(base + key->count_at);
    json_t *array;

    if (n == 0)
        return json_null();
    array = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(array, object_of(key->sub, elements + i * key->element_bytes));
    return array;
}

static json_t *namespaces_of(const struct gush_config *config)
{
    json_t *array;

    if (config->channel.namespaces_n == 0)
        return json_null();
    array = json_array();
    for (size_t i = 0; i < config->channel.namespaces_n; i++) {
        const struct gush_namespace *ns = &config->channel.namespaces[i];
        json_t *element = json_object();
        put(element, "name", json_string(ns->name));
        (void)json_object_update_missing_new(
            element, object_of(&gush__channel_keys, (const char *)&ns->options));
        (void)json_array_append_new(array, element);
    }
    return array;
}

static json_t *word_of(const struct gush__key *key, const char *base)
{
    const struct gush__word *w = key->words;
    unsigned value;

    memcpy(&value, base + key->at, sizeof(value)); /* an enum without negatives */
    while (w->word != NULL && w->value != value)
        w++;
    GUSH_ASSERT(w->word != NULL);
    return json_string(w->word);
}

static json_t *log_level_of(enum gush_log_level wanted)
{
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "fatal"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum gush_log_level level;
        if (gush_log_level_parse(gush_span_str(names[i]), &level) && level == wanted)
            return json_string(names[i]);
    }
    return json_string("none");
}

static json_t *field_of(const struct gush__key *key, const char *base)
{
    const void *field = base + key->at;

    switch (key->type) {
    case GUSH__STR:
    case GUSH__PATH:
        return json_string(*(char *const *)field);
    case GUSH__BOOL:
        return json_boolean(*(const bool *)field);
    case GUSH__INT:
        return json_integer(*(const int64_t *)field);
    case GUSH__U32:
        return json_integer(*(const uint32_t *)field);
    case GUSH__DUR_MS:
        return duration(*(const int64_t *)field * 1000000);
    case GUSH__DUR_S:
        return duration(*(const int64_t *)field * 1000000000);
    case GUSH__STRINGS:
        return strings_of(field);
    case GUSH__LOG_LEVEL:
        return log_level_of(*(const enum gush_log_level *)field);
    case GUSH__WORD:
        return word_of(key, base);
    case GUSH__LIST:
        return list_of(key, base);
    case GUSH__NAMESPACES:
        return namespaces_of((const struct gush_config *)(const void *)base);
    case GUSH__MOUNT:
        return object_of(key->sub, (const char *)field);
    case GUSH__MAP:
    case GUSH__ANY:
        break;
    }
    GUSH_ASSERT(key->flags & GUSH__LATER);
    return NULL;
}

/* ---- keys of later versions -------------------------------------------------------------------*/

/* NULL: not worth a line, the commercial edition's. */
static json_t *default_of(const struct gush__key *key)
{
    const char *text = key->fallback ? key->fallback : "";
    int64_t ns = 0;

    switch (key->type) {
    case GUSH__BOOL:
        return json_false();
    case GUSH__INT:
        return json_integer(strtoll(text, NULL, 10));
    case GUSH__DUR_MS:
        if (gush_parse_duration(gush_span_str(text), &ns) != GUSH_OK)
            GUSH_ASSERT(*text == '\0');
        return duration(ns);
    case GUSH__STRINGS:
        return *text ? json_pack("[s]", text) : json_null();
    case GUSH__LIST:
        return json_null();
    case GUSH__MAP:
        return json_object();
    case GUSH__MOUNT:
        return object_of(key->sub, NULL);
    case GUSH__ANY:
        return NULL;
    case GUSH__STR:
    case GUSH__PATH:
    case GUSH__U32:
    case GUSH__DUR_S:
    case GUSH__LOG_LEVEL:
    case GUSH__WORD:
    case GUSH__NAMESPACES:
        break;
    }
    GUSH_ASSERT(key->type == GUSH__STR);
    return json_string(text);
}

/* |base| NULL: a table without fields. */
static json_t *object_of(const struct gush__table *table, const char *base)
{
    json_t *object = json_object();

    for (; table != NULL; table = table->later) {
        for (size_t i = 0; i < table->n; i++) {
            const struct gush__key *key = &table->keys[i];
            bool later = (key->flags & GUSH__LATER) != 0;
            json_t *value = later ? default_of(key) : field_of(key, base);
            if (value != NULL)
                put(object, key->path, value);
        }
    }
    return object;
}

json_t *gush__dump_fields(const struct gush_config *config)
{
    return object_of(&gush__root_keys, (const char *)config);
}

static bool is_zero(const json_t *value)
{
    return (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_integer(value) && json_integer_value(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* What the file says about |key|, which it said acceptably. NULL: nothing, the default stays. */
static json_t *said_of(const struct gush__key *key, json_t *value)
{
    int64_t ns = 0;

    if (is_zero(value))
        return NULL;
    if (key->type != GUSH__DUR_MS)
        return json_incref(value);
    if (json_is_string(value))
        return gush_parse_duration(gush_span_str(json_string_value(value)), &ns) == GUSH_OK
                   ? duration(ns)
                   : NULL;
    return duration((int64_t)json_number_value(value));
}

struct overlay {
    const struct gush__table *table;
    json_t *out; /* made from |table| */
    char path[GUSH__PATH_MAX];
};

static void overlay_object(struct overlay *o, size_t n, const json_t *object);

/* Elements of |list| onto those of |out|, in which they are in the same order. */
static void overlay_namespaces(json_t *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(out); i++) {
        const json_t *element = json_is_array(list) ? json_array_get(list, i) : list;
        struct overlay o = {.table = &gush__channel_keys, .out = json_array_get(out, i)};
        overlay_object(&o, 0, element);
    }
}

/* Below a key that takes anything a path may have empty steps, which are nobody's. */
static bool has_empty_step(const char *path)
{
    return strstr(path, "..") != NULL || path[strlen(path) - 1] == '.';
}

static void overlay_member(struct overlay *o, size_t n, json_t *value)
{
    struct gush__hit hit = gush__keys_find(o->table, o->path);
    json_t *said;

    if (has_empty_step(o->path))
        return;
    if (hit.found == GUSH__FOUND_SECTION)
        overlay_object(o, n, value);
    if (hit.found != GUSH__FOUND_KEY)
        return;
    if (hit.key->type == GUSH__NAMESPACES)
        overlay_namespaces(json_object_get(json_object_get(o->out, "channel"), "namespaces"),
                           value);
    if ((hit.key->flags & GUSH__LATER) == 0)
        return;
    said = said_of(hit.key, value);
    if (said != NULL)
        put(o->out, o->path, said);
}

/* The members of |object|, which stands at the first |n| bytes of the path. A path that does not
 * fit is no key's. */
static void overlay_object(struct overlay *o, size_t n, const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t key_n = strlen(key), end = n;

        if (key_n == 0 || json_is_null(value) || key_n + 2 > sizeof(o->path) - n)
            continue;
        if (n > 0)
            o->path[end++] = '.';
        for (size_t i = 0; i < key_n; i++)
            o->path[end++] = key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] - 'A' + 'a') : key[i];
        o->path[end] = '\0';
        overlay_member(o, end, value);
    }
}

/* ---- the document -----------------------------------------------------------------------------*/

static json_t *in_order(json_t *object)
{
    json_t *ordered = json_object(), *value;

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        value = json_object_get(object, sections[i]);
        if (value != NULL)
            put(ordered, sections[i], json_incref(value));
    }
    (void)json_object_update_missing_new(ordered, object);
    return ordered;
}

static int append(const char *text, size_t n, void *out)
{
    gush_buf_put(out, text, n);
    return 0;
}

static gush_err write_document(const struct gush_config *config, const char *text, size_t text_n,
                               struct gush_buf *out)
{
    struct overlay o = {.table = &gush__root_keys};
    json_t *said = text ? json_loadb(text, text_n, 0, NULL) : NULL, *document;
    int failed;

    o.out = gush__dump_fields(config);
    overlay_object(&o, 0, said);
    document = in_order(o.out);
    failed = json_dump_callback(document, append, out, JSON_INDENT(2));
    GUSH_ASSERT(failed == 0);
    gush_buf_put_u8(out, '\n');
    json_decref(document);
    json_decref(said);
    return gush_buf_ok(out) ? GUSH_OK : GUSH_ELIMIT;
}

gush_err gush_config_dump(const char *base, struct gush_buf *out, bool *broke_rule, char *message,
                          size_t message_n)
{
    const struct gush_config_sources sources = {.file = base, .file_must_exist = true};
    struct gush__load l = {
        .sources = &sources, .message = message, .message_n = message_n, .as_said = true};
    struct gush_config *config = NULL;
    const char *name = NULL;
    char *text = NULL;
    size_t text_n = 0;
    gush_err err = GUSH_OK;

    GUSH_ASSERT(out != NULL && message != NULL);
    if (base != NULL)
        err = gush__file_read(&l, &name, &text, &text_n);
    if (err == GUSH_OK)
        err = gush__load_text(&l, name, text, text_n, &config);
    if (broke_rule != NULL)
        *broke_rule = l.broke_rule;
    if (err == GUSH_OK)
        err = write_document(config, text, text_n, out);
    gush_free(text);
    gush_config_free(config);
    return err;
}
