/* The table of channels: streams and their deadlines, letters in one order, the end of channels. */
#include "tests/unit/engine/harness.h"

#define CONFIG(more)                                                                               \
    "{\"client\":{\"allow_anonymous_connect_without_token\":true},"                                \
    "\"channel\":{\"history_meta_ttl\":\"60s\","                                                   \
    "\"without_namespace\":{\"allow_subscribe_for_client\":true,"                                  \
    "\"allow_subscribe_for_anonymous\":true},"                                                     \
    "\"namespaces\":[{\"name\":\"hist\",\"history_size\":3,\"history_ttl\":\"10s\","               \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                 \
    "{\"name\":\"rec\",\"history_size\":3,\"history_ttl\":\"10s\",\"force_recovery\":true,"        \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true},"                 \
    "{\"name\":\"pos\",\"history_size\":3,\"history_ttl\":\"10s\",\"force_positioning\":true,"     \
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true}"                  \
    "]" more "}}"

/* ---- history's deadlines --------------------------------------------------------------------- */

static void history_is_trimmed_to_its_size(void **state) /* spec: engines 2 */
{
    struct world *w = world_new(state, CONFIG(""));

    assert_int_equal(publish(w, "hist:a", "1"), 1);
    assert_string_equal(history(w, "hist:a", -1), "1:1 /1");
    publish(w, "hist:a", "2");
    publish(w, "hist:a", "3");
    assert_string_equal(history(w, "hist:a", -1), "1:1 2:2 3:3 /3");
    assert_int_equal(publish(w, "hist:a", "4"), 4);
    assert_string_equal(history(w, "hist:a", -1), "2:2 3:3 4:4 /4");
}

static void history_expires_behind_its_ttl(void **state) /* spec: engines 2, history TTL */
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "hist:a", "1");
    pass(w, 9000);
    assert_string_equal(history(w, "hist:a", -1), "1:1 /1");
    pass(w, 2100); /* the sweep comes once a second */
    assert_string_equal(history(w, "hist:a", -1), "/1");
}

static void history_ttl_counts_from_the_last_publication(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    publish(w, "hist:a", "1");
    pass(w, 9000);
    publish(w, "hist:a", "2");
    pass(w, 9000);
    assert_string_equal(history(w, "hist:a", -1), "1:1 2:2 /2");
    pass(w, 2100);
    assert_string_equal(history(w, "hist:a", -1), "/2");
}

static void history_expires_again_and_again(void **state)
{
    struct world *w = world_new(state, CONFIG(""));

    for (uint64_t i = 1; i <= 3; i++) {
        char text[32];
        assert_int_equal(publish(w, "hist:a", "x"), i);
        pass(w, 12000);
        (void)snprintf(text, sizeof(text), "/%d", (int)i);
        assert_string_equal(history(w, "hist:a", -1), text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(history_is_trimmed_to_its_size),
        world_test(history_expires_behind_its_ttl),
        world_test(history_ttl_counts_from_the_last_publication),
        world_test(history_expires_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
