#include "api/core/methods.h"
#include "api/http/from_json.h"
#include "tests/unit/api_http/unit.h"

static struct gush_arena arena;

static gush_err decode(const ProtobufCMessageDescriptor *descriptor, struct gush_span text,
                       void *out)
{
    ProtobufCMessage *message = NULL;
    const char *why = NULL;
    /* Exactly as long as the text: a sanitizer sees the first byte behind it. */
    uint8_t *copy = gush_alloc(text.n);
    gush_err err;

    gush_arena_fini(&arena);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    err = gush_from_json(descriptor, gush_span_of(copy, text.n), &arena, &message, &why);
    gush_free(copy); /* nothing may point into it */
    assert_true(err == GUSH_OK || why != NULL);
    *(ProtobufCMessage **)out = message;
    return err;
}

static API(PublishRequest) * publish(const char *text)
{
    API(PublishRequest) *p = NULL;

    if (decode(DESCRIPTOR(publish_request), gush_span_str(text), &p) != GUSH_OK)
        fail_msg("refused: %s", text);
    return p;
}

static void expect(const ProtobufCMessageDescriptor *descriptor, const char *text, gush_err err)
{
    void *out;
    gush_err got = decode(descriptor, gush_span_str(text), &out);

    if (got != err)
        fail_msg("%s: %s instead of %s", text, gush_err_text(got), gush_err_text(err));
}

static int teardown(void **state)
{
    (void)state;
    gush_arena_fini(&arena);
    return 0;
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void what_is_no_json_is_refused(void **state)
{
    static const char *const cases[] = {"",
                                        " ",
                                        "nul",
                                        "nullx",
                                        "null null",
                                        "{",
                                        "}",
                                        "{}x",
                                        "{}{}",
                                        "{,}",
                                        "{\"channel\"}",
                                        "{\"channel\":}",
                                        "{\"channel\" \"a\"}",
                                        "{\"channel\":\"a\",}",
                                        "{\"channel\":\"a\",,\"data\":1}",
                                        "{\"channel\":\"a\" \"data\":1}",
                                        "{channel:\"a\"}",
                                        "{'channel':'a'}",
                                        "{\"data\":01}",
                                        "{\"data\":.5}",
                                        "{\"data\":[}",
                                        "{\"data\":{\"a\"}}",
                                        "{\"data\":\"\x01\"}",
                                        "{\"data\":\"\\x\"}",
                                        "{\"tags\":{\"a\":\"b\"",
                                        "{\"tags\":{\"a\"}}",
                                        "{\"tags\":{\"a\":\"b\",}}",
                                        "{\"unknown\":tru}",
                                        "\xef\xbb\xbf{}",
                                        "{\"channel\":\"a\\u0000b\"}",
                                        "{\"tags\":{\"a\\u0000\":\"b\"}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(DESCRIPTOR(publish_request), cases[i], GUSH_ESYNTAX);
    expect(DESCRIPTOR(publish_request), "{\"channel\":\"\xff\"}", GUSH_EUTF8);
    expect(DESCRIPTOR(publish_request), "{\"data\":\"\xff\"}", GUSH_EUTF8);
}

static void other_types_are_refused(void **state) /* spec: server API 1.3 */
{
    static const struct {
        const char *text;
        gush_err err;
    } cases[] = {{"[]", GUSH_ETYPE},
                 {"5", GUSH_ETYPE},
                 {"\"x\"", GUSH_ETYPE},
                 {"true", GUSH_ETYPE},
                 {"{\"channel\":5}", GUSH_ETYPE},
                 {"{\"channel\":{}}", GUSH_ETYPE},
                 {"{\"channel\":true}", GUSH_ETYPE},
                 {"{\"b64data\":1}", GUSH_ETYPE},
                 {"{\"version\":\"7\"}", GUSH_ETYPE},
                 {"{\"version\":1.0}", GUSH_ETYPE},
                 {"{\"version\":1e3}", GUSH_ETYPE},
                 {"{\"version\":true}", GUSH_ETYPE},
                 {"{\"version\":-1}", GUSH_ERANGE},
                 {"{\"version\":-0}", GUSH_ERANGE},
                 {"{\"version\":18446744073709551616}", GUSH_ERANGE},
                 {"{\"delta\":\"true\"}", GUSH_ETYPE},
                 {"{\"delta\":0}", GUSH_ETYPE},
                 {"{\"tags\":[]}", GUSH_ETYPE},
                 {"{\"tags\":\"a\"}", GUSH_ETYPE},
                 {"{\"tags\":{\"a\":1}}", GUSH_ETYPE},
                 {"{\"tags\":{\"a\":{}}}", GUSH_ETYPE}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(DESCRIPTOR(publish_request), cases[i].text, cases[i].err);
    expect(DESCRIPTOR(broadcast_request), "{\"channels\":\"a\"}", GUSH_ETYPE);
    expect(DESCRIPTOR(broadcast_request), "{\"channels\":{}}", GUSH_ETYPE);
    expect(DESCRIPTOR(broadcast_request), "{\"channels\":[\"a\",5]}", GUSH_ETYPE);
    expect(DESCRIPTOR(history_request), "{\"since\":[]}", GUSH_ETYPE);
    expect(DESCRIPTOR(history_request), "{\"limit\":2147483648}", GUSH_ERANGE);
    expect(DESCRIPTOR(history_request), "{\"limit\":-2147483649}", GUSH_ERANGE);
    expect(DESCRIPTOR(disconnect_request), "{\"disconnect\":{\"code\":4294967296}}", GUSH_ERANGE);
    expect(DESCRIPTOR(subscribe_request), "{\"override\":{\"presence\":true}}", GUSH_ETYPE);
    expect(DESCRIPTOR(subscribe_request), "{\"expire_at\":9223372036854775808}", GUSH_ERANGE);
    expect(DESCRIPTOR(batch_request), "{\"commands\":{}}", GUSH_ETYPE);
    expect(DESCRIPTOR(batch_request), "{\"commands\":[5]}", GUSH_ETYPE);
    expect(DESCRIPTOR(batch_request), "{\"commands\":[{\"publish\":5}]}", GUSH_ETYPE);
    expect(DESCRIPTOR(batch_request), "{\"commands\":[{\"publish\":{\"channel\":5}}]}", GUSH_ETYPE);
}

static void a_request_cut_anywhere_is_refused(void **state)
{
    static const char whole[] =
        "{\"commands\":[{\"publish\":{\"channel\":\"a\\u0041\xc3\xa9\",\"data\":{\"x\":[1,null]},"
        "\"tags\":{\"k\":\"v\"},\"version\":5,\"delta\":true}},null,{\"broadcast\":{\"channels\":"
        "[\"a\",null]}},{\"refresh\":{\"label_filter\":{\"nodes\":[{\"vals\":[\"x\"]}]}}}],"
        "\"parallel\":false,\"unknown\":[{}]}";
    void *out;

    (void)state;
    expect(DESCRIPTOR(batch_request), whole, GUSH_OK);
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        gush_err err = decode(DESCRIPTOR(batch_request), gush_span_of(whole, n), &out);

        assert_true(err == GUSH_ESYNTAX || err == GUSH_EUTF8);
    }
}

/* |before|, |n| times |what| with |between| in between, |behind|. */
static struct gush_buf text_of(const char *before, const char *what, size_t n, const char *between,
                               const char *behind)
{
    struct gush_buf text;

    gush_buf_init(&text, (size_t)64 << 20);
    gush_buf_put_str(&text, before);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            gush_buf_put_str(&text, between);
        gush_buf_put_str(&text, what);
    }
    gush_buf_put_str(&text, behind);
    assert_true(gush_buf_ok(&text));
    return text;
}

static void expect_text(const ProtobufCMessageDescriptor *descriptor, struct gush_buf text,
                        gush_err err)
{
    void *out;

    assert_int_equal(decode(descriptor, gush_buf_span(&text), &out), err);
    gush_buf_fini(&text);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    expect_text(DESCRIPTOR(refresh_request),
                text_of("{\"label_filter\":", "{\"nodes\":[", 20000, "", ""), GUSH_EDEPTH);
    expect_text(DESCRIPTOR(publish_request), text_of("{\"data\":", "[", 20000, "", ""),
                GUSH_EDEPTH);
}

static void expect_list(const ProtobufCMessageDescriptor *descriptor, const char *before,
                        const char *what, size_t n, const char *behind, gush_err err)
{
    expect_text(descriptor, text_of(before, what, n, ",", behind), err);
}

static void members_and_memory_are_bounded(void **state)
{
    (void)state;
    expect_list(DESCRIPTOR(broadcast_request), "{\"channels\":[", "\"\"",
                GUSH_METHODS_FIELDS_MAX - 1, "]}", GUSH_OK);
    expect_list(DESCRIPTOR(broadcast_request), "{\"channels\":[", "\"\"", GUSH_METHODS_FIELDS_MAX,
                "]}", GUSH_ELIMIT);
    expect_list(DESCRIPTOR(broadcast_request), "{\"channels\":[", "null", GUSH_METHODS_FIELDS_MAX,
                "]}", GUSH_ELIMIT);
    expect_list(DESCRIPTOR(publish_request), "{\"tags\":{", "\"a\":\"b\"", GUSH_METHODS_FIELDS_MAX,
                "}}", GUSH_ELIMIT);
    expect_list(DESCRIPTOR(publish_request), "{", "\"channel\":\"b\"", GUSH_METHODS_FIELDS_MAX + 1,
                "}", GUSH_ELIMIT);
    /* Few bytes that would become large messages. */
    expect_list(DESCRIPTOR(batch_request), "{\"commands\":[", "{}", GUSH_METHODS_FIELDS_MAX / 2,
                "]}", GUSH_ELIMIT);
    expect_list(DESCRIPTOR(batch_request), "{\"commands\":[", "{\"publish\":{}}",
                GUSH_METHODS_MEMBERS_MAX, "]}", GUSH_OK);
}

/* ---- what is read ---------------------------------------------------------------------------- */

static void null_is_an_empty_request(void **state)
{
    (void)state;
    assert_string_equal(publish("null")->channel, "");
    assert_string_equal(publish(" null\n")->channel, "");
    assert_string_equal(publish("{}")->channel, "");
}

static void every_kind_of_member(void **state)
{
    API(PublishRequest) *p = publish(
        " { \"channel\" : \"a\\u0062\\ud83d\\ude00\\\"\" , \"data\" : {\"x\": 1.0e2 ,\n"
        "\"y\":[ ] } , \"b64data\":\"e30=\",\"skip_history\":true,\"tags\":{\"k\":\"v\","
        "\"\":\"\"},\"idempotency_key\":\"i\",\"delta\":false,"
        "\"version\":18446744073709551615,\"version_epoch\":\"e\",\"unknown\":{\"a\":[1]}}");
    static const char data[] = "{\"x\": 1.0e2 ,\n\"y\":[ ] }";

    (void)state;
    assert_string_equal(p->channel, "ab\xf0\x9f\x98\x80\"");
    assert_int_equal(p->data.len, sizeof(data) - 1);
    assert_memory_equal(p->data.data, data, sizeof(data) - 1); /* as it was written */
    assert_string_equal(p->b64data, "e30=");
    assert_true(p->skip_history);
    assert_int_equal(p->n_tags, 2);
    assert_string_equal(p->tags[0]->key, "k");
    assert_string_equal(p->tags[0]->value, "v");
    assert_string_equal(p->tags[1]->key, "");
    assert_string_equal(p->idempotency_key, "i");
    assert_false(p->delta);
    assert_true(p->version == UINT64_MAX);
    assert_string_equal(p->version_epoch, "e");
}

static void null_leaves_what_is_there(void **state)
{
    API(PublishRequest) *p =
        publish("{\"channel\":null,\"data\":null,\"b64data\":null,\"delta\":null,"
                "\"version\":null,\"tags\":null}");
    API(BroadcastRequest) * b;
    API(BatchRequest) * c;
    API(HistoryRequest) * h;

    (void)state;
    assert_string_equal(p->channel, "");
    assert_int_equal(p->data.len, 4); /* a payload */
    assert_memory_equal(p->data.data, "null", 4);
    assert_int_equal(p->n_tags, 0);
    assert_string_equal(publish("{\"channel\":\"a\",\"channel\":null}")->channel, "a");
    assert_int_equal(publish("{\"tags\":{\"a\":\"b\"},\"tags\":null}")->n_tags, 0);
    p = publish("{\"tags\":{\"a\":null}}");
    assert_int_equal(p->n_tags, 1);
    assert_string_equal(p->tags[0]->value, "");
    assert_int_equal(
        decode(DESCRIPTOR(broadcast_request), GUSH_SPAN_LIT("{\"channels\":[null,\"a\"]}"), &b),
        GUSH_OK);
    assert_int_equal(b->n_channels, 2);
    assert_string_equal(b->channels[0], "");
    assert_int_equal(decode(DESCRIPTOR(batch_request),
                            GUSH_SPAN_LIT("{\"commands\":[null,{},{\"info\":null}]}"), &c),
                     GUSH_OK);
    assert_int_equal(c->n_commands, 3);
    assert_null(c->commands[0]);
    assert_non_null(c->commands[1]);
    assert_null(c->commands[2]->info);
    assert_int_equal(decode(DESCRIPTOR(history_request),
                            GUSH_SPAN_LIT("{\"since\":{\"offset\":1},\"since\":null}"), &h),
                     GUSH_OK);
    assert_null(h->since);
}

static void names_in_any_case_and_the_last_counts(void **state)
{
    API(HistoryRequest) * h;
    API(BroadcastRequest) * b;
    API(PublishRequest) *p = publish("{\"Channel\":\"x\",\"DATA\":1,\"Skip_History\":true,"
                                     "\"skip_hi\\u0073tory\":false}");

    (void)state;
    assert_string_equal(p->channel, "x");
    assert_int_equal(p->data.len, 1);
    assert_false(p->skip_history);
    assert_string_equal(publish("{\"channel\":\"x\",\"CHANNEL\":\"y\"}")->channel, "y");
    assert_string_equal(publish("{\"CHANNEL\":\"x\",\"channel\":\"y\"}")->channel, "y");
    assert_string_equal(publish("{\"channe\":\"x\",\"channels\":\"y\",\"\":\"z\"}")->channel, "");
    assert_int_equal(publish("{\"data\":[1,2],\"data\":7}")->data.len, 1);
    assert_int_equal(decode(DESCRIPTOR(history_request),
                            GUSH_SPAN_LIT("{\"since\":{\"offset\":1},\"since\":{\"epoch\":\"x\"}}"),
                            &h),
                     GUSH_OK);
    assert_int_equal(h->since->offset, 1); /* merged */
    assert_string_equal(h->since->epoch, "x");
    assert_int_equal(decode(DESCRIPTOR(broadcast_request),
                            GUSH_SPAN_LIT("{\"channels\":[\"a\"],\"channels\":[\"b\",\"c\"]}"), &b),
                     GUSH_OK);
    assert_int_equal(b->n_channels, 2);
    assert_string_equal(b->channels[0], "b");
}

static void numbers_to_their_edges(void **state)
{
    API(HistoryRequest) * h;
    API(RefreshRequest) * r;

    (void)state;
    assert_int_equal(
        decode(DESCRIPTOR(history_request), GUSH_SPAN_LIT("{\"limit\":-2147483648}"), &h), GUSH_OK);
    assert_int_equal(h->limit, INT32_MIN);
    assert_int_equal(
        decode(DESCRIPTOR(history_request), GUSH_SPAN_LIT("{\"limit\":2147483647}"), &h), GUSH_OK);
    assert_int_equal(h->limit, INT32_MAX);
    assert_int_equal(decode(DESCRIPTOR(refresh_request),
                            GUSH_SPAN_LIT("{\"expire_at\":-9223372036854775808}"), &r),
                     GUSH_OK);
    assert_true(r->expire_at == INT64_MIN);
}

static void nested_messages(void **state)
{
    API(SubscribeRequest) * s;
    API(RefreshRequest) * r;

    (void)state;
    assert_int_equal(
        decode(DESCRIPTOR(subscribe_request),
               GUSH_SPAN_LIT("{\"override\":{\"presence\":{\"value\":true},\"join_leave\":{},"
                             "\"force_recovery\":null},\"recover_since\":{\"offset\":7}}"),
               &s),
        GUSH_OK);
    assert_true(s->override->presence->value);
    assert_false(s->override->join_leave->value);
    assert_null(s->override->force_recovery);
    assert_int_equal(s->recover_since->offset, 7);
    assert_int_equal(decode(DESCRIPTOR(refresh_request),
                            GUSH_SPAN_LIT("{\"label_filter\":{\"op\":\"and\",\"nodes\":[{\"vals\":"
                                          "[\"a\",\"b\"]},null]}}"),
                            &r),
                     GUSH_OK);
    assert_int_equal(r->label_filter->n_nodes, 2);
    assert_int_equal(r->label_filter->nodes[0]->n_vals, 2);
    assert_null(r->label_filter->nodes[1]);
}

static void a_large_payload(void **state)
{
    enum { N = 10 << 20 };
    struct gush_buf text = text_of("{\"data\":\"", "x", N, "", "\"}");
    API(PublishRequest) * p;

    (void)state;
    assert_int_equal(decode(DESCRIPTOR(publish_request), gush_buf_span(&text), &p), GUSH_OK);
    assert_int_equal(p->data.len, N + 2);
    assert_memory_equal(p->data.data, text.p + 8, N + 2);
    gush_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_no_json_is_refused, teardown),
        cmocka_unit_test_teardown(other_types_are_refused, teardown),
        cmocka_unit_test_teardown(a_request_cut_anywhere_is_refused, teardown),
        cmocka_unit_test_teardown(nesting_is_bounded, teardown),
        cmocka_unit_test_teardown(members_and_memory_are_bounded, teardown),
        cmocka_unit_test_teardown(null_is_an_empty_request, teardown),
        cmocka_unit_test_teardown(every_kind_of_member, teardown),
        cmocka_unit_test_teardown(null_leaves_what_is_there, teardown),
        cmocka_unit_test_teardown(names_in_any_case_and_the_last_counts, teardown),
        cmocka_unit_test_teardown(numbers_to_their_edges, teardown),
        cmocka_unit_test_teardown(nested_messages, teardown),
        cmocka_unit_test_teardown(a_large_payload, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
