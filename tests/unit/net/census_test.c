/* Who is in: limits, numbers that come again, and those who left without a word. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/census.h"

#include "tests/unit/net/unit.h"

#define FAR_US 1000000 /* enough for every question there may be */

static struct gush_census *census;
static uint64_t now_us;

static int setup(void **state)
{
    (void)state;
    census = gush_census_new();
    now_us = FAR_US;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gush_census_free(census);
    return 0;
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return fd;
}

static struct gush_peer v4(uint8_t last)
{
    return (struct gush_peer){.ip = {10, 0, 0, last}, .port = 1, .version = 4};
}

static enum gush_census_answer enter(unsigned port, int fd, struct gush_peer peer)
{
    return gush_census_enter(census, port, fd, &peer, now_us);
}

static uint64_t count(unsigned port)
{
    now_us += FAR_US;
    return gush_census_count(census, port, now_us);
}

static void counts_and_forgets(void **state)
{
    unsigned port = gush_census_add_port(census, 0, 0), other = gush_census_add_port(census, 0, 0);
    int a = new_socket(), b = new_socket();

    (void)state;
    assert_int_equal(enter(port, a, v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(other, b, v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(count(port), 1);
    assert_int_equal(count(other), 1);
    gush_census_leave(census, a);
    close(a);
    assert_int_equal(count(port), 0);
    close(b); /* without a word */
    assert_int_equal(count(other), 0);
}

static void limit_of_the_port(void **state)
{
    unsigned port = gush_census_add_port(census, 2, 0), other = gush_census_add_port(census, 0, 0);
    int fds[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        fds[i] = new_socket();
    assert_int_equal(enter(port, fds[0], v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, fds[1], v4(2)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, fds[2], v4(3)), GUSH_CENSUS_FULL);
    assert_int_equal(enter(other, fds[3], v4(3)), GUSH_CENSUS_IN);
    assert_int_equal(count(port), 2); /* the refused one left no trace */
    close(fds[0]);
    now_us += FAR_US;
    assert_int_equal(enter(port, fds[2], v4(3)), GUSH_CENSUS_IN);
    assert_int_equal(count(port), 2);
    for (int i = 1; i < 4; i++)
        close(fds[i]);
}

static void limit_of_an_address(void **state)
{
    unsigned port = gush_census_add_port(census, 0, 1), other = gush_census_add_port(census, 0, 1);
    struct gush_peer six = {.ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 1}, .version = 6};
    struct gush_peer same_64 = six, other_64 = six;
    int fds[8];

    (void)state;
    same_64.ip[15] = 99;
    other_64.ip[7] = 8;
    for (int i = 0; i < 8; i++)
        fds[i] = new_socket();
    assert_int_equal(enter(port, fds[0], v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, fds[1], v4(1)), GUSH_CENSUS_ADDRESS_FULL);
    assert_int_equal(enter(port, fds[2], v4(2)), GUSH_CENSUS_IN);
    assert_int_equal(enter(other, fds[3], v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, fds[4], six), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, fds[5], same_64), GUSH_CENSUS_ADDRESS_FULL);
    assert_int_equal(enter(port, fds[5], other_64), GUSH_CENSUS_IN);
    gush_census_leave(census, fds[0]);
    assert_int_equal(enter(port, fds[1], v4(1)), GUSH_CENSUS_IN);
    close(fds[1]); /* without a word */
    now_us += FAR_US;
    assert_int_equal(enter(port, fds[6], v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(count(port), 4);
    for (int i = 0; i < 8; i++)
        if (i != 1)
            close(fds[i]);
}

/* The lowest free number goes to the newcomer, so nobody need be asked. */
static void a_number_that_comes_again_frees_its_place(void **state)
{
    unsigned port = gush_census_add_port(census, 1, 1);
    int fd = new_socket();

    (void)state;
    assert_int_equal(enter(port, fd, v4(1)), GUSH_CENSUS_IN);
    for (int i = 0; i < 3 * GUSH_CENSUS_ASK_MAX; i++) { /* no time passes: no questions come back */
        close(fd);
        int next = new_socket();
        assert_int_equal(next, fd);
        assert_int_equal(enter(port, fd, v4(1)), GUSH_CENSUS_IN);
    }
    assert_int_equal(count(port), 1);
    close(fd);
}

/* By a file, and by a socket that came in elsewhere. */
static void a_number_that_went_to_somebody_else_is_not_counted(void **state)
{
    unsigned port = gush_census_add_port(census, 2, 0);
    int a = new_socket(), b = new_socket();

    (void)state;
    assert_int_equal(enter(port, a, v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, b, v4(1)), GUSH_CENSUS_IN);
    close(a);
    close(b);
    assert_int_equal(open("/dev/null", O_RDONLY | O_CLOEXEC), a < b ? a : b);
    int stranger = new_socket();
    assert_int_equal(stranger, a < b ? b : a);
    int c = new_socket(), d = new_socket(), e = new_socket();
    now_us += FAR_US;
    assert_int_equal(enter(port, c, v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, d, v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, e, v4(1)), GUSH_CENSUS_FULL);
    for (int fd = a < b ? a : b; fd <= e; fd++)
        close(fd);
    assert_int_equal(count(port), 0);
}

/* A flood at the limit costs a bounded number of questions; those who left are found later. */
static void questions_are_rationed(void **state)
{
    unsigned port = gush_census_add_port(census, 2, 0);
    int a = new_socket(), b = new_socket(), c = new_socket();

    (void)state;
    assert_int_equal(enter(port, a, v4(1)), GUSH_CENSUS_IN);
    assert_int_equal(enter(port, b, v4(1)), GUSH_CENSUS_IN);
    for (int i = 0; i < GUSH_CENSUS_ASK_MAX; i++)
        assert_int_equal(enter(port, c, v4(1)), GUSH_CENSUS_FULL);
    close(a);
    assert_int_equal(enter(port, c, v4(1)), GUSH_CENSUS_FULL); /* nothing left to ask with */
    now_us += 2;                                               /* both may be asked again */
    assert_int_equal(enter(port, c, v4(1)), GUSH_CENSUS_IN);
    close(b);
    close(c);
}

static void many_come_and_go(void **state)
{
    enum { N = 3000, LIMIT = 700, PER_ADDRESS = 100 };
    static int fds[N];
    unsigned port = gush_census_add_port(census, LIMIT, PER_ADDRESS);
    unsigned in[16] = {0}, all = 0, seed = 7;
    static uint8_t whose[N];

    (void)state;
    for (int i = 0; i < N; i++)
        fds[i] = -1;
    for (int i = 0; i < 20 * N; i++) {
        unsigned at = (seed = seed * 1103515245 + 12345) / 65536 % 800;
        uint8_t address = (uint8_t)((seed = seed * 1103515245 + 12345) / 65536 % 16);
        now_us += FAR_US;
        if (fds[at] >= 0) {
            if (i % 3 == 0)
                gush_census_leave(census, fds[at]);
            close(fds[at]);
            fds[at] = -1;
            in[whose[at]]--;
            all--;
            continue;
        }
        int fd = new_socket();
        enum gush_census_answer want = in[address] == PER_ADDRESS ? GUSH_CENSUS_ADDRESS_FULL
                                       : all == LIMIT             ? GUSH_CENSUS_FULL
                                                                  : GUSH_CENSUS_IN;
        assert_int_equal(enter(port, fd, v4(address)), want);
        if (want != GUSH_CENSUS_IN) {
            close(fd);
            continue;
        }
        fds[at] = fd;
        whose[at] = address;
        in[address]++;
        all++;
    }
    assert_int_equal(count(port), all);
    for (int i = 0; i < N; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    assert_int_equal(count(port), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_and_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_of_the_port, setup, teardown),
        cmocka_unit_test_setup_teardown(limit_of_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_that_comes_again_frees_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_that_went_to_somebody_else_is_not_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(questions_are_rationed, setup, teardown),
        cmocka_unit_test_setup_teardown(many_come_and_go, setup, teardown),
    };

    return UNIT_RUN(tests, NULL, NULL);
}
