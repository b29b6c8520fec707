#include "tests/unit/api_core/fixture.h"

/* ---- History --------------------------------------------------------------------------------- */

static void history_needs_a_channel_that_keeps_it(void **state)
{
    struct fixture *f = fixture_new();
    API(HistoryRequest) r = history_request("", 1);
    API(HistoryRemoveRequest) remove;

    (void)state;
    API_INIT(history_remove_request)(&remove);
    expect_error(f, "History", &r, 107);
    expect_error(f, "HistoryRemove", &remove, 107);
    r.channel = remove.channel = text("no:x");
    expect_error(f, "History", &r, 102);
    expect_error(f, "HistoryRemove", &remove, 102);
    r.channel = remove.channel = text("x");
    expect_error(f, "History", &r, 108);
    expect_error(f, "HistoryRemove", &remove, 108);
    fixture_free(f);
}

static void history_of_seven(struct fixture *f)
{
    for (int i = 1; i <= 7; i++) {
        char data[] = {(char)('0' + i), '\0'};

        assert_int_equal(publish(f, "hist:x", data), i);
    }
}

/* What a request brings, as text: "34567". */
static void expect_history(struct fixture *f, API(HistoryRequest) * r, const char *digits)
{
    const API(HistoryResult) *h = result_of(f, "History", r);

    assert_non_null(h);
    assert_int_equal(h->offset, 7);
    assert_true(strlen(h->epoch) > 0);
    assert_int_equal(h->n_publications, strlen(digits));
    for (size_t i = 0; i < h->n_publications; i++) {
        assert_int_equal(h->publications[i]->offset, digits[i] - '0');
        assert_data(h->publications[i], (char[]){digits[i], '\0'});
        assert_null(h->publications[i]->info);
    }
}

static void history_limits_and_positions(void **state) /* spec: server API 3, history */
{
    struct fixture *f = fixture_new();
    API(HistoryRequest) r = history_request("hist:x", 0);
    API(StreamPosition) since;
    char epoch[64];

    (void)state;
    history_of_seven(f);
    expect_history(f, &r, "");
    r.limit = 2;
    expect_history(f, &r, "34");
    r.limit = -1;
    expect_history(f, &r, "34567");
    r.reverse = 1;
    expect_history(f, &r, "76543");
    r.limit = 2;
    expect_history(f, &r, "76");
    API_INIT(stream_position)(&since);
    r.since = &since;
    expect_error(f, "History", &r, 100); /* backwards from nothing */
    since.offset = 5;
    expect_history(f, &r, "43");
    r.reverse = 0;
    expect_history(f, &r, "67");
    since.offset = 1; /* no longer kept */
    expect_history(f, &r, "34");
    since.offset = 99;
    expect_history(f, &r, "");
    snprintf(epoch, sizeof(epoch), "%s", history(f, "hist:x", 0)->epoch);
    since.offset = 6;
    since.epoch = epoch;
    expect_history(f, &r, "7");
    since.epoch = text("another");
    expect_error(f, "History", &r, 112);
    fixture_free(f);
}

static void history_remove_keeps_the_position(void **state)
{
    struct fixture *f = fixture_new();
    API(HistoryRemoveRequest) r;
    API(HistoryRequest) all = history_request("hist:x", -1);

    (void)state;
    API_INIT(history_remove_request)(&r);
    r.channel = text("hist:x");
    history_of_seven(f);
    assert_non_null(result_of(f, "HistoryRemove", &r));
    expect_history(f, &all, "");
    assert_int_equal(publish(f, "hist:x", "8"), 8);
    fixture_free(f);
}

/* ---- Presence, Channels, Info ---------------------------------------------------------------- */

static gush_err peer_send(void *conn, const struct gush_frame *frames, size_t frames_n)
{
    (void)conn;
    (void)frames;
    (void)frames_n;
    return GUSH_OK;
}

static void peer_close(void *conn, uint32_t code, const char *reason)
{
    (void)code;
    (void)reason;
    *(bool *)conn = true;
}

static const struct gush_transport peer_transport = {
    .name = "test", .form = GUSH_FORM_GRPC, .burst_n = 8, .send = peer_send, .close = peer_close};

static struct gush_client *subscriber(struct fixture *f, const char *channel, bool *closed)
{
    struct gush_connect_sub sub = {.channel = gush_span_str(channel)};
    struct gush_connect_request request = {.subs = &sub, .subs_n = 1};
    struct gush_client *c = gush_client_open(f->node, &f->lane, &peer_transport, closed);

    gush_client_connect(c, &request);
    turn(f);
    assert_false(*closed);
    return c;
}

static void presence_needs_its_option(void **state)
{
    struct fixture *f = fixture_new();
    API(PresenceRequest) r;
    API(PresenceStatsRequest) s;

    (void)state;
    API_INIT(presence_request)(&r);
    API_INIT(presence_stats_request)(&s);
    expect_error(f, "Presence", &r, 107);
    expect_error(f, "PresenceStats", &s, 107);
    r.channel = s.channel = text("no:x");
    expect_error(f, "Presence", &r, 102);
    expect_error(f, "PresenceStats", &s, 102);
    r.channel = s.channel = text("x");
    expect_error(f, "Presence", &r, 108);
    expect_error(f, "PresenceStats", &s, 108);
    fixture_free(f);
}

static void presence_names_who_is_there(void **state)
{
    struct fixture *f = fixture_new();
    bool closed = false;
    API(PresenceRequest) r;
    API(PresenceStatsRequest) s;
    const API(PresenceResult) * who;
    const API(PresenceStatsResult) * stats;
    struct gush_client *a, *b;

    (void)state;
    API_INIT(presence_request)(&r);
    API_INIT(presence_stats_request)(&s);
    r.channel = s.channel = text("who:x");
    who = result_of(f, "Presence", &r);
    assert_int_equal(who->n_presence, 0);
    a = subscriber(f, "who:x", &closed);
    b = subscriber(f, "who:x", &closed);
    who = result_of(f, "Presence", &r);
    assert_int_equal(who->n_presence, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(who->presence[i]->key, who->presence[i]->value->client);
        assert_int_equal(strlen(who->presence[i]->key), 36);
        assert_string_equal(who->presence[i]->value->user, "");
    }
    stats = result_of(f, "PresenceStats", &s);
    assert_int_equal(stats->num_clients, 2);
    assert_int_equal(stats->num_users, 1); /* the anonymous one */
    gush_client_on_closed(a);
    gush_client_on_closed(b);
    fixture_free(f);
}

static void channels_and_info_count_subscribers(void **state)
{
    struct fixture *f = fixture_new();
    bool closed = false;
    API(ChannelsRequest) r;
    API(InfoRequest) i;
    const API(ChannelsResult) * c;
    const API(InfoResult) * info;
    struct gush_client *a, *b, *d;

    (void)state;
    API_INIT(channels_request)(&r);
    API_INIT(info_request)(&i);
    a = subscriber(f, "one", &closed);
    b = subscriber(f, "two", &closed);
    d = subscriber(f, "two", &closed);
    assert_int_equal(publish(f, "hist:x", "{}"), 1); /* nobody is there: not listed */
    c = result_of(f, "Channels", &r);
    assert_int_equal(c->n_channels, 2);
    r.pattern = text("t*");
    c = result_of(f, "Channels", &r);
    assert_int_equal(c->n_channels, 1);
    assert_string_equal(c->channels[0]->key, "two");
    assert_int_equal(c->channels[0]->value->num_clients, 2);
    r.pattern = text("[");
    expect_error(f, "Channels", &r, 100);
    info = result_of(f, "Info", &i);
    assert_int_equal(info->n_nodes, 1);
    assert_int_equal(info->nodes[0]->num_clients, 3);
    assert_int_equal(info->nodes[0]->num_channels, 2);
    assert_int_equal(info->nodes[0]->num_subs, 3);
    assert_int_equal(strlen(info->nodes[0]->uid), 36);
    assert_string_equal(info->nodes[0]->version, "0.0.0 OSS");
    gush_client_on_closed(a);
    gush_client_on_closed(b);
    gush_client_on_closed(d);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_needs_a_channel_that_keeps_it),
        cmocka_unit_test(history_limits_and_positions),
        cmocka_unit_test(history_remove_keeps_the_position),
        cmocka_unit_test(presence_needs_its_option),
        cmocka_unit_test(presence_names_who_is_there),
        cmocka_unit_test(channels_and_info_count_subscribers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
