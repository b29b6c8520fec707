/* assert: our own bugs. GUSH_ASSERT stays on in release; GUSH_DEBUG_ASSERT may walk a structure
 * and is only in builds without NDEBUG.
 *
 * Every object that travels through a library as void * starts with a magic number and comes back
 * through GUSH_CAST, which verifies it. */
#ifndef GUSH_BASE_ASSERT_H
#define GUSH_BASE_ASSERT_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void gush_assert_fail(const char *file, int line, const char *what);

#define GUSH_ASSERT(cond) ((cond) ? (void)0 : gush_assert_fail(__FILE__, __LINE__, #cond))

#ifdef NDEBUG
#define GUSH_DEBUG_ASSERT(cond) ((void)0)
#else
#define GUSH_DEBUG_ASSERT(cond) GUSH_ASSERT(cond)
#endif

/* First field of a struct |type|: GUSH_MAGIC_FIELD; set with GUSH_MAGIC_SET, cleared before the
 * memory is freed so that a stale pointer is caught.. */
#define GUSH_MAGIC_FIELD uint32_t magic
#define GUSH_MAGIC(a, b, c, d)                                                                     \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define GUSH_MAGIC_DEAD GUSH_MAGIC('d', 'e', 'a', 'd')

static inline void *gush_cast_check(void *p, uint32_t magic, const char *file, int line,
                                    const char *type)
{
    if (p == NULL || *(const uint32_t *)p != magic)
        gush_assert_fail(file, line, type);
    return p;
}

/* A room defines  #define gush_ws_conn_MAGIC GUSH_MAGIC('w','s','c','n')  beside its struct. */
#define GUSH_CAST(type, p)                                                                         \
    ((struct type *)gush_cast_check((p), type##_MAGIC, __FILE__, __LINE__, "a " #type))

#define GUSH_CONTAINER(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

#endif
