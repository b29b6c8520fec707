/* reply_encode: replies of bidirectional transports, same rules as push_encode.
 *
 * Thread    any; no state */
#ifndef GUSH_CODEC_REPLY_ENCODE_H
#define GUSH_CODEC_REPLY_ENCODE_H

#include "server/base/bytes.h"
#include "server/base/error.h"

#include "server/codec/form.h"
#include "server/codec/message.h"

/* |form| must be of the reply dialect (asserted).
 *   GUSH_ESYNTAX   a raw payload is not valid JSON and the form is JSON
 *   GUSH_ELIMIT    the result would exceed 4 GiB - 1 */
GUSH_MUST_USE gush_err gush_reply_encode(const struct gush_reply *reply, enum gush_form form,
                                         struct gush_bytes **out);

#endif
