/* The configuration, from a hostile file and hostile variables. Input: the JSON text, then after
 * each NUL byte one NAME=value of the environment. What loads is then asked for channels. */
#include <stdlib.h>
#include <string.h>

#include "server/base/mem.h"

#include "server/config/config_priv.h"

#define VARIABLES_MAX 16

static void count(void *arg, const char *message, const char *field, const char *value)
{
    (void)message;
    (void)field;
    *(size_t *)arg += strlen(value);
}

/* The part at |*p|, up to a NUL or |end|, as a string of its own. */
static char *next_part(const char **p, const char *end)
{
    size_t n = strnlen(*p, (size_t)(end - *p));
    char *copy = gush_strndup(*p, n);

    *p += n;
    if (*p < end)
        (*p)++;
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = p + size;
    char *variables[VARIABLES_MAX + 1] = {NULL};
    struct gush_config_sources sources = {.environ = variables};
    struct gush_config *config = NULL;
    char message[512] = "", *text;
    size_t told = 0;
    struct gush__load load = {.sources = &sources,
                              .warn = count,
                              .warn_arg = &told,
                              .message = message,
                              .message_n = sizeof(message)};

    if (size == 0)
        return 0;
    text = next_part(&p, end);
    for (size_t i = 0; i < VARIABLES_MAX && p < end; i++)
        variables[i] = next_part(&p, end);
    if (gush__load_text(&load, "fuzz.json", text, strlen(text), &config) == GUSH_OK) {
        const struct gush_channel_options *options;
        struct gush_span rest;
        if (gush_config_channel(config, gush_span_str(text), &options, &rest) == GUSH_OK &&
            rest.n > strlen(text))
            abort();
        gush_config_free(config);
    } else if (message[0] == '\0') {
        abort(); /* refused without a word */
    }
    for (size_t i = 0; i < VARIABLES_MAX; i++)
        gush_free(variables[i]);
    gush_free(text);
    return 0;
}
