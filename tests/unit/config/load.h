/* load: one configuration from texts, and everything that was said about it.
 *
 * Thread    one */
#ifndef GUSH_TESTS_UNIT_CONFIG_LOAD_H
#define GUSH_TESTS_UNIT_CONFIG_LOAD_H

/* cmocka.h wants these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <string.h>

#include "server/config/config_priv.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct load {
    gush_err err;
    struct gush_config *config; /* NULL unless err is GUSH_OK */
    char message[1024];
    char warnings[16384]; /* "message|field|value\n" each */
};

static inline void load_note(void *arg, const char *message, const char *field, const char *value)
{
    struct load *l = arg;
    size_t n = strlen(l->warnings);

    (void)snprintf(l->warnings + n, sizeof(l->warnings) - n, "%s|%s|%s\n", message, field, value);
}

/* |json| NULL: no file. |environ| ends with NULL, or is NULL; |argv| likewise. */
static inline void load_all(struct load *l, const char *json, const char *const *environ_list,
                            const char *const *argv)
{
    struct gush_config_sources sources = {0};
    struct gush__load under_way;

    memset(l, 0, sizeof(*l));
    sources.environ = (char **)(uintptr_t)environ_list;
    sources.argv = (char **)(uintptr_t)argv;
    while (argv != NULL && argv[sources.argc] != NULL)
        sources.argc++;
    under_way = (struct gush__load){.sources = &sources,
                                    .warn = load_note,
                                    .warn_arg = l,
                                    .message = l->message,
                                    .message_n = sizeof(l->message)};
    l->err = gush__load_text(&under_way, "gush.json", json, json ? strlen(json) : 0, &l->config);
    assert_int_equal(l->err == GUSH_OK, l->config != NULL);
    assert_int_equal(l->err == GUSH_OK, l->message[0] == '\0');
}

static inline void load_json(struct load *l, const char *json)
{
    load_all(l, json, NULL, NULL);
}

/* As load_json, and it must be accepted. */
static inline struct gush_config *load_good(struct load *l, const char *json)
{
    load_json(l, json);
    assert_string_equal(l->message, "");
    assert_int_equal(l->err, GUSH_OK);
    return l->config;
}

/* It must be refused with exactly |message|. */
static inline void load_bad(const char *json, const char *message)
{
    struct load l;

    load_json(&l, json);
    assert_string_equal(l.message, message);
    assert_int_equal(l.err, GUSH_ECONFIG);
    gush_config_free(l.config);
}

#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The same for a variable alone. */
static inline void load_bad_env(const char *variable, const char *message)
{
    struct load l;

    load_all(&l, NULL, ENV(variable), NULL);
    assert_string_equal(l.message, message);
    assert_int_equal(l.err, GUSH_ECONFIG);
    gush_config_free(l.config);
}

#endif
