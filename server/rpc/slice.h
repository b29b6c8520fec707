/* slice: bytes in the gRPC library's own shape.
 *
 * Made once per lane and message, shared by any number of sends of that lane.
 * Thread    its lane's; the bytes are dropped on any */
#ifndef GUSH_RPC_SLICE_H
#define GUSH_RPC_SLICE_H

#include <stdint.h>

#include "server/base/bytes.h"

struct gush_rpc_slice {
    uint64_t room[4];
};

/* |bytes| gains a reference, dropped some time after fini, on any thread. */
void gush_rpc_slice_init(struct gush_rpc_slice *slice, struct gush_bytes *bytes);
void gush_rpc_slice_fini(struct gush_rpc_slice *slice);

#endif
