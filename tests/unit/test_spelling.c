#include "../../src/config/spelling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void finds_near_spellings(void **state)
{
    (void)state;
    assert_true(spelling_near("listen", "listen"));
    assert_true(spelling_near("lisen", "listen"));
    assert_true(spelling_near("listne", "listen"));
    assert_true(spelling_near("xlistenx", "listen"));
    assert_true(spelling_near("metric", "metrics"));
    assert_false(spelling_near("port", "listen"));
    assert_false(spelling_near("xxlistenx", "listen"));
}

static void says_nothing_of_very_short_or_long_ones(void **state)
{
    (void)state;
    assert_false(spelling_near("", "ca"));
    assert_false(spelling_near("cb", "ca"));
    assert_false(spelling_near("listen", ""));
    assert_true(
        spelling_near("1234567890123456789012345678901", "1234567890123456789012345678901"));
    assert_false(
        spelling_near("12345678901234567890123456789012", "1234567890123456789012345678901"));
}

int main(void)
{
    const struct CMUnitTest spelling[] = {
        cmocka_unit_test(finds_near_spellings),
        cmocka_unit_test(says_nothing_of_very_short_or_long_ones),
    };

    return cmocka_run_group_tests(spelling, NULL, NULL);
}
