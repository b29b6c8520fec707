/* Where in a text a key stands. */
#include "server/base/mem.h"

#include "load.h"

static void check(const char *root, const char *text, const char *path, const char *value,
                  unsigned line)
{
    struct gush__source source = {
        .name = "f", .text = text, .text_n = strlen(text), .root = root, .is_file = true};
    struct gush_span found = GUSH_SPAN_EMPTY;

    if (value == NULL) {
        assert_false(gush__position_find(&source, path, &found));
        return;
    }
    assert_true(gush__position_find(&source, path, &found));
    assert_int_equal(found.n, strlen(value));
    assert_memory_equal(found.p, value, found.n);
    assert_int_equal(gush__position_line(&source, found), line);
}

static void without_a_text(void **state)
{
    struct gush__source source = {.root = ""};
    struct gush_span found;

    (void)state;
    assert_false(gush__position_find(&source, "a", &found));
}

static void what_is_not_there(void **state)
{
    (void)state;
    check("", "{}", "a", NULL, 0);
    check("", "{\"a\": 1}", "b", NULL, 0);
    check("", "{\"a\": 1}", "a.b", NULL, 0);
    check("", "{\"a\": [1]}", "a.[1]", NULL, 0);
    check("", "", "a", NULL, 0);
    check("", "{\"x\": \"\\\"a\\\": 1\"}", "a", NULL, 0); /* inside a string */
}

static void nested_flat_and_in_any_case(void **state)
{
    static const char text[] = "{\n\"A\": {\"b\":\n {\"c\": -1.5e3}},\n \"a.B.d\" : true,\n"
                               "\"e\\\"\": \"x\\\\\", \"f\": null}";

    (void)state;
    check("", text, "a", "{\"b\":\n {\"c\": -1.5e3}}", 2);
    check("", text, "a.b.c", "-1.5e3", 3);
    check("", text, "a.b.d", "true", 4);
    check("", text, "e\\\"", "\"x\\\\\"", 5);
    check("", text, "f", "null", 5);
}

static void list_elements(void **state)
{
    static const char text[] = "{\"l\": [{\"n\": 1},\n[2, {\"m\": 3}],\n{\"n\": 4}], \"z\": 5}";

    (void)state;
    check("", text, "l.[0].n", "1", 1);
    check("", text, "l.[1].[0]", "2", 2);
    check("", text, "l.[1].[1].m", "3", 2);
    check("", text, "l.[2].n", "4", 3);
    check("", text, "z", "5", 3);
}

static void one_object_for_a_list(void **state)
{
    (void)state;
    check("", "{\"l\": {\"n\": 1}}", "l.[0].n", "1", 1);
    check("", "{\"l\": {\"n\": 1}}", "l.[0]", "{\"n\": 1}", 1);
    check("", "{\"l\": {\"n\": 1}}", "l", "{\"n\": 1}", 1);
    check("", "{\"l\": {\"n\": 1}}", "l.[1].n", NULL, 0);
}

static void the_last_of_several(void **state)
{
    (void)state;
    check("", "{\"a\": 1,\n\"A\": 2,\n\"a\": 3}", "a", "3", 3);
}

static void value_of_a_variable(void **state)
{
    (void)state;
    check("channel.namespaces", "[{\"name\": \"a\"}, {\"x\": 2}]", "channel.namespaces.[1].x", "2",
          1);
}

static void deep_values_are_stepped_over(void **state)
{
    char text[4096] = "{\"a\": ";
    size_t n = strlen(text);

    (void)state;
    memset(text + n, '[', 1500);
    memset(text + n + 1500, ']', 1500);
    memcpy(text + n + 3000, ", \"b\": 7}", 10);
    check("", text, "b", "7", 1);
}

/* It only ever sees valid JSON, but must end on anything. */
static void cut_texts_end(void **state)
{
    static const char text[] = "{\"a\": [1, {\"b\": \"c\\\\\"}], \"d\": {\"e\": false}}";

    (void)state;
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        char *copy = gush_strndup(text, n);
        struct gush__source source = {.text = copy, .text_n = n, .root = ""};
        struct gush_span found;
        if (gush__position_find(&source, "a.[1].b", &found))
            assert_true((const char *)found.p + found.n <= copy + n);
        gush_free(copy); /* its own block: a read past the end shows */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_text),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(nested_flat_and_in_any_case),
        cmocka_unit_test(list_elements),
        cmocka_unit_test(one_object_for_a_list),
        cmocka_unit_test(the_last_of_several),
        cmocka_unit_test(value_of_a_variable),
        cmocka_unit_test(deep_values_are_stepped_over),
        cmocka_unit_test(cut_texts_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
