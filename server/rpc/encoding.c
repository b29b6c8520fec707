/* encoding: compressed messages. The library knows how to open them, but not where to stop: it
 * would make gigabytes of a few megabytes before anybody looks at the size. So it leaves them
 * closed. */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <zlib.h>

#include "server/base/buf.h"
#include "server/base/mem.h"

#include "server/rpc/rpc_priv.h"

#define WINDOW_GZIP (15 + 16) /* the largest window; gzip's wrapping and no other */
#define STEP_MIN    ((size_t)1024)
#define STEP_MAX    ((size_t)64 * 1024)

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

/* Adds to |out| what |z| has to give, in steps that grow with it. */
static int inflate_some(z_stream *z, struct gush_buf *out)
{
    size_t room = out->limit_bytes - out->n, step = out->n < STEP_MIN ? STEP_MIN : out->n;
    int result;

    step = step < STEP_MAX ? step : STEP_MAX;
    step = step < room ? step : room;
    z->next_out = gush_buf_reserve(out, step);
    GUSH_ASSERT(z->next_out != NULL && step > 0);
    z->avail_out = (uInt)step;
    result = inflate(z, Z_NO_FLUSH);
    out->n += step - z->avail_out;
    return result;
}

/* |out| may grow to one byte over the limit, and is then over it. */
static gush_err inflate_slice(z_stream *z, const grpc_slice *slice, struct gush_buf *out, bool *end)
{
    struct gush_span in = gush__slice_span(slice);

    if (in.n == 0)
        return GUSH_OK;
    memcpy(&z->next_in, &in.p, sizeof(in.p)); /* not const in old zlib; it is only read */
    z->avail_in = (uInt)in.n;
    do {
        int result;

        if (*end)
            return GUSH_ESYNTAX; /* something behind the end */
        if (out->n == out->limit_bytes)
            return GUSH_ELIMIT;
        result = inflate_some(z, out);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return GUSH_ESYNTAX;
        *end = result == Z_STREAM_END;
    } while (z->avail_in > 0 || (z->avail_out == 0 && !*end));
    return GUSH_OK;
}

static gush_err open_gzip(grpc_byte_buffer_reader *reader, struct gush_buf *out)
{
    z_stream z = {0};
    gush_err err = GUSH_OK;
    bool end = false;
    grpc_slice slice;

    if (inflateInit2(&z, WINDOW_GZIP) != Z_OK)
        return GUSH_ELIMIT;
    while (err == GUSH_OK && grpc_byte_buffer_reader_next(reader, &slice)) {
        err = inflate_slice(&z, &slice, out, &end);
        grpc_slice_unref(slice);
    }
    inflateEnd(&z);
    if (err == GUSH_OK && !end)
        err = GUSH_ESYNTAX; /* it stops in the middle */
    return err == GUSH_OK && out->n == out->limit_bytes ? GUSH_ELIMIT : err;
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

        gush_buf_init(&plain, max_bytes + 1);
        err = open_gzip(&reader, &plain);
        if (err == GUSH_OK)
            *out = grpc_slice_new(plain.p, plain.n, gush_free);
        else
            gush_buf_fini(&plain);
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
