#include "appnet/base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TIME_SIZE (sizeof("2026-11-23T16:05:00.123Z ") - 1)

static char captured[8192];
static int saved_stderr;
static FILE *file;

/* Standard error goes to a file between begin and end. */
static void capture_begin(void)
{
    file = tmpfile();
    assert_non_null(file);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
}

static const char *capture_end(void)
{
    size_t got;

    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    rewind(file);
    got = fread(captured, 1, sizeof(captured) - 1, file);
    captured[got] = '\0';
    fclose(file);
    return captured;
}

static const char *line_of(enum log_level level, const char *message, const struct log_field *field)
{
    const char *line;

    capture_begin();
    log_write(level, message, field, field ? 1 : 0);
    line = capture_end();
    assert_true(strlen(line) > TIME_SIZE);
    return line + TIME_SIZE;
}

static void begins_with_time_and_level(void **state)
{
    int year, month, day, hour, minute, second, millisecond;
    char rest[64];

    (void)state;
    line_of(LOG_LEVEL_WARN, "hello", NULL);
    assert_int_equal(sscanf(captured, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %63[^\n]", &year, &month, &day,
                            &hour, &minute, &second, &millisecond, rest),
                     8);
    assert_string_equal(rest, "warn hello");
}

static void writes_fields(void **state)
{
    (void)state;
    capture_begin();
    log_info("tunnel up", LOG_S("peer", "shop"), LOG_I("id", -7), LOG_SECONDS("seconds", 1234567),
             LOG_S("no", NULL));
    assert_string_equal(capture_end() + TIME_SIZE,
                        "info tunnel up peer=shop id=-7 seconds=1.234\n");
}

static void writes_extreme_numbers(void **state)
{
    (void)state;
    assert_string_equal(line_of(LOG_LEVEL_ERROR, "m", &LOG_I("n", INT64_MIN)),
                        "error m n=-9223372036854775808\n");
    assert_string_equal(line_of(LOG_LEVEL_ERROR, "m", &LOG_I("n", INT64_MAX)),
                        "error m n=9223372036854775807\n");
    assert_string_equal(line_of(LOG_LEVEL_ERROR, "m", &LOG_SECONDS("s", 999)), "error m s=0.000\n");
}

static void quotes_what_needs_quotes(void **state)
{
    (void)state;
    assert_string_equal(line_of(LOG_LEVEL_INFO, "m", &LOG_S("k", "two words")),
                        "info m k=\"two words\"\n");
    assert_string_equal(line_of(LOG_LEVEL_INFO, "m", &LOG_S("k", "a=b")), "info m k=\"a=b\"\n");
    assert_string_equal(line_of(LOG_LEVEL_INFO, "m", &LOG_S("k", "")), "info m k=\"\"\n");
    assert_string_equal(line_of(LOG_LEVEL_INFO, "m", &LOG_S("k", "say \"x\\y\"")),
                        "info m k=\"say \\\"x\\\\y\\\"\"\n");
}

static void cannot_be_forged(void **state)
{
    (void)state;
    assert_string_equal(
        line_of(LOG_LEVEL_INFO, "m", &LOG_S("k", "a\n2026-01-01T00:00:00.000Z error forged")),
        "info m k=\"a\\n2026-01-01T00:00:00.000Z error forged\"\n");
    assert_string_equal(line_of(LOG_LEVEL_INFO, "m", &LOG_S("k", "\x1b[2J\r\t\x7f\xc2\x85")),
                        "info m k=\"\\x1b[2J\\x0d\\x09\\x7f\\xc2\\x85\"\n");
}

static void cuts_a_long_line_and_says_so(void **state)
{
    char *value = malloc(10000);
    const char *line;

    (void)state;
    memset(value, '\n', 9999);
    value[9999] = '\0';
    line = line_of(LOG_LEVEL_INFO, "m", &LOG_S("k", value));
    assert_int_equal(strlen(captured), 4096);
    assert_string_equal(captured + 4096 - 4, "...\n");
    assert_ptr_equal(strchr(line, '\n'), captured + 4095);
    free(value);
}

static void leaves_out_less_urgent_lines(void **state)
{
    (void)state;
    assert_true(log_enabled(LOG_LEVEL_INFO));
    assert_false(log_enabled(LOG_LEVEL_DEBUG));
    capture_begin();
    log_debug("m", LOG_I("k", 1));
    assert_string_equal(capture_end(), "");
    log_set_level(LOG_LEVEL_DEBUG);
    assert_string_equal(line_of(LOG_LEVEL_DEBUG, "m", NULL), "debug m\n");
    log_set_level(LOG_LEVEL_ERROR);
    capture_begin();
    log_warn("m", LOG_I("k", 1));
    assert_string_equal(capture_end(), "");
    log_set_level(LOG_LEVEL_INFO);
}

static void keeps_errno(void **state)
{
    int kept;

    (void)state;
    capture_begin();
    close(STDERR_FILENO);
    errno = ENOTTY;
    log_info("m", LOG_I("k", 1));
    kept = errno;
    capture_end();
    assert_int_equal(kept, ENOTTY);
}

static off_t written(void)
{
    return lseek(STDERR_FILENO, 0, SEEK_END);
}

static void holds_lines_until_the_turn_ends(void **state)
{
    (void)state;
    capture_begin();
    log_hold();
    log_info("one", LOG_I("k", 1));
    log_warn("two", LOG_I("k", 2));
    assert_int_equal(written(), 0);
    log_flush();
    assert_true(written() > 0);
    log_info("three", LOG_I("k", 3));
    log_release();
    log_info("four", LOG_I("k", 4));
    capture_end();
    assert_non_null(strstr(captured, "info one k=1\n"));
    assert_non_null(strstr(strstr(captured, "warn two k=2\n"), "info three k=3\n"));
    assert_non_null(strstr(captured, "info four k=4\n"));
}

static void an_error_is_not_held(void **state)
{
    off_t after;

    (void)state;
    capture_begin();
    log_hold();
    log_error("lost", LOG_I("k", 1));
    after = written();
    log_release();
    capture_end();
    assert_true(after > 0);
}

/* More than is held at a time: nothing is lost, nothing changes places. */
static void holds_as_many_lines_as_come(void **state)
{
    enum { LINES = 1000 };
    const char *at = captured;
    char number[32];

    (void)state;
    for (int half = 0; half < 10; half++) {
        capture_begin();
        log_hold();
        for (int i = 0; i < LINES / 10; i++)
            log_info("m", LOG_I("k", half * LINES + i));
        log_release();
        capture_end();
        at = captured;
        for (int i = 0; i < LINES / 10; i++) {
            snprintf(number, sizeof(number), "k=%d\n", half * LINES + i);
            at = strstr(at, number);
            assert_non_null(at);
        }
    }
    capture_begin();
    log_hold();
    for (int i = 0; i < LINES; i++)
        log_info("m", LOG_I("k", i));
    log_flush();
    /* "TIME info m k=N\n" */
    assert_int_equal(written(), LINES * (TIME_SIZE + sizeof("info m k=\n") - 1) + 10 + 180 + 2700);
    log_release();
    capture_end();
}

int main(void)
{
    const struct CMUnitTest log[] = {
        cmocka_unit_test(begins_with_time_and_level),
        cmocka_unit_test(writes_fields),
        cmocka_unit_test(writes_extreme_numbers),
        cmocka_unit_test(quotes_what_needs_quotes),
        cmocka_unit_test(cannot_be_forged),
        cmocka_unit_test(cuts_a_long_line_and_says_so),
        cmocka_unit_test(leaves_out_less_urgent_lines),
        cmocka_unit_test(keeps_errno),
        cmocka_unit_test(holds_lines_until_the_turn_ends),
        cmocka_unit_test(an_error_is_not_held),
        cmocka_unit_test(holds_as_many_lines_as_come),
    };

    return cmocka_run_group_tests(log, NULL, NULL);
}
