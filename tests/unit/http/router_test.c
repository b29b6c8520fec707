#include "server/http/router.h"

#include "tests/unit/net/unit.h"

static gush_err add(struct gush_router *router, const char *path)
{
    struct gush_route route = {
        .path = path, .methods = GUSH_ROUTER_ANY, .handle = gush_router_health};
    return gush_router_add(router, &route);
}

static bool finds(const struct gush_router *router, const char *path, const char *expected)
{
    const struct gush_route *route = gush_router_find(router, gush_span_str(path));
    return route ? expected && strcmp(route->path, expected) == 0 : expected == NULL;
}

static void paths_match_exactly(void **state)
{
    struct gush_router *router = gush_router_new();

    (void)state;
    assert_true(finds(router, "/", NULL));
    assert_int_equal(add(router, "/a/b"), GUSH_OK);
    assert_int_equal(add(router, "/c//"), GUSH_OK); /* trailing slashes go */
    assert_true(finds(router, "/", NULL));
    assert_int_equal(add(router, ""), GUSH_OK);
    assert_true(finds(router, "/", "/"));
    assert_true(finds(router, "/a/b", "/a/b"));
    assert_true(finds(router, "/c", "/c"));
    assert_true(finds(router, "/c/", NULL));
    assert_true(finds(router, "/a/b/", NULL));
    assert_true(finds(router, "/a", NULL));
    assert_true(finds(router, "/A/b", NULL));
    assert_true(finds(router, "/%61/b", NULL));
    assert_true(finds(router, "", NULL));
    gush_router_free(router);
    gush_router_free(NULL);
}

static void a_path_is_taken_once(void **state)
{
    struct gush_router *router = gush_router_new();

    (void)state;
    assert_int_equal(add(router, "/a"), GUSH_OK);
    assert_int_equal(add(router, "/a/"), GUSH_EBUSY);
    assert_int_equal(add(router, "/"), GUSH_OK);
    assert_int_equal(add(router, ""), GUSH_EBUSY);
    gush_router_free(router);
}

static void methods(void **state)
{
    (void)state;
    assert_int_equal(gush_router_method(gush_span_str("GET")), GUSH_ROUTER_GET);
    assert_int_equal(gush_router_method(gush_span_str("HEAD")), GUSH_ROUTER_HEAD);
    assert_int_equal(gush_router_method(gush_span_str("POST")), GUSH_ROUTER_POST);
    assert_int_equal(gush_router_method(gush_span_str("OPTIONS")), GUSH_ROUTER_OPTIONS);
    assert_int_equal(gush_router_method(gush_span_str("get")), GUSH_ROUTER_OTHER);
    assert_int_equal(gush_router_method(gush_span_str("PUT")), GUSH_ROUTER_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_match_exactly),
        cmocka_unit_test(a_path_is_taken_once),
        cmocka_unit_test(methods),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
