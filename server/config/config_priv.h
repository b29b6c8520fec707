/* config_priv: what the files of this room share. Only this room, its tests and its fuzz target
 * include it.
 *
 *   keys, keys_later   the tables: every key there is, and which field takes it
 *   keys_find          finding one of them, by path or by variable
 *   value, refusal     one value of one key, from JSON or from text, and why not
 *   file               a JSON file or text, walked along the tables
 *   position           where in a text a key is, for messages
 *   environ, flags     the other two sources
 *   namespaces         the list of namespaces, and finding one by channel
 *   validate           rules between keys, and what is done once they hold
 *   validate_listeners those about where and how to listen
 *   check, dump        the same load, for tools
 *   changes            what differs between two configurations
 *   arena              the memory of one configuration
 *
 * Owner     gush_config_load          Thread  the loader's, until it returns */
#ifndef GUSH_CONFIG_PRIV_H
#define GUSH_CONFIG_PRIV_H

#include <jansson.h>
#include <stdarg.h>

#include "server/base/map.h"

#include "server/config/config.h"

#define GUSH__FILE_MAX       (16u << 20) /* bytes of a configuration file */
#define GUSH__PATH_MAX       512         /* bytes of a dotted key; a longer one is unknown */
#define GUSH__LIST_MAX       100000      /* elements of a list of objects */
#define GUSH__WARNINGS_MAX   100         /* unknown keys told one by one */
#define GUSH__NAMESPACE_NAME "^[-a-zA-Z0-9_.]{2,}$"

/* ---- arena: memory that ends with the configuration -------------------------------------------*/

struct gush__block;
struct gush__arena {
    struct gush__block *blocks;
    size_t used, cap; /* of the first block */
};

/* Zeroed, aligned for any type. */
void *gush__arena_alloc(struct gush__arena *arena, size_t n, size_t size);
char *gush__arena_strndup(struct gush__arena *arena, const char *s, size_t n);
char *gush__arena_printf(struct gush__arena *arena, const char *fmt, ...) GUSH_PRINTF(2, 3);
void gush__arena_fini(struct gush__arena *arena);

/* What gush_config.memory points to. */
struct gush__memory {
    struct gush__arena arena;
    struct gush_map by_name; /* struct gush_namespace */
    size_t private_prefix_n, boundary_n;
};

/* ---- keys: the tables ------------------------------------------------------------------------ */

enum gush__type {
    GUSH__STR,        /* char * */
    GUSH__PATH,       /* char *, an URL path */
    GUSH__BOOL,       /* bool */
    GUSH__INT,        /* int64_t */
    GUSH__U32,        /* uint32_t */
    GUSH__DUR_MS,     /* int64_t; less than a millisecond counts as one */
    GUSH__DUR_S,      /* int64_t, whole seconds only */
    GUSH__STRINGS,    /* struct gush_string_list */
    GUSH__LOG_LEVEL,  /* enum gush_log_level; an unknown word is warned about, and info */
    GUSH__WORD,       /* an enum; |words| */
    GUSH__LIST,       /* array of objects described by |sub|, and its size_t count at |count_at| */
    GUSH__NAMESPACES, /* the list of namespaces */
    GUSH__MOUNT,      /* no value of its own: |sub| hangs here */
    GUSH__MAP,        /* strings by name; only among keys that are not used yet */
    GUSH__ANY         /* anything, with everything below it; likewise */
};

enum {
    GUSH__LATER = 1,    /* the reference has it, this version does not act on it */
    GUSH__CRITICAL = 2, /* with LATER: ignoring it would weaken security, so it is refused */
    GUSH__SECRET = 4,   /* its value is never shown */
    GUSH__OURS = 8,     /* the reference does not know it */
    GUSH__FLAG = 16,    /* also a flag of the same name */
    GUSH__QUIET = 32    /* with LATER: harmless to ignore whatever its value */
};

struct gush__word {
    const char *word; /* NULL ends the list */
    unsigned value;
};

struct gush__table;

struct gush__key {
    const char *path; /* lower case, dotted, relative to its table */
    enum gush__type type;
    unsigned flags;
    size_t at;            /* offset of the field */
    const char *fallback; /* default as text; NULL or "": the type's zero */
    int64_t min, max;     /* both 0: no bounds */
    const struct gush__word *words;
    const char *refusal[2]; /* the reference's text around a word that is not in |words| */
    const struct gush__table *sub;
    size_t element_bytes, count_at; /* LIST */
    char letter;                    /* of the short flag, or 0 */
    const char *help;               /* of the flag */
};

struct gush__table {
    const struct gush__key *keys;
    size_t n;
    const struct gush__table *later; /* further keys, none of which has a field */
};

extern const struct gush__table gush__root_keys;     /* struct gush_config */
extern const struct gush__table gush__channel_keys;  /* struct gush_channel_options */
extern const struct gush__table gush__later_root;    /* continues root_keys */
extern const struct gush__table gush__later_channel; /* continues channel_keys */

enum gush__found { GUSH__FOUND_NOTHING, GUSH__FOUND_KEY, GUSH__FOUND_SECTION };

struct gush__hit {
    enum gush__found found;
    const struct gush__key *key;
    const struct gush__table *table; /* the one that holds |key| */
    bool critical;                   /* |key| and every mount above it are */
};

/* |path|: lower case and dotted. A section is the beginning of some key, up to a dot. */
struct gush__hit gush__keys_find(const struct gush__table *table, const char *path);
/* |name| as in variables: upper case, dots and dashes are underscores. Keys only, no sections. */
struct gush__hit gush__keys_find_variable(const struct gush__table *table, const char *name);
/* The key, or beginning of keys, that was probably meant: copied to |out|; false if none is near.
 */
bool gush__keys_suggest(const struct gush__table *table, const char *path, char *out, size_t out_n);
/* The character of |c|, a byte of a key path, in a variable. */
char gush__keys_variable_char(char c);
/* Visits the keys with flag FLAG, in table order. */
typedef void gush__key_fn(void *arg, const struct gush__key *key);
void gush__keys_each_flag(gush__key_fn *fn, void *arg);

/* ---- the load under way ---------------------------------------------------------------------- */

/* Where the values being decoded come from, for messages. */
struct gush__source {
    const char *name; /* file, variable or flag */
    const char *text; /* all of it */
    size_t text_n;
    const char *root; /* path that the text's outermost value stands for, "" for a file */
    bool is_file;
};

/* How a field got its value: decides whether the default replaces a zero. */
enum gush__state { GUSH__UNSET, GUSH__GIVEN, GUSH__FIXED };

/* One struct that keys of one table fill. */
struct gush__target {
    const struct gush__table *table;
    void *base;         /* NULL: keys of later versions, checked only */
    uint8_t *state;     /* one enum gush__state per key of table->keys; NULL without defaults */
    const char *path;   /* full path of the target: "", "channel.namespaces.[0]" */
    const char *prefix; /* what the reference writes before errors of this target */
    const char *skip;   /* a key that the caller has taken already, or NULL */
};

struct gush__namespace {
    struct gush_namespace ns;
    struct gush__target target; /* base: set before each use, the array moves */
    bool from_file;
};

struct gush__flag {
    const struct gush__key *key;
    const char *value;
};

struct gush__load {
    const struct gush_config_sources *sources;
    struct gush_config *config;
    struct gush__memory *memory;
    struct gush__target root, top; /* top: channel.without_namespace */
    struct gush__namespace *namespaces;
    size_t namespaces_n, namespaces_cap;
    struct gush__flag *flags;
    size_t flags_n;
    struct gush__source now, file; /* file.text NULL: there is none */
    bool fix;                      /* values of this source are exempt from the zero-value rule */
    gush_config_warn_fn *warn;
    void *warn_arg;
    unsigned warned_n;
    unsigned hush;   /* inside a list that is not used: no word about its elements' keys */
    bool as_said;    /* in: nothing is settled once the rules hold */
    bool broke_rule; /* out: the values could be read, a rule about them does not hold */
    char *message;
    size_t message_n;
};

void gush__load_warn(struct gush__load *l, const char *message, const char *field,
                     const char *value);
/* Writes the message and returns GUSH_ECONFIG. */
gush_err gush__load_fail(struct gush__load *l, const char *fmt, ...) GUSH_PRINTF(2, 3);
/* The whole load, the file's text being given: what gush_config_load does after reading it, and
 * what the fuzz target drives. Of |l| the caller has set sources, warn, warn_arg, message and
 * message_n. |text| may be NULL (no file). Errors as gush_config_load. */
GUSH_MUST_USE gush_err gush__load_text(struct gush__load *l, const char *name, const char *text,
                                       size_t text_n, struct gush_config **out);

/* ---- value ----------------------------------------------------------------------------------- */

/* One of both: JSON, or the text of a variable, flag or default. */
struct gush__value {
    const json_t *json;
    const char *text;
};

/* Decodes |value| for |key| of |target|; |path| is the key's full path.
 *   GUSH_ECONFIG   not acceptable; the message is written */
GUSH_MUST_USE gush_err gush__value_put(struct gush__load *l, const struct gush__target *target,
                                       const struct gush__hit *hit, const char *path,
                                       struct gush__value value);
/* The default of |key| into its field. */
void gush__value_put_default(struct gush__load *l, const struct gush__target *target,
                             const struct gush__key *key);

/* ---- refusal: messages about one value --------------------------------------------------------
 */

/* One value on its way into its field. */
struct gush__decoding {
    struct gush__load *l;
    const struct gush__target *target;
    const struct gush__key *key;
    const char *path;
    struct gush__value value;
    bool zero; /* out: the zero of its type */
};

/* Each writes the message and returns GUSH_ECONFIG. */
gush_err gush__refusal_type(const struct gush__decoding *d);
gush_err gush__refusal_range(const struct gush__decoding *d);
/* A word outside the list: the reference's sentence, and where and what else behind it. */
gush_err gush__refusal_word(const struct gush__decoding *d, const char *word);
gush_err gush__refusal_fraction(const struct gush__decoding *d, int64_t ns);
gush_err gush__refusal_count(const struct gush__decoding *d);
gush_err gush__refusal_unsupported(const struct gush__decoding *d);
/* Canonical text of a duration. */
char *gush__refusal_duration(struct gush__arena *arena, int64_t ns);

/* ---- dump ------------------------------------------------------------------------------------ */

/* All that has a field, as one object; the rest with its defaults. The caller's. */
json_t *gush__dump_fields(const struct gush_config *config);

/* ---- file ------------------------------------------------------------------------------------ */

/* Reads the file that the sources name into |*text| (gush_free), NULL if it may be missing and is.
 *   GUSH_ECONFIG   missing, of a type that is not read, or too large;  GUSH_EIO  not readable */
GUSH_MUST_USE gush_err gush__file_read(struct gush__load *l, const char **name, char **text,
                                       size_t *text_n);
/* Decodes l->now as a whole JSON document.   GUSH_ECONFIG */
GUSH_MUST_USE gush_err gush__file_decode(struct gush__load *l);
/* Decodes the members of |object| into |target|.   GUSH_ECONFIG */
GUSH_MUST_USE gush_err gush__file_walk(struct gush__load *l, const struct gush__target *target,
                                       const json_t *object);

/* ---- position -------------------------------------------------------------------------------- */

/* The value of |path| as it stands in |source|, a text that is known to be JSON. False if it is not
 * there. Of several spellings the last one. */
bool gush__position_find(const struct gush__source *source, const char *path,
                         struct gush_span *value);
/* Line of a place in |source|, from 1. */
unsigned gush__position_line(const struct gush__source *source, struct gush_span value);

/* ---- environ, flags -------------------------------------------------------------------------- */

GUSH_MUST_USE gush_err gush__environ_apply(struct gush__load *l);
/* Understands the command line into l->flags, then, after the environment, applies it. */
GUSH_MUST_USE gush_err gush__flags_parse(struct gush__load *l);
GUSH_MUST_USE gush_err gush__flags_apply(struct gush__load *l);
bool gush__flags_has(const struct gush__load *l, const struct gush__key *key);
void gush__flags_usage(FILE *out);

/* ---- namespaces ------------------------------------------------------------------------------ */

/* Appends the elements of |list|: an array of objects, or one object.   GUSH_ECONFIG */
GUSH_MUST_USE gush_err gush__namespaces_put(struct gush__load *l, const char *path,
                                            const json_t *list);
/* A variable: a JSON array replaces the list, names separated by blanks are appended. */
GUSH_MUST_USE gush_err gush__namespaces_put_text(struct gush__load *l, const char *path,
                                                 const char *text);
/* Moves the list into the configuration and makes it searchable.
 *   GUSH_ECONFIG   two of one name */
GUSH_MUST_USE gush_err gush__namespaces_finish(struct gush__load *l);
const struct gush_namespace *gush__namespaces_find(const struct gush_config *config,
                                                   struct gush_span name);

/* ---- validate -------------------------------------------------------------------------------- */

/* Rules between keys.   GUSH_ECONFIG */
GUSH_MUST_USE gush_err gush__validate(struct gush__load *l);
/* Insecure modes and the like. */
void gush__validate_warn(struct gush__load *l);
/* Values that follow from others. */
void gush__validate_settle(struct gush__load *l);
/* " (gush.json:14)" of a key that the file holds, or "". |path| may be missing there while
 * |around| is not. */
const char *gush__validate_where(struct gush__load *l, const char *path, const char *around);

/* ---- validate_listeners -----------------------------------------------------------------------
 */

GUSH_MUST_USE gush_err gush__validate_listeners(struct gush__load *l);
void gush__validate_listeners_settle(struct gush__load *l);

#endif
