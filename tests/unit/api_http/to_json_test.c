#include "api/http/to_json.h"
#include "tests/unit/api_http/unit.h"

#define INIT(name, message) centrifugal__centrifugo__api__##name##__init(message)

/* A string field; the library never writes through it. */
static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static ProtobufCBinaryData bytes(const char *s)
{
    return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

static void expect(const void *message, const char *json)
{
    struct gush_buf out;

    gush_buf_init(&out, 1 << 20);
    assert_int_equal(gush_to_json(message, &out), GUSH_OK);
    gush_buf_put_u8(&out, '\0');
    assert_string_equal((const char *)out.p, json);
    gush_buf_fini(&out);
}

/* |data| as a payload becomes |json|; NULL: it is refused. */
static void expect_payload(const char *data, const char *json)
{
    API(RPCResult) r;
    struct gush_buf out;
    char whole[500];

    INIT(rpcresult, &r);
    r.data = bytes(data);
    if (json) {
        snprintf(whole, sizeof(whole), "{\"data\":%s}", json);
        expect(&r, whole);
        return;
    }
    gush_buf_init(&out, 1000);
    assert_int_equal(gush_to_json(&r.base, &out), GUSH_ESYNTAX);
    gush_buf_fini(&out);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void a_payload_that_is_no_json_is_refused(void **state)
{
    static const char *const cases[] = {" ",    "{",        "nul",      "1 2",
                                        "\xff", "\"\xff\"", "{\"a\":}", "'a'"};
    API(Publication) publication, *list[] = {&publication};
    API(HistoryResult) h;
    struct gush_buf out;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_payload(cases[i], NULL);
    INIT(publication, &publication);
    INIT(history_result, &h);
    publication.data = bytes("no json");
    h.publications = list;
    h.n_publications = 1;
    gush_buf_init(&out, 1000);
    assert_int_equal(gush_to_json(&h.base, &out), GUSH_ESYNTAX); /* however deep it is */
    gush_buf_fini(&out);
}

static void what_does_not_fit_is_refused(void **state)
{
    API(PublishResult) p;
    struct gush_buf out;

    (void)state;
    INIT(publish_result, &p);
    p.offset = 7;
    p.epoch = text("abc"); /* {"offset":7,"epoch":"abc"} */
    for (size_t limit = 0; limit < 26; limit++) {
        gush_buf_init(&out, limit);
        assert_int_equal(gush_to_json(&p.base, &out), GUSH_ELIMIT);
        gush_buf_fini(&out);
    }
    gush_buf_init(&out, 26);
    assert_int_equal(gush_to_json(&p.base, &out), GUSH_OK);
    gush_buf_fini(&out);
}

/* ---- what is left out ------------------------------------------------------------------------ */

static void zero_is_left_out_but_for_some(void **state) /* spec: server API 1.5 */
{
    API(PublishResult) publish;
    API(PresenceResult) presence;
    API(PresenceStatsResult) stats;
    API(HistoryResult) history;
    API(ChannelsResult) channels;
    API(NodeResult) node;
    API(ClientInfo) info;
    API(Error) error;

    (void)state;
    INIT(publish_result, &publish);
    expect(&publish, "{}");
    INIT(presence_result, &presence);
    expect(&presence, "{\"presence\":{}}");
    INIT(presence_stats_result, &stats);
    expect(&stats, "{\"num_clients\":0,\"num_users\":0}");
    INIT(history_result, &history);
    expect(&history, "{\"publications\":[],\"epoch\":\"\",\"offset\":0}");
    INIT(channels_result, &channels);
    expect(&channels, "{\"channels\":{}}");
    INIT(node_result, &node);
    expect(&node, "{\"uid\":\"\",\"name\":\"\",\"version\":\"\",\"num_clients\":0,\"num_users\":0,"
                  "\"num_channels\":0,\"num_subs\":0}");
    INIT(client_info, &info);
    expect(&info, "{\"user\":\"\",\"client\":\"\"}");
    INIT(error, &error);
    expect(&error, "{}");
}

static void what_is_there_in_the_order_of_the_schema(void **state)
{
    API(Reply) reply;
    API(BatchResponse) batch;
    API(PublishResponse) publish;
    API(PublishResult) result;
    API(Error) error;
    API(Reply) * replies[] = {&reply};

    (void)state;
    INIT(reply, &reply);
    INIT(batch_response, &batch);
    INIT(publish_response, &publish);
    INIT(publish_result, &result);
    INIT(error, &error);
    expect(&batch, "{}");
    batch.replies = replies;
    batch.n_replies = 1;
    expect(&batch, "{\"replies\":[{}]}");
    reply.publish = &result; /* empty, and there */
    expect(&batch, "{\"replies\":[{\"publish\":{}}]}");
    result.epoch = text("e");
    result.offset = UINT64_MAX;
    publish.result = &result;
    expect(&publish, "{\"result\":{\"offset\":18446744073709551615,\"epoch\":\"e\"}}");
    error.code = 107;
    error.message = text("bad request");
    publish.result = NULL;
    publish.error = &error;
    expect(&publish, "{\"error\":{\"code\":107,\"message\":\"bad request\"}}");
}

static void maps_are_sorted(void **state)
{
    API(Publication__TagsEntry) tags[4], *all[] = {&tags[0], &tags[1], &tags[2], &tags[3]};
    static const char *const keys[] = {"b", "\xc3\xa9", "", "a<"};
    API(Publication) p;

    (void)state;
    INIT(publication, &p);
    for (size_t i = 0; i < 4; i++) {
        INIT(publication__tags_entry, &tags[i]);
        tags[i].key = text(keys[i]);
        tags[i].value = text("v");
    }
    p.tags = all;
    p.n_tags = 4;
    p.data = bytes("1");
    p.offset = 3;
    expect(&p, "{\"data\":1,\"offset\":3,\"tags\":{\"\":\"v\",\"a\\u003c\":\"v\",\"b\":\"v\","
               "\"\xc3\xa9\":\"v\"}}");
}

/* ---- strings, payloads, numbers -------------------------------------------------------------- */

static void strings_are_escaped(void **state)
{
    API(PublishResult) p;

    (void)state;
    INIT(publish_result, &p);
    p.epoch = text("x\b\f\n\r\t\x01\x7f\"\\/<>&\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xc3\xa9\xff y");
    expect(&p, "{\"epoch\":\"x\\b\\f\\n\\r\\t\\u0001\x7f\\\"\\\\/\\u003c\\u003e\\u0026\xe2\x80\xa7"
               "\\u2028\\u2029\xc3\xa9\\ufffd y\"}");
}

static void payloads_are_compact(void **state) /* spec: server API 1.4 */
{
    (void)state;
    expect_payload(" { \"a b\" : [ 1 , 2 ] ,\n\t\"c\" : { } }\r", "{\"a b\":[1,2],\"c\":{}}");
    expect_payload("1.0e2", "1.0e2");
    expect_payload(" 12345678901234567890123 ", "12345678901234567890123");
    expect_payload("null", "null");
    expect_payload("\"  a \\\" b \\\\\"", "\"  a \\\" b \\\\\"");
    expect_payload("[ \"\\\\\" , \"\\\"\" ]", "[\"\\\\\",\"\\\"\"]");
    expect_payload("\"<>&\xe2\x80\xa8\xe2\x80\xa9\xc3\xa9\"",
                   "\"\\u003c\\u003e\\u0026\\u2028\\u2029\xc3\xa9\"");
    expect_payload("{\"<\":\"\\u003c\\/\"}", "{\"\\u003c\":\"\\u003c\\/\"}");
}

static void doubles_are_short(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{1, "1"},
                 {60, "60"},
                 {-2.5, "-2.5"},
                 {0.1, "0.1"},
                 {0.000133849, "0.000133849"},
                 {1e-6, "0.000001"},
                 {1.5e-7, "1.5e-7"},
                 {2e-10, "2e-10"},
                 {100, "100"},
                 {123456789, "123456789"},
                 {1e20, "100000000000000000000"},
                 {1e21, "1e+21"},
                 {1.25e22, "1.25e+22"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {5e-324, "5e-324"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"}};
    API(Metrics) m;
    API(Metrics__ItemsEntry) zero, *items[] = {&zero};
    char whole[100];

    (void)state;
    INIT(metrics, &m);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        m.interval = cases[i].value;
        snprintf(whole, sizeof(whole), "{\"interval\":%s}", cases[i].text);
        expect(&m, whole);
    }
    INIT(metrics__items_entry, &zero);
    zero.key = text("k");
    m.interval = 0;
    m.items = items;
    m.n_items = 1;
    expect(&m, "{\"items\":{\"k\":0}}"); /* values of maps are always there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_that_is_no_json_is_refused),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(zero_is_left_out_but_for_some),
        cmocka_unit_test(what_is_there_in_the_order_of_the_schema),
        cmocka_unit_test(maps_are_sorted),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(payloads_are_compact),
        cmocka_unit_test(doubles_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
