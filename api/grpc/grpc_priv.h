/* grpc_priv: what the files of this room share. */
#ifndef GUSH_API_GRPC_PRIV_H
#define GUSH_API_GRPC_PRIV_H

#include <stdint.h>

#include "server/rpc/call.h"

/* Ends |call| with the status that stands for error |code|, details included. */
void gush__grpc_end(struct gush_rpc_call *call, uint32_t code);

#endif
