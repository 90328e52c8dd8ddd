#include "../../src/http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_parsed(const char *text, const char *path, const char *query)
{
    char *found_query = NULL;
    char *found = target_parse(text, strlen(text), &found_query);

    assert_non_null(found);
    assert_string_equal(found, path);
    assert_string_equal(found_query, query);
    free(found);
}

static void assert_refused(const char *text, size_t length)
{
    char *query;

    assert_null(target_parse(text, length, &query));
}

static void takes_path_and_query_apart(void **state)
{
    (void)state;
    assert_parsed("/", "/", "");
    assert_parsed("/a/b", "/a/b", "");
    assert_parsed("/a?", "/a", "");
    assert_parsed("/a?b=c&d", "/a", "b=c&d");
    assert_parsed("/a?b?c/d", "/a", "b?c/d");
    assert_parsed("/?", "/", "");
}

static void leaves_them_as_they_came(void **state)
{
    (void)state;
    assert_parsed("/%2e%2E//./..;x", "/%2e%2E//./..;x", "");
    assert_parsed("/a%3Fb?%3f", "/a%3Fb", "%3f");
}

static void refuses_what_is_no_path(void **state)
{
    (void)state;
    assert_refused("", 0);
    assert_refused("a", 1);
    assert_refused("*", 1);
    assert_refused("?a", 2);
    assert_refused("/a b", 4);
    assert_refused("/a\tb", 4);
    assert_refused("/a\0b", 4);
    assert_refused("/a#b", 4);
    assert_refused("/a\x7f", 3);
    assert_refused("/\xc3\xa4", 3);
}

int main(void)
{
    const struct CMUnitTest target[] = {
        cmocka_unit_test(takes_path_and_query_apart),
        cmocka_unit_test(leaves_them_as_they_came),
        cmocka_unit_test(refuses_what_is_no_path),
    };

    return cmocka_run_group_tests(target, NULL, NULL);
}
