#include "appnet/base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void wipes(void **state)
{
    char secret[16] = "0123456789abcde";
    static const char zeros[16];

    (void)state;
    secret_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, zeros, sizeof(secret));
    secret_wipe(NULL, 0);
}

static void compares(void **state)
{
    (void)state;
    assert_true(secret_equal("abcd", "abcd", 4));
    assert_false(secret_equal("abcd", "abce", 4));
    assert_false(secret_equal("xbcd", "abcd", 4));
    assert_true(secret_equal("abcx", "abcy", 3));
    assert_true(secret_equal("a", "b", 0));
    assert_false(secret_equal("\x80", "\0", 1));
}

static void fills_all_bytes(void **state)
{
    unsigned char bytes[4096];
    unsigned char seen[4096] = {0};

    (void)state;
    for (int round = 0; round < 8; round++) {
        random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes); i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof(seen); i++)
        assert_int_not_equal(seen[i], 0);
    random_bytes(bytes, 0);
}

static void draws_every_number_below(void **state)
{
    bool seen[7] = {false};

    (void)state;
    for (int i = 0; i < 2000; i++) {
        uint32_t number = random_below(7);

        assert_true(number < 7);
        seen[number] = true;
    }
    for (int i = 0; i < 7; i++)
        assert_true(seen[i]);
    assert_int_equal(random_below(1), 0);
    assert_true(random_below(UINT32_MAX) < UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest secret[] = {
        cmocka_unit_test(wipes),
        cmocka_unit_test(compares),
        cmocka_unit_test(fills_all_bytes),
        cmocka_unit_test(draws_every_number_below),
    };

    return cmocka_run_group_tests(secret, NULL, NULL);
}
