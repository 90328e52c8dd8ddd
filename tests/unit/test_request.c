#include "appnet/tunnel/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AUTHORITY "sql.mysql.shop.example:3306"

/* From memory of the exact size, so that AddressSanitizer sees a look behind it. */
static bool parse(const char *text, size_t length, struct stream_request *out)
{
    char *copy = malloc(length + 1);
    bool parsed;

    assert_non_null(copy);
    memcpy(copy + 1, text, length);
    parsed = request_parse_authority(copy + 1, length, out);
    free(copy);
    return parsed;
}

static bool parses(const char *text)
{
    struct stream_request request;

    return parse(text, strlen(text), &request);
}

static void takes_an_authority_apart(void **state)
{
    struct stream_request request = {.outbound = "db", .probe = true};

    (void)state;
    assert_true(parse(AUTHORITY, strlen(AUTHORITY), &request));
    assert_string_equal(request.inbound, "sql");
    assert_string_equal(request.instance, "mysql");
    assert_string_equal(request.trust_domain, "shop.example");
    assert_int_equal(request.port, 3306);
    assert_string_equal(request.outbound, "db"); /* not the authority's business */
    assert_true(request.probe);
    assert_true(parses("a.b.c:1"));
    assert_true(parses("a.b.c:65535"));
    assert_true(parses("a-1.b-2.c-3.d.e.f:80"));
}

static void takes_the_longest_names(void **state)
{
    struct stream_request request = {.port = 65535};
    struct stream_request parsed;
    char text[REQUEST_AUTHORITY_SIZE];
    size_t length;

    (void)state;
    memset(request.inbound, 'i', NAME_SIZE - 1);
    memset(request.instance, 'n', NAME_SIZE - 1);
    for (int label = 0; label < 4; label++) {
        memset(request.trust_domain + 64 * label, 'd', 63);
        request.trust_domain[64 * label + 63] = label < 3 ? '.' : '\0';
    }
    length = request_format_authority(&request, text, sizeof(text));
    assert_int_equal(length, 63 + 1 + 63 + 1 + 255 + 6);
    assert_int_equal(strlen(text), length);
    assert_true(parse(text, length, &parsed));
    assert_string_equal(parsed.inbound, request.inbound);
    assert_string_equal(parsed.instance, request.instance);
    assert_string_equal(parsed.trust_domain, request.trust_domain);
    assert_int_equal(parsed.port, 65535);
}

static void refuses_what_is_malformed(void **state)
{
    static const char *const malformed[] = {
        "",
        ":",
        ".",
        "..:",
        "a",
        "a.b",
        "a.b:1",
        "a:1",
        "a.b.c",
        "a.b.c:",
        ".b.c:1",
        "a..c:1",
        "a.b.:1",
        "a.b..c:1",
        "a.b.c.:1",
        "a.b.c:0",
        "a.b.c:01",
        "a.b.c:65536",
        "a.b.c:99999",
        "a.b.c:100000",
        "a.b.c:4294967297",
        "a.b.c:-1",
        "a.b.c:+1",
        "a.b.c: 1",
        "a.b.c:1 ",
        "a.b.c:0x1",
        "a.b.c:1.2",
        "a.b.c:1:2",
        "A.b.c:1",
        "a.B.c:1",
        "a.b.C:1",
        "a_.b.c:1",
        "-a.b.c:1",
        "a-.b.c:1",
        "a.-b.c:1",
        "a.b.-c:1",
        "a b.c.d:1",
        "user@a.b.c:1",
        "[::1]:1",
        "a.b.c/d:1",
        "a:1.b.c",
        "a:1.b:2.c:3",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        if (parses(malformed[i]))
            fail_msg("%s was taken for an authority", malformed[i]);
    }
}

static void refuses_names_that_are_too_long(void **state)
{
    char text[700];
    char name[257];

    (void)state;
    memset(name, 'a', sizeof(name));
    snprintf(text, sizeof(text), "%.64s.b.c:1", name);
    assert_false(parses(text));
    snprintf(text, sizeof(text), "a.%.64s.c:1", name);
    assert_false(parses(text));
    snprintf(text, sizeof(text), "a.b.%.64s:1", name);
    assert_false(parses(text));
    snprintf(text, sizeof(text), "a.b.%.63s.%.63s.%.63s.%.63s.x:1", name, name, name, name);
    assert_false(parses(text));
}

/* Whatever is taken must be written again as it was. */
static bool same_again(const char *text, size_t length)
{
    struct stream_request request;
    char again[REQUEST_AUTHORITY_SIZE];

    if (!parse(text, length, &request))
        return true;
    return request_format_authority(&request, again, sizeof(again)) == length &&
           memcmp(again, text, length) == 0;
}

static void survives_being_cut_anywhere(void **state)
{
    static const char text[] = AUTHORITY;

    (void)state;
    for (size_t begin = 0; begin < strlen(text); begin++) {
        for (size_t end = begin; end <= strlen(text); end++)
            assert_true(same_again(&text[begin], end - begin));
    }
}

static void survives_any_byte_anywhere(void **state)
{
    char text[] = AUTHORITY;
    size_t length = strlen(text);

    (void)state;
    for (size_t place = 0; place < length; place++) {
        for (int value = 0; value < 256; value++) {
            text[place] = (char)value;
            assert_true(same_again(text, length));
        }
        text[place] = AUTHORITY[place];
    }
}

static void survives_mixtures(void **state)
{
    static const char alphabet[] = "a9-..::\0Z";
    uint32_t random = 1;
    unsigned taken = 0;

    (void)state;
    for (int round = 0; round < 300000; round++) {
        struct stream_request request;
        char text[16];
        size_t length;

        random = random * 1664525 + 1013904223;
        length = random >> 28;
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
        }
        taken += parse(text, length, &request);
        assert_true(same_again(text, length));
    }
    assert_true(taken > 0);
}

static void is_cut_where_there_is_no_room(void **state)
{
    struct stream_request request = {
        .inbound = "sql", .instance = "mysql", .trust_domain = "shop.example", .port = 3306};
    char text[10];

    (void)state;
    assert_int_equal(request_format_authority(&request, text, sizeof(text)), strlen(AUTHORITY));
    assert_string_equal(text, "sql.mysql");
}

int main(void)
{
    const struct CMUnitTest request[] = {
        cmocka_unit_test(takes_an_authority_apart),
        cmocka_unit_test(takes_the_longest_names),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(refuses_names_that_are_too_long),
        cmocka_unit_test(survives_being_cut_anywhere),
        cmocka_unit_test(survives_any_byte_anywhere),
        cmocka_unit_test(survives_mixtures),
        cmocka_unit_test(is_cut_where_there_is_no_room),
    };

    return cmocka_run_group_tests(request, NULL, NULL);
}
