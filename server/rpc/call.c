#include "server/rpc/call.h"

#include "server/base/assert.h"

struct gush_lane *gush_rpc_call_lane(struct gush_rpc_call *call)
{
    return call->ops->lane(call);
}

uint32_t gush_rpc_call_note(const struct gush_rpc_call *call)
{
    return call->note;
}

void gush_rpc_call_set_user(struct gush_rpc_call *call, void *user)
{
    call->user = user;
}

void *gush_rpc_call_user(const struct gush_rpc_call *call)
{
    return call->user;
}

void gush_rpc_call_read(struct gush_rpc_call *call)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC);
    call->ops->read(call);
}

void gush_rpc_call_hold(struct gush_rpc_call *call)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC);
    call->ops->hold(call);
}

void gush_rpc_call_release(struct gush_rpc_call *call)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC);
    call->ops->release(call);
}

gush_err gush_rpc_call_send_bytes(struct gush_rpc_call *call, struct gush_bytes *bytes)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC);
    return call->ops->send_bytes(call, bytes);
}

bool gush_rpc_call_framed(const struct gush_rpc_call *call)
{
    return call->ops->burst != NULL;
}

gush_err gush_rpc_call_send(struct gush_rpc_call *call, const struct gush_rpc_slice *slice,
                            bool more)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC && call->ops->send != NULL);
    return call->ops->send(call, slice, more);
}

gush_err gush_rpc_call_burst(struct gush_rpc_call *call)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC && call->ops->burst != NULL);
    return call->ops->burst(call);
}

void gush_rpc_call_finish(struct gush_rpc_call *call, struct gush_bytes *reply,
                          const struct gush_rpc_end *end)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC);
    call->ops->finish(call, reply, end);
}

void gush_rpc_call_leave(struct gush_rpc_call *call)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC);
    call->ops->leave(call);
}

void gush_rpc_call_cancel(struct gush_rpc_call *call, enum gush_rpc_status status,
                          const char *message)
{
    GUSH_ASSERT(call->magic == gush_rpc_call_MAGIC);
    call->ops->cancel(call, status, message);
}
