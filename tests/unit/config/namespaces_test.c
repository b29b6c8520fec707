/* Which options a channel has. */
#include "server/base/buf.h"

#include "load.h"

static const char three[] = "{\"channel\":{\"without_namespace\":{\"history_size\":1,"
                            "\"history_ttl\":\"1s\"},\"namespaces\":["
                            "{\"name\":\"chat\",\"presence\":true},"
                            "{\"name\":\"aa\",\"join_leave\":true},"
                            "{\"name\":\"a-b.C_1\"}]}}";

static void check(const struct gush_config *c, const char *channel,
                  const struct gush_channel_options *want, const char *want_rest)
{
    const struct gush_channel_options *options = NULL;
    struct gush_span rest = GUSH_SPAN_EMPTY;

    assert_int_equal(gush_config_channel(c, gush_span_str(channel), &options, &rest), GUSH_OK);
    assert_ptr_equal(options, want);
    assert_true(gush_span_eq_str(rest, want_rest));
    assert_int_equal(gush_config_channel(c, gush_span_str(channel), &options, NULL), GUSH_OK);
}

static void unknown(const struct gush_config *c, const char *channel)
{
    const struct gush_channel_options *options;
    struct gush_span rest;

    assert_int_equal(gush_config_channel(c, gush_span_str(channel), &options, &rest),
                     GUSH_EUNKNOWN);
}

static void lookup(void **state)
{
    struct load l;
    const struct gush_config *c = load_good(&l, three);
    const struct gush_channel_options *top = &c->channel.without_namespace;
    const struct gush_namespace *ns = c->channel.namespaces;

    (void)state;
    unknown(c, "nobody:1");
    unknown(c, "Chat:1"); /* names match exactly */
    unknown(c, "chat#42:x");
    unknown(c, "$$chat:1"); /* only one prefix goes */
    unknown(c, "cha:1");
    unknown(c, "chatt:1");
    check(c, "chat:1", &ns[0].options, "1");
    check(c, "chat:", &ns[0].options, "");
    check(c, "$chat:1", &ns[0].options, "1");
    check(c, "chat:b:c", &ns[0].options, "b:c");
    check(c, "aa:x", &ns[1].options, "x");
    check(c, "a-b.C_1:x", &ns[2].options, "x");
    check(c, "news", top, "news");
    check(c, "$news", top, "$news"); /* the rest is the original channel */
    check(c, "chat", top, "chat");
    check(c, ":x", top, "x");
    check(c, "$:x", top, "x");
    check(c, "", top, "");
    check(c, "$", top, "$");
    assert_true(ns[0].options.presence);
    assert_int_equal(ns[0].options.history_size, 0); /* nothing is inherited */
    gush_config_free(l.config);
}

static void zero_bytes_in_channels(void **state)
{
    struct load l;
    const struct gush_config *c = load_good(&l, three);
    const struct gush_channel_options *options;

    (void)state;
    assert_int_equal(gush_config_channel(c, GUSH_SPAN_LIT("chat\0:x"), &options, NULL),
                     GUSH_EUNKNOWN);
    assert_int_equal(gush_config_channel(c, GUSH_SPAN_LIT("\0\0"), &options, NULL), GUSH_OK);
    assert_int_equal(gush_config_channel(c, GUSH_SPAN_EMPTY, &options, NULL), GUSH_OK);
    gush_config_free(l.config);
}

static void other_symbols(void **state)
{
    struct load l;
    const struct gush_config *c =
        load_good(&l, "{\"channel\":{\"private_prefix\":\"priv-\",\"namespace_boundary\":\"::\","
                      "\"namespaces\":[{\"name\":\"chat\"}]}}");
    const struct gush_channel_options *ns = &c->channel.namespaces[0].options;

    (void)state;
    check(c, "priv-chat::x::y", ns, "x::y");
    check(c, "chat::x", ns, "x");
    check(c, "chat:x", &c->channel.without_namespace, "chat:x");
    check(c, "pri", &c->channel.without_namespace, "pri");
    gush_config_free(l.config);
}

static void wrong_names(void **state)
{
    static const char *const wrong[] = {"", "a", "a b", "a:b", "a#", "\xc3\xa9\xc3\xa9", "aa/"};

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char json[128], want[256];
        (void)snprintf(json, sizeof(json), "{\"channel\":{\"namespaces\":[\n{\"name\":\"%s\"}]}}",
                       wrong[i]);
        (void)snprintf(want, sizeof(want),
                       "namespace %s: invalid namespace name – %s (must match "
                       "^[-a-zA-Z0-9_.]{2,}$ regular expression) (gush.json:2: "
                       "channel.namespaces.[0])",
                       wrong[i], wrong[i]);
        load_bad(json, want);
    }
    load_bad("{\"channel\":{\"namespaces\":[{\"presence\":true}]}}",
             "namespace : invalid namespace name –  (must match ^[-a-zA-Z0-9_.]{2,}$ regular "
             "expression) (gush.json:1: channel.namespaces.[0])");
    load_bad("{\"channel\":{\"namespaces\":[{\"name\":\"aa\"},\n5]}}",
             "gush.json:2: channel.namespaces.[1] is not an object (accepted: {\"name\": ...})");
    load_bad(
        "{\"channel\":{\"namespaces\":[{\"name\":\"bb\"},{\"name\":\"aa\"},{\"NAME\":\"bb\"}]}}",
        "namespace name must be unique: bb");
}

static void one_object_for_the_list(void **state)
{
    struct load l;

    (void)state;
    load_good(&l, "{\"channel.namespaces\":{\"name\":\"aa\",\"presence\":1}}");
    assert_int_equal(l.config->channel.namespaces_n, 1);
    assert_true(l.config->channel.namespaces[0].options.presence);
    gush_config_free(l.config);
}

static void thousands_are_all_found(void **state)
{
    struct gush_buf json;
    struct load l;

    (void)state;
    gush_buf_init(&json, 1 << 20);
    gush_buf_put_str(&json, "{\"channel\":{\"namespaces\":[{\"name\":\"n-0\"}");
    for (int i = 1; i < 5000; i++)
        gush_buf_printf(&json, ",{\"name\":\"n-%d\"}", i);
    gush_buf_put(&json, "]}}", 4);
    load_good(&l, (const char *)json.p);
    gush_buf_fini(&json);
    for (int i = 0; i < 5000; i++) {
        char channel[32];
        (void)snprintf(channel, sizeof(channel), "n-%d:x", i);
        check(l.config, channel, &l.config->channel.namespaces[i].options, "x");
    }
    unknown(l.config, "n-5000:x");
    gush_config_free(l.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookup),
        cmocka_unit_test(zero_bytes_in_channels),
        cmocka_unit_test(other_symbols),
        cmocka_unit_test(wrong_names),
        cmocka_unit_test(one_object_for_the_list),
        cmocka_unit_test(thousands_are_all_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
