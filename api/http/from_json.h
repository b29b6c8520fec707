/* from_json: a request of the server API out of its JSON, by the descriptor of its message.
 *
 * One pass over the text. Members are named as the fields, in any case; of equal ones the last
 * counts, and objects given twice are merged, but for maps: there, too, the last counts. `null` is
 * as good as absent, but for payloads: fields of type bytes keep the exact source of their value,
 * `null` too. Maps are objects, wrong types are refused, unknown members are not looked at. Strings
 * with a NUL are refused: they would arrive cut.
 *
 * Thread    any; no state
 * Limits    GUSH_METHODS_FIELDS_MAX members and elements over all levels, GUSH_FROM_JSON_MEMORY_MAX
 *           bytes of messages, GUSH_PROTO_DEPTH_MAX levels of messages
 * spec: server API 1.3 */
#ifndef GUSH_API_FROM_JSON_H
#define GUSH_API_FROM_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "server/base/error.h"
#include "server/base/span.h"

#include "server/codec/json_scan.h"

#include "api/core/arena.h"

#define GUSH_FROM_JSON_MEMORY_MAX ((size_t)32 << 20)

/* All of |text| is one value: an object, or null for the empty message. Everything in |*out| lives
 * in |arena|, nothing points into |text|.
 *   GUSH_ESYNTAX GUSH_EUTF8 GUSH_EDEPTH   no such JSON
 *   GUSH_ETYPE GUSH_ERANGE                a value does not fit its field
 *   GUSH_ELIMIT                           more than the limits above allow */
GUSH_MUST_USE gush_err gush_from_json(const ProtobufCMessageDescriptor *descriptor,
                                      struct gush_span text, struct gush_arena *arena,
                                      ProtobufCMessage **out, const char **why);

#endif
