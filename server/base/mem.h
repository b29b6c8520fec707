/* mem: the only door to the heap. Exhaustion aborts; sizes that a peer chose are checked against a
 * configured limit before they come here, or use the try_ twin.
 *
 * Thread    any */
#ifndef GUSH_BASE_MEM_H
#define GUSH_BASE_MEM_H

#include <stddef.h>

/* Uninitialised memory; never NULL, also for |size| 0. */
void *gush_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/* Zeroed memory for |n| objects of |size|; overflow aborts. */
void *gush_zalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* Grows or shrinks; |p| may be NULL. */
void *gush_realloc(void *p, size_t size) __attribute__((returns_nonnull));
/* For sizes a peer chose: NULL when there is no memory. */
void *gush_try_alloc(size_t size) __attribute__((malloc));
/* Copies |n| bytes and adds a NUL. */
char *gush_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void gush_free(void *p);

#define GUSH_NEW(type) ((type *)gush_zalloc(1, sizeof(type)))

#endif
