/* h1_chunk: undoes the chunked coding of a request body, as strictly as h1_head reads heads.
 *
 * A machine fed with whatever arrives; decoded bytes may be written over the bytes they came from.
 * Chunk extensions and trailers are checked and thrown away.
 *
 * Thread    any; the state is the caller's
 * Limits    256 bytes a chunk line, 4096 bytes of trailers, the body as the caller says
 * spec      RFC 9112 section 7.1 */
#ifndef GUSH_HTTP_H1_CHUNK_H
#define GUSH_HTTP_H1_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/cursor.h"
#include "server/base/error.h"

#define GUSH_H1_CHUNK_LINE_MAX    256
#define GUSH_H1_CHUNK_TRAILER_MAX 4096

/* Zeroed: the body begins. */
struct gush_h1_chunk {
    uint64_t left; /* of the chunk's data; while its size is read, the size */
    uint32_t line_n;
    uint8_t state, digits_n;
};

/* Takes bytes from |in| and puts data to |out|, which may be in->p or before it in the same memory,
 * adding to |*out_n|.
 *   GUSH_OK        the body is complete; |in| stands behind it
 *   GUSH_EMORE     all of |in| was taken, the body goes on
 *   GUSH_ESYNTAX   malformed
 *   GUSH_ELIMIT    |*out_n| would exceed |limit_bytes|, or a line its limit */
GUSH_MUST_USE gush_err gush_h1_chunk_feed(struct gush_h1_chunk *d, struct gush_cursor *in,
                                          uint8_t *out, size_t *out_n, uint64_t limit_bytes,
                                          const char **why);

#endif
