#include "server/http/h2_toll.h"

#include "tests/unit/net/unit.h"

static struct gush_h2_toll t;

static int setup(void **state)
{
    (void)state;
    gush_h2_toll_init(&t, 1000);
    return 0;
}

static int32_t price(uint8_t type, uint32_t length, uint8_t flags)
{
    int32_t before = t.points;

    gush_h2_toll_frame(&t, &(struct gush_h2_frame){.type = type, .length = length, .flags = flags});
    int32_t paid = before - t.points;
    t.points = before;
    return paid;
}

static void prices(void **state)
{
    (void)state;
    assert_int_equal(price(GUSH_H2_DATA, 16384, 0), 0);
    assert_int_equal(price(GUSH_H2_DATA, 64, 0), 0);
    assert_int_equal(price(GUSH_H2_DATA, 63, 0), GUSH_H2_TOLL_TINY_DATA);
    assert_int_equal(price(GUSH_H2_DATA, 0, 0), GUSH_H2_TOLL_EMPTY);
    assert_int_equal(price(GUSH_H2_DATA, 0, GUSH_H2_FRAME_END_STREAM), 0);
    assert_int_equal(price(GUSH_H2_HEADERS, 100, 0), GUSH_H2_TOLL_HEADERS);
    assert_int_equal(price(GUSH_H2_PRIORITY, 5, 0), GUSH_H2_TOLL_PRIORITY);
    assert_int_equal(price(GUSH_H2_RST_STREAM, 4, 0), GUSH_H2_TOLL_RESET);
    assert_int_equal(price(GUSH_H2_SETTINGS, 0, 0), GUSH_H2_TOLL_SETTINGS);
    assert_int_equal(price(GUSH_H2_PING, 8, 0), GUSH_H2_TOLL_PING);
    assert_int_equal(price(GUSH_H2_WINDOW_UPDATE, 4, 0), GUSH_H2_TOLL_WINDOW);
    assert_int_equal(price(GUSH_H2_CONTINUATION, 9, 0), GUSH_H2_TOLL_CONTINUATION);
    assert_int_equal(price(GUSH_H2_CONTINUATION, 0, 0),
                     GUSH_H2_TOLL_CONTINUATION + GUSH_H2_TOLL_EMPTY);
    assert_int_equal(price(GUSH_H2_GOAWAY, 8, 0), GUSH_H2_TOLL_OTHER);
    assert_int_equal(price(0xee, 8, 0), GUSH_H2_TOLL_OTHER);
}

static void a_flood_ends(void **state)
{
    int n = 0;

    (void)state;
    for (; t.points >= 0; n++)
        gush_h2_toll_frame(&t, &(struct gush_h2_frame){.type = GUSH_H2_PING, .length = 8});
    assert_int_equal(n, GUSH_H2_TOLL_POINTS / GUSH_H2_TOLL_PING + 1);
}

/* A client that answers what it gets can go on for ever. */
static void work_brings_points_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        gush_h2_toll_served(&t);
        assert_true(t.points <= GUSH_H2_TOLL_POINTS);
        gush_h2_toll_frame(&t, &(struct gush_h2_frame){.type = GUSH_H2_WINDOW_UPDATE, .length = 4});
        gush_h2_toll_frame(&t, &(struct gush_h2_frame){.type = GUSH_H2_WINDOW_UPDATE, .length = 4});
        gush_h2_toll_frame(&t, &(struct gush_h2_frame){.type = GUSH_H2_PING, .length = 8});
        assert_true(t.points >= 0);
    }
    t.points = GUSH_H2_TOLL_POINTS;
    gush_h2_toll_reset(&t);
    gush_h2_toll_too_large(&t);
    assert_int_equal(t.points, GUSH_H2_TOLL_POINTS - GUSH_H2_TOLL_RESET - GUSH_H2_TOLL_TOO_LARGE);
}

static void time_brings_points_back(void **state)
{
    (void)state;
    t.points = 0;
    for (uint64_t ms = 1001; ms <= 3000; ms++) /* in steps of less than a point */
        gush_h2_toll_pass(&t, ms);
    assert_int_equal(t.points, 2 * GUSH_H2_TOLL_PER_S);
    gush_h2_toll_pass(&t, 3000);
    assert_int_equal(t.points, 2 * GUSH_H2_TOLL_PER_S);
    gush_h2_toll_pass(&t, UINT64_MAX / 2);
    assert_int_equal(t.points, GUSH_H2_TOLL_POINTS);
    t.points = -50;
    gush_h2_toll_pass(&t, UINT64_MAX / 2 + 39000);
    assert_int_equal(t.points, GUSH_H2_TOLL_POINTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(prices, setup),
        cmocka_unit_test_setup(a_flood_ends, setup),
        cmocka_unit_test_setup(work_brings_points_back, setup),
        cmocka_unit_test_setup(time_brings_points_back, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
