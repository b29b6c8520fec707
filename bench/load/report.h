/* report: figures in the order in which they are found, printed for people or as one line of JSON.
 *
 * Owner     main                      Thread  one
 * Limits    LOAD_FIGURES_MAX figures; names are literals */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H

#include <stddef.h>

#include "bench/load/options.h"

#define LOAD_FIGURES_MAX 80

struct load_report {
    size_t n;
    const char *name[LOAD_FIGURES_MAX];
    double value[LOAD_FIGURES_MAX];
};

void load_report_add(struct load_report *r, const char *name, double value);
/* |codes|: "3008:2 3010:1", what servers said when they ended streams. */
void load_report_print(const struct load_report *r, const struct load_options *o,
                       const char *codes);

#endif
