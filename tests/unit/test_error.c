#include "appnet/base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void sets_a_sentence(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(err.text[0], '\0');
    assert_int_equal(error_set(&err, "port %d is taken", 80), -1);
    assert_string_equal(err.text, "port 80 is taken");
}

static void names_the_error_number(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(error_set_errno(&err, ENOENT, "cannot open %s", "a"), -1);
    assert_string_equal(err.text, "cannot open a: No such file or directory");
}

static void puts_a_prefix_in_front(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    error_set(&err, "expected a number");
    assert_int_equal(error_prefix(&err, "%s:%d", "web.conf", 3), -1);
    assert_string_equal(err.text, "web.conf:3: expected a number");
}

static void may_quote_itself(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    error_set(&err, "inner");
    error_set(&err, "%s and %s", err.text, "outer");
    assert_string_equal(err.text, "inner and outer");
}

static void cuts_what_is_too_long(void **state)
{
    struct error err = ERROR_INIT;
    char text[ERROR_TEXT_SIZE * 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    error_set(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_SIZE - 1);
    error_set_errno(&err, EINTR, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_SIZE - 1);
    error_prefix(&err, "p");
    assert_int_equal(strlen(err.text), ERROR_TEXT_SIZE - 1);
    assert_memory_equal(err.text, "p: xxx", 6);
}

static void takes_no_error_at_all(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, "x"), -1);
    assert_int_equal(error_set_errno(NULL, EPERM, "x"), -1);
    assert_int_equal(error_prefix(NULL, "x"), -1);
}

/* In characters of UTF-8, not in the middle of one. */
static void cuts_between_characters(void **state)
{
    struct error err = ERROR_INIT;
    char text[ERROR_TEXT_SIZE + 1] = "";

    (void)state;
    while (strlen(text) + 2 < sizeof(text))
        strcat(text, "\xc3\xa9");
    error_set(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_SIZE - 1);
    assert_string_equal(err.text + ERROR_TEXT_SIZE - 4, "\xc3\xa9?");
    text[ERROR_TEXT_SIZE - 16] = '\0';
    error_set(&err, "%s", text);
    error_prefix(&err, "%s", "two replicas of shop");
    assert_string_equal(err.text + ERROR_TEXT_SIZE - 4, "\xc3\xa9?");
}

int main(void)
{
    const struct CMUnitTest error[] = {
        cmocka_unit_test(sets_a_sentence),         cmocka_unit_test(names_the_error_number),
        cmocka_unit_test(puts_a_prefix_in_front),  cmocka_unit_test(may_quote_itself),
        cmocka_unit_test(cuts_what_is_too_long),   cmocka_unit_test(takes_no_error_at_all),
        cmocka_unit_test(cuts_between_characters),
    };

    return cmocka_run_group_tests(error, NULL, NULL);
}
