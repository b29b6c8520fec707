/* Rules over options and names alone. spec: channels 1, 4, 5, 6, 8 */
#include "server/engine/permission.h"

#include "tests/unit/engine/harness.h"

#define LIT(s) GUSH_SPAN_LIT(s)

static struct gush_config *config(void **state, const char *json)
{
    *state = world_config(json);
    return *state;
}

static int config_end(void **state)
{
    gush_config_free(*state);
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

static void names_are_ascii(void **state)
{
    (void)state;
    assert_true(gush_permission_name_valid(LIT("")));
    assert_true(gush_permission_name_valid(LIT("news:$#*&/ \x01\x7f")));
    for (unsigned c = 0x80; c < 0x100; c++) {
        uint8_t name[2] = {'a', (uint8_t)c};
        assert_false(gush_permission_name_valid(gush_span_of(name, 2)));
    }
}

static void users_are_listed_behind_the_last_boundary(void **state)
{
    static const struct {
        const char *channel, *user;
        bool listed;
    } cases[] = {
        {"news", "1", false},      {"news#1", "1", true},     {"news#1", "2", false},
        {"news#1", "", false},     {"news#", "", true},       {"news#1,2,3", "1", true},
        {"news#1,2,3", "2", true}, {"news#1,2,3", "3", true}, {"news#1,2,3", "1,2", false},
        {"news#12", "1", false},   {"news#1", "12", false},   {"a#1#2", "2", true},
        {"a#1#2", "1", false},     {"a#1#2", "1#2", false},   {"#1", "1", true},
        {"#", "", true},           {"news#1,", "", true},     {"news#,1", "", true},
        {"news#1,,2", "", true},   {"news#1,2", "", false},   {"news#Bob", "bob", false},
        {"news# 1", "1", false},   {"#,", "", true},          {"a#1,2#", "1", false},
    };
    struct gush_config *c = config(state, "{}");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (gush_permission_user_listed(c, gush_span_str(cases[i].channel),
                                        gush_span_str(cases[i].user)) != cases[i].listed)
            fail_msg("%s for %s", cases[i].channel, cases[i].user);
}

static void boundary_and_separator_may_be_longer(void **state)
{
    struct gush_config *c =
        config(state, "{\"channel\":{\"user_boundary\":\"::\",\"user_separator\":\"or\"}}");

    assert_true(gush_permission_user_listed(c, LIT("a::1or2or3"), LIT("2")));
    assert_true(gush_permission_user_listed(c, LIT("a::1or2or3"), LIT("3")));
    assert_true(gush_permission_user_listed(c, LIT("a:::1"), LIT("1"))); /* the last one counts */
    assert_false(gush_permission_user_listed(c, LIT("a::1o2"), LIT("1")));
    assert_true(gush_permission_user_listed(c, LIT("a::1or"), LIT("")));
    assert_false(gush_permission_user_listed(c, LIT("a:"), LIT("")));
}

static void limited_needs_the_option_and_the_boundary(void **state)
{
    struct gush_config *c = config(state, "{}");
    struct gush_channel_options o = {0};

    assert_false(gush_permission_user_limited(c, &o, LIT("a#1")));
    o.allow_user_limited_channels = true;
    assert_true(gush_permission_user_limited(c, &o, LIT("a#1")));
    assert_true(gush_permission_user_limited(c, &o, LIT("#")));
    assert_false(gush_permission_user_limited(c, &o, LIT("a")));
    assert_false(gush_permission_user_limited(c, &o, LIT("")));
}

/* ---- subscriptions asked for at connect ------------------------------------------------------ */

struct rule {
    bool client, anonymous, limited;
    const char *channel, *user;
    bool granted;
};

static void requested_subscriptions_follow_the_rules(void **state) /* spec: channels 8 */
{
    static const struct rule rules[] = {
        {false, false, false, "a", "u", false},
        {false, false, false, "a", "", false},
        {true, false, false, "a", "u", true},
        {true, false, false, "a", "", false},
        {true, true, false, "a", "", true},
        {false, true, false, "a", "", false}, /* alone it grants nothing */
        {false, true, false, "a", "u", false},
        {true, true, false, "$a", "u", false}, /* private prefix */
        {true, true, false, "a\xc3\xa4", "u", false},
        {true, true, false, "a#u", "x", true}, /* an ordinary character */
        {false, false, true, "a#u", "u", true},
        {false, false, true, "a#x,u", "u", true},
        {true, true, true, "a#x", "u", false}, /* limited: nothing else is asked */
        {true, true, true, "a#", "", false},   /* anonymous never matches here */
        {true, false, true, "a", "u", true},
        {true, false, true, "$a#u", "u", false},
    };
    struct gush_config *c = config(state, "{}");

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *r = &rules[i];
        struct gush_channel_options o = {.allow_subscribe_for_client = r->client,
                                         .allow_subscribe_for_anonymous = r->anonymous,
                                         .allow_user_limited_channels = r->limited};
        if (gush_permission_connect_sub(c, &o, gush_span_str(r->channel), gush_span_str(r->user)) !=
            r->granted)
            fail_msg("rule %zu: %s for '%s'", i, r->channel, r->user);
    }
}

static void insecure_opens_all_but_private_and_odd_names(void **state)
{
    struct gush_config *c = config(state, "{\"client\":{\"insecure\":true}}");
    struct gush_channel_options o = {.allow_user_limited_channels = true};

    assert_true(gush_permission_connect_sub(c, &o, LIT("a"), LIT("")));
    assert_true(gush_permission_connect_sub(c, &o, LIT("a#x"), LIT("u")));
    assert_false(gush_permission_connect_sub(c, &o, LIT("$a"), LIT("u")));
    assert_false(gush_permission_connect_sub(c, &o, LIT("\xff"), LIT("u")));
    assert_true(gush_permission_publish(c, &o, LIT(""), false));
}

/* ---- publishing ------------------------------------------------------------------------------ */

static void publishing_follows_the_rules(void **state) /* spec: channels 5 */
{
    struct gush_config *c = config(state, "{}");

    for (unsigned bits = 0; bits < 32; bits++) {
        struct gush_channel_options o = {.allow_publish_for_client = bits & 1,
                                         .allow_publish_for_subscriber = bits & 2,
                                         .allow_publish_for_anonymous = bits & 4};
        bool named = bits & 8, subscribed = bits & 16;
        bool wanted = (named || (bits & 4)) && ((bits & 1) || ((bits & 2) && subscribed));
        assert_int_equal(
            gush_permission_publish(c, &o, named ? LIT("u") : GUSH_SPAN_EMPTY, subscribed), wanted);
    }
}

static void data_must_be_of_the_channel_s_format(void **state) /* spec: channels 6 */
{
    static const struct {
        const char *data;
        bool any, json, object;
    } cases[] = {
        {"", false, false, false},        {"x", true, false, false},
        {"null", true, true, false},      {"{}", true, true, true},
        {"[]", true, true, false},        {" {\"a\":1}\n", true, true, true},
        {"{\"a\":1", true, false, false}, {"{}x", true, false, false},
        {"1", true, true, false},         {"\"\xff\"", true, false, false},
        {" ", true, false, false},        {"\t\r\n{}", true, true, true},
    };
    struct gush_config *c = config(state, "{}");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gush_span data = gush_span_str(cases[i].data);
        struct gush_channel_options o = {0};
        assert_int_equal(gush_permission_data(c, &o, data), cases[i].any);
        o.data_format_set = true;
        assert_int_equal(gush_permission_data(c, &o, data), cases[i].any);
        o.data_format = GUSH_DATA_JSON;
        assert_int_equal(gush_permission_data(c, &o, data), cases[i].json);
        o.data_format = GUSH_DATA_JSON_OBJECT;
        assert_int_equal(gush_permission_data(c, &o, data), cases[i].object);
        o.data_format = GUSH_DATA_BINARY;
        assert_true(gush_permission_data(c, &o, data));
        o.data_format_set = false; /* the channel's own is not set: the global one */
        assert_int_equal(gush_permission_data(c, &o, data), cases[i].any);
    }
    assert_false(
        gush_permission_data(c,
                             &(struct gush_channel_options){.data_format_set = true,
                                                            .data_format = GUSH_DATA_JSON_OBJECT},
                             gush_span_of("\0{}", 3)));
}

static void the_global_format_holds_where_a_channel_has_none(void **state)
{
    struct gush_config *c =
        config(state, "{\"channel\":{\"publication_data_format\":\"json_object\"}}");
    struct gush_channel_options o = {0};

    assert_false(gush_permission_data(c, &o, LIT("1")));
    assert_true(gush_permission_data(c, &o, LIT("{}")));
    o.data_format_set = true;
    o.data_format = GUSH_DATA_BINARY;
    assert_true(gush_permission_data(c, &o, LIT("")));
}

#define config_test(test) cmocka_unit_test_teardown(test, config_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_ascii),
        config_test(users_are_listed_behind_the_last_boundary),
        config_test(boundary_and_separator_may_be_longer),
        config_test(limited_needs_the_option_and_the_boundary),
        config_test(requested_subscriptions_follow_the_rules),
        config_test(insecure_opens_all_but_private_and_odd_names),
        config_test(publishing_follows_the_rules),
        config_test(data_must_be_of_the_channel_s_format),
        config_test(the_global_format_holds_where_a_channel_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
