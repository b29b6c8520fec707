/* field: reads protobuf fields one after the other, for messages so small that a schema would be
 * more than they are worth. What is written goes through server/codec/proto_write.h.
 *
 * Owner     the parser's stack         Thread  one
 * Limits    none of its own: nothing is kept, spans point into the message */
#ifndef GUSH_RPC_FIELD_H
#define GUSH_RPC_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/cursor.h"
#include "server/base/error.h"
#include "server/base/span.h"

struct gush_rpc_field {
    uint32_t number;
    bool is_bytes;          /* length-delimited: |bytes|; otherwise |value| */
    uint64_t value;         /* varint; 0 for the fixed sizes */
    struct gush_span bytes; /* string, bytes or message */
};

/* The next field of the message in |in|. False at its end, or when it is broken (also: a group, a
 * number out of range); gush_rpc_field_end tells which. */
bool gush_rpc_field_next(struct gush_cursor *in, struct gush_rpc_field *field);
/* After the last field.   GUSH_ESYNTAX   the message is broken */
GUSH_MUST_USE gush_err gush_rpc_field_end(const struct gush_cursor *in);

#endif
