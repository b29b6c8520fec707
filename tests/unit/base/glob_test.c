#include "server/base/mem.h"
#include "server/base/rng.h"
#include "server/base/text.h"

#include "tests/unit/base/unit.h"

static bool match(const char *pattern, const char *text)
{
    return gush_glob_match(gush_span_str(pattern), gush_span_str(text));
}

static void malformed_patterns(void **state)
{
    static const char *const bad[] = {"[",       "[a", "[!",  "[]",    "[!]",   "{",   "{a", "{a,b",
                                      "a{b,{c}", "\\", "a\\", "[a\\]", "[z-a]", "{[}", "[\\"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (gush_glob_valid(gush_span_str(bad[i])) != GUSH_ESYNTAX)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_false(match(bad[i], bad[i]));
    }
}

static void what_matches(void **state)
{
    static const char *const yes[][2] = {
        {"", ""},
        {"abc", "abc"},
        {"*", ""},
        {"*", "a.b/c"},
        {"**", "anything"},
        {"a*", "a"},
        {"*c", "abc"},
        {"a*c*e", "abcde"},
        {"https://*.example.com", "https://a.b.example.com"},
        {"?", "x"},
        {"a?c", "abc"},
        {"[abc]x", "bx"},
        {"[a-c]", "b"},
        {"[!a-c]", "d"},
        {"[a-]", "-"},
        {"[a!]", "!"},
        {"[\\]]", "]"},
        {"[{},*]", "*"},
        {"{a,b}", "a"},
        {"{a,b}c", "bc"},
        {"{,a}b", "b"},
        {"{a{1,2},b}", "a2"},
        {"{a*,b}c", "axxc"},
        {"{[,],x}", ","},
        {"{a\\,b,c}", "a,b"},
        {"http{,s}://{one,two}.*", "https://two.x"},
        {"\\*", "*"},
        {"\\a", "a"},
        {"a,b", "a,b"},
        {"a}b", "a}b"},
        {"a]b", "a]b"},
        {"{}", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        assert_int_equal(gush_glob_valid(gush_span_str(yes[i][0])), GUSH_OK);
        if (!match(yes[i][0], yes[i][1]))
            fail_msg("\"%s\" does not match \"%s\"", yes[i][0], yes[i][1]);
    }
}

static void what_does_not(void **state)
{
    static const char *const no[][2] = {
        {"", "a"},       {"a", ""},      {"abc", "ab"},       {"abc", "abcd"},  {"?", ""},
        {"?", "ab"},     {"[abc]", "d"}, {"[!a]", "a"},       {"[!a]", ""},     {"{a,b}", "c"},
        {"{a,b}", "ab"}, {"{a,b}", ","}, {"{a,b}c", "c"},     {"a*b", "acbc"},  {"\\*", "a"},
        {"[a-c]", "-"},  {"A", "a"},     {"{a{1,2},b}", "a"}, {"{a,b}", "a,b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (match(no[i][0], no[i][1]))
            fail_msg("\"%s\" matches \"%s\"", no[i][0], no[i][1]);
    }
}

/* Patterns that make a backtracking matcher run for years. */
static void hostile_patterns_end(void **state)
{
    char *pattern = gush_alloc(20001), *text = gush_alloc(256);

    (void)state;
    memset(text, 'a', 255);
    text[255] = '\0';
    for (size_t i = 0; i < 400; i += 2)
        memcpy(pattern + i, "*a", 2);
    memcpy(pattern + 400, "b", 2);
    assert_false(match(pattern, text));
    for (size_t i = 0; i < 400; i += 5)
        memcpy(pattern + i, "{a,*}", 5);
    memcpy(pattern + 400, "b", 2);
    assert_false(match(pattern, text));
    memset(pattern, '{', 5000);
    memset(pattern + 5000, ',', 5000);
    memset(pattern + 10000, '}', 5000);
    pattern[15000] = '\0';
    assert_true(match(pattern, ""));
    assert_false(match(pattern, text));
    gush_free(pattern);
    gush_free(text);
}

/* Backtracking over the pattern's text: slow and obvious. */
static bool naive(const char *p, const char *t)
{
    if (*p == '\0')
        return *t == '\0';
    if (*p == '*')
        return naive(p + 1, t) || (*t && naive(p, t + 1));
    if (*p == '{') { /* in these tests always {x,y} of single characters */
        return (*t && (*t == p[1] || *t == p[3]) && naive(p + 5, t + 1));
    }
    return *t && (*p == '?' || *p == *t) && naive(p + 1, t + 1);
}

static void same_as_the_naive_matcher(void **state)
{
    static const char *const parts[] = {"a", "b", "*", "?", "{a,b}"};
    struct gush_rng rng;
    unsigned yes = 0;

    (void)state;
    gush_rng_seed(&rng, 5);
    for (int round = 0; round < 20000; round++) {
        struct gush_buf p;
        char text[8];
        size_t n = gush_rng_below(&rng, 7);
        bool expected;

        gush_buf_init(&p, 100);
        for (uint64_t k = gush_rng_below(&rng, 6); k > 0; k--)
            gush_buf_put_str(&p, parts[gush_rng_below(&rng, 5)]);
        gush_buf_put_u8(&p, '\0');
        for (size_t i = 0; i < n; i++)
            text[i] = "abc"[gush_rng_below(&rng, 3)];
        text[n] = '\0';
        expected = naive((const char *)p.p, text);
        yes += expected;
        if (match((const char *)p.p, text) != expected)
            fail_msg("\"%s\" on \"%s\"", (const char *)p.p, text);
        gush_buf_fini(&p);
    }
    assert_in_range(yes, 1000, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_patterns),
        cmocka_unit_test(what_matches),
        cmocka_unit_test(what_does_not),
        cmocka_unit_test(hostile_patterns_end),
        cmocka_unit_test(same_as_the_naive_matcher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
