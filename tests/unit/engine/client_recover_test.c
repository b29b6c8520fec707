/* Positions: what somebody who comes back is told, and that live pushes follow without a seam.
 * spec: client protocol 10, 11 */
#include "tests/unit/engine/harness.h"

#define NS(name, options)                                                                          \
    "{\"name\":\"" name "\",\"allow_subscribe_for_client\":true,"                                  \
    "\"allow_subscribe_for_anonymous\":true,\"history_size\":3,\"history_ttl\":\"20s\"" options    \
    "}"

#define CONFIG(client)                                                                             \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true" client "},"                      \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":"                             \
    "{\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                \
    "\"namespaces\":[" NS("rec", ",\"force_recovery\":true") "," NS(                               \
        "cache", ",\"force_recovery\":true,\"force_recovery_mode\":"                               \
                 "\"cache\"") "," NS("pos", ",\"force_positioning\":"                              \
                                            "true") "," NS("hist", "") "]}}"

/* Publishes 1 .. n. */
static void publish_n(struct world *w, const char *channel, unsigned n)
{
    for (unsigned i = 1; i <= n; i++) {
        char data[16];
        (void)snprintf(data, sizeof(data), "%u", i);
        publish(w, channel, data);
    }
}

/* Somebody who left off at |offset| of |epoch|. */
static struct peer *comes_back(struct world *w, const char *channel, unsigned offset,
                               const char *epoch)
{
    char json[256];

    (void)snprintf(json, sizeof(json),
                   "{\"subs\":{\"%s\":{\"recover\":true,\"offset\":%u,\"epoch\":\"%s\"}}}", channel,
                   offset, epoch);
    return peer_new(w, json);
}

/* The result of |channel| in the connect push is |result|. */
static void expect_result(struct peer *p, const char *channel, const char *result)
{
    char text[512];

    (void)snprintf(
        text, sizeof(text),
        "{\"connect\":{\"client\":\"~\",\"version\":\"0.0.0 OSS\",\"subs\":{\"%s\":{%s}},"
        "\"session\":\"~\"}}",
        channel, result);
    expect(p, text);
}

static const char *epoch_text(struct world *w, const char *channel)
{
    static char text[16];
    struct gush_epoch e = epoch_of(w, channel);

    (void)snprintf(text, sizeof(text), "%.8s", e.s);
    return text;
}

#define REC        "\"recoverable\":true,\"epoch\":\"~\""
#define POS        "\"positioned\":true"
#define RECOVERING ",\"positioned\":true,\"was_recovering\":true"
#define PUB(n)     "{\"data\":" #n ",\"offset\":" #n "}"

/* ---- streams --------------------------------------------------------------------------------- */

static void who_is_new_is_told_the_top(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    expect_result(peer_new(w, "{\"subs\":{\"rec:a\":{}}}"), "rec:a", REC "," POS);
    publish_n(w, "rec:a", 5);
    expect_result(peer_new(w, "{\"subs\":{\"rec:a\":{}}}"), "rec:a", REC ",\"offset\":5," POS);
    expect_result(peer_new(w, "{\"subs\":{\"pos:a\":{}}}"), "pos:a", "\"epoch\":\"~\"," POS);
    expect_result(peer_new(w, "{\"subs\":{\"hist:a\":{}}}"), "hist:a", "");
    /* A position without recover is no wish to recover. */
    expect_result(peer_new(w, "{\"subs\":{\"rec:a\":{\"offset\":3,\"epoch\":\"x\"}}}"), "rec:a",
                  REC ",\"offset\":5," POS);
}

static void a_stream_recovers_what_it_still_has(void **state)
{
    static const struct {
        unsigned offset;
        const char *result;
    } cases[] = {
        {0, REC ",\"offset\":5" RECOVERING},
        {1, REC ",\"offset\":5" RECOVERING}, /* 2 is lost */
        {2, REC ",\"publications\":[" PUB(3) "," PUB(4) "," PUB(5) "],\"recovered\":true,"
                                                                   "\"offset\":2" RECOVERING},
        {3, REC
         ",\"publications\":[" PUB(4) "," PUB(5) "],\"recovered\":true,\"offset\":3" RECOVERING},
        {4, REC ",\"publications\":[" PUB(5) "],\"recovered\":true,\"offset\":4" RECOVERING},
        {5, REC ",\"recovered\":true,\"offset\":5" RECOVERING},
        {6, REC ",\"offset\":5" RECOVERING}, /* beyond the top */
        {4000000000, REC ",\"offset\":5" RECOVERING},
    };
    struct world *w = world_new(state, CONFIG(""));

    publish_n(w, "rec:a", 5);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_result(comes_back(w, "rec:a", cases[i].offset, epoch_text(w, "rec:a")), "rec:a",
                      cases[i].result);
        expect_result(comes_back(w, "rec:a", cases[i].offset, ""), "rec:a", cases[i].result);
    }
}

static void another_epoch_recovers_nothing(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    static const char *const wrong[] = {"x", "abcdefgh", "abcdefghi",
                                        "an epoch that is longer than any epoch can be"};

    publish_n(w, "rec:a", 5);
    for (size_t i = 0; i < 4; i++)
        for (unsigned offset = 0; offset < 7; offset++)
            expect_result(comes_back(w, "rec:a", offset, wrong[i]), "rec:a",
                          REC ",\"offset\":5" RECOVERING);
    /* The right one with more behind it. */
    char longer[64];
    (void)snprintf(longer, sizeof(longer), "%sAndMoreThanFits________________",
                   epoch_text(w, "rec:a"));
    expect_result(comes_back(w, "rec:a", 5, longer), "rec:a", REC ",\"offset\":5" RECOVERING);
}

static void an_empty_stream_recovers_its_own_beginning(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    expect_result(comes_back(w, "rec:a", 0, ""), "rec:a", REC ",\"recovered\":true" RECOVERING);
    expect_result(comes_back(w, "rec:a", 0, epoch_text(w, "rec:a")), "rec:a",
                  REC ",\"recovered\":true" RECOVERING);
    expect_result(comes_back(w, "rec:a", 1, ""), "rec:a", REC RECOVERING);
}

static void without_a_list_only_the_top_itself_is_recovered(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish_n(w, "rec:a", 5);
    pass(w, 22000); /* the list expires, the position stays */
    for (unsigned offset = 0; offset < 7; offset++)
        expect_result(comes_back(w, "rec:a", offset, epoch_text(w, "rec:a")), "rec:a",
                      offset == 5 ? REC ",\"recovered\":true,\"offset\":5" RECOVERING
                                  : REC ",\"offset\":5" RECOVERING);
}

static void more_than_the_limit_is_not_recovered(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"recovery_max_publication_limit\":2"));

    publish_n(w, "rec:a", 5);
    expect_result(comes_back(w, "rec:a", 2, ""), "rec:a", REC ",\"offset\":5" RECOVERING);
    expect_result(comes_back(w, "rec:a", 3, ""), "rec:a",
                  REC ",\"publications\":[" PUB(4) "," PUB(5) "],\"recovered\":true,"
                                                              "\"offset\":3" RECOVERING);
}

static void only_recoverable_channels_recover(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish_n(w, "pos:a", 2);
    publish_n(w, "hist:a", 2);
    expect_result(comes_back(w, "pos:a", 1, ""), "pos:a",
                  "\"epoch\":\"~\",\"offset\":2,\"positioned\":true,\"was_recovering\":true");
    expect_result(comes_back(w, "hist:a", 1, ""), "hist:a", "");
    expect_result(comes_back(w, "a", 1, ""), "a", "");
}

/* ---- the seam -------------------------------------------------------------------------------- */

static void live_publications_follow_the_recovered_ones(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish_n(w, "rec:a", 4);
    struct peer *p = comes_back(w, "rec:a", 2, epoch_text(w, "rec:a"));
    expect_connected(p);
    publish(w, "rec:a", "5");
    publish(w, "rec:a", "6");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":" PUB(5) "}");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":" PUB(6) "}");
    expect_open(p);
}

/* A publication whose letter is still under way when somebody subscribes on the same lane is in
 * what that one was told already, recovered or not. */
static void a_letter_under_way_is_not_heard_twice(void **state) /* spec: design 4, seq */
{
    struct world *w = world_new(state, CONFIG(""));
    static const char *const channels[] = {"rec:a", "pos:a", "hist:a", "a"};

    for (size_t i = 0; i < 4; i++) {
        char json[128], text[128], epoch[32];
        bool stream = i < 3, told = i < 2;
        (void)snprintf(json, sizeof(json), "{\"subs\":{\"%s\":{}}}", channels[i]);
        struct peer *before = peer_new(w, json);
        expect_connected(before);
        struct publishing p = publishing_of(channels[i], "1");
        publish_begin(w, &p);
        struct peer *after = peer_new(w, json); /* nothing was turned in between */
        assert_int_equal(p.done_n, 1);
        (void)snprintf(epoch, sizeof(epoch), ",\"offset\":1,\"epoch\":\"~\"");
        (void)snprintf(text, sizeof(text), "{\"channel\":\"%s\",\"pub\":{\"data\":1%s}}",
                       channels[i], stream ? epoch : "");
        expect(before, text);
        (void)snprintf(text, sizeof(text), "%s\"epoch\":\"~\",\"offset\":1,\"positioned\":true",
                       i == 0 ? "\"recoverable\":true," : "");
        expect_result(after, channels[i], told ? text : "");
        expect_open(before);
        expect_open(after);
    }
}

static void a_letter_under_way_is_recovered_once(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *before = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");

    publish_n(w, "rec:a", 1);
    struct publishing p = publishing_of("rec:a", "2"), q = publishing_of("rec:a", "3");
    publish_begin(w, &p);
    struct peer *after = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
    struct gush_connect_sub sub = {.channel = GUSH_SPAN_LIT("rec:a"), .recover = true, .offset = 1};
    gush_client_connect(after->client, &(struct gush_connect_request){.subs = &sub, .subs_n = 1});
    publish_begin(w, &q);
    settle(w);
    expect_result(after, "rec:a",
                  REC ",\"publications\":[" PUB(2) "],\"recovered\":true,\"offset\":1" RECOVERING);
    expect(after, "{\"channel\":\"rec:a\",\"pub\":" PUB(3) "}");
    expect_open(after);
    expect_connected(before);
    expect(before, "{\"channel\":\"rec:a\",\"pub\":{\"data\":1,\"offset\":1,\"epoch\":\"~\"}}");
    expect(before, "{\"channel\":\"rec:a\",\"pub\":" PUB(2) "}");
    expect(before, "{\"channel\":\"rec:a\",\"pub\":" PUB(3) "}");
    expect_open(before);
}

static void publications_without_a_place_pass_positions(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = peer_new(w, "{\"subs\":{\"rec:a\":{}}}");
    struct publishing unkept = publishing_of("rec:a", "0");

    publish_n(w, "rec:a", 1);
    unkept.call.skip_history = true;
    assert_int_equal(publish_run(w, &unkept), 0);
    publish(w, "rec:a", "2");
    expect_connected(p);
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":1,\"offset\":1,\"epoch\":\"~\"}}");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":{\"data\":0}}");
    expect(p, "{\"channel\":\"rec:a\",\"pub\":" PUB(2) "}");
    expect_open(p);
}

/* ---- caches ---------------------------------------------------------------------------------- */

static void a_cache_recovers_the_newest_only(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    char right[16], text[256];

    publish_n(w, "cache:a", 5);
    (void)snprintf(right, sizeof(right), "%s", epoch_text(w, "cache:a"));
    const char *const epochs[] = {right, "", "otherone"};
    for (size_t e = 0; e < 3; e++)
        for (unsigned offset = 0; offset < 8; offset++) {
            bool same = e == 0 && offset == 5;
            char at[32] = "";
            if (offset)
                (void)snprintf(at, sizeof(at), ",\"offset\":%u", offset);
            (void)snprintf(text, sizeof(text), REC "%s,\"recovered\":true%s" RECOVERING,
                           same ? "" : ",\"publications\":[" PUB(5) "]", at);
            expect_result(comes_back(w, "cache:a", offset, epochs[e]), "cache:a", text);
        }
}

static void an_empty_cache_recovers_only_who_has_the_newest(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    char right[16];

    /* Never written: even the beginning is not "the same", which needs an offset. */
    expect_result(comes_back(w, "cache:b", 0, ""), "cache:b", REC RECOVERING);
    expect_result(comes_back(w, "cache:b", 0, epoch_text(w, "cache:b")), "cache:b", REC RECOVERING);
    publish_n(w, "cache:a", 5);
    pass(w, 22000);
    (void)snprintf(right, sizeof(right), "%s", epoch_text(w, "cache:a"));
    const char *const epochs[] = {right, "", "otherone"};
    for (size_t e = 0; e < 3; e++)
        for (unsigned offset = 0; offset < 8; offset++)
            expect_result(comes_back(w, "cache:a", offset, epochs[e]), "cache:a",
                          e == 0 && offset == 5 ? REC ",\"recovered\":true,\"offset\":5" RECOVERING
                                                : REC ",\"offset\":5" RECOVERING);
}

static void a_cache_goes_on_live_from_the_top(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish_n(w, "cache:a", 2);
    struct peer *p = comes_back(w, "cache:a", 0, "");
    expect_connected(p);
    publish(w, "cache:a", "3");
    expect(p, "{\"channel\":\"cache:a\",\"pub\":" PUB(3) "}");
    expect_open(p);
}

/* ---- payloads that cannot travel ------------------------------------------------------------- */

static void a_recovered_payload_that_is_not_json_ends_json_clients(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *proto = peer_on(w, 0, GUSH_FORM_GRPC);

    publish(w, "rec:a", "\x01");
    expect_closed(comes_back(w, "rec:a", 0, ""), 3506);
    peer_connect(proto, "{\"subs\":{\"rec:a\":{\"recover\":true}}}");
    assert_int_equal(proto->heard_n, 1);
    assert_non_null(memmem(proto->heard[0].p, proto->heard[0].n, "\x22\x01\x01\x30\x01", 5));
    assert_int_equal(proto->closes_n, 0);
    assert_int_equal(live(w).subscriptions, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(who_is_new_is_told_the_top),
        world_test(a_stream_recovers_what_it_still_has),
        world_test(another_epoch_recovers_nothing),
        world_test(an_empty_stream_recovers_its_own_beginning),
        world_test(without_a_list_only_the_top_itself_is_recovered),
        world_test(more_than_the_limit_is_not_recovered),
        world_test(only_recoverable_channels_recover),
        world_test(live_publications_follow_the_recovered_ones),
        world_test(a_letter_under_way_is_not_heard_twice),
        world_test(a_letter_under_way_is_recovered_once),
        world_test(publications_without_a_place_pass_positions),
        world_test(a_cache_recovers_the_newest_only),
        world_test(an_empty_cache_recovers_only_who_has_the_newest),
        world_test(a_cache_goes_on_live_from_the_top),
        world_test(a_recovered_payload_that_is_not_json_ends_json_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
