/* API calls on local streams: refusals in their order, readings, doubles, versions, presence.
 * spec: server API; engines 2, 3 */
#include "tests/unit/engine/harness.h"

#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true"

static const char config[] =
    "{\"node\":{\"name\":\"here\"},\"client\":{\"allow_anonymous_connect_without_token\":true,"
    "\"insecure_skip_token_signature_verify\":true},"
    "\"channel\":{\"history_meta_ttl\":\"90s\",\"without_namespace\":{" OPEN "},"
    "\"namespaces\":[{\"name\":\"obj\",\"publication_data_format\":\"json_object\"},"
    "{\"name\":\"bin\",\"publication_data_format\":\"binary\"},"
    "{\"name\":\"hist\",\"history_size\":4,\"history_ttl\":\"20s\"," OPEN "},"
    "{\"name\":\"who\",\"presence\":true," OPEN "}]}}";

static uint32_t publish_error(struct world *w, const char *channel, const char *data)
{
    struct publishing p = publishing_of(channel, data);

    return publish_run(w, &p);
}

/* ---- publish --------------------------------------------------------------------------------- */

static void publishing_is_refused_in_order(void **state)
{
    struct world *w = world_new(state, config);

    assert_int_equal(publish_error(w, "", "1"), 107);
    assert_int_equal(publish_error(w, "nowhere:a", "1"), 102);
    assert_int_equal(publish_error(w, "nowhere:a", ""), 102);
    assert_int_equal(publish_error(w, "a", ""), 107);
    assert_int_equal(publish_error(w, "obj:a", "1"), 107);
    assert_int_equal(publish_error(w, "obj:a", "{}"), 0);
    assert_int_equal(publish_error(w, "bin:a", ""), 0);
    assert_int_equal(publish_error(w, "\xff", "x"), 0); /* names are checked for clients only */
    assert_nothing_lives(w);
}

static void everything_that_is_published_arrives(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");
    struct gush_tag tags[] = {{GUSH_SPAN_LIT("k"), GUSH_SPAN_LIT("v")}};
    struct gush_client_info info = {.user = GUSH_SPAN_LIT("u"), .client = GUSH_SPAN_LIT("c")};
    struct publishing q = publishing_of("a", "{\"x\": 1}");

    q.call.tags = tags;
    q.call.tags_n = 1;
    q.call.info = &info;
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(q.call.offset, 0);
    assert_int_equal(q.call.epoch.n, 0);
    expect_connected(p);
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":{\"x\": 1},\"info\":{\"user\":\"u\","
              "\"client\":\"c\"},\"tags\":{\"k\":\"v\"}}}");
}

static void offsets_and_epochs_are_told(void **state)
{
    struct world *w = world_new(state, config);
    struct publishing p = publishing_of("hist:a", "1"), q = p;

    assert_int_equal(publish_run(w, &p), 0);
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(p.call.offset, 1);
    assert_int_equal(q.call.offset, 2);
    assert_int_equal(p.call.epoch.n, 8);
    assert_memory_equal(p.call.epoch.s, q.call.epoch.s, 8);
    for (int i = 0; i < 8; i++)
        assert_true((p.call.epoch.s[i] | 32) >= 'a' && (p.call.epoch.s[i] | 32) <= 'z');
    q.call.skip_history = true;
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(q.call.offset, 0); /* the stream is untouched */
    assert_int_equal(q.call.epoch.n, 0);
    assert_string_equal(history(w, "hist:a", -1), "1:1 2:1 /2");
}

static void an_answer_waits_for_its_lane(void **state)
{
    struct world *w = world_with(state, config, 2, NULL);
    struct publishing p = publishing_of("a", "1");

    p.call.call.home = w->list[1];
    p.call.call.done = publishing_done;
    p.call.call.dropped = no_drop;
    gush_publish(w->node, &p.call);
    while (gush_lane_turn(w->list[0]) == GUSH_LANE_CALL_NOW)
        ;
    assert_int_equal(p.done_n, 0);
    assert_true(w->lanes[1].woken);
    settle(w);
    assert_int_equal(p.done_n, 1);
}

static unsigned drops_n, answers_n;

static void count_drop(struct gush_api_call *call)
{
    (void)call;
    drops_n++;
}

static void count_done(struct gush_api_call *call)
{
    (void)call;
    answers_n++;
}

static void a_closed_lane_drops_answers(void **state)
{
    struct world *w = world_new(state, config);
    struct publishing p = publishing_of("a", "1"), q = p;

    drops_n = 0;
    p.call.call = q.call.call =
        (struct gush_api_call){.home = w->list[0], .done = publishing_done, .dropped = count_drop};
    gush_publish(w->node, &p.call);
    gush_lane_close(w->list[0]);
    assert_int_equal(drops_n, 1);
    gush_publish(w->node, &q.call);
    assert_int_equal(drops_n, 2);
    assert_int_equal(p.done_n + q.done_n, 0);
}

/* ---- doubles and versions -------------------------------------------------------------------- */

static struct publishing keyed(const char *channel, const char *key)
{
    struct publishing p = publishing_of(channel, "1");

    p.call.idempotency_key = gush_span_str(key);
    return p;
}

static void a_double_gets_the_first_answer(void **state) /* spec: server API, idempotency_key */
{
    struct world *w = world_new(state, config);
    struct publishing first = keyed("hist:a", "k"), again = keyed("hist:a", "k");
    struct publishing other = keyed("hist:a", "l"), elsewhere = keyed("hist:b", "k");

    assert_int_equal(publish_run(w, &first), 0);
    assert_int_equal(publish_run(w, &other), 0);
    assert_int_equal(publish_run(w, &again), 0);
    assert_int_equal(publish_run(w, &elsewhere), 0);
    assert_int_equal(first.call.offset, 1);
    assert_int_equal(other.call.offset, 2);
    assert_int_equal(again.call.offset, 1);
    assert_int_equal(elsewhere.call.offset, 1);
    assert_memory_equal(again.call.epoch.s, first.call.epoch.s, 8);
    assert_string_equal(history(w, "hist:a", -1), "1:1 2:1 /2");
}

static void doubles_are_known_without_history_too(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");

    for (int i = 0; i < 3; i++) {
        struct publishing q = keyed("a", "k");
        assert_int_equal(publish_run(w, &q), 0);
        assert_int_equal(q.call.offset, 0);
    }
    expect_connected(p);
    expect(p, "{\"channel\":\"a\",\"pub\":{\"data\":1}}");
    expect_open(p);
}

static void doubles_are_forgotten_after_five_minutes(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");
    struct publishing q = keyed("a", "k");

    assert_int_equal(publish_run(w, &q), 0);
    pass(w, 299000);
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(p->heard_n, 2);
    pass(w, 1100);
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(p->heard_n, 3);
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(p->heard_n, 3);
}

/* One busy channel: all its keys are in one shard. */
static void doubles_of_one_busy_channel_are_known(void **state) /* spec: design 6, 1,000,000 */
{
    enum { N = 20000 };
    struct world *w = world_new(state, config);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++) {
            char key[16];
            (void)snprintf(key, sizeof(key), "%d", i);
            struct publishing q = keyed("a", key);
            publish_begin(w, &q);
            settle(w);
        }
    assert_int_equal(p->heard_n, 1 + N);
}

static void keys_are_forgotten_without_further_publications(void **state)
{
    struct world *w = world_new(state, config);

    for (int i = 0; i < 5000; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%d", i);
        struct publishing q = keyed("a", key);
        assert_int_equal(publish_run(w, &q), 0);
    }
    assert_int_equal(w->node->channels.idempotency_n, 5000);
    pass(w, 302000);
    assert_int_equal(w->node->channels.idempotency_n, 0);
}

static void the_oldest_of_too_many_keys_goes(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{}}}");
    static const char *const keys[] = {"1", "2", "3", "3", "2", "1"};

    atomic_fetch_add(&w->node->channels.idempotency_n, GUSH_IDEMPOTENCY_MAX - 2); /* elsewhere */
    for (size_t i = 0; i < 6; i++) {
        struct publishing q = keyed("a", keys[i]);
        assert_int_equal(publish_run(w, &q), 0);
    }
    atomic_fetch_sub(&w->node->channels.idempotency_n, GUSH_IDEMPOTENCY_MAX - 2);
    assert_int_equal(p->heard_n, 1 + 4); /* 3 and 2 were known, 1 no more */
    assert_int_equal(w->node->channels.idempotency_n, 2);
    assert_int_equal(w->node->channels.idempotency_evicted, 2);
}

static void a_refused_publication_is_not_remembered(void **state)
{
    struct world *w = world_new(state, config);
    struct publishing q = publishing_of("obj:a", "1");

    q.call.idempotency_key = GUSH_SPAN_LIT("k");
    assert_int_equal(publish_run(w, &q), 107);
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);
    peer_connect_token(p, "{\"channels\":[\"obj:a\"]}", "");
    q.call.data = GUSH_SPAN_LIT("{}");
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(p->heard_n, 2);
}

static uint64_t versioned(struct world *w, uint64_t version, const char *epoch)
{
    struct publishing p = publishing_of("hist:a", "1");

    p.call.version = version;
    p.call.version_epoch = gush_span_str(epoch);
    assert_int_equal(publish_run(w, &p), 0);
    assert_int_equal(p.call.epoch.n, 8);
    return p.call.offset;
}

static void old_versions_are_suppressed(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_new(w, "{\"subs\":{\"hist:a\":{}}}");

    assert_int_equal(versioned(w, 5, ""), 1);
    assert_int_equal(versioned(w, 5, ""), 1); /* the current top */
    assert_int_equal(versioned(w, 4, ""), 1);
    assert_int_equal(versioned(w, 6, ""), 2);
    assert_int_equal(versioned(w, 1, "x"), 3);
    assert_int_equal(versioned(w, 1, "x"), 3);
    assert_int_equal(versioned(w, 1, ""), 3);
    assert_int_equal(versioned(w, 0, ""), 4); /* resets it */
    assert_int_equal(versioned(w, 1, ""), 5);
    assert_int_equal(p->heard_n, 1 + 5);
    assert_string_equal(history(w, "hist:a", 0), "/5");
}

static void versions_count_only_with_history(void **state)
{
    struct world *w = world_new(state, config);
    struct peer *p = peer_new(w, "{\"subs\":{\"a\":{},\"hist:a\":{}}}");

    for (int i = 0; i < 2; i++) {
        struct publishing q = publishing_of("a", "1"), r = publishing_of("hist:a", "1");
        q.call.version = r.call.version = 7;
        r.call.skip_history = true;
        assert_int_equal(publish_run(w, &q), 0);
        assert_int_equal(publish_run(w, &r), 0);
    }
    assert_int_equal(p->heard_n, 5);
}

static void a_double_is_found_before_the_version(void **state)
{
    struct world *w = world_new(state, config);
    struct publishing p = keyed("hist:a", "k"), q = keyed("hist:a", "k");

    p.call.version = 5;
    q.call.version = 9;
    assert_int_equal(publish_run(w, &p), 0);
    assert_int_equal(publish_run(w, &q), 0);
    assert_int_equal(versioned(w, 6, ""), 2); /* 9 was never stored */
}

static void a_suppressed_publication_keeps_deadlines_alive(void **state) /* spec: engines 3 */
{
    struct world *w = world_new(state, config);

    versioned(w, 5, "");
    pass(w, 15000);
    versioned(w, 5, "");
    pass(w, 15000);
    assert_string_equal(history(w, "hist:a", -1), "1:1 /1");
    pass(w, 6200);
    assert_string_equal(history(w, "hist:a", -1), "/1");
}

/* ---- history --------------------------------------------------------------------------------- */

static struct reading reading_of(const char *channel)
{
    return (struct reading){.call = {.channel = gush_span_str(channel), .limit = -1}};
}

static void reading_is_refused_in_order(void **state)
{
    struct world *w = world_new(state, config);
    struct reading r = reading_of("");

    assert_int_equal(history_run(w, &r), 107);
    r = reading_of("nowhere:a");
    assert_int_equal(history_run(w, &r), 102);
    r = reading_of("a");
    assert_int_equal(history_run(w, &r), 108);
    assert_nothing_lives(w);
    r = reading_of("hist:a");
    r.call.has_since = r.call.reverse = true;
    assert_int_equal(history_run(w, &r), 100); /* not 107 [V] */
    r.call.reverse = false;
    r.call.since_epoch = GUSH_SPAN_LIT("wrong");
    assert_int_equal(history_run(w, &r), 112);
    assert_int_equal(r.call.publications_n, 0);
    r.call.since_epoch = GUSH_SPAN_EMPTY;
    assert_int_equal(history_run(w, &r), 0);
}

static void streams_are_read_from_both_ends(void **state)
{
    struct world *w = world_new(state, config);
    struct reading r;

    for (int i = 1; i <= 6; i++)
        publish(w, "hist:a", "x");
    assert_string_equal(history(w, "hist:a", 0), "/6");
    assert_string_equal(history(w, "hist:a", 2), "3:x 4:x /6");
    assert_string_equal(history(w, "hist:a", 100), "3:x 4:x 5:x 6:x /6");
    r = reading_of("hist:a");
    r.call.reverse = true;
    r.call.limit = 3;
    assert_string_equal(history_text(w, &r), "6:x 5:x 4:x /6");
    r = reading_of("hist:a");
    r.call.has_since = true;
    r.call.since_offset = 4;
    assert_string_equal(history_text(w, &r), "5:x 6:x /6");
    r.call.since_offset = 1; /* older than the oldest: no error [V] */
    assert_string_equal(history_text(w, &r), "3:x 4:x 5:x 6:x /6");
    r.call.since_offset = 9; /* beyond: no error [V] */
    assert_string_equal(history_text(w, &r), "/6");
    r.call.reverse = true;
    r.call.since_offset = 5;
    assert_string_equal(history_text(w, &r), "4:x 3:x /6");
    r.call.since_offset = 3; /* its neighbour is gone: nothing, as the memory engine */
    assert_string_equal(history_text(w, &r), "/6");
    r.call.since_offset = 7;
    r.call.limit = 1;
    assert_string_equal(history_text(w, &r), "6:x /6");
}

static void reading_what_never_was_makes_a_stream(void **state)
{
    struct world *w = world_new(state, config);
    struct gush_epoch first = epoch_of(w, "hist:a");
    struct publishing p = publishing_of("hist:a", "1");

    assert_int_equal(live(w).channels, 1);
    assert_int_equal(publish_run(w, &p), 0);
    assert_int_equal(p.call.offset, 1);
    assert_memory_equal(p.call.epoch.s, first.s, 8);
}

static uint32_t remove_history(struct world *w, const char *channel)
{
    struct gush_history_remove_call r = {
        .channel = gush_span_str(channel),
        .call = {.home = w->list[0], .done = count_done, .dropped = no_drop}};

    answers_n = 0;
    gush_history_remove(w->node, &r);
    settle(w);
    assert_int_equal(answers_n, 1);
    return r.call.error;
}

static void removing_keeps_the_position(void **state)
{
    struct world *w = world_new(state, config);

    assert_int_equal(remove_history(w, ""), 107);
    assert_int_equal(remove_history(w, "nowhere:a"), 102);
    assert_int_equal(remove_history(w, "a"), 108);
    assert_int_equal(remove_history(w, "hist:a"), 0); /* nothing there */
    assert_nothing_lives(w);
    publish(w, "hist:a", "1");
    publish(w, "hist:a", "2");
    struct gush_epoch e = epoch_of(w, "hist:a");
    assert_int_equal(remove_history(w, "hist:a"), 0);
    assert_string_equal(history(w, "hist:a", -1), "/2");
    assert_int_equal(publish(w, "hist:a", "3"), 3);
    assert_string_equal(history(w, "hist:a", -1), "3:3 /3");
    struct gush_epoch f = epoch_of(w, "hist:a");
    assert_memory_equal(e.s, f.s, 8);
    pass(w, 21200); /* what came after the removal expires in its time */
    assert_string_equal(history(w, "hist:a", -1), "/3");
}

/* ---- presence -------------------------------------------------------------------------------- */

static uint32_t presence_run(struct world *w, struct gush_presence_call *c)
{
    c->call = (struct gush_api_call){.home = w->list[0], .done = count_done, .dropped = no_drop};
    answers_n = 0;
    gush_presence(w->node, c);
    settle(w);
    assert_int_equal(answers_n, 1);
    return c->call.error;
}

static void presence_is_refused_in_order(void **state)
{
    struct world *w = world_new(state, config);
    struct gush_presence_call c = {.channel = GUSH_SPAN_EMPTY};

    assert_int_equal(presence_run(w, &c), 107);
    c.channel = GUSH_SPAN_LIT("nowhere:a");
    assert_int_equal(presence_run(w, &c), 102);
    c.channel = GUSH_SPAN_LIT("a");
    assert_int_equal(presence_run(w, &c), 108);
    c.channel = GUSH_SPAN_LIT("who:a"); /* nobody */
    assert_int_equal(presence_run(w, &c), 0);
    assert_int_equal(c.clients_n, 0);
    assert_int_equal(c.users_n, 0);
    assert_nothing_lives(w);
}

static void presence_follows_the_connections(void **state)
{
    struct world *w = world_with(state, config, 2, NULL);
    struct peer *p[3];
    struct gush_presence_call c = {.channel = GUSH_SPAN_LIT("who:a")};

    for (unsigned i = 0; i < 3; i++) {
        p[i] = peer_on(w, i % 2, GUSH_FORM_PUSH_JSON);
        peer_connect_token(p[i],
                           i ? "{\"sub\":\"u\",\"info\":[1],\"subs\":{\"who:a\":{\"info\":[2]}}}"
                             : "{\"sub\":\"v\",\"channels\":[\"who:a\"]}",
                           "");
    }
    assert_int_equal(presence_run(w, &c), 0);
    assert_int_equal(c.clients_n, 3);
    assert_int_equal(c.users_n, 2);
    for (unsigned i = 0; i < 3; i++) {
        unsigned found = 0;
        for (size_t k = 0; k < 3; k++)
            if (gush_span_eq(c.clients[k].client, gush_client_id(p[i]->client))) {
                found++;
                assert_true(gush_span_eq_str(c.clients[k].user, i ? "u" : "v"));
                assert_true(gush_span_eq_str(c.clients[k].conn_info, i ? "[1]" : ""));
                assert_true(gush_span_eq_str(c.clients[k].chan_info, i ? "[2]" : ""));
            }
        assert_int_equal(found, 1);
    }
    gush_presence_call_fini(&c);
    p[0]->stays = true; /* there until the connection is gone */
    gush_client_disconnect(p[0]->client, 3503, NULL);
    settle(w);
    c.stats_only = true;
    assert_int_equal(presence_run(w, &c), 0);
    assert_int_equal(c.clients_n, 3);
    assert_null(c.clients);
    for (unsigned i = 0; i < 3; i++) {
        peer_gone(p[i]);
        assert_int_equal(presence_run(w, &c), 0);
        assert_int_equal(c.clients_n, 2 - i);
        assert_int_equal(c.users_n, i == 2 ? 0 : 1);
    }
    assert_nothing_lives(w);
}

/* ---- channels, info -------------------------------------------------------------------------- */

/* "a=2 b=1": those that match, sorted. */
static const char *channels(struct world *w, const char *pattern, uint32_t error)
{
    struct gush_channels_call c = {.pattern = gush_span_str(pattern)};
    size_t at = 0;

    c.call = (struct gush_api_call){.home = w->list[0], .done = count_done, .dropped = no_drop};
    answers_n = 0;
    gush_channels(w->node, &c);
    settle(w);
    assert_int_equal(answers_n, 1);
    assert_int_equal(c.call.error, error);
    w->text[0] = '\0';
    for (struct gush_channel_count *done = NULL; error == 0;) {
        struct gush_channel_count *next = NULL;
        for (size_t i = 0; i < c.channels_n; i++) {
            struct gush_channel_count *ch = &c.channels[i];
            bool later =
                !done || gush_span_cmp(gush_bytes_span(ch->name), gush_bytes_span(done->name)) > 0;
            if (later && (!next || gush_span_cmp(gush_bytes_span(ch->name),
                                                 gush_bytes_span(next->name)) < 0))
                next = ch;
        }
        if (next == NULL)
            break;
        at += (size_t)snprintf(w->text + at, sizeof(w->text) - at, "%s%.*s=%u", at ? " " : "",
                               (int)next->name->n, (const char *)next->name->data, next->clients);
        done = next;
    }
    gush_channels_call_fini(&c);
    return w->text;
}

static void channels_with_listeners_are_listed(void **state)
{
    struct world *w = world_with(state, config, 2, NULL);

    assert_string_equal(channels(w, "", 0), "");
    publish(w, "hist:z", "1"); /* a stream that nobody listens to */
    peer_connect(peer_on(w, 0, GUSH_FORM_PUSH_JSON), "{\"subs\":{\"a\":{},\"who:b\":{}}}");
    peer_connect(peer_on(w, 1, GUSH_FORM_PUSH_JSON), "{\"subs\":{\"a\":{},\"hist:c\":{}}}");
    peer_connect(peer_on(w, 0, GUSH_FORM_PUSH_JSON), "{\"subs\":{\"a\":{}}}");
    assert_string_equal(channels(w, "", 0), "a=3 hist:c=1 who:b=1");
    assert_string_equal(channels(w, "*:?", 0), "hist:c=1 who:b=1");
    assert_string_equal(channels(w, "{a,hist:*}", 0), "a=3 hist:c=1");
    assert_string_equal(channels(w, "x*", 0), "");
    channels(w, "[a", 100);
    channels(w, "{a", 100);
}

static void the_node_tells_about_itself(void **state)
{
    struct world *w = world_with(state, config, 2, NULL);
    struct gush_info_call c = {
        .call = {.home = w->list[0], .done = count_done, .dropped = no_drop}};

    for (unsigned i = 0; i < 5; i++)
        peer_connect_token(peer_on(w, i % 2, GUSH_FORM_PUSH_JSON),
                           i ? "{\"sub\":\"u\"}" : "{\"sub\":\"v\"}",
                           ",\"subs\":{\"a\":{},\"who:b\":{}}");
    publish(w, "hist:z", "1");
    pass(w, 7500);
    answers_n = 0;
    gush_info(w->node, &c);
    settle(w);
    assert_int_equal(answers_n, 1);
    assert_string_equal(c.name, "here");
    assert_string_equal(c.version, "0.0.0 OSS");
    assert_int_equal(c.clients, 5);
    assert_int_equal(c.users, 2);
    assert_int_equal(c.subs, 10);
    assert_int_equal(c.channels, 2); /* with listeners */
    assert_int_equal(c.uptime_s, 7);
    assert_int_equal(c.uid[14], '4');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(publishing_is_refused_in_order),
        world_test(everything_that_is_published_arrives),
        world_test(offsets_and_epochs_are_told),
        world_test(an_answer_waits_for_its_lane),
        world_test(a_closed_lane_drops_answers),
        world_test(a_double_gets_the_first_answer),
        world_test(doubles_are_known_without_history_too),
        world_test(doubles_are_forgotten_after_five_minutes),
        world_test(doubles_of_one_busy_channel_are_known),
        world_test(keys_are_forgotten_without_further_publications),
        world_test(the_oldest_of_too_many_keys_goes),
        world_test(a_refused_publication_is_not_remembered),
        world_test(old_versions_are_suppressed),
        world_test(versions_count_only_with_history),
        world_test(a_double_is_found_before_the_version),
        world_test(a_suppressed_publication_keeps_deadlines_alive),
        world_test(reading_is_refused_in_order),
        world_test(streams_are_read_from_both_ends),
        world_test(reading_what_never_was_makes_a_stream),
        world_test(removing_keeps_the_position),
        world_test(presence_is_refused_in_order),
        world_test(presence_follows_the_connections),
        world_test(channels_with_listeners_are_listed),
        world_test(the_node_tells_about_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
