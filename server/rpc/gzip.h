/* gzip: packed messages, opened within a limit and made.
 *
 * Owner     whoever calls new         Thread  one
 * Limits    opened: as given, and nothing more is ever unpacked; one window of zlib beside it
 * Lifetime  new .. end or free */
#ifndef GUSH_RPC_GZIP_H
#define GUSH_RPC_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/base/span.h"

struct gush_rpc_gzip;

/* To open one message of up to |max_bytes|. */
struct gush_rpc_gzip *gush_rpc_gzip_new(size_t max_bytes);
/* |gzip| may be NULL. */
void gush_rpc_gzip_free(struct gush_rpc_gzip *gzip);
/* More of it.
 *   GUSH_ELIMIT    it is longer than |max_bytes|, found out without keeping more
 *   GUSH_ESYNTAX   it is not gzip, or something is behind its end */
GUSH_MUST_USE gush_err gush_rpc_gzip_feed(struct gush_rpc_gzip *gzip, struct gush_span bytes);
/* That was all; the message is in |*out|, the caller's. Nothing may be fed any more. Errors as of
 * feed; also GUSH_ESYNTAX: it stops in the middle. */
GUSH_MUST_USE gush_err gush_rpc_gzip_end(struct gush_rpc_gzip *gzip, struct gush_buf *out);

/* |bytes| packed; NULL: that does not make it smaller. */
struct gush_bytes *gush_rpc_gzip_pack(struct gush_span bytes);

#endif
