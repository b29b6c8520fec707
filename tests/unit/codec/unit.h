/* unit: cmocka with the headers it wants before it. */
#ifndef GUSH_TESTS_UNIT_CODEC_UNIT_H
#define GUSH_TESTS_UNIT_CODEC_UNIT_H

/* cmocka.h wants these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#endif
