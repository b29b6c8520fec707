#include "bench/load/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "server/base/assert.h"

void load_report_add(struct load_report *r, const char *name, double value)
{
    GUSH_ASSERT(r->n < LOAD_FIGURES_MAX);
    r->name[r->n] = name;
    r->value[r->n++] = value;
}

void load_report_print(const struct load_report *r, const struct load_options *o, const char *codes)
{
    const char *open = o->json ? "{" : "", *close = o->json ? "}\n" : "\n";

    printf(o->json ? "%s\"label\":\"%s\",\"grpc\":%" PRIu64 ",\"sse\":%" PRIu64
                     ",\"streams\":%" PRIu64 ",\"channels\":%" PRIu64
                     ",\"history\":%d,\"rate\":%g,\"size\":%" PRIu64 ",\"codes\":\"%s\""
                   : "%s%s grpc=%" PRIu64 " sse=%" PRIu64 " streams=%" PRIu64 " channels=%" PRIu64
                     " history=%d rate=%g size=%" PRIu64 " codes=%s\n",
           open, o->label, o->subscribers[LOAD_GRPC], o->subscribers[LOAD_SSE], o->streams,
           o->channels, o->history, o->rate, o->size, codes);
    for (size_t i = 0; i < r->n; i++)
        printf(o->json ? ",\"%s\":%.6g" : "  %-28s %14.3f\n", r->name[i], r->value[i]);
    printf("%s", o->json ? close : "");
}
