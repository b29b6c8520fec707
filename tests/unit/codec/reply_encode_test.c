/* reply_encode: refusals, and results of any length. Bytes themselves are in tests/golden. */
#include "server/base/cursor.h"

#include "proto/client.pb-c.h"
#include "server/codec/json_scan.h"
#include "server/codec/reply_encode.h"

#include "tests/unit/codec/unit.h"

typedef Centrifugal__Centrifuge__Protocol__Reply wire_reply;

#define PUBS_N 300

/* The one message of a length-prefixed frame. */
static wire_reply *unpack(const struct gush_bytes *frame)
{
    struct gush_cursor c = gush_cursor_over(gush_bytes_span(frame));
    struct gush_span message = gush_cursor_take(&c, gush_cursor_varint(&c));

    assert_true(gush_cursor_ok(&c) && gush_cursor_left(&c) == 0);
    return centrifugal__centrifuge__protocol__reply__unpack(NULL, message.n, message.p);
}

static void one_bad_publication_refuses_the_reply(void **state)
{
    struct gush_pub pubs[3] = {{.data = GUSH_SPAN_LIT("1")},
                               {.data = GUSH_SPAN_LIT("\xff")},
                               {.data = GUSH_SPAN_LIT("3")}};
    struct gush_sub_result sub = {.publications = pubs, .publications_n = 3};
    struct gush_reply reply = {.id = 1, .kind = GUSH_REPLY_SUBSCRIBE, .u.subscribe = &sub};
    struct gush_bytes *out = NULL;

    (void)state;
    assert_int_equal(gush_reply_encode(&reply, GUSH_FORM_REPLY_JSON, &out), GUSH_ESYNTAX);
    assert_null(out);
    assert_int_equal(gush_reply_encode(&reply, GUSH_FORM_REPLY_PROTOBUF, &out), GUSH_OK);
    gush_bytes_unref(out);
    sub.publications_n = 1;
    assert_int_equal(gush_reply_encode(&reply, GUSH_FORM_REPLY_JSON, &out), GUSH_OK);
    gush_bytes_unref(out);
    assert_true(gush_bytes_live() == 0);
}

static void long_recovery_comes_out_whole(void **state)
{
    static struct gush_pub pubs[PUBS_N];
    static char payload[1000];
    struct gush_sub_result sub = {
        .recovered = true, .publications = pubs, .publications_n = PUBS_N};
    struct gush_reply reply = {.id = 9, .kind = GUSH_REPLY_SUBSCRIBE, .u.subscribe = &sub};
    struct gush_bytes *out;
    wire_reply *back;

    (void)state;
    memset(payload, '1', sizeof(payload));
    for (size_t i = 0; i < PUBS_N; i++)
        pubs[i] = (struct gush_pub){.data = gush_span_of(payload, 1 + i * 3), .offset = i + 1};

    assert_int_equal(gush_reply_encode(&reply, GUSH_FORM_REPLY_PROTOBUF, &out), GUSH_OK);
    back = unpack(out);
    assert_non_null(back);
    assert_int_equal(back->subscribe->n_publications, PUBS_N);
    for (size_t i = 0; i < PUBS_N; i++) {
        assert_true(back->subscribe->publications[i]->offset == i + 1);
        assert_int_equal(back->subscribe->publications[i]->data.len, 1 + i * 3);
    }
    assert_true(back->subscribe->recovered);
    centrifugal__centrifuge__protocol__reply__free_unpacked(back, NULL);
    gush_bytes_unref(out);

    assert_int_equal(gush_reply_encode(&reply, GUSH_FORM_REPLY_JSON, &out), GUSH_OK);
    assert_true(gush_json_valid(gush_bytes_span(out)));
    gush_bytes_unref(out);
}

static void every_error_code_has_a_text(void **state)
{
    (void)state;
    for (uint32_t code = 100; code <= 113; code++) {
        struct gush_reply reply = {.id = 1, .kind = GUSH_REPLY_ERROR, .u.error = code};
        struct gush_bytes *out;
        wire_reply *back;

        assert_int_equal(gush_reply_encode(&reply, GUSH_FORM_REPLY_PROTOBUF, &out), GUSH_OK);
        back = unpack(out);
        assert_non_null(back);
        assert_int_equal(back->error->code, code);
        assert_true(back->error->message[0] != '\0');
        assert_int_equal(back->error->temporary, code == 100 || code == 111 || code == 113);
        centrifugal__centrifuge__protocol__reply__free_unpacked(back, NULL);
        gush_bytes_unref(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_publication_refuses_the_reply),
        cmocka_unit_test(long_recovery_comes_out_whole),
        cmocka_unit_test(every_error_code_has_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
