#include "tests/unit/api_core/fixture.h"

#define MANY 3000 /* more than may be under way at once */

struct commands {
    API(BatchRequest) request;
    API(Command) commands[MANY], *pointers[MANY];
};

static struct commands *commands_new(size_t n)
{
    struct commands *c = GUSH_NEW(struct commands);

    API_INIT(batch_request)(&c->request);
    for (size_t i = 0; i < MANY; i++) {
        API_INIT(command)(&c->commands[i]);
        c->pointers[i] = &c->commands[i];
    }
    c->request.commands = c->pointers;
    c->request.n_commands = n;
    return c;
}

static void an_empty_batch_is_an_empty_answer(void **state)
{
    struct fixture *f = fixture_new();
    struct commands *c = commands_new(0);
    const API(BatchResponse) *b = result_of(f, "Batch", &c->request);

    (void)state;
    assert_int_equal(b->n_replies, 0);
    assert_ptr_equal(gush_methods_response(&f->run), &b->base);
    assert_int_equal(protobuf_c_message_get_packed_size(&b->base), 0);
    gush_free(c);
    fixture_free(f);
}

static void commands_run_in_order_and_errors_do_not_stop_them(void **state)
{
    struct fixture *f = fixture_new();
    struct commands *c = commands_new(6);
    API(PublishRequest) p = publish_request("hist:x", "1"), bad = publish_request("", "1");
    API(HistoryRequest) h = history_request("hist:x", -1), none = history_request("x", 1);
    API(HistoryRemoveRequest) remove;
    const API(BatchResponse) * b;

    (void)state;
    API_INIT(history_remove_request)(&remove);
    remove.channel = text("hist:x");
    c->commands[0].publish = &p;
    c->commands[1].history = &h;
    c->commands[2].publish = &bad;
    c->commands[3].history = &none;
    c->commands[4].history_remove = &remove;
    c->commands[5].history = &h;
    b = result_of(f, "Batch", &c->request);
    assert_int_equal(b->n_replies, 6);
    assert_int_equal(b->replies[0]->publish->offset, 1);
    assert_int_equal(b->replies[1]->history->n_publications, 1);
    assert_data(b->replies[1]->history->publications[0], "1"); /* still there at the end */
    assert_int_equal(b->replies[2]->error->code, 107);
    assert_int_equal(b->replies[3]->error->code, 108);
    assert_non_null(b->replies[4]->history_remove);
    assert_null(b->replies[4]->error);
    assert_int_equal(b->replies[5]->history->n_publications, 0);
    gush_free(c);
    fixture_free(f);
}

/* Every member that this server has, in the order in which they win. */
static const struct {
    const char *name;
    uint32_t error; /* of an empty request */
} order[] = {{"publish", 107},
             {"broadcast", 107},
             {"subscribe", 107},
             {"unsubscribe", 0},
             {"disconnect", 0},
             {"history", 107},
             {"history_remove", 107},
             {"presence", 107},
             {"presence_stats", 107},
             {"info", 0},
             {"rpc", 107},
             {"refresh", 0},
             {"channels", 0}};
#define ORDER_N (sizeof(order) / sizeof(order[0]))

static const ProtobufCFieldDescriptor *member(const ProtobufCMessageDescriptor *of,
                                              const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(of, name);

    assert_non_null(field);
    return field;
}

static void *member_of(const ProtobufCMessage *message, const char *name)
{
    void *value;

    memcpy(&value, (const char *)message + member(message->descriptor, name)->offset,
           sizeof(value));
    return value;
}

/* Sets the member |name| of |command| to an empty request, which lives in |arena|. */
static void set_empty(API(Command) * command, const char *name, struct gush_arena *arena)
{
    const ProtobufCFieldDescriptor *field = member(command->base.descriptor, name);
    void *request = gush_arena_message(arena, field->descriptor);

    memcpy((char *)command + field->offset, &request, sizeof(request));
}

static void one_of_several_members_runs(void **state) /* spec: server API 3, batch */
{
    struct fixture *f = fixture_new();
    struct commands *c = commands_new(ORDER_N);
    struct gush_arena arena = {0};
    const API(BatchResponse) * b;

    (void)state;
    for (size_t i = 0; i < ORDER_N; i++) {
        for (size_t k = i; k < ORDER_N; k++) /* and all that come behind it */
            set_empty(&c->commands[i], order[k].name, &arena);
        set_empty(&c->commands[i], "connections", &arena); /* nobody has it */
        set_empty(&c->commands[i], "map_publish", &arena);
    }
    b = result_of(f, "Batch", &c->request);
    for (size_t i = 0; i < ORDER_N; i++) {
        const API(Reply) *reply = b->replies[i];

        if (order[i].error)
            assert_int_equal(reply->error->code, order[i].error);
        else
            assert_null(reply->error);
        for (size_t k = 0; k < ORDER_N; k++) {
            const void *result = member_of(&reply->base, order[k].name);
            assert_true((result != NULL) == (k == i && order[i].error == 0));
        }
    }
    gush_arena_fini(&arena);
    gush_free(c);
    fixture_free(f);
}

static void unknown_commands_are_104_and_none_is_107(void **state)
{
    static const char *const names[] = {"connections", "block_user", "map_publish", "map_clear",
                                        "shared_poll_publish"};
    struct fixture *f = fixture_new();
    struct commands *c = commands_new(7);
    struct gush_arena arena = {0};
    const API(BatchResponse) * b;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        set_empty(&c->commands[i], names[i], &arena);
    c->pointers[6] = NULL; /* null in JSON */
    b = result_of(f, "Batch", &c->request);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(b->replies[i]->error->code, 104);
    assert_int_equal(b->replies[6]->error->code, 107);
    gush_arena_fini(&arena);
    gush_free(c);
    fixture_free(f);
}

static void many_commands_side_by_side_or_not(void **state)
{
    struct fixture *f = fixture_new();
    struct commands *c = commands_new(MANY);
    API(PublishRequest) p = publish_request("hist:x", "1"), bad = publish_request("", "1");
    API(BroadcastRequest) spread;
    char *channels[] = {text("hist:y"), text("hist:y")};
    const API(BatchResponse) * b;

    (void)state;
    API_INIT(broadcast_request)(&spread);
    spread.channels = channels;
    spread.n_channels = 2;
    spread.data = data_of("1");
    for (size_t i = 0; i < MANY; i++) {
        if (i % 3 == 0)
            c->commands[i].publish = &p;
        else if (i % 3 == 1)
            c->commands[i].publish = &bad; /* ends before it began: no recursion */
        else
            c->commands[i].broadcast = &spread;
    }
    for (int parallel = 0; parallel < 2; parallel++) {
        c->request.parallel = parallel;
        b = result_of(f, "Batch", &c->request);
        assert_int_equal(b->n_replies, MANY);
        for (size_t i = 0; i < MANY; i++) {
            if (i % 3 == 0)
                assert_non_null(b->replies[i]->publish);
            else if (i % 3 == 1)
                assert_int_equal(b->replies[i]->error->code, 107);
            else
                assert_int_equal(b->replies[i]->broadcast->n_responses, 2);
        }
    }
    gush_free(c);
    fixture_free(f);
}

/* What the first turn has not done yet is what waits for an answer: one command, or a window. */
static void one_waits_for_the_other_unless_they_are_parallel(void **state)
{
    static const uint64_t begun[] = {1, 1024};
    API(PublishRequest) p[2048];

    (void)state;
    for (int parallel = 0; parallel < 2; parallel++) {
        struct fixture *f = fixture_new();
        struct commands *c = commands_new(2048);
        char names[2048][16];

        for (unsigned i = 0; i < 2048; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "hist:%u", i);
            p[i] = publish_request(names[i], "1");
            c->commands[i].publish = &p[i];
        }
        c->request.parallel = parallel;
        begin(f, "Batch", &c->request);
        assert_int_equal(gush_publication_live(), begun[parallel]);
        while (f->done_n == 0)
            turn(f);
        assert_int_equal(gush_publication_live(), 2048);
        gush_free(c);
        fixture_free(f);
    }
}

static void too_many_commands_are_refused(void **state)
{
    struct fixture *f = fixture_new();
    API(Command) empty, **all = gush_alloc((GUSH_METHODS_MEMBERS_MAX + 1) * sizeof(*all));
    API(BatchRequest) r;

    (void)state;
    API_INIT(command)(&empty);
    API_INIT(batch_request)(&r);
    for (size_t i = 0; i <= GUSH_METHODS_MEMBERS_MAX; i++)
        all[i] = &empty;
    r.commands = all;
    r.n_commands = GUSH_METHODS_MEMBERS_MAX + 1;
    expect_error(f, "Batch", &r, 107);
    r.n_commands = GUSH_METHODS_MEMBERS_MAX;
    assert_non_null(result_of(f, "Batch", &r));
    gush_free(all);
    fixture_free(f);
}

static void a_lane_that_closes_loses_a_batch_once(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        for (int parallel = 0; parallel < 2; parallel++) {
            struct fixture *f = fixture_new();
            struct commands *c = commands_new(MANY);
            API(PublishRequest) p = publish_request("hist:x", "1");

            for (size_t i = 0; i < MANY; i++)
                c->commands[i].publish = &p;
            c->request.parallel = parallel;
            if (before)
                gush_lane_close(&f->lane);
            begin(f, "Batch", &c->request);
            if (!before) {
                assert_int_equal(f->done_n, 0);
                gush_lane_close(&f->lane);
            }
            assert_int_equal(f->done_n, 1);
            assert_true(f->run.lost);
            fixture_free(f);
            gush_free(c);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_batch_is_an_empty_answer),
        cmocka_unit_test(commands_run_in_order_and_errors_do_not_stop_them),
        cmocka_unit_test(one_of_several_members_runs),
        cmocka_unit_test(unknown_commands_are_104_and_none_is_107),
        cmocka_unit_test(many_commands_side_by_side_or_not),
        cmocka_unit_test(one_waits_for_the_other_unless_they_are_parallel),
        cmocka_unit_test(too_many_commands_are_refused),
        cmocka_unit_test(a_lane_that_closes_loses_a_batch_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
