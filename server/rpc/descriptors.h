/* descriptors: what a set of compiled schemas declares, by name.
 *
 * Built once from the bytes that protoc wrote (google.protobuf.FileDescriptorSet, imports
 * included), which are part of this program: what is wrong in them is our own bug.
 *
 * Owner     whoever made it           Thread  any, after new
 * Memory    names only; files are spans of the set, which outlives this */
#ifndef GUSH_RPC_DESCRIPTORS_H
#define GUSH_RPC_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

#define GUSH_RPC_DESCRIPTORS_FILES_MAX 64

struct gush_rpc_descriptors;

/* One schema file. */
struct gush_rpc_descriptors_file {
    struct gush_span name;
    struct gush_span bytes; /* a google.protobuf.FileDescriptorProto */
    uint64_t needs;         /* itself and what it imports, also indirectly: one bit a file */
};

struct gush_rpc_descriptors *gush_rpc_descriptors_new(struct gush_span set);
void gush_rpc_descriptors_free(struct gush_rpc_descriptors *d);

/* |index| below gush_rpc_descriptors_n. */
const struct gush_rpc_descriptors_file *
gush_rpc_descriptors_get(const struct gush_rpc_descriptors *d, size_t index);
size_t gush_rpc_descriptors_n(const struct gush_rpc_descriptors *d);
/* By the name of the file; NULL: there is none. */
const struct gush_rpc_descriptors_file *
gush_rpc_descriptors_find(const struct gush_rpc_descriptors *d, struct gush_span name);
/* By the full name of a message, field, oneof, enum, enum value, service or method that it
 * declares, without a leading dot. NULL: nobody does. */
const struct gush_rpc_descriptors_file *
gush_rpc_descriptors_find_symbol(const struct gush_rpc_descriptors *d, struct gush_span name);
/* |name| is a message. */
bool gush_rpc_descriptors_is_message(const struct gush_rpc_descriptors *d, struct gush_span name);

#endif
