#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/rpc/peers.h"

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#define NAME_BYTES 80

struct pair {
    int client, server;
    char name[NAME_BYTES]; /* of the client's end */
};

static socklen_t loopback(int family, struct sockaddr_storage *at)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    if (family == AF_INET)
        memcpy(at, &v4, sizeof(v4));
    else
        memcpy(at, &v6, sizeof(v6));
    return family == AF_INET ? sizeof(v4) : sizeof(v6);
}

/* False: this machine has no such family. */
static bool connect_pair(int family, struct pair *p)
{
    struct sockaddr_storage at = {0};
    socklen_t n = loopback(family, &at);
    int listener = socket(family, SOCK_STREAM, 0);
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    if (listener < 0 || bind(listener, (struct sockaddr *)&at, n) != 0) {
        close(listener);
        return false;
    }
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    p->client = socket(family, SOCK_STREAM, 0);
    assert_int_equal(connect(p->client, (struct sockaddr *)&at, n), 0);
    p->server = accept(listener, NULL, NULL);
    assert_true(p->server >= 0);
    assert_int_equal(getsockname(p->client, (struct sockaddr *)&at, &n), 0);
    memcpy(&v4, &at, sizeof(v4));
    memcpy(&v6, &at, sizeof(v6));
    if (family == AF_INET)
        snprintf(p->name, sizeof(p->name), "ipv4:127.0.0.1:%u", ntohs(v4.sin_port));
    else
        snprintf(p->name, sizeof(p->name), "ipv6:%%5B::1%%5D:%u", ntohs(v6.sin6_port));
    close(listener);
    return true;
}

static void close_pair(struct pair *p)
{
    close(p->client);
    close(p->server);
}

static void strange_names_are_nobody(void **state)
{
    static const char *const names[] = {
        "", "fd:7", ":", "unix:/x", "ipv4:1.2.3.4:", "ipv4:1.2.3.4:99999", "1", "ipv4:1.2.3.4:0"};
    struct gush_rpc_peers *peers = gush_rpc_peers_new();

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(gush_rpc_peers_find(peers, names[i]), -1);
    gush_rpc_peers_free(peers);
}

static void what_is_no_connection_is_left_out(void **state)
{
    struct gush_rpc_peers *peers = gush_rpc_peers_new();
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    gush_rpc_peers_add(peers, fds[0]);
    gush_rpc_peers_add(peers, -1);
    close(fds[0]);
    close(fds[1]);
    gush_rpc_peers_free(peers);
}

static void peers_are_found_while_they_are_there(void **state)
{
    struct gush_rpc_peers *peers = gush_rpc_peers_new();
    const int families[] = {AF_INET, AF_INET6};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair one = {0}, other = {0};
        char wrong[NAME_BYTES];

        if (!connect_pair(families[i], &one))
            continue;
        assert_true(connect_pair(families[i], &other));
        assert_int_equal(gush_rpc_peers_find(peers, one.name), -1);
        gush_rpc_peers_add(peers, one.server);
        gush_rpc_peers_add(peers, other.server);
        gush_rpc_peers_add(peers, one.server); /* a second time is no harm */
        assert_int_equal(gush_rpc_peers_find(peers, one.name), one.server);
        assert_int_equal(gush_rpc_peers_find(peers, other.name), other.server);
        snprintf(wrong, sizeof(wrong), "ipv4:127.0.0.9%s", strrchr(one.name, ':'));
        assert_int_equal(gush_rpc_peers_find(peers, wrong), -1);
        close_pair(&one);
        assert_int_equal(gush_rpc_peers_find(peers, one.name), -1);
        assert_int_equal(gush_rpc_peers_find(peers, other.name), other.server);
        close_pair(&other);
    }
    gush_rpc_peers_free(peers);
}

static void descriptor_that_changed_hands_is_its_new_peer(void **state)
{
    struct gush_rpc_peers *peers = gush_rpc_peers_new();
    struct pair one = {0}, other = {0};

    (void)state;
    assert_true(connect_pair(AF_INET, &one));
    gush_rpc_peers_add(peers, one.server);
    assert_true(connect_pair(AF_INET, &other));
    assert_int_equal(dup2(other.server, one.server), one.server);
    assert_int_equal(gush_rpc_peers_find(peers, one.name), -1);
    gush_rpc_peers_add(peers, one.server);
    assert_int_equal(gush_rpc_peers_find(peers, one.name), -1);
    assert_int_equal(gush_rpc_peers_find(peers, other.name), one.server);
    close_pair(&one);
    close_pair(&other);
    gush_rpc_peers_free(peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strange_names_are_nobody),
        cmocka_unit_test(what_is_no_connection_is_left_out),
        cmocka_unit_test(peers_are_found_while_they_are_there),
        cmocka_unit_test(descriptor_that_changed_hands_is_its_new_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
