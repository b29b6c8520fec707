#include <semaphore.h>
#include <time.h>

#include "server/net/conn.h"
#include "server/net/listener.h"
#include "server/net/tcp.h"

#include "tests/unit/net/wire.h"

#define BIG_BYTES (24u << 20)

static struct {
    struct gush_loop *loop;
    struct gush_listener *listener;
    uint16_t port;
    int fd;
    sem_t event;
    struct gush_conn *conn;
    uint8_t *big;
    atomic_int eof_n, writable_n, timer_n, closed_n;
    /* told by the loop, read behind |event| */
    char bytes[256];
    size_t bytes_n;
    size_t written;
    gush_err err;
} world;

static struct wire w;

/* ---- the owner ------------------------------------------------------------------------------ */

static void on_bytes(void *owner, const uint8_t *p, size_t n)
{
    assert_ptr_equal(owner, &world);
    assert_true(world.bytes_n + n <= sizeof(world.bytes));
    memcpy(world.bytes + world.bytes_n, p, n);
    world.bytes_n += n;
    sem_post(&world.event);
}

static void on_eof(void *owner)
{
    (void)owner;
    world.eof_n++;
    sem_post(&world.event);
}

static void on_writable(void *owner)
{
    (void)owner;
    world.writable_n++;
    sem_post(&world.event);
}

static void on_timer(void *owner)
{
    (void)owner;
    world.timer_n++;
    sem_post(&world.event);
}

static void on_closed(void *owner)
{
    (void)owner;
    world.conn = NULL;
    world.closed_n++;
    sem_post(&world.event);
}

static const struct gush_conn_ops ops = {on_bytes, on_eof, on_writable, on_timer, on_closed, NULL};

static void on_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    (void)arg;
    assert_int_equal(gush_conn_open(loop, fd, peer, &ops, &world, &world.conn), GUSH_OK);
    sem_post(&world.event);
}

/* ---- the world ------------------------------------------------------------------------------ */

static void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

static void run_and_tell(struct gush_loop *loop, void *arg)
{
    gush_loop_fn *fn;
    memcpy(&fn, &arg, sizeof(fn));
    fn(loop, NULL);
    sem_post(&world.event);
}

static void on_loop(gush_loop_fn *fn)
{
    void *arg;
    memcpy(&arg, &fn, sizeof(arg));
    assert_true(gush_loop_post(world.loop, run_and_tell, arg));
    await_event();
}

static void open_listener(struct gush_loop *loop, void *arg)
{
    (void)arg;
    assert_int_equal(gush_listener_open(loop, world.fd, on_accept, NULL, &world.listener), GUSH_OK);
}

static int setup(void **state)
{
    struct gush_loop_options options = {.workers_n = 1, .seed = 1, .name = "conn"};
    char message[200];

    (void)state;
    memset(&world, 0, sizeof(world));
    world.big = malloc(BIG_BYTES);
    memset(world.big, 'b', BIG_BYTES);
    sem_init(&world.event, 0, 0);
    assert_int_equal(gush_loop_new(&options, &world.loop), GUSH_OK);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, open_listener, NULL), GUSH_OK);
    wire_open(&w, world.port);
    await_event();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.fd >= 0)
        wire_close(&w);
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    assert_int_equal(world.closed_n, 1); /* always, and never twice */
    gush_loop_free(world.loop);
    sem_destroy(&world.event);
    free(world.big);
    return 0;
}

/* ---- what the tests do on the loop ---------------------------------------------------------- */

static void write_three(struct gush_loop *loop, void *arg)
{
    struct gush_span parts[3] = {GUSH_SPAN_LIT("one,"), GUSH_SPAN_LIT("two,"),
                                 GUSH_SPAN_LIT("three.")};
    (void)loop;
    (void)arg;
    world.err = gush_conn_write(world.conn, parts, 3, &world.written);
}

static void write_big(struct gush_loop *loop, void *arg)
{
    struct gush_span part = gush_span_of(world.big, BIG_BYTES);
    (void)loop;
    (void)arg;
    world.err = gush_conn_write(world.conn, &part, 1, &world.written);
}

static void write_once(struct gush_loop *loop, void *arg)
{
    struct gush_span part = GUSH_SPAN_LIT("x");
    (void)loop;
    (void)arg;
    if (world.conn)
        world.err = gush_conn_write(world.conn, &part, 1, &world.written);
}

static void read_off(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_read(world.conn, GUSH_CONN_READ_OFF);
}

static void read_on(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_read(world.conn, GUSH_CONN_READ_ON);
}

static void read_ended(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_read(world.conn, GUSH_CONN_READ_ENDED);
}

static void set_timer(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_timer_set(world.conn, 20);
}

static void set_and_clear_timer(struct gush_loop *loop, void *arg)
{
    set_timer(loop, arg);
    gush_conn_timer_clear(world.conn);
}

static void close_gracefully(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
    assert_true(gush_conn_closing(world.conn));
}

static void close_now(struct gush_loop *loop, void *arg)
{
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_NOW);
    gush_conn_close(world.conn, GUSH_CONN_END_ABORT);
}

static void close_abruptly(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_close(world.conn, GUSH_CONN_END_ABORT);
    assert_int_equal(world.closed_n, 0); /* not from inside the call */
    write_once(loop, arg);
    assert_int_equal(world.err, GUSH_ECLOSED);
    gush_conn_timer_set(world.conn, 1);
    gush_conn_read(world.conn, GUSH_CONN_READ_ON);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void bytes_both_ways(void **state)
{
    (void)state;
    wire_send(&w, "hello");
    await_event();
    assert_int_equal(world.bytes_n, 5);
    assert_memory_equal(world.bytes, "hello", 5);
    on_loop(write_three);
    assert_int_equal(world.err, GUSH_OK);
    assert_int_equal(world.written, 14);
    wire_await(&w, "one,two,three.");
}

static void reading_can_rest(void **state)
{
    (void)state;
    on_loop(read_off);
    wire_send(&w, "later");
    on_loop(write_three); /* a round trip through the loop */
    wire_await(&w, "three.");
    on_loop(write_three);
    assert_int_equal(world.bytes_n, 0);
    on_loop(read_on);
    await_event();
    assert_int_equal(world.bytes_n, 5);
}

static void the_end_shows_behind_unread_bytes(void **state)
{
    (void)state;
    on_loop(read_ended);
    wire_send(&w, "never read");
    shutdown(w.fd, SHUT_WR);
    await_event();
    assert_int_equal(world.eof_n, 1);
    assert_int_equal(world.bytes_n, 0);
    on_loop(write_three); /* our half is still open */
    wire_await(&w, "three.");
}

static void half_closed_is_told_once(void **state)
{
    (void)state;
    shutdown(w.fd, SHUT_WR);
    await_event();
    assert_int_equal(world.eof_n, 1);
    for (int i = 0; i < 10; i++)
        on_loop(write_three);
    assert_int_equal(world.eof_n, 1);
    wire_await_n(&w, 140);
}

static void reset_is_noticed(void **state)
{
    (void)state;
    wire_reset(&w);
    await_event();
    assert_int_equal(world.closed_n, 1);
}

/* Nobody watches for input: the next writes find out. */
static void reset_is_noticed_by_writing(void **state)
{
    (void)state;
    on_loop(read_off);
    wire_reset(&w);
    world.err = GUSH_OK;
    while (world.closed_n == 0 && world.err == GUSH_OK)
        on_loop(write_once);
    while (world.closed_n == 0)
        await_event();
    assert_int_equal(world.err, GUSH_ECLOSED);
}

static void full_socket(void **state)
{
    (void)state;
    on_loop(write_big);
    assert_int_equal(world.err, GUSH_EAGAIN);
    assert_in_range(world.written, 1, BIG_BYTES - 1);
    size_t got = 0;
    while (got < world.written) {
        w.n = 0;
        ssize_t k = wire_more(&w);
        assert_true(k > 0);
        got += (size_t)k;
    }
    /* There may have been room again before anybody read: the kernel has more than one buffer. */
    while (world.writable_n == 0)
        await_event();
    assert_int_equal(world.writable_n, 1);
}

static void timer_rings_unless_cleared(void **state)
{
    (void)state;
    on_loop(set_and_clear_timer);
    on_loop(set_timer);
    await_event();
    assert_int_equal(world.timer_n, 1);
}

static void graceful_end_keeps_the_answer(void **state)
{
    (void)state;
    on_loop(read_off);
    for (int i = 0; i < 20; i++)
        wire_send(&w, "this is not wanted any more");
    on_loop(close_gracefully);
    wire_await(&w, "three.");
    wire_send(&w, "nor is this");
    assert_true(wire_ends(&w)); /* no reset, although it was not read */
    assert_int_equal(world.closed_n, 0);
    wire_close(&w);
    await_event();
    assert_int_equal(world.closed_n, 1);
    assert_int_equal(world.bytes_n, 0);
}

static void graceful_end_is_limited_in_time(void **state)
{
    (void)state;
    on_loop(close_gracefully);
    await_event(); /* the client never closes */
    assert_int_equal(world.closed_n, 1);
}

static void ending_now_keeps_what_was_written(void **state)
{
    (void)state;
    on_loop(close_now);
    wire_await(&w, "three.");
    assert_true(wire_ends(&w));
    await_event();
}

static void abort_is_a_reset(void **state)
{
    (void)state;
    on_loop(close_abruptly);
    await_event();
    assert_int_equal(world.closed_n, 1);
    assert_false(wire_ends(&w));
    assert_int_equal(world.timer_n, 0);
}

static void stopping_the_loop_ends_it(void **state)
{
    (void)state;
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    assert_int_equal(world.closed_n, 1);
    assert_true(wire_ends(&w));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_both_ways),
        TEST(reading_can_rest),
        TEST(the_end_shows_behind_unread_bytes),
        TEST(half_closed_is_told_once),
        TEST(reset_is_noticed),
        TEST(reset_is_noticed_by_writing),
        TEST(full_socket),
        TEST(timer_rings_unless_cleared),
        TEST(graceful_end_keeps_the_answer),
        TEST(graceful_end_is_limited_in_time),
        TEST(ending_now_keeps_what_was_written),
        TEST(abort_is_a_reset),
        TEST(stopping_the_loop_ends_it),
    };
    return UNIT_RUN(tests, NULL, NULL);
}
