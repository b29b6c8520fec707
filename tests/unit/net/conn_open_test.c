/* What comes before a connection's first byte: a PROXY header in clear text, and in front of TLS.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "server/base/log.h"

#include "server/net/conn.h"
#include "server/net/listener.h"
#include "server/net/tcp.h"
#include "server/net/tls_server.h"

#include "tests/unit/net/certs.h"
#include "tests/unit/net/wire.h"

#define LINE   "PROXY TCP4 192.0.2.7 198.51.100.2 51000 443\r\n"
#define BINARY "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x02\xc7\x38\x01\xbb"
#define LOCAL  "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"

static struct certs_pair authority, server_pair;

static struct {
    struct gush_loop *loop;
    struct gush_listener *listener;
    struct gush_tls *tls;
    struct gush_tls_server *server; /* NULL: clear text */
    uint16_t port;
    int fd;
    sem_t event;
    struct gush_conn *conn;
    uint32_t open_ms;
    bool close_at_once;
    atomic_int open_n, eof_n, closed_n;
    atomic_size_t bytes_n;
    char bytes[1000];
    char peer[GUSH_PEER_TEXT_MAX]; /* at on_open */
} world;

static struct wire w;

static void on_open(void *owner)
{
    assert_ptr_equal(owner, &world);
    gush_peer_format(gush_conn_peer(world.conn), world.peer);
    world.open_n++;
    if (world.close_at_once)
        gush_conn_close(world.conn, GUSH_CONN_END_ABORT);
    sem_post(&world.event);
}

static void on_bytes(void *owner, const uint8_t *p, size_t n)
{
    (void)owner;
    assert_int_equal(world.open_n, 1);
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

static const struct gush_conn_ops ops = {.on_open = on_open,
                                         .on_bytes = on_bytes,
                                         .on_eof = on_eof,
                                         .on_writable = on_other,
                                         .on_timer = on_other,
                                         .on_closed = on_closed};

static void on_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_conn_setup setup = {
        .ops = &ops, .owner = &world, .tls = world.server, .proxy = true, .open_ms = world.open_ms};

    (void)arg;
    assert_int_equal(gush_conn_open_with(loop, fd, peer, &setup, &world.conn), GUSH_OK);
    sem_post(&world.event);
}

static void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

#define AWAIT(condition)                                                                           \
    while (!(condition))                                                                           \
    await_event()

static void open_listener(struct gush_loop *loop, void *arg)
{
    (void)arg;
    assert_int_equal(gush_listener_open(loop, world.fd, on_accept, NULL, &world.listener), GUSH_OK);
}

static void start(bool tls)
{
    struct gush_loop_options options = {.workers_n = 1, .seed = 1, .name = "conn_open"};
    struct gush_tls_options pems = {"x.tls", server_pair.cert, server_pair.key, ""};
    struct gush_tls_server_options server = {.name = "x.tls"};
    char message[300];

    memset(&world, 0, sizeof(world));
    sem_init(&world.event, 0, 0);
    if (tls) {
        assert_int_equal(gush_tls_new(&pems, &world.tls, message, sizeof(message)), GUSH_OK);
        server.tls = world.tls;
        assert_int_equal(gush_tls_server_new(&server, &world.server, message, sizeof(message)),
                         GUSH_OK);
    }
    assert_int_equal(gush_loop_new(&options, &world.loop), GUSH_OK);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, open_listener, NULL), GUSH_OK);
}

static int setup(void **state)
{
    (void)state;
    start(false);
    wire_open(&w, world.port);
    return 0;
}

static int setup_tls(void **state)
{
    (void)state;
    start(true);
    wire_open(&w, world.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.fd >= 0)
        wire_close(&w);
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    assert_int_equal(world.closed_n, 1);
    gush_loop_free(world.loop);
    gush_tls_server_free(world.server);
    gush_tls_free(world.tls);
    sem_destroy(&world.event);
    return 0;
}

static void await_bytes(const char *text)
{
    AWAIT(world.bytes_n >= strlen(text));
    assert_int_equal(world.bytes_n, strlen(text));
    assert_memory_equal(world.bytes, text, strlen(text));
}

/* ---- in clear text -------------------------------------------------------------------------- */

static void something_else_is_refused(void **state)
{
    (void)state;
    wire_send(&w, "GET / HTTP/1.1\r\n\r\n");
    AWAIT(world.closed_n == 1);
    assert_false(wire_ends(&w));
    assert_int_equal(world.open_n + world.eof_n, 0);
    assert_int_equal(world.bytes_n, 0);
}

static void half_a_header_ends(void **state)
{
    (void)state;
    wire_send(&w, "PROXY TCP4 192.0.2.7");
    shutdown(w.fd, SHUT_WR);
    AWAIT(world.closed_n == 1);
    assert_int_equal(world.open_n + world.eof_n, 0);
}

static int setup_short(void **state)
{
    (void)state;
    start(false);
    world.open_ms = 30;
    wire_open(&w, world.port);
    return 0;
}

static void a_stalled_header_ends(void **state)
{
    (void)state;
    wire_send(&w, "PROXY TCP4 192.0.2.7");
    AWAIT(world.closed_n == 1);
    assert_false(wire_ends(&w));
    assert_int_equal(world.open_n + world.eof_n, 0);
}

static void every_byte_alone(void **state)
{
    static const char text[] = LINE "hello";

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        wire_send_n(&w, text + i, 1);
    await_bytes("hello");
    assert_string_equal(world.peer, "192.0.2.7:51000");
    assert_int_equal(world.open_n, 1);
}

static void all_at_once(void **state)
{
    static const char text[] = BINARY "hello";

    (void)state;
    wire_send_n(&w, text, sizeof(text) - 1);
    await_bytes("hello");
    assert_string_equal(world.peer, "192.0.2.7:51000");
    wire_send(&w, LINE); /* these are only bytes now */
    await_bytes("hello" LINE);
}

static void a_health_check_keeps_its_address(void **state)
{
    struct sockaddr_in mine = {0};
    socklen_t n = sizeof(mine);
    char want[40];

    (void)state;
    wire_send_n(&w, LOCAL, sizeof(LOCAL) - 1);
    AWAIT(world.open_n == 1);
    assert_int_equal(getsockname(w.fd, (struct sockaddr *)&mine, &n), 0);
    (void)snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(mine.sin_port));
    assert_string_equal(world.peer, want);
    shutdown(w.fd, SHUT_WR);
    AWAIT(world.eof_n == 1);
}

static void closing_at_once(void **state)
{
    (void)state;
    world.close_at_once = true;
    wire_send(&w, LINE "never read");
    AWAIT(world.closed_n == 1);
    assert_int_equal(world.open_n, 1);
    assert_int_equal(world.bytes_n, 0);
}

/* ---- in front of TLS ------------------------------------------------------------------------ */

static void then_a_handshake(void **state)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    static const char header[] = BINARY;
    SSL *ssl = SSL_new(context);

    (void)state;
    for (size_t i = 0; i < sizeof(header) - 1; i++)
        wire_send_n(&w, header + i, 1);
    SSL_set_fd(ssl, w.fd);
    assert_int_equal(SSL_connect(ssl), 1);
    AWAIT(world.open_n == 1);
    assert_string_equal(world.peer, "192.0.2.7:51000");
    assert_int_equal(SSL_write(ssl, "hello", 5), 5);
    await_bytes("hello");
    assert_int_equal(gush_tls_server_stats(world.server).handshakes, 1);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void a_handshake_without_header_is_refused(void **state)
{
    (void)state;
    wire_send_n(&w, "\x16\x03\x01\x02\x00", 5);
    AWAIT(world.closed_n == 1);
    assert_int_equal(world.open_n, 0);
    assert_int_equal(gush_tls_server_stats(world.server).failed, 0); /* it did not come to that */
}

#define TEST(f)       cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_SHORT(f) cmocka_unit_test_setup_teardown(f, setup_short, teardown)
#define TEST_TLS(f)   cmocka_unit_test_setup_teardown(f, setup_tls, teardown)

static int make_certs(void **state)
{
    (void)state;
    gush_log_threshold = GUSH_LOG_NONE;
    certs_make(&authority, "ours", NULL, 3600);
    certs_make(&server_pair, "localhost", &authority, 3600);
    return 0;
}

static int drop_certs(void **state)
{
    (void)state;
    certs_drop(&authority);
    certs_drop(&server_pair);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(something_else_is_refused),
        TEST(half_a_header_ends),
        TEST_SHORT(a_stalled_header_ends),
        TEST(every_byte_alone),
        TEST(all_at_once),
        TEST(a_health_check_keeps_its_address),
        TEST(closing_at_once),
        TEST_TLS(then_a_handshake),
        TEST_TLS(a_handshake_without_header_is_refused),
    };
    return UNIT_RUN(tests, make_certs, drop_certs);
}
