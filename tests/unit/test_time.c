#include "appnet/base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_time(int64_t seconds, const char *expected)
{
    char text[TIME_TEXT_SIZE];

    time_format(seconds, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void formats_moments(void **state)
{
    (void)state;
    assert_time(0, "1970-01-01T00:00:00Z");
    assert_time(1795449900, "2026-11-23T16:05:00Z");
    assert_time(4102444800, "2100-01-01T00:00:00Z");
    assert_time(253402300799, "9999-12-31T23:59:59Z");
    assert_time(-1, "1969-12-31T23:59:59Z");
}

static void never_overruns(void **state)
{
    char text[8];

    (void)state;
    assert_time(INT64_MAX, "-");
    time_format(0, text, sizeof(text));
    assert_string_equal(text, "-");
}

int main(void)
{
    const struct CMUnitTest time[] = {
        cmocka_unit_test(formats_moments),
        cmocka_unit_test(never_overruns),
    };

    return cmocka_run_group_tests(time, NULL, NULL);
}
