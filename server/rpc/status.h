/* status: how a gRPC call ends. The numbers are the wire's.
 *
 * Thread    any */
#ifndef GUSH_RPC_STATUS_H
#define GUSH_RPC_STATUS_H

#include "server/base/span.h"

enum gush_rpc_status {
    GUSH_RPC_OK = 0,
    GUSH_RPC_CANCELLED = 1,
    GUSH_RPC_UNKNOWN = 2,
    GUSH_RPC_INVALID_ARGUMENT = 3,
    GUSH_RPC_DEADLINE_EXCEEDED = 4,
    GUSH_RPC_NOT_FOUND = 5,
    GUSH_RPC_ALREADY_EXISTS = 6,
    GUSH_RPC_PERMISSION_DENIED = 7,
    GUSH_RPC_RESOURCE_EXHAUSTED = 8,
    GUSH_RPC_FAILED_PRECONDITION = 9,
    GUSH_RPC_ABORTED = 10,
    GUSH_RPC_OUT_OF_RANGE = 11,
    GUSH_RPC_UNIMPLEMENTED = 12,
    GUSH_RPC_INTERNAL = 13,
    GUSH_RPC_UNAVAILABLE = 14,
    GUSH_RPC_DATA_LOSS = 15,
    GUSH_RPC_UNAUTHENTICATED = 16
};

/* What the peer is told at the end; spans are borrowed for the call that takes it. */
struct gush_rpc_end {
    enum gush_rpc_status status;
    struct gush_span message; /* UTF-8 */
    struct gush_span details; /* grpc-status-details-bin; empty: none */
};

#endif
