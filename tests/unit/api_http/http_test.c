#include "api/core/waiting.h"
#include "tests/unit/api_http/harness.h"

#define PUBLISH "{\"channel\":\"hist:x\",\"data\":1}"

/* How much |channel| keeps. */
static size_t kept(struct harness *h, const char *channel)
{
    return history(h->f, channel, -1)->n_publications;
}

/* ---- who and when ---------------------------------------------------------------------------- */

static void without_the_key_nothing_happens(void **state)
{
    static const char *const paths[] = {"/api/publish", "/api", "/api/batch"};
    struct harness *h = harness_new();

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct post *p = post_new(h);

        post_field(p, "X-API-Key", "other");
        post_send(p, paths[i], GUSH_SPAN_LIT(PUBLISH));
        expect_answer(p, 401, "", "");
    }
    assert_int_equal(kept(h, "hist:x"), 0);
    harness_free(h);
}

static void insecure_asks_for_no_key(void **state)
{
    struct fixture *f = fixture_new();
    struct harness *h;
    struct post *p;

    (void)state;
    f->config->http_api.insecure = true;
    h = harness_with(f);
    p = post_new(h);
    post_send(p, "/api/publish", GUSH_SPAN_LIT("{\"channel\":\"a\",\"data\":1}"));
    expect_answer(p, 200, JSON_TYPE, "{\"result\":{}}");
    harness_free(h);
}

static void a_closed_node_takes_nothing(void **state)
{
    struct harness *h = harness_new();

    (void)state;
    gush_node_close(h->f->node);
    expect_refused(h, "/api/publish", PUBLISH, 503);
    expect_refused(h, "/api", "{\"params\":" PUBLISH "}", 503);
    assert_int_equal(kept(h, "hist:x"), 0);
    harness_free(h);
}

/* ---- bad requests ---------------------------------------------------------------------------- */

static void what_makes_no_sense_is_400(void **state)
{
    static const char more[] = PUBLISH "x";
    const char *const bodies[] = {"", "[]", "{", "{\"channel\":5}", "x", more};
    struct harness *h = harness_new();

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        expect_refused(h, "/api/publish", bodies[i], 400);
    assert_int_equal(kept(h, "hist:x"), 0);
    harness_free(h);
}

static void what_is_too_much_is_413(void **state)
{
    struct harness *h = harness_new();
    char *body = repeated("{\"channels\":[\"\"", ",\"\"", GUSH_METHODS_FIELDS_MAX, "]}");

    (void)state;
    expect_refused(h, "/api/broadcast", body, 413);
    gush_free(body);
    harness_free(h);
}

static void a_payload_that_cannot_be_shown_is_500(void **state)
{
    struct harness *h = harness_new();

    (void)state;
    post_free(post_begin(h, "/api/publish", "{\"channel\":\"any:x\",\"b64data\":\"//8=\"}"));
    expect_refused(h, "/api/history", "{\"channel\":\"any:x\",\"limit\":5}", 500);
    expect_refused(h, "/api/batch",
                   "{\"commands\":[{\"history\":{\"channel\":\"any:x\",\"limit\":5}}]}", 500);
    harness_free(h);
}

static void errors_inside_or_as_status(void **state) /* spec: server API 1.6 */
{
    static const struct {
        const char *path, *body;
        unsigned status;
        const char *error;
    } cases[] = {
        {"/api/publish", "{}", 400, "{\"code\":107,\"message\":\"bad request\"}"},
        {"/api/publish", "{\"channel\":\"no:x\",\"data\":1}", 404,
         "{\"code\":102,\"message\":\"unknown channel\"}"},
        {"/api/rpc", "{\"method\":\"x\"}", 404, "{\"code\":104,\"message\":\"not found\"}"},
        {"/api/history", "{\"channel\":\"x\"}", 400,
         "{\"code\":108,\"message\":\"not available\"}"},
        {"/api/history", "{\"channel\":\"hist:x\",\"since\":{\"epoch\":\"other\"}}", 416,
         "{\"code\":112,\"message\":\"unrecoverable position\"}"},
        {"/api/channels", "{\"pattern\":\"[\"}", 500,
         "{\"code\":100,\"message\":\"internal server error\"}"},
        {"/api/broadcast", "{\"data\":1}", 400, "{\"code\":107,\"message\":\"bad request\"}"}};
    struct harness *h = harness_new();
    char inside[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct post *p = post_new(h), *other = post_new(h);

        snprintf(inside, sizeof(inside), "{\"error\":%s}", cases[i].error);
        expect_ok(h, cases[i].path, cases[i].body, inside);
        post_field(p, "X-API-Key", "k3y");
        post_field(p, "x-centrifugo-error-mode", "transport");
        post_send(p, cases[i].path, gush_span_str(cases[i].body));
        expect_answer(p, cases[i].status, JSON_TYPE, cases[i].error);
        post_field(other, "X-API-Key", "k3y");
        post_field(other, "x-centrifugo-error-mode", "Transport");
        post_send(other, cases[i].path, gush_span_str(cases[i].body));
        expect_answer(other, 200, JSON_TYPE, inside);
    }
    harness_free(h);
}

static void batch_and_broadcast_answer_inside(void **state)
{
    static char mode[] = "transport";
    struct fixture *f = fixture_new();
    struct harness *h;

    (void)state;
    f->config->http_api.error_mode = mode;
    h = harness_with(f);
    expect_ok(
        h, "/api/batch", "{\"commands\":[{\"publish\":{}},null,{}]}",
        "{\"replies\":[{\"error\":{\"code\":107,\"message\":\"bad request\"}},{\"error\":{"
        "\"code\":107,\"message\":\"bad request\"}},{\"error\":{\"code\":104,\"message\":\"not "
        "found\"}}]}");
    expect_ok(h, "/api/batch", "null", "{}");
    expect_ok(h, "/api/broadcast", "{\"channels\":[\"\",\"a\"],\"data\":1}",
              "{\"result\":{\"responses\":[{\"error\":{\"code\":107,\"message\":\"bad request\"}},{"
              "\"result\":{}}]}}");
    expect_answer(post_begin(h, "/api/publish", "{}"), 400, JSON_TYPE,
                  "{\"code\":107,\"message\":\"bad request\"}");
    harness_free(h);
}

static void a_batch_with_too_many_commands(void **state)
{
    struct harness *h = harness_new();
    char *body = repeated("{\"commands\":[null", ",null", GUSH_METHODS_MEMBERS_MAX, "]}");

    (void)state;
    expect_answer(post_begin(h, "/api/batch", body), 400, JSON_TYPE,
                  "{\"code\":107,\"message\":\"bad request\"}");
    gush_free(body);
    harness_free(h);
}

/* ---- under way ------------------------------------------------------------------------------- */

static void a_request_counts_until_it_is_answered(void **state)
{
    struct harness *h = harness_new();
    struct post *p = post_begin(h, "/api/publish", PUBLISH);

    (void)state;
    assert_int_equal(gush_api_http_under_way(h->api), 1);
    assert_int_equal(p->answers_n, 0);
    post_wait(p);
    assert_int_equal(gush_api_http_under_way(h->api), 0);
    assert_int_equal(p->status, 200);
    assert_true(p->compress);
    post_free(p);
    harness_free(h);
}

static void what_was_accepted_is_done_for_nobody(void **state)
{
    static const char *const paths[] = {"/api/publish", "/api"};
    static const char *const bodies[] = {PUBLISH, "{\"params\":" PUBLISH "}{\"params\":" PUBLISH
                                                  "}{\"method\":\"history\"}"};
    struct harness *h = harness_new();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        post_free(post_begin(h, paths[i], bodies[i])); /* the client leaves */
        assert_int_equal(gush_api_http_under_way(h->api), 1);
        for (int k = 0; k < 20; k++)
            turn(h->f);
        assert_int_equal(gush_api_http_under_way(h->api), 0);
    }
    assert_int_equal(kept(h, "hist:x"), 3);
    harness_free(h);
}

static void requests_of_a_closed_lane_are_let_go(void **state)
{
    static const char *const bodies[][2] = {
        {"/api/publish", PUBLISH},
        {"/api/broadcast", "{\"channels\":[\"a\",\"b\"],\"data\":1}"},
        {"/api/history", "{\"channel\":\"hist:x\",\"limit\":1}"},
        {"/api/batch",
         "{\"commands\":[{\"publish\":" PUBLISH "},{\"info\":{}}],\"parallel\":true}"},
        {"/api", "{\"params\":" PUBLISH "}{}"}};

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct harness *h = harness_new();

        post_free(post_begin(h, bodies[i][0], bodies[i][1])); /* connections close first */
        gush_lane_close(&h->f->lane);
        harness_free(h);
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void while_lanes_are_behind_requests_wait_in_order(void **state)
{
    struct harness *h = harness_new();
    struct post *p[3];
    char body[100];

    (void)state;
    set_behind(h, true);
    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof(body), "{\"channel\":\"hist:x\",\"data\":%d}", i);
        p[i] = post_begin(h, "/api/publish", body);
    }
    for (int i = 0; i < 10; i++)
        turn(h->f);
    assert_int_equal(p[0]->answers_n, 0);
    assert_int_equal(gush_api_http_under_way(h->api), 3);
    set_behind(h, false);
    for (int i = 0; i < 3; i++) {
        post_wait(p[i]);
        assert_int_equal(p[i]->status, 200);
        post_free(p[i]);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof(body), "%d", i);
        assert_data(history(h->f, "hist:x", -1)->publications[i], body);
    }
    harness_free(h);
}

static void who_leaves_while_waiting_takes_the_request_along(void **state)
{
    struct harness *h = harness_new();
    struct post *p[3];

    (void)state;
    set_behind(h, true);
    for (int i = 0; i < 3; i++)
        p[i] = post_begin(h, i == 1 ? "/api" : "/api/publish",
                          i == 1 ? "{\"params\":" PUBLISH "}" : PUBLISH);
    post_free(p[1]);
    post_free(p[0]);
    assert_int_equal(gush_api_http_under_way(h->api), 1);
    set_behind(h, false);
    post_wait(p[2]);
    post_free(p[2]);
    assert_int_equal(kept(h, "hist:x"), 1);
    harness_free(h);
}

static void only_so_many_wait(void **state)
{
    struct harness *h = harness_new();
    struct post *p[GUSH_WAITING_MAX];

    (void)state;
    set_behind(h, true);
    for (size_t i = 0; i < GUSH_WAITING_MAX; i++)
        p[i] = post_begin(h, "/api/publish", PUBLISH);
    expect_refused(h, "/api/publish", PUBLISH, 503);
    post_free(p[7]);
    p[7] = post_begin(h, "/api/publish", PUBLISH);
    expect_refused(h, "/api/publish", PUBLISH, 503);
    set_behind(h, false);
    for (size_t i = 0; i < GUSH_WAITING_MAX; i++) {
        post_wait(p[i]);
        assert_int_equal(p[i]->status, 200);
        post_free(p[i]);
    }
    harness_free(h);
}

static void a_waiting_request_may_be_bad(void **state)
{
    struct harness *h = harness_new();
    struct post *p[2];

    (void)state;
    set_behind(h, true);
    p[0] = post_begin(h, "/api/publish", "{");
    p[1] = post_begin(h, "/api", "");
    set_behind(h, false);
    for (int i = 0; i < 2; i++)
        expect_answer(p[i], 400, TEXT_TYPE, "Bad Request\n");
    harness_free(h);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static bool is_served(const char *prefix, const char *path)
{
    struct fixture *f = fixture_new();
    char copy[100];
    struct harness *h;
    bool found;

    snprintf(copy, sizeof(copy), "%s", prefix);
    f->config->http_api.handler_prefix = copy;
    h = harness_with(f);
    found = gush_router_find(h->router, gush_span_str(path)) != NULL;
    harness_free(h);
    return found;
}

static void prefixes_lose_their_slashes(void **state) /* spec: server API 1.1 */
{
    (void)state;
    assert_true(is_served("/api", "/api/publish"));
    assert_true(is_served("/api", "/api"));
    assert_false(is_served("/api", "/api/"));
    assert_false(is_served("/api", "/publish"));
    assert_false(is_served("/api", "/api/connections"));
    assert_false(is_served("/api", "/api/map_publish"));
    assert_true(is_served("/x/y//", "/x/y/history_remove"));
    assert_true(is_served("/x/y//", "/x/y"));
    assert_true(is_served("", "/publish"));
    assert_true(is_served("", "/"));
    assert_true(is_served("/", "/batch"));
    assert_true(is_served("/", "/"));
}

static void a_disabled_api_has_no_paths(void **state)
{
    struct fixture *f = fixture_new();
    struct harness *h;

    (void)state;
    f->config->http_api.disabled = true;
    h = harness_with(f);
    assert_null(gush_router_find(h->router, GUSH_SPAN_LIT("/api/publish")));
    assert_null(gush_router_find(h->router, GUSH_SPAN_LIT("/api")));
    harness_free(h);
}

static void a_path_that_is_taken(void **state)
{
    struct harness *h = harness_new();

    (void)state;
    assert_int_equal(gush_api_http_routes(h->api, h->router), GUSH_EBUSY);
    harness_free(h);
}

static void every_method_has_its_path(void **state)
{
    struct harness *h = harness_new();
    size_t n;
    const struct gush_method *all = gush_methods_all(&n);
    char path[100];

    (void)state;
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "/api/%s", all[i].member);
        struct post *p = post_begin(h, path, "{}");
        post_wait(p);
        assert_int_equal(p->status, 200);
        assert_string_equal(p->type, JSON_TYPE);
        post_free(p);
    }
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_key_nothing_happens),
        cmocka_unit_test(insecure_asks_for_no_key),
        cmocka_unit_test(a_closed_node_takes_nothing),
        cmocka_unit_test(what_makes_no_sense_is_400),
        cmocka_unit_test(what_is_too_much_is_413),
        cmocka_unit_test(a_payload_that_cannot_be_shown_is_500),
        cmocka_unit_test(errors_inside_or_as_status),
        cmocka_unit_test(batch_and_broadcast_answer_inside),
        cmocka_unit_test(a_batch_with_too_many_commands),
        cmocka_unit_test(a_request_counts_until_it_is_answered),
        cmocka_unit_test(what_was_accepted_is_done_for_nobody),
        cmocka_unit_test(requests_of_a_closed_lane_are_let_go),
        cmocka_unit_test(while_lanes_are_behind_requests_wait_in_order),
        cmocka_unit_test(who_leaves_while_waiting_takes_the_request_along),
        cmocka_unit_test(only_so_many_wait),
        cmocka_unit_test(a_waiting_request_may_be_bad),
        cmocka_unit_test(prefixes_lose_their_slashes),
        cmocka_unit_test(a_disabled_api_has_no_paths),
        cmocka_unit_test(a_path_that_is_taken),
        cmocka_unit_test(every_method_has_its_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
