#include "appnet/base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_seconds(const char *text, int64_t expected)
{
    int64_t seconds = 0;

    assert_int_equal(duration_parse(text, &seconds, NULL), 0);
    assert_int_equal(seconds, expected);
}

static void assert_bad(const char *text, const char *sentence)
{
    struct error err = ERROR_INIT;
    int64_t seconds;

    assert_int_equal(duration_parse(text, &seconds, &err), -1);
    assert_non_null(strstr(err.text, sentence));
}

static void takes_all_units(void **state)
{
    (void)state;
    assert_seconds("1s", 1);
    assert_seconds("90s", 90);
    assert_seconds("15m", 900);
    assert_seconds("24h", 86400);
    assert_seconds("7d", 604800);
    assert_seconds("36500d", 36500LL * 86400);
}

static void refuses_other_forms(void **state)
{
    (void)state;
    assert_bad("", "expected a number");
    assert_bad("h", "expected a number");
    assert_bad("24", "expected a number");
    assert_bad("24x", "expected a number");
    assert_bad("24hours", "expected a number");
    assert_bad("1h30m", "expected a number");
    assert_bad("-1h", "expected a number");
    assert_bad(" 1h", "expected a number");
    assert_bad("1.5h", "expected a number");
}

static void holds_the_range(void **state)
{
    (void)state;
    assert_bad("0s", "100 years");
    assert_bad("36501d", "100 years");
    assert_bad("9999999999d", "100 years");
    assert_bad("99999999999999999999999s", "100 years");
}

int main(void)
{
    const struct CMUnitTest duration[] = {
        cmocka_unit_test(takes_all_units),
        cmocka_unit_test(refuses_other_forms),
        cmocka_unit_test(holds_the_range),
    };

    return cmocka_run_group_tests(duration, NULL, NULL);
}
