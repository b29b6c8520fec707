/* Connections over TLS that are open: bytes, rests and ends. */
#include <sys/ioctl.h>

#include "tests/unit/net/tls_world.h"

/* ---- bytes ---------------------------------------------------------------------------------- */

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
    assert_int_equal(got[2700], 'A' + 1);
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

static void close_at_bytes(void *owner, const uint8_t *p, size_t n)
{
    on_bytes(owner, p, n);
    gush_conn_close(world.conn, GUSH_CONN_END_GRACEFUL);
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

static void hand_to_a_closer(struct gush_loop *loop, void *arg)
{
    static const struct gush_conn_ops closing = {.on_bytes = close_at_bytes,
                                                 .on_eof = on_eof,
                                                 .on_writable = on_writable,
                                                 .on_timer = on_timer,
                                                 .on_closed = on_closed};

    (void)loop;
    (void)arg;
    gush_conn_hand_over(world.conn, &closing, &world);
}

/* Bytes and the end in one read, for the owner that |hand_over| gives the connection to. */
static void send_last_bytes(gush_loop_fn *hand_over)
{
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());

    wire_open(&w, world.port);
    ssl = SSL_new(context);
    SSL_set_bio(ssl, in, sent);
    shake_in_memory(in, sent, false);
    flush_client(sent, false);
    AWAIT(world.open_n == 1);
    on_loop(hand_over);
    assert_int_equal(SSL_write(ssl, "last", 4), 4);
    assert_int_equal(SSL_shutdown(ssl), 0);
    flush_client(sent, false);
    await_bytes("last");
}

static void the_end_waits_until_asked_for(void **state)
{
    (void)state;
    send_last_bytes(hand_to_a_rester);
    on_loop(write_three);
    assert_int_equal(world.eof_n, 0);
    on_loop(read_ended);
    AWAIT(world.eof_n == 1);
}

static void the_end_is_not_told_to_who_has_closed(void **state)
{
    (void)state;
    send_last_bytes(hand_to_a_closer);
    shutdown(w.fd, SHUT_WR);
    AWAIT(world.closed_n == 1);
    assert_int_equal(world.eof_n, 0);
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

static void a_goodbye_waits_for_room(void **state)
{
    static const uint8_t alert[] = {21, 3, 3, 0, 26}; /* its record's head; 26 more bytes */
    uint8_t got[4096], last[31] = {0};
    ssize_t n;

    (void)state;
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    greet();
    on_loop(fill_socket_and_close);
    assert_int_equal(world.closed_n, 0);
    while ((n = recv(w.fd, got, sizeof(got), 0)) > 0) {
        size_t k = (size_t)n < sizeof(last) ? (size_t)n : sizeof(last);
        memmove(last, last + k, sizeof(last) - k);
        memcpy(last + sizeof(last) - k, got + (size_t)n - k, k);
    }
    assert_int_equal(n, 0);
    assert_memory_equal(last, alert, sizeof(alert));
    hang_up();
    AWAIT(world.closed_n == 1);
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

static void a_giant_record_ends_it(void **state)
{
    (void)state;
    greet();
    on_loop(read_ended); /* also while nobody wants bytes */
    wire_send_n(&w, "\x17\x03\x03\xff\xffxxxxxxxx", 13);
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

static int unread; /* bytes in the socket */

static void await_unread(int n)
{
    for (unread = 0; unread < n; on_loop(do_nothing))
        assert_int_equal(ioctl(world.accepted_fd, FIONREAD, &unread), 0);
}

static void look_for_the_end(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    assert_int_equal(gush__tls_peek(world.conn->extra->tls), GUSH__TLS_MORE);
    assert_int_equal(ioctl(world.accepted_fd, FIONREAD, &unread), 0);
}

/* Nobody else would be served for as long as such a peer goes on. */
static void key_updates_are_looked_at_a_few_at_a_time(void **state)
{
    int looks = 0;

    (void)state;
    world.rest_at_first = true;
    greet();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(ssl), 1);
    }
    for (await_unread(100 * 20); unread > 0; looks++)
        on_loop(look_for_the_end);
    assert_true(looks > 10);
    on_loop(read_on);
    say("and then");
    await_bytes("and then");
}

static enum gush__tls_said said;

static void fill_and_write(struct gush_loop *loop, void *arg)
{
    struct gush_span bytes = GUSH_SPAN_LIT("no room");
    size_t written;

    (void)loop;
    (void)arg;
    fill_socket(world.accepted_fd);
    assert_int_equal(gush_conn_write(world.conn, &bytes, 1, &written), GUSH_EAGAIN);
    assert_int_equal(written, 0);
}

static void peek(struct gush_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    said = gush__tls_peek(world.conn->extra->tls);
}

/* What the peer sends then stays in the socket. Whoever waits for it would spin. */
static void nothing_is_read_before_a_key_update_is_answered(void **state)
{
    (void)state;
    world.rest_at_first = true;
    greet();
    assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(ssl), 1);
    await_unread(1);
    on_loop(look_for_the_end);
    assert_int_equal(unread, 0);
    on_loop(fill_and_write);
    say("x");
    await_unread(1);
    on_loop(peek);
    assert_int_equal(said, GUSH__TLS_DONE);
    on_loop(read_ended);
    on_loop(do_nothing);
    assert_int_equal(world.closed_n + world.eof_n, 0);
    shutdown(w.fd, SHUT_RDWR);
    AWAIT(world.closed_n + world.eof_n > 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(the_end_is_not_told_to_who_has_closed),
        TEST(graceful_end_says_goodbye),
        TEST(a_goodbye_waits_for_room),
        TEST(ending_now_says_goodbye),
        TEST(abort_is_a_reset),
        TEST(a_broken_record_ends_it),
        TEST(a_giant_record_ends_it),
        TEST(renegotiation_is_refused),
        TEST(key_updates_are_looked_at_a_few_at_a_time),
        TEST(nothing_is_read_before_a_key_update_is_answered),
        TEST(stopping_the_loop_ends_it),
        TEST(stopping_the_loop_ends_a_handshake),
    };
    return UNIT_RUN(tests, make_certs, drop_certs);
}
