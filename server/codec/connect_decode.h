/* connect_decode: the ConnectRequest that unidirectional clients send, from strangers.
 *
 * JSON is sliced by our scanner (raw spans keep their exact bytes); protobuf is walked by
 * proto_guard and then read in place.
 * Limits    32 levels, |members_max| members over all levels; `data` of the request is opaque: not
 *           counted, and nested as deep as any payload may be
 * Thread    any; no state */
#ifndef GUSH_CODEC_CONNECT_DECODE_H
#define GUSH_CODEC_CONNECT_DECODE_H

#include "server/base/error.h"

#include "server/codec/message.h"

/* Room for every honest client: far above any channel limit, far below what hurts. */
#define GUSH_CONNECT_MEMBERS_MAX 20000

/* |in| must outlive |out|. On GUSH_OK the caller ends with gush_connect_request_fini. `null` is the
 * empty request, and as the value of a member it means no member, but among `subs` it is an error;
 * unknown members are ignored; names match without regard to case. Of equal members, channels or
 * headers the last one counts: |subs| and |headers| hold each name once, in byte order.
 *   GUSH_ESYNTAX GUSH_ETYPE GUSH_ERANGE GUSH_EUTF8   malformed
 *   GUSH_EDEPTH                                      nested deeper than 32
 *   GUSH_ELIMIT                                      above |members_max|, or no memory */
GUSH_MUST_USE gush_err gush_connect_decode_json(struct gush_span in, size_t members_max,
                                                struct gush_connect_request *out, const char **why);
/* Same contract for the protobuf form. */
GUSH_MUST_USE gush_err gush_connect_decode_proto(struct gush_span in, size_t members_max,
                                                 struct gush_connect_request *out,
                                                 const char **why);
void gush_connect_request_fini(struct gush_connect_request *request);

#endif
