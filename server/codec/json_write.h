/* json_write: JSON text into a gush_buf, by the rules of the client protocol.
 *
 * Thread    one per buffer */
#ifndef GUSH_CODEC_JSON_WRITE_H
#define GUSH_CODEC_JSON_WRITE_H

#include "server/base/buf.h"
#include "server/base/span.h"

/* Quoted. " and \ escaped, \n \r \t short, other controls \u00xx, < > & and U+2028/9 as \u....,
 * an invalid UTF-8 byte as \ufffd, the rest verbatim. */
void gush_json_write_string(struct gush_buf *b, struct gush_span s);
/* Raw JSON as it is, less its LF bytes. */
void gush_json_write_raw(struct gush_buf *b, struct gush_span raw);

#endif
