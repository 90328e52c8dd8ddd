#include "../../src/http/http1_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* From memory of exactly that size, so that a read too far is found. */
static unsigned parse(const char *text, struct http1_head *head)
{
    size_t size = strlen(text);
    char *copy = malloc(size);
    const char *why = NULL;
    unsigned status;

    assert_non_null(copy);
    memcpy(copy, text, size);
    status = http1_head_parse(copy, size, head, &why);
    free(copy);
    if (status != 0) {
        assert_non_null(why);
        assert_true(strlen(why) > 10);
    }
    return status;
}

static void assert_refused(const char *text, unsigned status)
{
    struct http1_head head;
    unsigned got = parse(text, &head);

    if (got != status) {
        fail_msg("%u, not %u: %s", got, status, text);
    }
    http1_head_clear(&head);
}

#define WITH(fields) "GET / HTTP/1.1\r\nHost: x\r\n" fields "\r\n"

static void takes_a_request_apart(void **state)
{
    struct http1_head head;

    (void)state;
    assert_int_equal(
        parse("POST /a%20b/c?d=e?f HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nX:\t y z \r\n\r\n",
              &head),
        0);
    assert_string_equal(head.method, "POST");
    assert_string_equal(head.path, "/a%20b/c");
    assert_string_equal(head.query, "d=e?f");
    assert_int_equal(head.length, 12);
    assert_string_equal(fields_find(&head.fields, "x"), "y z");
    assert_false(head.old || head.close || head.chunked || head.expects || head.is_head);
    http1_head_clear(&head);
    assert_null(head.path);
}

static void knows_the_forms_of_a_target(void **state)
{
    struct http1_head head;

    (void)state;
    assert_int_equal(parse("GET http://a:1/b?c HTTP/1.1\r\nHost: x\r\n\r\n", &head), 0);
    assert_string_equal(head.path, "/b");
    assert_string_equal(head.query, "c");
    http1_head_clear(&head);
    assert_int_equal(parse("GET HTTP://a HTTP/1.1\r\nHost: x\r\n\r\n", &head), 0);
    assert_string_equal(head.path, "/");
    assert_string_equal(head.query, "");
    http1_head_clear(&head);
    /* no path begins in a query */
    assert_refused("GET http://a?b=/c HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("GET http://a#/c HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("GET  HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400);
}

static void refuses_other_request_lines(void **state)
{
    (void)state;
    assert_refused("\r\n", 400);
    assert_refused("GET\r\n\r\n", 400);
    assert_refused("GET /\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400);
    assert_refused("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("GET / http/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("ABCDEFGHIJKLMNOP / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused(" / HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    assert_refused("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505);
    assert_refused("GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505);
}

static void refuses_fields_that_are_in_doubt(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400);
    assert_refused(WITH("Host: y\r\n"), 400);
    assert_refused(WITH("A : b\r\n"), 400);
    assert_refused(WITH(": b\r\n"), 400);
    assert_refused(WITH("no colon\r\n"), 400);
    assert_refused(WITH("A: b\r\n folded\r\n"), 400);
    assert_refused(WITH("A: b\nB: c\r\n"), 400);
    assert_refused(WITH("A: b\rB: c\r\n"), 400);
    assert_refused(WITH("A: \x7f\r\n"), 400);
    assert_refused(WITH("Authorization: a\r\nauthorization: b\r\n"), 400);
    assert_refused(WITH("Expect: a miracle\r\n"), 417);
}

static void refuses_a_length_that_is_in_doubt(void **state)
{
    (void)state;
    assert_refused(WITH("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400);
    assert_refused(WITH("Content-Length: 1\r\nContent-Length: 1\r\n"), 400);
    assert_refused(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
    assert_refused(WITH("Content-Length: 1, 1\r\n"), 400);
    assert_refused(WITH("Content-Length: -1\r\n"), 400);
    assert_refused(WITH("Content-Length: +1\r\n"), 400);
    assert_refused(WITH("Content-Length: 0x1\r\n"), 400);
    assert_refused(WITH("Content-Length:\r\n"), 400);
    assert_refused(WITH("Content-Length: 9999999999999999999999\r\n"), 400);
    assert_refused(WITH("Transfer-Encoding: gzip, chunked\r\n"), 501);
    assert_refused(WITH("Transfer-Encoding: xchunked\r\n"), 501);
    assert_refused("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
}

static void knows_when_the_connection_ends(void **state)
{
    static const struct {
        const char *text;
        bool old, close;
    } cases[] = {
        {WITH(""), false, false},
        {WITH("Connection: keep-alive\r\n"), false, false},
        {WITH("Connection: closed\r\n"), false, false},
        {WITH("Connection: CLOSE\r\n"), false, true},
        {WITH("Connection: a ,\tclose , b\r\n"), false, true},
        {WITH("Connection: a\r\nConnection: close\r\n"), false, true},
        {WITH("Connection: \r\nConnection: b\r\n"), false, false},
        {"GET / HTTP/1.0\r\n\r\n", true, true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, true},
    };
    struct http1_head head;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].text, &head), 0);
        assert_int_equal(head.old, cases[i].old);
        assert_int_equal(head.close, cases[i].close);
        http1_head_clear(&head);
    }
}

static void knows_who_waits_to_be_told(void **state)
{
    struct http1_head head;

    (void)state;
    assert_int_equal(parse(WITH("Content-Length: 5\r\nExpect: 100-Continue\r\n"), &head), 0);
    assert_true(head.expects);
    http1_head_clear(&head);
    assert_int_equal(parse(WITH("Transfer-Encoding: Chunked\r\nExpect: 100-continue\r\n"), &head),
                     0);
    assert_true(head.expects && head.chunked);
    http1_head_clear(&head);
    assert_int_equal(parse(WITH("Expect: 100-continue\r\n"), &head), 0);
    assert_false(head.expects);
    http1_head_clear(&head);
}

static void shows_a_head_as_a_get(void **state)
{
    struct http1_head head;

    (void)state;
    assert_int_equal(parse("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", &head), 0);
    assert_true(head.is_head);
    assert_string_equal(head.method, "GET");
    http1_head_clear(&head);
}

static void takes_so_many_fields_and_no_more(void **state)
{
    char text[4096] = "GET / HTTP/1.1\r\nHost: x\r\n";
    struct http1_head head;

    (void)state;
    for (int i = 1; i < FIELDS_MAX; i++) {
        strcat(text, "a: b\r\n");
    }
    strcat(text, "\r\n");
    assert_int_equal(parse(text, &head), 0);
    assert_int_equal(head.fields.count, FIELDS_MAX);
    http1_head_clear(&head);
    strcpy(text + strlen(text) - 2, "a: b\r\n\r\n");
    assert_refused(text, 431);
}

/* Whatever it is made of, it is taken or refused, and nothing is read behind its end. */
static void survives_anything(void **state)
{
    static const char text[] = "POST http://a/b?c HTTP/1.1\r\nHost: x\r\nContent-Length: "
                               "1\r\nExpect: 100-continue\r\n\r\n";
    char copy[sizeof text];
    struct http1_head head;

    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, text, sizeof text);
        for (int changes = rand() % 4; changes >= 0; changes--) {
            const char other = text[rand() % (int)(sizeof text - 1)];
            copy[rand() % (int)(sizeof text - 1)] = (char)(rand() % 2 ? other : rand() % 255 + 1);
        }
        copy[rand() % (int)sizeof text] = '\0';
        parse(copy, &head);
        http1_head_clear(&head);
    }
}

int main(void)
{
    const struct CMUnitTest http1_head[] = {
        cmocka_unit_test(takes_a_request_apart),
        cmocka_unit_test(knows_the_forms_of_a_target),
        cmocka_unit_test(refuses_other_request_lines),
        cmocka_unit_test(refuses_fields_that_are_in_doubt),
        cmocka_unit_test(refuses_a_length_that_is_in_doubt),
        cmocka_unit_test(knows_when_the_connection_ends),
        cmocka_unit_test(knows_who_waits_to_be_told),
        cmocka_unit_test(shows_a_head_as_a_get),
        cmocka_unit_test(takes_so_many_fields_and_no_more),
        cmocka_unit_test(survives_anything),
    };

    return cmocka_run_group_tests(http1_head, NULL, NULL);
}
