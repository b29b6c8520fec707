/* memory: the heap of the virtual stage, in place of server/base/mem.c: fills what is freed with
 * 0xDD, keeps it for a while, and looks whether somebody wrote into it meanwhile. Knows every live
 * block and who asked for it. Under ASan that does the first part, and this only counts.
 *
 * Thread    one */
#ifndef GUSH_SIM_MEMORY_H
#define GUSH_SIM_MEMORY_H

#include <stddef.h>

/* Blocks that live now. */
size_t memory_live(void);
/* Empties the quarantine, looking at each block. */
void memory_check(void);
/* Describes up to three blocks that are newer than the first |before| ones. */
void memory_describe(size_t before, char *out, size_t n);

#endif
