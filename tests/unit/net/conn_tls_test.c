/* Connections over TLS: who is refused, who comes in, and whose session is resumed. */
#include "tests/unit/net/tls_world.h"

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

/* A record, and then a message, larger than there can be. */
static void giants_are_refused(void **state)
{
    static const char record[] = "\x16\x03\x01\xff\xff\x01\x00\xff";
    static const char message[] = "\x16\x03\x01\x00\x06\x01\xff\xff\xff\x03\x03";

    (void)state;
    wire_open(&w, world.port);
    wire_send_n(&w, record, sizeof(record) - 1);
    AWAIT(stats().failed == 1);
    wire_close(&w);
    wire_open(&w, world.port);
    wire_send_n(&w, message, sizeof(message) - 1);
    AWAIT(stats().failed == 2);
    wire_close(&w);
    AWAIT(world.closed_n == 2);
    assert_int_equal(world.open_n, 0);
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

static bool waits;

static void see_whether_it_waits(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    waits = world.conn != NULL && world.conn->want_write;
}

static void a_handshake_waits_for_room(void **state)
{
    uint8_t hello[2000];
    size_t n = first_flight(hello, sizeof(hello));
    uint8_t got[4096] = {0};
    ssize_t at = 0, got_n = 0;

    (void)state;
    world.fill_first = true;
    wire_open(&w, world.port);
    wire_send_n(&w, hello, n);
    /* Who read earlier would make room while the socket is being filled, for ever perhaps. */
    for (waits = false; !waits;)
        on_loop(see_whether_it_waits);
    while (at == got_n) {
        got_n = recv(w.fd, got, sizeof(got), 0);
        assert_true(got_n > 0);
        for (at = 0; at < got_n && got[at] == 0; at++)
            continue;
    }
    assert_int_equal(got[at], SSL3_RT_HANDSHAKE);
    wire_close(&w);
    AWAIT(world.closed_n == 1);
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

static void sessions_of_known_clients_of_1_2_are_resumed(void **state)
{
    show(&client_pair);
    sessions_of_1_2_are_resumed(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(garbage_is_refused),
        TEST(giants_are_refused),
        TEST(old_versions_are_refused),
        TEST_1_3(tls_1_2_is_refused_where_1_3_is_wanted),
        TEST(weak_ciphers_are_refused),
        TEST(foreign_alpn_is_refused),
        TEST(silence_ends),
        TEST(half_a_hello_ends),
        TEST(leaving_in_the_middle),
        TEST(a_handshake_waits_for_room),
        TEST_MTLS(client_without_certificate),
        TEST_MTLS(client_with_a_foreign_certificate),
        TEST_MTLS(client_with_an_expired_certificate),
        TEST_MTLS(client_with_a_good_certificate),
        TEST(bytes_both_ways),
        TEST(without_alpn),
        TEST(tls_1_2_works),
        TEST(another_owner_takes_over),
        TEST(sessions_are_resumed),
        TEST(sessions_of_1_2_are_resumed),
        TEST_MTLS(sessions_of_known_clients_are_resumed),
        TEST_MTLS(sessions_of_known_clients_of_1_2_are_resumed),
    };
    return UNIT_RUN(tests, make_certs, drop_certs);
}
