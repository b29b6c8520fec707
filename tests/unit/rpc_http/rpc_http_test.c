#include "tests/unit/rpc_http/fake.h"

#define HELLO GUSH_SPAN_LIT("\0\0\0\0\5hello")

/* ---- Who is refused -------------------------------------------------------------------------- */

static void who_does_not_speak_grpc_is_told_in_http(void **state)
{
    static const struct {
        const char *method, *type;
        unsigned status;
    } cases[] = {{"POST", "application/grpc+json", 415},
                 {"POST", "application/grpc-web", 415},
                 {"GET", "application/grpc", 405},
                 {"OPTIONS", "application/grpc+proto", 405}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gush_http_field fields[] = {
            {GUSH_SPAN_LIT("content-type"), gush_span_str(cases[i].type)},
            {GUSH_SPAN_LIT("te"), GUSH_SPAN_LIT("trailers")}};
        struct gush_http_request request = {.method = gush_span_str(cases[i].method),
                                            .path = GUSH_SPAN_LIT("/test.One/Echo"),
                                            .fields = fields,
                                            .fields_n = 2};

        open_request(&request);
        assert_int_equal(world.x.status, cases[i].status);
        assert_true(world.x.ended);
        assert_null(world.x.base.events);
    }
}

static void te_has_to_be_there(void **state)
{
    struct gush_http_field type = {GUSH_SPAN_LIT("content-type"),
                                   GUSH_SPAN_LIT("application/grpc")};
    struct gush_http_request request = {.method = GUSH_SPAN_LIT("POST"),
                                        .path = GUSH_SPAN_LIT("/test.One/Echo"),
                                        .fields = &type,
                                        .fields_n = 1};

    (void)state;
    open_request(&request);
    assert_end(GUSH_RPC_INTERNAL, "te: trailers is missing: something in between lost it");
}

static void what_is_not_here_is_unimplemented(void **state)
{
    static const struct {
        const char *path, *message;
    } cases[] = {{"/test.Two/Echo", "unknown service test.Two"},
                 {"/test.One/Nothing", "method Nothing not implemented"},
                 {"/test.One/", "method  not implemented"},
                 {"/", "malformed method name"},
                 {"/Echo", "malformed method name"},
                 {"/test.One/Echo/", "unknown service test.One/Echo"},
                 {"/%/x\xc3\xa9", "unknown service %25"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_call(cases[i].path, NULL, NULL);
        assert_end(GUSH_RPC_UNIMPLEMENTED, cases[i].message);
        assert_null(world.x.base.events); /* nobody waits for a body */
    }
}

static void metadata_decides_before_anything_is_read(void **state)
{
    (void)state;
    open_call("/test.One/Echo", "key-bin", "d3Jvbmc"); /* "wrong" */
    assert_end(GUSH_RPC_UNAUTHENTICATED, "unauthenticated");
    open_call("/test.One/Echo", "grpc-timeout", "1x");
    assert_end(GUSH_RPC_INTERNAL, "grpc-timeout: malformed");
}

/* ---- Requests that are none ------------------------------------------------------------------ */

static void expect_refusal(const char *path, struct gush_span body, bool end, unsigned status,
                           const char *message)
{
    open_call(path, NULL, NULL);
    if (body.n > 0)
        give(body);
    if (end && !world.x.ended)
        give_end();
    assert_end(status, message);
    assert_out(GUSH_SPAN_EMPTY);
    assert_int_equal(world.requests_n, 0);
    if (body.n > 0)
        give(body); /* what is still on its way does no harm */
    if (!end)
        give_end();
    close_exchange();
    assert_int_equal(world.gone_n + world.closed_n, 0);
}

static void a_body_that_is_not_one_message_is_refused(void **state)
{
    static const char *const paths[] = {"/test.One/Echo", "/test.One/Stream"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        expect_refusal(paths[i], GUSH_SPAN_EMPTY, true, GUSH_RPC_INVALID_ARGUMENT,
                       "the call has no request message");
        expect_refusal(paths[i], GUSH_SPAN_LIT("\0\0\0"), true, GUSH_RPC_INTERNAL,
                       "request message is cut off");
        expect_refusal(paths[i], GUSH_SPAN_LIT("\0\0\0\0\5hell"), true, GUSH_RPC_INTERNAL,
                       "request message is cut off");
        expect_refusal(paths[i], GUSH_SPAN_LIT("\0\0\0\0\1xy"), false, GUSH_RPC_INTERNAL,
                       "the call has more than its one request message");
        expect_refusal(paths[i], GUSH_SPAN_LIT("\0\0\0\0\0\0\0\0\0\0"), false, GUSH_RPC_INTERNAL,
                       "the call has more than its one request message");
        expect_refusal(paths[i], GUSH_SPAN_LIT("\0\0\0\x03\xe9"), false,
                       GUSH_RPC_RESOURCE_EXHAUSTED, "request message is over the size limit");
        expect_refusal(paths[i], GUSH_SPAN_LIT("\0\xff\xff\xff\xff"), false,
                       GUSH_RPC_RESOURCE_EXHAUSTED, "request message is over the size limit");
        expect_refusal(paths[i], GUSH_SPAN_LIT("\2\0\0\0\1x"), false, GUSH_RPC_INTERNAL,
                       "request message: malformed prefix");
    }
}

static void a_second_message_later_is_refused_too(void **state)
{
    (void)state;
    open_call("/test.One/Echo", NULL, NULL);
    give(HELLO);
    assert_int_equal(world.requests_n, 0); /* it may not be the only one */
    give(GUSH_SPAN_LIT("\0"));
    assert_end(GUSH_RPC_INTERNAL, "the call has more than its one request message");
    close_exchange();
}

static void a_body_that_does_not_come_is_not_waited_for(void **state)
{
    (void)state;
    open_call("/test.One/Echo", NULL, NULL);
    give(HELLO);
    pass_ms(TIMEOUT_MS - 100);
    assert_false(world.x.ended);
    pass_ms(200);
    assert_end(GUSH_RPC_DEADLINE_EXCEEDED, "the request message did not come in time");
    give_end();
    assert_int_equal(world.requests_n, 0);
    close_exchange();
}

static void everything_given_is_taken(void **state)
{
    static uint8_t body[5 + MESSAGE_MAX];

    (void)state;
    memset(body, 0, sizeof(body));
    body[3] = MESSAGE_MAX >> 8;
    body[4] = MESSAGE_MAX & 255;
    open_call("/test.One/Echo", NULL, NULL);
    for (size_t i = 0; i < sizeof(body); i++) {
        give(gush_span_of(body + i, 1));
        assert_int_equal(world.x.taken, i + 1);
    }
    give_end();
    assert_end(GUSH_RPC_OK, NULL);
    assert_int_equal(world.x.out.n, sizeof(body));
    close_exchange();
}

/* ---- Packed messages ------------------------------------------------------------------------- */

/* |text| packed, with its 5 bytes; the caller's. */
static struct gush_span packed_message(struct gush_buf *b, struct gush_span text)
{
    struct gush_bytes *packed = gush_rpc_gzip_pack(text);

    assert_non_null(packed);
    gush_buf_init(b, 1 << 20);
    gush_buf_put(b, "\1\0", 2);
    gush_buf_put_u8(b, (uint8_t)(packed->n >> 16));
    gush_buf_put_u8(b, (uint8_t)(packed->n >> 8));
    gush_buf_put_u8(b, (uint8_t)packed->n);
    gush_buf_put_span(b, gush_bytes_span(packed));
    gush_bytes_unref(packed);
    return gush_buf_span(b);
}

static void call_packed(const char *name, const char *value, struct gush_span message)
{
    open_call("/test.One/Echo", name, value);
    give(message);
    give_end();
}

static void packed_messages_need_a_known_encoding(void **state)
{
    static uint8_t zeros[300];
    struct gush_buf b;
    struct gush_span message = packed_message(&b, gush_span_of(zeros, sizeof(zeros)));

    (void)state;
    call_packed("grpc-encoding", "br", message);
    assert_end(GUSH_RPC_UNIMPLEMENTED,
               "grpc-encoding is not known here (accepted: identity, gzip)");
    assert_true(has_field("grpc-accept-encoding: identity,gzip\n"));
    close_exchange();
    call_packed("grpc-encoding", "identity", message);
    assert_end(GUSH_RPC_INTERNAL, "request message is packed, and grpc-encoding does not say how");
    close_exchange();
    call_packed(NULL, NULL, message);
    assert_end(GUSH_RPC_INTERNAL, "request message is packed, and grpc-encoding does not say how");
    close_exchange();
    call_packed("grpc-encoding", "gzip", GUSH_SPAN_LIT("\1\0\0\0\4junk"));
    assert_end(GUSH_RPC_INTERNAL, "request message cannot be decompressed");
    close_exchange();
    assert_int_equal(world.requests_n, 0);
    gush_buf_fini(&b);
}

static void a_bomb_is_opened_up_to_the_limit(void **state)
{
    static uint8_t zeros[1 << 20];
    struct gush_buf b;
    struct gush_span message = packed_message(&b, gush_span_of(zeros, MESSAGE_MAX + 1));

    (void)state;
    call_packed("grpc-encoding", "gzip", message);
    assert_end(GUSH_RPC_RESOURCE_EXHAUSTED, "request message is over the size limit");
    close_exchange();
    gush_buf_fini(&b);
    message = packed_message(&b, gush_span_of(zeros, MESSAGE_MAX));
    call_packed("grpc-encoding", "gzip", message);
    assert_end(GUSH_RPC_OK, NULL);
    assert_int_equal(world.heard.n, MESSAGE_MAX + 1);
    close_exchange();
    gush_buf_fini(&b);
}

static void who_packs_is_answered_packed_unless_he_does_not_want(void **state)
{
    static uint8_t zeros[500];
    struct gush_buf b;
    struct gush_span message = packed_message(&b, gush_span_of(zeros, sizeof(zeros)));
    struct gush_http_field fields[] = {
        {GUSH_SPAN_LIT("content-type"), GUSH_SPAN_LIT("application/grpc")},
        {GUSH_SPAN_LIT("te"), GUSH_SPAN_LIT("trailers")},
        {GUSH_SPAN_LIT("grpc-encoding"), GUSH_SPAN_LIT("gzip")},
        {GUSH_SPAN_LIT("grpc-accept-encoding"), GUSH_SPAN_LIT("identity, deflate")}};
    struct gush_http_request request = {.method = GUSH_SPAN_LIT("POST"),
                                        .path = GUSH_SPAN_LIT("/test.One/Echo"),
                                        .fields = fields,
                                        .fields_n = 4};

    (void)state;
    call_packed("grpc-encoding", "gzip", message);
    assert_end(GUSH_RPC_OK, NULL);
    assert_true(has_field("grpc-encoding: gzip\n"));
    assert_out(message);
    close_exchange();
    open_request(&request);
    give(message);
    give_end();
    assert_end(GUSH_RPC_OK, NULL);
    assert_false(has_field("grpc-encoding"));
    assert_int_equal(world.x.out.n, 5 + sizeof(zeros));
    close_exchange();
    /* Not what would become longer. */
    call_packed("grpc-encoding", "gzip", HELLO);
    assert_out(HELLO);
    close_exchange();
    gush_buf_fini(&b);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void a_message_is_answered_when_it_is_all_there(void **state)
{
    (void)state;
    open_call("/test.One/Echo", NULL, NULL);
    give(GUSH_SPAN_LIT("\0\0\0\0"));
    give(GUSH_SPAN_LIT("\5hel"));
    give(GUSH_SPAN_LIT("lo"));
    give_end();
    assert_text(&world.heard, GUSH_SPAN_LIT("hello|"));
    assert_out(HELLO);
    assert_end(GUSH_RPC_OK, NULL);
    assert_int_equal(world.closed_n, 0);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
    assert_int_equal(world.gone_n, 0);
}

static void an_error_has_message_and_details(void **state)
{
    (void)state;
    open_call("/test.One/Fail", NULL, NULL);
    give(HELLO);
    give_end();
    assert_end(GUSH_RPC_OUT_OF_RANGE, "50%25 too far");
    assert_true(has_field("grpc-status-details-bin: AQBk\n"));
    close_exchange();
    assert_int_equal(world.closed_n, 1);
}

/* Opens the call that Hold keeps. */
static void hold_one(const char *name, const char *value)
{
    open_call("/test.One/Hold", name, value);
    give(HELLO);
    give_end();
    assert_int_equal(world.requests_n, 1);
}

static void answer(size_t n)
{
    struct gush_rpc_end ok = {.status = GUSH_RPC_OK, .message = GUSH_SPAN_LIT("fine")};
    struct gush_bytes *reply = gush_bytes_new(n);

    memset(reply->data, 'x', n);
    gush_rpc_call_finish(world.call, reply, &ok);
    gush_rpc_call_release(world.call);
}

static void a_long_answer_is_handed_over(void **state)
{
    (void)state;
    hold_one(NULL, NULL);
    answer(100000);
    assert_end(GUSH_RPC_OK, "fine");
    assert_int_equal(world.x.out.n, 100005);
    assert_int_equal(gush_bytes_live(), 0);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
}

static void open_stream(const char *name, const char *value)
{
    unsigned before = world.requests_n;

    open_call("/test.One/Stream", name, value);
    give(HELLO);
    give_end();
    assert_int_equal(world.requests_n, before + 1);
    assert_true(gush_rpc_call_framed(world.call));
    assert_int_equal(world.x.status, 0); /* the head waits for the first message */
    world.burst[0] = GUSH_SPAN_LIT("\0\0\0\0\1a");
    world.burst[1] = GUSH_SPAN_LIT("\0\0\0\0\2bc");
    world.burst_n = 2;
}

static void a_last_message_nobody_takes_goes_with_the_peer(void **state)
{
    struct gush_rpc_end end = {GUSH_RPC_UNAVAILABLE, GUSH_SPAN_LIT("bye"), GUSH_SPAN_LIT("d")};

    (void)state;
    open_stream(NULL, NULL);
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_EAGAIN);
    let_out();
    gush_rpc_call_finish(world.call, gush_bytes_copy(GUSH_SPAN_LIT("last")), &end);
    assert_true(world.x.pending && !world.x.ended);
    gush_rpc_call_cancel(world.call, GUSH_RPC_UNAVAILABLE, "now");
    assert_true(world.x.aborted);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
    assert_int_equal(world.gone_n, 0); /* it had been finished */
    assert_int_equal(world.sent_n, 1);
}

static void a_held_call_outlives_its_peer(void **state)
{
    (void)state;
    hold_one(NULL, NULL);
    close_exchange();
    assert_int_equal(world.gone_n, 1);
    assert_int_equal(world.closed_n, 0);
    answer(3); /* to nobody */
    assert_int_equal(world.closed_n, 1);
    assert_int_equal(world.x.status, 0);
}

/* ---- Deadlines ------------------------------------------------------------------------------- */

static void the_peers_deadline_ends_a_call_once(void **state)
{
    (void)state;
    hold_one("grpc-timeout", "300m");
    pass_ms(250);
    assert_false(world.x.ended);
    pass_ms(100);
    assert_end(GUSH_RPC_DEADLINE_EXCEEDED, "the deadline has passed");
    assert_int_equal(world.gone_n, 1);
    answer(3); /* too late, and nobody hears it */
    assert_out(GUSH_SPAN_EMPTY);
    close_exchange();
    assert_int_equal(world.gone_n, 1);
    assert_int_equal(world.closed_n, 1);
}

static void a_deadline_before_the_request_ends_it_unheard(void **state)
{
    (void)state;
    open_call("/test.One/Echo", "grpc-timeout", "1n");
    pass_ms(10);
    assert_end(GUSH_RPC_DEADLINE_EXCEEDED, "the deadline has passed");
    give(HELLO);
    give_end();
    assert_int_equal(world.requests_n, 0);
    close_exchange();
}

static void an_answered_call_has_no_deadline_any_more(void **state)
{
    (void)state;
    hold_one("grpc-timeout", "1S");
    answer(3);
    pass_ms(2000);
    assert_end(GUSH_RPC_OK, "fine");
    close_exchange();
    pass_ms(2000);
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void bursts_are_fetched_when_they_can_leave(void **state)
{
    (void)state;
    open_stream(NULL, NULL);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(gush_rpc_call_burst(world.call), GUSH_EAGAIN);
        assert_int_equal(world.sent_n, i - 1);
        let_out();
        assert_int_equal(world.sent_n, i);
    }
    assert_int_equal(world.x.out.n, 3 * 13);
    world.x.send_says = GUSH_OK; /* as some protocols can */
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_OK);
    assert_int_equal(world.x.out.n, 4 * 13);
    gush_rpc_call_leave(world.call);
    assert_end(GUSH_RPC_OK, NULL);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
}

static void a_stream_has_messages_of_its_own(void **state)
{
    struct gush_rpc_end end = {.status = GUSH_RPC_UNAVAILABLE, .message = GUSH_SPAN_LIT("bye")};
    struct gush_bytes *bytes = gush_bytes_copy(GUSH_SPAN_LIT("own")), *none = gush_bytes_new(0);

    (void)state;
    open_stream(NULL, NULL);
    assert_int_equal(gush_rpc_call_send_bytes(world.call, bytes), GUSH_EAGAIN);
    let_out();
    assert_int_equal(world.sent_n, 1);
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_EAGAIN);
    let_out();
    world.x.send_says = GUSH_OK;
    assert_int_equal(gush_rpc_call_send_bytes(world.call, none), GUSH_OK);
    world.x.send_says = GUSH_EAGAIN;
    gush_rpc_call_finish(world.call, bytes, &end); /* the last one, behind others */
    gush_bytes_unref(none);
    assert_false(world.x.ended);
    let_out();
    assert_end(GUSH_RPC_UNAVAILABLE, "bye");
    assert_out(GUSH_SPAN_LIT("\0\0\0\0\3own\0\0\0\0\1a\0\0\0\0\2bc\0\0\0\0\0\0\0\0\0\3own"));
    assert_int_equal(world.sent_n, 2);
    close_exchange();
}

static void a_peer_that_leaves_is_told_of_in_order(void **state)
{
    (void)state;
    open_stream(NULL, NULL);
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_EAGAIN);
    gush_rpc_call_hold(world.call);
    close_exchange();
    assert_int_equal(world.gone_n, 1);
    assert_int_equal(world.unsent_n, 1);
    assert_int_equal(world.closed_n, 0);
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_ECLOSED);
    gush_rpc_call_release(world.call);
    assert_int_equal(world.closed_n, 1);
}

static void a_broken_exchange_says_so(void **state)
{
    (void)state;
    open_stream(NULL, NULL);
    world.x.send_says = GUSH_ECLOSED;
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_ECLOSED);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
    assert_int_equal(world.gone_n, 1);
}

static void cancel_resets_what_is_under_way(void **state)
{
    (void)state;
    open_stream(NULL, NULL);
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_EAGAIN);
    gush_rpc_call_cancel(world.call, GUSH_RPC_UNAVAILABLE, "slow");
    assert_true(world.x.aborted && !world.x.ended);
    gush_rpc_call_cancel(world.call, GUSH_RPC_UNAVAILABLE, "again does nothing");
    close_exchange();
    assert_int_equal(world.gone_n, 1);
    assert_int_equal(world.closed_n, 1);
}

static void cancel_tells_why_if_it_can(void **state)
{
    (void)state;
    open_stream(NULL, NULL);
    gush_rpc_call_cancel(world.call, GUSH_RPC_ABORTED, "enough");
    assert_end(GUSH_RPC_ABORTED, "enough");
    close_exchange();
    assert_int_equal(world.closed_n, 1);
}

static void a_streams_deadline_is_how_long_it_lasts(void **state)
{
    (void)state;
    open_stream("grpc-timeout", "1S");
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_EAGAIN);
    let_out();
    pass_ms(1100);
    assert_end(GUSH_RPC_DEADLINE_EXCEEDED, "the deadline has passed");
    assert_int_equal(world.gone_n, 1);
    close_exchange();
    open_stream("grpc-timeout", "1S");
    assert_int_equal(gush_rpc_call_burst(world.call), GUSH_EAGAIN);
    pass_ms(1100);
    assert_true(world.x.aborted); /* no status gets past a message that does not move */
    close_exchange();
}

static void an_open_stream_is_not_late(void **state)
{
    (void)state;
    open_stream(NULL, NULL);
    pass_ms(10 * TIMEOUT_MS);
    assert_int_equal(world.x.status, 0);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
}

/* ---- Many messages --------------------------------------------------------------------------- */

static void messages_come_as_they_are_asked_for(void **state)
{
    (void)state;
    open_call("/test.Many/Talk", NULL, NULL);
    give(GUSH_SPAN_LIT("\0\0\0\0\4next\0\0\0\0\1a\0\0\0\0\1b\0\0"));
    assert_text(&world.heard, GUSH_SPAN_LIT("next|a|"));
    assert_int_equal(world.x.taken, 9 + 6);
    give(GUSH_SPAN_LIT("\0\0\1c"));
    give_end();
    assert_text(&world.heard, GUSH_SPAN_LIT("next|a|")); /* "a" is not answered yet */
    let_out();
    assert_text(&world.heard, GUSH_SPAN_LIT("next|a|"));
    turn(); /* never from inside of asking */
    assert_text(&world.heard, GUSH_SPAN_LIT("next|a|b|"));
    let_out();
    turn();
    assert_text(&world.heard, GUSH_SPAN_LIT("next|a|b|c|"));
    assert_int_equal(world.half_closes_n, 0);
    let_out();
    turn();
    assert_int_equal(world.half_closes_n, 1);
    assert_end(GUSH_RPC_OK, NULL);
    assert_int_equal(world.x.taken, world.x.given);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
}

static void a_half_close_needs_no_message(void **state)
{
    (void)state;
    open_call("/test.Many/Talk", NULL, NULL);
    give_end();
    assert_int_equal(world.half_closes_n, 1);
    assert_end(GUSH_RPC_OK, NULL);
    close_exchange();
    assert_int_equal(world.closed_n, 1);
}

static void a_broken_message_among_many_ends_the_call(void **state)
{
    static const struct {
        struct gush_span bytes;
        bool end;
        unsigned status;
    } cases[] = {{GUSH_SPAN_INIT("\0\0\0\0\4next\7"), false, GUSH_RPC_OK}, /* not a prefix yet */
                 {GUSH_SPAN_INIT("\0\0\0\0\4next\7\0\0\0\0"), false, GUSH_RPC_INTERNAL},
                 {GUSH_SPAN_INIT("\0\0\0\0\4next\0\0\1\0\0"), false, GUSH_RPC_RESOURCE_EXHAUSTED},
                 {GUSH_SPAN_INIT("\0\0\0\0\4next\0\0"), true, GUSH_RPC_INTERNAL},
                 {GUSH_SPAN_INIT("\0\0\0\0\4next\1\0\0\0\1x"), false, GUSH_RPC_INTERNAL}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool broken = cases[i].status != GUSH_RPC_OK;

        open_call("/test.Many/Talk", NULL, NULL);
        give(cases[i].bytes);
        if (cases[i].end)
            give_end();
        assert_int_equal(world.requests_n, i + 1);
        assert_int_equal(world.x.ended, broken);
        if (broken)
            assert_true(has_field("grpc-message"));
        close_exchange();
        assert_int_equal(world.gone_n, i + 1);
        assert_int_equal(world.closed_n, i + 1);
    }
}

static void whoever_falls_silent_is_sent_away(void **state)
{
    (void)state;
    open_call("/test.Many/Talk", NULL, NULL);
    give(GUSH_SPAN_LIT("\0\0\0\0\1a"));
    pass_ms(2 * TIMEOUT_MS); /* nobody asked for more: the answer is not out */
    assert_false(world.x.ended);
    let_out();
    pass_ms(TIMEOUT_MS + 100);
    assert_end(GUSH_RPC_DEADLINE_EXCEEDED, "no further message came in time");
    assert_int_equal(world.gone_n, 1);
    close_exchange();
    assert_int_equal(world.gone_n, 1);
    assert_int_equal(world.closed_n, 1);
}

static void a_peer_may_leave_while_its_messages_wait(void **state)
{
    (void)state;
    open_call("/test.Many/Talk", NULL, NULL);
    give(GUSH_SPAN_LIT("\0\0\0\0\1a\0\0\0\0\1b"));
    let_out(); /* asks for "b", which is there: by the lane's next turn */
    close_exchange();
    assert_text(&world.heard, GUSH_SPAN_LIT("a|"));
    assert_int_equal(world.gone_n, 1);
    assert_int_equal(world.closed_n, 1);
}

static void nobody_can_pile_up_messages(void **state)
{
    static uint8_t pile[GUSH_EXCHANGE_BODY_WINDOW];

    (void)state;
    open_call("/test.Many/Talk", NULL, NULL);
    give(GUSH_SPAN_LIT("\0\0\0\0\1a"));
    give(gush_span_of(pile, sizeof(pile)));
    assert_int_equal(world.x.given - world.x.taken, sizeof(pile)); /* no more will be given */
    assert_int_equal(world.requests_n, 1);
    close_exchange();
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(who_does_not_speak_grpc_is_told_in_http),
        IN_WORLD(te_has_to_be_there),
        IN_WORLD(what_is_not_here_is_unimplemented),
        IN_WORLD(metadata_decides_before_anything_is_read),
        IN_WORLD(a_body_that_is_not_one_message_is_refused),
        IN_WORLD(a_second_message_later_is_refused_too),
        IN_WORLD(a_body_that_does_not_come_is_not_waited_for),
        IN_WORLD(everything_given_is_taken),
        IN_WORLD(packed_messages_need_a_known_encoding),
        IN_WORLD(a_bomb_is_opened_up_to_the_limit),
        IN_WORLD(who_packs_is_answered_packed_unless_he_does_not_want),
        IN_WORLD(a_message_is_answered_when_it_is_all_there),
        IN_WORLD(an_error_has_message_and_details),
        IN_WORLD(a_long_answer_is_handed_over),
        IN_WORLD(a_last_message_nobody_takes_goes_with_the_peer),
        IN_WORLD(a_held_call_outlives_its_peer),
        IN_WORLD(the_peers_deadline_ends_a_call_once),
        IN_WORLD(a_deadline_before_the_request_ends_it_unheard),
        IN_WORLD(an_answered_call_has_no_deadline_any_more),
        IN_WORLD(bursts_are_fetched_when_they_can_leave),
        IN_WORLD(a_stream_has_messages_of_its_own),
        IN_WORLD(a_peer_that_leaves_is_told_of_in_order),
        IN_WORLD(a_broken_exchange_says_so),
        IN_WORLD(cancel_resets_what_is_under_way),
        IN_WORLD(cancel_tells_why_if_it_can),
        IN_WORLD(a_streams_deadline_is_how_long_it_lasts),
        IN_WORLD(an_open_stream_is_not_late),
        IN_WORLD(messages_come_as_they_are_asked_for),
        IN_WORLD(a_half_close_needs_no_message),
        IN_WORLD(a_broken_message_among_many_ends_the_call),
        IN_WORLD(whoever_falls_silent_is_sent_away),
        IN_WORLD(a_peer_may_leave_while_its_messages_wait),
        IN_WORLD(nobody_can_pile_up_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
