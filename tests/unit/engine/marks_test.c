/* marks: who comes back with the last id he saw has heard everything once, or is told that he has
 * not. Streams are cut at every byte here.
 * spec: docs/design.md, event ids */
#include "server/engine/event_id.h"

#include "tests/unit/engine/calls.h"

#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true"
#define NS(name, options)                                                                          \
    "{\"name\":\"" name "\"," OPEN ",\"history_size\":100,\"history_ttl\":\"20s\"," options "}"
#define CONFIG(client)                                                                             \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true,"                                 \
    "\"insecure_skip_token_signature_verify\":true" client "},"                                    \
    "\"uni_sse\":{\"event_id_secret\":\"s\"},"                                                     \
    "\"channel\":{\"history_meta_ttl\":\"60s\",\"without_namespace\":{" OPEN "},"                  \
    "\"namespaces\":[" NS("rec", "\"force_recovery\":true") "," NS(                                \
        "pos", "\"force_positioning\":true") "," NS("cache", "\"force_recovery\":true,\"force_"    \
                                                             "recovery_mode\":\"cache\"") "]}}"

/* ---- peers ----------------------------------------------------------------------------------- */

static struct peer *browser_on(struct world *w, size_t lane, enum gush_form form)
{
    struct peer *p = peer_on(w, lane, form);

    p->transport.marks = true;
    return p;
}

/* |token| NULL: nobody in particular. |id| NULL: comes for the first time. */
static void browser_connect(struct peer *p, const char *subs, const char *id)
{
    struct gush_connect_request request;
    char json[4096];

    (void)snprintf(json, sizeof(json), "{\"subs\":{%s}}", subs);
    assert_int_equal(
        gush_connect_decode_json(gush_span_str(json), GUSH_CONNECT_MEMBERS_MAX, &request, NULL),
        GUSH_OK);
    request.last_event_id = gush_span_str(id);
    gush_client_connect(p->client, &request);
    gush_connect_request_fini(&request);
    settle(p->world);
}

static struct peer *browser(struct world *w, enum gush_form form, const char *subs, const char *id)
{
    struct peer *p = browser_on(w, 0, form);

    browser_connect(p, subs, id);
    return p;
}

/* ---- what a browser makes of bytes ------------------------------------------------------------
 */

/* The events of a stream as far as they came whole. */
struct story {
    char id[GUSH_EVENT_ID_MAX + 1]; /* of the last event that had one */
    unsigned events_n, ids_n;
    struct gush_buf data; /* of all events, a line each */
};

static void unchunk(const uint8_t *p, size_t n, struct gush_buf *out)
{
    for (size_t at = 0; at < n;) {
        char *end;
        const uint8_t *eol = memchr(p + at, '\n', n - at);
        char size[16] = "";

        if (eol == NULL || eol - (p + at) > 8)
            return;
        memcpy(size, p + at, (size_t)(eol - (p + at)));
        size_t left = n - (size_t)(eol + 1 - p), chunk_n = strtoul(size, &end, 16);
        gush_buf_put(out, eol + 1, chunk_n < left ? chunk_n : left);
        at = (size_t)(eol + 1 - p) + chunk_n + 2;
    }
}

/* One line of the block that is being read. */
static void take_line(struct story *story, struct gush_span line, char id[GUSH_EVENT_ID_MAX + 1],
                      struct gush_buf *data)
{
    if (line.n >= 4 && memcmp(line.p, "id: ", 4) == 0) {
        (void)snprintf(id, GUSH_EVENT_ID_MAX + 1, "%.*s", (int)line.n - 4,
                       (const char *)line.p + 4);
        return;
    }
    if (line.n >= 6 && memcmp(line.p, "data: ", 6) == 0) {
        gush_buf_put(data, line.p + 6, line.n - 6);
        gush_buf_put_u8(data, '\n');
        return;
    }
    assert_int_equal(line.n, 0);
    if (data->n == 0)
        return; /* an empty line, as at the beginning */
    story->events_n++;
    story->ids_n += strcmp(story->id, id) != 0;
    memcpy(story->id, id, GUSH_EVENT_ID_MAX + 1);
    gush_buf_put_span(&story->data, gush_buf_span(data));
    gush_buf_reset(data);
}

static struct story story_of(enum gush_form form, const uint8_t *p, size_t n)
{
    struct story story = {.id = ""};
    struct gush_buf body, data;
    char id[GUSH_EVENT_ID_MAX + 1] = "";

    gush_buf_init(&body, (size_t)1 << 20);
    gush_buf_init(&data, (size_t)1 << 20);
    gush_buf_init(&story.data, (size_t)1 << 20);
    if (form == GUSH_FORM_SSE_CHUNKED)
        unchunk(p, n, &body);
    else
        gush_buf_put(&body, p, n);
    for (size_t at = 0; at < body.n;) {
        const uint8_t *eol = memchr(body.p + at, '\n', body.n - at);

        if (eol == NULL)
            break;
        take_line(&story, gush_span_of(body.p + at, (size_t)(eol - body.p) - at), id, &data);
        at = (size_t)(eol - body.p) + 1;
    }
    gush_buf_put_u8(&story.data, 0);
    gush_buf_fini(&data);
    gush_buf_fini(&body);
    return story;
}

static void story_end(struct story *story)
{
    gush_buf_fini(&story->data);
}

/* All that |p| was sent. */
static void bytes_of(const struct peer *p, struct gush_buf *out)
{
    gush_buf_init(out, (size_t)1 << 20);
    for (size_t i = 0; i < p->heard_n; i++)
        gush_buf_put(out, p->heard[i].p, p->heard[i].n);
    assert_true(gush_buf_ok(out));
}

static struct story heard_by(const struct peer *p)
{
    struct gush_buf bytes;

    bytes_of(p, &bytes);
    struct story story = story_of(p->transport.form, bytes.p, bytes.n);
    gush_buf_fini(&bytes);
    return story;
}

/* The id that |p| saw last. */
static const char *id_of(const struct peer *p)
{
    static char id[GUSH_EVENT_ID_MAX + 1];
    struct story story = heard_by(p);

    memcpy(id, story.id, sizeof(id));
    story_end(&story);
    return id;
}

static unsigned occurrences(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
        n++;
    return n;
}

/* How often the publication |data| is in |story|. Payloads are quoted and unlike each other. */
static unsigned heard_n(const struct story *story, const char *channel, unsigned number)
{
    char data[64];

    (void)snprintf(data, sizeof(data), "\"data\":\"%s-%u\"", channel, number);
    return occurrences((const char *)story->data.p, data);
}

static void say(struct world *w, const char *channel, unsigned number)
{
    char data[64];

    (void)snprintf(data, sizeof(data), "\"%s-%u\"", channel, number);
    publish(w, channel, data);
}

/* ---- what it costs nobody ----------------------------------------------------------------------
 */

static void who_has_no_position_sees_no_id(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *with = browser(w, GUSH_FORM_SSE_CHUNKED, "\"a\":{},\"b\":{}", NULL);
    struct peer *off = peer_on(w, 0, GUSH_FORM_SSE_CHUNKED);

    browser_connect(off, "\"rec:a\":{}", NULL); /* a transport without ids */
    say(w, "a", 1);
    say(w, "rec:a", 1);
    struct story story = heard_by(with);
    assert_int_equal(story.events_n, 2);
    assert_string_equal(story.id, "");
    assert_null(with->client->marks);
    story_end(&story);
    story = heard_by(off);
    assert_int_equal(story.events_n, 2);
    assert_string_equal(story.id, "");
    assert_null(off->client->marks);
    story_end(&story);
}

static void frames_of_the_only_channel_are_shared(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p[3];

    for (size_t i = 0; i < 3; i++) {
        p[i] = browser(w, i < 2 ? GUSH_FORM_SSE_CHUNKED : GUSH_FORM_SSE,
                       i == 1 ? "\"rec:a\":{},\"x\":{}" : "\"rec:a\":{}", NULL);
        p[i]->answer = GUSH_EAGAIN;
    }
    say(w, "rec:a", 1);
    for (size_t i = 0; i < 3; i++)
        peer_sent(p[i]);
    uint64_t before = live(w).bytes;
    say(w, "rec:a", 2);
    assert_int_equal(p[0]->flight_n, 1);
    assert_ptr_equal(p[0]->flight[0].bytes, p[1]->flight[0].bytes);
    assert_ptr_not_equal(p[0]->flight[0].bytes, p[2]->flight[0].bytes);
    /* Each form once as it is, and once with the id; no line of anybody. */
    assert_int_equal(live(w).bytes, before + 4);
    for (size_t i = 0; i < 3; i++)
        peer_sent(p[i]);
    assert_int_equal(live(w).bytes, before);
    assert_string_equal(id_of(p[0]), id_of(p[2]));
}

static void only_what_moves_a_position_has_an_id(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = browser(w, GUSH_FORM_SSE, "\"rec:a\":{},\"pos:b\":{},\"x\":{}", NULL);
    struct gush_buf bytes;

    say(w, "rec:a", 1);
    say(w, "x", 1);
    say(w, "pos:b", 1);
    say(w, "x", 2);
    bytes_of(p, &bytes);
    gush_buf_put_u8(&bytes, 0);
    assert_int_equal(occurrences((const char *)bytes.p, "data: "), 5);
    assert_int_equal(occurrences((const char *)bytes.p, "id: "), 3);
    gush_buf_fini(&bytes);
}

/* ---- cut at every byte ------------------------------------------------------------------------
 */

static const char *const channels[] = {"rec:a", "rec:b", "rec:c"};

/* What |p| heard up to byte |cut|, and then whoever came back with its id: all of it once. */
static void check_cut(struct world *w, const struct peer *p, const struct gush_buf *bytes,
                      size_t cut, const char *subs, const unsigned said[3])
{
    struct story before = story_of(p->transport.form, bytes->p, cut);

    if (before.events_n == 0) { /* it has not even heard that it is connected */
        assert_string_equal(before.id, "");
        story_end(&before);
        return;
    }
    struct peer *again = browser(w, p->transport.form, subs, before.id);
    struct story after = heard_by(again);
    for (size_t i = 0; i < 3; i++)
        for (unsigned n = 1; n <= said[i]; n++)
            if (heard_n(&before, channels[i], n) + heard_n(&after, channels[i], n) != 1)
                fail_msg("cut at %zu: %s-%u was heard %u and %u times", cut, channels[i], n,
                         heard_n(&before, channels[i], n), heard_n(&after, channels[i], n));
    assert_int_equal(occurrences((const char *)after.data.p, "\"recovered\":true"),
                     occurrences((const char *)after.data.p, "\"was_recovering\":true"));
    story_end(&before);
    story_end(&after);
    peer_gone(again);
    settle(w);
}

/* Says |n| things in the first |channels_n| channels and sometimes elsewhere; sometimes the peer
 * takes nothing for a while, so that bursts pile up. */
static void talk(struct world *w, struct peer *p, unsigned n, size_t channels_n, unsigned said[3])
{
    struct gush_rng rng;

    gush_rng_seed(&rng, n + channels_n);
    for (unsigned i = 0; i < n; i++) {
        size_t which = gush_rng_below(&rng, channels_n + 1);

        p->answer = gush_rng_below(&rng, 4) ? GUSH_EAGAIN : GUSH_OK;
        if (which == channels_n)
            say(w, "x", i);
        else
            say(w, channels[which], ++said[which]);
        if (p->flight_n && gush_rng_below(&rng, 3) == 0)
            peer_sent(p);
    }
    p->answer = GUSH_OK;
    while (p->flight_n)
        peer_sent(p);
}

static void cut_everywhere(void **state, enum gush_form form, const char *subs, size_t channels_n,
                           size_t burst_n)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = browser_on(w, 0, form);
    unsigned said[3] = {0, 0, 0};
    struct gush_buf bytes;

    p->transport.burst_n = burst_n;
    browser_connect(p, subs, NULL);
    talk(w, p, 24, channels_n, said);
    bytes_of(p, &bytes);
    for (size_t cut = 0; cut <= bytes.n; cut++)
        check_cut(w, p, &bytes, cut, subs, said);
    gush_buf_fini(&bytes);
}

#define ONE   "\"rec:a\":{},\"x\":{}"
#define THREE "\"rec:a\":{},\"rec:b\":{},\"rec:c\":{},\"x\":{}"

static void one_channel_chunked(void **state)
{
    cut_everywhere(state, GUSH_FORM_SSE_CHUNKED, ONE, 1, GUSH_BURST_MAX);
}

static void one_channel_raw(void **state)
{
    cut_everywhere(state, GUSH_FORM_SSE, ONE, 1, 2);
}

static void three_channels_chunked(void **state)
{
    cut_everywhere(state, GUSH_FORM_SSE_CHUNKED, THREE, 3, GUSH_BURST_MAX);
}

static void three_channels_raw(void **state)
{
    cut_everywhere(state, GUSH_FORM_SSE, THREE, 3, 5);
}

/* Who recovers is told his position with what he missed: cut there, he goes on from there. */
static void a_recovery_that_is_cut_is_made_again(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *first = browser(w, GUSH_FORM_SSE, THREE, NULL);
    unsigned said[3] = {5, 4, 0};
    struct gush_buf bytes;

    for (unsigned n = 1; n <= 5; n++)
        say(w, "rec:a", n);
    char *id = gush_strndup(id_of(first), GUSH_EVENT_ID_MAX);
    for (unsigned n = 1; n <= 4; n++)
        say(w, "rec:b", n);
    struct peer *second = browser(w, GUSH_FORM_SSE, THREE, id);
    gush_free(id);
    struct story story = heard_by(second);
    assert_int_equal(heard_n(&story, "rec:a", 5), 0);
    assert_int_equal(heard_n(&story, "rec:b", 1), 1);
    story_end(&story);
    bytes_of(second, &bytes);
    assert_string_equal(id_of(second), id_of(first));
    struct peer *third = browser(w, GUSH_FORM_SSE, THREE, id_of(second));
    story = heard_by(third);
    for (size_t i = 0; i < 2; i++)
        for (unsigned n = 1; n <= said[i]; n++)
            assert_int_equal(heard_n(&story, channels[i], n), 0);
    story_end(&story);
    gush_buf_fini(&bytes);
}

/* ---- the request's own positions --------------------------------------------------------------
 */

static unsigned in_connect(const struct peer *p, const char *what)
{
    struct story story = heard_by(p);
    unsigned n = occurrences((const char *)story.data.p, what);

    story_end(&story);
    return n;
}

static void the_id_is_newer_than_the_request(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    char subs[128];

    for (unsigned n = 1; n <= 3; n++)
        say(w, "rec:a", n);
    (void)snprintf(subs, sizeof(subs),
                   "\"rec:a\":{\"recover\":true,\"offset\":1,\"epoch\":\"%.8s\"}",
                   epoch_of(w, "rec:a").s);
    struct peer *p = browser(w, GUSH_FORM_SSE, subs, NULL);
    assert_int_equal(in_connect(p, "\"rec:a-2\""), 1);
    say(w, "rec:a", 4);
    char *id = gush_strndup(id_of(p), GUSH_EVENT_ID_MAX);
    say(w, "rec:a", 5);
    struct peer *again = browser(w, GUSH_FORM_SSE, subs, id);
    assert_int_equal(in_connect(again, "\"rec:a-4\""), 0);
    assert_int_equal(in_connect(again, "\"rec:a-5\""), 1);
    assert_int_equal(in_connect(again, "\"recovered\":true"), 1);
    gush_free(id);
}

/* It names no other channel: whose position the request knows, he left meanwhile, or never was in.
 */
static void a_channel_that_the_id_does_not_have(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = browser(w, GUSH_FORM_SSE, "\"rec:a\":{}", NULL);

    say(w, "rec:b", 1);
    struct peer *again = browser(
        w, GUSH_FORM_SSE, "\"rec:a\":{},\"rec:b\":{\"recover\":true},\"rec:c\":{}", id_of(p));
    assert_int_equal(in_connect(again, "\"rec:b-1\""), 0);
    assert_int_equal(in_connect(again, "\"was_recovering\":true"), 2);
    assert_int_equal(in_connect(again, "\"recovered\":true"), 1);
}

static void ids_that_are_not_ours_are_told(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = browser(w, GUSH_FORM_SSE, THREE, NULL);
    char good[GUSH_EVENT_ID_MAX + 1], bad[GUSH_EVENT_ID_MAX + 10];

    say(w, "rec:a", 1);
    memcpy(good, id_of(p), sizeof(good));
    for (size_t i = 1; i < strlen(good); i++) {
        (void)snprintf(bad, sizeof(bad), "%.*s", (int)i, good);
        struct peer *cut = browser(w, GUSH_FORM_SSE, THREE, bad);
        assert_int_equal(in_connect(cut, "\"was_recovering\":true"), 3);
        assert_int_equal(in_connect(cut, "\"recovered\":true"), 0);
        peer_gone(cut);
        (void)snprintf(bad, sizeof(bad), "%s", good);
        bad[i] = bad[i] == 'x' ? 'y' : 'x';
        struct peer *altered = browser(w, GUSH_FORM_SSE, THREE, bad);
        assert_int_equal(in_connect(altered, "\"was_recovering\":true"), 3);
        assert_int_equal(in_connect(altered, "\"recovered\":true"), 0);
        say(w, "x", (unsigned)i);
        assert_int_equal(in_connect(altered, "\"pub\":"), 1); /* and goes on */
        peer_gone(altered);
    }
    memset(bad, 'A', sizeof(bad));
    bad[sizeof(bad) - 1] = '\0';
    assert_int_equal(in_connect(browser(w, GUSH_FORM_SSE, THREE, bad), "\"was_recovering\":true"),
                     3);
    /* None at all is no wish. */
    assert_int_equal(in_connect(browser(w, GUSH_FORM_SSE, THREE, ""), "\"was_recovering\":true"),
                     0);
    /* A transport without ids does not read them. */
    struct peer *off = peer_on(w, 0, GUSH_FORM_SSE);
    browser_connect(off, THREE, "junk");
    assert_int_equal(in_connect(off, "\"was_recovering\":true"), 0);
}

static void who_only_wants_the_newest_gets_it(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    say(w, "cache:a", 1);
    say(w, "cache:a", 2);
    struct peer *p = browser(w, GUSH_FORM_SSE, "\"cache:a\":{}", "junk");
    assert_int_equal(in_connect(p, "\"cache:a-2\""), 1);
    assert_int_equal(in_connect(p, "\"cache:a-1\""), 0);
    assert_int_equal(
        in_connect(browser(w, GUSH_FORM_SSE, "\"cache:a\":{}", id_of(p)), "\"cache:a-2\""),
        0); /* he has it */
}

/* ---- other channels, meanwhile ------------------------------------------------------------------
 */

static struct peer *user_browser(struct world *w, const char *members, const char *id)
{
    struct peer *p = browser_on(w, 0, GUSH_FORM_SSE);
    struct gush_connect_request request;
    struct gush_buf json;

    gush_buf_init(&json, 1 << 16);
    gush_buf_put_str(&json, "{\"token\":\"");
    token_of("{\"sub\":\"u\"}", &json);
    gush_buf_printf(&json, "\",\"subs\":{%s}}", members);
    assert_int_equal(
        gush_connect_decode_json(gush_buf_span(&json), GUSH_CONNECT_MEMBERS_MAX, &request, NULL),
        GUSH_OK);
    request.last_event_id = gush_span_str(id);
    gush_client_connect(p->client, &request);
    gush_connect_request_fini(&request);
    gush_buf_fini(&json);
    settle(w);
    return p;
}

static size_t positions_in(struct world *w, const char *id)
{
    struct gush_event_id_position positions[GUSH_EVENT_ID_POSITIONS_MAX];
    size_t n;

    assert_int_equal(gush_event_id_parse(&w->node->event_ids, gush_span_str(id), positions, &n),
                     GUSH_OK);
    return n;
}

static void subscribed_and_unsubscribed_by_the_api(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = user_browser(w, "\"x\":{}", NULL);
    struct calling in_a = SUBSCRIBE("rec:a"), in_b = SUBSCRIBE("rec:b"), in_x = SUBSCRIBE("y");
    struct calling out_a = UNSUBSCRIBE("rec:a"), out_b = UNSUBSCRIBE("rec:b"),
                   out_x = UNSUBSCRIBE("y");

    assert_string_equal(id_of(p), "");
    assert_int_equal(run(w, &in_x), 0);
    assert_string_equal(id_of(p), "");
    say(w, "rec:a", 1);
    assert_int_equal(run(w, &in_a), 0);
    assert_int_equal(positions_in(w, id_of(p)), 1);
    say(w, "rec:a", 2);
    assert_int_equal(run(w, &in_b), 0);
    assert_int_equal(positions_in(w, id_of(p)), 2);
    say(w, "rec:b", 1);
    char *both = gush_strndup(id_of(p), GUSH_EVENT_ID_MAX);
    assert_int_equal(run(w, &out_x), 0);
    assert_string_equal(id_of(p), both);
    gush_free(both);
    assert_int_equal(run(w, &out_a), 0);
    assert_int_equal(positions_in(w, id_of(p)), 1);
    say(w, "rec:b", 2);
    assert_int_equal(positions_in(w, id_of(p)), 1);
    assert_int_equal(run(w, &out_b), 0);
    /* He stands nowhere, which is not the same as never having stood anywhere: what his request
     * says is as old as before. */
    assert_int_equal(positions_in(w, id_of(p)), 0);
    struct peer *again = user_browser(w, "\"rec:a\":{\"recover\":true,\"offset\":1}", id_of(p));
    assert_int_equal(in_connect(again, "\"was_recovering\":true"), 1);
    assert_int_equal(in_connect(again, "\"recovered\":true"), 0);
    assert_int_equal(in_connect(again, "\"rec:a-2\""), 0);
}

/* What was queued before a change is sent with the state before it. */
static void changes_keep_their_place_in_the_queue(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = user_browser(w, "\"rec:a\":{},\"rec:b\":{}", NULL);
    struct calling out_a = UNSUBSCRIBE("rec:a"), in_c = SUBSCRIBE("rec:c");
    struct gush_buf bytes;
    unsigned positions = 0;

    p->answer = GUSH_EAGAIN;
    say(w, "rec:b", 1); /* under way; the rest waits behind it */
    say(w, "rec:a", 1);
    assert_int_equal(run(w, &out_a), 0);
    say(w, "rec:b", 2);
    assert_int_equal(run(w, &in_c), 0);
    say(w, "rec:c", 1);
    p->answer = GUSH_OK;
    while (p->flight_n)
        peer_sent(p);
    bytes_of(p, &bytes);
    for (size_t cut = 0; cut <= bytes.n; cut++) {
        struct story story = story_of(GUSH_FORM_SSE, bytes.p, cut);
        unsigned expected = story.events_n == 0   ? 0
                            : story.events_n <= 3 ? 2  /* connect, b, a */
                            : story.events_n <= 5 ? 1  /* a is left, b */
                                                  : 2; /* c is entered, c */

        if (story.events_n > 0)
            positions = (unsigned)positions_in(w, story.id);
        assert_int_equal(positions, expected);
        story_end(&story);
    }
    assert_int_equal(positions, 2);
    gush_buf_fini(&bytes);
}

static void more_channels_than_an_id_can_hold(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"channel_limit\":1000"));
    struct peer *p = browser_on(w, 0, GUSH_FORM_SSE);
    struct gush_buf subs, bytes;

    gush_buf_init(&subs, 1 << 16);
    for (unsigned i = 0; i < 90; i++)
        gush_buf_printf(&subs, "%s\"rec:%u\":{}", i ? "," : "", i);
    gush_buf_put_u8(&subs, 0);
    browser_connect(p, (const char *)subs.p, NULL);
    assert_string_equal(id_of(p), "-");
    for (unsigned i = 0; i < 90; i++)
        publish(w, "rec:7", "1");
    bytes_of(p, &bytes);
    gush_buf_put_u8(&bytes, 0);
    assert_int_equal(occurrences((const char *)bytes.p, "data: "), 91);
    assert_int_equal(occurrences((const char *)bytes.p, "id: "), 1);
    struct peer *again = browser(w, GUSH_FORM_SSE, (const char *)subs.p, "-");
    assert_int_equal(in_connect(again, "\"was_recovering\":true"), 90);
    assert_int_equal(in_connect(again, "\"recovered\":true"), 0);
    gush_buf_fini(&bytes);
    gush_buf_fini(&subs);
}

/* A short message can leave a long list behind it: both are what waits, and the limit holds for it.
 */
static void changes_that_wait_are_part_of_the_queue(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_size\":65536"));
    struct gush_buf subs;
    unsigned changes_n = 0;

    gush_buf_init(&subs, 1 << 16);
    for (unsigned i = 0; i < 50; i++)
        gush_buf_printf(&subs, "%s\"rec:%u\":{}", i ? "," : "", i);
    gush_buf_put_u8(&subs, 0);
    struct peer *p = user_browser(w, (const char *)subs.p, NULL);
    p->answer = GUSH_EAGAIN;
    for (; changes_n < 300 && p->closes_n == 0; changes_n++) {
        struct calling in = SUBSCRIBE("rec:x"), out = UNSUBSCRIBE("rec:x");

        (void)run(w, changes_n % 2 ? &out : &in);
    }
    assert_in_range(changes_n, 4, 65536 / (50 * sizeof(struct gush_event_id_entry)) + 3);
    assert_int_equal(p->close_code, GUSH_DISCONNECT_SLOW);
    gush_buf_fini(&subs);
}

/* Long ids and many events: a burst has a bound, and every line of it its own text. */
static void bursts_with_long_ids(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"channel_limit\":1000"));
    struct peer *p = browser_on(w, 0, GUSH_FORM_SSE_CHUNKED);
    struct gush_buf subs;

    gush_buf_init(&subs, 1 << 16);
    for (unsigned i = 0; i < 60; i++)
        gush_buf_printf(&subs, "%s\"rec:%u\":{}", i ? "," : "", i);
    gush_buf_put_u8(&subs, 0);
    browser_connect(p, (const char *)subs.p, NULL);
    p->answer = GUSH_EAGAIN;
    for (unsigned i = 0; i < 200; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "rec:%u", i % 60);
        publish(w, name, "1");
    }
    while (p->flight_n) {
        size_t lines = 0;

        for (size_t i = 0; i < p->flight_n; i++)
            if (memmem(p->flight[i].bytes->data, 12, "id: ", 4))
                lines += p->flight[i].bytes->n;
        assert_true(lines < 20000);
        peer_sent(p);
    }
    struct story story = heard_by(p);
    assert_int_equal(story.events_n, 201);
    assert_int_equal(story.ids_n, 201);
    assert_int_equal(positions_in(w, story.id), 60);
    story_end(&story);
    gush_buf_fini(&subs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(who_has_no_position_sees_no_id),
        world_test(frames_of_the_only_channel_are_shared),
        world_test(only_what_moves_a_position_has_an_id),
        world_test(one_channel_chunked),
        world_test(one_channel_raw),
        world_test(three_channels_chunked),
        world_test(three_channels_raw),
        world_test(a_recovery_that_is_cut_is_made_again),
        world_test(the_id_is_newer_than_the_request),
        world_test(a_channel_that_the_id_does_not_have),
        world_test(ids_that_are_not_ours_are_told),
        world_test(who_only_wants_the_newest_gets_it),
        world_test(subscribed_and_unsubscribed_by_the_api),
        world_test(changes_keep_their_place_in_the_queue),
        world_test(more_channels_than_an_id_can_hold),
        world_test(changes_that_wait_are_part_of_the_queue),
        world_test(bursts_with_long_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
