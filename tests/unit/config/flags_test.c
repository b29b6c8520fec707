/* The command line, and what --help says about it. */
#include <stdlib.h>

#include "load.h"

static void refused(const char *const *argv, const char *message)
{
    struct load l;

    load_all(&l, NULL, NULL, argv);
    assert_string_equal(l.message, message);
    assert_int_equal(l.err, GUSH_ECONFIG);
}

static void wrong_flags(void **state)
{
    (void)state;
    refused(ENV("--http_server.prt=5"),
            "unknown flag: --http_server.prt (did you mean --http_server.port?)");
    refused(ENV("--nothing-like-it"), "unknown flag: --nothing-like-it (accepted: see --help)");
    refused(ENV("-x"), "unknown flag: -x (accepted: see --help)");
    refused(ENV("-p"), "flag needs an argument: -p");
    refused(ENV("--log.level"), "flag needs an argument: --log.level");
    refused(ENV("--"), "unknown command \"--\" (accepted: see --help)");
    refused(ENV("-"), "unknown command \"-\" (accepted: see --help)");
    refused(ENV(""), "unknown command \"\" (accepted: see --help)");
    refused(ENV("--health.enabled", "false"), "unknown command \"false\" (accepted: see --help)");
    refused(ENV("--http_api.key=x"), /* a key, but not a flag */
            "unknown flag: --http_api.key (accepted: see --help)");
    refused(ENV("--health.enabled=maybe"),
            "--health.enabled: \"maybe\" is not a boolean (accepted: true, false)");
    refused(ENV("-p", "80a"),
            "--http_server.port: \"80a\" is not a whole number (accepted: a whole number, such as "
            "100)");
}

static void every_spelling(void **state)
{
    static const char *const spellings[][3] = {
        {"-p", "81", NULL},
        {"-p81", NULL, NULL},
        {"-p=81", NULL, NULL},
        {"--http_server.port", "81", NULL},
        {"--http_server.port=81", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(spellings); i++) {
        struct load l;
        load_all(&l, NULL, NULL, spellings[i]);
        assert_string_equal(l.message, "");
        assert_int_equal(l.config->http_server.port, 81);
        gush_config_free(l.config);
    }
}

static void switches(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, "{\"debug\":{\"enabled\":true}}", NULL,
             ENV("--health.enabled", "--debug.enabled=false", "--demo.enabled=1", "-a", "::1"));
    assert_string_equal(l.message, "");
    assert_true(l.config->health.enabled);
    assert_true(l.config->demo.enabled);
    assert_false(l.config->debug.enabled);
    assert_string_equal(l.config->http_server.address, "::1");
    gush_config_free(l.config);
}

static void the_last_one_counts(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, NULL, NULL, ENV("-p1", "-p2", "--log.file=a", "--log.file="));
    assert_int_equal(l.config->http_server.port, 2);
    assert_string_equal(l.config->log.file, "");
    gush_config_free(l.config);
}

static void flags_of_later_versions(void **state)
{
    struct load l;

    (void)state;
    load_all(&l, NULL, NULL, ENV("--engine.type=memory", "--admin.enabled", "--sse.enabled=false"));
    assert_string_equal(l.message, "");
    assert_string_equal(l.warnings,
                        "known key is not supported by this version|var|--admin.enabled\n");
    gush_config_free(l.config);
}

static void usage_has_one_line_per_flag(void **state)
{
    char *text = NULL;
    size_t n = 0, lines = 0;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    assert_non_null(out);
    gush_config_usage(out);
    assert_int_equal(fclose(out), 0);
    for (const char *p = text; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 23);
    assert_non_null(strstr(text, "  -p, --http_server.port int"));
    assert_non_null(strstr(text, "      --grpc_api.enabled "));
    assert_non_null(strstr(text, "any free one (default 10000)\n"));
    assert_null(strstr(text, "engine.type")); /* nothing to choose yet */
    free(text);                               /* open_memstream's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_flags),
        cmocka_unit_test(every_spelling),
        cmocka_unit_test(switches),
        cmocka_unit_test(the_last_one_counts),
        cmocka_unit_test(flags_of_later_versions),
        cmocka_unit_test(usage_has_one_line_per_flag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
