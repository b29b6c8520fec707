/* What gush_config_check tells apart: values that cannot be read, and rules that do not hold. */
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

static char path[] = "/tmp/gush-check-XXXXXX.json";

static int make_file(void **state)
{
    int fd = mkstemps(path, 5);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static gush_err check(const char *json, bool *broke_rule, char *message, size_t message_n)
{
    const struct gush_config_sources sources = {.file = path, .file_must_exist = true};
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(json, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return gush_config_check(&sources, NULL, NULL, broke_rule, message, message_n);
}

static void unreadable_values_and_broken_rules(void **state)
{
    static const struct {
        const char *json;
        bool broke_rule;
    } rows[] = {
        {"{", false},
        {"[]", false},
        {"{\"client\":{\"ping_interval\":\"5\"}}", false},
        {"{\"client\":5}", false},
        {"{\"http_server\":{\"port\":70000}}", false},
        {"{\"channel\":{\"namespaces\":[1]}}", false},
        {"{\"channel\":{\"namespaces\":[{\"name\":\"aa\"},{\"name\":\"bb\",\"presence\":[]}]}}",
         false},
        {"{\"channel\":{\"namespaces\":[{\"name\":\"a\"}]}}", true},
        {"{\"channel\":{\"namespaces\":[{\"name\":\"aa\"},{\"name\":\"aa\"}]}}", true},
        {"{\"channel\":{\"without_namespace\":{\"history_size\":1}}}", true},
        {"{\"channel\":{\"without_namespace\":{\"history_ttl\":\"1500ms\"}}}", true},
        {"{\"channel\":{\"without_namespace\":{\"force_recovery_mode\":\"x\"}}}", true},
        {"{\"broker\":{\"type\":\"x\"}}", true},
        {"{\"client\":{\"token\":{\"user_id_claim\":\"a b\"}}}", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char message[512] = "";
        bool broke_rule = !rows[i].broke_rule;
        print_message("%s\n", rows[i].json);
        assert_int_equal(check(rows[i].json, &broke_rule, message, sizeof(message)), GUSH_ECONFIG);
        assert_int_equal(broke_rule, rows[i].broke_rule);
        assert_string_not_equal(message, "");
        assert_int_equal(check(rows[i].json, NULL, message, sizeof(message)), GUSH_ECONFIG);
    }
}

static void a_missing_file(void **state)
{
    const struct gush_config_sources sources = {.file = "/nonexistent/gush.json",
                                                .file_must_exist = true};
    char message[512] = "";
    bool broke_rule = true;

    (void)state;
    assert_int_equal(gush_config_check(&sources, NULL, NULL, &broke_rule, message, sizeof(message)),
                     GUSH_ECONFIG);
    assert_false(broke_rule);
    assert_non_null(strstr(message, "/nonexistent/gush.json"));
}

static void a_good_file(void **state)
{
    char message[512] = "";
    bool broke_rule = true;

    (void)state;
    assert_int_equal(
        check("{\"client\":{\"insecure\":true}}", &broke_rule, message, sizeof(message)), GUSH_OK);
    assert_false(broke_rule);
    assert_string_equal(message, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unreadable_values_and_broken_rules),
        cmocka_unit_test(a_missing_file),
        cmocka_unit_test(a_good_file),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
