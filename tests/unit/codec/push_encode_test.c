/* push_encode: what golden frames cannot say: sizes around the stack buffer, large messages, and
 * nothing left behind after a refusal. Bytes themselves are in tests/golden. */
#include "server/base/mem.h"

#include "proto/client.pb-c.h"
#include "server/codec/json_scan.h"
#include "server/codec/push_encode.h"

#include "tests/unit/codec/unit.h"

typedef Centrifugal__Centrifuge__Protocol__Push wire_push;

static wire_push *unpack(struct gush_span s)
{
    return centrifugal__centrifuge__protocol__push__unpack(NULL, s.n, s.p);
}

static void refused_payloads_leave_nothing(void **state)
{
    struct gush_pub pub = {.data = GUSH_SPAN_LIT("{\"a\":")};
    struct gush_push push = {.kind = GUSH_PUSH_PUB, .u.pub = &pub};

    (void)state;
    for (unsigned i = 0; i < GUSH_FORMS_N; i++) {
        struct gush_bytes *out = NULL;
        gush_err err = gush_push_encode(&push, (enum gush_form)i, &out);
        bool json = gush_form_format((enum gush_form)i) == GUSH_JSON;

        assert_int_equal(err, json ? GUSH_ESYNTAX : GUSH_OK);
        assert_int_equal(out == NULL, json);
        gush_bytes_unref(out);
    }
    assert_true(gush_bytes_live() == 0);
}

static void a_bad_payload_in_any_place_is_found(void **state)
{
    const struct gush_span bad = GUSH_SPAN_LIT("[");
    struct gush_client_info info = {.user = GUSH_SPAN_LIT("u")};
    struct gush_sub_result sub = {.channel = GUSH_SPAN_LIT("c")};
    struct gush_pub inner = {.data = GUSH_SPAN_LIT("1")};
    struct gush_connect_result connect = {.subs = &sub, .subs_n = 1};
    struct gush_pub pub = {.data = GUSH_SPAN_LIT("1"), .info = &info};
    struct gush_push publish = {.kind = GUSH_PUSH_PUB, .u.pub = &pub};
    struct gush_push hello = {.kind = GUSH_PUSH_CONNECT, .u.connect = &connect};
    struct gush_span *places[] = {&pub.data,   &pub.prev_data, &info.conn_info, &info.chan_info,
                                  &inner.data, &sub.data,      &connect.data};

    (void)state;
    sub.publications = &inner;
    sub.publications_n = 1;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct gush_bytes *out = NULL;
        struct gush_span before = *places[i];
        const struct gush_push *push = i < 4 ? &publish : &hello;

        assert_int_equal(gush_push_encode(push, GUSH_FORM_PUSH_JSON, &out), GUSH_OK);
        gush_bytes_unref(out);
        out = NULL;
        *places[i] = bad;
        assert_int_equal(gush_push_encode(push, GUSH_FORM_PUSH_JSON, &out), GUSH_ESYNTAX);
        assert_null(out);
        *places[i] = before;
    }
}

/* Payloads of every size around the places where the way of writing changes. */
static void every_size_comes_out_whole(void **state)
{
    static const size_t around[] = {0, 120, 1700, 2048, 4096, 16384, 70000, 2097152};
    const size_t max = 2097152 + 400;
    uint8_t *text = gush_alloc(max);

    (void)state;
    memset(text, 'x', max);
    text[0] = '"';
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        for (size_t n = around[i] + 2; n < around[i] + (i < 6 ? 400 : 20); n++) {
            struct gush_pub pub = {.offset = 7};
            struct gush_push push = {
                .kind = GUSH_PUSH_PUB, .channel = GUSH_SPAN_LIT("ch"), .u.pub = &pub};
            struct gush_bytes *out;
            wire_push *back;

            text[n - 1] = '"';
            pub.data = gush_span_of(text, n);
            assert_int_equal(gush_push_encode(&push, GUSH_FORM_GRPC, &out), GUSH_OK);
            back = unpack(gush_bytes_span(out));
            assert_non_null(back);
            assert_int_equal(back->pub->data.len, n);
            assert_memory_equal(back->pub->data.data, text, n);
            assert_true(back->pub->offset == 7);
            centrifugal__centrifuge__protocol__push__free_unpacked(back, NULL);
            gush_bytes_unref(out);

            assert_int_equal(gush_push_encode(&push, GUSH_FORM_PUSH_JSON, &out), GUSH_OK);
            assert_int_equal(out->n,
                             n + strlen("{\"channel\":\"ch\",\"pub\":{\"data\":,\"offset\":7}}"));
            assert_true(gush_json_valid(gush_bytes_span(out)));
            gush_bytes_unref(out);
            text[n - 1] = 'x';
        }
    }
    gush_free(text);
}

/* The size hint knows nothing of these; the stack buffer overflows and the heap takes over. */
static void hints_may_be_wrong(void **state)
{
    static char reason[5000];
    struct gush_push push = {.kind = GUSH_PUSH_DISCONNECT};
    struct gush_bytes *out;
    wire_push *back;

    (void)state;
    memset(reason, '<', sizeof(reason));
    push.u.end.code = 4000;
    push.u.end.reason = gush_span_of(reason, sizeof(reason));
    assert_int_equal(gush_push_encode(&push, GUSH_FORM_REPLY_JSON, &out), GUSH_OK);
    assert_int_equal(out->n,
                     6 * sizeof(reason) +
                         strlen("{\"push\":{\"disconnect\":{\"code\":4000,\"reason\":\"\"}}}"));
    gush_bytes_unref(out);
    assert_int_equal(gush_push_encode(&push, GUSH_FORM_GRPC, &out), GUSH_OK);
    back = unpack(gush_bytes_span(out));
    assert_non_null(back);
    assert_int_equal(strlen(back->disconnect->reason), sizeof(reason));
    centrifugal__centrifuge__protocol__push__free_unpacked(back, NULL);
    gush_bytes_unref(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_payloads_leave_nothing),
        cmocka_unit_test(a_bad_payload_in_any_place_is_found),
        cmocka_unit_test(every_size_comes_out_whole),
        cmocka_unit_test(hints_may_be_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
