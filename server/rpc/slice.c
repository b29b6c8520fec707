#include "server/rpc/slice.h"

#include <string.h>

#include "server/rpc/rpc_priv.h"

_Static_assert(sizeof(struct gush_rpc_slice) == sizeof(grpc_slice), "a slice fits its room");

grpc_slice gush__slice_core(const struct gush_rpc_slice *slice)
{
    grpc_slice out;

    memcpy(&out, slice->room, sizeof(out));
    return out;
}

static void drop_bytes(void *bytes)
{
    gush_bytes_unref(bytes);
}

grpc_slice gush__slice_over(struct gush_bytes *bytes)
{
    if (bytes->n == 0)
        return grpc_empty_slice();
    if (bytes->n <= GRPC_SLICE_INLINED_SIZE)
        return grpc_slice_from_copied_buffer((const char *)bytes->data, bytes->n);
    return grpc_slice_new_with_user_data(bytes->data, bytes->n, drop_bytes, gush_bytes_ref(bytes));
}

void gush_rpc_slice_init(struct gush_rpc_slice *slice, struct gush_bytes *bytes)
{
    grpc_slice s = gush__slice_over(bytes);

    memcpy(slice->room, &s, sizeof(s));
}

void gush_rpc_slice_fini(struct gush_rpc_slice *slice)
{
    grpc_slice_unref(gush__slice_core(slice));
}
