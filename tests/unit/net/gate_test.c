/* Gates on real loops: first bytes, deadlines, limits, floods. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "server/base/log.h"

#include "server/net/gate.h"
#include "server/net/listener.h"
#include "server/net/tcp.h"

#include "tests/unit/net/wire.h"

#define LOOPS_MAX   2
#define PASSED_MAX  4096
#define FIRST       "HELLO\r\n\r\n"
#define ANSWER      "400 not here\n"
#define PLENTY      100000
#define SHORT_MS    30
#define FOR_EVER_MS 600000

static struct {
    struct gush_loop *loops[LOOPS_MAX];
    struct gush_listener *listeners[LOOPS_MAX];
    int fds[LOOPS_MAX]; /* listening, until the loop has it */
    size_t loops_n;
    uint16_t port;
    struct gush_census *census;
    struct gush_gate *gate;
    sem_t event;
    pthread_mutex_t mutex; /* of the next two */
    int passed[PASSED_MAX];
    size_t passed_n;
} world;

static struct wire w[3];

/* ---- the world ------------------------------------------------------------------------------ */

static void on_pass(void *arg, struct gush_loop *loop, int fd, const struct gush_peer *peer)
{
    (void)arg;
    (void)loop;
    assert_int_equal(peer->version, 4);
    pthread_mutex_lock(&world.mutex);
    assert_true(world.passed_n < PASSED_MAX);
    world.passed[world.passed_n++] = fd;
    pthread_mutex_unlock(&world.mutex);
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
    size_t i = (size_t)(uintptr_t)arg;

    assert_int_equal(gush_listener_open_gated(loop, world.fds[i], world.gate, on_pass, NULL,
                                              &world.listeners[i]),
                     GUSH_OK);
}

static void close_listener(struct gush_loop *loop, void *arg)
{
    (void)loop;
    gush_listener_close(world.listeners[(size_t)(uintptr_t)arg]);
    sem_post(&world.event);
}

static struct gush_gate_options open_to_all(void)
{
    return (struct gush_gate_options){.name = "test",
                                      .descriptors_max = PLENTY,
                                      .first = GUSH_SPAN_LIT(FIRST),
                                      .answer = GUSH_SPAN_LIT(ANSWER),
                                      .first_ms = FOR_EVER_MS,
                                      .waiting_max = 1000};
}

static void start(struct gush_gate_options options, size_t loops_n)
{
    char message[200];

    gush_log_threshold = GUSH_LOG_NONE;
    memset(&world, 0, sizeof(world));
    sem_init(&world.event, 0, 0);
    pthread_mutex_init(&world.mutex, NULL);
    world.loops_n = loops_n;
    world.census = options.census = gush_census_new();
    world.gate = gush_gate_new(&options);
    assert_int_equal(
        gush_tcp_listen("127.0.0.1", 0, world.fds, loops_n, &world.port, message, sizeof(message)),
        GUSH_OK);
    for (size_t i = 0; i < loops_n; i++) {
        struct gush_loop_options o = {.workers_n = 1, .seed = 1, .name = "gate"};
        assert_int_equal(gush_loop_new(&o, &world.loops[i]), GUSH_OK);
        assert_int_equal(gush_loop_start(world.loops[i], open_listener, (void *)(uintptr_t)i),
                         GUSH_OK);
    }
}

static void finish(void)
{
    for (size_t i = 0; i < world.loops_n; i++) {
        gush_loop_stop(world.loops[i]);
        gush_loop_join(world.loops[i]);
        gush_loop_free(world.loops[i]);
    }
    for (size_t i = 0; i < world.passed_n; i++)
        if (world.passed[i] >= 0)
            close(world.passed[i]);
    assert_int_equal(gush_gate_stats(world.gate).open, 0);
    assert_int_equal(gush_gate_stats(world.gate).waiting, 0);
    gush_gate_free(world.gate);
    gush_census_free(world.census);
    pthread_mutex_destroy(&world.mutex);
    sem_destroy(&world.event);
}

static struct gush_gate_stats stats(void)
{
    return gush_gate_stats(world.gate);
}

/* Until the gate has |n| waiting: connecting is faster than accepting. */
static void await_waiting(uint64_t n)
{
    for (int i = 0; i < WIRE_PATIENCE_S * 1000 && stats().waiting != n; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(stats().waiting, n);
}

static void await_refused(enum gush_gate_reason reason, uint64_t n)
{
    for (int i = 0; i < WIRE_PATIENCE_S * 1000 && stats().refused[reason] != n; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(stats().refused[reason], n);
}

static void let_in(struct wire *one)
{
    wire_open(one, world.port);
    wire_send(one, FIRST);
    await_event();
}

/* As the library would: without a word to the gate. */
static void close_passed(size_t at)
{
    close(world.passed[at]);
    world.passed[at] = -1;
}

/* ---- first bytes ---------------------------------------------------------------------------- */

static void first_bytes_are_looked_at_and_left(void **state)
{
    char got[64] = "";

    (void)state;
    start(open_to_all(), 1);
    wire_open(&w[0], world.port);
    wire_send(&w[0], FIRST "and more");
    await_event();
    while (strlen(got) < strlen(FIRST "and more")) {
        ssize_t n = recv(world.passed[0], got + strlen(got), sizeof(got) - strlen(got) - 1, 0);
        assert_true(n > 0 || errno == EAGAIN);
    }
    assert_string_equal(got, FIRST "and more");
    assert_true(fcntl(world.passed[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(stats().admitted, 1);
    assert_int_equal(stats().open, 1);
    wire_close(&w[0]);
    finish();
}

static void first_bytes_in_pieces(void **state)
{
    (void)state;
    start(open_to_all(), 1);
    wire_open(&w[0], world.port);
    await_waiting(1);
    for (size_t i = 0; i < strlen(FIRST); i++) {
        assert_int_equal(stats().admitted, 0);
        wire_send_n(&w[0], &FIRST[i], 1);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* mostly one segment each */
    }
    await_event();
    assert_int_equal(stats().waiting, 0);
    assert_int_equal(stats().open, 1);
    wire_close(&w[0]);
    finish();
}

static void other_first_bytes(void **state)
{
    static const struct {
        const char *bytes;
        bool answered;
    } cases[] = {{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
                 {"HELLO\r\n\rX", true},
                 {"X", true},
                 {"\x16\x03\x01", false},
                 {"hello", false}};

    (void)state;
    start(open_to_all(), 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wire_open(&w[0], world.port);
        wire_send(&w[0], cases[i].bytes);
        (void)wire_ends(&w[0]);
        assert_string_equal(w[0].got, cases[i].answered ? ANSWER : "");
        wire_close(&w[0]);
        await_refused(GUSH_GATE_FIRST_BYTES, i + 1);
    }
    /* The wrong byte comes late. */
    wire_open(&w[0], world.port);
    wire_send(&w[0], "HELL");
    await_waiting(1);
    wire_send(&w[0], "\n");
    (void)wire_ends(&w[0]);
    wire_close(&w[0]);
    assert_int_equal(stats().admitted, 0);
    finish();
}

static void leaving_without_a_word(void **state)
{
    (void)state;
    start(open_to_all(), 1);
    wire_open(&w[0], world.port);
    await_waiting(1);
    wire_close(&w[0]);
    await_refused(GUSH_GATE_LEFT, 1);
    wire_open(&w[0], world.port);
    await_waiting(1);
    wire_reset(&w[0]);
    await_refused(GUSH_GATE_LEFT, 2);
    assert_int_equal(stats().open, 0);
    finish();
}

/* What came before is no reason to wait for more: the deadline here is far away. */
static void leaving_in_the_middle_of_the_first_bytes(void **state)
{
    (void)state;
    start(open_to_all(), 1);
    wire_open(&w[0], world.port);
    wire_send(&w[0], "HELL");
    await_waiting(1);
    assert_int_equal(shutdown(w[0].fd, SHUT_WR), 0);
    await_refused(GUSH_GATE_LEFT, 1);
    (void)wire_ends(&w[0]);
    wire_close(&w[0]);
    wire_open(&w[0], world.port);
    wire_send(&w[0], "HELL");
    await_waiting(1);
    wire_reset(&w[0]);
    await_refused(GUSH_GATE_LEFT, 2);
    wire_open(&w[0], world.port); /* all at once, perhaps before it is looked at */
    wire_send(&w[0], "HELL");
    wire_close(&w[0]);
    await_refused(GUSH_GATE_LEFT, 3);
    assert_int_equal(stats().open, 0);
    finish();
}

static void those_who_say_nothing_are_closed_in_time(void **state)
{
    struct gush_gate_options options = open_to_all();

    (void)state;
    options.first_ms = SHORT_MS;
    start(options, 1);
    for (int i = 0; i < 3; i++)
        wire_open(&w[i], world.port);
    wire_send(&w[1], "HELLO");
    for (int i = 0; i < 3; i++) {
        (void)wire_ends(&w[i]);
        wire_close(&w[i]);
    }
    assert_int_equal(stats().refused[GUSH_GATE_TIMEOUT], 3);
    let_in(&w[0]); /* and who is in may be silent, longer than the next one may */
    wire_open(&w[1], world.port);
    (void)wire_ends(&w[1]);
    wire_close(&w[1]);
    assert_int_equal(stats().open, 1);
    wire_close(&w[0]);
    finish();
}

static void no_first_bytes_asked_for(void **state)
{
    struct gush_gate_options options = open_to_all();

    (void)state;
    options.first = GUSH_SPAN_EMPTY;
    start(options, 1);
    wire_open(&w[0], world.port);
    await_event();
    assert_int_equal(stats().open, 1);
    wire_close(&w[0]);
    finish();
}

/* ---- limits --------------------------------------------------------------------------------- */

static void limit_of_the_port(void **state)
{
    struct gush_gate_options options = open_to_all();

    (void)state;
    options.most = 2;
    start(options, 1);
    let_in(&w[0]);
    let_in(&w[1]);
    wire_open(&w[2], world.port);
    (void)wire_ends(&w[2]);
    wire_close(&w[2]);
    assert_int_equal(stats().refused[GUSH_GATE_LIMIT], 1);
    close_passed(0);
    let_in(&w[2]);
    assert_int_equal(stats().open, 2);
    for (int i = 0; i < 3; i++)
        wire_close(&w[i]);
    finish();
}

static void limit_of_an_address(void **state)
{
    struct gush_gate_options options = open_to_all();

    (void)state;
    options.most_per_address = 1;
    start(options, 1);
    let_in(&w[0]);
    wire_open(&w[1], world.port);
    (void)wire_ends(&w[1]);
    wire_close(&w[1]);
    assert_int_equal(stats().refused[GUSH_GATE_ADDRESS], 1);
    close_passed(0);
    let_in(&w[1]);
    wire_close(&w[0]);
    wire_close(&w[1]);
    finish();
}

static void at_the_limit_the_silent_make_way(void **state)
{
    struct gush_gate_options options = open_to_all();

    (void)state;
    options.most = 2;
    start(options, 1);
    wire_open(&w[0], world.port);
    await_waiting(1);
    wire_open(&w[1], world.port);
    await_waiting(2);
    let_in(&w[2]);
    (void)wire_ends(&w[0]); /* the oldest */
    wire_close(&w[0]);
    assert_int_equal(stats().refused[GUSH_GATE_CROWD], 1);
    assert_int_equal(stats().open, 2);
    wire_send(&w[1], FIRST); /* the other one had only been slow */
    await_event();
    wire_close(&w[1]);
    wire_close(&w[2]);
    finish();
}

static void a_crowd_of_silent_ones_is_bounded(void **state)
{
    enum { CROWD = 300, PLACES = 20 };
    static struct wire crowd[CROWD];
    struct gush_gate_options options = open_to_all();

    (void)state;
    options.waiting_max = PLACES;
    start(options, 1);
    for (int i = 0; i < CROWD; i++)
        wire_open(&crowd[i], world.port);
    await_refused(GUSH_GATE_CROWD, CROWD - PLACES);
    assert_int_equal(stats().waiting, PLACES);
    let_in(&w[0]);
    assert_int_equal(stats().admitted, 1);
    for (int i = 0; i < CROWD - PLACES; i++)
        (void)wire_ends(&crowd[i]); /* the oldest ones */
    wire_send(&crowd[CROWD - 1], FIRST);
    await_event();
    for (int i = 0; i < CROWD; i++)
        wire_close(&crowd[i]);
    wire_close(&w[0]);
    finish();
}

/* The number of a newcomer tells how many there are in the whole process. */
static struct gush_gate_options few_descriptors(void)
{
    struct gush_gate_options options = open_to_all();
    int next = dup(0);

    close(next);
    options.descriptors_max = next + 40; /* for listening, the loop, and both ends of the rest */
    return options;
}

static void descriptors_are_kept_back(void **state)
{
    static struct wire ones[40];
    struct gush_gate_options options = few_descriptors();
    int n = 0;

    (void)state;
    start(options, 1);
    while (stats().refused[GUSH_GATE_DESCRIPTORS] == 0) {
        assert_true(n < 40);
        wire_open(&ones[n++], world.port);
        (void)send(ones[n - 1].fd, FIRST, strlen(FIRST), MSG_NOSIGNAL); /* it may be closed now */
        while (stats().admitted + stats().refused[GUSH_GATE_DESCRIPTORS] < (uint64_t)n)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    for (uint64_t i = 0; i < stats().admitted; i++)
        await_event();
    assert_true(world.passed_n > 5);
    for (size_t i = 0; i < world.passed_n; i++)
        assert_true(world.passed[i] < options.descriptors_max);
    while (n > 0)
        wire_close(&ones[--n]);
    finish();
}

static void for_descriptors_too_the_silent_make_way(void **state)
{
    static struct wire ones[40];
    struct gush_gate_options options = few_descriptors();
    int n = 0;

    (void)state;
    start(options, 1);
    while (stats().refused[GUSH_GATE_CROWD] == 0) {
        assert_true(n < 40);
        wire_open(&ones[n++], world.port);
        while (stats().waiting + stats().refused[GUSH_GATE_CROWD] < (uint64_t)n)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    for (int i = 0; i < 3; i++) {
        let_in(&w[i]);
        assert_true(world.passed[i] < options.descriptors_max);
    }
    assert_int_equal(stats().refused[GUSH_GATE_DESCRIPTORS], 0);
    while (n > 0)
        wire_close(&ones[--n]);
    for (int i = 0; i < 3; i++)
        wire_close(&w[i]);
    finish();
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void closing_the_listener_closes_who_waits(void **state)
{
    (void)state;
    start(open_to_all(), 1);
    wire_open(&w[0], world.port);
    await_waiting(1);
    let_in(&w[1]);
    assert_true(gush_loop_post(world.loops[0], close_listener, NULL));
    await_event();
    (void)wire_ends(&w[0]);
    assert_int_equal(stats().waiting, 0);
    assert_int_equal(stats().open, 1); /* who was let in stays */
    wire_close(&w[0]);
    wire_close(&w[1]);
    finish();
}

static void stopping_the_loop_closes_who_waits(void **state)
{
    (void)state;
    start(open_to_all(), 1);
    wire_open(&w[0], world.port);
    await_waiting(1);
    finish();
    (void)wire_ends(&w[0]);
    wire_close(&w[0]);
}

/* ---- several loops -------------------------------------------------------------------------- */

#define VISITORS_N 4
#define VISITS_N   200

static atomic_uint broken;

/* Nothing is asserted off the main thread: whoever is refused early cannot even send. */
static void *visit(void *arg)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(world.port)};
    struct linger reset = {1, 0};
    unsigned number = (unsigned)(uintptr_t)arg;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned i = 0; i < VISITS_N; i++) {
        const char *words = (i + number) % 4 == 0 ? "something else" : FIRST;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
            atomic_fetch_add(&broken, 1);
        if ((i + number) % 4 != 1)
            (void)send(fd, words, strlen(words), MSG_NOSIGNAL);
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    return NULL;
}

/* Closes what was let in, as a library's threads would, while others come in. */
static void *sweep(void *arg)
{
    atomic_bool *over = arg;
    size_t at = 0;

    while (!atomic_load(over)) {
        pthread_mutex_lock(&world.mutex);
        for (; at < world.passed_n; at++) {
            if (close(world.passed[at]) != 0)
                atomic_fetch_add(&broken, 1);
            world.passed[at] = -1;
        }
        pthread_mutex_unlock(&world.mutex);
        (void)stats();
        sched_yield();
    }
    return NULL;
}

static void visitors_on_two_loops(void **state)
{
    struct gush_gate_options options = open_to_all();
    pthread_t visitors[VISITORS_N], sweeper;
    atomic_bool over = false;
    uint64_t settled = 0;

    (void)state;
    options.most = 50;
    options.most_per_address = 40;
    options.waiting_max = 10;
    start(options, 2);
    atomic_store(&broken, 0);
    pthread_create(&sweeper, NULL, sweep, &over);
    for (size_t i = 0; i < VISITORS_N; i++)
        pthread_create(&visitors[i], NULL, visit, (void *)(uintptr_t)i);
    for (size_t i = 0; i < VISITORS_N; i++)
        pthread_join(visitors[i], NULL);
    /* Each was let in or refused for one reason, at last. */
    for (int i = 0; i < WIRE_PATIENCE_S * 1000; i++) {
        struct gush_gate_stats s = stats();
        settled = s.admitted;
        for (size_t r = 0; r < GUSH_GATE_REASONS_N; r++)
            settled += s.refused[r];
        if (settled == (uint64_t)VISITORS_N * VISITS_N && s.open == 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    atomic_store(&over, true);
    pthread_join(sweeper, NULL);
    assert_int_equal(settled, VISITORS_N * VISITS_N);
    assert_int_equal(stats().accepted, VISITORS_N * VISITS_N);
    assert_int_equal(stats().open, 0);
    assert_true(stats().admitted > 0);
    assert_int_equal(atomic_load(&broken), 0);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes_are_looked_at_and_left),
        cmocka_unit_test(first_bytes_in_pieces),
        cmocka_unit_test(other_first_bytes),
        cmocka_unit_test(leaving_without_a_word),
        cmocka_unit_test(leaving_in_the_middle_of_the_first_bytes),
        cmocka_unit_test(those_who_say_nothing_are_closed_in_time),
        cmocka_unit_test(no_first_bytes_asked_for),
        cmocka_unit_test(limit_of_the_port),
        cmocka_unit_test(limit_of_an_address),
        cmocka_unit_test(at_the_limit_the_silent_make_way),
        cmocka_unit_test(a_crowd_of_silent_ones_is_bounded),
        cmocka_unit_test(descriptors_are_kept_back),
        cmocka_unit_test(for_descriptors_too_the_silent_make_way),
        cmocka_unit_test(closing_the_listener_closes_who_waits),
        cmocka_unit_test(stopping_the_loop_closes_who_waits),
        cmocka_unit_test(visitors_on_two_loops),
    };

    return UNIT_RUN(tests, NULL, NULL);
}
