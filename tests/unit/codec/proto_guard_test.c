/* proto_guard: what must not reach protobuf-c, and that what it lets through unpacks. */
#include "server/base/bytes.h"

#include "proto/api.pb-c.h"
#include "proto/client.pb-c.h"
#include "server/codec/proto_guard.h"
#include "server/codec/proto_write.h"

#include "tests/unit/codec/unit.h"

#define CONNECT   (&centrifugal__centrifuge__protocol__connect_request__descriptor)
#define SUBSCRIBE (&centrifugal__centrifuge__protocol__subscribe_request__descriptor)
#define METRICS   (&centrifugal__centrifugo__api__metrics__descriptor)
#define BATCH     (&centrifugal__centrifugo__api__batch_request__descriptor)

static gush_err guard(const ProtobufCMessageDescriptor *d, struct gush_span s, size_t members_max)
{
    struct gush_bytes *b = gush_bytes_copy(s); /* exact block: ASan sees one byte too far */
    const char *why = NULL;
    gush_err err = gush_proto_guard(d, gush_bytes_span(b), members_max, &why);

    assert_true(err == GUSH_OK || why != NULL);
    assert_int_equal(gush_proto_guard(d, gush_bytes_span(b), members_max, NULL), err);
    gush_bytes_unref(b);
    return err;
}

#define GUARD(d, lit) guard(d, GUSH_SPAN_LIT(lit), 100)

static void malformed_messages_are_refused(void **state)
{
    (void)state;
    assert_int_equal(GUARD(CONNECT, "\x0a"), GUSH_ESYNTAX);       /* no length */
    assert_int_equal(GUARD(CONNECT, "\x0a\x05zz"), GUSH_ESYNTAX); /* short payload */
    assert_int_equal(GUARD(CONNECT, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), GUSH_ERANGE);
    assert_int_equal(GUARD(CONNECT, "\x38"), GUSH_ESYNTAX);     /* no varint */
    assert_int_equal(GUARD(CONNECT, "\x38\x80"), GUSH_ESYNTAX); /* half a varint */
    assert_int_equal(GUARD(CONNECT, "\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), GUSH_ERANGE);
    assert_int_equal(GUARD(CONNECT, "\x00\x01"), GUSH_ESYNTAX);                /* field 0 */
    assert_int_equal(GUARD(CONNECT, "\xf8\xff\xff\xff\x1f\x01"), GUSH_ERANGE); /* field too big */
    assert_int_equal(GUARD(CONNECT, "\xf9\x01\x01\x02"), GUSH_ESYNTAX); /* unknown, short 64 bit */
    assert_int_equal(GUARD(CONNECT, "\xfd\x01\x01\x02"), GUSH_ESYNTAX); /* unknown, short 32 bit */
}

/* protobuf-c reads at most five bytes of either. */
static void tags_and_lengths_have_five_bytes(void **state)
{
    static const char five[] = "\xb8\x80\x80\x80\x00\x01\x8a\x80\x80\x80\x00\x81\x80\x80\x80\x00z";
    ProtobufCMessage *m;

    (void)state;
    assert_int_equal(guard(CONNECT, gush_span_of(five, sizeof(five) - 1), 100), GUSH_OK);
    m = protobuf_c_message_unpack(CONNECT, NULL, sizeof(five) - 1, (const uint8_t *)five);
    assert_non_null(m);
    protobuf_c_message_free_unpacked(m, NULL);
    assert_int_equal(GUARD(CONNECT, "\xb8\x80\x80\x80\x80\x00\x01"), GUSH_ERANGE);
    assert_int_equal(GUARD(CONNECT, "\x0a\x81\x80\x80\x80\x80\x00z"), GUSH_ERANGE);
}

static void groups_and_unknown_wire_types_are_refused(void **state)
{
    (void)state;
    assert_int_equal(GUARD(CONNECT, "\x0b\x0c"), GUSH_ESYNTAX);
    assert_int_equal(GUARD(CONNECT, "\xfb\x01\xfc\x01"), GUSH_ESYNTAX);
    assert_int_equal(GUARD(CONNECT, "\x0e"), GUSH_ESYNTAX);
    assert_int_equal(GUARD(CONNECT, "\x0f"), GUSH_ESYNTAX);
}

static void wrong_wire_types_are_refused(void **state)
{
    (void)state;
    assert_int_equal(GUARD(CONNECT, "\x08\x01"), GUSH_ESYNTAX);     /* token as a varint */
    assert_int_equal(GUARD(CONNECT, "\x3a\x01\x01"), GUSH_ESYNTAX); /* flag as bytes */
    assert_int_equal(GUARD(CONNECT, "\x18\x01"), GUSH_ESYNTAX);     /* subs as a varint */
    assert_int_equal(GUARD(METRICS, "\x08\x01"), GUSH_ESYNTAX);     /* double as a varint */
    assert_int_equal(GUARD(METRICS, "\x09"
                                    "12345678"),
                     GUSH_OK);
}

static void strings_must_be_utf8_without_nul(void **state)
{
    (void)state;
    assert_int_equal(GUARD(CONNECT, "\x0a\x02\xc3("), GUSH_EUTF8);
    assert_int_equal(GUARD(CONNECT, "\x0a\x03"
                                    "a\0b"),
                     GUSH_ESYNTAX);
    assert_int_equal(GUARD(CONNECT, "\x12\x03\xff\0\xfe"), GUSH_OK); /* bytes may be anything */
    assert_int_equal(GUARD(CONNECT, "\x1a\x03\x0a\x01\xff"), GUSH_EUTF8); /* key of a map */
    assert_int_equal(GUARD(CONNECT, "\x32\x03\x12\x01\xff"), GUSH_EUTF8); /* value of a map */
}

static void a_single_sub_message_may_come_once(void **state)
{
    (void)state;
    assert_int_equal(GUARD(SUBSCRIBE, "\x6a\x00\x6a\x00"), GUSH_ESYNTAX);
    assert_int_equal(GUARD(CONNECT, "\x1a\x04\x12\x00\x12\x00"), GUSH_ESYNTAX);
    assert_int_equal(GUARD(CONNECT, "\x1a\x02\x12\x00\x1a\x02\x12\x00"), GUSH_OK); /* repeated */
    assert_int_equal(GUARD(CONNECT, "\x0a\x01"
                                    "a\x0a\x01"
                                    "b"),
                     GUSH_OK); /* scalars: the last one counts */
}

/* FilterNode inside FilterNode, innermost first. */
static void nest(struct gush_buf *b, size_t levels)
{
    struct gush_buf inner;

    gush_buf_reset(b);
    gush_buf_init(&inner, 1 << 20);
    for (size_t i = 1; i < levels; i++) {
        gush_buf_reset(&inner);
        gush_buf_put_span(&inner, gush_buf_span(b));
        gush_buf_reset(b);
        gush_proto_bytes_always(b, i + 1 == levels ? 13 : 6, gush_buf_span(&inner));
    }
    gush_buf_fini(&inner);
}

static void nesting_is_bounded(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 1 << 20);
    nest(&b, GUSH_PROTO_DEPTH_MAX);
    assert_int_equal(guard(SUBSCRIBE, gush_buf_span(&b), 100), GUSH_OK);
    nest(&b, GUSH_PROTO_DEPTH_MAX + 1);
    assert_int_equal(guard(SUBSCRIBE, gush_buf_span(&b), 100), GUSH_EDEPTH);
    nest(&b, 11000);
    assert_true(b.n > 30000); /* this much overflows the stack of protobuf-c */
    assert_int_equal(guard(SUBSCRIBE, gush_buf_span(&b), 1 << 20), GUSH_EDEPTH);
    gush_buf_fini(&b);
}

static void members_are_counted_over_all_levels(void **state)
{
    struct gush_buf b;

    (void)state;
    gush_buf_init(&b, 1 << 20);
    for (int i = 0; i < 100; i++) /* each is a command that holds a publish: two members */
        gush_buf_put(&b, "\x0a\x02\x22\x00", 4);
    assert_int_equal(guard(BATCH, gush_buf_span(&b), 200), GUSH_OK);
    assert_int_equal(guard(BATCH, gush_buf_span(&b), 199), GUSH_ELIMIT);
    gush_buf_reset(&b);
    for (int i = 0; i < 100; i++) /* unknown ones count: protobuf-c keeps a copy of each */
        gush_buf_put(&b, "\xa8\x06\x01", 3);
    assert_int_equal(guard(BATCH, gush_buf_span(&b), 100), GUSH_OK);
    assert_int_equal(guard(BATCH, gush_buf_span(&b), 99), GUSH_ELIMIT);
    assert_int_equal(guard(BATCH, GUSH_SPAN_EMPTY, 0), GUSH_OK);
    gush_buf_fini(&b);
}

/* A message with strings, maps, sub-messages and numbers, cut at every byte. */
static void every_truncation_is_refused_or_unpacks(void **state)
{
    static const char text[] = "\x0a\x03tok\x12\x04null\x1a\x0e\x0a\x02hh\x12\x08\x18\x01\x32\x01"
                               "E\x38\xac\x02\x32\x06\x0a\x01k\x12\x01v\x38\x05";
    size_t n = sizeof(text) - 1, whole = 0;

    (void)state;
    assert_int_equal(guard(CONNECT, gush_span_of(text, n), 100), GUSH_OK);
    for (size_t i = 0; i <= n; i++) {
        gush_err err = guard(CONNECT, gush_span_of(text, i), 100);
        ProtobufCMessage *m = protobuf_c_message_unpack(CONNECT, NULL, i, (const uint8_t *)text);

        assert_int_equal(err == GUSH_OK, m != NULL);
        whole += m != NULL;
        if (m)
            protobuf_c_message_free_unpacked(m, NULL);
    }
    assert_int_equal(whole, 5 + 1); /* behind each of the five fields, and nothing at all */
}

static void packed_lists_are_counted(void **state)
{
    /* No schema of ours has one; a list of numbers built here has. */
    static const ProtobufCFieldDescriptor fields[] = {
        {.name = "v", .id = 1, .label = PROTOBUF_C_LABEL_REPEATED, .type = PROTOBUF_C_TYPE_UINT32},
        {.name = "d", .id = 2, .label = PROTOBUF_C_LABEL_REPEATED, .type = PROTOBUF_C_TYPE_DOUBLE},
    };
    static const ProtobufCIntRange ranges[] = {{1, 0}, {0, 2}};
    static const ProtobufCMessageDescriptor list = {.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
                                                    .n_fields = 2,
                                                    .fields = fields,
                                                    .n_field_ranges = 1,
                                                    .field_ranges = ranges};

    (void)state;
    assert_int_equal(guard(&list, GUSH_SPAN_LIT("\x0a\x03\x01\xac\x02"), 3), GUSH_OK);
    assert_int_equal(guard(&list, GUSH_SPAN_LIT("\x0a\x03\x01\xac\x02"), 2), GUSH_ELIMIT);
    assert_int_equal(guard(&list, GUSH_SPAN_LIT("\x0a\x02\x01\xac"), 9), GUSH_ESYNTAX);
    assert_int_equal(guard(&list, GUSH_SPAN_LIT("\x08\x05"), 9), GUSH_OK);
    assert_int_equal(guard(&list,
                           GUSH_SPAN_LIT("\x12\x08"
                                         "12345678"),
                           2),
                     GUSH_OK);
    assert_int_equal(guard(&list,
                           GUSH_SPAN_LIT("\x12\x07"
                                         "1234567"),
                           9),
                     GUSH_ESYNTAX);
    assert_int_equal(
        guard(&list, GUSH_SPAN_LIT("\x0a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 9),
        GUSH_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(tags_and_lengths_have_five_bytes),
        cmocka_unit_test(groups_and_unknown_wire_types_are_refused),
        cmocka_unit_test(wrong_wire_types_are_refused),
        cmocka_unit_test(strings_must_be_utf8_without_nul),
        cmocka_unit_test(a_single_sub_message_may_come_once),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(members_are_counted_over_all_levels),
        cmocka_unit_test(every_truncation_is_refused_or_unpacks),
        cmocka_unit_test(packed_lists_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
