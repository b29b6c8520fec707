/* A batch whose home lane closes while other lanes answer its parts: they are lost on several
 * threads at once, and whoever loses the last one ends the batch. A thread sanitizer looks on. */
#include <pthread.h>
#include <stdatomic.h>

#include "server/base/clock.h"

#include "tests/unit/api_core/fixture.h"

#define LANES_N 3 /* home, and two with a client each */
#define PARTS_N 600
#define ROUNDS  30

struct scene {
    struct gush_config *config;
    struct gush_token_verifier *verifier;
    struct gush_lane lanes[LANES_N];
    struct gush_lane *pointers[LANES_N];
    struct gush_node *node;
    pthread_barrier_t barrier;
    atomic_bool stop;
    atomic_uint done_n;
    struct gush_arena arena;
    struct gush_method_run run;
};

struct worker {
    struct scene *s;
    struct gush_lane *lane;
    pthread_t thread;
};

/* ---- the world around ------------------------------------------------------------------------ */

static uint64_t mono_us(void *host)
{
    (void)host;
    return gush_clock_mono_us();
}

static uint64_t mono_ms(void *host)
{
    return mono_us(host) / 1000;
}

static int64_t wall_ms(void *host)
{
    (void)host;
    return 1700000000000;
}

static void random_bytes(void *host, void *out, size_t n)
{
    (void)host;
    gush_clock_random(out, n);
}

static void wake(void *host)
{
    (void)host; /* lanes turn all the time */
}

static gush_err send_nowhere(void *conn, const struct gush_frame *frames, size_t n)
{
    (void)conn;
    (void)frames;
    (void)n;
    return GUSH_OK;
}

static void close_nothing(void *conn, uint32_t code, const char *reason)
{
    (void)conn;
    (void)code;
    (void)reason;
}

static const struct gush_transport transport = {.name = "test",
                                                .form = GUSH_FORM_PUSH_JSON,
                                                .burst_n = 8,
                                                .disconnect_push = true,
                                                .session = true,
                                                .send = send_nowhere,
                                                .close = close_nothing};

/* ---- lanes ----------------------------------------------------------------------------------- */

static void turns(struct gush_lane *lane, int n)
{
    while (n-- > 0)
        (void)gush_lane_turn(lane);
}

/* A lane with one client, who is nobody. */
static void *work(void *arg)
{
    struct worker *w = arg;
    struct gush_client *client;

    gush_lane_adopt(w->lane);
    gush_node_lane_start(w->s->node, w->lane);
    client = gush_client_open(w->s->node, w->lane, &transport, w);
    gush_client_connect(client, &(struct gush_connect_request){0});
    turns(w->lane, 10);
    pthread_barrier_wait(&w->s->barrier); /* connected */
    pthread_barrier_wait(&w->s->barrier); /* the batch has begun */
    while (!atomic_load(&w->s->stop))
        turns(w->lane, 1);
    gush_client_on_closed(client);
    turns(w->lane, 10);
    gush_lane_close(w->lane);
    return NULL;
}

static void done(struct gush_method_run *run)
{
    atomic_fetch_add(&GUSH_CONTAINER(run, struct scene, run)->done_n, 1);
}

static struct scene *scene_new(void)
{
    static const struct gush_host host = {
        .wall_ms = wall_ms, .mono_ms = mono_ms, .random = random_bytes};
    static const struct gush_lane_host lane_host = {mono_us, wake, NULL};
    struct scene *s = GUSH_NEW(struct scene);
    const char *why;

    s->config = fixture_config();
    assert_int_equal(gush_token_verifier_new(&s->config->client.token, false, &s->verifier, &why),
                     GUSH_OK);
    for (unsigned i = 0; i < LANES_N; i++) {
        gush_lane_init(&s->lanes[i], &lane_host, i, i + 1);
        s->lanes[i].worker_index = i;
        s->lanes[i].workers_n = LANES_N;
        s->pointers[i] = &s->lanes[i];
    }
    s->node = gush_node_new(&(struct gush_node_options){.config = s->config,
                                                        .verifier = s->verifier,
                                                        .host = &host,
                                                        .lanes = s->pointers,
                                                        .lanes_n = LANES_N,
                                                        .version = "0.0.0 OSS"});
    assert_int_equal(pthread_barrier_init(&s->barrier, NULL, LANES_N), 0);
    return s;
}

static void scene_free(struct scene *s)
{
    gush_methods_fini(&s->run);
    gush_arena_fini(&s->arena);
    gush_node_free(s->node);
    gush_token_verifier_free(s->verifier);
    gush_config_free(s->config);
    pthread_barrier_destroy(&s->barrier);
    gush_free(s);
}

/* ---- the batch ------------------------------------------------------------------------------- */

/* Every other part is answered by home itself, the rest by whichever lane is last. */
struct commands {
    API(BatchRequest) request;
    API(Command) commands[PARTS_N], *pointers[PARTS_N];
    API(PublishRequest) publish;
    API(UnsubscribeRequest) unsubscribe;
};

static struct commands *commands_new(bool parallel)
{
    struct commands *c = GUSH_NEW(struct commands);

    API_INIT(batch_request)(&c->request);
    API_INIT(unsubscribe_request)(&c->unsubscribe);
    c->unsubscribe.channel = text("x");
    c->publish = publish_request("hist:x", "1");
    for (size_t i = 0; i < PARTS_N; i++) {
        API_INIT(command)(&c->commands[i]);
        c->pointers[i] = &c->commands[i];
        if (i % 2)
            c->commands[i].publish = &c->publish;
        else
            c->commands[i].unsubscribe = &c->unsubscribe;
    }
    c->request.commands = c->pointers;
    c->request.n_commands = PARTS_N;
    c->request.parallel = parallel;
    return c;
}

static void lose_a_batch(bool parallel)
{
    struct scene *s = scene_new();
    struct commands *c = commands_new(parallel);
    struct worker workers[LANES_N];

    gush_lane_adopt(&s->lanes[0]);
    gush_node_lane_start(s->node, &s->lanes[0]);
    for (size_t i = 1; i < LANES_N; i++) {
        workers[i] = (struct worker){.s = s, .lane = &s->lanes[i]};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    pthread_barrier_wait(&s->barrier);
    s->run = (struct gush_method_run){.method = gush_methods_find(GUSH_SPAN_LIT("Batch")),
                                      .node = s->node,
                                      .home = &s->lanes[0],
                                      .request = &c->request.base,
                                      .done = done,
                                      .arena = &s->arena};
    gush_methods_run(&s->run);
    assert_int_equal(atomic_load(&s->done_n), 0);
    pthread_barrier_wait(&s->barrier);
    gush_lane_close(&s->lanes[0]);
    while (atomic_load(&s->done_n) == 0)
        sched_yield();
    atomic_store(&s->stop, true);
    for (size_t i = 1; i < LANES_N; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    assert_int_equal(atomic_load(&s->done_n), 1);
    assert_true(s->run.lost);
    scene_free(s);
    gush_free(c);
}

static void parts_are_lost_on_several_threads(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        lose_a_batch(true);
        lose_a_batch(false);
    }
    assert_int_equal(gush_publication_live(), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_lost_on_several_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
