#include "server/rpc/health.h"

#include "tests/unit/rpc/fixture.h"

#define SERVING         "\x08\x01"
#define NOT_SERVING     "\x08\x02"
#define SERVICE_UNKNOWN "\x08\x03"

static struct gush_rpc_health *health; /* of the fixture under test */

static void add_health(struct fixture *f, struct gush_rpc_server_options *options)
{
    static const char *const names[] = {"test.Echo", "test.Stream", NULL};
    size_t n = 0;

    health = gush_rpc_health_new(f->lanes, f->queues_n, names);
    while (options->services[n] != NULL)
        n++;
    options->services[n] = gush_rpc_health_service(health);
}

static struct fixture *health_up(unsigned queues_n)
{
    return fixture_new(
        (struct fixture_options){.queues_n = queues_n, .lean = true, .add = add_health});
}

static void health_down(struct fixture *f)
{
    fixture_free(f);
    gush_rpc_health_free(health);
}

static void ask_for(struct ask *a, struct peer *p, const char *path, const char *name)
{
    char request[64];
    int n = snprintf(request, sizeof(request), "\x0a%c%s", (int)strlen(name), name);

    ask_open(a, p, (struct ask_options){.path = path, .request = gush_span_of(request, (size_t)n)});
}

static void expect_told(struct ask *a, const char *message)
{
    grpc_slice got;

    assert_true(ask_next(a, &got));
    assert_int_equal(grpc_slice_str_cmp(got, message), 0);
    grpc_slice_unref(got);
}

static void expect_last(struct ask *a, grpc_status_code status)
{
    grpc_slice got;

    assert_false(ask_next(a, &got));
    ask_end(a);
    assert_int_equal(a->status, status);
    ask_free(a);
}

static void expect_state(struct peer *p, const char *name, const char *message)
{
    struct ask a;

    ask_for(&a, p, "/grpc.health.v1.Health/Check", name);
    expect_told(&a, message);
    expect_last(&a, GRPC_STATUS_OK);
}

static void set(const char *name, bool serving)
{
    assert_int_equal(gush_rpc_health_set_serving(health, name, serving), GUSH_OK);
}

static void names_that_are_not_there_change_nothing(void **state)
{
    struct fixture *f = health_up(1);
    struct peer p = peer_open(f);

    (void)state;
    assert_int_equal(gush_rpc_health_set_serving(health, "test.Ech", false), GUSH_EUNKNOWN);
    assert_int_equal(gush_rpc_health_set_serving(health, "test.Echo2", false), GUSH_EUNKNOWN);
    expect_state(&p, "", SERVING);
    expect_state(&p, "test.Echo", SERVING);
    peer_close(&p);
    health_down(f);
}

static void one_service_and_all_of_them(void **state)
{
    struct fixture *f = health_up(1);
    struct peer p = peer_open(f);

    (void)state;
    set("test.Echo", false);
    expect_state(&p, "test.Echo", NOT_SERVING);
    expect_state(&p, "test.Stream", SERVING);
    expect_state(&p, "", SERVING);
    set(NULL, false);
    expect_state(&p, "test.Stream", NOT_SERVING);
    expect_state(&p, "", NOT_SERVING);
    set("", true);
    expect_state(&p, "", SERVING);
    expect_state(&p, "test.Stream", NOT_SERVING);
    peer_close(&p);
    health_down(f);
}

static void a_watcher_hears_of_its_own_service_only(void **state)
{
    struct fixture *f = health_up(1);
    struct peer p = peer_open(f);
    struct ask echo, other, all;

    (void)state;
    ask_for(&echo, &p, "/grpc.health.v1.Health/Watch", "test.Echo");
    ask_for(&other, &p, "/grpc.health.v1.Health/Watch", "nobody");
    ask_for(&all, &p, "/grpc.health.v1.Health/Watch", "");
    expect_told(&echo, SERVING);
    expect_told(&other, SERVICE_UNKNOWN);
    expect_told(&all, SERVING);
    set("test.Stream", false); /* nobody watches it */
    set("test.Echo", false);
    expect_told(&echo, NOT_SERVING);
    set("test.Echo", false); /* nothing new */
    set("test.Echo", true);
    expect_told(&echo, SERVING);
    gush_rpc_health_end(health);
    expect_told(&echo, NOT_SERVING);
    expect_told(&all, NOT_SERVING); /* its second message: it had heard of nothing else */
    expect_last(&echo, GRPC_STATUS_UNAVAILABLE);
    expect_last(&other, GRPC_STATUS_UNAVAILABLE);
    expect_last(&all, GRPC_STATUS_UNAVAILABLE);
    peer_close(&p);
    health_down(f);
}

static void after_the_end_it_still_answers(void **state)
{
    struct fixture *f = health_up(1);
    struct peer p = peer_open(f);
    struct ask a;

    (void)state;
    gush_rpc_health_end(health);
    expect_state(&p, "", NOT_SERVING);
    ask_for(&a, &p, "/grpc.health.v1.Health/Watch", "");
    expect_told(&a, NOT_SERVING);
    expect_last(&a, GRPC_STATUS_UNAVAILABLE);
    gush_rpc_server_stop(f->server);
    assert_true(gush_rpc_server_wait(f->server, WAIT_MS)); /* nothing holds it up */
    peer_close(&p);
    health_down(f);
}

#define TOGGLES 2000

static void *toggle(void *arg)
{
    for (unsigned i = 0; i < TOGGLES; i++)
        set(arg, i % 2);
    return NULL;
}

/* Watchers come and go while two threads change their minds; the last word reaches all. */
static void many_changes_end_in_the_last_one(void **state)
{
    struct fixture *f = health_up(2);
    struct peer peers[2] = {peer_open(f), peer_open(f)};
    struct ask asks[50];
    pthread_t threads[2];

    (void)state;
    assert_int_equal(pthread_create(&threads[0], NULL, toggle, (char[]){"test.Echo"}), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, toggle, NULL), 0);
    for (size_t i = 0; i < 50; i++)
        ask_for(&asks[i], &peers[i % 2], "/grpc.health.v1.Health/Watch", "test.Echo");
    for (size_t i = 0; i < 50; i += 3)
        grpc_call_cancel(asks[i].call, NULL);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    gush_rpc_health_end(health);
    for (size_t i = 0; i < 50; i++) {
        grpc_slice got;
        bool last = false; /* what it was told last is NOT_SERVING */

        while (ask_next(&asks[i], &got)) {
            last = grpc_slice_str_cmp(got, NOT_SERVING) == 0;
            grpc_slice_unref(got);
        }
        ask_end(&asks[i]);
        assert_true(i % 3 == 0 || last);
        assert_int_equal(asks[i].status, i % 3 ? GRPC_STATUS_UNAVAILABLE : GRPC_STATUS_CANCELLED);
        ask_free(&asks[i]);
    }
    peer_close(&peers[0]);
    peer_close(&peers[1]);
    health_down(f);
}

static void a_service_that_never_ran_can_be_freed(void **state)
{
    struct gush_rpc_queue_options qo = {.mono_us = fixture_mono_us};
    struct gush_rpc_queue *q = gush_rpc_queue_new(&qo);
    const char *none = NULL;
    struct gush_lane *lane = gush_rpc_queue_lane(q);
    struct gush_rpc_health *idle = gush_rpc_health_new(&lane, 1, &none);

    (void)state;
    gush_rpc_health_end(idle);
    gush_rpc_queue_free(q); /* with the letter in its mailbox */
    gush_rpc_health_free(idle);
    gush_rpc_health_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_not_there_change_nothing),
        cmocka_unit_test(one_service_and_all_of_them),
        cmocka_unit_test(a_watcher_hears_of_its_own_service_only),
        cmocka_unit_test(after_the_end_it_still_answers),
        cmocka_unit_test(many_changes_end_in_the_last_one),
        cmocka_unit_test(a_service_that_never_ran_can_be_freed),
    };

    return cmocka_run_group_tests(tests, library_up, library_down);
}
