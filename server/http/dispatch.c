#include "server/http/dispatch.h"

#include "server/http/gzip.h"

static void not_found(struct gush_dispatch *d)
{
    static const struct gush_http_field fields[] = {
        {GUSH_SPAN_INIT("Content-Type"), GUSH_SPAN_INIT("text/plain; charset=utf-8")},
        {GUSH_SPAN_INIT("X-Content-Type-Options"), GUSH_SPAN_INIT("nosniff")}};

    d->refused = true;
    d->response = (struct gush_http_response){.status = 404,
                                              .fields = fields,
                                              .fields_n = 2,
                                              .body = GUSH_SPAN_LIT("404 page not found\n")};
}

void gush_dispatch_refuse(const struct gush_route *route, const struct gush_http_request *request,
                          unsigned status, struct gush_dispatch *d)
{
    d->refused = true;
    d->response = (struct gush_http_response){.status = status, .fields = d->fields};
    if (route && route->cors)
        d->response.fields_n = gush_cors_fields(route->cors, request, d->fields);
}

/* 0: it may come. */
static unsigned judge(const struct gush_route *route, const struct gush_http_request *request,
                      uint64_t length)
{
    unsigned status = 0;

    if (!(route->methods & gush_router_method(request->method)))
        return 405;
    if (route->admit)
        status = route->admit(route->arg, request);
    if (status == 0 && length > route->body_limit && !route->streaming)
        status = 413;
    return status;
}

void gush_dispatch_head(const struct gush_router *router, const struct gush_http_request *request,
                        uint64_t length, struct gush_dispatch *d)
{
    d->refused = false;
    d->accepts_gzip = gush_gzip_accepted(request);
    d->route = gush_router_find_type(router, request);
    if (d->route)
        return;
    if (gush_span_eq_str(request->path, "*") && gush_span_eq_str(request->method, "OPTIONS")) {
        /* of the server as a whole: it is here */
        gush_dispatch_refuse(NULL, request, 200, d);
        return;
    }
    d->route = gush_router_find(router, request->path);
    if (d->route == NULL) {
        not_found(d);
        return;
    }
    unsigned status = judge(d->route, request, length);
    if (status)
        gush_dispatch_refuse(d->route, request, status, d);
}
