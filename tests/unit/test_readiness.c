#include "../../src/cli/readiness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKS(name) \
    "{\"name\":\"" name "\",\"required\":true,\"instance\":\"i\",\"status\":\"ESTABLISHED\"}"

static void assert_says(const char *status, enum readiness expected, const char *sentence)
{
    char text[READINESS_TEXT_SIZE];
    json_t *value = json_loads(status, 0, NULL);

    assert_non_null(value);
    assert_int_equal(readiness_of(value, text), expected);
    assert_string_equal(text, sentence);
    json_decref(value);
}

static void required_outbounds_must_work(void **state)
{
    (void)state;
    assert_says("{\"state\":\"running\",\"outbounds\":[]}", READINESS_READY, "");
    assert_says("{\"outbounds\":[" WORKS("db") "]}", READINESS_READY, "db");
    assert_says("{\"outbounds\":[" WORKS("db") "," WORKS("log") "]}", READINESS_READY, "db, log");
    assert_says("{\"outbounds\":[" WORKS("db") ",{\"name\":\"x\",\"required\":false,"
                                               "\"instance\":\"i\",\"status\":\"FAILED\"}]}",
                READINESS_READY, "db");
    assert_says("{\"outbounds\":[{\"name\":\"x\",\"required\":true,\"instance\":\"i\","
                "\"status\":\"WAITING\",\"reason\":null,\"detail\":null}]}",
                READINESS_WAITING, "x is WAITING");
    assert_says("{\"outbounds\":[" WORKS(
                    "db") ",{\"name\":\"x\",\"required\":true,"
                          "\"instance\":\"i\",\"status\":\"FAILED\",\"reason\":\"unreachable\","
                          "\"detail\":\"10.0.0.1:1: timed out\"},{\"name\":\"y\",\"required\":true,"
                          "\"instance\":null,\"status\":null}]}",
                READINESS_WAITING,
                "x is FAILED, unreachable: 10.0.0.1:1: timed out; y is not connected");
}

static void who_has_not_joined_says_why(void **state)
{
    (void)state;
    assert_says("{\"certificate\":null,\"registry\":{\"detail\":\"no token\"},\"outbounds\":["
                "{\"name\":\"db\",\"required\":true,\"instance\":null}]}",
                READINESS_WAITING, "not joined yet: no token; db is not connected");
    assert_says("{\"certificate\":null,\"registry\":{\"detail\":null},\"outbounds\":["
                "{\"name\":\"db\",\"required\":true,\"instance\":null}]}",
                READINESS_WAITING, "not joined yet; db is not connected");
}

static void what_ends_does_not_get_ready(void **state)
{
    (void)state;
    assert_says("{\"state\":\"draining\",\"outbounds\":[" WORKS("db") "]}", READINESS_ENDING,
                "the sidecar is ending");
}

static void strange_answers_are_survived(void **state)
{
    (void)state;
    assert_says("{}", READINESS_READY, "");
    assert_says("{\"outbounds\":[1,null,{\"required\":true}]}", READINESS_WAITING,
                " is not connected");
}

/* However many there are, and whatever they are called. */
static void long_texts_are_cut(void **state)
{
    char text[READINESS_TEXT_SIZE];
    json_t *outbounds = json_array();
    json_t *status = json_pack("{s:o}", "outbounds", outbounds);
    char detail[600];

    (void)state;
    memset(detail, 'x', sizeof detail);
    detail[sizeof detail - 1] = '\0';
    for (int i = 0; i < 50; i++) {
        json_array_append_new(outbounds,
                              json_pack("{s:s,s:b,s:s,s:s,s:s}", "name", "outbound", "required", 1,
                                        "instance", "i", "status", "FAILED", "detail", detail));
    }
    assert_int_equal(readiness_of(status, text), READINESS_WAITING);
    assert_in_range(strlen(text), 500, READINESS_TEXT_SIZE - 1);
    json_decref(status);
}

static void a_sidecar_that_is_not_there_says_nothing(void **state)
{
    char text[READINESS_TEXT_SIZE];
    json_t *status = NULL;

    (void)state;
    assert_int_equal(readiness_ask("/nowhere/x.sock", 100, &status, text), READINESS_UNKNOWN);
    assert_null(status);
    assert_non_null(strstr(text, "the sidecar at /nowhere/x.sock does not answer: "));
}

int main(void)
{
    const struct CMUnitTest readiness[] = {
        cmocka_unit_test(who_has_not_joined_says_why),
        cmocka_unit_test(required_outbounds_must_work),
        cmocka_unit_test(what_ends_does_not_get_ready),
        cmocka_unit_test(strange_answers_are_survived),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(a_sidecar_that_is_not_there_says_nothing),
    };

    return cmocka_run_group_tests(readiness, NULL, NULL);
}
