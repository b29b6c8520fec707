#include "server/http/router.h"

#include <string.h>
#include <strings.h>

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

/* Of a copy that routes show as const. */
static void free_text(const char *text)
{
    union {
        const char *in;
        char *out;
    } both = {text};
    gush_free(both.out);
}

void gush_router_free(struct gush_router *router)
{
    if (router == NULL)
        return;
    for (size_t i = 0; i < router->n; i++) {
        free_text(router->routes[i].path);
        free_text(router->routes[i].content_type);
    }
    gush_free(router->routes);
    gush_free(router);
}

/* Without slashes at its end. */
static struct gush_span path_of(const char *text)
{
    struct gush_span path = gush_span_str(text);

    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    return path.n ? path : GUSH_SPAN_LIT("/");
}

/* There is a route for the same already. */
static bool find_text(const struct gush_router *router, const struct gush_route *route)
{
    if (route->path)
        return gush_router_find(router, path_of(route->path)) != NULL;
    for (size_t i = 0; i < router->n; i++) {
        const char *type = router->routes[i].content_type;
        if (type && strcmp(type, route->content_type) == 0)
            return true;
    }
    return false;
}

gush_err gush_router_add(struct gush_router *router, const struct gush_route *route)
{
    struct gush_route *copy;

    GUSH_ASSERT(route->handle != NULL && (route->path == NULL) == (route->content_type != NULL));
    if (find_text(router, route))
        return GUSH_EBUSY;
    router->routes = (struct gush_route *)gush_realloc(router->routes,
                                                       (router->n + 1) * sizeof(*router->routes));
    copy = &router->routes[router->n++];
    *copy = *route;
    if (route->path) {
        struct gush_span path = path_of(route->path);
        copy->path = gush_strndup((const char *)path.p, path.n);
    } else {
        copy->content_type = gush_strndup(route->content_type, strlen(route->content_type));
    }
    return GUSH_OK;
}

const struct gush_route *gush_router_find(const struct gush_router *router, struct gush_span path)
{
    for (size_t i = 0; i < router->n; i++) {
        if (router->routes[i].path && gush_span_eq_str(path, router->routes[i].path))
            return &router->routes[i];
    }
    return NULL;
}

/* |value| is |type|, or that and something behind a '+' or ';'. */
static bool is_type(struct gush_span value, const char *type)
{
    size_t n = strlen(type);

    return value.n >= n && strncasecmp((const char *)value.p, type, n) == 0 &&
           (value.n == n || value.p[n] == '+' || value.p[n] == ';' || value.p[n] == ' ');
}

const struct gush_route *gush_router_find_type(const struct gush_router *router,
                                               const struct gush_http_request *request)
{
    struct gush_span value;

    if (request->version != GUSH_HTTP_2)
        return NULL;
    value = gush_http_field_find(request->fields, request->fields_n, "content-type", NULL);
    for (size_t i = 0; i < router->n; i++) {
        const char *type = router->routes[i].content_type;
        if (type && is_type(value, type))
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
    const struct gush_http_response ok = {
        .status = 200, .fields = &type, .fields_n = 1, .body = GUSH_SPAN_LIT("{}")};

    (void)arg;
    (void)request;
    (void)body;
    gush_exchange_respond(s, &ok);
}
