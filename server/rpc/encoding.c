/* encoding: compressed messages. The library knows how to open them, but not where to stop: it
 * would make gigabytes of a few megabytes before anybody looks at the size. So it leaves them
 * closed. */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>

#include "server/base/buf.h"
#include "server/base/mem.h"

#include "server/rpc/gzip.h"
#include "server/rpc/rpc_priv.h"

/* The library forgets the name of an encoding that it does not know, and hands out the bytes as if
 * they were plain. What tells is a flag of the message, which only a function for the library's own
 * tests shows. Where there is none, such bytes go on to a parser, which refuses them in its way.
 * Newer libraries reset the stream instead. */
extern uint32_t
message_flags(grpc_call *call) __asm__("_Z37grpc_call_test_only_get_message_flagsP9grpc_call")
    __attribute__((weak));
#define FLAG_COMPRESSED 0x80000000u

bool gush__encoding_is_unknown(grpc_call *call, const grpc_byte_buffer *message)
{
    if (message->data.raw.compression != GRPC_COMPRESS_NONE)
        return message->data.raw.compression != GRPC_COMPRESS_GZIP;
    return message_flags != NULL && (message_flags(call) & FLAG_COMPRESSED) != 0;
}

static gush_err open_gzip(grpc_byte_buffer_reader *reader, size_t max_bytes, struct gush_buf *out)
{
    struct gush_rpc_gzip *gzip = gush_rpc_gzip_new(max_bytes);
    gush_err err = GUSH_OK;
    grpc_slice slice;

    while (err == GUSH_OK && grpc_byte_buffer_reader_next(reader, &slice)) {
        err = gush_rpc_gzip_feed(gzip, gush__slice_span(&slice));
        grpc_slice_unref(slice);
    }
    if (err == GUSH_OK)
        err = gush_rpc_gzip_end(gzip, out);
    gush_rpc_gzip_free(gzip);
    return err;
}

gush_err gush__encoding_open(grpc_byte_buffer *message, size_t max_bytes, grpc_slice *out)
{
    size_t n = grpc_byte_buffer_length(message);
    grpc_byte_buffer_reader reader;
    gush_err err = GUSH_OK;

    if (n > max_bytes)
        return GUSH_ELIMIT;
    if (!grpc_byte_buffer_reader_init(&reader, message))
        return GUSH_ESYNTAX;
    if (message->data.raw.compression == GRPC_COMPRESS_NONE || n == 0) {
        *out = grpc_byte_buffer_reader_readall(&reader);
    } else {
        struct gush_buf plain;

        err = open_gzip(&reader, max_bytes, &plain);
        if (err == GUSH_OK)
            *out = grpc_slice_new(plain.p, plain.n, gush_free);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return err;
}

grpc_metadata gush__encoding_answer(void)
{
    return (grpc_metadata){
        .key = grpc_slice_from_static_string(GRPC_COMPRESSION_REQUEST_ALGORITHM_MD_KEY),
        .value = grpc_slice_from_static_string("gzip")};
}
