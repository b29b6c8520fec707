#include <stdio.h>

#include "server/base/assert.h"
#include "server/base/map.h"
#include "server/base/mem.h"
#include "server/base/rng.h"

#include "tests/unit/base/unit.h"

#define MODEL_N 600

struct entry {
    bool in;        /* what the model says */
    unsigned times; /* met in one iteration */
    char name[16];
};

static const struct gush_hash_key zero_key = {0, 0};

static struct gush_span key_of(const void *entry)
{
    return gush_span_str(((const struct entry *)entry)->name);
}

static struct gush_map a_map(void)
{
    struct gush_map m;

    gush_map_init(&m, key_of, &zero_key);
    return m;
}

static struct entry *entries(size_t n)
{
    struct entry *e = gush_zalloc(n, sizeof(*e));

    for (size_t i = 0; i < n; i++)
        snprintf(e[i].name, sizeof(e[i].name), "ch:%u", (unsigned)i);
    return e;
}

static void insert_null(void)
{
    struct gush_map m = a_map();

    gush_map_insert(&m, NULL);
}

static void insert_twice(void)
{
    static struct entry e[2] = {{.name = "same"}, {.name = "same"}};
    struct gush_map m = a_map();

    gush_map_insert(&m, &e[0]);
    gush_map_insert(&m, &e[1]);
}

static void misuse_aborts(void **state)
{
    (void)state;
    assert_true(unit_aborts(insert_null));
#ifdef NDEBUG
    (void)insert_twice; /* looking twice is only for debug builds */
#else
    assert_true(unit_aborts(insert_twice));
#endif
}

static void the_hash_is_siphash_1_3(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {{"a", 0x407448d2b89b1813u},
                 {"news:1", 0x3e0088e8ad957aa1u},
                 {"12345678", 0x3489982430560a87u},
                 {"123456789abcdef0", 0x791b03e99da0764du},
                 {"a long channel name that is longer", 0xb91843bd72234140u}};
    struct gush_hash_key counting = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(gush_hash(&zero_key, gush_span_str(known[i].text)) == known[i].hash);
    assert_true(gush_hash(&counting, GUSH_SPAN_EMPTY) == 0xabac0158050fc4dcu);
}

static void an_empty_map_has_no_heap(void **state)
{
    struct gush_map m = a_map();
    uint32_t at = 0;

    (void)state;
    assert_null(gush_map_find(&m, GUSH_SPAN_LIT("x")));
    assert_null(gush_map_remove(&m, GUSH_SPAN_LIT("x")));
    assert_null(gush_map_next(&m, &at));
    assert_null(m.slots);
    gush_map_fini(&m);
}

static void check(struct gush_map *m, struct entry *e, size_t n)
{
    uint32_t live = 0, at = 0, used = 0;
    struct entry *met;

    for (size_t i = 0; i < n; i++) {
        live += e[i].in;
        e[i].times = 0;
        assert_ptr_equal(gush_map_find(m, key_of(&e[i])), e[i].in ? &e[i] : NULL);
    }
    assert_int_equal(gush_map_n(m), live);
    for (uint32_t i = 0; i < m->cap; i++)
        used += m->slots[i] != NULL;
    assert_int_equal(m->used, used);
    while ((met = gush_map_next(m, &at)))
        met->times++;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(e[i].times, e[i].in);
}

static void flip(struct gush_map *m, struct entry *e)
{
    if (e->in)
        assert_ptr_equal(gush_map_remove(m, key_of(e)), e);
    else
        gush_map_insert(m, e);
    e->in = !e->in;
}

static void same_as_a_list_under_random_operations(void **state)
{
    struct entry *e = entries(MODEL_N);
    struct gush_map m = a_map();
    struct gush_rng rng;

    (void)state;
    gush_rng_seed(&rng, 3);
    for (int round = 0; round < 300; round++) {
        size_t range = 1 + gush_rng_below(&rng, MODEL_N); /* so that it grows and shrinks */
        bool wanted = gush_rng_below(&rng, 2) == 0;

        for (int i = 0; i < 400; i++) {
            struct entry *one = &e[gush_rng_below(&rng, range)];

            if (one->in != wanted || gush_rng_below(&rng, 4) == 0)
                flip(&m, one);
        }
        check(&m, e, MODEL_N);
        assert_true(m.used <= m.cap / 4 * 3);
    }
    gush_map_fini(&m);
    gush_free(e);
}

static void churn_returns_memory(void **state)
{
    struct entry *e = entries(20000);
    struct gush_map m = a_map();

    (void)state;
    for (size_t i = 0; i < 20000; i++)
        flip(&m, &e[i]);
    assert_true(m.cap >= 20000 && m.cap <= 65536);
    for (size_t i = 100; i < 20000; i++)
        flip(&m, &e[i]);
    assert_true(m.cap <= 1024);
    check(&m, e, 20000);
    for (int i = 0; i < 100000; i++) { /* a few at a time: tombstones do not add up */
        flip(&m, &e[100 + i % 1000]);
        flip(&m, &e[100 + i % 1000]);
    }
    assert_true(m.cap <= 1024);
    check(&m, e, 20000);
    gush_map_fini(&m);
    gush_free(e);
}

static void removal_while_iterating_meets_each_once(void **state)
{
    struct entry *e = entries(5000), *met;
    struct gush_map m = a_map();
    uint32_t at = 0, seen = 0;

    (void)state;
    for (size_t i = 0; i < 5000; i++)
        flip(&m, &e[i]);
    while ((met = gush_map_next(&m, &at))) {
        assert_int_equal(met->times++, 0);
        seen++;
        if (seen > 3)
            flip(&m, met);
    }
    assert_int_equal(seen, 5000);
    assert_int_equal(gush_map_n(&m), 3);
    assert_true(m.cap > 1024);
    for (size_t i = 0, left = 2; left > 0; i++) {
        if (e[i].in) {
            flip(&m, &e[i]);
            left--;
        }
    }
    assert_int_equal(m.cap, 8); /* the iteration is over: it may shrink again */
    check(&m, e, 5000);
    gush_map_fini(&m);
    gush_free(e);
}

static void an_abandoned_iteration_does_not_stop_shrinking(void **state)
{
    struct entry *e = entries(5000);
    struct gush_map m = a_map();
    uint32_t at = 0;

    (void)state;
    for (size_t i = 0; i < 4999; i++)
        flip(&m, &e[i]);
    assert_non_null(gush_map_next(&m, &at));
    flip(&m, &e[4999]);
    for (size_t i = 0; i < 5000; i++)
        flip(&m, &e[i]);
    assert_int_equal(m.cap, 8);
    gush_map_fini(&m);
    gush_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(the_hash_is_siphash_1_3),
        cmocka_unit_test(an_empty_map_has_no_heap),
        cmocka_unit_test(same_as_a_list_under_random_operations),
        cmocka_unit_test(churn_returns_memory),
        cmocka_unit_test(removal_while_iterating_meets_each_once),
        cmocka_unit_test(an_abandoned_iteration_does_not_stop_shrinking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
