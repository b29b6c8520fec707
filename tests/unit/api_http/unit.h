/* unit: what the tests of this room share. */
#ifndef GUSH_TEST_API_HTTP_UNIT_H
#define GUSH_TEST_API_HTTP_UNIT_H

/* cmocka.h wants these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/mem.h"

#include "proto/api.pb-c.h"

#include "api/core/arena.h"

#define API(name)        Centrifugal__Centrifugo__Api__##name
#define DESCRIPTOR(name) (&centrifugal__centrifugo__api__##name##__descriptor)

#endif
