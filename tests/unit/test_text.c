#include "appnet/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_repaired(const char *text, const char *expected)
{
    char copy[64];

    snprintf(copy, sizeof copy, "%s", text);
    text_repair(copy);
    assert_string_equal(copy, expected);
}

static void what_is_whole_stays(void **state)
{
    static const char *const whole[] = {"",
                                        "plain",
                                        "\x7f",
                                        "\xc2\x80",
                                        "caf\xc3\xa9 au lait",
                                        "\xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbd",
                                        "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"};

    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        assert_repaired(whole[i], whole[i]);
    }
}

static void what_is_not_is_replaced(void **state)
{
    (void)state;
    assert_repaired("caf\xc3", "caf?");
    assert_repaired("\xe2\x82", "??");
    assert_repaired("\xf0\x9f\x98", "???");
    assert_repaired("\xf0\x9f\x98 and more", "??? and more");
    assert_repaired("\x80 \xbf \xff \xc0\x80 \xc1\xbf", "? ? ? ?? ??");
    assert_repaired("\xe0\x9f\xbf \xf0\x8f\xbf\xbf", "??? ????"); /* longer than need be */
    assert_repaired("\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"); /* no characters */
    assert_repaired("\xc3\xc3\xa9", "?\xc3\xa9");
}

int main(void)
{
    const struct CMUnitTest text[] = {
        cmocka_unit_test(what_is_whole_stays),
        cmocka_unit_test(what_is_not_is_replaced),
    };

    return cmocka_run_group_tests(text, NULL, NULL);
}
