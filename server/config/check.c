#include "server/base/assert.h"
#include "server/base/mem.h"

#include "server/config/config_priv.h"

gush_err gush_config_check(const struct gush_config_sources *sources, gush_config_warn_fn *warn,
                           void *warn_arg, bool *broke_rule, char *message, size_t message_n)
{
    struct gush__load l = {.sources = sources,
                           .warn = warn,
                           .warn_arg = warn_arg,
                           .message = message,
                           .message_n = message_n};
    struct gush_config *config = NULL;
    const char *name = NULL;
    char *text = NULL;
    size_t text_n = 0;
    gush_err err;

    GUSH_ASSERT(sources != NULL && message != NULL);
    err = gush__file_read(&l, &name, &text, &text_n);
    if (err == GUSH_OK)
        err = gush__load_text(&l, name, text, text_n, &config);
    if (broke_rule != NULL)
        *broke_rule = l.broke_rule;
    gush_free(text);
    gush_config_free(config);
    return err;
}
