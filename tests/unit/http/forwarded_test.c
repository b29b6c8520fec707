#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/http/forwarded.h"

#include "tests/unit/net/unit.h"

/* ---- networks ------------------------------------------------------------------------------- */

static void not_networks(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8 ",
                                      "10.0.0.0/8/8",
                                      "10.0.0.1/8",
                                      "10.0.0/8",
                                      "10.0.0.0.0",
                                      "010.0.0.1",
                                      "::/129",
                                      "2001:db8::1/32",
                                      "[::1]",
                                      "::1%lo",
                                      "1.2.3.4:5",
                                      "localhost",
                                      "unix/0",
                                      "::ffff:10.0.0.0/104"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char good[] = "10.0.0.0/8", copy[64];
        char *list[] = {good, copy};
        struct gush_forwarded *f = NULL;
        size_t at = 99;

        snprintf(copy, sizeof(copy), "%s", bad[i]);
        if (gush_forwarded_new(list, 2, &f, &at) != GUSH_ESYNTAX || at != 1)
            fail_msg("taken as a network: '%s'", bad[i]);
    }
    gush_forwarded_free(NULL);
}

/* ---- who it is ------------------------------------------------------------------------------ */

static struct gush_forwarded *trusted;

static int trust(void **state)
{
    char ten[] = "10.0.0.0/9", one[] = "192.0.2.7", six[] = "2001:db8::/33", local[] = "unix";
    char *list[] = {ten, one, six, local};
    size_t bad;

    (void)state;
    return gush_forwarded_new(list, 4, &trusted, &bad);
}

static int distrust(void **state)
{
    (void)state;
    gush_forwarded_free(trusted);
    return 0;
}

static struct gush_peer peer_of(const char *text)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(5)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(5)};

    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1)
        return gush_peer_from((struct sockaddr *)&in4);
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        return gush_peer_from((struct sockaddr *)&in6);
    return (struct gush_peer){0}; /* a unix socket's */
}

/* X-Forwarded-For fields |a|, |b| and X-Real-IP |real|, each NULL for none. */
static void client_is(const char *expected, const char *peer_text, const char *a, const char *b,
                      const char *real)
{
    struct gush_http_field fields[4] = {{GUSH_SPAN_LIT("Host"), GUSH_SPAN_LIT("h")}};
    struct gush_peer peer = peer_of(peer_text), client;
    struct gush_http_request request = {.fields = fields, .peer = &peer, .forwarded = trusted};
    char text[GUSH_PEER_TEXT_MAX];
    size_t n = 1;

    if (real)
        fields[n++] = (struct gush_http_field){GUSH_SPAN_LIT("X-Real-IP"), gush_span_str(real)};
    if (a)
        fields[n++] = (struct gush_http_field){GUSH_SPAN_LIT("x-forwarded-for"), gush_span_str(a)};
    if (b)
        fields[n++] = (struct gush_http_field){GUSH_SPAN_LIT("X-Forwarded-For"), gush_span_str(b)};
    request.fields_n = n;
    client = gush_forwarded_client(&request);
    gush_peer_format(&client, text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s | %s | %s | %s: %s, expected %s", peer_text, a ? a : "-", b ? b : "-",
                 real ? real : "-", text, expected);
}

static void strangers_are_not_believed(void **state)
{
    (void)state;
    client_is("9.9.9.9:5", "9.9.9.9", "1.1.1.1", NULL, "1.1.1.1");
    client_is("10.128.0.1:5", "10.128.0.1", "1.1.1.1", NULL, NULL); /* the /9 ends before it */
    client_is("192.0.2.8:5", "192.0.2.8", "1.1.1.1", NULL, NULL);
    client_is("[2001:db8:8000::1]:5", "2001:db8:8000::1", "1.1.1.1", NULL, NULL);
    struct gush_forwarded *some = trusted;
    trusted = NULL; /* nobody is */
    client_is("10.0.0.1:5", "10.0.0.1", "1.1.1.1", NULL, "1.1.1.1");
    trusted = some;
}

static void what_is_no_address_ends_the_walk(void **state)
{
    static const char *const bad[] = {
        "",          "unknown",       "_hidden",    "1.1.1",     "1.1.1.1 8.8.8.8", "1.1.1.1:",
        "1.1.1.1:x", "1.1.1.1:65536", "[::1",       "[1.1.1.1]", "[::1]x",          "[::1]:",
        "::1%eth0",  "\"1.1.1.1\"",   "1.1.1.1/32", "-1"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char list[80];
        snprintf(list, sizeof(list), "1.1.1.1, %s", bad[i]);
        client_is("10.0.0.1:5", "10.0.0.1", list, NULL, NULL);
        snprintf(list, sizeof(list), "1.1.1.1, %s, 10.0.0.2", bad[i]);
        client_is("10.0.0.2:0", "10.0.0.1", list, NULL, NULL);
        client_is("10.0.0.1:5", "10.0.0.1", NULL, NULL, bad[i]);
    }
}

static void the_last_that_is_not_trusted(void **state)
{
    (void)state;
    client_is("1.1.1.1:0", "10.0.0.1", "1.1.1.1", NULL, NULL);
    client_is("2.2.2.2:0", "10.0.0.1", "1.1.1.1, 2.2.2.2", NULL, NULL);
    client_is("2.2.2.2:0", "192.0.2.7", "1.1.1.1,2.2.2.2 ,\t10.9.9.9", NULL, NULL);
    client_is("2.2.2.2:0", "10.0.0.1", "1.1.1.1, 2.2.2.2", "10.0.0.3, 10.0.0.4", NULL);
    client_is("3.3.3.3:0", "10.0.0.1", "1.1.1.1, 2.2.2.2", "3.3.3.3", NULL);
    client_is("10.0.0.5:0", "10.0.0.1", "10.0.0.5, 10.0.0.6", NULL, NULL); /* all are trusted */
    client_is("1.1.1.1:0", "a unix socket", "1.1.1.1", NULL, NULL);
}

static void addresses_as_proxies_write_them(void **state)
{
    (void)state;
    client_is("1.1.1.1:0", "10.0.0.1", "1.1.1.1:8080", NULL, NULL);
    client_is("[2001:db9::1]:0", "2001:db8::1", "2001:db9::1", NULL, NULL);
    client_is("[2001:db9::1]:0", "2001:db8::1", "[2001:db9::1]", NULL, NULL);
    client_is("[2001:db9::1]:0", "2001:db8::1", "[2001:db9::1]:443", NULL, NULL);
    client_is("1.1.1.1:0", "::ffff:10.0.0.1", "::ffff:1.1.1.1", NULL, NULL);
    client_is("2.2.2.2:0", "10.0.0.1", "2.2.2.2, ::ffff:10.0.0.9", NULL, NULL);
}

static void real_ip_where_there_is_no_list(void **state)
{
    (void)state;
    client_is("4.4.4.4:0", "10.0.0.1", NULL, NULL, "4.4.4.4");
    client_is("1.1.1.1:0", "10.0.0.1", "1.1.1.1", NULL, "4.4.4.4");
    client_is("10.0.0.1:5", "10.0.0.1", "unknown", NULL, "4.4.4.4");
}

static void long_lists_are_given_up(void **state)
{
    static char list[8192];
    size_t n = 7;

    (void)state;
    snprintf(list, sizeof(list), "1.1.1.1");
    for (int i = 1; i < 64; i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, ",10.0.1.%d", i);
    client_is("1.1.1.1:0", "10.0.0.1", list, NULL, NULL);
    snprintf(list + n, sizeof(list) - n, ",10.0.1.99");
    client_is("10.0.1.1:0", "10.0.0.1", list, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_networks),
        cmocka_unit_test(strangers_are_not_believed),
        cmocka_unit_test(what_is_no_address_ends_the_walk),
        cmocka_unit_test(the_last_that_is_not_trusted),
        cmocka_unit_test(addresses_as_proxies_write_them),
        cmocka_unit_test(real_ip_where_there_is_no_list),
        cmocka_unit_test(long_lists_are_given_up),
    };
    return UNIT_RUN(tests, trust, distrust);
}
