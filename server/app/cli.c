#include "server/app/cli.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "server/base/assert.h"

#include "server/app/cli_priv.h"

#define BIT(option) (1u << GUSH__CLI_##option)

struct option_row {
    char letter;
    const char *name;
    const char *value; /* NULL: it takes none */
    const char *help;
};

static const struct option_row option_rows[GUSH__CLI_OPTIONS_N] = {
    [GUSH__CLI_CONFIG] = {'c', "config", "FILE", "the file (default config.json)"},
    [GUSH__CLI_STRICT] = {'s', "strict", NULL, "unknown keys are errors"},
    [GUSH__CLI_BASE] = {'b', "base", "FILE", "what this file says replaces the defaults"},
    [GUSH__CLI_DRY_RUN] = {'d', "dry-run", NULL, "print it instead of writing the file"},
    [GUSH__CLI_USER] = {'u', "user", "USER", "whose token (default: the anonymous user)"},
    [GUSH__CLI_TTL] = {'t', "ttl", "SECONDS", "until it expires (default 604800; 0: never)"},
    [GUSH__CLI_CHANNEL] = {'s', "channel", "CHANNEL", "for which channel"},
    [GUSH__CLI_QUIET] = {'q', "quiet", NULL, "print the token alone, without a newline"},
};

static const struct command {
    const char *name;
    const char *operand; /* the one argument without an option, or NULL */
    const char *help;
    unsigned options;
    int (*run)(const struct gush__cli *cli);
} commands[] = {
    {"genconfig", NULL, "write a small configuration with fresh secrets", BIT(CONFIG),
     gush__cli_genconfig},
    {"checkconfig", NULL, "say what is wrong with a configuration", BIT(CONFIG) | BIT(STRICT),
     gush__cli_checkconfig},
    {"defaultconfig", NULL, "write a configuration with every key",
     BIT(CONFIG) | BIT(BASE) | BIT(DRY_RUN), gush__cli_defaultconfig},
    {"gentoken", NULL, "make a connection token for a user",
     BIT(CONFIG) | BIT(USER) | BIT(TTL) | BIT(QUIET), gush__cli_gentoken},
    {"gensubtoken", NULL, "make a subscription token for a user and a channel",
     BIT(CONFIG) | BIT(USER) | BIT(CHANNEL) | BIT(TTL) | BIT(QUIET), gush__cli_gensubtoken},
    {"checktoken", "TOKEN", "verify a connection token", BIT(CONFIG), gush__cli_checktoken},
};

#define COMMANDS_N (sizeof(commands) / sizeof(commands[0]))

/* ---- for the commands ------------------------------------------------------------------------ */

const char *gush__cli_value(const struct gush__cli *cli, enum gush__cli_option option,
                            const char *fallback)
{
    return cli->value[option] ? cli->value[option] : fallback;
}

void gush__cli_print_foreign(struct gush_span text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        /* U+0080 to U+009F too: \xc2 and such a byte. */
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < text.n && text.p[i + 1] < 0xa0))
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

/* ---- help ------------------------------------------------------------------------------------ */

void gush_cli_usage(FILE *out)
{
    for (size_t i = 0; i < COMMANDS_N; i++)
        fprintf(out, "  gush %-19s %s\n", commands[i].name, commands[i].help);
    fputs("                           (each of these has --help)\n", out);
}

static void help(const struct command *command)
{
    printf("gush %s [options]%s%s: %s\n\n", command->name, command->operand ? " " : "",
           command->operand ? command->operand : "", command->help);
    for (unsigned i = 0; i < GUSH__CLI_OPTIONS_N; i++) {
        const struct option_row *row = &option_rows[i];
        char left[64];
        if ((command->options & 1u << i) == 0)
            continue;
        (void)snprintf(left, sizeof(left), "-%c, --%s %s", row->letter, row->name,
                       row->value ? row->value : "");
        printf("  %-24s %s\n", left, row->help);
    }
}

/* ---- understanding --------------------------------------------------------------------------- */

/* The options of one command, as getopt_long wants them. */
struct spelling {
    char letters[2 * GUSH__CLI_OPTIONS_N + 3];
    struct option names[GUSH__CLI_OPTIONS_N + 2];
};

static void spell(const struct command *command, struct spelling *s)
{
    size_t letters_n = 0, names_n = 0;

    memset(s, 0, sizeof(*s));
    s->letters[letters_n++] = ':'; /* tells a missing value from an unknown option */
    s->letters[letters_n++] = 'h';
    s->names[names_n++] = (struct option){"help", no_argument, NULL, 'h'};
    for (unsigned i = 0; i < GUSH__CLI_OPTIONS_N; i++) {
        const struct option_row *row = &option_rows[i];
        if ((command->options & 1u << i) == 0)
            continue;
        s->letters[letters_n++] = row->letter;
        if (row->value)
            s->letters[letters_n++] = ':';
        s->names[names_n++] = (struct option){
            row->name, row->value ? required_argument : no_argument, NULL, row->letter};
    }
}

static void take(const struct command *command, int letter, struct gush__cli *cli)
{
    for (unsigned i = 0; i < GUSH__CLI_OPTIONS_N; i++)
        if ((command->options & 1u << i) && option_rows[i].letter == letter)
            cli->value[i] = optarg ? optarg : "";
}

enum outcome { UNDERSTOOD, WRONG, HELP };

static enum outcome wrong(const struct command *command, const char *what, const char *argument)
{
    fputs("error: ", stdout);
    gush__cli_print_foreign(gush_span_str(argument));
    printf("%s%s (see gush %s --help)\n", *argument ? ": " : "", what, command->name);
    return WRONG;
}

static enum outcome understand(const struct command *command, int argc, char **argv,
                               struct gush__cli *cli)
{
    struct spelling spelling;
    int letter;

    spell(command, &spelling);
    opterr = 0;
    while ((letter = getopt_long(argc, argv, spelling.letters, spelling.names, NULL)) != -1) {
        if (letter == 'h')
            return HELP;
        if (letter == ':')
            return wrong(command, "this option needs a value", argv[optind - 1]);
        if (letter == '?')
            return wrong(command, "no such option", argv[optind - 1]);
        take(command, letter, cli);
    }
    if (command->operand && optind < argc)
        cli->operand = argv[optind++];
    else if (command->operand)
        return wrong(command, "missing", command->operand);
    if (optind < argc)
        return wrong(command, "nothing more was expected", argv[optind]);
    return UNDERSTOOD;
}

/* ---- running --------------------------------------------------------------------------------- */

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS_N; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* What could not be said was not done: a script may be waiting for a token. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "error: writing to stdout: %s\n", strerror(errno));
    return 1;
}

bool gush_cli_run(int argc, char **argv, int *status)
{
    const struct command *command = argc > 0 ? find(argv[0]) : NULL;
    struct gush__cli cli = {.operand = NULL};

    if (command == NULL)
        return false;
    *status = 1;
    switch (understand(command, argc, argv, &cli)) {
    case UNDERSTOOD:
        *status = command->run(&cli);
        break;
    case HELP:
        help(command);
        *status = 0;
        break;
    case WRONG:
        break;
    }
    *status = finish(*status);
    return true;
}
