/* Publications and the encodings that share them. */
#include "server/engine/frames.h"

#include "tests/unit/engine/harness.h"

static struct gush_publication *publication(const struct gush_pub *pub)
{
    struct gush_bytes *name = gush_bytes_copy(GUSH_SPAN_LIT("a:1"));
    struct gush_publication *p = gush_publication_new(name, pub);

    gush_bytes_unref(name);
    return p;
}

static void assert_nothing_left(void)
{
    assert_int_equal(gush_frames_live(), 0);
    assert_int_equal(gush_publication_live(), 0);
    assert_int_equal(gush_bytes_live(), 0);
}

static void assert_frame(struct gush_frames *f, enum gush_form form, const char *text)
{
    struct gush_bytes *bytes = NULL;

    assert_int_equal(gush_frames_get(f, form, &bytes), GUSH_OK);
    assert_int_equal(bytes->n, strlen(text));
    assert_memory_equal(bytes->data, text, bytes->n);
}

static void a_publication_copies_what_it_is_given(void **state)
{
    char data[] = "{\"x\":1}", user[] = "u", client[] = "c", conn[] = "1", chan[] = "2";
    char key[] = "k", value[] = "v";
    struct gush_client_info info = {gush_span_str(user), gush_span_str(client), gush_span_str(conn),
                                    gush_span_str(chan)};
    struct gush_tag tag = {gush_span_str(key), gush_span_str(value)};
    struct gush_publication *p = publication(&(struct gush_pub){
        .data = gush_span_str(data), .info = &info, .tags = &tag, .tags_n = 1, .offset = 9});

    (void)state;
    memset(data, 0, sizeof(data));
    memset(key, 0, sizeof(key));
    user[0] = client[0] = conn[0] = chan[0] = value[0] = '?';
    struct gush_pub v = gush_publication_view(p, GUSH_SPAN_LIT("E"));
    assert_true(gush_span_eq_str(v.data, "{\"x\":1}"));
    assert_true(gush_span_eq_str(v.info->user, "u"));
    assert_true(gush_span_eq_str(v.info->client, "c"));
    assert_true(gush_span_eq_str(v.info->conn_info, "1"));
    assert_true(gush_span_eq_str(v.info->chan_info, "2"));
    assert_int_equal(v.tags_n, 1);
    assert_true(gush_span_eq_str(v.tags[0].key, "k"));
    assert_true(gush_span_eq_str(v.tags[0].value, "v"));
    assert_int_equal(v.offset, 9);
    assert_true(gush_span_eq_str(v.epoch, "E"));
    assert_true(gush_span_eq_str(gush_publication_channel(p), "a:1"));
    assert_int_equal(gush_publication_bytes(p), 7);
    gush_publication_set_offset(p, 10);
    assert_int_equal(gush_publication_offset(p), 10);
    gush_publication_unref(p);
    gush_publication_unref(NULL);
    assert_nothing_left();
}

static void each_form_is_encoded_once(void **state)
{
    struct gush_publication *p =
        publication(&(struct gush_pub){.data = GUSH_SPAN_LIT("1"), .offset = 2});
    struct gush_frames *f = gush_frames_new(GUSH_PUSH_PUB, p, GUSH_SPAN_EMPTY);
    struct gush_bytes *first[GUSH_FORMS_N], *again = NULL;

    (void)state;
    gush_publication_unref(p);
    assert_int_equal(gush_bytes_live(), 1); /* the name: nothing is encoded in advance */
    for (unsigned form = 0; form < GUSH_FORMS_N; form++) {
        assert_int_equal(gush_frames_get(f, (enum gush_form)form, &first[form]), GUSH_OK);
        assert_int_equal(gush_bytes_live(), form + 2);
    }
    for (unsigned form = 0; form < GUSH_FORMS_N; form++) {
        assert_int_equal(gush_frames_get(f, (enum gush_form)form, &again), GUSH_OK);
        assert_ptr_equal(again, first[form]);
    }
    assert_frame(f, GUSH_FORM_PUSH_JSON, "{\"channel\":\"a:1\",\"pub\":{\"data\":1,\"offset\":2}}");
    assert_frame(f, GUSH_FORM_SSE,
                 "data: {\"channel\":\"a:1\",\"pub\":{\"data\":1,\"offset\":2}}\n\n");
    gush_frames_unref(f);
    assert_nothing_left();
}

static void what_cannot_travel_is_refused_in_its_form_only(void **state) /* client protocol 3 */
{
    struct gush_publication *p = publication(&(struct gush_pub){.data = GUSH_SPAN_LIT("\x01\xff")});
    struct gush_frames *f = gush_frames_new(GUSH_PUSH_PUB, p, GUSH_SPAN_EMPTY);
    struct gush_bytes *bytes = NULL;

    (void)state;
    gush_publication_unref(p);
    for (int i = 0; i < 2; i++) { /* it is remembered */
        assert_int_equal(gush_frames_get(f, GUSH_FORM_SSE, &bytes), GUSH_ESYNTAX);
        assert_int_equal(gush_frames_get(f, GUSH_FORM_REPLY_JSON, &bytes), GUSH_ESYNTAX);
        assert_null(bytes);
    }
    assert_frame(f, GUSH_FORM_GRPC,
                 "\x12\x03"
                 "a:1"
                 "\x22\x04\x22\x02\x01\xff");
    gush_frames_unref(f);
    assert_nothing_left();
}

static void the_first_of_a_stream_tells_its_epoch(void **state)
{
    struct gush_publication *p =
        publication(&(struct gush_pub){.data = GUSH_SPAN_LIT("1"), .offset = 1});
    struct gush_frames *f = gush_frames_new(GUSH_PUSH_PUB, p, GUSH_SPAN_LIT("abcdefgh"));

    (void)state;
    assert_frame(f, GUSH_FORM_PUSH_JSON,
                 "{\"channel\":\"a:1\",\"pub\":{\"data\":1,\"offset\":1,\"epoch\":\"abcdefgh\"}}");
    gush_frames_unref(f);
    gush_publication_unref(p);
    assert_nothing_left();
}

static void joins_and_leaves_carry_who_it_was(void **state)
{
    struct gush_client_info info = {.user = GUSH_SPAN_LIT("u"),
                                    .client = GUSH_SPAN_LIT("c"),
                                    .chan_info = GUSH_SPAN_LIT("{\"i\": 1}")};
    struct gush_publication *p = publication(&(struct gush_pub){.info = &info});
    struct gush_frames *join = gush_frames_new(GUSH_PUSH_JOIN, p, GUSH_SPAN_EMPTY);
    struct gush_frames *leave = gush_frames_new(GUSH_PUSH_LEAVE, p, GUSH_SPAN_EMPTY);

    (void)state;
    assert_ptr_equal(gush_frames_publication(join), p);
    gush_publication_unref(p);
    assert_frame(join, GUSH_FORM_PUSH_JSON,
                 "{\"channel\":\"a:1\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"c\","
                 "\"chan_info\":{\"i\": 1}}}}");
    assert_frame(leave, GUSH_FORM_PUSH_JSON,
                 "{\"channel\":\"a:1\",\"leave\":{\"info\":{\"user\":\"u\",\"client\":\"c\","
                 "\"chan_info\":{\"i\": 1}}}}");
    gush_frames_unref(gush_frames_ref(join));
    gush_frames_unref(join);
    gush_frames_unref(leave);
    gush_frames_unref(NULL);
    assert_nothing_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_copies_what_it_is_given),
        cmocka_unit_test(each_form_is_encoded_once),
        cmocka_unit_test(what_cannot_travel_is_refused_in_its_form_only),
        cmocka_unit_test(the_first_of_a_stream_tells_its_epoch),
        cmocka_unit_test(joins_and_leaves_carry_who_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
