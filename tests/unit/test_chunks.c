#include "../../src/http/chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What comes of `text` in pieces of `step` bytes: the body, '!' if it is malformed, '+' if there is
 * more to come, or what is left behind its end. */
static const char *body_of(const char *text, size_t step)
{
    static char out[4096];
    struct chunks chunks = {0};
    size_t size = strlen(text);
    size_t used = 0;
    size_t at = 0;

    while (at < size) {
        size_t piece = size - at < step ? size - at : step;
        char *copy = malloc(piece);
        const char *plain = NULL;
        size_t length = 0;
        size_t taken;
        enum chunks_result result;

        assert_non_null(copy);
        memcpy(copy, text + at, piece);
        result = chunks_take(&chunks, copy, piece, &taken, &plain, &length);
        assert_true(taken <= piece);
        if (result == CHUNKS_DATA) {
            memcpy(out + used, plain, length);
            used += length;
        }
        free(copy);
        at += taken;
        if (result == CHUNKS_END) {
            snprintf(out + used, sizeof out - used, "|%s", text + at);
            return out;
        }
        if (result == CHUNKS_MALFORMED) {
            strcpy(out + used, "!");
            return out;
        }
    }
    strcpy(out + used, "+");
    return out;
}

static void assert_body(const char *text, const char *body)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        assert_string_equal(body_of(text, step), body);
    }
}

static void puts_chunks_together(void **state)
{
    (void)state;
    assert_body("0\r\n\r\n", "|");
    assert_body("3\r\nabc\r\n0\r\n\r\nrest", "abc|rest");
    assert_body("1\r\na\r\n00A\r\n0123456789\r\n0\r\n\r\n", "a0123456789|");
    assert_body("a\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\nGET", "0123456789|GET");
    assert_body("2;x=\"y\";z\r\n\r\n\r\n0;end\r\n\r\n", "\r\n|");
}

static void waits_for_the_rest(void **state)
{
    (void)state;
    assert_body("3", "+");
    assert_body("3\r", "+");
    assert_body("3\r\nab", "ab+");
    assert_body("3\r\nabc\r\n0\r\n", "abc+");
    assert_body("0\r\nA: b\r\n", "+");
}

static void refuses_what_is_not_in_chunks(void **state)
{
    (void)state;
    assert_body("\r\n", "!");
    assert_body("x\r\n", "!");
    assert_body(" 3\r\nabc", "!");
    assert_body("3 \r\nabc", "!");
    assert_body("0x3\r\nabc", "!");
    assert_body("-1\r\n", "!");
    assert_body("3\nabc", "!");
    assert_body("3\r\nabcd\r\n", "abc!");
    assert_body("3\r\nabc\n0\r\n\r\n", "abc!");
    assert_body("3\r\nabc\rx", "abc!");
    assert_body("123456789\r\n", "!");
    assert_body("3;a\nb\r\nabc\r\n", "!");
    assert_body("0\r\n\rx", "!");
    assert_body("0\r\nA\nB\r\n\r\n", "!");
}

static void bounds_what_it_throws_away(void **state)
{
    static char text[3 * CHUNKS_TRAILERS_MAX];

    (void)state;
    strcpy(text, "3;");
    memset(text + 2, 'x', CHUNKS_EXTENSION_MAX + 1);
    assert_string_equal(body_of(text, 7), "!");
    text[2 + CHUNKS_EXTENSION_MAX] = '\0';
    strcat(text, "\r\nabc\r\n0\r\n");
    assert_string_equal(body_of(text, 7), "abc+");
    for (int i = 0; i < CHUNKS_TRAILERS_MAX / 4; i++) {
        strcat(text, "a: bc\r\n");
    }
    assert_string_equal(body_of(text, 7), "abc!");
}

int main(void)
{
    const struct CMUnitTest chunks[] = {
        cmocka_unit_test(puts_chunks_together),
        cmocka_unit_test(waits_for_the_rest),
        cmocka_unit_test(refuses_what_is_not_in_chunks),
        cmocka_unit_test(bounds_what_it_throws_away),
    };

    return cmocka_run_group_tests(chunks, NULL, NULL);
}
