/* gRPC messages from strangers, in any pieces: the same messages come out however the bytes are
 * cut, none is over the limit, and packed ones are opened no further than that. */
#include "server/base/assert.h"
#include "server/base/buf.h"

#include "server/rpc/gzip.h"

#include "server/rpc_http/reader.h"

#define MESSAGE_MAX 4096
#define ALL_MAX     ((size_t)1 << 20)

/* What is packed in |bytes|, if anything. */
static void open_packed(struct gush_span bytes)
{
    struct gush_rpc_gzip *gzip = gush_rpc_gzip_new(MESSAGE_MAX);
    struct gush_buf plain;

    if (gush_rpc_gzip_feed(gzip, bytes) == GUSH_OK && gush_rpc_gzip_end(gzip, &plain) == GUSH_OK) {
        GUSH_ASSERT(plain.n <= MESSAGE_MAX);
        gush_buf_fini(&plain);
    }
    gush_rpc_gzip_free(gzip);
}

/* Reads |bytes| in pieces whose lengths are those in |cuts|, over and over (empty: as one piece).
 * What came of it, messages in their order and the end, goes to |out|. */
static void read_all(struct gush_span bytes, struct gush_span cuts, struct gush_buf *out)
{
    struct gush_rpc_http_reader r;
    gush_err err = GUSH_EAGAIN;
    size_t cut = 0;

    gush_rpc_http_reader_init(&r, MESSAGE_MAX);
    while (bytes.n > 0 && err == GUSH_EAGAIN) {
        size_t n = cuts.n ? (size_t)cuts.p[cut++ % cuts.n] + 1 : bytes.n;
        struct gush_span piece = gush_span_of(bytes.p, n < bytes.n ? n : bytes.n);
        struct gush_rpc_http_message message;

        bytes = gush_span_of(bytes.p + piece.n, bytes.n - piece.n);
        while ((err = gush_rpc_http_reader_take(&r, &piece, &message)) == GUSH_OK) {
            GUSH_ASSERT(message.bytes.n <= MESSAGE_MAX);
            GUSH_ASSERT(!gush_rpc_http_reader_amid(&r));
            gush_buf_put_u8(out, message.packed);
            gush_buf_put_u64(out, message.bytes.n);
            gush_buf_put_span(out, message.bytes);
            if (message.packed && cuts.n == 0)
                open_packed(message.bytes);
        }
        GUSH_ASSERT(err != GUSH_EAGAIN || piece.n == 0);
    }
    gush_buf_put_u8(out, err == GUSH_ELIMIT ? 'L' : err == GUSH_ESYNTAX ? 'S' : '.');
    gush_buf_put_u8(out, gush_rpc_http_reader_amid(&r));
    gush_rpc_http_reader_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t cuts_n = size > 0 ? data[0] % 8 + 1 : 0;
    struct gush_buf whole, pieces;

    if (size < 1 + cuts_n)
        return 0;
    gush_buf_init(&whole, 16 * ALL_MAX);
    gush_buf_init(&pieces, 16 * ALL_MAX);
    read_all(gush_span_of(data + 1 + cuts_n, size - 1 - cuts_n), GUSH_SPAN_EMPTY, &whole);
    read_all(gush_span_of(data + 1 + cuts_n, size - 1 - cuts_n), gush_span_of(data + 1, cuts_n),
             &pieces);
    GUSH_ASSERT(gush_span_eq(gush_buf_span(&whole), gush_buf_span(&pieces)));
    gush_buf_fini(&whole);
    gush_buf_fini(&pieces);
    return 0;
}
