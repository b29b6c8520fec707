#include "server/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void gush_assert_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "gush: bug at %s:%d: expected %s\n", file, line, what);
    fflush(stderr);
    abort();
}
