/* main: the command line. Everything else is the app's. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include "server/config/config.h"

#include "server/app/app.h"
#include "server/app/cli.h"
#include "server/app/trim.h"

#define SAME_WISH_US 500000
#define DEFAULT_FILE "config.json"

extern char **environ;

static int usage(FILE *out, int status)
{
    fputs("gush: a real-time push server\n\n"
          "  gush [flags]             run the server\n"
          "  gush version             print the version\n"
          "  gush help                print this\n",
          out);
    gush_cli_usage(out);
    fputs("\nFlags of the server:\n"
          "  -c, --config string                        configuration file (default config.json; "
          "may be missing)\n",
          out);
    gush_config_usage(out);
    fputs("\nEvery option is also a variable: GUSH_ and its key in capitals, dots as _\n"
          "(CENTRIFUGO_ works too). Flags win over variables, variables over the file.\n",
          out);
    return status;
}

static void warn(void *arg, const char *message, const char *field, const char *value)
{
    (void)arg;
    gush_log(GUSH_LOG_WARN, message, GUSH_F(field, value));
}

/* Takes -c FILE out of |argv|; what remains are flags of the table. -1: FILE is missing. */
static int take_config_flag(int argc, char **argv, const char **file)
{
    int kept = 0;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) {
            if (++i == argc)
                return -1;
            *file = argv[i];
        } else if (strncmp(argv[i], "--config=", 9) == 0) {
            *file = argv[i] + 9;
        } else {
            argv[kept++] = argv[i];
        }
    }
    return kept;
}

/* One connection is one descriptor: take what the system gives. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        gush_log(GUSH_LOG_WARN, "the limit of open files cannot be raised");
}

static gush_err write_pid_file(const char *path, char *message, size_t message_n)
{
    FILE *f = fopen(path, "w");

    if (f == NULL || fprintf(f, "%ld\n", (long)getpid()) < 0) {
        snprintf(message, message_n, "pid_file: \"%s\" cannot be written", path);
        if (f)
            fclose(f);
        return GUSH_EIO;
    }
    fclose(f);
    return GUSH_OK;
}

static int fatal(const char *what, const char *message)
{
    gush_log(GUSH_LOG_FATAL, what, GUSH_F("error", message));
    return 1;
}

/* Waits for the signals that end us. Blocked everywhere, so they come only here. This thread has
 * nothing else to do, so it also looks after memory, and reloads. */
static void wait_for_the_end(const sigset_t *signals, struct gush_app *app,
                             const struct gush_config_sources *sources)
{
    const struct timespec pause = {.tv_sec = GUSH_TRIM_EVERY_S};
    struct gush_trim trim = {0};
    int signal_number;

    do {
        signal_number = sigtimedwait(signals, NULL, &pause);
        if (signal_number < 0)
            gush_trim_look(&trim);
        if (signal_number == SIGHUP)
            gush_app_reload(app, sources);
    } while (signal_number != SIGINT && signal_number != SIGTERM);
}

/* Whoever asks a second time does not want to wait: nothing is taken down, the system does it. What
 * comes right behind the first signal is the same wish: some tools signal the process and then its
 * group. */
static void *end_at_once(void *arg)
{
    const char *pid_file = arg;
    sigset_t signals;
    int signal_number = 0;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    uint64_t deaf_until_us = gush_clock_mono_us() + SAME_WISH_US;
    while (sigwait(&signals, &signal_number) != 0 || gush_clock_mono_us() < deaf_until_us)
        continue;
    gush_log(GUSH_LOG_WARN, "second signal: ending at once");
    if (*pid_file)
        unlink(pid_file);
    _exit(1);
}

static void listen_for_impatience(const struct gush_config *config)
{
    /* Its own: it may be woken when the configuration is gone already. */
    char *pid_file = gush_strndup(config->pid_file, strlen(config->pid_file));
    pthread_t thread;

    if (pthread_create(&thread, NULL, end_at_once, pid_file) == 0)
        pthread_detach(thread);
    else
        gush_free(pid_file);
}

static int serve(const struct gush_config *config, const struct gush_config_sources *sources)
{
    char message[512] = "";
    struct gush_app *app = NULL;
    sigset_t signals;
    int status = 0;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    if (*config->pid_file && write_pid_file(config->pid_file, message, sizeof message) != GUSH_OK)
        return fatal("cannot start", message);
    gush_log(GUSH_LOG_INFO, "starting gush", GUSH_F("version", GUSH_VERSION),
             GUSH_FI("pid", getpid()), GUSH_F("engine", "memory"));
    if (gush_app_new(config, &app, message, sizeof message) != GUSH_OK) {
        status = fatal("cannot start", message);
        goto out;
    }
    if (gush_app_start(app, message, sizeof message) != GUSH_OK) {
        status = fatal("cannot start", message);
        gush_app_drain(app); /* what did start */
        goto out;
    }
    wait_for_the_end(&signals, app, sources);
    gush_log(GUSH_LOG_INFO, "shutting down ...");
    listen_for_impatience(config);
    if (!gush_app_drain(app))
        status = fatal("shutdown timeout reached", "connections were still open");
out:
    if (app)
        gush_app_free(app);
    if (*config->pid_file)
        unlink(config->pid_file);
    return status;
}

static int run_server(int argc, char **argv)
{
    struct gush_config_sources sources = {.environ = environ};
    struct gush_config *config = NULL;
    char message[1024] = "";

    sources.argc = take_config_flag(argc, argv, &sources.file);
    sources.argv = argv;
    if (sources.argc < 0) {
        fputs("Error: --config needs a file\n", stderr);
        return usage(stderr, 1);
    }
    /* Until the configuration says otherwise, so that its own warnings have somewhere to go. */
    if (gush_log_open(GUSH_LOG_INFO, NULL) != GUSH_OK)
        return 1;
    if (gush_config_load(&sources, warn, NULL, &config, message, sizeof message) != GUSH_OK)
        return fatal("error getting config", message);
    gush_log_close();
    if (gush_log_open(config->log.level, config->log.file) != GUSH_OK) {
        fprintf(stderr, "log.file: \"%s\" cannot be opened for appending\n", config->log.file);
        gush_config_free(config);
        return 1;
    }
    /* A file that was there must be there at a reload. */
    sources.file_must_exist = access(sources.file ? sources.file : DEFAULT_FILE, F_OK) == 0;
    int status = serve(config, &sources);
    gush_config_free(config);
    gush_log_close();
    return status;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    int status;

    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        puts("Gush v" GUSH_VERSION);
        return 0;
    }
    if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0 ||
        strcmp(command, "-h") == 0)
        return usage(stdout, 0);
    if (gush_cli_run(argc - 1, argv + 1, &status))
        return status;
    if (*command && *command != '-') {
        fprintf(stderr, "Error: unknown command \"%s\"\n", command);
        return usage(stderr, 1);
    }
    return run_server(argc - 1, argv + 1);
}
