#include "tests/unit/api_http/harness.h"

#define BAD       "{\"error\":{\"code\":107,\"message\":\"bad request\"}}"
#define NOT_FOUND "{\"error\":{\"code\":104,\"message\":\"not found\"}}"
#define WRONG_PARAMS                                                                               \
    ",\"params\":{\"channel\":5,\"user\":5,\"method\":5,\"pattern\":5,\"channels\":5}"
#define PARAMS "\"params\":{\"channel\":\"hist:x\",\"data\":1}"

static size_t kept(struct harness *h, const char *channel)
{
    return history(h->f, channel, -1)->n_publications;
}

/* ---- what spoils the body -------------------------------------------------------------------- */

static void what_is_no_command_spoils_the_body(void **state) /* spec: server API 1.7 */
{
    static const char *const bodies[] = {"",
                                         "5",
                                         "[]",
                                         "\"publish\"",
                                         "{",
                                         "{}x",
                                         "{} 5",
                                         "{\"method\":\"nope\"}",
                                         "{\"method\":\"\"}",
                                         "{\"method\":\"5\"}",
                                         "{\"method\":\"batch\"}",
                                         "{\"method\":\"inf\\u006f\"}",
                                         "{\"method\":null}",
                                         "{\"method\":true}",
                                         "{\"method\":{}}",
                                         "{\"method\":1.0}",
                                         "{\"id\":-1}",
                                         "{\"id\":4294967296}",
                                         "{\"id\":\"1\"}",
                                         "{\"id\":{}}"};
    struct harness *h = harness_new();

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        expect_refused(h, "/api", bodies[i], 400);
    harness_free(h);
}

static void what_stood_before_has_been_done(void **state)
{
    struct harness *h = harness_new();

    (void)state;
    expect_refused(h, "/api", "{" PARAMS "}{" PARAMS "}{\"method\":\"nope\"}{" PARAMS "}", 400);
    assert_int_equal(kept(h, "hist:x"), 2);
    expect_refused(h, "/api", "{" PARAMS "} garbage", 400);
    assert_int_equal(kept(h, "hist:x"), 3);
    harness_free(h);
}

static void a_body_cut_anywhere(void **state)
{
    static const char whole[] = "{\"id\":1,\"method\":\"rpc\",\"params\":{\"method\":\"x\"}}"
                                "\n{\"method\":9,\"id\":2}";
    struct harness *h = harness_new();

    (void)state;
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        struct post *p = post_new(h);
        bool between = n == 47 || n == 48; /* one whole command, with and without the LF */

        post_field(p, "X-API-Key", "k3y");
        post_send(p, "/api", gush_span_of(whole, n));
        if (between)
            expect_answer(p, 200, JSON_TYPE,
                          "{\"id\":1,\"error\":{\"code\":104,\"message\":\"not found\"}}");
        else
            expect_answer(p, 400, TEXT_TYPE, "Bad Request\n");
    }
    harness_free(h);
}

static void an_answer_that_cannot_be_written_spoils_it_too(void **state)
{
    struct harness *h = harness_new();

    (void)state;
    post_free(post_begin(h, "/api/publish", "{\"channel\":\"any:x\",\"b64data\":\"//8=\"}"));
    expect_refused(h, "/api",
                   "{" PARAMS
                   "}{\"method\":\"history\",\"params\":{\"channel\":\"any:x\",\"limit\":1}}"
                   "{" PARAMS "}",
                   500);
    assert_int_equal(kept(h, "hist:x"), 1); /* nothing runs behind it */
    harness_free(h);
}

static void too_many_commands(void **state)
{
    struct harness *h = harness_new();
    char *body = repeated("", "{}", GUSH_METHODS_MEMBERS_MAX + 1, "");
    struct post *post;

    (void)state;
    expect_refused(h, "/api", body, 413);
    body[(size_t)GUSH_METHODS_MEMBERS_MAX * 2] = '\0';
    post = post_begin(h, "/api", body);
    post_wait(post);
    assert_int_equal(post->status, 200);
    assert_int_equal(strlen(post->body), GUSH_METHODS_MEMBERS_MAX * sizeof(BAD) - 1);
    post_free(post);
    gush_free(body);
    harness_free(h);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void each_command_has_its_line(void **state)
{
    struct harness *h = harness_new();
    struct post *p;

    (void)state;
    expect_ok(h, "/api",
              "{\"id\":1,\"method\":\"rpc\",\"params\":{\"method\":\"x\"}}{\"id\":2,\"method\":"
              "\"CHANNELS\",\"params\":{}} \n\t{\"method\":\"refresh\",\"params\":{}}",
              "{\"id\":1,\"error\":{\"code\":104,\"message\":\"not found\"}}\n"
              "{\"id\":2,\"result\":{\"channels\":{}}}\n{\"result\":{}}");
    expect_ok(h, "/api", "  ", "");
    p = post_begin(h, "/api", "{\"method\":\"info\"}{\"method\":9,\"params\":5}");
    post_wait(p);
    assert_int_equal(p->status, 200);
    assert_memory_equal(p->body, "{\"result\":{\"nodes\":[", 20);
    assert_non_null(strstr(p->body, "}\n{\"result\":{\"nodes\":["));
    post_free(p);
    harness_free(h);
}

static void one_after_the_other(void **state)
{
    struct harness *h = harness_new();

    (void)state;
    expect_ok(h, "/api",
              "{\"id\":1,\"method\":\"history\",\"params\":{\"channel\":\"x\"}}"
              "{\"method\":\"publish\",\"params\":{\"channel\":\"plain\",\"data\":1}}"
              "{\"method\":0,\"params\":{\"channel\":\"no:x\",\"data\":1}}{}",
              "{\"id\":1,\"error\":{\"code\":108,\"message\":\"not available\"}}\n"
              "{\"result\":{}}\n{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}\n" BAD);
    harness_free(h);
}

static void methods_by_name_and_number(void **state)
{
    static const struct {
        const char *body, *answer;
    } cases[] = {
        {"null", BAD},
        {"{}", BAD},
        {"{\"method\":99}", NOT_FOUND},
        {"{\"method\":-1}", NOT_FOUND},
        {"{\"method\":13}", NOT_FOUND},
        {"{\"method\":40}", NOT_FOUND},
        {"{\"method\":9223372036854775807}", NOT_FOUND},
        {"{\"method\":\"connections\"}", NOT_FOUND},
        {"{\"method\":\"map_publish\",\"params\":{}}", NOT_FOUND},
        {"{\"method\":39}", NOT_FOUND},
        {"{\"ID\":7,\"METHOD\":\"Rpc\",\"Params\":{}}",
         "{\"id\":7,\"error\":{\"code\":107,\"message\":\"bad request\"}}"},
        {"{\"id\":1,\"id\":4294967295,\"method\":10,\"params\":{\"method\":\"x\"}}",
         "{\"id\":4294967295,\"error\":{\"code\":104,\"message\":\"not found\"}}"},
        {"{\"id\":null,\"method\":12,\"params\":{}}", "{\"result\":{}}"},
        {"{\"method\":4,\"params\":{\"channel\":\"who:x\"}}", "{\"result\":{\"presence\":{}}}"},
        {"{\"method\":5,\"params\":{\"channel\":\"who:x\"}}",
         "{\"result\":{\"num_clients\":0,\"num_users\":0}}"},
        {"{\"method\":8,\"params\":null}", "{\"result\":{\"channels\":{}}}"},
    };
    struct harness *h = harness_new();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_ok(h, "/api", cases[i].body, cases[i].answer);
    harness_free(h);
}

static void params_that_make_no_sense_are_that_commands_error(void **state)
{
    static const char *const methods[] = {
        "publish",  "broadcast", "unsubscribe",    "disconnect", "presence", "history",
        "channels", "rpc",       "history_remove", "subscribe",  "refresh"};
    static const char *const params[] = {"", ",\"params\":5", ",\"params\":[]", ",\"params\":\"x\"",
                                         WRONG_PARAMS};
    struct harness *h = harness_new();
    char body[200];

    (void)state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        for (size_t k = 0; k < sizeof(params) / sizeof(params[0]); k++) {
            snprintf(body, sizeof(body), "{\"method\":\"%s\"%s}{\"method\":99}", methods[i],
                     params[k]);
            expect_ok(h, "/api", body, BAD "\n" NOT_FOUND);
        }
    }
    harness_free(h);
}

static void errors_are_not_counted(void **state)
{
    struct harness *h = harness_new();
    struct gush_buf page;

    (void)state;
    expect_ok(h, "/api", "{}{\"method\":\"rpc\",\"params\":{}}", BAD "\n" BAD);
    gush_buf_init(&page, 1 << 20);
    gush_metrics_write(gush_node_metrics(h->f->node), &page);
    gush_buf_put_u8(&page, '\0');
    assert_null(strstr((const char *)page.p, "centrifugo_api_command_errors_total{"));
    gush_buf_fini(&page);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_command_spoils_the_body),
        cmocka_unit_test(what_stood_before_has_been_done),
        cmocka_unit_test(a_body_cut_anywhere),
        cmocka_unit_test(an_answer_that_cannot_be_written_spoils_it_too),
        cmocka_unit_test(too_many_commands),
        cmocka_unit_test(each_command_has_its_line),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(methods_by_name_and_number),
        cmocka_unit_test(params_that_make_no_sense_are_that_commands_error),
        cmocka_unit_test(errors_are_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
