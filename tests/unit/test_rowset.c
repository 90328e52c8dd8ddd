#include "../../src/registry/rowset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROWS 5000

struct row {
    int key;
    bool in;
};

static int by_key(const void *a, const void *b)
{
    return ((const struct row *)a)->key - ((const struct row *)b)->key;
}

static struct row rows[ROWS];

static int set_up(void **state)
{
    static struct rowset set = ROWSET_INIT(by_key);

    for (int i = 0; i < ROWS; i++) {
        rows[i] = (struct row){.key = i * 2};
    }
    *state = &set;
    return 0;
}

static int tear_down(void **state)
{
    rowset_clear(*state);
    return 0;
}

/* Walking gives exactly the rows that are in, in order; looking finds exactly them. */
static void assert_holds(const struct rowset *set)
{
    const struct row *row = rowset_next(set, NULL);
    size_t count = 0;

    for (int i = 0; i < ROWS; i++) {
        struct row between = {.key = i * 2 - 1};
        assert_ptr_equal(rowset_find(set, &rows[i]), rows[i].in ? &rows[i] : NULL);
        assert_null(rowset_find(set, &between));
        if (rows[i].in) {
            assert_ptr_equal(row, &rows[i]);
            assert_ptr_equal(rowset_next(set, &between), &rows[i]);
            row = rowset_next(set, row);
            count++;
        }
    }
    assert_null(row);
    assert_int_equal(set->count, count);
}

static void put(struct rowset *set, int i)
{
    assert_ptr_equal(rowset_put(set, &rows[i]), rows[i].in ? &rows[i] : NULL);
    rows[i].in = true;
}

static void take(struct rowset *set, int i)
{
    struct row key = {.key = i * 2};

    assert_ptr_equal(rowset_take(set, &key), rows[i].in ? &rows[i] : NULL);
    rows[i].in = false;
}

static void is_empty_at_first(void **state)
{
    struct rowset *set = *state;

    assert_holds(set);
    assert_null(rowset_take(set, &rows[0]));
    assert_null(rowset_next(set, NULL));
    assert_null(rowset_next(set, &rows[0]));
}

static void takes_rows_in_order(void **state)
{
    for (int i = 0; i < ROWS; i++) {
        put(*state, i);
    }
    assert_holds(*state);
}

static void takes_rows_in_reverse(void **state)
{
    for (int i = ROWS; i-- > 0;) {
        put(*state, i);
    }
    assert_holds(*state);
}

static void gives_back_the_row_it_replaces(void **state)
{
    struct row other = {.key = 20};

    put(*state, 10);
    assert_ptr_equal(rowset_put(*state, &other), &rows[10]);
    assert_ptr_equal(rowset_find(*state, &rows[10]), &other);
    assert_ptr_equal(rowset_put(*state, &rows[10]), &other);
    assert_holds(*state);
}

static void keeps_order_whatever_happens(void **state)
{
    uint32_t random = 12345;

    for (int round = 0; round < 40; round++) {
        for (int step = 0; step < ROWS / 2; step++) {
            random = random * 1664525 + 1013904223;
            /* it grows for some rounds and then shrinks to nothing */
            if ((random >> 8) % 40 >= (uint32_t)round) {
                put(*state, (int)((random >> 16) % ROWS));
            } else {
                take(*state, (int)((random >> 16) % ROWS));
            }
        }
        assert_holds(*state);
    }
    for (int i = 0; i < ROWS; i++) {
        take(*state, (i * 7) % ROWS);
    }
    assert_holds(*state);
    assert_int_equal(((struct rowset *)*state)->chunk_count, 0);
}

int main(void)
{
    const struct CMUnitTest rowset[] = {
        cmocka_unit_test_setup_teardown(is_empty_at_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_rows_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_rows_in_reverse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_back_the_row_it_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_order_whatever_happens, set_up, tear_down),
    };

    return cmocka_run_group_tests(rowset, NULL, NULL);
}
