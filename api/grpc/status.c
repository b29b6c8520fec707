/* Errors of the API as statuses of the transport. */
#include "server/base/assert.h"
#include "server/base/buf.h"
#include "server/base/codes.h"

#include "server/codec/proto_write.h"

#include "api/core/methods.h"
#include "api/grpc/grpc_priv.h"

#define DETAILS_MAX 1024
#define ERROR_TYPE  "type.googleapis.com/centrifugal.centrifugo.api.Error"

static enum gush_rpc_status status_of(uint32_t code)
{
    switch (code) {
    case GUSH_ERROR_UNKNOWN_CHANNEL:
    case GUSH_ERROR_METHOD_NOT_FOUND:
        return GUSH_RPC_NOT_FOUND;
    case GUSH_ERROR_BAD_REQUEST:
    case GUSH_ERROR_NOT_AVAILABLE:
        return GUSH_RPC_INVALID_ARGUMENT;
    case GUSH_ERROR_UNRECOVERABLE_POSITION:
        return GUSH_RPC_OUT_OF_RANGE;
    case GUSH_ERROR_CONCURRENT_PAGINATION:
        return GUSH_RPC_ALREADY_EXISTS;
    default:
        return GUSH_RPC_INTERNAL;
    }
}

/* google.rpc.Status { code = 1, message = 2, details = 3 Any { type_url = 1, value = 2 Error } } */
static void write_details(struct gush_buf *b, enum gush_rpc_status status, uint32_t code,
                          struct gush_span text)
{
    size_t any, error;

    gush_proto_u64(b, 1, (uint64_t)status);
    gush_proto_bytes(b, 2, text);
    any = gush_proto_begin(b, 3);
    gush_proto_bytes(b, 1, GUSH_SPAN_LIT(ERROR_TYPE));
    error = gush_proto_begin(b, 2);
    gush_proto_u64(b, 1, code);
    gush_proto_bytes(b, 2, text);
    gush_proto_end(b, error);
    gush_proto_end(b, any);
}

void gush__grpc_end(struct gush_rpc_call *call, uint32_t code)
{
    struct gush_span text = gush_span_str(gush_methods_error_text(code));
    struct gush_rpc_end end = {.status = status_of(code), .message = text};
    struct gush_buf details;

    gush_buf_init(&details, DETAILS_MAX);
    write_details(&details, end.status, code, text);
    GUSH_ASSERT(gush_buf_ok(&details));
    end.details = gush_buf_span(&details);
    gush_rpc_call_finish(call, NULL, &end);
    gush_buf_fini(&details);
}
