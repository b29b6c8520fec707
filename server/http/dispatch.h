/* dispatch: where a request goes, found out from its head; and what it is answered when it goes
 * nowhere. The same for every HTTP version.
 *
 * Thread    any                       spec      transports 1, 2 */
#ifndef GUSH_HTTP_DISPATCH_H
#define GUSH_HTTP_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/http/router.h"

struct gush_dispatch {
    const struct gush_route *route; /* NULL: there is none */
    bool refused;
    bool accepts_gzip;                  /* for gush_exchange.accepts_gzip */
    struct gush_http_response response; /* if refused; points into |fields| and the request */
    struct gush_http_field fields[GUSH_CORS_FIELDS_MAX];
};

/* |length| is what the head says of its body, 0 if it does not say. */
void gush_dispatch_head(const struct gush_router *router, const struct gush_http_request *request,
                        uint64_t length, struct gush_dispatch *d);
/* Refuses |request|, on its way to |route| (may be NULL), with |status|. */
void gush_dispatch_refuse(const struct gush_route *route, const struct gush_http_request *request,
                          unsigned status, struct gush_dispatch *d);

#endif
