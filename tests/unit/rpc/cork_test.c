#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/rpc/cork.h"

/* cmocka wants these before it, and does not include them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    return fd;
}

static bool corked(int fd)
{
    int on = -1;
    socklen_t n = sizeof(on);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, &n), 0);
    return on != 0;
}

static void one_write_a_turn_is_left_alone(void **state)
{
    struct gush_rpc_cork cork = {0};
    int fd = new_socket();

    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        gush_rpc_cork_write(&cork, fd);
        assert_false(corked(fd));
        gush_rpc_cork_end(&cork);
    }
    gush_rpc_cork_fini(&cork);
    close(fd);
}

static void writes_that_meet_are_corked_until_the_turn_ends(void **state)
{
    struct gush_rpc_cork cork = {0};
    int fd = new_socket(), other = new_socket();

    (void)state;
    gush_rpc_cork_write(&cork, fd);
    gush_rpc_cork_write(&cork, other);
    gush_rpc_cork_write(&cork, fd);
    assert_true(corked(fd));
    assert_false(corked(other));
    gush_rpc_cork_end(&cork);
    assert_false(corked(fd));

    gush_rpc_cork_write(&cork, fd); /* it paid the last time */
    assert_true(corked(fd));
    gush_rpc_cork_end(&cork);
    assert_false(corked(fd));

    gush_rpc_cork_write(&cork, fd); /* this time it did not */
    assert_false(corked(fd));
    gush_rpc_cork_end(&cork);
    gush_rpc_cork_fini(&cork);
    close(fd);
    close(other);
}

static void what_is_no_socket_is_no_harm(void **state)
{
    struct gush_rpc_cork cork = {0};
    int fd = new_socket(), high = fcntl(fd, F_DUPFD, 900);

    (void)state;
    gush_rpc_cork_write(&cork, -1);
    gush_rpc_cork_write(&cork, -1);
    gush_rpc_cork_write(&cork, fd);
    gush_rpc_cork_write(&cork, high); /* the tables grow */
    gush_rpc_cork_write(&cork, high);
    gush_rpc_cork_write(&cork, fd);
    close(high); /* the peer went, within the turn */
    assert_true(corked(fd));
    gush_rpc_cork_end(&cork);
    assert_false(corked(fd));
    gush_rpc_cork_end(&cork); /* of a turn without a write */
    gush_rpc_cork_fini(&cork);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_write_a_turn_is_left_alone),
        cmocka_unit_test(writes_that_meet_are_corked_until_the_turn_ends),
        cmocka_unit_test(what_is_no_socket_is_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
