/* router: from a path to its handler. Paths match whole and exactly.
 *
 * Owner     server/app                Thread  any: frozen once the first request can come
 * spec      transports 1 */
#ifndef GUSH_HTTP_ROUTER_H
#define GUSH_HTTP_ROUTER_H

#include "server/http/cors.h"
#include "server/http/exchange.h"

#define GUSH_ROUTER_GET     (1u << 0)
#define GUSH_ROUTER_HEAD    (1u << 1)
#define GUSH_ROUTER_POST    (1u << 2)
#define GUSH_ROUTER_OPTIONS (1u << 3)
#define GUSH_ROUTER_OTHER   (1u << 4)
#define GUSH_ROUTER_ANY     (~0u)

struct gush_router;

struct gush_route {
    const char *path; /* copied; trailing slashes go, nothing left means "/" */
    /* Copied; instead of a path: HTTP/2 requests whose Content-Type is this, or this and more
     * behind a '+' or ';'. Every method comes here. */
    const char *content_type;
    unsigned methods;  /* others are answered 405 */
    size_t body_limit; /* more is answered 413 */
    gush_exchange_handler *handle;
    void *arg;
    /* Looks at a request before any of its body is read, so that strangers cannot fill our memory:
     * 0, or the status it is refused with. NULL: whoever comes is let in. Not asked for routes with
     * |content_type|. */
    unsigned (*admit)(void *arg, const struct gush_http_request *request);
    bool streaming;               /* the handler wants the body as it comes: see exchange.h */
    const struct gush_cors *cors; /* NULL: no CORS fields on 405 and 413; borrowed */
};

struct gush_router *gush_router_new(void);
void gush_router_free(struct gush_router *router);
/*   GUSH_EBUSY   the path is taken */
GUSH_MUST_USE gush_err gush_router_add(struct gush_router *router, const struct gush_route *route);
/* NULL: no such path. */
const struct gush_route *gush_router_find(const struct gush_router *router, struct gush_span path);
/* By content type; NULL: no route wants this one. */
const struct gush_route *gush_router_find_type(const struct gush_router *router,
                                               const struct gush_http_request *request);
/* One of the bits above. */
unsigned gush_router_method(struct gush_span method);

/* 200 `{}`, whatever the method: the health endpoint. */
gush_exchange_handler gush_router_health;

#endif
