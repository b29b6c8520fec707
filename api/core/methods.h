/* methods: the server API as one table, whatever wire it came by.
 *
 * A run is one request under way: the caller unpacks it (or builds it from JSON), runs it, and is
 * told when the result is there. Everything of the request and of the answer lives in the run's
 * arena, or is borrowed from what the run keeps until fini.
 *
 * Owner     the caller                Thread  the home lane
 * Limits    GUSH_METHODS_MEMBERS_MAX channels of a broadcast, commands of a batch: error 107;
 *           GUSH_METHODS_FIELDS_MAX protobuf fields in one request, over all levels
 * spec: server API 1.6, 3 */
#ifndef GUSH_API_METHODS_H
#define GUSH_API_METHODS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/lane.h"
#include "server/base/metrics.h"
#include "server/base/span.h"

#include "server/engine/node.h"

#include "api/core/arena.h"

#define GUSH_METHODS_MEMBERS_MAX 10000
#define GUSH_METHODS_FIELDS_MAX  200000

struct gush_method_run;

struct gush_method {
    const char *name;   /* "HistoryRemove": of the gRPC method */
    const char *member; /* "history_remove": of batch commands and replies, and the HTTP path */
    const ProtobufCMessageDescriptor *request, *result, *response;
    bool bare; /* the response is the result, and has no place for an error */
    void (*run)(struct gush_method_run *run);
};

struct gush_method_run {
    /* in */
    const struct gush_method *method;
    struct gush_node *node;
    struct gush_lane *home;
    const ProtobufCMessage *request;   /* of the method's type; stays until fini */
    enum gush_protocol_label protocol; /* of metrics: by what it came */
    bool errors_uncounted;             /* in metrics: as of the old HTTP endpoint */
    /* Exactly once; may happen inside gush_methods_run. On the home lane, unless |lost|: then that
     * lane has closed, this is any thread, and all that is left to do is to free. */
    void (*done)(struct gush_method_run *run);
    /* out */
    bool lost;
    uint32_t error;           /* 0 or a code */
    ProtobufCMessage *result; /* of the method's type; NULL if |error| */
    /* this room's */
    struct gush_arena *arena; /* the caller's, empty or with the request in it */
    uint64_t started_us;
    void *state;
    void (*fini)(struct gush_method_run *run);
};

/* By gRPC name; NULL if there is none. */
const struct gush_method *gush_methods_find(struct gush_span name);
/* By member name; NULL if there is none. */
const struct gush_method *gush_methods_find_member(struct gush_span member);
/* The table: |n| rows. */
const struct gush_method *gush_methods_all(size_t *n);
/* What this server lacks, if that is why the schema's method |name| is not in the table: "map
 * channels". NULL: it is in the table, or no open-source server has it. */
const char *gush_methods_absent(struct gush_span name);

/* A request from its protobuf form, into |arena|.
 *   GUSH_ESYNTAX GUSH_ERANGE GUSH_EUTF8 GUSH_EDEPTH   malformed
 *   GUSH_ELIMIT                                       more than GUSH_METHODS_FIELDS_MAX fields */
GUSH_MUST_USE gush_err gush_methods_unpack(const struct gush_method *method, struct gush_span in,
                                           struct gush_arena *arena, ProtobufCMessage **out,
                                           const char **why);
void gush_methods_run(struct gush_method_run *run);
/* The whole response, with the result or the error in it, after done. Not for the error of a bare
 * method: nothing could hold it. */
ProtobufCMessage *gush_methods_response(struct gush_method_run *run);
/* Error |code| as it travels. */
ProtobufCMessage *gush_methods_error(struct gush_arena *arena, uint32_t code);
/* After done, when the response is no longer needed. The arena is the caller's to empty. */
void gush_methods_fini(struct gush_method_run *run);

/* Counts |error|, a code or GUSH_METRICS_ERROR_..., of |method|. */
void gush_methods_count_error(const struct gush_method_run *run, const struct gush_method *method,
                              uint32_t error);

/* As the API says it. */
const char *gush_methods_error_text(uint32_t code);

#endif
