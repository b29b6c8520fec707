/* reader: gRPC messages out of bytes that come in any pieces. Each message has 5 bytes in front:
 * whether it is packed, and its length, the first of them most significant.
 *
 * Owner     the request being read    Thread  its lane's
 * Limits    one message, |max_bytes|; room is made as bytes come, not as they are announced
 * spec      gRPC over HTTP/2 */
#ifndef GUSH_RPC_HTTP_READER_H
#define GUSH_RPC_HTTP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/span.h"

#define GUSH_RPC_HTTP_PREFIX_N ((size_t)5)

struct gush_rpc_http_reader {
    struct gush_buf body; /* of the message under way */
    uint32_t length;
    uint8_t prefix[GUSH_RPC_HTTP_PREFIX_N], prefix_n;
    bool whole; /* the last message was given out */
};

struct gush_rpc_http_message {
    struct gush_span bytes; /* borrowed until the next call */
    bool packed;
};

void gush_rpc_http_reader_init(struct gush_rpc_http_reader *r, size_t max_bytes);
void gush_rpc_http_reader_fini(struct gush_rpc_http_reader *r);

/* Takes from |*in| up to the end of a message.
 *   GUSH_OK        |*message| is whole
 *   GUSH_EAGAIN    all of |*in| was taken, and more must come
 *   GUSH_ELIMIT    a message claims to be longer than |max_bytes|; nothing more may be taken
 *   GUSH_ESYNTAX   the 5 bytes are not gRPC's; nothing more may be taken */
GUSH_MUST_USE gush_err gush_rpc_http_reader_take(struct gush_rpc_http_reader *r,
                                                 struct gush_span *in,
                                                 struct gush_rpc_http_message *message);
/* Whether a message has begun and is not whole. */
bool gush_rpc_http_reader_amid(const struct gush_rpc_http_reader *r);

/* The 5 bytes of a message of |length| bytes. */
void gush_rpc_http_reader_prefix(uint8_t prefix[GUSH_RPC_HTTP_PREFIX_N], bool packed,
                                 size_t length);

#endif
