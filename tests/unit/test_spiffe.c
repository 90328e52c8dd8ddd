#include "appnet/identity/spiffe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_good(const char *text, const char *trust_domain, const char *instance)
{
    struct spiffe_id id;
    char again[SPIFFE_TEXT_SIZE];

    assert_int_equal(spiffe_parse(text, strlen(text), &id, NULL), 0);
    assert_string_equal(id.trust_domain, trust_domain);
    assert_string_equal(id.instance, instance);
    spiffe_format(&id, again, sizeof(again));
    assert_string_equal(again, text);
}

static void assert_bad(const char *text, const char *sentence)
{
    struct error err = ERROR_INIT;
    struct spiffe_id id;

    assert_int_equal(spiffe_parse(text, strlen(text), &id, &err), -1);
    assert_non_null(strstr(err.text, sentence));
}

static void takes_the_exact_form(void **state)
{
    (void)state;
    assert_good("spiffe://shop.example/instance/web-1", "shop.example", "web-1");
    assert_good("spiffe://shop.example", "shop.example", "");
    assert_good("spiffe://a/instance/b", "a", "b");
}

static void knows_the_registry(void **state)
{
    struct spiffe_id registry;
    struct spiffe_id other;
    char text[SPIFFE_TEXT_SIZE];

    (void)state;
    assert_int_equal(spiffe_parse("spiffe://shop.example/registry",
                                  strlen("spiffe://shop.example/registry"), &registry, NULL),
                     0);
    assert_true(registry.is_registry);
    assert_string_equal(registry.trust_domain, "shop.example");
    assert_string_equal(registry.instance, "");
    spiffe_format(&registry, text, sizeof text);
    assert_string_equal(text, "spiffe://shop.example/registry");
    assert_bad("spiffe://shop.example/registry/", "not of the form");
    assert_bad("spiffe://shop.example/registry/x", "not of the form");
    assert_bad("spiffe://shop.example/registr", "not of the form");
    assert_bad("spiffe://shop.example/Registry", "not of the form");
    /* An instance of that name is not the registry, nor is the trust domain itself. */
    assert_int_equal(spiffe_parse("spiffe://shop.example/instance/registry",
                                  strlen("spiffe://shop.example/instance/registry"), &other, NULL),
                     0);
    assert_false(other.is_registry);
    assert_string_equal(other.instance, "registry");
    assert_false(spiffe_equal(&registry, &other));
    assert_int_equal(
        spiffe_parse("spiffe://shop.example", strlen("spiffe://shop.example"), &other, NULL), 0);
    assert_false(spiffe_equal(&registry, &other));
    other.is_registry = true;
    assert_true(spiffe_equal(&registry, &other));
}

static void refuses_anything_else(void **state)
{
    (void)state;
    assert_bad("", "begin with spiffe://");
    assert_bad("spiffe:/", "begin with spiffe://");
    assert_bad("https://shop.example/instance/web", "begin with spiffe://");
    assert_bad("SPIFFE://shop.example/instance/web", "begin with spiffe://");
    assert_bad(" spiffe://shop.example", "begin with spiffe://");
    assert_bad("spiffe://", "trust domain is not");
    assert_bad("spiffe:///instance/web", "trust domain is not");
    assert_bad("spiffe://Shop.example/instance/web", "trust domain is not");
    assert_bad("spiffe://shop.example:80/instance/web", "trust domain is not");
    assert_bad("spiffe://user@shop.example/instance/web", "trust domain is not");
    assert_bad("spiffe://shop.example/", "not of the form");
    assert_bad("spiffe://shop.example/instance", "not of the form");
    assert_bad("spiffe://shop.example//instance/web", "not of the form");
    assert_bad("spiffe://shop.example/ns/x/sa/web", "not of the form");
    assert_bad("spiffe://shop.example?x", "trust domain is not");
    assert_bad("spiffe://shop.example/instance/", "instance is not");
    assert_bad("spiffe://shop.example/instance/web/", "instance is not");
    assert_bad("spiffe://shop.example/instance/web?x", "instance is not");
    assert_bad("spiffe://shop.example/instance/web#x", "instance is not");
    assert_bad("spiffe://shop.example/instance/Web", "instance is not");
    assert_bad("spiffe://shop.example/instance/%77eb", "instance is not");
    assert_bad("spiffe://shop.example/instance/..", "instance is not");
}

/* "web" and "web\0.evil" must never be the same name. */
static void refuses_zero_bytes(void **state)
{
    static const char text[] = "spiffe://shop.example/instance/web\0-evil";
    static const char domain[] = "spiffe://shop\0example";
    struct spiffe_id id;

    (void)state;
    assert_int_equal(spiffe_parse(text, sizeof(text) - 1, &id, NULL), -1);
    assert_int_equal(spiffe_parse(text, strlen(text) + 1, &id, NULL), -1);
    assert_int_equal(spiffe_parse(text, strlen(text), &id, NULL), 0);
    assert_int_equal(spiffe_parse(domain, sizeof(domain) - 1, &id, NULL), -1);
}

static void refuses_every_cut(void **state)
{
    static const char text[] = "spiffe://shop/instance/w";
    struct spiffe_id id;

    (void)state;
    for (size_t length = 0; length < strlen(text); length++) {
        bool domain_alone = length > strlen("spiffe://") && length <= strlen("spiffe://shop");

        assert_int_equal(spiffe_parse(text, length, &id, NULL), domain_alone ? 0 : -1);
    }
}

static void holds_the_longest_names(void **state)
{
    char text[SPIFFE_TEXT_SIZE + 10];
    char again[SPIFFE_TEXT_SIZE];
    char domain[TRUST_DOMAIN_SIZE];
    char name[NAME_SIZE + 1];
    struct spiffe_id id;

    (void)state;
    for (size_t i = 0; i < 255; i++)
        domain[i] = i % 5 == 4 ? '.' : 'd';
    domain[254] = 'd';
    domain[255] = '\0';
    memset(name, 'n', sizeof(name));
    snprintf(text, sizeof(text), "spiffe://%s/instance/%.63s", domain, name);
    assert_int_equal(spiffe_parse(text, strlen(text), &id, NULL), 0);
    spiffe_format(&id, again, sizeof(again));
    assert_string_equal(again, text);
    snprintf(text, sizeof(text), "spiffe://%s/instance/%.64s", domain, name);
    assert_bad(text, "instance is not");
}

int main(void)
{
    const struct CMUnitTest spiffe[] = {
        cmocka_unit_test(takes_the_exact_form),  cmocka_unit_test(knows_the_registry),
        cmocka_unit_test(refuses_anything_else), cmocka_unit_test(refuses_zero_bytes),
        cmocka_unit_test(refuses_every_cut),     cmocka_unit_test(holds_the_longest_names),
    };

    return cmocka_run_group_tests(spiffe, NULL, NULL);
}
