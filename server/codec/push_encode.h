/* push_encode: THE Push encoder. Every push of every transport is made here, once per form.
 *
 * JSON: compact, members in schema order, strings escaped by the rules of json_write, raw payloads
 * verbatim less their LF bytes. Protobuf: schema order, zero values left out.
 * Thread    any; no state */
#ifndef GUSH_CODEC_PUSH_ENCODE_H
#define GUSH_CODEC_PUSH_ENCODE_H

#include "server/base/bytes.h"
#include "server/base/error.h"

#include "server/codec/form.h"
#include "server/codec/message.h"

/* Encodes |push| in |form|, framing included; |*out| has one reference and is set only on GUSH_OK.
 *   GUSH_ESYNTAX   a raw payload is not valid JSON (invalid UTF-8 included) and the form is JSON:
 *                  JSON clients of this push are to be disconnected 3506
 *   GUSH_ELIMIT    the result would exceed 4 GiB - 1 */
GUSH_MUST_USE gush_err gush_push_encode(const struct gush_push *push, enum gush_form form,
                                        struct gush_bytes **out);

#endif
