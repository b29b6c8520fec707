/* Connecting: credentials, which channels, what the connect push says. Recovery is in
 * client_recover_test.c. */
#include "tests/unit/auth/mint.h"
#include "tests/unit/engine/harness.h"

#define NS(name, options)                                                                          \
    "{\"name\":\"" name "\",\"allow_subscribe_for_client\":true,"                                  \
    "\"allow_subscribe_for_anonymous\":true" options "}"
#define HISTORY ",\"history_size\":50,\"history_ttl\":\"50s\""

/* |client| are more members of the section: "" or ",...". */
#define CONFIG(client)                                                                             \
    "{\"client\":{\"insecure_skip_token_signature_verify\":true" client "},"                       \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":"                             \
    "{\"allow_subscribe_for_client\":true},"                                                       \
    "\"namespaces\":[" NS("open", "") "," NS("hh", HISTORY ",\"force_recovery\":true") "," NS(     \
        "all", HISTORY                                                                             \
        ",\"presence\":true,\"join_leave\":true,\"force_push_join_leave\":true,"                   \
        "\"force_recovery\":true") "," NS("none", HISTORY) ",{\"name\":\"closed\"},"               \
                                                           "{\"name\":\"lim\",\"allow_user_"       \
                                                           "limited_channels\":true}]}}"
#define ANONYMOUS ",\"allow_anonymous_connect_without_token\":true"

static struct peer *with_token(struct world *w, const char *claims, const char *members)
{
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    peer_connect_token(p, claims, members);
    return p;
}

/* ---- credentials ----------------------------------------------------------------------------- */

static void nobody_comes_in_without_credentials(void **state) /* spec: client protocol 6 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_new(w, "{}");

    expect_closed(p, 3501);
    assert_int_equal(live(w).users, 0);
}

static void anonymous_comes_in_where_allowed(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS));
    struct peer *p = peer_new(w, "{}");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"session\":\"~\"}}");
    expect_open(p);
    assert_int_equal(live(w).users, 1);
}

static void insecure_lets_anybody_in_but_not_with_a_bad_token(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"insecure\":true"));
    struct peer *p = peer_new(w, "{\"subs\":{\"closed:a\":{},\"$a\":{}}}");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"closed:a\":{}},"
              "\"session\":\"~\"}}");
    p = peer_new(w, "{\"token\":\"bad\"}");
    expect_closed(p, 3500);
    /* Its expiry is not looked at. */
    p = with_token(w, "{\"expire_at\":1}", "");
    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"session\":\"~\"}}");
}

static void bad_tokens_have_their_codes(void **state) /* spec: client protocol 6, 17; T 1 */
{
    static const struct {
        const char *claims;
        uint32_t code;
    } cases[] = {
        {"", 3500},
        {"{", 3500},
        {"{\"sub\":1}", 3500},
        {"{\"channel\":\"a\"}", 3500},
        {"{\"subs\":{\"open:a\":{\"override\":{\"presence\":true}}}}", 3500},
        {"{\"subs\":{\"\":{}}}", 3500},
        {"{\"exp\":1600000000}", 3005},           /* 109 */
        {"{\"exp\":\"1600000000\"}", 3005},       /* 109 */
        {"{\"nbf\":1800000000}", 3005},           /* 109 */
        {"{\"expire_at\":1600000000}", 3005},     /* 110 */
        {"{\"expire_at\":1699999999}", 3005},     /* 110 */
        {"{\"b64info\":\"***\"}", 3004},          /* 100 */
        {"{\"subs\":{\"nowhere:a\":{}}}", 3004},  /* 102 */
        {"{\"channels\":[\"nowhere:a\"]}", 3004}, /* 102 */
        {"{\"channels\":[\"open:a\",\"$nowhere:a\"]}", 3004},
    };
    struct world *w = world_new(state, CONFIG(ANONYMOUS));

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer *p = with_token(w, cases[i].claims, "");
        if (p->close_code != cases[i].code)
            fail_msg("%u for %s", p->close_code, cases[i].claims);
        expect_closed(p, cases[i].code);
        assert_int_equal(live(w).channels, 0);
        assert_int_equal(live(w).users, 0);
    }
}

static void error_codes_can_be_told_otherwise(void **state)
{
    struct world *w = world_new(
        state,
        CONFIG(",\"connect_code_to_unidirectional_disconnect\":{\"enabled\":true,"
               "\"transforms\":[{\"code\":102,\"to\":{\"code\":4904,\"reason\":\"nowhere\"}},"
               "{\"code\":109,\"to\":{\"code\":4109,\"reason\":\"old\"}}]}"));
    struct peer *p = with_token(w, "{\"channels\":[\"nowhere:a\"]}", "");

    expect(p, "{\"disconnect\":{\"code\":4904,\"reason\":\"nowhere\"}}");
    assert_int_equal(p->close_code, 4904);
    assert_string_equal(p->close_reason, "nowhere");
    p = with_token(w, "{\"exp\":1}", "");
    expect(p, "{\"disconnect\":{\"code\":4109,\"reason\":\"old\"}}");
    p = with_token(w, "{\"expire_at\":1}", ""); /* 110 is not in the list */
    expect_closed(p, 3005);
    p = with_token(w, "{\"channel\":\"a\"}", ""); /* a disconnect of its own */
    expect_closed(p, 3500);
}

static void the_list_of_codes_counts_only_when_enabled(void **state)
{
    struct world *w = world_new(
        state, CONFIG(",\"connect_code_to_unidirectional_disconnect\":{\"enabled\":false,"
                      "\"transforms\":[{\"code\":102,\"to\":{\"code\":4904,\"reason\":\"x\"}}]}"));

    expect_closed(with_token(w, "{\"channels\":[\"nowhere:a\"]}", ""), 3004);
}

static void tokens_of_nobody_may_be_refused(void **state)
{
    struct world *w =
        world_new(state, CONFIG(ANONYMOUS ",\"disallow_anonymous_connection_tokens\":true"));
    struct peer *p = with_token(w, "{}", "");

    expect_closed(p, 3507);
    expect_connected(with_token(w, "{\"sub\":\"u\"}", ""));
    expect_connected(peer_new(w, "{}"));
}

static void signatures_count(void **state)
{
    struct world *w = world_new(state, "{\"client\":{\"token\":{\"hmac_secret_key\":\"secret\"}},"
                                       "\"channel\":{\"history_meta_ttl\":\"60s\"}}");
    static const char *const keys[] = {"secret", "Secret"};

    for (size_t i = 0; i < 2; i++) {
        struct gush_buf token, request;
        struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

        mint(&token, "{\"alg\":\"HS256\"}", EVP_sha256(), keys[i], "{\"sub\":\"u\"}");
        gush_buf_init(&request, 4096);
        gush_buf_printf(&request, "{\"token\":\"%.*s\"}", (int)token.n, (const char *)token.p);
        gush_buf_put_u8(&request, 0);
        peer_connect(p, (const char *)request.p);
        gush_buf_fini(&token);
        gush_buf_fini(&request);
        if (i == 0)
            expect_connected(p);
        else
            expect_closed(p, 3500);
    }
}

static void only_once(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS));
    struct peer *p = peer_new(w, "{}");

    expect_connected(p);
    peer_connect(p, "{}");
    expect_closed(p, 3501);
}

static void a_second_request_while_ending_is_ignored(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
    struct gush_connect_request request = {.token = GUSH_SPAN_LIT("bad")};

    gush_client_connect(p->client, &request);
    gush_client_connect(p->client, &(struct gush_connect_request){0});
    settle(w);
    expect_closed(p, 3500);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void the_newest_connection_of_a_user_loses(void **state) /* spec: client protocol 16 */
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS ",\"user_connection_limit\":2"));
    struct peer *a = with_token(w, "{\"sub\":\"u\"}", "");
    struct peer *b = with_token(w, "{\"sub\":\"u\"}", "");
    struct peer *c = with_token(w, "{\"sub\":\"u\"}", ",\"subs\":{\"open:a\":{}}");

    expect_connected(a);
    expect_connected(b);
    expect_closed(c, 3504);
    expect_connected(with_token(w, "{\"sub\":\"v\"}", ""));
    for (int i = 0; i < 3; i++)
        expect_connected(peer_new(w, "{}")); /* not of anonymous ones */
    peer_gone(a);
    expect_connected(with_token(w, "{\"sub\":\"u\"}", ""));
    expect_closed(with_token(w, "{\"sub\":\"u\"}", ""), 3504);
}

static void a_connection_that_ends_still_counts_until_it_is_gone(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"user_connection_limit\":1"));
    struct peer *a = with_token(w, "{\"sub\":\"u\"}", "");

    expect_connected(a);
    a->stays = true;
    gush_client_disconnect(a->client, 3503, NULL);
    settle(w);
    expect_closed(with_token(w, "{\"sub\":\"u\"}", ""), 3504);
    peer_gone(a);
    expect_connected(with_token(w, "{\"sub\":\"u\"}", ""));
}

static void too_many_channels_end_the_connection(void **state) /* spec: client protocol 6, 16 */
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS ",\"channel_limit\":2"));
    struct peer *p = with_token(w, "{\"channels\":[\"a\",\"b\",\"c\"]}", "");

    expect_closed(p, 3505);
    assert_int_equal(live(w).channels, 0);
    expect_closed(peer_new(w, "{\"subs\":{\"open:a\":{},\"open:b\":{},\"open:c\":{}}}"), 3505);
    expect_closed(
        with_token(w, "{\"channels\":[\"open:a\",\"open:b\"]}", ",\"subs\":{\"open:c\":{}}"), 3505);
    /* Just as many, one of them named twice, and one that is not granted. */
    p = with_token(w, "{\"channels\":[\"open:a\",\"open:b\"]}",
                   ",\"subs\":{\"open:a\":{},\"closed:c\":{}}");
    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\","
              "\"subs\":{\"open:a\":{},\"open:b\":{}},\"session\":\"~\"}}");
    assert_int_equal(live(w).channels, 2);
}

static size_t lines_in(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n = 0;

    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;)
        n += c == '\n';
    (void)fclose(f);
    return n;
}

static void very_many_wishes_cost_little(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS));
    char log[] = "/tmp/gush-engine-XXXXXX";
    struct gush_buf b;
    int fd = mkstemp(log);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(gush_log_open(GUSH_LOG_INFO, log), GUSH_OK);

    gush_buf_init(&b, 1 << 20);
    gush_buf_put_str(&b, "{\"subs\":{");
    for (int i = 0; i < 15000; i++)
        gush_buf_printf(&b, "%s\"%s:%d\":{}", i ? "," : "", i < 14900 ? "closed" : "open", i);
    gush_buf_put_str(&b, "}}");
    gush_buf_put_u8(&b, 0);
    struct peer *p = peer_new(w, (const char *)b.p);
    gush_buf_fini(&b);
    gush_log_close();
    assert_int_equal(lines_in(log), 1);
    unlink(log);
    expect_connected(p);
    assert_int_equal(live(w).channels, 100);
    assert_int_equal(live(w).subscriptions, 100);
}

/* ---- which channels -------------------------------------------------------------------------- */

static void unknown_channels_in_a_request_end_it(void **state) /* spec: channels 8 */
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS));

    expect_closed(peer_new(w, "{\"subs\":{\"nowhere:a\":{}}}"), 3501);
    expect_closed(peer_new(w, "{\"subs\":{\"open:a\":{},\"nowhere:a\":{}}}"), 3501);
    expect_closed(peer_new(w, "{\"subs\":{\"$nowhere:a\":{}}}"), 3501);
    expect_closed(peer_new(w, "{\"subs\":{\"\":{}}}"), 3501);
    assert_int_equal(live(w).channels, 0);
}

static void what_is_not_granted_is_skipped(void **state) /* spec: client protocol 14 */
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS));
    struct peer *p = peer_new(w, "{\"subs\":{\"closed:a\":{},\"$open:a\":{},\"lim:a#1\":{},"
                                 "\"lim:#\":{},\"a\":{},\"open:\\u00e4\":{},\"open:b\":{}}}");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\","
              "\"subs\":{\"open:b\":{}},\"session\":\"~\"}}");
    assert_int_equal(live(w).channels, 1);
    p = with_token(w, "{\"sub\":\"1\"}", ",\"subs\":{\"lim:a#1\":{},\"lim:a#2\":{},\"a\":{}}");
    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\","
              "\"subs\":{\"a\":{},\"lim:a#1\":{}},\"session\":\"~\"}}");
}

static void tokens_grant_what_requests_cannot(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = with_token(w,
                                "{\"sub\":\"u\",\"channels\":[\"ignored\"],\"subs\":{"
                                "\"closed:a\":{\"data\":{\"d\": 1}},\"$x\":{},\"\\u00e4\":{}}}",
                                "");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{"
              "\"$x\":{},\"closed:a\":{\"data\":{\"d\": 1}},\"\xc3\xa4\":{}},\"session\":\"~\"}}");
    publish(w, "closed:a", "1");
    expect(p, "{\"channel\":\"closed:a\",\"pub\":{\"data\":1}}");
}

static void tokens_may_say_otherwise_than_the_namespace(void **state) /* spec: authentication 2 */
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = with_token(
        w,
        "{\"sub\":\"u\",\"subs\":{\"all:a\":{\"override\":{\"force_recovery\":{\"value\":false},"
        "\"presence\":{\"value\":false},\"join_leave\":{\"value\":false},"
        "\"force_push_join_leave\":{\"value\":false}}},"
        "\"all:b\":{\"override\":{\"force_recovery\":{\"value\":false},"
        "\"force_positioning\":{\"value\":true}}},"
        "\"none:c\":{\"override\":{\"force_recovery\":{\"value\":true}}}}}",
        "");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{"
              "\"all:a\":{},\"all:b\":{\"epoch\":\"~\",\"positioned\":true},"
              "\"none:c\":{\"recoverable\":true,\"epoch\":\"~\",\"positioned\":true}},"
              "\"session\":\"~\"}}");
    expect(p, "{\"channel\":\"all:b\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"~\"}}}");
    struct peer *other = with_token(w, "{\"sub\":\"v\"}", ",\"subs\":{\"all:a\":{}}");
    expect_connected(other);
    expect(other, "{\"channel\":\"all:a\",\"join\":{\"info\":{\"user\":\"v\",\"client\":\"~\"}}}");
    peer_gone(other);
    settle(w);
    expect_open(p); /* neither joins nor leaves of all:a */
}

static void the_token_s_options_hold_for_what_is_requested_too(void **state)
{ /* spec: channels 8, last lines */
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p;

    publish(w, "none:c", "1");
    struct gush_epoch e = epoch_of(w, "none:c");
    char members[128];
    (void)snprintf(members, sizeof(members),
                   ",\"subs\":{\"none:c\":{\"recover\":true,\"epoch\":\"%.8s\"}}", e.s);
    p = with_token(w,
                   "{\"sub\":\"u\",\"subs\":{\"none:c\":{\"override\":"
                   "{\"force_recovery\":{\"value\":true}}}}}",
                   members);
    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"none:c\":{"
              "\"recoverable\":true,\"epoch\":\"~\",\"publications\":[{\"data\":1,\"offset\":1}],"
              "\"recovered\":true,\"positioned\":true,\"was_recovering\":true}},"
              "\"session\":\"~\"}}");
}

/* ---- the personal channel -------------------------------------------------------------------- */

static void users_get_their_personal_channel(void **state) /* spec: client protocol 14 */
{
    struct world *w = world_new(
        state, CONFIG(ANONYMOUS ",\"subscribe_to_user_personal_channel\":{\"enabled\":true}"));
    struct peer *p = with_token(w, "{\"sub\":\"42\",\"channels\":[\"open:a\",\"#42\"]}", "");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\","
              "\"subs\":{\"#42\":{},\"open:a\":{}},\"session\":\"~\"}}");
    publish(w, "#42", "1");
    expect(p, "{\"channel\":\"#42\",\"pub\":{\"data\":1}}");
    expect(with_token(w, "{}", ""),
           "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"session\":\"~\"}}");
    expect(peer_new(w, "{}"),
           "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"session\":\"~\"}}");
}

static void personal_channels_may_have_a_namespace(void **state)
{
    struct world *w =
        world_new(state, CONFIG(",\"subscribe_to_user_personal_channel\":{\"enabled\":true,"
                                "\"personal_channel_namespace\":\"hh\"},\"channel_limit\":1"));
    struct peer *p = with_token(w, "{\"sub\":\"42\"}", "");

    expect(p, "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"hh:#42\":{"
              "\"recoverable\":true,\"epoch\":\"~\",\"positioned\":true}},\"session\":\"~\"}}");
    expect_closed(with_token(w, "{\"sub\":\"42\",\"channels\":[\"a\"]}", ""), 3505);
}

/* ---- what the connect push says -------------------------------------------------------------- */

static void the_expiry_is_told(void **state) /* spec: authentication 4 */
{
    static const struct {
        const char *claims, *says;
    } cases[] = {
        {"{\"exp\":1700000100}", "\"expires\":true,\"ttl\":100,"},
        {"{\"exp\":1700000100,\"expire_at\":1700000200}", "\"expires\":true,\"ttl\":200,"},
        {"{\"exp\":1700000100,\"expire_at\":0}", ""},
        {"{\"exp\":1700000100,\"expire_at\":-1}", ""},
        {"{\"expire_at\":1700000000}", "\"expires\":true,"},
        {"{\"exp\":9700000000}", "\"expires\":true,\"ttl\":31536000,"},
    };
    struct world *w = world_new(state, CONFIG(""));

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",%s"
                       "\"session\":\"~\"}}",
                       cases[i].says);
        expect(with_token(w, cases[i].claims, ""), text);
    }
}

static void the_time_is_told_where_wanted(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS ",\"connect_include_server_time\":true"));

    expect(peer_new(w, "{}"), "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\","
                              "\"session\":\"~\",\"time\":1700000000000}}");
}

/* The sample that was recorded from the reference: spec, client protocol 6, uni. */
#define RECORDED                                                                                   \
    "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"hh:1\":{"                \
    "\"recoverable\":true,\"epoch\":\"~\",\"offset\":29,\"positioned\":true}},\"ping\":3,"         \
    "\"session\":\"~\"}}"
#define PING_3S ",\"ping_interval\":\"3s\",\"pong_timeout\":\"1s\""

static struct peer *recorded(struct world *w, enum gush_form form)
{
    struct peer *p = peer_on(w, 0, form);

    for (int i = 0; i < 29; i++)
        publish(w, "hh:1", "{}");
    p->transport.ping_interval_ms = 0; /* the configured one */
    peer_connect(p, "{\"subs\":{\"hh:1\":{}}}");
    assert_int_equal(p->heard_n, 1);
    return p;
}

static void an_event_source_hears_the_recorded_bytes(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS PING_3S));

    expect(recorded(w, GUSH_FORM_SSE), "data: " RECORDED "\n\n");
}

static void a_chunked_event_source_hears_one_chunk(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS PING_3S));
    struct peer *p = recorded(w, GUSH_FORM_SSE_CHUNKED);
    const char *text = hear(p);
    char *end;
    size_t size = strtoul(text, &end, 16);

    assert_memory_equal(end, "\r\ndata: {\"connect\":", 19);
    assert_int_equal((size_t)(end - text) + 2 + size + 2, p->heard[0].n);
    assert_memory_equal(text + p->heard[0].n - 4, "\n\n\r\n", 4);
}

static void a_grpc_stream_hears_the_same_in_protobuf(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS PING_3S));
    struct peer *p = recorded(w, GUSH_FORM_GRPC);
    struct gush_epoch e = epoch_of(w, "hh:1");
    const uint8_t *at = p->heard[0].p;
    struct gush_buf b;

    gush_buf_init(&b, 4096);
    gush_buf_put(&b, "\x52\x73\x0a\x24", 4); /* connect: client */
    gush_buf_put_span(&b, gush_client_id(p->client));
    gush_buf_put_str(&b, "\x12\x09"
                         "0.0.0 OSS");
    gush_buf_put_str(&b, "\x22\x18\x0a\x04"
                         "hh:1\x12\x10"); /* subs */
    gush_buf_put_str(&b, "\x18\x01\x32\x08");
    gush_buf_put(&b, e.s, 8);
    gush_buf_put_str(&b, "\x48\x1d\x50\x01");
    gush_buf_put_str(&b, "\x38\x03\x4a\x24"); /* ping, session */
    assert_int_equal(p->heard[0].n, b.n + 36);
    assert_memory_equal(at, b.p, b.n);
    gush_buf_fini(&b);
}

static void a_bidirectional_peer_is_answered_with_a_reply(void **state)
{
    struct world *w = world_new(state, CONFIG(ANONYMOUS));
    struct peer *p = peer_on(w, 0, GUSH_FORM_REPLY_JSON);

    peer_connect(p, "{}");
    expect(p, "{\"id\":1,\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(nobody_comes_in_without_credentials),
        world_test(anonymous_comes_in_where_allowed),
        world_test(insecure_lets_anybody_in_but_not_with_a_bad_token),
        world_test(bad_tokens_have_their_codes),
        world_test(error_codes_can_be_told_otherwise),
        world_test(the_list_of_codes_counts_only_when_enabled),
        world_test(tokens_of_nobody_may_be_refused),
        world_test(signatures_count),
        world_test(only_once),
        world_test(a_second_request_while_ending_is_ignored),
        world_test(the_newest_connection_of_a_user_loses),
        world_test(a_connection_that_ends_still_counts_until_it_is_gone),
        world_test(too_many_channels_end_the_connection),
        world_test(very_many_wishes_cost_little),
        world_test(unknown_channels_in_a_request_end_it),
        world_test(what_is_not_granted_is_skipped),
        world_test(tokens_grant_what_requests_cannot),
        world_test(tokens_may_say_otherwise_than_the_namespace),
        world_test(the_token_s_options_hold_for_what_is_requested_too),
        world_test(users_get_their_personal_channel),
        world_test(personal_channels_may_have_a_namespace),
        world_test(the_expiry_is_told),
        world_test(the_time_is_told_where_wanted),
        world_test(an_event_source_hears_the_recorded_bytes),
        world_test(a_chunked_event_source_hears_one_chunk),
        world_test(a_grpc_stream_hears_the_same_in_protobuf),
        world_test(a_bidirectional_peer_is_answered_with_a_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
