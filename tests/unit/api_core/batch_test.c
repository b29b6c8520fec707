#include "tests/unit/api_core/fixture.h"

#define MANY 1000

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

static void one_of_several_members_runs(void **state) /* spec: server API 3, batch */
{
    struct fixture *f = fixture_new();
    struct commands *c = commands_new(3);
    API(PublishRequest) p = publish_request("hist:x", "1");
    API(HistoryRequest) h = history_request("hist:x", -1);
    API(SubscribeRequest) s;
    API(InfoRequest) i;
    const API(BatchResponse) * b;

    (void)state;
    API_INIT(subscribe_request)(&s);
    API_INIT(info_request)(&i);
    c->commands[0].info = &i;
    c->commands[0].history = &h;
    c->commands[0].publish = &p;
    c->commands[1].info = &i;
    c->commands[1].history = &h;
    c->commands[2].history = &h;
    c->commands[2].subscribe = &s; /* comes before it, and is not here */
    b = result_of(f, "Batch", &c->request);
    assert_non_null(b->replies[0]->publish);
    assert_null(b->replies[0]->history);
    assert_null(b->replies[0]->info);
    assert_non_null(b->replies[1]->history);
    assert_null(b->replies[1]->info);
    assert_int_equal(b->replies[2]->error->code, 104);
    assert_string_equal(b->replies[2]->error->message, "not found");
    assert_null(b->replies[2]->history);
    gush_free(c);
    fixture_free(f);
}

static void unknown_commands_are_104(void **state)
{
    struct fixture *f = fixture_new();
    struct commands *c = commands_new(2);
    API(RPCRequest) rpc;
    const API(BatchResponse) * b;

    (void)state;
    centrifugal__centrifugo__api__rpcrequest__init(&rpc);
    c->commands[1].rpc = &rpc;
    b = result_of(f, "Batch", &c->request);
    assert_int_equal(b->replies[0]->error->code, 104);
    assert_int_equal(b->replies[1]->error->code, 104);
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
        cmocka_unit_test(unknown_commands_are_104),
        cmocka_unit_test(many_commands_side_by_side_or_not),
        cmocka_unit_test(too_many_commands_are_refused),
        cmocka_unit_test(a_lane_that_closes_loses_a_batch_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
