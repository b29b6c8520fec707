#include "server/http/dispatch.h"

#include "tests/unit/net/unit.h"

static struct gush_router *router;
static struct gush_cors *cors;

static void handle(void *arg, struct gush_exchange *s, const struct gush_http_request *request,
                   struct gush_span body)
{
    (void)arg;
    (void)s;
    (void)request;
    (void)body;
}

/* Whoever names himself may come. */
static unsigned admit(void *arg, const struct gush_http_request *request)
{
    bool named;

    (void)gush_http_field_find(request->fields, request->fields_n, "name", &named);
    return named ? 0 : *(unsigned *)arg;
}

static unsigned closed = 401;

static int make_routes(void **state)
{
    char any[] = "https://a.example", *origins[] = {any};
    size_t bad;

    (void)state;
    router = gush_router_new();
    assert_int_equal(gush_cors_new(origins, 1, &cors, &bad), GUSH_OK);
    const struct gush_route routes[] = {
        {.path = "/post",
         .methods = GUSH_ROUTER_POST,
         .body_limit = 100,
         .handle = handle,
         .cors = cors},
        {.path = "/closed",
         .methods = GUSH_ROUTER_POST,
         .body_limit = 100,
         .handle = handle,
         .admit = admit,
         .arg = &closed},
        {.path = "/up", .methods = GUSH_ROUTER_ANY, .handle = handle, .streaming = true},
        {.content_type = "application/grpc", .methods = GUSH_ROUTER_ANY, .handle = handle}};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        assert_int_equal(gush_router_add(router, &routes[i]), GUSH_OK);
    return 0;
}

static int forget_routes(void **state)
{
    (void)state;
    gush_router_free(router);
    gush_cors_free(cors);
    return 0;
}

static struct gush_dispatch d;

/* The status of the refusal, or 0. */
static unsigned dispatch(const char *method, const char *path, uint64_t length,
                         const struct gush_http_field *fields, size_t fields_n)
{
    struct gush_http_request request = {.method = gush_span_str(method),
                                        .path = gush_span_str(path),
                                        .fields = fields,
                                        .fields_n = fields_n,
                                        .version = GUSH_HTTP_2};
    memset(&d, 0xa5, sizeof(d));
    gush_dispatch_head(router, &request, length, &d);
    assert_int_equal(d.refused || d.route, true);
    return d.refused ? d.response.status : 0;
}

static void refused(void **state)
{
    (void)state;
    assert_int_equal(dispatch("GET", "/nothing", 0, NULL, 0), 404);
    assert_null(d.route);
    assert_true(gush_span_eq_str(d.response.body, "404 page not found\n"));
    assert_int_equal(dispatch("GET", "/post/", 0, NULL, 0), 404);
    assert_int_equal(dispatch("GET", "*", 0, NULL, 0), 404);
    assert_int_equal(dispatch("GET", "/post", 0, NULL, 0), 405);
    assert_int_equal(dispatch("post", "/post", 0, NULL, 0), 405);
    assert_int_equal(dispatch("POST", "/post", 101, NULL, 0), 413);
    assert_int_equal(dispatch("POST", "/post", UINT64_MAX, NULL, 0), 413);
    assert_int_equal(d.response.fields_n, 0);
    assert_int_equal(d.response.body.n, 0);
}

static void refusals_can_be_read_by_their_page(void **state)
{
    const struct gush_http_field origin = {GUSH_SPAN_LIT("origin"),
                                           GUSH_SPAN_LIT("https://a.example")};

    (void)state;
    assert_int_equal(dispatch("GET", "/post", 0, &origin, 1), 405);
    assert_int_equal(d.response.fields_n, 2);
    assert_true(gush_span_eq_str(d.response.fields[0].value, "https://a.example"));
    assert_int_equal(dispatch("POST", "/post", 101, &origin, 1), 413);
    assert_int_equal(d.response.fields_n, 2);
    assert_int_equal(dispatch("POST", "/nothing", 0, &origin, 1), 404);
    assert_int_equal(d.response.fields_n, 2); /* Content-Type and nosniff: nobody's path */
}

static void found(void **state)
{
    const struct gush_http_field grpc = {GUSH_SPAN_LIT("content-type"),
                                         GUSH_SPAN_LIT("application/grpc+proto")};

    (void)state;
    assert_int_equal(dispatch("POST", "/post", 100, NULL, 0), 0);
    assert_string_equal(d.route->path, "/post");
    assert_int_equal(dispatch("PUT", "/up", UINT64_MAX, NULL, 0), 0); /* its handler's affair */
    assert_int_equal(dispatch("POST", "/any/thing", 1 << 20, &grpc, 1), 0);
    assert_string_equal(d.route->content_type, "application/grpc");
    assert_int_equal(dispatch("POST", "/post", 1 << 20, &grpc, 1), 0); /* the type comes first */
    assert_string_equal(d.route->content_type, "application/grpc");
}

static void strangers_are_refused_by_their_head(void **state)
{
    const struct gush_http_field name = {GUSH_SPAN_LIT("name"), GUSH_SPAN_LIT("x")};

    (void)state;
    assert_int_equal(dispatch("GET", "/closed", 0, NULL, 0), 405);
    assert_int_equal(dispatch("POST", "/closed", 0, NULL, 0), 401);
    assert_int_equal(dispatch("POST", "/closed", 101, NULL, 0), 401);
    assert_int_equal(dispatch("POST", "/closed", 101, &name, 1), 413);
    assert_int_equal(dispatch("POST", "/closed", 100, &name, 1), 0);
}

static void the_server_as_a_whole(void **state)
{
    (void)state;
    assert_int_equal(dispatch("OPTIONS", "*", 0, NULL, 0), 200);
    assert_null(d.route);
}

static void gzip_is_asked_for_or_not(void **state)
{
    const struct gush_http_field yes = {GUSH_SPAN_LIT("accept-encoding"), GUSH_SPAN_LIT("gzip")};

    (void)state;
    assert_int_equal(dispatch("POST", "/post", 0, &yes, 1), 0);
    assert_true(d.accepts_gzip);
    assert_int_equal(dispatch("POST", "/nothing", 0, &yes, 1), 404);
    assert_true(d.accepts_gzip);
    assert_int_equal(dispatch("POST", "/post", 0, NULL, 0), 0);
    assert_false(d.accepts_gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(refusals_can_be_read_by_their_page),
        cmocka_unit_test(found),
        cmocka_unit_test(strangers_are_refused_by_their_head),
        cmocka_unit_test(the_server_as_a_whole),
        cmocka_unit_test(gzip_is_asked_for_or_not),
    };
    return UNIT_RUN(tests, make_routes, forget_routes);
}
