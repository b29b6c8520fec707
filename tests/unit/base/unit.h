/* unit: cmocka with what it needs in front of it, and deaths as test results.
 *
 * Thread    one */
#ifndef GUSH_TESTS_UNIT_BASE_UNIT_H
#define GUSH_TESTS_UNIT_BASE_UNIT_H

/* cmocka.h wants these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/span.h"

/* |body| runs in a child process, quietly: true if it ended by abort(). */
static inline bool unit_aborts(void (*body)(void))
{
    int status = 0, quiet;
    pid_t pid = fork();

    if (pid == 0) {
        quiet = open("/dev/null", O_WRONLY);
        if (quiet < 0 || dup2(quiet, STDERR_FILENO) < 0)
            _exit(2);
        body();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#define assert_span(span, text)                                                                    \
    do {                                                                                           \
        struct gush_span unit_span = (span);                                                       \
        assert_int_equal(unit_span.n, sizeof(text) - 1);                                           \
        if (unit_span.n)                                                                           \
            assert_memory_equal(unit_span.p, (text), sizeof(text) - 1);                            \
    } while (0)

#endif
