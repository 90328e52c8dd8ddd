#include "appnet/registry/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "registry_support.h"

static void ids_are_valid_and_differ(void **state)
{
    char a[MODEL_CONNECTION_ID_SIZE];
    char b[MODEL_CONNECTION_ID_SIZE];

    (void)state;
    model_connection_id_make(a);
    model_connection_id_make(b);
    assert_int_equal(strlen(a), 14);
    assert_true(model_connection_id_valid(a));
    assert_true(model_connection_id_valid(b));
    assert_string_not_equal(a, b);
}

static void knows_what_is_no_id(void **state)
{
    static const char *const wrong[] = {"",
                                        "c-",
                                        "c-0123456789a",
                                        "c-0123456789abc",
                                        "x-0123456789ab",
                                        "c-0123456789aB",
                                        "c-0123456789a/",
                                        "0123456789abcd"};

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(model_connection_id_valid(wrong[i]));
    }
    assert_true(model_connection_id_valid("c-0123456789ab"));
}

static void finds_interfaces_by_name(void **state)
{
    struct model_instance *instance = support_instance("shop", "db! cache http:80");

    (void)state;
    assert_int_equal(instance->interface_count, 3);
    assert_true(model_interface_find(instance, "db")->required);
    assert_int_equal(model_interface_find(instance, "http")->port, 80);
    assert_int_equal(model_interface_find(instance, "http")->direction, MODEL_INBOUND);
    assert_null(model_interface_find(instance, "ht"));
    assert_null(model_interface_find(instance, ""));
    model_instance_free(instance);
}

static void copies_are_their_own(void **state)
{
    struct model_instance *instance = support_instance("shop", "db http:80");
    struct model_instance *copy = model_instance_copy(instance);
    struct model_instance *empty = support_instance("nothing", "");
    struct model_instance *same = model_instance_copy(empty);

    (void)state;
    assert_true(model_interfaces_equal(instance, copy));
    instance->interfaces[0].required = true;
    assert_false(copy->interfaces[0].required);
    assert_false(model_interfaces_equal(instance, copy));
    assert_true(model_interfaces_equal(empty, same));
    model_instance_free(instance);
    model_instance_free(copy);
    model_instance_free(empty);
    model_instance_free(same);
    model_instance_free(NULL);
}

static void compares_interfaces_in_any_order(void **state)
{
    struct model_instance *a = support_instance("shop", "db! http:80");
    static const char *const others[] = {"db http:80",   "db! http:81",       "db! http", "db!",
                                         "db! https:80", "db! http:80 cache", ""};

    (void)state;
    struct model_instance *b = support_instance("shop", "http:80 db!");
    assert_true(model_interfaces_equal(a, b));
    model_instance_free(b);
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        b = support_instance("shop", others[i]);
        assert_false(model_interfaces_equal(a, b));
        assert_false(model_interfaces_equal(b, a));
        model_instance_free(b);
    }
    model_instance_free(a);
}

int main(void)
{
    const struct CMUnitTest model[] = {
        cmocka_unit_test(ids_are_valid_and_differ),         cmocka_unit_test(knows_what_is_no_id),
        cmocka_unit_test(finds_interfaces_by_name),         cmocka_unit_test(copies_are_their_own),
        cmocka_unit_test(compares_interfaces_in_any_order),
    };

    return cmocka_run_group_tests(model, NULL, NULL);
}
