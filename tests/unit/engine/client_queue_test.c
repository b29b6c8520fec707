/* The queue of a session: bursts, writes under way, limits, policies. spec: design 5 */
#include "tests/unit/engine/listeners.h"

/* ---- order and bursts ------------------------------------------------------------------------ */

static void a_turn_s_publications_leave_in_one_burst(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");
    struct publishing some[10];
    char data[10][4];

    p->sends_n = 0;
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(data[i], sizeof(data[i]), "%u", i);
        some[i] = publishing_of("a", data[i]);
        publish_begin(w, &some[i]);
    }
    settle(w);
    expect_numbers(p, "a", 0, 9);
    assert_int_equal(p->sends_n, 1);
}

static void bursts_are_as_large_as_the_transport_takes(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");

    p->transport.burst_n = 4; /* the engine reads it anew */
    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "a", 1, 10);
    assert_int_equal(p->flight_n, 1);
    p->answer = GUSH_OK;
    p->sends_n = 0;
    peer_sent(p);
    assert_int_equal(p->sends_n, 3);
    expect_numbers(p, "a", 1, 10);
    expect_open(p);
}

static void one_write_at_a_time(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");

    p->transport.burst_n = 3;
    p->answer = GUSH_EAGAIN;
    p->sends_n = 0;
    for (unsigned i = 1; i <= 12; i++)
        publish_numbers(w, "a", i, i); /* peer_send refuses a second write */
    assert_int_equal(p->sends_n, 1);
    for (unsigned n = 2; n <= 5; n++) {
        peer_sent(p);
        assert_int_equal(p->sends_n, n);
    }
    expect_numbers(p, "a", 1, 10);
    expect_silence(p);
    peer_sent(p);
    expect_numbers(p, "a", 11, 12);
    assert_int_equal(p->sends_n, 5);
    assert_int_equal(gush_client_flight(p->client, p->flight, GUSH_BURST_MAX), 0);
    expect_open(p);
}

static void a_flight_can_be_asked_for_in_part(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");
    struct gush_frame frames[GUSH_BURST_MAX];
    struct publishing some[3];

    p->answer = GUSH_EAGAIN;
    for (unsigned i = 0; i < 3; i++) {
        some[i] = publishing_of("a", "1");
        publish_begin(w, &some[i]);
    }
    settle(w);
    assert_int_equal(p->flight_n, 3);
    assert_int_equal(gush_client_flight(p->client, frames, 2), 2);
    assert_ptr_equal(frames[1].bytes, p->flight[1].bytes);
    assert_int_equal(gush_client_flight(p->client, frames, 0), 0);
    /* What comes behind is not part of it. */
    publish(w, "a", "2");
    assert_int_equal(gush_client_flight(p->client, frames, GUSH_BURST_MAX), 3);
    peer_sent(p);
    peer_sent(p);
    assert_int_equal(p->heard_n, 5);
}

static void nothing_is_written_to_what_is_broken(void **state)
{
    struct world *w = world_new(state, CONFIG(""));
    struct peer *p = listener(w, "a");

    p->answer = GUSH_EIO;
    p->sends_n = 0;
    publish_numbers(w, "a", 1, 20);
    assert_int_equal(p->sends_n, 1);
    assert_int_equal(p->closes_n, 0); /* the transport says that it is gone */
    peer_gone(p);
    settle(w);
    assert_nothing_lives(w);
}

/* ---- limits ---------------------------------------------------------------------------------- */

#define SMALL ",\"queue_max_size\":1000,\"queue_max_messages\":8"

static void too_many_bytes_are_slow(void **state) /* spec: client protocol 16, design 5 */
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_size\":1000"));
    struct peer *p = listener(w, "a"), *other = listener(w, "a");
    char big[300];

    memset(big, '1', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    p->answer = GUSH_EAGAIN;
    for (int i = 0; i < 4; i++) /* one is being written, three wait */
        publish(w, "a", big);
    assert_int_equal(p->closes_n, 0);
    publish(w, "a", big);
    expect_dropped(p, 3008); /* without a word */
    assert_int_equal(w->list[0]->stats.slow_disconnects, 1);
    assert_int_equal(other->heard_n, 6);
    assert_int_equal(other->closes_n, 0);
}

static void too_many_frames_are_slow(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = listener(w, "a");

    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "a", 1, 9); /* one is being written */
    assert_int_equal(p->closes_n, 0);
    publish_numbers(w, "a", 10, 10);
    expect_dropped(p, 3008);
}

static void a_reader_in_time_is_never_slow(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = listener(w, "a");
    struct publishing some[100];

    /* A hundred at once, far over the limits, but the transport takes them. */
    for (unsigned i = 0; i < 100; i++) {
        some[i] = publishing_of("a", "1");
        publish_begin(w, &some[i]);
    }
    settle(w);
    for (unsigned i = 0; i < 100; i++)
        expect_number(p, "a", 1);
    expect_open(p);
}

static void one_frame_of_any_size_fits_an_empty_queue(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = listener(w, "a");
    struct gush_buf big;

    gush_buf_init(&big, 100000);
    for (int i = 0; i < 50000; i++)
        gush_buf_put_u8(&big, '1');
    gush_buf_put_u8(&big, 0);
    p->answer = GUSH_EAGAIN;
    publish(w, "a", (const char *)big.p);
    gush_buf_fini(&big);
    assert_int_equal(p->closes_n, 0);
    assert_int_equal(p->flight_n, 1);
    peer_sent(p);
    assert_int_equal(p->heard_n, 2);
    assert_true(p->heard[1].n > 50000);
    assert_int_equal(p->closes_n, 0);
}

static void one_frame_of_any_size_may_wait(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = listener(w, "a");
    char big[3000];

    memset(big, '1', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    p->answer = GUSH_EAGAIN;
    publish(w, "a", "1");
    publish(w, "a", big); /* alone behind the write under way */
    assert_int_equal(p->closes_n, 0);
    publish(w, "a", "2");
    expect_dropped(p, 3008);
}

/* A large frame under way, as a recovery reply may be, leaves the whole queue to what follows. */
static void a_large_write_does_not_count_against_what_waits(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = listener(w, "a");
    struct gush_buf big;

    gush_buf_init(&big, 100000);
    for (int i = 0; i < 50000; i++)
        gush_buf_put_u8(&big, '1');
    gush_buf_put_u8(&big, 0);
    p->answer = GUSH_EAGAIN;
    publish(w, "a", (const char *)big.p);
    gush_buf_fini(&big);
    publish_numbers(w, "a", 1, 8);
    assert_int_equal(p->closes_n, 0);
    publish_numbers(w, "a", 9, 9);
    expect_dropped(p, 3008);
}

static void who_takes_nothing_for_long_is_slow(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_age\":\"3s\""));
    struct peer *p = listener(w, "a");

    p->answer = GUSH_EAGAIN;
    publish(w, "a", "1");
    pass(w, 2990);
    expect_open(p);
    pass(w, 30);
    expect_dropped(p, 3008);
}

static void clients_done(struct gush_api_call *call)
{
    (void)call;
}

/* The clock jumps, and something is queued before the timer has a chance. */
static void an_old_write_is_noticed_when_something_is_queued(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_age\":\"3s\""));
    struct peer *p = listener(w, "a");
    struct gush_clients_call call = {
        .call = {.home = w->list[0], .done = clients_done, .dropped = no_drop},
        .action = GUSH_CLIENTS_UNSUBSCRIBE,
        .channel = GUSH_SPAN_LIT("b")};

    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "a", 1, 2);
    w->now_us += 3500000;
    gush_clients(w->node, &call); /* pushes while letters are opened */
    settle(w);
    expect_dropped(p, 3008);
}

static void every_write_has_its_own_time(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_age\":\"3s\""));
    struct peer *p = listener(w, "a");

    p->answer = GUSH_EAGAIN;
    for (int i = 0; i < 10; i++) {
        publish(w, "a", "1");
        pass(w, 2000);
        peer_sent(p);
    }
    expect_numbers(p, "a", 1, 1);
    p->read = p->heard_n;
    pass(w, 10000);
    expect_open(p); /* an empty queue has no age */
}

static void dropping_policies_do_not_save_who_takes_nothing(void **state)
{
    struct world *w = world_new(state, CONFIG(",\"queue_max_age\":\"3s\""));
    struct peer *a = listener(w, "drop:a"), *b = listener(w, "latest:a");

    a->answer = b->answer = GUSH_EAGAIN;
    for (int i = 0; i < 35; i++) {
        expect_open(a);
        expect_open(b);
        if (i == 30)
            break;
        publish(w, "drop:a", "1");
        publish(w, "latest:a", "1");
        pass(w, 99);
    }
    pass(w, 100);
    expect_dropped(a, 3008);
    expect_dropped(b, 3008);
}

static void drop_oldest_loses_the_oldest(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = listener(w, "drop:a");

    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "drop:a", 1, 100);
    expect_open(p);
    p->answer = GUSH_OK;
    peer_sent(p);
    expect_number(p, "drop:a", 1); /* under way: it could not be dropped */
    assert_in_range(p->heard_n - p->read, 4, 7);
    expect_numbers(p, "drop:a", 100 - (unsigned)(p->heard_n - p->read) + 1, 100);
    expect_open(p);
    assert_true(w->list[0]->stats.dropped_frames > 0);
    publish(w, "drop:a", "101");
    expect_number(p, "drop:a", 101);
}

static void latest_keeps_the_newest_of_each_channel(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = peer_new(w, "{\"subs\":{\"latest:a\":{},\"latest:b\":{}}}");

    expect_connected(p);
    p->answer = GUSH_EAGAIN;
    publish(w, "latest:b", "0");
    publish_numbers(w, "latest:b", 1, 1);
    publish_numbers(w, "latest:a", 1, 100);
    p->answer = GUSH_OK;
    peer_sent(p);
    expect_number(p, "latest:b", 0);
    expect_number(p, "latest:b", 1);
    p->read = p->heard_n - 1;
    expect_number(p, "latest:a", 100);
    expect_open(p);
}

static void what_did_not_choose_to_be_dropped_is_not(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = peer_new(w, "{\"subs\":{\"drop:a\":{},\"a\":{}}}");

    expect_connected(p);
    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "drop:a", 1, 4);
    publish_numbers(w, "a", 1, 7); /* room is made for each, by dropping drop:a */
    expect_open(p);
    p->answer = GUSH_OK;
    peer_sent(p);
    expect_number(p, "drop:a", 1);
    p->read = p->heard_n - 7;
    expect_numbers(p, "a", 1, 7);
    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "a", 1, 9);
    assert_int_equal(p->closes_n, 0);
    publish_numbers(w, "a", 10, 10);
    expect_dropped(p, 3008);
}

static void positions_are_never_dropped(void **state)
{
    struct world *w = world_new(state, CONFIG(SMALL));
    struct peer *p = peer_on(w, 0, GUSH_FORM_PUSH_JSON);

    /* A policy that drops and a position that the token asks for. */
    peer_connect_token(p,
                       "{\"subs\":{\"drop:a\":{\"override\":{\"force_positioning\":"
                       "{\"value\":true}}}}}",
                       "");
    expect_connected(p);
    p->answer = GUSH_EAGAIN;
    publish_numbers(w, "drop:a", 1, 10);
    expect_dropped(p, 3008);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_turn_s_publications_leave_in_one_burst),
        world_test(bursts_are_as_large_as_the_transport_takes),
        world_test(one_write_at_a_time),
        world_test(a_flight_can_be_asked_for_in_part),
        world_test(nothing_is_written_to_what_is_broken),
        world_test(too_many_bytes_are_slow),
        world_test(too_many_frames_are_slow),
        world_test(a_reader_in_time_is_never_slow),
        world_test(one_frame_of_any_size_fits_an_empty_queue),
        world_test(one_frame_of_any_size_may_wait),
        world_test(a_large_write_does_not_count_against_what_waits),
        world_test(who_takes_nothing_for_long_is_slow),
        world_test(an_old_write_is_noticed_when_something_is_queued),
        world_test(every_write_has_its_own_time),
        world_test(dropping_policies_do_not_save_who_takes_nothing),
        world_test(drop_oldest_loses_the_oldest),
        world_test(latest_keeps_the_newest_of_each_channel),
        world_test(what_did_not_choose_to_be_dropped_is_not),
        world_test(positions_are_never_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
