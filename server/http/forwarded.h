/* forwarded: who a request is from when it came through proxies that we trust.
 *
 * X-Forwarded-For counts only if the peer is trusted. It is read from its end, where the nearest
 * proxy wrote: the first address that is no trusted proxy's is the client's. If all are trusted,
 * the first one is. What is not an address ends the walk, because everything before it is hearsay:
 * the address last accepted stands. X-Real-IP counts when there is no X-Forwarded-For.
 *
 * Owner     server/app                Thread  any: frozen after new
 * Limits    64 addresses of a request are looked at
 * spec      operations 1.1; a Gush extension */
#ifndef GUSH_HTTP_FORWARDED_H
#define GUSH_HTTP_FORWARDED_H

#include <stddef.h>

#include "server/base/error.h"

#include "server/http/message.h"

struct gush_forwarded;

/* |networks|: "10.0.0.0/8", "2001:db8::/32", a single address, or "unix" for peers on unix sockets.
 * None: nobody is trusted.
 *   GUSH_ESYNTAX   |*bad| is the index of the one that is none of these, or has bits behind its
 *                  prefix */
GUSH_MUST_USE gush_err gush_forwarded_new(char *const *networks, size_t networks_n,
                                          struct gush_forwarded **out, size_t *bad);
/* NULL is fine. */
void gush_forwarded_free(struct gush_forwarded *forwarded);

/* The client's address by request->forwarded: the peer's with its port, or one that a proxy told,
 * with port 0. */
struct gush_peer gush_forwarded_client(const struct gush_http_request *request);

#endif
