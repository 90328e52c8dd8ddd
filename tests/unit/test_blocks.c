#include "appnet/tunnel/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct blocks *blocks;
static nghttp2_mem mem;

static int set_up(void **state)
{
    (void)state;
    blocks = blocks_new();
    mem = blocks_mem(blocks);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    blocks_free(blocks);
    return 0;
}

static void a_block_is_used_again(void **state)
{
    void *first = mem.malloc(100, mem.mem_user_data);

    (void)state;
    memset(first, 1, 100);
    mem.free(first, mem.mem_user_data);
    assert_ptr_equal(mem.malloc(128, mem.mem_user_data), first);
    mem.free(first, mem.mem_user_data);
}

static void blocks_of_all_sizes_hold_what_is_written(void **state)
{
    enum { MOST = 4096 };
    static uint8_t *taken[MOST];

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MOST; i++) {
            taken[i] = mem.malloc(i, mem.mem_user_data);
            assert_non_null(taken[i]);
            assert_int_equal((uintptr_t)taken[i] % _Alignof(max_align_t), 0);
            memset(taken[i], (int)(i & 0xff), i);
        }
        for (unsigned i = 0; i < MOST; i++) {
            for (unsigned k = 0; k < i; k++) {
                assert_int_equal(taken[i][k], i & 0xff);
            }
            mem.free(taken[i], mem.mem_user_data);
        }
    }
}

static void zeroed_blocks_are_zero_when_used_again(void **state)
{
    uint8_t *block = mem.malloc(200, mem.mem_user_data);

    (void)state;
    memset(block, 0xff, 200);
    mem.free(block, mem.mem_user_data);
    block = mem.calloc(20, 10, mem.mem_user_data);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(block[i], 0);
    }
    mem.free(block, mem.mem_user_data);
}

static void growing_keeps_the_content(void **state)
{
    char *block = mem.realloc(NULL, 10, mem.mem_user_data);

    (void)state;
    memcpy(block, "123456789", 10);
    for (size_t size = 10; size < 100000; size = size * 3 / 2) {
        block = mem.realloc(block, size, mem.mem_user_data);
        assert_string_equal(block, "123456789");
    }
    block = mem.realloc(block, 10, mem.mem_user_data);
    assert_string_equal(block, "123456789");
    mem.free(block, mem.mem_user_data);
}

static void refuses_sizes_that_overflow(void **state)
{
    (void)state;
    assert_null(mem.calloc(SIZE_MAX / 2, 3, mem.mem_user_data));
    assert_null(mem.malloc(SIZE_MAX, mem.mem_user_data));
}

static void null_is_fine(void **state)
{
    (void)state;
    mem.free(NULL, mem.mem_user_data);
    blocks_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_block_is_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocks_of_all_sizes_hold_what_is_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(zeroed_blocks_are_zero_when_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(growing_keeps_the_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_sizes_that_overflow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(null_is_fine, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
