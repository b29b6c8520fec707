/* cli_priv: what the files of the command line share.
 *
 *   cli           which command, its options, its help
 *   cli_config    genconfig, checkconfig, defaultconfig
 *   cli_token     gentoken, gensubtoken, checktoken */
#ifndef GUSH_APP_CLI_PRIV_H
#define GUSH_APP_CLI_PRIV_H

#include "server/base/span.h"

#include "server/config/config.h"

#include "server/app/cli.h"

#define GUSH__CLI_CONFIG_FILE "config.json" /* unless -c says otherwise */

enum gush__cli_option {
    GUSH__CLI_CONFIG,
    GUSH__CLI_STRICT,
    GUSH__CLI_BASE,
    GUSH__CLI_DRY_RUN,
    GUSH__CLI_USER,
    GUSH__CLI_TTL,
    GUSH__CLI_CHANNEL,
    GUSH__CLI_QUIET,
    GUSH__CLI_OPTIONS_N
};

/* One command line, understood. Everything borrowed from argv. */
struct gush__cli {
    const char *value[GUSH__CLI_OPTIONS_N]; /* NULL: not given; "" for one that takes no value */
    const char *operand;                    /* what stands without an option, or NULL */
};

/* The value of |option|, or |fallback|. */
const char *gush__cli_value(const struct gush__cli *cli, enum gush__cli_option option,
                            const char *fallback);
/* Prints text that somebody else wrote: control characters, which a terminal would obey, as \xNN.
 */
void gush__cli_print_foreign(struct gush_span text);

/* The configuration that the options name, a missing file being no error. NULL after having said
 * why not; the caller frees it. */
struct gush_config *gush__cli_load(const struct gush__cli *cli);

/* There is no such file. */
bool gush__cli_is_missing(const char *file);

/* The commands. Each returns the exit status. */
int gush__cli_genconfig(const struct gush__cli *cli);
int gush__cli_checkconfig(const struct gush__cli *cli);
int gush__cli_defaultconfig(const struct gush__cli *cli);
int gush__cli_gentoken(const struct gush__cli *cli);
int gush__cli_gensubtoken(const struct gush__cli *cli);
int gush__cli_checktoken(const struct gush__cli *cli);

#endif
