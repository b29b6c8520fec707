/* proto_write: protobuf fields into a gush_buf. Zero values are left out unless said otherwise.
 *
 * Nested messages: begin, write, end; the length is put in front when it is known.
 * Thread    one per buffer */
#ifndef GUSH_CODEC_PROTO_WRITE_H
#define GUSH_CODEC_PROTO_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/span.h"

void gush_proto_varint(struct gush_buf *b, uint64_t v);
void gush_proto_u64(struct gush_buf *b, uint32_t field, uint64_t v);
void gush_proto_sint64(struct gush_buf *b, uint32_t field, int64_t v); /* zigzag */
void gush_proto_bool(struct gush_buf *b, uint32_t field, bool v);
void gush_proto_bytes(struct gush_buf *b, uint32_t field, struct gush_span s); /* empty: left out */
void gush_proto_bytes_always(struct gush_buf *b, uint32_t field, struct gush_span s);
/* Returns a mark to give to end. An empty message is still written (tag and length 0). */
size_t gush_proto_begin(struct gush_buf *b, uint32_t field);
void gush_proto_end(struct gush_buf *b, size_t mark);

#endif
