#include "appnet/base/rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000
#define START (10 * (int64_t)SECOND)

/* How many tokens there are to be had at that moment. */
static unsigned take_all(struct rate_limit *limit, int64_t now)
{
    unsigned count = 0;

    while (count < 1000 && rate_limit_take(limit, now, NULL))
        count++;
    return count;
}

static void begins_full(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(5, 10);

    (void)state;
    assert_int_equal(take_all(&limit, START), 5);
    assert_int_equal(take_all(&limit, START), 0);
}

static void gives_back_at_its_rate(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(5, 10);

    (void)state;
    take_all(&limit, START);
    assert_false(rate_limit_take(&limit, START + SECOND / 10 - 1, NULL));
    assert_true(rate_limit_take(&limit, START + SECOND / 10, NULL));
    assert_false(rate_limit_take(&limit, START + SECOND / 10, NULL));
    assert_int_equal(take_all(&limit, START + SECOND / 10 * 4), 3);
}

static void loses_nothing_by_being_asked_often(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(5, 10);
    unsigned count = 0;

    (void)state;
    take_all(&limit, START);
    for (int64_t now = START; now <= START + SECOND; now += 7)
        count += rate_limit_take(&limit, now, NULL);
    assert_int_equal(count, 9); /* the last whole step ends just before the tenth */
    assert_true(rate_limit_take(&limit, START + SECOND, NULL));
}

static void never_holds_more_than_its_burst(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(5, 10);
    int64_t now = START;

    (void)state;
    for (int rest = 0; rest < 60; rest += 3) {
        now += INT64_C(1) << rest;
        assert_in_range(take_all(&limit, now), 0, 5);
    }
    assert_int_equal(take_all(&limit, now + SECOND), 5);
    assert_int_equal(take_all(&limit, INT64_MAX), 5);
}

static void takes_the_largest_numbers(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(UINT32_MAX, UINT32_MAX);

    (void)state;
    assert_true(rate_limit_take(&limit, 1, NULL));
    assert_true(rate_limit_take(&limit, 2, NULL));
    assert_true(rate_limit_take(&limit, SECOND / 2, NULL));
    assert_true(rate_limit_take(&limit, INT64_MAX, NULL));
}

static void gives_nothing_back_at_rate_zero(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(2, 0);

    (void)state;
    assert_int_equal(take_all(&limit, START), 2);
    assert_int_equal(take_all(&limit, START + 1000 * (int64_t)SECOND), 0);
    assert_int_equal(take_all(&limit, INT64_MAX), 0);
}

static void gives_nothing_when_time_stands_or_goes_back(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(1, 1);

    (void)state;
    assert_true(rate_limit_take(&limit, START, NULL));
    assert_false(rate_limit_take(&limit, START, NULL));
    assert_false(rate_limit_take(&limit, START - SECOND, NULL));
}

static void tells_how_many_were_refused(void **state)
{
    struct rate_limit limit = RATE_LIMIT_INIT(1, 1);
    uint64_t refused = 99;

    (void)state;
    assert_true(rate_limit_take(&limit, START, &refused));
    assert_int_equal(refused, 0);
    for (int i = 0; i < 7; i++)
        assert_false(rate_limit_take(&limit, START, &refused));
    assert_int_equal(refused, 0); /* told only with a token */
    assert_true(rate_limit_take(&limit, START + SECOND, &refused));
    assert_int_equal(refused, 7);
    assert_true(rate_limit_take(&limit, START + 2 * SECOND, &refused));
    assert_int_equal(refused, 0);
}

int main(void)
{
    const struct CMUnitTest rate_limit[] = {
        cmocka_unit_test(begins_full),
        cmocka_unit_test(gives_back_at_its_rate),
        cmocka_unit_test(loses_nothing_by_being_asked_often),
        cmocka_unit_test(never_holds_more_than_its_burst),
        cmocka_unit_test(takes_the_largest_numbers),
        cmocka_unit_test(gives_nothing_back_at_rate_zero),
        cmocka_unit_test(gives_nothing_when_time_stands_or_goes_back),
        cmocka_unit_test(tells_how_many_were_refused),
    };

    return cmocka_run_group_tests(rate_limit, NULL, NULL);
}
