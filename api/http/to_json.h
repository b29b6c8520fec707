/* to_json: an answer of the server API as JSON, by the descriptor of its message.
 *
 * Members are written in the order of the schema. What is zero or empty is left out, but for the
 * members that every client may count on (a table in to_json.c). Payloads, fields of type bytes,
 * are embedded without the white space between their tokens; numbers stay as they were written.
 * Maps are sorted by key. < > & and U+2028/9 are escaped, in payloads as well.
 *
 * Thread    any; no state
 * spec: server API 1.4, 1.5 */
#ifndef GUSH_API_TO_JSON_H
#define GUSH_API_TO_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "server/base/buf.h"
#include "server/base/error.h"

/* Appends |message|, whose maps are sorted on the way.
 *   GUSH_ESYNTAX   a payload is not JSON
 *   GUSH_ELIMIT    it does not fit into |out| */
GUSH_MUST_USE gush_err gush_to_json(const ProtobufCMessage *message, struct gush_buf *out);

#endif
