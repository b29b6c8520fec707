#include "server/rpc/library.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <stdlib.h>

#include "server/base/log.h"

static void on_library_log(gpr_log_func_args *args)
{
    enum gush_log_level level = GUSH_LOG_TRACE;

    if (args->severity == GPR_LOG_SEVERITY_ERROR)
        level = GUSH_LOG_ERROR;
    else if (args->severity == GPR_LOG_SEVERITY_INFO)
        level = GUSH_LOG_DEBUG;
    gush_log(level, "grpc library", GUSH_F("text", args->message), GUSH_F("file", args->file),
             GUSH_FI("line", args->line));
}

void gush_rpc_library_init(void)
{
    /* With read chunks on, the library parks an 8 KiB slice on every idle connection. */
    setenv("GRPC_EXPERIMENTS", "-tcp_read_chunks", 0);
    gpr_set_log_function(on_library_log);
    grpc_init();
}

void gush_rpc_library_fini(void)
{
    grpc_shutdown_blocking();
}
