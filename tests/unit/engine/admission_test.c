/* admission: who may come, and how fast. spec: client protocol 16, Q4 */
#include "server/engine/admission.h"

#include "tests/unit/engine/harness.h"

#define CONFIG(client)                                                                             \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true" client "},"                      \
    "\"channel\":{\"history_meta_ttl\":\"60s\"}}"

static unsigned admitted(struct world *w, unsigned attempts)
{
    unsigned n = 0;

    for (unsigned i = 0; i < attempts; i++)
        n += gush_admission_try(w->node, w->list[i % w->lanes_n]);
    return n;
}

static uint64_t refused(struct world *w)
{
    const gush_metrics_cell *cells;
    uint64_t n = 0;

    for (size_t i = 0; i < w->lanes_n; i++) {
        cells = gush_metrics_cells(gush_node_metrics(w->node), i, GUSH_METRIC_CONNECTION_LIMIT,
                                   GUSH_AT_NONE);
        n += atomic_load(cells);
    }
    return n;
}

static void everybody_may_come_unless_there_is_a_limit(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    assert_int_equal(admitted(w, 1000), 1000);
    assert_int_equal(refused(w), 0);
}

static void as_many_clients_as_allowed_on_all_lanes(void **state)
{
    struct world *w = world_with(state, CONFIG(",\"connection_limit\":3"), 2, NULL);
    struct peer *p[3];

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(admitted(w, 2), 2); /* to be asked is not to be here */
        p[i] = peer_on(w, i % 2, GUSH_FORM_PUSH_JSON);
    }
    assert_int_equal(admitted(w, 4), 0);
    assert_int_equal(refused(w), 4);
    peer_gone(p[1]);
    assert_int_equal(admitted(w, 1), 1);
}

static void a_bucket_of_all_lanes(void **state)
{
    struct world *w = world_with(state, CONFIG(",\"connection_rate_limit\":10"), 2, NULL);

    assert_int_equal(admitted(w, 25), 10); /* the burst */
    assert_int_equal(refused(w), 15);
    assert_int_equal(admitted(w, 1), 0);
    pass(w, 99);
    assert_int_equal(admitted(w, 1), 0);
    pass(w, 1);
    assert_int_equal(admitted(w, 5), 1); /* ten in a second */
    pass(w, 550);
    assert_int_equal(admitted(w, 50), 5); /* and the half of one is kept */
    pass(w, 50);
    assert_int_equal(admitted(w, 50), 1);
    pass(w, 60000);
    assert_int_equal(admitted(w, 50), 10); /* never more than the burst */
}

static void every_rate_holds_over_time(void **state)
{
    static const char *const configs[] = {
        CONFIG(",\"connection_rate_limit\":1"), CONFIG(",\"connection_rate_limit\":7"),
        CONFIG(",\"connection_rate_limit\":997"), CONFIG(",\"connection_rate_limit\":30000")};
    static const unsigned rates[] = {1, 7, 997, 30000};

    for (size_t i = 0; i < 4; i++) {
        struct world *w = world_new(state, configs[i]);
        unsigned n = admitted(w, rates[i] + 10);

        assert_int_equal(n, rates[i]);
        for (unsigned ms = 0; ms < 3000; ms++) {
            w->now_us += 1000;
            n += admitted(w, rates[i] / 1000 + 2);
        }
        assert_int_equal(n, rates[i] * 4); /* the burst and three seconds */
        if (i < 3)
            world_end(state);
    }
}

/* Numbers that mean "any": nothing overflows, however long the machine runs. */
static void rates_beyond_all_measure(void **state)
{
    static const char *const configs[] = {CONFIG(",\"connection_rate_limit\":10000000000"),
                                          CONFIG(",\"connection_rate_limit\":9223372036854775807")};

    for (size_t i = 0; i < 2; i++) {
        struct world *w = world_new(state, configs[i]);

        for (unsigned days = 0; days < 1000; days++) {
            assert_int_equal(admitted(w, 10), 10);
            w->now_us += UINT64_C(86399999999);
        }
        if (i == 0)
            world_end(state);
    }
}

static void the_refused_by_number_cost_no_token(void **state)
{
    struct world *w =
        world_new(state, CONFIG(",\"connection_limit\":1,\"connection_rate_limit\":2"));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    assert_int_equal(admitted(w, 10), 0);
    peer_gone(p);
    assert_int_equal(admitted(w, 10), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(everybody_may_come_unless_there_is_a_limit),
        world_test(as_many_clients_as_allowed_on_all_lanes),
        world_test(a_bucket_of_all_lanes),
        world_test(every_rate_holds_over_time),
        world_test(rates_beyond_all_measure),
        world_test(the_refused_by_number_cost_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
