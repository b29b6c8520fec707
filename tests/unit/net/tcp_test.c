#include "server/net/tcp.h"

#include "tests/unit/net/wire.h"

static char message[256];

static void port_in_use_is_an_error_with_its_name(void **state)
{
    int fds[1], again[1];
    uint16_t port, other;
    char expected[64];

    (void)state;
    assert_int_equal(gush_tcp_listen("127.0.0.1", 0, fds, 1, &port, message, sizeof(message)),
                     GUSH_OK);
    assert_int_not_equal(port, 0);
    assert_int_equal(gush_tcp_listen("127.0.0.1", port, again, 1, &other, message, sizeof(message)),
                     GUSH_EBUSY);
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", port);
    assert_non_null(strstr(message, expected));
    assert_non_null(strstr(message, "already in use"));
    /* also when the second would take every address */
    assert_int_equal(gush_tcp_listen("", port, again, 1, &other, message, sizeof(message)),
                     GUSH_EBUSY);
    assert_non_null(strstr(message, "*:"));
    close(fds[0]);
}

/* Another process of ours with SO_REUSEPORT would otherwise get half of our clients. */
static void several_share_one_port_and_nobody_else(void **state)
{
    int fds[4], again[2];
    uint16_t port, other;

    (void)state;
    assert_int_equal(gush_tcp_listen("127.0.0.1", 0, fds, 4, &port, message, sizeof(message)),
                     GUSH_OK);
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in a = {0};
        socklen_t n = sizeof(a);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&a, &n), 0);
        assert_int_equal(ntohs(a.sin_port), port);
    }
    assert_int_equal(gush_tcp_listen("127.0.0.1", port, again, 2, &other, message, sizeof(message)),
                     GUSH_EBUSY);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    /* freed again, at once */
    assert_int_equal(gush_tcp_listen("127.0.0.1", port, again, 2, &other, message, sizeof(message)),
                     GUSH_OK);
    assert_int_equal(other, port);
    close(again[0]);
    close(again[1]);
}

static void newcomers_spread_over_the_sockets(void **state)
{
    static struct wire w;
    int fds[2], got[2] = {0, 0};
    uint16_t port;

    (void)state;
    assert_int_equal(gush_tcp_listen("127.0.0.1", 0, fds, 2, &port, message, sizeof(message)),
                     GUSH_OK);
    for (int i = 0; i < 100; i++) {
        int fd = -1;
        wire_open(&w, port);
        for (int k = 0; fd < 0; k = !k) {
            fd = accept(fds[k], NULL, NULL);
            if (fd >= 0)
                got[k]++;
            else
                assert_int_equal(errno, EAGAIN);
        }
        close(fd);
        wire_close(&w);
    }
    assert_int_equal(got[0] + got[1], 100);
    assert_true(got[0] > 0 && got[1] > 0); /* by hash: 2^-99 that one gets none */
    close(fds[0]);
    close(fds[1]);
}

static void unknown_hosts_are_named(void **state)
{
    int fds[1];
    uint16_t port;

    (void)state;
    assert_int_equal(
        gush_tcp_listen("no.such.host.invalid", 0, fds, 1, &port, message, sizeof(message)),
        GUSH_EUNKNOWN);
    assert_non_null(strstr(message, "no.such.host.invalid"));
    assert_int_equal(gush_tcp_listen("192.0.2.1", 0, fds, 1, &port, message, sizeof(message)),
                     GUSH_EIO);
    assert_non_null(strstr(message, "192.0.2.1"));
}

static void accepted_ones_inherit_the_options(void **state)
{
    static struct wire w;
    int fds[1], value = 0;
    socklen_t n = sizeof(value);
    uint16_t port;

    (void)state;
    assert_int_equal(gush_tcp_listen("", 0, fds, 1, &port, message, sizeof(message)), GUSH_OK);
    wire_open(&w, port); /* over IPv4, although the listener may be an IPv6 one */
    int fd;
    while ((fd = accept(fds[0], NULL, NULL)) < 0)
        assert_int_equal(errno, EAGAIN);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &n), 0);
    assert_int_equal(value, GUSH_TCP_NOTSENT_LOWAT);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &n), 0);
    assert_int_equal(value, 1);
    close(fd);
    close(fds[0]);
    wire_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_in_use_is_an_error_with_its_name),
        cmocka_unit_test(several_share_one_port_and_nobody_else),
        cmocka_unit_test(newcomers_spread_over_the_sockets),
        cmocka_unit_test(unknown_hosts_are_named),
        cmocka_unit_test(accepted_ones_inherit_the_options),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
