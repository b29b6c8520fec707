#include "server/codec/proto_write.h"

#include "server/base/assert.h"

enum wire { WIRE_VARINT = 0, WIRE_BYTES = 2 };

#define VARINT_MAX 10

static size_t encode_varint(uint8_t out[VARINT_MAX], uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

static void put_tag(struct gush_buf *b, uint32_t field, enum wire wire)
{
    gush_proto_varint(b, (uint64_t)field << 3 | wire);
}

void gush_proto_varint(struct gush_buf *b, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    size_t n;

    if (v < 0x80) {
        gush_buf_put_u8(b, (uint8_t)v);
        return;
    }
    n = encode_varint(bytes, v);
    gush_buf_put(b, bytes, n);
}

void gush_proto_u64(struct gush_buf *b, uint32_t field, uint64_t v)
{
    if (v == 0)
        return;
    put_tag(b, field, WIRE_VARINT);
    gush_proto_varint(b, v);
}

void gush_proto_sint64(struct gush_buf *b, uint32_t field, int64_t v)
{
    gush_proto_u64(b, field, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

void gush_proto_bool(struct gush_buf *b, uint32_t field, bool v)
{
    gush_proto_u64(b, field, v);
}

void gush_proto_bytes(struct gush_buf *b, uint32_t field, struct gush_span s)
{
    if (s.n > 0)
        gush_proto_bytes_always(b, field, s);
}

void gush_proto_bytes_always(struct gush_buf *b, uint32_t field, struct gush_span s)
{
    put_tag(b, field, WIRE_BYTES);
    gush_proto_varint(b, s.n);
    gush_buf_put_span(b, s);
}

/* One byte is kept for the length, which is enough for most; end makes room when it is not. */
size_t gush_proto_begin(struct gush_buf *b, uint32_t field)
{
    put_tag(b, field, WIRE_BYTES);
    gush_buf_put_u8(b, 0);
    return b->n;
}

void gush_proto_end(struct gush_buf *b, size_t mark)
{
    uint8_t length[VARINT_MAX];
    size_t message_n, length_n;

    if (!gush_buf_ok(b))
        return;
    GUSH_ASSERT(mark > 0 && mark <= b->n);
    message_n = b->n - mark;
    length_n = encode_varint(length, message_n);
    if (length_n > 1) {
        if (gush_buf_reserve(b, length_n - 1) == NULL)
            return;
        memmove(b->p + mark + length_n - 1, b->p + mark, message_n);
        b->n += length_n - 1;
    }
    memcpy(b->p + mark - 1, length, length_n);
}
