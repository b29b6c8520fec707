#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <time.h>

#include "server/base/log.h"

#include "server/net/listener.h"
#include "server/net/tcp.h"

#include "tests/unit/net/wire.h"

#define ACCEPTED_MAX 64

static struct {
    struct gush_loop *loop;
    struct gush_listener *listener;
    uint16_t port;
    int fd; /* listening, until the loop has it */
    sem_t event;
    /* written by the loop before |event| */
    int accepted[ACCEPTED_MAX];
    struct gush_peer peers[ACCEPTED_MAX];
    int accepted_n;
} world;

static struct wire wires[ACCEPTED_MAX];

static void on_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    assert_ptr_equal(arg, &world);
    assert_ptr_equal(loop, world.loop);
    world.peers[world.accepted_n] = *peer;
    world.accepted[world.accepted_n++] = fd;
    sem_post(&world.event);
}

static void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

static void open_listener(struct gush_loop *loop, void *arg)
{
    (void)arg;
    assert_int_equal(gush_listener_open(loop, world.fd, on_accept, &world, &world.listener),
                     GUSH_OK);
}

static void close_listener(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_listener_close(world.listener);
    sem_post(&world.event);
}

static int setup(void **state)
{
    struct gush_loop_options options = {.workers_n = 1, .seed = 1, .name = "listener"};
    char message[200];

    (void)state;
    gush_log_threshold = GUSH_LOG_NONE;
    world.accepted_n = 0;
    sem_init(&world.event, 0, 0);
    assert_int_equal(gush_loop_new(&options, &world.loop), GUSH_OK);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, open_listener, NULL), GUSH_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    gush_loop_free(world.loop);
    for (int i = 0; i < world.accepted_n; i++)
        close(world.accepted[i]);
    sem_destroy(&world.event);
    return 0;
}

static void hands_on_bare_descriptors(void **state)
{
    struct sockaddr_in mine = {0};
    socklen_t n = sizeof(mine);

    (void)state;
    wire_open(&wires[0], world.port);
    await_event();
    int fd = world.accepted[0];
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(getsockname(wires[0].fd, (struct sockaddr *)&mine, &n), 0);
    assert_int_equal(world.peers[0].version, 4);
    assert_int_equal(world.peers[0].port, ntohs(mine.sin_port));
    assert_int_equal(write(fd, "hi", 2), 2);
    wire_await(&wires[0], "hi");
    wire_close(&wires[0]);
}

static void after_close_nobody_is_let_in(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(world.port)};

    (void)state;
    assert_true(gush_loop_post(world.loop, close_listener, NULL));
    await_event();
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_not_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

/* Takes every descriptor there is by copying |fd|; returns how many. */
static int use_up(int fd, int *hoard, int most)
{
    int n = 0;
    while (n < most && (hoard[n] = dup(fd)) >= 0)
        n++;
    assert_true(n < most);
    return n;
}

static void running_out_of_descriptors_is_survived(void **state)
{
    static int hoard[4096];
    struct rlimit before, few;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 300;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    /* The client's ends are made while there are descriptors, and connected when there are none. */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(world.port)};
    struct timeval patience = {WIRE_PATIENCE_S, 0};
    int clients[5];
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 5; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(clients[i] >= 0);
        setsockopt(clients[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    }
    int hoarded = use_up(clients[4], hoard, 4096);
    for (int i = 0; i < 3; i++) {
        char byte;
        assert_int_equal(connect(clients[i], (struct sockaddr *)&to, sizeof(to)), 0);
        /* turned away, not left hanging */
        errno = 0;
        assert_true(recv(clients[i], &byte, 1, 0) <= 0);
        assert_int_not_equal(errno, EAGAIN);
    }
    assert_int_equal(world.accepted_n, 0);
    while (hoarded > 0)
        close(hoard[--hoarded]);
    for (int i = 3; i < 5; i++) {
        assert_int_equal(connect(clients[i], (struct sockaddr *)&to, sizeof(to)), 0);
        await_event();
    }
    assert_int_equal(world.accepted_n, 2);
    for (int i = 0; i < 5; i++)
        close(clients[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void newcomers_that_left_are_passed_over(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        wire_open(&wires[i], world.port);
        wire_reset(&wires[i]);
    }
    wire_open(&wires[20], world.port);
    /* However many of those the kernel still reported, the last one is there. */
    struct sockaddr_in mine = {0};
    socklen_t n = sizeof(mine);
    assert_int_equal(getsockname(wires[20].fd, (struct sockaddr *)&mine, &n), 0);
    int seen = 0; /* as many as there were events: the loop may be further already */
    do {
        await_event();
        seen++;
    } while (world.peers[seen - 1].port != ntohs(mine.sin_port));
    wire_close(&wires[20]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hands_on_bare_descriptors),
        TEST(after_close_nobody_is_let_in),
        TEST(running_out_of_descriptors_is_survived),
        TEST(newcomers_that_left_are_passed_over),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
