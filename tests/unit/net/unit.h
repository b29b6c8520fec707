/* unit: cmocka with what it needs before it, in an order that formatting must keep. */
#ifndef GUSH_TESTS_UNIT_NET_UNIT_H
#define GUSH_TESTS_UNIT_NET_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#define UNIT_RUN(tests, setup, teardown) cmocka_run_group_tests(tests, setup, teardown)

#endif
