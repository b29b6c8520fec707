/* Subscribe, Unsubscribe, Disconnect, Refresh, RPC: what of the request reaches the engine, seen by
 * clients who write down what they are told. */
#include "server/base/buf.h"

#include "tests/unit/api_core/fixture.h"

struct hearer {
    struct gush_client *client;
    char text[2000]; /* every push, each on its line */
    uint32_t code;
};

static gush_err hear(void *conn, const struct gush_frame *frames, size_t n)
{
    struct hearer *h = conn;
    size_t at = strlen(h->text);

    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(h->text + at, sizeof(h->text) - at, "%.*s\n",
                               (int)frames[i].bytes->n, (const char *)frames[i].bytes->data);
    assert_true(at < sizeof(h->text));
    return GUSH_OK;
}

static void closed(void *conn, uint32_t code, const char *reason)
{
    (void)reason;
    ((struct hearer *)conn)->code = code;
}

static const struct gush_transport transport = {.name = "test",
                                                .form = GUSH_FORM_PUSH_JSON,
                                                .burst_n = 8,
                                                .disconnect_push = true,
                                                .session = true,
                                                .send = hear,
                                                .close = closed};

/* Somebody without a user, connected; the connect push is copied to |connect|. */
static struct hearer *hearer_new(struct fixture *f, char *connect, size_t n)
{
    struct hearer *h = GUSH_NEW(struct hearer);

    h->client = gush_client_open(f->node, &f->lane, &transport, h);
    gush_client_connect(h->client, &(struct gush_connect_request){0});
    for (int i = 0; i < 5; i++)
        turn(f);
    assert_non_null(strstr(h->text, "\"connect\""));
    if (connect)
        snprintf(connect, n, "%s", h->text);
    h->text[0] = '\0';
    return h;
}

static void settle(struct fixture *f)
{
    for (int i = 0; i < 10; i++)
        turn(f);
}

static void hearer_free(struct fixture *f, struct hearer *h)
{
    gush_client_on_closed(h->client);
    settle(f);
    gush_free(h);
}

/* The lines of |h| since the last look. */
static void expect_heard(struct fixture *f, struct hearer *h, const char *text_)
{
    settle(f);
    assert_string_equal(h->text, text_);
    h->text[0] = '\0';
}

static API(SubscribeRequest) subscribe_request(const char *channel)
{
    API(SubscribeRequest) r;

    API_INIT(subscribe_request)(&r);
    r.channel = text(channel);
    return r;
}

static void channels_are_looked_at_before_payloads(void **state) /* spec: server API 3 */
{
    static const struct {
        const char *channel, *data, *info;
        uint32_t error;
    } cases[] = {{"", "", "", 107},     {"no:x", "", "", 102},  {"no:x", "!", "", 102},
                 {"", "!", "!", 107},   {"x", "!", "", 107},    {"x", "", "!", 107},
                 {"x", "e30", "", 107}, {"x", "", "e30=a", 107}};
    struct fixture *f = fixture_new();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        API(SubscribeRequest) r = subscribe_request(cases[i].channel);

        r.b64data = text(cases[i].data);
        r.b64info = text(cases[i].info);
        expect_error(f, "Subscribe", &r, cases[i].error);
    }
    fixture_free(f);
}

static void nobody_there_is_success(void **state)
{
    struct fixture *f = fixture_new();
    API(SubscribeRequest) s = subscribe_request("x");
    API(UnsubscribeRequest) u;
    API(DisconnectRequest) d;
    API(RefreshRequest) r;

    (void)state;
    API_INIT(unsubscribe_request)(&u);
    API_INIT(disconnect_request)(&d);
    API_INIT(refresh_request)(&r);
    s.expire_at = 1;
    assert_non_null(result_of(f, "Subscribe", &s));
    assert_non_null(result_of(f, "Unsubscribe", &u));
    assert_non_null(result_of(f, "Disconnect", &d));
    assert_non_null(result_of(f, "Refresh", &r));
    assert_int_equal(protobuf_c_message_get_packed_size(gush_methods_response(&f->run)), 2);
    fixture_free(f);
}

static void subscribe_hands_over_every_field(void **state)
{
    struct fixture *f = fixture_new();
    struct hearer *h = hearer_new(f, NULL, 0);
    API(SubscribeRequest) r = subscribe_request("who:x");
    API(SubscribeOptionOverride) o;
    API(BoolValue) yes, no;
    const char *info;

    (void)state;
    API_INIT(subscribe_option_override)(&o);
    API_INIT(bool_value)(&yes);
    API_INIT(bool_value)(&no);
    yes.value = true;
    o.join_leave = o.force_push_join_leave = &yes;
    r.override = &o;
    r.data = data_of("[1]");
    r.b64info = text("WzJd");
    r.info = data_of("[3]");
    r.expire_at = INT64_MAX;
    assert_non_null(result_of(f, "Subscribe", &r));
    settle(f);
    assert_non_null(strstr(h->text, "{\"channel\":\"who:x\",\"subscribe\":{\"data\":[1]}}\n"));
    info = strstr(h->text, "\"join\"");
    assert_non_null(info);
    assert_non_null(strstr(info, "\"chan_info\":[2]"));
    h->text[0] = '\0';
    r.channel = text("who:y");
    o.join_leave = &no;
    assert_non_null(result_of(f, "Subscribe", &r));
    expect_heard(f, h, "{\"channel\":\"who:y\",\"subscribe\":{\"data\":[1]}}\n");
    r.channel = text("x");
    r.expire_at = 1;
    expect_error(f, "Subscribe", &r, 100);
    hearer_free(f, h);
    fixture_free(f);
}

static void subscribe_tells_positions(void **state)
{
    struct fixture *f = fixture_new();
    struct hearer *h = hearer_new(f, NULL, 0);
    API(SubscribeRequest) r = subscribe_request("hist:x");
    API(SubscribeOptionOverride) o;
    API(StreamPosition) since;
    API(BoolValue) yes;
    char expected[200], epoch[40];

    (void)state;
    API_INIT(subscribe_option_override)(&o);
    API_INIT(stream_position)(&since);
    API_INIT(bool_value)(&yes);
    yes.value = true;
    o.force_recovery = &yes;
    for (int i = 0; i < 3; i++)
        publish(f, "hist:x", "1");
    snprintf(epoch, sizeof(epoch), "%s", history(f, "hist:x", 0)->epoch);
    since.offset = 2;
    since.epoch = epoch;
    r.override = &o;
    r.recover_since = &since;
    assert_non_null(result_of(f, "Subscribe", &r));
    snprintf(expected, sizeof(expected),
             "{\"channel\":\"hist:x\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"%s\","
             "\"offset\":2,\"positioned\":true}}\n",
             epoch);
    expect_heard(f, h, expected);
    hearer_free(f, h);
    fixture_free(f);
}

static void who_is_meant(void **state)
{
    struct fixture *f = fixture_new();
    char connect[1000], id[37], session[37];
    struct hearer *h = hearer_new(f, connect, sizeof(connect));
    API(SubscribeRequest) s = subscribe_request("x");
    API(UnsubscribeRequest) u;
    API(RefreshRequest) r;
    API(DisconnectRequest) d;

    (void)state;
    API_INIT(unsubscribe_request)(&u);
    API_INIT(refresh_request)(&r);
    API_INIT(disconnect_request)(&d);
    u.channel = text("x");
    snprintf(id, sizeof(id), "%s", strstr(connect, "\"client\":\"") + 10);
    snprintf(session, sizeof(session), "%s", strstr(connect, "\"session\":\"") + 11);
    for (int wrong = 0; wrong < 3; wrong++) { /* user, client, session: each must fit */
        s.user = u.user = r.user = d.user = text(wrong == 0 ? "somebody" : "");
        s.client = u.client = r.client = d.client = wrong == 1 ? session : id;
        s.session = u.session = r.session = d.session = wrong == 2 ? id : session;
        assert_non_null(result_of(f, "Subscribe", &s));
        assert_non_null(result_of(f, "Unsubscribe", &u));
        assert_non_null(result_of(f, "Refresh", &r));
        assert_non_null(result_of(f, "Disconnect", &d));
        expect_heard(f, h, "");
    }
    s.session = u.session = r.session = d.session = session;
    assert_non_null(result_of(f, "Subscribe", &s));
    assert_non_null(result_of(f, "Unsubscribe", &u));
    assert_non_null(result_of(f, "Refresh", &r));
    assert_non_null(result_of(f, "Disconnect", &d));
    expect_heard(f, h,
                 "{\"channel\":\"x\",\"subscribe\":{}}\n"
                 "{\"channel\":\"x\",\"unsubscribe\":{\"code\":2000,"
                 "\"reason\":\"server unsubscribe\"}}\n"
                 "{\"refresh\":{}}\n"
                 "{\"disconnect\":{\"code\":3503,\"reason\":\"force disconnect\"}}\n");
    assert_int_equal(h->code, 3503);
    hearer_free(f, h);
    fixture_free(f);
}

static void unsubscribe_looks_at_the_namespace_only(void **state)
{
    struct fixture *f = fixture_new();
    struct hearer *h = hearer_new(f, NULL, 0);
    API(UnsubscribeRequest) u;

    (void)state;
    API_INIT(unsubscribe_request)(&u);
    u.channel = text("no:x");
    expect_error(f, "Unsubscribe", &u, 102);
    u.channel = text("");
    assert_non_null(result_of(f, "Unsubscribe", &u));
    expect_heard(f, h, "{\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}}\n");
    hearer_free(f, h);
    fixture_free(f);
}

static void disconnect_says_what_is_given(void **state)
{
    static const struct {
        uint32_t code;
        const char *reason, *heard;
    } cases[] = {{5, "five", "{\"disconnect\":{\"code\":5,\"reason\":\"five\"}}\n"},
                 {UINT32_MAX, "", "{\"disconnect\":{\"code\":4294967295}}\n"},
                 {0, "zero", "{\"disconnect\":{\"reason\":\"zero\"}}\n"}};
    struct fixture *f = fixture_new();

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct hearer *h = hearer_new(f, NULL, 0);
        API(DisconnectRequest) d;
        API(Disconnect) how;

        API_INIT(disconnect_request)(&d);
        API_INIT(disconnect)(&how);
        how.code = cases[i].code;
        how.reason = text(cases[i].reason);
        d.disconnect = &how;
        assert_non_null(result_of(f, "Disconnect", &d));
        expect_heard(f, h, cases[i].heard);
        assert_true(h->code == cases[i].code);
        hearer_free(f, h);
    }
    fixture_free(f);
}

static void a_whitelist_in_any_order_spares(void **state)
{
    enum { N = 9 };
    struct fixture *f = fixture_new();
    struct hearer *h[N];
    char ids[N][37], *list[N + 2];
    API(DisconnectRequest) d;
    size_t n = 0;

    (void)state;
    API_INIT(disconnect_request)(&d);
    for (size_t i = 0; i < N; i++) {
        char connect[1000];

        h[i] = hearer_new(f, connect, sizeof(connect));
        snprintf(ids[i], sizeof(ids[i]), "%s", strstr(connect, "\"client\":\"") + 10);
    }
    list[n++] = text("zzz");
    for (size_t i = N; i-- > 0;)
        if (i % 2)
            list[n++] = ids[i];
    list[n++] = text("");
    d.whitelist = list;
    d.n_whitelist = n;
    assert_non_null(result_of(f, "Disconnect", &d));
    settle(f);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(h[i]->code, i % 2 ? 0 : 3503);
        hearer_free(f, h[i]);
    }
    fixture_free(f);
}

static void refresh_hands_over_every_field(void **state)
{
    struct fixture *f = fixture_new();
    struct hearer *h = hearer_new(f, NULL, 0);
    API(SubscribeRequest) s = subscribe_request("who:x");
    API(PresenceRequest) p;
    API(RefreshRequest) r;
    const API(PresenceResult) * present;

    (void)state;
    API_INIT(refresh_request)(&r);
    API_INIT(presence_request)(&p);
    r.expire_at = 1700000100;
    r.info = data_of("[7]");
    assert_non_null(result_of(f, "Refresh", &r));
    expect_heard(f, h, "{\"refresh\":{\"expires\":true,\"ttl\":100}}\n");
    assert_non_null(result_of(f, "Subscribe", &s));
    p.channel = text("who:x");
    present = result_of(f, "Presence", &p);
    assert_int_equal(present->n_presence, 1);
    assert_int_equal(present->presence[0]->value->conn_info.len, 3);
    assert_memory_equal(present->presence[0]->value->conn_info.data, "[7]", 3);
    h->text[0] = '\0';
    r.expired = true;
    assert_non_null(result_of(f, "Refresh", &r));
    expect_heard(f, h, "{\"disconnect\":{\"code\":3005,\"reason\":\"connection expired\"}}\n");
    hearer_free(f, h);
    fixture_free(f);
}

static void rpc_knows_no_method(void **state)
{
    struct fixture *f = fixture_new();
    API(RPCRequest) r;

    (void)state;
    centrifugal__centrifugo__api__rpcrequest__init(&r);
    expect_error(f, "RPC", &r, 107);
    r.params = data_of("{}");
    expect_error(f, "RPC", &r, 107);
    r.method = text("x");
    expect_error(f, "RPC", &r, 104);
    fixture_free(f);
}

static void a_lane_that_closes_loses_the_call_once(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        struct fixture *f = fixture_new();
        API(SubscribeRequest) s = subscribe_request("x");

        if (before)
            gush_lane_close(&f->lane);
        begin(f, "Subscribe", &s);
        if (!before) {
            assert_int_equal(f->done_n, 0);
            gush_lane_close(&f->lane);
        }
        assert_int_equal(f->done_n, 1);
        assert_true(f->run.lost);
        fixture_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_are_looked_at_before_payloads),
        cmocka_unit_test(nobody_there_is_success),
        cmocka_unit_test(subscribe_hands_over_every_field),
        cmocka_unit_test(subscribe_tells_positions),
        cmocka_unit_test(who_is_meant),
        cmocka_unit_test(unsubscribe_looks_at_the_namespace_only),
        cmocka_unit_test(disconnect_says_what_is_given),
        cmocka_unit_test(a_whitelist_in_any_order_spares),
        cmocka_unit_test(refresh_hands_over_every_field),
        cmocka_unit_test(rpc_knows_no_method),
        cmocka_unit_test(a_lane_that_closes_loses_the_call_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
