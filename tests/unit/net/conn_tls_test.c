/* Connections over TLS, against OpenSSL as a client: what is refused first, then bytes and ends. */
#include <openssl/err.h>
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

#define BIG_BYTES (8u << 20)

static struct certs_pair authority, strangers, server_pair, client_pair, foreign_pair, old_pair;

static struct {
    struct gush_loop *loop;
    struct gush_listener *listener;
    struct gush_tls *tls;
    struct gush_tls_server *server;
    uint16_t port;
    int fd;
    sem_t event;
    struct gush_conn *conn;
    uint32_t open_ms;
    uint8_t *big;
    bool write_on; /* on_writable goes on with |big| */
    bool is_h2, rest_at_first;
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

static void on_open(void *owner)
{
    assert_ptr_equal(owner, &world);
    assert_int_equal(world.bytes_n, 0);
    assert_true(gush_conn_is_tls(world.conn));
    world.is_h2 = gush_conn_alpn_is(world.conn, "h2");
    if (world.rest_at_first)
        gush_conn_read(world.conn, GUSH_CONN_READ_OFF);
    world.open_n++;
    sem_post(&world.event);
}

static void on_bytes(void *owner, const uint8_t *p, size_t n)
{
    assert_ptr_equal(owner, &world);
    assert_true(n > 0 && world.bytes_n + n <= sizeof(world.bytes));
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

/* In parts of odd sizes that change from call to call, in other memory each time. */
static void write_some(void)
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

static void write_on(void)
{
    do {
        write_some();
    } while (world.err == GUSH_OK && world.written < BIG_BYTES);
}

static void on_writable(void *owner)
{
    (void)owner;
    world.writable_n++;
    if (world.write_on)
        write_on();
    sem_post(&world.event);
}

static void on_timer(void *owner)
{
    (void)owner;
    fail();
}

static void on_closed(void *owner)
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

static void on_accept(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    struct gush_conn_setup setup = {
        .ops = &ops, .owner = &world, .tls = world.server, .open_ms = world.open_ms};

    (void)arg;
    world.accepted_n++;
    assert_int_equal(gush_conn_open_with(loop, fd, peer, &setup, &world.conn), GUSH_OK);
    assert_true(gush_conn_is_tls(world.conn));
    assert_false(gush_conn_alpn_is(world.conn, "h2"));
}

/* ---- the world ------------------------------------------------------------------------------ */

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

static sem_t done; /* apart from |event|: a call on the loop is not something that happened */

static void run_and_tell(struct gush_loop *loop, void *arg)
{
    gush_loop_fn *fn;
    memcpy(&fn, &arg, sizeof(fn));
    fn(loop, NULL);
    sem_post(&done);
}

static void on_loop(gush_loop_fn *fn)
{
    void *arg;
    memcpy(&arg, &fn, sizeof(arg));
    assert_true(gush_loop_post(world.loop, run_and_tell, arg));
    while (sem_wait(&done) != 0)
        continue;
}

static void open_listener(struct gush_loop *loop, void *arg)
{
    (void)arg;
    assert_int_equal(gush_listener_open(loop, world.fd, on_accept, NULL, &world.listener), GUSH_OK);
}

static const char *const alpn[] = {"h2", "http/1.1", NULL};

static void start(const char *client_ca, bool only_1_3)
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

static int setup(void **state)
{
    (void)state;
    start("", false);
    return 0;
}

static int setup_mtls(void **state)
{
    (void)state;
    start(authority.cert, false);
    return 0;
}

static int setup_1_3(void **state)
{
    (void)state;
    start("", true);
    return 0;
}

static void hang_up(void)
{
    SSL_free(ssl);
    ssl = NULL;
    if (w.fd >= 0)
        wire_close(&w);
}

static int teardown(void **state)
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

static struct gush_tls_server_stats stats(void)
{
    return gush_tls_server_stats(world.server);
}

/* ---- the client ----------------------------------------------------------------------------- */

static void count_records(int sent, int version, int type, const void *p, size_t n, SSL *s,
                          void *arg)
{
    (void)version;
    (void)s;
    (void)arg;
    if (!sent && type == SSL3_RT_HEADER && n > 0 && *(const uint8_t *)p == SSL3_RT_APPLICATION_DATA)
        records_n++;
}

static void dial(void)
{
    wire_open(&w, world.port);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, w.fd);
    SSL_set_msg_callback(ssl, count_records);
}

static void greet(void)
{
    dial();
    if (SSL_connect(ssl) != 1)
        fail_msg("%s", ERR_reason_error_string(ERR_peek_error()));
    AWAIT(world.open_n == world.accepted_n && world.open_n > 0);
}

static void show(const struct certs_pair *pair)
{
    assert_int_equal(SSL_CTX_use_certificate(context, pair->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, pair->pkey), 1);
}

static void say(const char *text)
{
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void await_bytes(const char *text)
{
    AWAIT(world.bytes_n >= strlen(text));
    assert_int_equal(world.bytes_n, strlen(text));
    assert_memory_equal(world.bytes, text, strlen(text));
}

static void hear(const char *text)
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
static const char *rejected(void)
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

static void write_three(struct gush_loop *loop, void *arg)
{
    struct gush_span parts[4] = {GUSH_SPAN_LIT("one,"), GUSH_SPAN_LIT("two,"), GUSH_SPAN_EMPTY,
                                 GUSH_SPAN_LIT("three.")};
    size_t took;

    (void)loop;
    (void)arg;
    world.err = gush_conn_write(world.conn, parts, 4, &took);
    assert_int_equal(took, world.err == GUSH_OK ? 14 : 0);
}

static void write_many(struct gush_loop *loop, void *arg)
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

static void write_big(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    world.write_on = true;
    write_on();
}

static void do_nothing(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
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

static void close_gracefully(struct gush_loop *loop, void *arg)
{
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
    assert_true(gush_conn_closing(world.conn));
    write_three(loop, arg);
    assert_int_equal(world.err, GUSH_ECLOSED);
}

static void close_now(struct gush_loop *loop, void *arg)
{
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_NOW);
}

static void close_abruptly(struct gush_loop *loop, void *arg)
{
    write_three(loop, arg);
    gush_conn_close(world.conn, GUSH_CONN_END_ABORT);
}

/* ---- who is refused ------------------------------------------------------------------------- */

static void garbage_is_refused(void **state)
{
    (void)state;
    wire_open(&w, world.port);
    wire_send(&w, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    (void)wire_ends(&w);
    wire_close(&w);
    AWAIT(world.closed_n == 1);
    assert_int_equal(world.open_n, 0);
    assert_int_equal(world.eof_n, 0);
    assert_int_equal(stats().failed, 1);
}

static void old_versions_are_refused(void **state)
{
    (void)state;
    SSL_CTX_set_security_level(context, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(context, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION), 1);
    assert_string_equal(rejected(), "tlsv1 alert protocol version");
    assert_int_equal(stats().failed, 1);
}

static void tls_1_2_is_refused_where_1_3_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    assert_string_equal(rejected(), "tlsv1 alert protocol version");
}

static void weak_ciphers_are_refused(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(context, "ECDHE+AES+SHA:AES128-GCM-SHA256"), 1);
    assert_string_equal(rejected(), "sslv3 alert handshake failure");
}

static void foreign_alpn_is_refused(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\x04spdy", 5), 0);
    assert_string_equal(rejected(), "tlsv1 alert no application protocol");
}

static void silence_ends(void **state)
{
    (void)state;
    world.open_ms = 30;
    wire_open(&w, world.port);
    AWAIT(world.closed_n == 1);
    assert_false(wire_ends(&w)); /* a reset */
    assert_int_equal(stats().timeouts, 1);
    assert_int_equal(world.open_n, 0);
}

/* A client's first flight, without sending it. */
static size_t first_flight(uint8_t *out, size_t out_n)
{
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
    int n;

    ssl = SSL_new(context);
    SSL_set_bio(ssl, in, sent);
    assert_int_equal(SSL_connect(ssl), -1);
    n = BIO_read(sent, out, (int)out_n);
    assert_true(n > 100 && (size_t)n < out_n);
    return (size_t)n;
}

static void half_a_hello_ends(void **state)
{
    uint8_t hello[2000];
    size_t n = first_flight(hello, sizeof(hello));

    (void)state;
    world.open_ms = 30;
    wire_open(&w, world.port);
    wire_send_n(&w, hello, n / 2);
    AWAIT(world.closed_n == 1);
    assert_int_equal(stats().timeouts, 1);
}

static void leaving_in_the_middle(void **state)
{
    uint8_t hello[2000];
    size_t n = first_flight(hello, sizeof(hello));

    (void)state;
    for (int how = 0; how < 4; how++) {
        wire_open(&w, world.port);
        wire_send_n(&w, hello, how % 2 ? n : n / 2);
        if (how < 2) {
            wire_reset(&w);
        } else {
            shutdown(w.fd, SHUT_WR);
            (void)wire_ends(&w);
            wire_close(&w);
        }
        AWAIT(world.closed_n == how + 1);
        assert_int_equal(stats().failed, how + 1);
    }
    assert_int_equal(world.open_n, 0);
}

static void client_without_certificate(void **state)
{
    (void)state;
    assert_string_equal(rejected(), "tlsv13 alert certificate required");
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    assert_string_equal(rejected(), "sslv3 alert handshake failure");
    assert_int_equal(stats().failed, 2);
}

static void client_with_a_foreign_certificate(void **state)
{
    (void)state;
    show(&foreign_pair);
    assert_string_equal(rejected(), "tlsv1 alert unknown ca");
}

static void client_with_an_expired_certificate(void **state)
{
    (void)state;
    show(&old_pair);
    assert_string_equal(rejected(), "sslv3 alert certificate expired");
}

static void client_with_a_good_certificate(void **state)
{
    (void)state;
    show(&client_pair);
    greet();
    say("hello");
    await_bytes("hello");
    on_loop(write_three);
    hear("one,two,three.");
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void bytes_both_ways(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\x08http/1.1\x02h2", 12),
                     0);
    greet();
    assert_true(world.is_h2); /* our order of preference */
    say("hello");
    await_bytes("hello");
    on_loop(write_three);
    assert_int_equal(world.err, GUSH_OK);
    hear("one,two,three.");
    assert_int_equal(stats().handshakes, 1);
    assert_int_equal(stats().failed + stats().resumed + stats().timeouts, 0);
}

static void without_alpn(void **state)
{
    (void)state;
    greet();
    assert_false(world.is_h2);
}

static void tls_1_2_works(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    greet();
    say("hello");
    await_bytes("hello");
    on_loop(write_three);
    hear("one,two,three.");
}

static void send_bytewise(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wire_send_n(&w, p + i, 1);
}

/* Moves what the client has written in memory to the server. */
static void flush_client(BIO *sent, bool bytewise)
{
    static uint8_t out[1 << 18];
    int n = BIO_read(sent, out, sizeof(out));

    if (n <= 0)
        return;
    if (bytewise)
        send_bytewise(out, (size_t)n);
    else
        wire_send_n(&w, out, (size_t)n);
}

static void shake_in_memory(BIO *in, BIO *sent, bool bytewise)
{
    uint8_t got[16384];

    while (SSL_connect(ssl) != 1) {
        ssize_t n;
        flush_client(sent, bytewise);
        n = recv(w.fd, got, sizeof(got), 0);
        assert_true(n > 0);
        assert_int_equal(BIO_write(in, got, (int)n), n);
    }
}

static void every_byte_alone(void **state)
{
    static uint8_t record[16384];
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());

    (void)state;
    for (size_t i = 0; i < sizeof(record); i++)
        record[i] = (uint8_t)(i * 7);
    wire_open(&w, world.port);
    ssl = SSL_new(context);
    SSL_set_bio(ssl, in, sent);
    shake_in_memory(in, sent, true);
    assert_int_equal(SSL_write(ssl, record, sizeof(record)), sizeof(record));
    flush_client(sent, true);
    AWAIT(world.bytes_n == sizeof(record));
    assert_memory_equal(world.bytes, record, sizeof(record));
}

/* The end of the handshake, many records and the goodbye in one segment after the other: nothing
 * may be left behind that no poll tells of. */
static void all_at_once(void **state)
{
    static uint8_t block[100000];
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());

    (void)state;
    memset(block, 'z', sizeof(block));
    wire_open(&w, world.port);
    ssl = SSL_new(context);
    SSL_set_bio(ssl, in, sent);
    shake_in_memory(in, sent, false);
    assert_int_equal(SSL_write(ssl, block, sizeof(block)), sizeof(block));
    assert_int_equal(SSL_shutdown(ssl), 0);
    flush_client(sent, false);
    AWAIT(world.eof_n == 1);
    assert_int_equal(world.bytes_n, sizeof(block));
    assert_memory_equal(world.bytes, block, sizeof(block));
    on_loop(write_three); /* our half is still open */
    assert_int_equal(world.err, GUSH_OK);
}

static void small_parts_make_one_record(void **state)
{
    int before;
    uint8_t got[100 * GUSH_CONN_PARTS_MAX];
    int n = 0;

    (void)state;
    greet();
    on_loop(write_three);
    hear("one,two,three."); /* tickets are behind us */
    before = records_n;
    on_loop(write_many);
    while (n < (int)sizeof(got)) {
        int k = SSL_read(ssl, got + n, (int)sizeof(got) - n);
        assert_true(k > 0);
        n += k;
    }
    assert_int_equal(records_n, before + 1);
    assert_int_equal(got[100 * 27], 'A' + 1);
}

static void full_socket(void **state)
{
    static uint8_t got[32768];
    size_t n = 0;

    (void)state;
    world.big = malloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        world.big[i] = (uint8_t)(i % 251);
    greet();
    on_loop(write_big);
    assert_int_equal(world.err, GUSH_EAGAIN);
    while (n < BIG_BYTES) {
        int k = SSL_read(ssl, got, sizeof(got));
        assert_true(k > 0);
        assert_memory_equal(got, world.big + n, (size_t)k);
        n += (size_t)k;
    }
    assert_true(world.writable_n > 0);
    on_loop(write_three); /* and what was in the queue is done */
    assert_int_equal(world.written, BIG_BYTES);
    hear("one,two,three.");
}

/* A reset while a record is half sent. */
static void gone_while_the_socket_is_full(void **state)
{
    (void)state;
    world.big = malloc(BIG_BYTES);
    memset(world.big, 'b', BIG_BYTES);
    greet();
    on_loop(write_big);
    assert_int_equal(world.err, GUSH_EAGAIN);
    SSL_free(ssl);
    ssl = NULL;
    wire_reset(&w);
    AWAIT(world.closed_n == 1);
}

/* ---- resting -------------------------------------------------------------------------------- */

static void reading_can_rest(void **state)
{
    (void)state;
    world.rest_at_first = true;
    greet();
    say("later");
    on_loop(write_three); /* a round trip through the loop */
    hear("one,two,three.");
    assert_int_equal(world.bytes_n, 0);
    on_loop(read_on);
    await_bytes("later");
    on_loop(read_off);
    say("!");
    on_loop(write_three);
    hear("one,two,three.");
    on_loop(read_on);
    await_bytes("later!");
}

/* Looking for the end, the record was taken from the socket: no poll would tell of it again. */
static void what_came_meanwhile_is_not_lost(void **state)
{
    (void)state;
    greet();
    on_loop(read_ended);
    say("kept");
    for (int i = 0; i < 10; i++) {
        on_loop(write_three);
        hear("one,two,three.");
    }
    assert_int_equal(world.bytes_n, 0);
    on_loop(read_off);
    on_loop(read_ended);
    on_loop(read_on);
    await_bytes("kept");
    say(" and more");
    await_bytes("kept and more");
    assert_int_equal(world.eof_n, 0);
}

static void the_end_shows_to_who_wants_nothing_else(void **state)
{
    (void)state;
    greet();
    on_loop(read_ended);
    assert_int_equal(SSL_shutdown(ssl), 0); /* close_notify, no FIN */
    AWAIT(world.eof_n == 1);
    on_loop(write_three);
    assert_int_equal(world.err, GUSH_OK);
    hear("one,two,three.");
}

static void the_end_shows_behind_unread_bytes(void **state)
{
    (void)state;
    greet();
    on_loop(read_ended);
    say("never read");
    shutdown(w.fd, SHUT_WR);
    AWAIT(world.eof_n == 1);
    assert_int_equal(world.bytes_n, 0);
    on_loop(write_three);
    hear("one,two,three.");
    on_loop(read_on); /* changed its mind */
    AWAIT(world.eof_n == 2);
    assert_int_equal(world.bytes_n, 10);
}

static void half_closed_is_told_once(void **state)
{
    (void)state;
    greet();
    shutdown(w.fd, SHUT_WR); /* without close_notify */
    AWAIT(world.eof_n == 1);
    for (int i = 0; i < 10; i++) {
        on_loop(write_three);
        hear("one,two,three.");
    }
    assert_int_equal(world.eof_n, 1);
}

/* The end came with bytes after which nobody wanted to know more. */
static void read_off_at_bytes(void *owner, const uint8_t *p, size_t n)
{
    on_bytes(owner, p, n);
    gush_conn_read(world.conn, GUSH_CONN_READ_OFF);
}

static void hand_to_a_rester(struct gush_loop *loop, void *arg)
{
    static const struct gush_conn_ops resting = {.on_bytes = read_off_at_bytes,
                                                 .on_eof = on_eof,
                                                 .on_writable = on_writable,
                                                 .on_timer = on_timer,
                                                 .on_closed = on_closed};

    (void)loop;
    (void)arg;
    gush_conn_hand_over(world.conn, &resting, &world);
}

static void the_end_waits_until_asked_for(void **state)
{
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());

    (void)state;
    wire_open(&w, world.port);
    ssl = SSL_new(context);
    SSL_set_bio(ssl, in, sent);
    shake_in_memory(in, sent, false);
    flush_client(sent, false);
    AWAIT(world.open_n == 1);
    on_loop(hand_to_a_rester);
    assert_int_equal(SSL_write(ssl, "last", 4), 4);
    assert_int_equal(SSL_shutdown(ssl), 0);
    flush_client(sent, false);
    await_bytes("last");
    on_loop(write_three);
    assert_int_equal(world.eof_n, 0);
    on_loop(read_ended);
    AWAIT(world.eof_n == 1);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void graceful_end_says_goodbye(void **state)
{
    char c;

    (void)state;
    greet();
    on_loop(read_off);
    for (int i = 0; i < 20; i++)
        say("this is not wanted any more");
    on_loop(close_gracefully);
    hear("one,two,three.");
    assert_int_equal(SSL_read(ssl, &c, 1), 0);
    assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN); /* close_notify */
    assert_true(wire_ends(&w));                                     /* and no reset */
    assert_int_equal(world.closed_n, 0);
    hang_up();
    AWAIT(world.closed_n == 1);
    assert_int_equal(world.bytes_n, 0);
}

static void ending_now_says_goodbye(void **state)
{
    char c;

    (void)state;
    greet();
    on_loop(close_now);
    hear("one,two,three.");
    assert_int_equal(SSL_read(ssl, &c, 1), 0);
    assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
    AWAIT(world.closed_n == 1);
}

static void abort_is_a_reset(void **state)
{
    (void)state;
    greet();
    on_loop(close_abruptly);
    AWAIT(world.closed_n == 1);
    assert_false(wire_ends(&w));
}

static void a_broken_record_ends_it(void **state)
{
    (void)state;
    greet();
    wire_send_n(&w, "\x17\x03\x03\x00\x20this is not what we agreed upon!", 37);
    AWAIT(world.closed_n == 1);
    assert_int_equal(world.bytes_n, 0);
    assert_int_equal(world.eof_n, 0);
}

static void renegotiation_is_refused(void **state)
{
    char c;

    (void)state;
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    greet();
    say("hello");
    await_bytes("hello");
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_int_not_equal(SSL_do_handshake(ssl), 1);
    assert_string_equal(ERR_reason_error_string(ERR_peek_error()), "no renegotiation");
    assert_true(SSL_read(ssl, &c, 1) <= 0);
    assert_int_equal(stats().handshakes, 1);
    hang_up();
    AWAIT(world.eof_n + world.closed_n > 0);
}

static void stopping_the_loop_ends_it(void **state)
{
    char c;

    (void)state;
    greet();
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    assert_int_equal(world.closed_n, 1);
    assert_int_equal(SSL_read(ssl, &c, 1), 0);
    assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
}

static void stopping_the_loop_ends_a_handshake(void **state)
{
    (void)state;
    wire_open(&w, world.port);
    wire_send_n(&w, "\x16", 1);
    while (world.accepted_n == 0)
        on_loop(do_nothing);
    gush_loop_stop(world.loop);
    gush_loop_join(world.loop);
    assert_int_equal(world.closed_n, 1);
    assert_int_equal(world.open_n, 0);
}

/* ---- handing over --------------------------------------------------------------------------- */

static void second_bytes(void *owner, const uint8_t *p, size_t n)
{
    assert_ptr_equal(owner, &world.second_n);
    (void)p;
    world.second_n += (int)n;
    sem_post(&world.event);
}

static void second_eof(void *owner)
{
    assert_ptr_equal(owner, &world.second_n);
    on_eof(owner);
}

static void second_closed(void *owner)
{
    assert_ptr_equal(owner, &world.second_n);
    on_closed(owner);
}

static const struct gush_conn_ops second = {.on_bytes = second_bytes,
                                            .on_eof = second_eof,
                                            .on_writable = on_writable,
                                            .on_timer = on_timer,
                                            .on_closed = second_closed};

static void hand_over(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    gush_conn_hand_over(world.conn, &second, &world.second_n);
}

static void another_owner_takes_over(void **state)
{
    (void)state;
    greet();
    say("first");
    await_bytes("first");
    on_loop(hand_over);
    say("second");
    AWAIT(world.second_n == 6);
    assert_int_equal(world.bytes_n, 5);
    on_loop(write_three);
    hear("one,two,three."); /* all is read: hanging up is no reset */
    hang_up();
    AWAIT(world.eof_n == 1);
}

/* ---- sessions ------------------------------------------------------------------------------- */

/* Greets, and remembers the session if it can be resumed. */
static bool greet_again(void)
{
    bool resumed;

    dial();
    if (session)
        SSL_set_session(ssl, session);
    if (SSL_connect(ssl) != 1)
        fail_msg("%s", ERR_reason_error_string(ERR_peek_error()));
    AWAIT(world.open_n == world.accepted_n);
    on_loop(write_three);
    hear("one,two,three."); /* the ticket has come before it */
    resumed = SSL_session_reused(ssl);
    SSL_SESSION_free(session);
    session = SSL_get1_session(ssl);
    assert_true(SSL_SESSION_is_resumable(session));
    SSL_shutdown(ssl);
    hang_up();
    AWAIT(world.eof_n == world.accepted_n);
    on_loop(close_now);
    AWAIT(world.closed_n == world.accepted_n);
    return resumed;
}

static void sessions_are_resumed(void **state)
{
    (void)state;
    assert_false(greet_again());
    assert_true(greet_again());
    assert_true(greet_again());
    assert_int_equal(stats().handshakes, 3);
    assert_int_equal(stats().resumed, 2);
}

static void sessions_of_1_2_are_resumed(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    sessions_are_resumed(state);
}

static void sessions_of_known_clients_are_resumed(void **state)
{
    (void)state;
    show(&client_pair);
    sessions_are_resumed(state);
}

#define TEST(f)      cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_MTLS(f) cmocka_unit_test_setup_teardown(f, setup_mtls, teardown)
#define TEST_1_3(f)  cmocka_unit_test_setup_teardown(f, setup_1_3, teardown)

static int make_certs(void **state)
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

static int drop_certs(void **state)
{
    struct certs_pair *all[] = {&authority,   &strangers,    &server_pair,
                                &client_pair, &foreign_pair, &old_pair};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        certs_drop(all[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(garbage_is_refused),
        TEST(old_versions_are_refused),
        TEST_1_3(tls_1_2_is_refused_where_1_3_is_wanted),
        TEST(weak_ciphers_are_refused),
        TEST(foreign_alpn_is_refused),
        TEST(silence_ends),
        TEST(half_a_hello_ends),
        TEST(leaving_in_the_middle),
        TEST_MTLS(client_without_certificate),
        TEST_MTLS(client_with_a_foreign_certificate),
        TEST_MTLS(client_with_an_expired_certificate),
        TEST_MTLS(client_with_a_good_certificate),
        TEST(bytes_both_ways),
        TEST(without_alpn),
        TEST(tls_1_2_works),
        TEST(every_byte_alone),
        TEST(all_at_once),
        TEST(small_parts_make_one_record),
        TEST(full_socket),
        TEST(gone_while_the_socket_is_full),
        TEST(reading_can_rest),
        TEST(what_came_meanwhile_is_not_lost),
        TEST(the_end_shows_to_who_wants_nothing_else),
        TEST(the_end_shows_behind_unread_bytes),
        TEST(half_closed_is_told_once),
        TEST(the_end_waits_until_asked_for),
        TEST(graceful_end_says_goodbye),
        TEST(ending_now_says_goodbye),
        TEST(abort_is_a_reset),
        TEST(a_broken_record_ends_it),
        TEST(renegotiation_is_refused),
        TEST(stopping_the_loop_ends_it),
        TEST(stopping_the_loop_ends_a_handshake),
        TEST(another_owner_takes_over),
        TEST(sessions_are_resumed),
        TEST(sessions_of_1_2_are_resumed),
        TEST_MTLS(sessions_of_known_clients_are_resumed),
    };
    return UNIT_RUN(tests, make_certs, drop_certs);
}
