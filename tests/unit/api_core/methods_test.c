#include "tests/unit/api_core/fixture.h"

static void the_table_is_whole(void **state)
{
    size_t n;
    const struct gush_method *all = gush_methods_all(&n);

    (void)state;
    assert_int_equal(n, 14);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(gush_methods_find(gush_span_str(all[i].name)), &all[i]);
        assert_null(gush_methods_find(gush_span_of(all[i].name, strlen(all[i].name) - 1)));
        if (all[i].bare)
            continue;
        assert_non_null(protobuf_c_message_descriptor_get_field_by_name(all[i].response, "error"));
        assert_ptr_equal(
            protobuf_c_message_descriptor_get_field_by_name(all[i].response, "result")->descriptor,
            all[i].result);
    }
    assert_null(gush_methods_find(GUSH_SPAN_EMPTY));
    assert_null(gush_methods_find(GUSH_SPAN_LIT("publish")));
    assert_null(gush_methods_find(GUSH_SPAN_LIT("Connections")));
}

static void what_is_missing_has_a_name(void **state)
{
    const ProtobufCServiceDescriptor *service =
        &centrifugal__centrifugo__api__centrifugo_api__descriptor;
    size_t missing = 0;

    (void)state;
    for (unsigned i = 0; i < service->n_methods; i++) {
        struct gush_span name = gush_span_str(service->methods[i].name);

        if (gush_methods_find(name) != NULL)
            assert_null(gush_methods_absent(name));
        else
            missing += gush_methods_absent(name) != NULL;
    }
    assert_int_equal(missing, 7);
    assert_string_equal(gush_methods_absent(GUSH_SPAN_LIT("MapStats")), "map channels");
    assert_string_equal(gush_methods_absent(GUSH_SPAN_LIT("SharedPollPublish")),
                        "shared poll channels");
    assert_null(gush_methods_absent(GUSH_SPAN_LIT("Connections")));
    assert_null(gush_methods_absent(GUSH_SPAN_LIT("MapOfTheWorld"))); /* nobody has it */
    assert_null(gush_methods_absent(GUSH_SPAN_LIT("Map")));
    assert_null(gush_methods_absent(GUSH_SPAN_EMPTY));
}

static void errors_have_the_words_of_the_api(void **state) /* spec: server API 1.6 */
{
    (void)state;
    assert_string_equal(gush_methods_error_text(100), "internal server error");
    assert_string_equal(gush_methods_error_text(102), "unknown channel");
    assert_string_equal(gush_methods_error_text(104), "not found");
    assert_string_equal(gush_methods_error_text(107), "bad request");
    assert_string_equal(gush_methods_error_text(108), "not available");
    assert_string_equal(gush_methods_error_text(112), "unrecoverable position");
    assert_string_equal(gush_methods_error_text(113), "conflict");
}

static void a_response_holds_the_result_or_the_error(void **state)
{
    struct fixture *f = fixture_new();
    API(PublishRequest) r = publish_request("hist:x", "{}");
    API(PublishResponse) * response;

    (void)state;
    assert_non_null(result_of(f, "Publish", &r));
    response = (API(PublishResponse) *)(void *)gush_methods_response(&f->run);
    assert_null(response->error);
    assert_int_equal(response->result->offset, 1);
    r.channel = text("");
    expect_error(f, "Publish", &r, 107);
    response = (API(PublishResponse) *)(void *)gush_methods_response(&f->run);
    assert_null(response->result);
    assert_int_equal(response->error->code, 107);
    assert_string_equal(response->error->message, "bad request");
    fixture_free(f);
}

/* ---- Unpacking ------------------------------------------------------------------------------- */

static gush_err unpack(const char *name, struct gush_span in)
{
    const struct gush_method *method = gush_methods_find(gush_span_str(name));
    struct gush_arena arena = {0};
    ProtobufCMessage *out = NULL;
    const char *why = NULL;
    gush_err err = gush_methods_unpack(method, in, &arena, &out, &why);

    assert_true((err == GUSH_OK) == (out != NULL));
    if (out != NULL)
        assert_ptr_equal(out->descriptor, method->request);
    else
        assert_non_null(why);
    gush_arena_fini(&arena);
    return err;
}

static void a_request_cut_anywhere_is_refused_or_shorter(void **state)
{
    API(PublishRequest) p = publish_request("hist:x", "{\"a\":1}");
    API(Command) command, *commands[] = {&command};
    API(BatchRequest) r;
    uint8_t bytes[200];
    size_t n, refused = 0;

    (void)state;
    API_INIT(command)(&command);
    API_INIT(batch_request)(&r);
    command.publish = &p;
    r.commands = commands;
    r.n_commands = 1;
    n = protobuf_c_message_pack(&r.base, bytes);
    assert_int_equal(unpack("Batch", gush_span_of(bytes, n)), GUSH_OK);
    for (size_t cut = 1; cut < n; cut++) {
        uint8_t *exact = gush_alloc(cut); /* so that one byte too far is seen */

        memcpy(exact, bytes, cut);
        refused += unpack("Batch", gush_span_of(exact, cut)) != GUSH_OK;
        gush_free(exact);
    }
    assert_int_equal(refused, n - 1);
    assert_int_equal(unpack("Batch", GUSH_SPAN_EMPTY), GUSH_OK);
}

static void nesting_bombs_and_field_floods_are_refused(void **state)
{
    static const uint8_t empty_command[] = {0x0a, 0x00};
    size_t n = GUSH_METHODS_FIELDS_MAX + 1;
    uint8_t *flood = gush_alloc(n * sizeof(empty_command));
    uint8_t bomb[3000];

    (void)state;
    for (size_t i = 0; i < n; i++)
        memcpy(flood + i * sizeof(empty_command), empty_command, sizeof(empty_command));
    assert_int_equal(unpack("Batch", gush_span_of(flood, n * sizeof(empty_command))), GUSH_ELIMIT);
    assert_int_equal(unpack("Batch", gush_span_of(flood, (n - 1) * sizeof(empty_command))),
                     GUSH_OK);
    gush_free(flood);
    /* commands { refresh { label_filter { nodes { nodes ... } } } }: lengths run to the end. */
    for (size_t i = 0; i < sizeof(bomb); i += 3) {
        size_t left = sizeof(bomb) - i - 3;

        bomb[i] = i == 0 ? 0x0a : i == 3 ? 0x7a : i == 6 ? 0x3a : 0x32;
        bomb[i + 1] = (uint8_t)(left | 0x80);
        bomb[i + 2] = (uint8_t)(left >> 7);
    }
    assert_int_equal(unpack("Batch", gush_span_of(bomb, sizeof(bomb))), GUSH_EDEPTH);
}

static void strings_must_be_utf8(void **state)
{
    static const uint8_t bad[] = {0x0a, 0x02, 0xc3, 0x28};

    (void)state;
    assert_int_equal(unpack("Publish", gush_span_of(bad, sizeof(bad))), GUSH_EUTF8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(what_is_missing_has_a_name),
        cmocka_unit_test(errors_have_the_words_of_the_api),
        cmocka_unit_test(a_response_holds_the_result_or_the_error),
        cmocka_unit_test(a_request_cut_anywhere_is_refused_or_shorter),
        cmocka_unit_test(nesting_bombs_and_field_floods_are_refused),
        cmocka_unit_test(strings_must_be_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
