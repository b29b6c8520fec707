#include "tests/unit/api_core/fixture.h"

static void publish_checks_in_order(void **state) /* spec: server API 3, first steps */
{
    struct fixture *f = fixture_new();
    static const struct {
        const char *channel, *data, *base64;
        uint32_t error;
    } cases[] = {{"", "{}", "", 107},        {"no:x", "{}", "", 102},   {"x", "", "", 107},
                 {"", "{}", "!!", 107},      {"no:x", "{}", "!!", 107}, {"x", "{}", "!!", 107},
                 {"x", "{}", "e30", 107},    {"x", "{}", "e30=a", 107}, {"json:x", "no", "", 107},
                 {"json:x", "", "bm8=", 107}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        API(PublishRequest) r = publish_request(cases[i].channel, cases[i].data);

        r.b64data = text(cases[i].base64);
        expect_error(f, "Publish", &r, cases[i].error);
    }
    fixture_free(f);
}

static void publish_without_history_has_no_position(void **state)
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("x", "{}");
    const API(PublishResult) *result = result_of(f, "Publish", &r);

    (void)state;
    assert_int_equal(result->offset, 0);
    assert_string_equal(result->epoch, "");
    assert_int_equal(protobuf_c_message_get_packed_size(&result->base), 0);
    fixture_free(f);
}

static void publish_gives_offsets_and_one_epoch(void **state)
{
    struct fixture *f = fixture_new();
    char epoch[64] = "";

    (void)state;
    for (uint64_t i = 1; i <= 3; i++) {
        API(PublishRequest) r = publish_request("hist:x", "{}");
        const API(PublishResult) *result = result_of(f, "Publish", &r);

        assert_int_equal(result->offset, i);
        assert_true(strlen(result->epoch) > 0);
        if (i > 1)
            assert_string_equal(result->epoch, epoch);
        snprintf(epoch, sizeof(epoch), "%s", result->epoch);
    }
    fixture_free(f);
}

static void base64_wins_over_data(void **state) /* spec: server API 1.3 */
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("hist:x", "raw");
    const API(HistoryResult) * h;

    (void)state;
    r.b64data = text("eyJiIjo2NH0=");
    assert_non_null(result_of(f, "Publish", &r));
    r.b64data = text(""); /* as if it were not there */
    assert_non_null(result_of(f, "Publish", &r));
    h = history(f, "hist:x", -1);
    assert_data(h->publications[0], "{\"b\":64}");
    assert_data(h->publications[1], "raw");
    fixture_free(f);
}

static void skip_history_leaves_the_stream_alone(void **state)
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("hist:x", "{}");
    const API(PublishResult) * result;

    (void)state;
    assert_int_equal(publish(f, "hist:x", "1"), 1);
    r.skip_history = 1;
    result = result_of(f, "Publish", &r);
    assert_int_equal(result->offset, 0);
    assert_string_equal(result->epoch, "");
    assert_int_equal(history(f, "hist:x", 0)->offset, 1);
    fixture_free(f);
}

static void equal_idempotency_keys_publish_once(void **state)
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("hist:x", "{}");
    const API(PublishResult) * result;

    (void)state;
    r.idempotency_key = text("k");
    for (unsigned i = 0; i < 3; i++) {
        result = result_of(f, "Publish", &r);
        assert_int_equal(result->offset, 1);
        assert_true(strlen(result->epoch) > 0);
    }
    fixture_free(f);
}

static void an_old_version_answers_the_top(void **state)
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("hist:x", "{}");
    const API(PublishResult) * result;

    (void)state;
    r.version = 7;
    result = result_of(f, "Publish", &r);
    assert_int_equal(result->offset, 1);
    result = result_of(f, "Publish", &r);
    assert_int_equal(result->offset, 1);
    r.version = 6;
    r.version_epoch = text("other");
    result = result_of(f, "Publish", &r);
    assert_int_equal(result->offset, 2);
    fixture_free(f);
}

static void tags_are_sorted_and_the_last_of_equals_counts(void **state)
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("hist:x", "{}");
    static const char *const pairs[][2] = {{"b", "1"}, {"a", "2"}, {"b", "3"}, {"aa", ""}};
    API(PublishRequest__TagsEntry) entries[4], *tags[4];
    const API(Publication) * p;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        API_INIT(publish_request__tags_entry)(&entries[i]);
        entries[i].key = text(pairs[i][0]);
        entries[i].value = text(pairs[i][1]);
        tags[i] = &entries[i];
    }
    r.tags = tags;
    r.n_tags = 4;
    assert_non_null(result_of(f, "Publish", &r));
    p = history(f, "hist:x", -1)->publications[0];
    assert_int_equal(p->n_tags, 3);
    assert_string_equal(p->tags[0]->key, "a");
    assert_string_equal(p->tags[0]->value, "2");
    assert_string_equal(p->tags[1]->key, "aa");
    assert_string_equal(p->tags[1]->value, "");
    assert_string_equal(p->tags[2]->key, "b");
    assert_string_equal(p->tags[2]->value, "3");
    fixture_free(f);
}

static void a_closed_lane_loses_the_run_and_frees_it(void **state)
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("x", "{}");

    (void)state;
    gush_lane_close(&f->lane);
    begin(f, "Publish", &r);
    assert_int_equal(f->done_n, 1);
    assert_true(f->run.lost);
    fixture_free(f);
}

/* ---- Broadcast ------------------------------------------------------------------------------- */

static API(BroadcastRequest) broadcast_request(char **channels, size_t n, const char *data)
{
    API(BroadcastRequest) r;

    API_INIT(broadcast_request)(&r);
    r.channels = channels;
    r.n_channels = n;
    r.data = data_of(data);
    return r;
}

static void broadcast_answers_each_channel_in_its_place(void **state)
{
    struct fixture *f = fixture_new();
    char *channels[] = {text("a"), text(""), text("no:x"), text("hist:x"), text("hist:x")};
    API(BroadcastRequest) r = broadcast_request(channels, 5, "{}");
    const API(BroadcastResult) *result = result_of(f, "Broadcast", &r);

    (void)state;
    assert_int_equal(result->n_responses, 5);
    assert_null(result->responses[0]->error);
    assert_int_equal(result->responses[1]->error->code, 107);
    assert_string_equal(result->responses[1]->error->message, "bad request");
    assert_int_equal(result->responses[2]->error->code, 102);
    assert_null(result->responses[2]->result);
    assert_int_equal(result->responses[3]->result->offset, 1);
    assert_int_equal(result->responses[4]->result->offset, 2); /* named twice, published twice */
    fixture_free(f);
}

static void broadcast_refuses_what_it_cannot_do_at_all(void **state)
{
    struct fixture *f = fixture_new();
    char **channels = gush_alloc((GUSH_METHODS_MEMBERS_MAX + 1) * sizeof(*channels));
    API(BroadcastRequest) r = broadcast_request(channels, 0, "{}");

    (void)state;
    for (size_t i = 0; i <= GUSH_METHODS_MEMBERS_MAX; i++)
        channels[i] = text("hist:x");
    expect_error(f, "Broadcast", &r, 107);
    r.n_channels = GUSH_METHODS_MEMBERS_MAX + 1;
    expect_error(f, "Broadcast", &r, 107);
    r.n_channels = 1;
    r.b64data = text("%");
    expect_error(f, "Broadcast", &r, 107);
    assert_int_equal(history(f, "hist:x", 0)->offset, 0);
    gush_free(channels);
    fixture_free(f);
}

static void broadcast_takes_as_many_as_allowed(void **state)
{
    struct fixture *f = fixture_new();
    char **channels = gush_alloc(GUSH_METHODS_MEMBERS_MAX * sizeof(*channels));
    API(BroadcastRequest) r = broadcast_request(channels, GUSH_METHODS_MEMBERS_MAX, "{}");
    const API(BroadcastResult) * result;

    (void)state;
    for (size_t i = 0; i < GUSH_METHODS_MEMBERS_MAX; i++)
        channels[i] = text("hist:x");
    result = result_of(f, "Broadcast", &r);
    assert_int_equal(result->n_responses, GUSH_METHODS_MEMBERS_MAX);
    for (size_t i = 0; i < GUSH_METHODS_MEMBERS_MAX; i++)
        assert_int_equal(result->responses[i]->result->offset, i + 1);
    gush_free(channels);
    fixture_free(f);
}

static void a_closed_lane_loses_a_broadcast_once(void **state)
{
    struct fixture *f = fixture_new();
    char *channels[600];
    API(BroadcastRequest) r = broadcast_request(channels, 600, "{}");

    (void)state;
    for (size_t i = 0; i < 600; i++)
        channels[i] = text("x");
    gush_lane_close(&f->lane);
    begin(f, "Broadcast", &r);
    assert_int_equal(f->done_n, 1);
    assert_true(f->run.lost);
    fixture_free(f);
}

static void a_lane_that_closes_in_between_loses_a_broadcast_once(void **state)
{
    struct fixture *f = fixture_new();
    char *channels[600];
    API(BroadcastRequest) r = broadcast_request(channels, 600, "{}");

    (void)state;
    for (size_t i = 0; i < 600; i++)
        channels[i] = text("x");
    begin(f, "Broadcast", &r);
    assert_int_equal(f->done_n, 0);
    gush_lane_close(&f->lane);
    assert_int_equal(f->done_n, 1);
    assert_true(f->run.lost);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publish_checks_in_order),
        cmocka_unit_test(publish_without_history_has_no_position),
        cmocka_unit_test(publish_gives_offsets_and_one_epoch),
        cmocka_unit_test(base64_wins_over_data),
        cmocka_unit_test(skip_history_leaves_the_stream_alone),
        cmocka_unit_test(equal_idempotency_keys_publish_once),
        cmocka_unit_test(an_old_version_answers_the_top),
        cmocka_unit_test(tags_are_sorted_and_the_last_of_equals_counts),
        cmocka_unit_test(a_closed_lane_loses_the_run_and_frees_it),
        cmocka_unit_test(broadcast_answers_each_channel_in_its_place),
        cmocka_unit_test(broadcast_refuses_what_it_cannot_do_at_all),
        cmocka_unit_test(broadcast_takes_as_many_as_allowed),
        cmocka_unit_test(a_closed_lane_loses_a_broadcast_once),
        cmocka_unit_test(a_lane_that_closes_in_between_loses_a_broadcast_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
