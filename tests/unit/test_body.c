#include "../../src/http/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/http/exchange.h"

static void grows_with_what_comes(void **state)
{
    struct body body = {0};
    struct allowance allowance = {.most = HTTP_BODIES_MAX};

    (void)state;
    assert_int_equal(body_add(&body, &allowance, "ab", 2), BODY_ADDED);
    assert_int_equal(body_add(&body, &allowance, NULL, 0), BODY_ADDED);
    assert_int_equal(body_add(&body, &allowance, "cd", 2), BODY_ADDED);
    assert_string_equal(body.bytes, "abcd");
    assert_true(allowance.used >= 5 && allowance.used <= 4096);
    body_clear(&body, &allowance);
    assert_int_equal(allowance.used, 0);
    assert_null(body.bytes);
    assert_int_equal(body_add(&body, &allowance, "e", 1), BODY_ADDED);
    assert_string_equal(body.bytes, "e");
    body_clear(&body, &allowance);
    body_clear(&body, &allowance);
    assert_int_equal(allowance.used, 0);
}

static void ends_at_its_limit(void **state)
{
    static char much[HTTP_BODY_MAX];
    struct body body = {0};
    struct allowance allowance = {.most = HTTP_BODIES_MAX};

    (void)state;
    assert_int_equal(body_add(&body, &allowance, much, HTTP_BODY_MAX), BODY_ADDED);
    assert_int_equal(body_add(&body, &allowance, "x", 1), BODY_TOO_LARGE);
    assert_int_equal(body.size, HTTP_BODY_MAX);
    body_clear(&body, &allowance);
    assert_int_equal(body_add(&body, &allowance, much, (size_t)HTTP_BODY_MAX + 1), BODY_TOO_LARGE);
    assert_int_equal(allowance.used, 0);
}

static void all_share_one_allowance(void **state)
{
    static char much[HTTP_BODY_MAX];
    struct body bodies[HTTP_BODIES_MAX / HTTP_BODY_MAX] = {{0}};
    const unsigned count = sizeof bodies / sizeof bodies[0];
    struct allowance allowance = {.most = HTTP_BODIES_MAX};
    unsigned taken = 0;

    (void)state;
    while (taken < count &&
           body_add(&bodies[taken], &allowance, much, HTTP_BODY_MAX / 2) == BODY_ADDED) {
        taken++;
    }
    assert_true(allowance.used <= HTTP_BODIES_MAX);
    while (taken > 0 &&
           body_add(&bodies[taken - 1], &allowance, much, HTTP_BODY_MAX / 2) == BODY_ADDED) {
        taken--;
    }
    assert_true(taken > 0);
    assert_int_equal(body_add(&bodies[taken - 1], &allowance, much, HTTP_BODY_MAX / 2),
                     BODY_NO_ROOM);
    body_clear(&bodies[count - 1], &allowance);
    assert_int_equal(body_add(&bodies[taken - 1], &allowance, much, HTTP_BODY_MAX / 2), BODY_ADDED);
    for (unsigned i = 0; i < count; i++) {
        body_clear(&bodies[i], &allowance);
    }
    assert_int_equal(allowance.used, 0);
}

int main(void)
{
    const struct CMUnitTest body[] = {
        cmocka_unit_test(grows_with_what_comes),
        cmocka_unit_test(ends_at_its_limit),
        cmocka_unit_test(all_share_one_allowance),
    };

    return cmocka_run_group_tests(body, NULL, NULL);
}
