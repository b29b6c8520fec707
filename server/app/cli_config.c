/* Commands that make and check configuration files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/text.h"

#include "server/app/cli_priv.h"
#include "server/app/pems.h"

extern char **environ;

#define MESSAGE_BYTES  1024
#define SECRET_BYTES   64
#define PASSWORD_BYTES 16
#define SMALL_MAX      4096        /* bytes of what genconfig writes */
#define WHOLE_MAX      (256 << 20) /* of what defaultconfig does: a base of 16 MB, spread out */

static int refuse(const char *what, const char *detail)
{
    printf("%s%s\n", what, detail);
    return 1;
}

/* ---- loading --------------------------------------------------------------------------------- */

struct gush_config *gush__cli_load(const struct gush__cli *cli)
{
    const struct gush_config_sources sources = {
        .file = gush__cli_value(cli, GUSH__CLI_CONFIG, GUSH__CLI_CONFIG_FILE), .environ = environ};
    struct gush_config *config = NULL;
    char message[MESSAGE_BYTES] = "";

    if (gush_config_load(&sources, NULL, NULL, &config, message, sizeof(message)) == GUSH_OK)
        return config;
    (void)refuse("error getting config: ", message);
    return NULL;
}

bool gush__cli_is_missing(const char *file)
{
    return access(file, F_OK) != 0 && errno == ENOENT;
}

static int refuse_config(bool broke_rule, const char *message)
{
    return refuse(broke_rule ? "error validating config: " : "error getting config: ", message);
}

/* ---- checkconfig ----------------------------------------------------------------------------- */

struct unknown {
    struct gush_buf keys; /* "a, b" */
};

static void note_unknown(void *arg, const char *message, const char *field, const char *value)
{
    struct unknown *u = arg;

    /* Other warnings are the server's to tell. */
    if (strcmp(message, "unknown key in configuration file") != 0 || strcmp(field, "key") != 0)
        return;
    if (u->keys.n > 0)
        gush_buf_put_str(&u->keys, ", ");
    gush_buf_put_str(&u->keys, value);
}

/* What is in the certificates; the server would refuse them at its start. */
static gush_err check_all_tls(const struct gush_config_sources *sources, char *message,
                              size_t message_n)
{
    struct gush_config *config = NULL;
    gush_err err = gush_config_load(sources, NULL, NULL, &config, message, message_n);

    if (err != GUSH_OK)
        return err;
    err = gush_pems_check(config, message, message_n);
    gush_config_free(config);
    return err;
}

int gush__cli_checkconfig(const struct gush__cli *cli)
{
    const struct gush_config_sources sources = {
        .file = gush__cli_value(cli, GUSH__CLI_CONFIG, GUSH__CLI_CONFIG_FILE),
        .file_must_exist = true,
        .environ = environ};
    char message[MESSAGE_BYTES] = "";
    struct unknown unknown;
    bool broke_rule = false;
    int status = 0;

    if (gush__cli_is_missing(sources.file))
        return refuse("config file not found: ", sources.file);
    gush_buf_init(&unknown.keys, SIZE_MAX); /* the loader names a bounded number of keys */
    if (gush_config_check(&sources, note_unknown, &unknown, &broke_rule, message,
                          sizeof(message)) != GUSH_OK) {
        status = refuse_config(broke_rule, message);
    } else if (check_all_tls(&sources, message, sizeof(message)) != GUSH_OK) {
        status = refuse_config(true, message);
    } else if (cli->value[GUSH__CLI_STRICT] && unknown.keys.n > 0) {
        fputs("unknown keys in config: ", stdout);
        gush__cli_print_foreign(gush_buf_span(&unknown.keys));
        putchar('\n');
        status = 1;
    }
    gush_buf_fini(&unknown.keys);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool write_all(int fd, struct gush_span text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text = gush_span_of(text.p + n, text.n - (size_t)n);
    }
    return true;
}

/* Makes |path|, which nobody else may read, and must not exist. */
static int write_new(const char *path, struct gush_span text, const char *exists)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    int why;
    bool written;

    if (fd < 0 && errno == EEXIST)
        return refuse("error: ", exists);
    if (fd < 0) {
        printf("error: %s: %s\n", path, strerror(errno));
        return 1;
    }
    written = write_all(fd, text) && fsync(fd) == 0;
    why = errno;
    if (close(fd) != 0 && written) {
        why = errno;
        written = false;
    }
    if (written)
        return 0;
    (void)unlink(path);
    printf("error: %s: %s\n", path, strerror(why));
    return 1;
}

/* ---- genconfig ------------------------------------------------------------------------------- */

/* An @ stands for the next of: token key, password, secret, API key. */
static const char json_form[] = "{\n"
                                "  \"client\": {\n"
                                "    \"token\": {\n"
                                "      \"hmac_secret_key\": \"@\"\n"
                                "    },\n"
                                "    \"allowed_origins\": []\n"
                                "  },\n"
                                "  \"admin\": {\n"
                                "    \"enabled\": false,\n"
                                "    \"password\": \"@\",\n"
                                "    \"secret\": \"@\"\n"
                                "  },\n"
                                "  \"http_api\": {\n"
                                "    \"key\": \"@\"\n"
                                "  }\n"
                                "}\n";

static const char toml_form[] = "[client]\n"
                                "allowed_origins = []\n"
                                "\n"
                                "[client.token]\n"
                                "hmac_secret_key = \"@\"\n"
                                "\n"
                                "[admin]\n"
                                "enabled = false\n"
                                "password = \"@\"\n"
                                "secret = \"@\"\n"
                                "\n"
                                "[http_api]\n"
                                "key = \"@\"\n";

static const char yaml_form[] = "client:\n"
                                "  token:\n"
                                "    hmac_secret_key: \"@\"\n"
                                "  allowed_origins: []\n"
                                "admin:\n"
                                "  enabled: false\n"
                                "  password: \"@\"\n"
                                "  secret: \"@\"\n"
                                "http_api:\n"
                                "  key: \"@\"\n";

static const struct form {
    const char *extension;
    const char *text;
} forms[] = {{"json", json_form}, {"toml", toml_form}, {"yaml", yaml_form}, {"yml", yaml_form}};

/* What stands behind the last dot of the file's name, or "". */
static const char *extension_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

    return dot ? dot + 1 : "";
}

static const struct form *form_of(const char *path)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (strcmp(forms[i].extension, extension_of(path)) == 0)
            return &forms[i];
    return NULL;
}

static void put_secret(struct gush_buf *out, size_t n)
{
    uint8_t random[SECRET_BYTES];

    GUSH_ASSERT(n <= sizeof(random));
    gush_clock_random(random, n);
    gush_base64url_encode(gush_span_of(random, n), out);
}

static void fill_in(const char *form, struct gush_buf *out)
{
    static const size_t secrets[] = {SECRET_BYTES, PASSWORD_BYTES, SECRET_BYTES, SECRET_BYTES};
    size_t next = 0;

    for (; *form != '\0'; form++) {
        if (*form != '@') {
            gush_buf_put_u8(out, (uint8_t)*form);
            continue;
        }
        GUSH_ASSERT(next < sizeof(secrets) / sizeof(secrets[0]));
        put_secret(out, secrets[next++]);
    }
    GUSH_ASSERT(next == sizeof(secrets) / sizeof(secrets[0]) && gush_buf_ok(out));
}

int gush__cli_genconfig(const struct gush__cli *cli)
{
    const char *path = gush__cli_value(cli, GUSH__CLI_CONFIG, GUSH__CLI_CONFIG_FILE);
    const struct form *form = form_of(path);
    char exists[MESSAGE_BYTES];
    struct gush_buf text;
    int status;

    if (form == NULL)
        return refuse("error: ", "output config file must have one of supported extensions: "
                                 "json, toml, yaml, yml");
    (void)snprintf(exists, sizeof(exists), "output config file already exists: %s", path);
    gush_buf_init(&text, SMALL_MAX);
    fill_in(form->text, &text);
    status = write_new(path, gush_buf_span(&text), exists);
    gush_buf_fini(&text);
    return status;
}

/* ---- defaultconfig --------------------------------------------------------------------------- */

int gush__cli_defaultconfig(const struct gush__cli *cli)
{
    const char *path = gush__cli_value(cli, GUSH__CLI_CONFIG, GUSH__CLI_CONFIG_FILE);
    const char *base = cli->value[GUSH__CLI_BASE];
    bool dry = cli->value[GUSH__CLI_DRY_RUN] != NULL, broke_rule = false;
    char message[MESSAGE_BYTES] = "";
    struct gush_buf text;
    gush_err err;
    int status = 0;

    if (!dry && strcmp(extension_of(path), "json") != 0)
        return refuse("error: ", "target file must have the extension json");
    if (base && gush__cli_is_missing(base))
        return refuse("config file not found: ", base);
    gush_buf_init(&text, WHOLE_MAX);
    err = gush_config_dump(base, &text, &broke_rule, message, sizeof(message));
    if (err == GUSH_ELIMIT)
        status = refuse("error: ", "the configuration is too large to be written out");
    else if (err != GUSH_OK)
        status = refuse_config(broke_rule, message);
    else if (dry)
        (void)fwrite(text.p, 1, text.n, stdout); /* judged with everything else that was printed */
    else
        status = write_new(path, gush_buf_span(&text), "target file already exists");
    gush_buf_fini(&text);
    return status;
}
