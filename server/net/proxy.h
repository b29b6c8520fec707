/* proxy: the PROXY protocol's header, versions 1 and 2: whom a proxy in front of us speaks for.
 *
 * Pure: bytes in, verdict out, the same however they are cut. Strict: what the protocol does not
 * allow is refused, a line of version 1 when its end is there, anything else at the first byte that
 * shows it. Type-length-value fields of version 2 are skipped.
 *
 * Thread    any
 * Limits    107 bytes of version 1, GUSH_PROXY_MAX of version 2 */
#ifndef GUSH_NET_PROXY_H
#define GUSH_NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/error.h"
#include "server/base/span.h"

#include "server/net/peer.h"

#define GUSH_PROXY_V1_MAX  107
#define GUSH_PROXY_V2_HEAD 16
#define GUSH_PROXY_V2_REST 536
#define GUSH_PROXY_MAX     (GUSH_PROXY_V2_HEAD + GUSH_PROXY_V2_REST)

struct gush_proxy {
    size_t n;              /* bytes of the header */
    bool named;            /* false: UNKNOWN, UNSPEC or LOCAL: the socket's own address stands */
    struct gush_peer peer; /* if named; version 0 for a unix socket */
};

/* |out| is set only on GUSH_OK; on failure |*why| says what is wrong.
 *   GUSH_EMORE     good so far
 *   GUSH_ESYNTAX   no PROXY header
 *   GUSH_ELIMIT    too long */
GUSH_MUST_USE gush_err gush_proxy_parse(struct gush_span in, struct gush_proxy *out,
                                        const char **why);

#endif
