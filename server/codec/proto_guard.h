/* proto_guard: walks untrusted protobuf before protobuf-c may recurse into it.
 *
 * Thread    any; no state */
#ifndef GUSH_CODEC_PROTO_GUARD_H
#define GUSH_CODEC_PROTO_GUARD_H

#include <protobuf-c/protobuf-c.h>

#include "server/base/error.h"
#include "server/base/span.h"

#define GUSH_PROTO_DEPTH_MAX 32

/* True to its descriptor, |message| is well formed, nests at most GUSH_PROTO_DEPTH_MAX levels and
 * has at most |members_max| fields over all levels (unknown ones count). Strings are UTF-8.
 *   GUSH_ESYNTAX GUSH_ERANGE GUSH_EUTF8 GUSH_EDEPTH GUSH_ELIMIT */
GUSH_MUST_USE gush_err gush_proto_guard(const ProtobufCMessageDescriptor *descriptor,
                                        struct gush_span message, size_t members_max,
                                        const char **why);

#endif
