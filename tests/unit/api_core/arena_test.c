#include "tests/unit/api_core/fixture.h"

static void memory_is_zeroed_aligned_and_its_own(void **state)
{
    struct gush_arena a = {0};
    uint8_t *pieces[200];

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        size_t n = i * 37 % 3000 + 1;

        pieces[i] = gush_arena_alloc(&a, n, 1);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], (int)i, n);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < i * 37 % 3000 + 1; k++)
            assert_int_equal(pieces[i][k], (uint8_t)i);
    }
    gush_arena_fini(&a);
    assert_null(a.chunks);
}

static void a_piece_larger_than_a_chunk_fits(void **state)
{
    struct gush_arena a = {0};

    (void)state;
    memset(gush_arena_alloc(&a, 1000, 1000), 1, 1000000);
    memset(gush_arena_alloc(&a, 1, 10), 1, 10);
    gush_arena_fini(&a);
}

static void strings_end_with_nul(void **state)
{
    struct gush_arena a = {0};

    (void)state;
    assert_string_equal(gush_arena_string(&a, GUSH_SPAN_EMPTY), "");
    assert_string_equal(gush_arena_string(&a, gush_span_of("abcdef", 3)), "abc");
    gush_arena_fini(&a);
}

static void messages_are_initialised(void **state)
{
    struct gush_arena a = {0};
    API(Error) *e = gush_arena_message(&a, &centrifugal__centrifugo__api__error__descriptor);

    (void)state;
    assert_ptr_equal(e->base.descriptor, &centrifugal__centrifugo__api__error__descriptor);
    assert_int_equal(e->code, 0);
    assert_string_equal(e->message, "");
    gush_arena_fini(&a);
}

static void the_library_unpacks_into_it(void **state)
{
    static const uint8_t bytes[] = {0x08, 0x6b, 0x12, 0x03, 'b', 'a', 'd'};
    struct gush_arena a = {0};
    ProtobufCAllocator allocator = gush_arena_allocator(&a);
    API(Error) * e;

    (void)state;
    for (size_t n = 0; n <= sizeof(bytes); n++)
        e = (API(Error) *)(void *)protobuf_c_message_unpack(
            &centrifugal__centrifugo__api__error__descriptor, &allocator, n, bytes);
    assert_int_equal(e->code, 107);
    assert_string_equal(e->message, "bad");
    gush_arena_fini(&a); /* what the cut ones took as well */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_its_own),
        cmocka_unit_test(a_piece_larger_than_a_chunk_fits),
        cmocka_unit_test(strings_end_with_nul),
        cmocka_unit_test(messages_are_initialised),
        cmocka_unit_test(the_library_unpacks_into_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
