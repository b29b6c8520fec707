#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "server/base/metrics.h"

#include "tests/unit/base/unit.h"

struct fixture {
    struct gush_metrics *m;
    struct gush_buf text;
};

static int set_up(void **state)
{
    static struct fixture f;
    static const char *namespaces[] = {"", "news", "odd\"\\\n"};

    f.m = gush_metrics_new(&(struct gush_metrics_options){.lanes_n = 2,
                                                          .version = "1.2.3",
                                                          .namespaces = namespaces,
                                                          .namespaces_n = 3,
                                                          .paths_n = 3});
    gush_buf_init(&f.text, (size_t)1 << 20);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    gush_metrics_free(f->m);
    gush_buf_fini(&f->text);
    return 0;
}

static const char *page(struct fixture *f)
{
    gush_buf_reset(&f->text);
    gush_metrics_write(f->m, &f->text);
    gush_buf_put_u8(&f->text, 0);
    assert_true(gush_buf_ok(&f->text));
    return (const char *)f->text.p;
}

static bool has_line(struct fixture *f, const char *line)
{
    const char *text = page(f), *at = text;
    size_t n = strlen(line);

    while ((at = strstr(at, line)) != NULL) {
        if ((at == text || at[-1] == '\n') && at[n] == '\n')
            return true;
        at++;
    }
    return false;
}

#define assert_line(f, line)    assert_true(has_line(f, line))
#define assert_no_text(f, text) assert_null(strstr(page(f), text))

/* ---- text ------------------------------------------------------------------------------------ */

static void what_was_not_counted_is_not_there(void **state)
{
    struct fixture *f = *state;

    assert_no_text(f, "centrifugo_client_num_server_disconnects");
    assert_no_text(f, "gush_");
}

static void what_is_always_there_begins_with_0(void **state)
{
    struct fixture *f = *state;

    assert_line(f, "centrifugo_node_client_connection_limit 0");
    assert_line(f, "centrifugo_node_messages_sent_count{channel_namespace=\"\",type=\"join\"} 0");
    assert_line(f, "centrifugo_client_command_duration_seconds_histogram_count{"
                   "channel_namespace=\"\",method=\"sub_refresh\"} 0");
}

static void lanes_are_summed(void **state)
{
    struct fixture *f = *state;
    struct gush_metrics_at at = GUSH_AT(gush_metrics_disconnect_code(f->m, 3001));

    gush_metrics_add(f->m, 0, GUSH_METRIC_DISCONNECTS, at, 2);
    gush_metrics_add(f->m, 1, GUSH_METRIC_DISCONNECTS, at, 40);
    assert_line(f, "# TYPE centrifugo_client_num_server_disconnects counter");
    assert_line(f, "centrifugo_client_num_server_disconnects{code=\"3001\"} 42");
}

static void a_family_has_one_head(void **state)
{
    struct fixture *f = *state;
    const char *head = "# HELP centrifugo_client_num_server_disconnects ";

    for (uint32_t code = 3000; code < 3005; code++)
        gush_metrics_add(f->m, 0, GUSH_METRIC_DISCONNECTS,
                         GUSH_AT(gush_metrics_disconnect_code(f->m, code)), 1);
    const char *first = strstr(page(f), head);
    assert_non_null(first);
    assert_null(strstr(first + 1, head));
}

static void cells_of_the_last_label_are_neighbours(void **state)
{
    struct fixture *f = *state;
    gush_metrics_cell *cells =
        gush_metrics_cells(f->m, 1, GUSH_METRIC_MESSAGES_SENT, GUSH_AT(GUSH_TRANSPORT_UNI_GRPC));

    gush_metrics_bump(&cells[GUSH_FRAME_PUSH_LEAVE], 3);
    gush_metrics_bump(&cells[GUSH_FRAME_PUSH_LEAVE], 4);
    assert_line(f, "centrifugo_transport_messages_sent{channel_namespace=\"\","
                   "transport=\"uni_grpc\",frame_type=\"push_leave\"} 7");
}

static void namespaces_are_escaped(void **state)
{
    struct fixture *f = *state;

    gush_metrics_add(f->m, 0, GUSH_METRIC_SLOW, GUSH_AT(2, 1, GUSH_TRANSPORT_UNI_SSE), 1);
    gush_metrics_add(f->m, 0, GUSH_METRIC_SLOW, GUSH_AT(1, 0, GUSH_TRANSPORT_UNI_SSE), 1);
    assert_line(f, "gush_client_slow_disconnects{channel_namespace=\"odd\\\"\\\\\\n\","
                   "policy=\"drop_oldest\",transport=\"uni_sse\"} 1");
    assert_line(f, "gush_client_slow_disconnects{channel_namespace=\"news\","
                   "policy=\"disconnect\",transport=\"uni_sse\"} 1");
}

static void what_is_open_may_close_on_another_lane(void **state)
{
    struct fixture *f = *state;
    struct gush_metrics_at at = GUSH_AT(GUSH_TRANSPORT_UNI_SSE);
    const char *line = "centrifugo_client_connections_inflight{accept_protocol=\"\","
                       "client_name=\"unnamed\",client_version=\"unversioned\","
                       "transport=\"uni_sse\"} ";
    char full[256];

    for (int i = 0; i < 3; i++)
        gush_metrics_open(f->m, 0, GUSH_METRIC_CONNECTIONS_INFLIGHT, at);
    for (int left = 2; left >= 0; left--) {
        gush_metrics_close(f->m, 1, GUSH_METRIC_CONNECTIONS_INFLIGHT, at);
        snprintf(full, sizeof full, "%s%d", line, left); /* 0 stays visible */
        assert_line(f, full);
    }
}

static void a_gauge_of_0_was_set(void **state)
{
    struct fixture *f = *state;

    assert_no_text(f, "gush_queue_bytes");
    gush_metrics_set(f->m, GUSH_METRIC_QUEUE_BYTES, GUSH_AT(GUSH_TRANSPORT_UNI_GRPC), 0);
    assert_line(f, "gush_queue_bytes{transport=\"uni_grpc\"} 0");
    gush_metrics_set(f->m, GUSH_METRIC_QUEUE_BYTES, GUSH_AT(GUSH_TRANSPORT_UNI_GRPC), 5);
    gush_metrics_set(f->m, GUSH_METRIC_QUEUE_BYTES, GUSH_AT(GUSH_TRANSPORT_UNI_GRPC), 4);
    assert_line(f, "gush_queue_bytes{transport=\"uni_grpc\"} 4");
}

static void units_are_applied(void **state)
{
    struct fixture *f = *state;

    gush_metrics_set(f->m, GUSH_METRIC_PROCESS_CPU, GUSH_AT_NONE, 1250000);
    gush_metrics_set(f->m, GUSH_METRIC_BUILD, GUSH_AT_NONE, 1);
    assert_line(f, "process_cpu_seconds_total 1.25");
    assert_line(f, "centrifugo_node_build{version=\"1.2.3\"} 1");
}

static void a_histogram_counts_up_to_its_bounds(void **state)
{
    struct fixture *f = *state;
    struct gush_metrics_at at =
        GUSH_AT(gush_metrics_method(gush_span_str("publish")), GUSH_PROTOCOL_GRPC);
    static const uint64_t values[] = {0, 5000000, 5000001, 10000000000, 10000000001};
#define NAME "centrifugo_api_command_duration_seconds_histogram"
#define MORE "method=\"publish\",protocol=\"grpc\""

    for (size_t i = 0; i < 5; i++)
        gush_metrics_observe(f->m, i % 2, GUSH_METRIC_API_DURATION, at, values[i]);
    assert_line(f, "# TYPE " NAME " histogram");
    assert_line(f, NAME "_bucket{" MORE ",le=\"0.005\"} 2"); /* the bound itself is in */
    assert_line(f, NAME "_bucket{" MORE ",le=\"0.01\"} 3");
    assert_line(f, NAME "_bucket{" MORE ",le=\"5\"} 3");
    assert_line(f, NAME "_bucket{" MORE ",le=\"10\"} 4");
    assert_line(f, NAME "_bucket{" MORE ",le=\"+Inf\"} 5");
    assert_line(f, NAME "_sum{" MORE "} 20.010000002");
    assert_line(f, NAME "_count{" MORE "} 5");
}

static void a_histogram_without_labels_has_its_bounds_as_one(void **state)
{
    struct fixture *f = *state;

    gush_metrics_observe(f->m, 0, GUSH_METRIC_RECOVERED, GUSH_AT_NONE, 2);
    assert_line(f, "centrifugo_client_recovered_publications_bucket{channel_namespace=\"\","
                   "le=\"1\"} 0");
    assert_line(f, "centrifugo_client_recovered_publications_sum{channel_namespace=\"\"} 2");
}

/* ---- labels ---------------------------------------------------------------------------------- */

static void unknown_words_are_the_last_one(void **state)
{
    (void)state;
    assert_int_equal(gush_metrics_transport("uni_sse"), GUSH_TRANSPORT_UNI_SSE);
    assert_int_equal(gush_metrics_transport("uni_ss"), GUSH_TRANSPORT_OTHER);
    assert_int_equal(gush_metrics_transport(""), GUSH_TRANSPORT_OTHER);
    assert_int_equal(gush_metrics_method(gush_span_str("nothing")),
                     gush_metrics_method(gush_span_str("unknown")));
}

static void numbers_keep_their_place_and_run_out(void **state)
{
    struct fixture *f = *state;
    uint32_t zero = gush_metrics_unsubscribe_code(f->m, 0);

    assert_int_equal(zero, gush_metrics_unsubscribe_code(f->m, 0));
    for (uint32_t code = 1; code < 1000; code++)
        gush_metrics_add(f->m, 0, GUSH_METRIC_UNSUBSCRIBES,
                         GUSH_AT(gush_metrics_unsubscribe_code(f->m, code)), 1);
    assert_int_equal(zero, gush_metrics_unsubscribe_code(f->m, 0));
    assert_line(f, "centrifugo_client_num_server_unsubscribes{channel_namespace=\"\",code=\"14\"} "
                   "1");
    assert_line(f, "centrifugo_client_num_server_unsubscribes{channel_namespace=\"\","
                   "code=\"other\"} 985");
}

static void our_codes_find_their_places(void **state) /* however many others come first */
{
    struct fixture *f = *state;

    for (uint32_t code = 4000; code < 5000; code++)
        gush_metrics_add(f->m, 0, GUSH_METRIC_DISCONNECTS,
                         GUSH_AT(gush_metrics_disconnect_code(f->m, code)), 1);
    gush_metrics_add(f->m, 0, GUSH_METRIC_DISCONNECTS,
                     GUSH_AT(gush_metrics_disconnect_code(f->m, 3008)), 1);
    assert_line(f, "centrifugo_client_num_server_disconnects{code=\"3008\"} 1");
}

static void *intern(void *arg)
{
    struct fixture *f = arg;

    for (uint32_t code = 0; code < 40; code++)
        gush_metrics_add(f->m, 0, GUSH_METRIC_DISCONNECTS,
                         GUSH_AT(gush_metrics_disconnect_code(f->m, 4000 + code)), 1);
    return NULL;
}

static void two_lanes_may_meet_a_number_at_once(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[2];

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, intern, f), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t code = 0; code < 40; code++) {
        char line[128];
        snprintf(line, sizeof line, "centrifugo_client_num_server_disconnects{code=\"%u\"} 2",
                 4000 + code);
        assert_line(f, line);
    }
    assert_no_text(f, "other");
}

/* ---- items ----------------------------------------------------------------------------------- */

struct items {
    const char *wanted;
    double value;
    size_t found_n, all_n, foreign_n;
};

static void take_item(void *arg, struct gush_span key, double value)
{
    struct items *items = arg;

    items->all_n++;
    if (key.n < 11 || memcmp(key.p, "centrifugo.", 11) != 0)
        items->foreign_n++;
    if (gush_span_eq_str(key, items->wanted)) {
        items->found_n++;
        items->value = value;
    }
}

static struct items find(struct fixture *f, const char *key)
{
    struct items items = {.wanted = key};

    gush_metrics_items(f->m, take_item, &items);
    assert_int_equal(items.foreign_n, 0);
    return items;
}

static void without_a_snapshot_there_are_no_items(void **state)
{
    assert_int_equal(find(*state, "").all_n, 0);
}

static void counters_are_differences(void **state)
{
    struct fixture *f = *state;
    const char *key = "centrifugo.node.messages_sent_count.type.publication";
    struct gush_metrics_at at = GUSH_AT(GUSH_MESSAGE_PUBLICATION);

    gush_metrics_add(f->m, 0, GUSH_METRIC_SENT, at, 5);
    gush_metrics_snapshot(f->m);
    assert_int_equal(find(f, key).found_n, 1);
    assert_true(find(f, key).value == 5);
    gush_metrics_add(f->m, 1, GUSH_METRIC_SENT, at, 3);
    assert_true(find(f, key).value == 5); /* as of the snapshot */
    gush_metrics_snapshot(f->m);
    assert_true(find(f, key).value == 3);
    gush_metrics_snapshot(f->m);
    assert_true(find(f, key).value == 0); /* still there */
}

static void gauges_are_as_they_are(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        gush_metrics_set(f->m, GUSH_METRIC_NUM_CLIENTS, GUSH_AT_NONE, 7);
        gush_metrics_snapshot(f->m);
        assert_true(find(f, "centrifugo.node.num_clients").value == 7);
    }
}

static void an_item_is_named_by_its_labels(void **state)
{
    struct fixture *f = *state;

    gush_metrics_add(f->m, 0, GUSH_METRIC_API_ERRORS,
                     GUSH_AT(gush_metrics_error_code(f->m, 102),
                             gush_metrics_method(gush_span_str("history_remove")),
                             GUSH_PROTOCOL_HTTP),
                     1);
    gush_metrics_set(f->m, GUSH_METRIC_QUEUE_BYTES, GUSH_AT(0), 1); /* not the reference's */
    gush_metrics_observe(f->m, 0, GUSH_METRIC_RECOVERED, GUSH_AT_NONE, 1);
    gush_metrics_snapshot(f->m);
    assert_int_equal(find(f, "centrifugo.api.command_errors_total.error.102.method.history_remove."
                             "protocol.http")
                         .found_n,
                     1);
    assert_int_equal(find(f, "centrifugo.client.recovered_publications").found_n, 0);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void count_request(struct fixture *f, size_t lane, const char *method, const char *path,
                          uint32_t status)
{
    gush_metrics_add(f->m, lane, GUSH_METRIC_HTTP_REQUESTS,
                     GUSH_AT(gush_metrics_http_method(gush_span_str(method)),
                             gush_metrics_path(f->m, path), gush_metrics_http_status(f->m, status)),
                     1);
}

#define REQUESTS "centrifugo_node_incoming_http_requests_total"

static void requests_by_path(void **state)
{
    struct fixture *f = *state;

    count_request(f, 0, "GET", "/a", 200);
    count_request(f, 1, "GET", "/a", 200);
    count_request(f, 0, "BREW", "/b", 405);
    assert_line(f, REQUESTS "{method=\"GET\",path=\"/a\",status=\"200\"} 2");
    assert_line(f, REQUESTS "{method=\"other\",path=\"/b\",status=\"405\"} 1");
    /* There is room for two, and for what comes behind them. */
    count_request(f, 0, "POST", "/c", 200);
    count_request(f, 0, "POST", "/d", 200);
    assert_line(f, REQUESTS "{method=\"POST\",path=\"other\",status=\"200\"} 2");
    assert_int_equal(gush_metrics_path(f->m, "/a"), 0);
    assert_int_equal(gush_metrics_path(f->m, "/b"), 1);
    assert_int_equal(gush_metrics_path(f->m, "/c"), 2);
}

static void no_paths_at_all(void **state)
{
    static const char *namespaces[] = {""};
    struct fixture f = {
        .m = gush_metrics_new(&(struct gush_metrics_options){
            .lanes_n = 1, .version = "", .namespaces = namespaces, .namespaces_n = 1})};

    (void)state;
    gush_buf_init(&f.text, (size_t)1 << 20);
    count_request(&f, 0, "GET", "/a", 200);
    assert_line(&f, REQUESTS "{method=\"GET\",path=\"other\",status=\"200\"} 1");
    gush_buf_fini(&f.text);
    gush_metrics_free(f.m);
}

static void statuses_beyond_the_room(void **state)
{
    struct fixture *f = *state;

    for (uint32_t status = 200; status < 300; status++)
        count_request(f, 0, "GET", "/a", status);
    assert_line(f, REQUESTS "{method=\"GET\",path=\"/a\",status=\"222\"} 1");
    assert_line(f, REQUESTS "{method=\"GET\",path=\"/a\",status=\"other\"} 77");
}

#define PATH_THREADS 4

static void *find_paths(void *m)
{
    for (int i = 0; i < 1000; i++)
        assert_true(gush_metrics_path(m, i % 2 ? "/a" : "/b") < 2);
    return NULL;
}

static void paths_from_many_threads(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[PATH_THREADS];

    for (int i = 0; i < PATH_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_paths, f->m), 0);
    for (int i = 0; i < PATH_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_not_equal(gush_metrics_path(f->m, "/a"), gush_metrics_path(f->m, "/b"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_not_counted_is_not_there),
        TEST(what_is_always_there_begins_with_0),
        TEST(lanes_are_summed),
        TEST(a_family_has_one_head),
        TEST(cells_of_the_last_label_are_neighbours),
        TEST(namespaces_are_escaped),
        TEST(what_is_open_may_close_on_another_lane),
        TEST(a_gauge_of_0_was_set),
        TEST(units_are_applied),
        TEST(a_histogram_counts_up_to_its_bounds),
        TEST(a_histogram_without_labels_has_its_bounds_as_one),
        TEST(unknown_words_are_the_last_one),
        TEST(numbers_keep_their_place_and_run_out),
        TEST(our_codes_find_their_places),
        TEST(two_lanes_may_meet_a_number_at_once),
        TEST(requests_by_path),
        TEST(no_paths_at_all),
        TEST(statuses_beyond_the_room),
        TEST(paths_from_many_threads),
        TEST(without_a_snapshot_there_are_no_items),
        TEST(counters_are_differences),
        TEST(gauges_are_as_they_are),
        TEST(an_item_is_named_by_its_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
