/* call_t: the struct that a door (core_call.c, server/rpc_http) embeds per call; see call.h. */
#ifndef GUSH_RPC_CALL_T_H
#define GUSH_RPC_CALL_T_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/lane.h"

#include "server/rpc/slice.h"
#include "server/rpc/status.h"

struct gush_rpc_call;
struct gush_rpc_service;

/* What a door must offer: call.h says what each one means. */
struct gush_rpc_call_ops {
    struct gush_lane *(*lane)(struct gush_rpc_call *call);
    void (*read)(struct gush_rpc_call *call);
    void (*hold)(struct gush_rpc_call *call);
    void (*release)(struct gush_rpc_call *call);
    gush_err (*send)(struct gush_rpc_call *call, const struct gush_rpc_slice *slice,
                     bool more); /* one of send and burst, the other NULL */
    gush_err (*burst)(struct gush_rpc_call *call);
    gush_err (*send_bytes)(struct gush_rpc_call *call, struct gush_bytes *bytes);
    void (*finish)(struct gush_rpc_call *call, struct gush_bytes *reply,
                   const struct gush_rpc_end *end);
    void (*leave)(struct gush_rpc_call *call);
    void (*cancel)(struct gush_rpc_call *call, enum gush_rpc_status status, const char *message);
};

#define gush_rpc_call_MAGIC GUSH_MAGIC('r', 'c', 'a', 'l')
struct gush_rpc_call {
    GUSH_MAGIC_FIELD;
    uint32_t note;
    const struct gush_rpc_call_ops *ops;
    const struct gush_rpc_service *service; /* NULL: refused, nobody listens */
    void *user;
};

#endif
