#include "api/http/http_priv.h"
#include "tests/unit/api_http/unit.h"

#define KEY "k 3y"

struct attempt {
    const char *key_field, *authorization, *query; /* NULL: not there */
    bool fits;
};

static bool try(const char *key, const struct attempt *a)
{
    struct gush_http_field fields[2];
    struct gush_http_request request = {.query = gush_span_str(a->query), .fields = fields};

    if (a->key_field)
        fields[request.fields_n++] =
            (struct gush_http_field){GUSH_SPAN_LIT("x-api-key"), gush_span_str(a->key_field)};
    if (a->authorization)
        fields[request.fields_n++] = (struct gush_http_field){GUSH_SPAN_LIT("Authorization"),
                                                              gush_span_str(a->authorization)};
    return gush__api_key_fits(gush_span_str(key), &request);
}

static void check(const char *key, const struct attempt *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (try(key, &all[i]) != all[i].fits)
            fail_msg("key \"%s\", attempt %zu", key, i);
    }
}

static void three_ways_and_their_order(void **state) /* spec: server API 1.2 */
{
    static const struct attempt all[] = {
        {NULL, NULL, NULL, false},
        {"", NULL, NULL, false},
        {"k3y", NULL, NULL, true},
        {"k3", NULL, NULL, false},
        {"k3yx", NULL, NULL, false},
        {"K3Y", NULL, NULL, false},
        {NULL, "apikey k3y", NULL, true},
        {NULL, "ApiKey \t k3y ", NULL, true},
        {NULL, "apikey", NULL, false},
        {NULL, "apikey ", NULL, false},
        {NULL, "apikeyk3y", NULL, false},
        {NULL, "k3y", NULL, false},
        {NULL, "apikey k3y x", NULL, false},
        {NULL, "bearer k3y", NULL, false},
        {NULL, "apikey K3Y", NULL, false},
        {NULL, "", NULL, false},
        {"x", "apikey k3y", NULL, false}, /* not looked at */
        {"", "apikey k3y", NULL, true},
        {"k3y", "apikey x", NULL, true},
        {NULL, NULL, "api_key=k3y", true},
        {NULL, NULL, "a=b&api_key=k3y&c", true},
        {NULL, NULL, "api_key=%6b3y", true},
        {NULL, NULL, "api_key=", false},
        {NULL, NULL, "api_key", false},
        {NULL, NULL, "api_key=k3", false},
        {NULL, NULL, "api_key=k3y%", false},
        {NULL, NULL, "API_KEY=k3y", false},
        {NULL, NULL, "api_key=x&api_key=k3y", false}, /* the first counts */
        {"x", NULL, "api_key=k3y", true},             /* behind a wrong field, too */
        {NULL, "apikey x", "api_key=k3y", true},
        {"k3y", NULL, "api_key=x", true},
    };

    (void)state;
    check("k3y", all, sizeof(all) / sizeof(all[0]));
}

static void no_key_is_nobodys(void **state)
{
    static const struct attempt all[] = {
        {NULL, NULL, NULL, false},       {"", "", "", false},      {NULL, "apikey ", "", false},
        {NULL, NULL, "api_key=", false}, {"x", NULL, NULL, false}, {NULL, NULL, "api_key", false}};

    (void)state;
    check("", all, sizeof(all) / sizeof(all[0]));
}

static void a_key_with_a_blank_is_for_the_field_and_the_query(void **state)
{
    static const struct attempt all[] = {{KEY, NULL, NULL, true},
                                         {NULL, "apikey " KEY, NULL, false},
                                         {NULL, NULL, "api_key=k+3y", true},
                                         {NULL, NULL, "api_key=k%203y", true}};

    (void)state;
    check(KEY, all, sizeof(all) / sizeof(all[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_ways_and_their_order),
        cmocka_unit_test(no_key_is_nobodys),
        cmocka_unit_test(a_key_with_a_blank_is_for_the_field_and_the_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
