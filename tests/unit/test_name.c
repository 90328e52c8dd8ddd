#include "appnet/base/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_name(const char *text, bool expected)
{
    assert_int_equal(name_valid(text, strlen(text)), expected);
}

static void assert_domain(const char *text, bool expected)
{
    assert_int_equal(trust_domain_valid(text, strlen(text)), expected);
}

static void takes_names(void **state)
{
    (void)state;
    assert_name("a", true);
    assert_name("0", true);
    assert_name("wordpress-1", true);
    assert_name("a--b", true);
    assert_name("", false);
    assert_name("-a", false);
    assert_name("a-", false);
    assert_name("A", false);
    assert_name("a_b", false);
    assert_name("a.b", false);
    assert_name("a/b", false);
    assert_name("\xc3\xa9", false);
    assert_false(name_valid("a\0b", 3));
}

static void holds_the_length_of_names(void **state)
{
    char text[70];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_true(name_valid(text, 63));
    assert_false(name_valid(text, 64));
}

static void takes_trust_domains(void **state)
{
    (void)state;
    assert_domain("shop.example", true);
    assert_domain("a", true);
    assert_domain("a.b-c.1", true);
    assert_domain("", false);
    assert_domain(".", false);
    assert_domain(".a", false);
    assert_domain("a.", false);
    assert_domain("a..b", false);
    assert_domain("a.-b", false);
    assert_domain("Shop.example", false);
    assert_domain("shop.example:80", false);
    assert_domain("shop/example", false);
    assert_false(trust_domain_valid("a\0b", 3));
}

static void holds_the_length_of_trust_domains(void **state)
{
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 4 == 3 ? '.' : 'a';
    assert_true(trust_domain_valid(text, 255));
    text[255] = 'a';
    assert_false(trust_domain_valid(text, 256));
    memset(text, 'a', sizeof(text));
    assert_false(trust_domain_valid(text, 64));
}

int main(void)
{
    const struct CMUnitTest name[] = {
        cmocka_unit_test(takes_names),
        cmocka_unit_test(holds_the_length_of_names),
        cmocka_unit_test(takes_trust_domains),
        cmocka_unit_test(holds_the_length_of_trust_domains),
    };

    return cmocka_run_group_tests(name, NULL, NULL);
}
