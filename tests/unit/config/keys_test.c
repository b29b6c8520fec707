/* The tables themselves: each key once, spelled properly, with a default that its own type accepts;
 * and finding keys in them. */
#include <stdlib.h>

#include "load.h"

typedef void visit_fn(void *arg, const struct gush__key *key, const char *path);

static void visit(const struct gush__table *table, const char *above, visit_fn *fn, void *arg)
{
    char path[GUSH__PATH_MAX];

    for (; table != NULL; table = table->later) {
        for (size_t i = 0; i < table->n; i++) {
            const struct gush__key *key = &table->keys[i];
            assert_true((size_t)snprintf(path, sizeof(path), "%s%s%s", above, *above ? "." : "",
                                         key->path) < sizeof(path));
            fn(arg, key, path);
            if (key->type == GUSH__MOUNT)
                visit(key->sub, path, fn, arg);
        }
    }
}

static void check_row(void *arg, const struct gush__key *key, const char *path)
{
    struct gush__hit hit = gush__keys_find(&gush__root_keys, path);
    char name[GUSH__PATH_MAX];
    size_t n = strlen(path);

    (*(size_t *)arg)++;
    assert_int_equal(strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789_."), n);
    if (key->type == GUSH__MOUNT) {
        assert_non_null(key->sub);
        assert_int_equal(hit.found, GUSH__FOUND_SECTION);
        return;
    }
    assert_int_equal(hit.found, GUSH__FOUND_KEY);
    assert_ptr_equal(hit.key, key); /* no other row of this path comes first */
    assert_true(key->type != GUSH__WORD || key->words != NULL);
    assert_true(key->words == NULL || key->refusal[0] != NULL);
    assert_true(key->type != GUSH__LIST || key->sub != NULL);
    assert_true(!(key->flags & GUSH__FLAG) || key->help != NULL);
    assert_true(key->min <= key->max);
    for (size_t i = 0; i <= n; i++)
        name[i] = gush__keys_variable_char(path[i]);
    hit = gush__keys_find_variable(&gush__root_keys, name);
    assert_int_equal(hit.found, GUSH__FOUND_KEY);
    assert_ptr_equal(hit.key, key); /* the variable is not ambiguous */
}

static void every_row_is_found_by_key_and_variable(void **state)
{
    size_t n = 0;

    (void)state;
    visit(&gush__root_keys, "", check_row, &n);
    assert_true(n > 500);
}

/* Writing the default is the same as writing nothing. */
static void check_default(void *arg, const struct gush__key *key, const char *path)
{
    bool quoted = key->type != GUSH__INT && key->type != GUSH__BOOL;
    struct load l;
    char json[GUSH__PATH_MAX + 128];

    (void)arg;
    if (key->type == GUSH__MOUNT || key->fallback == NULL || *key->fallback == '\0')
        return;
    (void)snprintf(json, sizeof(json), quoted ? "{\"%s\":\"%s\"}" : "{\"%s\":%s}", path,
                   key->fallback);
    load_good(&l, json);
    assert_string_equal(l.warnings, "");
    gush_config_free(l.config);
}

static void every_default_is_accepted(void **state)
{
    (void)state;
    visit(&gush__root_keys, "", check_default, NULL);
}

static void what_finding_finds(void **state)
{
    static const struct {
        const char *path;
        enum gush__found found;
    } cases[] = {
        {"", GUSH__FOUND_NOTHING},
        {"client", GUSH__FOUND_SECTION},
        {"client.", GUSH__FOUND_NOTHING},
        {"clien", GUSH__FOUND_NOTHING},
        {"client.token", GUSH__FOUND_SECTION},
        {"client.insecure", GUSH__FOUND_KEY},
        {"client.insecure.x", GUSH__FOUND_NOTHING},
        {"channel.without_namespace", GUSH__FOUND_SECTION},
        {"channel.without_namespace.map", GUSH__FOUND_SECTION},
        {"channel.without_namespace.map.mode", GUSH__FOUND_KEY},
        {"channel.without_namespace.name", GUSH__FOUND_NOTHING},
        {"channel.namespaces", GUSH__FOUND_KEY},
        {"engine.redis", GUSH__FOUND_SECTION},
        {"engine.redis.tls.enabled", GUSH__FOUND_KEY},
        {"database", GUSH__FOUND_KEY},
        {"database.any.thing", GUSH__FOUND_KEY},
        {"client.proxy.connect.http.static_headers.x", GUSH__FOUND_KEY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(gush__keys_find(&gush__root_keys, cases[i].path).found, cases[i].found);
}

static void suggestions(void **state)
{
    static const struct {
        const char *path, *want;
    } cases[] = {
        {"client.insecur", "client.insecure"},
        {"client.nisecure", "client.insecure"},
        {"htp_server.port", "http_server.port"},
        {"clinet", "client"},
        {"clinet.insecure", "client.insecure"},
        {"grpcapi", "grpc_api"},
        {"client.token.hmac_secret", NULL},
        {"zzzz", NULL},
        {"ab", NULL},
        {"", NULL},
    };
    char out[GUSH__PATH_MAX], longest[GUSH__PATH_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = gush__keys_suggest(&gush__root_keys, cases[i].path, out, sizeof(out));
        assert_int_equal(found, cases[i].want != NULL);
        if (found)
            assert_string_equal(out, cases[i].want);
    }
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_false(gush__keys_suggest(&gush__root_keys, longest, out, sizeof(out)));
}

/* docs/configuration.md has a row for each key that this version uses. */
struct page {
    char *text;
    unsigned missing;
};

static void check_documented(void *arg, const struct gush__key *key, const char *path)
{
    struct page *page = arg;
    char row[GUSH__PATH_MAX];
    const char *shown = strncmp(path, "channel.without_namespace.", 26) == 0 ? path + 26 : path;

    if ((key->flags & GUSH__LATER) || key->type == GUSH__MOUNT)
        return;
    (void)snprintf(row, sizeof(row), "| `%s`%s |", shown, key->flags & GUSH__OURS ? " (gush)" : "");
    if (strstr(page->text, row) != NULL)
        return;
    print_error("not in docs/configuration.md: %s\n", row);
    page->missing++;
}

static void every_key_is_documented(void **state)
{
    struct page page = {NULL, 0};
    char path[1024];
    size_t room = 0;
    FILE *in;

    (void)state;
    (void)snprintf(path, sizeof(path), "%.*sdocs/configuration.md",
                   (int)(strlen(__FILE__) - strlen("tests/unit/config/keys_test.c")), __FILE__);
    in = fopen(path, "r");
    assert_non_null(in);
    assert_true(getdelim(&page.text, &room, '\0', in) > 0);
    assert_int_equal(fclose(in), 0);
    visit(&gush__root_keys, "", check_documented, &page);
    free(page.text); /* getdelim's */
    assert_int_equal(page.missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_key_and_variable),
        cmocka_unit_test(every_default_is_accepted),
        cmocka_unit_test(what_finding_finds),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(every_key_is_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
