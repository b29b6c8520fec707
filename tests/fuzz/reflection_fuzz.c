/* Reflection requests from strangers: refused, or answered with a whole message that repeats the
 * request as it came. */
#include "server/base/assert.h"

#include "proto/protoset.h"

#include "server/rpc/field.h"
#include "server/rpc/reflection.h"

#define REPLY_MAX ((size_t)4 << 20)

static const char *const names[] = {"a.B", NULL};
static struct gush_rpc_descriptors *descriptors;

static void check(struct gush_span request, struct gush_span reply)
{
    struct gush_cursor in = gush_cursor_over(reply);
    struct gush_rpc_field field;
    bool repeated = false, answered = false;

    while (gush_rpc_field_next(&in, &field)) {
        GUSH_ASSERT(field.is_bytes);
        repeated = repeated || (field.number == 2 && gush_span_eq(field.bytes, request));
        answered = answered || field.number >= 4;
    }
    GUSH_ASSERT(gush_rpc_field_end(&in) == GUSH_OK && repeated && answered);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    descriptors = gush_rpc_descriptors_new(gush_span_of(gush_protoset, gush_protoset_n));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gush_span request = gush_span_of(data, size);
    struct gush_buf reply;
    gush_err err;

    gush_buf_init(&reply, REPLY_MAX);
    err = gush_rpc_reflection_answer(descriptors, names, request, &reply);
    GUSH_ASSERT(err == GUSH_OK || err == GUSH_ESYNTAX || err == GUSH_ELIMIT);
    GUSH_ASSERT((err == GUSH_ELIMIT) == (size > GUSH_RPC_REFLECTION_REQUEST_MAX));
    if (err == GUSH_OK)
        check(request, gush_buf_span(&reply));
    gush_buf_fini(&reply);
    return 0;
}
