#include "server/base/assert.h"

#include "tests/unit/base/unit.h"

#define thing_MAGIC  GUSH_MAGIC('t', 'h', 'n', 'g')
#define things_MAGIC GUSH_MAGIC('t', 'h', 'n', 's')

struct thing {
    GUSH_MAGIC_FIELD;
    int value;
};

struct things {
    GUSH_MAGIC_FIELD;
    struct thing inner;
};

static struct thing one = {.magic = thing_MAGIC, .value = 7};

static void false_condition(void)
{
    GUSH_ASSERT(one.value == 8);
}

static void wrong_type(void)
{
    (void)GUSH_CAST(things, (void *)&one);
}

static void null_pointer(void)
{
    (void)GUSH_CAST(thing, NULL);
}

static void dead_object(void)
{
    struct thing dead = {.magic = GUSH_MAGIC_DEAD, .value = 1};

    (void)GUSH_CAST(thing, &dead);
}

static void bugs_abort(void **state)
{
    (void)state;
    assert_true(unit_aborts(false_condition));
    assert_true(unit_aborts(wrong_type));
    assert_true(unit_aborts(null_pointer));
    assert_true(unit_aborts(dead_object));
}

static void truth_passes(void **state)
{
    struct things outer = {.magic = things_MAGIC, .inner = one};
    void *p = &outer.inner;

    (void)state;
    GUSH_ASSERT(one.value == 7);
    assert_int_equal(GUSH_CAST(thing, p)->value, 7);
    assert_ptr_equal(GUSH_CONTAINER(p, struct things, inner), &outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bugs_abort),
        cmocka_unit_test(truth_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
