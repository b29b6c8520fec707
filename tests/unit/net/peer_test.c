#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/net/peer.h"

#include "tests/unit/net/unit.h"

static void text_is(const struct sockaddr *address, const char *expected)
{
    char text[GUSH_PEER_TEXT_MAX];
    struct gush_peer peer = gush_peer_from(address);

    gush_peer_format(&peer, text);
    assert_string_equal(text, expected);
}

static void addresses(void **state)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(65535)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    struct sockaddr unix_address = {.sa_family = AF_UNIX};

    (void)state;
    inet_pton(AF_INET, "255.254.253.252", &in4.sin_addr);
    text_is((struct sockaddr *)&in4, "255.254.253.252:65535");
    inet_pton(AF_INET6, "2001:db8::ff00:42:8329", &in6.sin6_addr);
    text_is((struct sockaddr *)&in6, "[2001:db8::ff00:42:8329]:1");
    inet_pton(AF_INET6, "1111:2222:3333:4444:5555:6666:7777:8888", &in6.sin6_addr);
    in6.sin6_port = htons(65535);
    text_is((struct sockaddr *)&in6, "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
    text_is(&unix_address, "unknown");
}

static void wrapped_ipv4_is_ipv4(void **state)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};

    (void)state;
    inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr);
    text_is((struct sockaddr *)&in6, "10.1.2.3:9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(wrapped_ipv4_is_ipv4),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
