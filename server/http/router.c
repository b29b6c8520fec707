#include "server/http/router.h"

#include <string.h>

#include "server/base/assert.h"
#include "server/base/mem.h"

struct gush_router {
    struct gush_route *routes; /* path is ours */
    size_t n;
};

struct gush_router *gush_router_new(void)
{
    return GUSH_NEW(struct gush_router);
}

void gush_router_free(struct gush_router *router)
{
    if (router == NULL)
        return;
    for (size_t i = 0; i < router->n; i++) {
        union {
            const char *in;
            char *out;
        } path = {router->routes[i].path};
        gush_free(path.out);
    }
    gush_free(router->routes);
    gush_free(router);
}

gush_err gush_router_add(struct gush_router *router, const struct gush_route *route)
{
    struct gush_span path = gush_span_str(route->path);

    GUSH_ASSERT(route->handle != NULL);
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    if (path.n == 0)
        path = GUSH_SPAN_LIT("/");
    if (gush_router_find(router, path))
        return GUSH_EBUSY;
    router->routes = (struct gush_route *)gush_realloc(router->routes,
                                                       (router->n + 1) * sizeof(*router->routes));
    router->routes[router->n] = *route;
    router->routes[router->n].path = gush_strndup((const char *)path.p, path.n);
    router->n++;
    return GUSH_OK;
}

const struct gush_route *gush_router_find(const struct gush_router *router, struct gush_span path)
{
    for (size_t i = 0; i < router->n; i++) {
        if (gush_span_eq_str(path, router->routes[i].path))
            return &router->routes[i];
    }
    return NULL;
}

unsigned gush_router_method(struct gush_span method)
{
    if (gush_span_eq_str(method, "GET"))
        return GUSH_ROUTER_GET;
    if (gush_span_eq_str(method, "HEAD"))
        return GUSH_ROUTER_HEAD;
    if (gush_span_eq_str(method, "POST"))
        return GUSH_ROUTER_POST;
    if (gush_span_eq_str(method, "OPTIONS"))
        return GUSH_ROUTER_OPTIONS;
    return GUSH_ROUTER_OTHER;
}

void gush_router_health(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                        struct gush_span body)
{
    const struct gush_http_field type = {GUSH_SPAN_LIT("Content-Type"),
                                         GUSH_SPAN_LIT("application/json")};
    const struct gush_http_response ok = {200, &type, 1, GUSH_SPAN_LIT("{}")};

    (void)arg;
    (void)request;
    (void)body;
    gush_exchange_respond(s, &ok);
}
