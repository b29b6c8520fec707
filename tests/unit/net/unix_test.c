/* Unix sockets: their files, and one listener that deals to several loops. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "server/base/log.h"

#include "server/net/conn.h"
#include "server/net/gate.h"
#include "server/net/listener.h"
#include "server/net/unix.h"

#include "tests/unit/net/wire.h"

#define LOOPS_N 3
#define WIRES_N 12

static char folder[] = P_tmpdir "/gush-unix-XXXXXX";
static char path[80];

static struct {
    struct gush_loop *loops[LOOPS_N];
    struct gush_listener *listener;
    struct gush_census *census;
    struct gush_gate *gate; /* NULL: none */
    int fd;
    sem_t event;
    pthread_mutex_t mutex; /* of the rest */
    int taken[WIRES_N];    /* descriptors in the order of arrival */
    int taken_n, by_loop[LOOPS_N];
    struct gush_conn *conn;
    char bytes[100];
    size_t bytes_n;
    atomic_int eof_n, closed_n;
} world;

static int wires[WIRES_N];

/* ---- files ---------------------------------------------------------------------------------- */

static gush_err try_listen(const char *at, int *fd)
{
    char message[300] = "";
    gush_err err = gush_unix_listen(at, 0600, fd, message, sizeof(message));

    assert_true((err == GUSH_OK) == (message[0] == '\0'));
    assert_true(err == GUSH_OK || strstr(message, at) != NULL);
    return err;
}

static bool exists(const char *at)
{
    struct stat st;

    return lstat(at, &st) == 0;
}

static void paths_that_are_refused(void **state)
{
    char longest[109], message[300];
    int fd = -1;

    (void)state;
    assert_int_equal(gush_unix_listen("", 0600, &fd, message, sizeof(message)), GUSH_EIO);
    memset(longest, 'x', sizeof(longest));
    longest[108] = '\0';
    assert_int_equal(try_listen(longest, &fd), GUSH_EIO);
    assert_int_equal(try_listen("/no such folder/x", &fd), GUSH_EIO);
    assert_int_equal(try_listen(folder, &fd), GUSH_EIO);
    assert_int_equal(fd, -1);
}

static void what_is_no_socket_stays(void **state)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), none = -1;

    (void)state;
    close(fd);
    assert_int_equal(try_listen(path, &none), GUSH_EIO);
    assert_true(exists(path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(try_listen(path, &none), GUSH_EIO);
    assert_true(exists(path));
    assert_int_equal(unlink(path), 0);
}

static void who_answers_stays(void **state)
{
    int first = -1, second = -1;

    (void)state;
    assert_int_equal(try_listen(path, &first), GUSH_OK);
    assert_int_equal(try_listen(path, &second), GUSH_EBUSY);
    assert_int_equal(second, -1);
    close(first); /* as at a crash: the file is still there */
    assert_true(exists(path));
    assert_int_equal(try_listen(path, &second), GUSH_OK);
    close(second);
    assert_int_equal(unlink(path), 0);
}

static void the_file_has_its_mode(void **state)
{
    char message[300];
    struct stat st;
    int fd;

    (void)state;
    assert_int_equal(gush_unix_listen(path, 0621, &fd, message, sizeof(message)), GUSH_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0621);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

/* ---- dealing -------------------------------------------------------------------------------- */

static void on_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    int *count = arg;

    gush_lane_assert(gush_loop_lane(loop)); /* we are on it */
    assert_int_equal(peer->version, 0);
    pthread_mutex_lock(&world.mutex);
    assert_ptr_equal(loop, world.loops[count - world.by_loop]);
    ++*count;
    world.taken[world.taken_n++] = fd;
    pthread_mutex_unlock(&world.mutex);
    sem_post(&world.event);
}

static void on_bytes(void *owner, const uint8_t *p, size_t n)
{
    (void)owner;
    memcpy(world.bytes + world.bytes_n, p, n);
    world.bytes_n += n;
    sem_post(&world.event);
}

static void on_eof(void *owner)
{
    struct gush_span part = GUSH_SPAN_LIT("bye");
    size_t written;

    (void)owner;
    world.eof_n++;
    assert_int_equal(gush_conn_write(world.conn, &part, 1, &written), GUSH_OK);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
    sem_post(&world.event);
}

static void on_other(void *owner)
{
    (void)owner;
    fail();
}

static void on_closed(void *owner)
{
    (void)owner;
    world.closed_n++;
    sem_post(&world.event);
}

static void open_conn(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    static const struct gush_conn_ops ops = {.on_bytes = on_bytes,
                                             .on_eof = on_eof,
                                             .on_writable = on_other,
                                             .on_timer = on_other,
                                             .on_closed = on_closed};

    (void)arg;
    assert_int_equal(gush_conn_open(loop, fd, peer, &ops, &world, &world.conn), GUSH_OK);
}

static gush_listener_fn *taker; /* of the next listener */

static void open_listener(struct gush_loop *loop, void *arg)
{
    struct gush_listener_seat seats[LOOPS_N];

    (void)arg;
    for (size_t i = 0; i < LOOPS_N; i++)
        seats[i] = (struct gush_listener_seat){world.loops[i], &world.by_loop[i]};
    assert_int_equal(gush_listener_open_dealing(loop, world.fd, world.gate, taker, seats, LOOPS_N,
                                                &world.listener),
                     GUSH_OK);
}

static void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

static void start(gush_listener_fn *fn, const struct gush_gate_options *gate)
{
    memset(&world, 0, sizeof(world));
    for (size_t i = 0; i < WIRES_N; i++)
        wires[i] = -1;
    sem_init(&world.event, 0, 0);
    pthread_mutex_init(&world.mutex, NULL);
    taker = fn;
    if (gate) {
        struct gush_gate_options options = *gate;
        world.census = options.census = gush_census_new();
        world.gate = gush_gate_new(&options);
    }
    assert_int_equal(try_listen(path, &world.fd), GUSH_OK);
    for (size_t i = 0; i < LOOPS_N; i++) {
        struct gush_loop_options o = {.workers_n = LOOPS_N, .seed = 1, .name = "unix"};
        assert_int_equal(gush_loop_new(&o, &world.loops[i]), GUSH_OK);
    }
    for (size_t i = LOOPS_N; i-- > 0;)
        assert_int_equal(gush_loop_start(world.loops[i], i == 0 ? open_listener : NULL, NULL),
                         GUSH_OK);
}

static int setup_plain(void **state)
{
    (void)state;
    start(on_accept, NULL);
    return 0;
}

static int setup_conn(void **state)
{
    (void)state;
    start(open_conn, NULL);
    return 0;
}

static int setup_gated(void **state)
{
    const struct gush_gate_options options = {
        .name = "unix", .descriptors_max = 100000, .most = 4, .most_per_address = 1};

    (void)state;
    start(on_accept, &options);
    return 0;
}

static void stop_loop(size_t i)
{
    gush_loop_stop(world.loops[i]);
    gush_loop_join(world.loops[i]);
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOOPS_N; i++) {
        stop_loop(i);
        gush_loop_free(world.loops[i]);
    }
    assert_false(exists(path)); /* the listener took it away */
    for (int i = 0; i < world.taken_n; i++)
        close(world.taken[i]);
    for (size_t i = 0; i < WIRES_N; i++)
        if (wires[i] >= 0)
            close(wires[i]);
    gush_gate_free(world.gate);
    gush_census_free(world.census);
    pthread_mutex_destroy(&world.mutex);
    sem_destroy(&world.event);
    return 0;
}

static int dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval patience = {WIRE_PATIENCE_S, 0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(to.sun_path, path, strlen(path) + 1);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void everybody_gets_his_share(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRES_N; i++) {
        wires[i] = dial();
        await_event();
    }
    for (size_t i = 0; i < LOOPS_N; i++)
        assert_int_equal(world.by_loop[i], WIRES_N / LOOPS_N);
    assert_int_equal(write(world.taken[5], "hi", 2), 2);
}

/* Whoever is dealt to a loop that is gone learns of it. */
static void a_loop_that_is_gone_takes_nobody(void **state)
{
    char c;

    (void)state;
    stop_loop(1);
    for (size_t i = 0; i < LOOPS_N; i++)
        wires[i] = dial();
    await_event();
    await_event();
    assert_int_equal(world.by_loop[0] + world.by_loop[2], 2);
    assert_int_equal(recv(wires[1], &c, 1, 0), 0);
}

static void limits_hold_and_addresses_do_not_count(void **state)
{
    char c;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        wires[i] = dial();
        await_event();
    }
    wires[4] = dial();
    assert_true(recv(wires[4], &c, 1, 0) <= 0);
    assert_int_equal(gush_gate_stats(world.gate).refused[GUSH_GATE_LIMIT], 1);
    assert_int_equal(gush_gate_stats(world.gate).refused[GUSH_GATE_ADDRESS], 0);
    assert_int_equal(gush_gate_stats(world.gate).open, 4);
    close(world.taken[--world.taken_n]);
    wires[5] = dial();
    await_event();
}

static void bytes_and_the_end(void **state)
{
    char got[10];

    (void)state;
    wires[0] = dial();
    assert_int_equal(write(wires[0], "hello", 5), 5);
    await_event();
    assert_int_equal(world.bytes_n, 5);
    assert_memory_equal(world.bytes, "hello", 5);
    shutdown(wires[0], SHUT_WR);
    await_event();
    assert_int_equal(world.eof_n, 1);
    assert_int_equal(recv(wires[0], got, sizeof(got), 0), 3);
    assert_int_equal(recv(wires[0], got, sizeof(got), 0), 0);
    while (world.closed_n == 0)
        await_event();
}

static void close_listener(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_listener_close(world.listener);
    sem_post(&world.event);
}

static void the_file_goes_with_the_listener(void **state)
{
    (void)state;
    assert_true(exists(path));
    assert_true(gush_loop_post(world.loops[0], close_listener, NULL));
    await_event();
    assert_false(exists(path));
}

/* Somebody removed ours and listens there himself. */
static void a_file_of_somebody_else_stays(void **state)
{
    int other = -1;

    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_listen(path, &other), GUSH_OK);
    assert_true(gush_loop_post(world.loops[0], close_listener, NULL));
    await_event();
    assert_true(exists(path));
    close(other);
    assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
    (void)state;
    gush_log_threshold = GUSH_LOG_NONE;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

#define TEST(f, setup) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_that_are_refused),
        cmocka_unit_test(what_is_no_socket_stays),
        cmocka_unit_test(who_answers_stays),
        cmocka_unit_test(the_file_has_its_mode),
        TEST(everybody_gets_his_share, setup_plain),
        TEST(a_loop_that_is_gone_takes_nobody, setup_plain),
        TEST(limits_hold_and_addresses_do_not_count, setup_gated),
        TEST(bytes_and_the_end, setup_conn),
        TEST(the_file_goes_with_the_listener, setup_plain),
        TEST(a_file_of_somebody_else_stays, setup_plain),
    };
    return UNIT_RUN(tests, setup, remove_folder);
}
