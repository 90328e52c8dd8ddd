#include "../../src/sidecar/use_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/base/loop.h"

#define CONNECTIONS 20000
#define ROUNDS 5

static void each_use_is_found_again(void **state)
{
    struct use_index *index = calloc(1, sizeof *index);
    struct worker_report report = {0};
    struct worker_use *use;

    (void)state;
    use_index_at(index, &report, true, "sql", "c-1")->sent = 1;
    use_index_at(index, &report, false, "sql", "c-1")->sent = 2;
    use_index_at(index, &report, true, "http", "c-1")->sent = 3;
    use_index_at(index, &report, true, "sql", "")->sent = 4;
    use_index_at(index, &report, true, "sql", "c-2")->sent = 5;
    assert_int_equal(report.use_count, 5);
    assert_int_equal(use_index_at(index, &report, true, "sql", "c-1")->sent, 1);
    assert_int_equal(use_index_at(index, &report, false, "sql", "c-1")->sent, 2);
    assert_int_equal(use_index_at(index, &report, true, "http", "c-1")->sent, 3);
    use = use_index_at(index, &report, true, "sql", "");
    assert_true(use->is_source);
    assert_string_equal(use->name, "sql");
    assert_string_equal(use->id, "");
    assert_int_equal(use->sent, 4);
    assert_int_equal(report.use_count, 5);
    use_index_clear(index);
    free(index);
    free(report.uses);
}

/* Whoever looks through all of them for each of them takes minutes. */
static void many_are_found_quickly(void **state)
{
    struct use_index *index = calloc(1, sizeof *index);
    struct worker_report report = {0};
    int64_t begun = loop_now();
    char id[NAME_SIZE];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            snprintf(id, sizeof id, "c-%012d", i);
            use_index_at(index, &report, false, "sql", id)->streams++;
        }
    }
    assert_true(loop_now() - begun < 5000000);
    assert_int_equal(report.use_count, CONNECTIONS);
    for (unsigned i = 0; i < report.use_count; i++) {
        assert_int_equal(report.uses[i].streams, ROUNDS);
    }
    use_index_clear(index);
    free(index);
    free(report.uses);
}

int main(void)
{
    const struct CMUnitTest use_index[] = {
        cmocka_unit_test(each_use_is_found_again),
        cmocka_unit_test(many_are_found_quickly),
    };

    return cmocka_run_group_tests(use_index, NULL, NULL);
}
