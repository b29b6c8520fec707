#include "server/rpc/library.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"

#include "server/rpc/rpc_priv.h"

#if GUSH__CORE_NEWER

/* It writes its log to standard error, and nothing in its C interface changes that. Strangers can
 * make it write as much as they like, so it writes nothing unless somebody wants it to. */
static void settle_library(void)
{
    setenv("GRPC_VERBOSITY", "NONE", 0);
}

#else

#define PLACES_N   64 /* in the library from which errors come */
#define SILENCE_US 1000000

/* A place in the library that has spoken. Strangers can make it speak as often as they like: a
 * handshake that fails is an error there. */
struct place {
    const char *file; /* NULL: unused */
    int line;
    uint64_t said_us;
    uint64_t unsaid; /* since then */
};

static pthread_mutex_t places_mutex = PTHREAD_MUTEX_INITIALIZER; /* of |places| */
static struct place places[PLACES_N];

static struct place *place_of(const char *file, int line)
{
    size_t i = 0;

    while (i < PLACES_N - 1 && places[i].file != NULL &&
           (places[i].line != line || strcmp(places[i].file, file) != 0))
        i++; /* all that find no place of their own share the last one */
    places[i].file = file;
    places[i].line = line;
    return &places[i];
}

/* How often it was said since the last time it went to the log; 0: once a second is enough. */
static uint64_t times_to_say(const char *file, int line)
{
    uint64_t now_us = gush_clock_mono_us(), times = 0;
    struct place *p;

    pthread_mutex_lock(&places_mutex);
    p = place_of(file, line);
    p->unsaid++;
    if (p->said_us == 0 || now_us >= p->said_us + SILENCE_US) {
        times = p->unsaid;
        p->unsaid = 0;
        p->said_us = now_us;
    }
    pthread_mutex_unlock(&places_mutex);
    return times;
}

static void on_library_log(gpr_log_func_args *args)
{
    enum gush_log_level level = GUSH_LOG_TRACE;
    uint64_t times = 1;

    if (args->severity == GPR_LOG_SEVERITY_ERROR)
        level = GUSH_LOG_ERROR;
    else if (args->severity == GPR_LOG_SEVERITY_INFO)
        level = GUSH_LOG_DEBUG;
    if (level == GUSH_LOG_ERROR)
        times = times_to_say(args->file, args->line);
    if (times > 0)
        gush_log(level, "grpc library", GUSH_F("text", args->message), GUSH_F("file", args->file),
                 GUSH_FI("line", args->line), GUSH_FU("count", times));
}

static void settle_library(void)
{
    /* With read chunks on, the library parks an 8 KiB slice on every idle connection. */
    setenv("GRPC_EXPERIMENTS", "-tcp_read_chunks", 0);
    gpr_set_log_function(on_library_log);
}

#endif

void gush_rpc_library_init(void)
{
    settle_library();
    grpc_init();
}

const char *gush_rpc_library_version(void)
{
    return grpc_version_string();
}

bool gush_rpc_library_hardened(void)
{
    return GUSH__CORE_NEWER;
}

void gush_rpc_library_fini(void)
{
    grpc_shutdown_blocking();
}
