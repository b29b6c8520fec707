/* tls_world: one loop that serves TLS to one client after the other, an OpenSSL of its own. */
#ifndef GUSH_TESTS_UNIT_NET_TLS_WORLD_H
#define GUSH_TESTS_UNIT_NET_TLS_WORLD_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "server/base/log.h"

#include "server/net/conn_t.h"
#include "server/net/listener.h"
#include "server/net/tcp.h"
#include "server/net/tls_server.h"

#include "tests/unit/net/certs.h"
#include "tests/unit/net/wire.h"

#define BIG_BYTES (8u << 20)

static struct certs_pair authority, strangers, server_pair, client_pair, foreign_pair, old_pair;

static struct {
    struct gush_loop *loop;
    struct gush_listener *listener;
    struct gush_tls *tls;
    struct gush_tls_server *server;
    uint16_t port;
    int fd, accepted_fd;
    sem_t event;
    struct gush_conn *conn;
    uint32_t open_ms;
    uint8_t *big;
    bool write_on; /* on_writable goes on with |big| */
    bool is_h2, rest_at_first, fill_first;
    atomic_int accepted_n, open_n, eof_n, writable_n, closed_n, second_n;
    atomic_size_t bytes_n; /* in |bytes|, which is written before */
    uint8_t bytes[1 << 18];
    size_t written; /* of |big| */
    gush_err err;
} world;

/* The client. */
static struct wire w;
static SSL_CTX *context;
static SSL *ssl;
static SSL_SESSION *session;
static int records_n; /* of application data, received */

/* ---- the owner ------------------------------------------------------------------------------ */

static inline void on_open(void *owner)
{
    assert_ptr_equal(owner, &world);
    assert_int_equal(world.bytes_n, 0);
    assert_true(gush_conn_is_tls(world.conn));
    assert_false(gush_timer_armed(&world.conn->timer)); /* it is the owner's now */
    world.is_h2 = gush_conn_alpn_is(world.conn, "h2");
    if (world.rest_at_first)
        gush_conn_read(world.conn, GUSH_CONN_READ_OFF);
    world.open_n++;
    sem_post(&world.event);
}

static inline void on_bytes(void *owner, const uint8_t *p, size_t n)
{
    assert_ptr_equal(owner, &world);
    assert_true(n > 0 && world.bytes_n + n <= sizeof(world.bytes));
    memcpy(world.bytes + world.bytes_n, p, n);
    world.bytes_n += n;
    sem_post(&world.event);
}

static inline void on_eof(void *owner)
{
    (void)owner;
    world.eof_n++;
    sem_post(&world.event);
}

/* In parts of odd sizes that change from call to call, in other memory each time. */
static inline void write_some(void)
{
    static uint8_t copy[200000];
    struct gush_span parts[7];
    size_t at, took = 0, left = BIG_BYTES - world.written, parts_n = 0;
    size_t n = left < sizeof(copy) ? left : sizeof(copy);

    memset(copy, 0xee, sizeof(copy));
    at = world.written % 3000 < sizeof(copy) - n ? world.written % 3000 : 0;
    memcpy(copy + at, world.big + world.written, n);
    for (size_t from = 0; from < n; parts_n++) {
        size_t k = parts_n == 6 ? n - from : (world.written + parts_n * 977) % 20000;
        k = k < n - from ? k : n - from;
        parts[parts_n] = gush_span_of(copy + at + from, k);
        from += k;
    }
    world.err = gush_conn_write(world.conn, parts, parts_n, &took);
    world.written += took;
}

static inline void write_on(void)
{
    do {
        write_some();
    } while (world.err == GUSH_OK && world.written < BIG_BYTES);
}

static inline void on_writable(void *owner)
{
    (void)owner;
    world.writable_n++;
    if (world.write_on)
        write_on();
    sem_post(&world.event);
}

static inline void on_timer(void *owner)
{
    (void)owner;
    fail();
}

static inline void on_closed(void *owner)
{
    (void)owner;
    world.conn = NULL;
    world.closed_n++;
    sem_post(&world.event);
}

static const struct gush_conn_ops ops = {.on_open = on_open,
                                         .on_bytes = on_bytes,
                                         .on_eof = on_eof,
                                         .on_writable = on_writable,
                                         .on_timer = on_timer,
                                         .on_closed = on_closed};

/* With zeros, which are not of TLS: only for clients that look at bare bytes. */
static inline void fill_socket(int fd)
{
    static const uint8_t nothing[4096];
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    do { /* until it stays full */
        for (size_t n = sizeof(nothing); n > 0; n /= 2)
            while (send(fd, nothing, n, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
                continue;
    } while (poll(&room, 1, 10) > 0);
}

static inline void on_accept(void *arg, struct gush_loop *loop, int fd,
                             const struct gush_peer *peer)
{
    struct gush_conn_setup setup = {
        .ops = &ops, .owner = &world, .tls = world.server, .open_ms = world.open_ms};

    (void)arg;
    if (world.fill_first)
        fill_socket(fd);
    world.accepted_n++;
    world.accepted_fd = fd;
    assert_int_equal(gush_conn_open_with(loop, fd, peer, &setup, &world.conn), GUSH_OK);
    assert_true(gush_conn_is_tls(world.conn));
    assert_false(gush_conn_alpn_is(world.conn, "h2"));
}

/* ---- the world ------------------------------------------------------------------------------ */

static inline void await_event(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_PATIENCE_S;
    assert_int_equal(sem_timedwait(&world.event, &until), 0);
}

#define AWAIT(condition)                                                                           \
    while (!(condition))                                                                           \
    await_event()

static sem_t done; /* apart from |event|: a call on the loop is not something that happened */

static inline void run_and_tell(struct gush_loop *loop, void *arg)
{
    gush_loop_fn *fn;
    memcpy(&fn, &arg, sizeof(fn));
    fn(loop, NULL);
    sem_post(&done);
}

static inline void on_loop(gush_loop_fn *fn)
{
    void *arg;
    memcpy(&arg, &fn, sizeof(arg));
    assert_true(gush_loop_post(world.loop, run_and_tell, arg));
    while (sem_wait(&done) != 0)
        continue;
}

static inline void open_listener(struct gush_loop *loop, void *arg)
{
    (void)arg;
    assert_int_equal(gush_listener_open(loop, world.fd, on_accept, NULL, &world.listener), GUSH_OK);
}

static const char *const alpn[] = {"h2", "http/1.1", NULL};

static inline void start(const char *client_ca, bool only_1_3)
{
    struct gush_loop_options options = {.workers_n = 1, .seed = 1, .name = "conn_tls"};
    struct gush_tls_options pems = {"x.tls", server_pair.cert, server_pair.key, client_ca};
    struct gush_tls_server_options server = {"x.tls", NULL, alpn, only_1_3};
    char message[300];

    memset(&world, 0, sizeof(world));
    sem_init(&world.event, 0, 0);
    sem_init(&done, 0, 0);
    assert_int_equal(gush_tls_new(&pems, &world.tls, message, sizeof(message)), GUSH_OK);
    server.tls = world.tls;
    if (gush_tls_server_new(&server, &world.server, message, sizeof(message)) != GUSH_OK)
        fail_msg("%s", message);
    assert_int_equal(gush_loop_new(&options, &world.loop), GUSH_OK);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, &world.fd, 1, &world.port, message, sizeof(message)),
        GUSH_OK);
    assert_int_equal(gush_loop_start(world.loop, open_listener, NULL), GUSH_OK);
    context = SSL_CTX_new(TLS_client_method());
    w.fd = -1;
    records_n = 0;
}

static inline int setup(void **state)
{
    (void)state;
    start("", false);
    return 0;
}

static inline int setup_mtls(void **state)
{
    (void)state;
    start(authority.cert, false);
    return 0;
}

static inline int setup_1_3(void **state)
{
    (void)state;
    start("", true);
    return 0;
}

static inline void hang_up(void)
{
    SSL_free(ssl);
    ssl = NULL;
    if (w.fd >= 0)
        wire_close(&w);
}

static inline int teardown(void **state)
{
    (void)state;
    hang_up();
    SSL_SESSION_free(session);
    session = NULL;
    SSL_CTX_free(context);
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    assert_int_equal(world.closed_n, world.accepted_n); /* always, and never twice */
    gush_loop_free(world.loop);
    gush_tls_server_free(world.server);
    gush_tls_free(world.tls);
    sem_destroy(&world.event);
    sem_destroy(&done);
    free(world.big);
    ERR_clear_error();
    return 0;
}

static inline struct gush_tls_server_stats stats(void)
{
    return gush_tls_server_stats(world.server);
}

/* ---- the client ----------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(readability-function-size): OpenSSL has it so */
static inline void count_records(int sent, int version, int type, const void *p, size_t n, SSL *s,
                                 void *arg)
{
    (void)version;
    (void)s;
    (void)arg;
    if (!sent && type == SSL3_RT_HEADER && n > 0 && *(const uint8_t *)p == SSL3_RT_APPLICATION_DATA)
        records_n++;
}

static inline void dial(void)
{
    wire_open(&w, world.port);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, w.fd);
    SSL_set_msg_callback(ssl, count_records);
}

static inline void greet(void)
{
    dial();
    if (SSL_connect(ssl) != 1)
        fail_msg("%s", ERR_reason_error_string(ERR_peek_error()));
    AWAIT(world.open_n == world.accepted_n && world.open_n > 0);
}

static inline void show(const struct certs_pair *pair)
{
    assert_int_equal(SSL_CTX_use_certificate(context, pair->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, pair->pkey), 1);
}

static inline void say(const char *text)
{
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

static inline void await_bytes(const char *text)
{
    AWAIT(world.bytes_n >= strlen(text));
    assert_int_equal(world.bytes_n, strlen(text));
    assert_memory_equal(world.bytes, text, strlen(text));
}

static inline void hear(const char *text)
{
    char got[200];
    size_t n = 0;

    while (n < strlen(text)) {
        int k = SSL_read(ssl, got + n, (int)(strlen(text) - n));
        assert_true(k > 0);
        n += (size_t)k;
    }
    assert_memory_equal(got, text, n);
}

/* Dials in vain; returns why, as the server's alert says, "" if there was none. */
static inline const char *rejected(void)
{
    const char *why = "";
    char c;

    dial();
    /* In TLS 1.3 the client is done before the server has seen its certificate. */
    if (SSL_connect(ssl) == 1)
        assert_true(SSL_read(ssl, &c, 1) <= 0);
    if (ERR_peek_error() != 0 && ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL)
        why = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    hang_up();
    AWAIT(world.closed_n == world.accepted_n && world.accepted_n > 0);
    assert_int_equal(world.open_n, 0);
    assert_int_equal(stats().handshakes, 0);
    return why;
}

/* ---- what the tests do on the loop ---------------------------------------------------------- */

static inline void write_three(struct gush_loop *loop, void *arg)
{
    struct gush_span parts[4] = {GUSH_SPAN_LIT("one,"), GUSH_SPAN_LIT("two,"), GUSH_SPAN_EMPTY,
                                 GUSH_SPAN_LIT("three.")};
    size_t took;

    (void)loop;
    (void)arg;
    world.err = gush_conn_write(world.conn, parts, 4, &took);
    assert_int_equal(took, world.err == GUSH_OK ? 14 : 0);
}

static inline void write_many(struct gush_loop *loop, void *arg)
{
    static uint8_t text[GUSH_CONN_PARTS_MAX][100];
    struct gush_span parts[GUSH_CONN_PARTS_MAX];
    size_t took;

    (void)loop;
    (void)arg;
    for (size_t i = 0; i < GUSH_CONN_PARTS_MAX; i++) {
        memset(text[i], (int)('A' + i % 26), sizeof(text[i]));
        parts[i] = gush_span_of(text[i], sizeof(text[i]));
    }
    assert_int_equal(gush_conn_write(world.conn, parts, GUSH_CONN_PARTS_MAX, &took), GUSH_OK);
    assert_int_equal(took, sizeof(text));
}

static inline void write_big(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    world.write_on = true;
    write_on();
    assert_int_equal(world.err, GUSH_EAGAIN);
}

static inline void fill_socket_and_close(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    fill_socket(world.accepted_fd);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
}

static inline void do_nothing(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static inline void read_off(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_read(world.conn, GUSH_CONN_READ_OFF);
}

static inline void read_on(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_read(world.conn, GUSH_CONN_READ_ON);
}

static inline void read_ended(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_read(world.conn, GUSH_CONN_READ_ENDED);
}

static inline void close_gracefully(struct gush_loop *loop, void *arg)
{
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
    assert_true(gush_conn_closing(world.conn));
    write_three(loop, arg);
    assert_int_equal(world.err, GUSH_ECLOSED);
}

static inline void close_now(struct gush_loop *loop, void *arg)
{
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_NOW);
}

static inline void close_abruptly(struct gush_loop *loop, void *arg)
{
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_ABORT);
}

static inline int make_certs(void **state)
{
    (void)state;
    gush_log_threshold = GUSH_LOG_NONE;
    certs_make(&authority, "ours", NULL, 3600);
    certs_make(&strangers, "theirs", NULL, 3600);
    certs_make(&server_pair, "localhost", &authority, 3600);
    certs_make(&client_pair, "client", &authority, 3600);
    certs_make(&foreign_pair, "foreigner", &strangers, 3600);
    certs_make(&old_pair, "old", &authority, -60);
    return 0;
}

static inline int drop_certs(void **state)
{
    struct certs_pair *all[] = {&authority,   &strangers,    &server_pair,
                                &client_pair, &foreign_pair, &old_pair};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        certs_drop(all[i]);
    return 0;
}

#define TEST(f)      cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_MTLS(f) cmocka_unit_test_setup_teardown(f, setup_mtls, teardown)
#define TEST_1_3(f)  cmocka_unit_test_setup_teardown(f, setup_1_3, teardown)

#endif
