#include "../../src/cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "appnet/base/time.h"

static void assert_cell(table_format *format, const char *value, const char *expected)
{
    char text[512];
    char cell[TABLE_CELL_SIZE];
    json_t *row;

    snprintf(text, sizeof text, "{\"x\":%s}", value);
    row = json_loads(text, 0, NULL);
    assert_non_null(row);
    format(row, "x", cell);
    assert_string_equal(cell, expected);
    json_decref(row);
}

static void writes_values(void **state)
{
    (void)state;
    assert_cell(table_text, "\"a\"", "a");
    assert_cell(table_text, "true", "yes");
    assert_cell(table_text, "false", "no");
    assert_cell(table_text, "12", "12");
    assert_cell(table_text, "null", "-");
    assert_cell(table_text, "[1]", "-");
    assert_cell(table_seconds, "59", "59s");
    assert_cell(table_seconds, "61", "1m01s");
    assert_cell(table_seconds, "3660", "1h01m");
    assert_cell(table_seconds, "90061", "1d01h");
    assert_cell(table_seconds, "null", "-");
    assert_cell(table_bytes, "1023", "1023 B");
    assert_cell(table_bytes, "1536", "1.5 KiB");
    assert_cell(table_bytes, "\"x\"", "x");
}

static void assert_time(table_format *format, int64_t when, const char *expected)
{
    char moment[TIME_TEXT_SIZE];
    char value[TIME_TEXT_SIZE + 2];

    time_format(when, moment, sizeof moment);
    snprintf(value, sizeof value, "\"%s\"", moment);
    assert_cell(format, value, expected);
}

static void writes_times(void **state)
{
    int64_t now = time(NULL);

    (void)state;
    assert_int_equal(table_time("1970-01-02T00:00:01Z"), 86401);
    assert_int_equal(table_time("1970-01-02T00:00:01.999Z"), 86401);
    assert_int_equal(table_time("1970-01-02T00:00:01"), -1);
    assert_int_equal(table_time("1970-01-02"), -1);
    assert_int_equal(table_time("yesterday"), -1);
    assert_int_equal(table_time("1970-01-02T00:00:01Zx"), -1);
    assert_time(table_age, now - 7205, "2h00m");
    assert_time(table_age, now + 100, "0s");
    assert_cell(table_age, "null", "-");
    assert_cell(table_age, "\"once\"", "once");
    assert_time(table_until, now + 2 * 86400 + 3650, "2d01h");
    assert_time(table_until, now - 1, "over");
}

static void assert_printed(const char *rows, const char *expected)
{
    static const struct table_column columns[] = {
        {"NAME", "name", NULL}, {"N", "n", NULL}, {"MORE", "more", NULL}, {NULL, NULL, NULL}};
    json_t *list = json_loads(rows, 0, NULL);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    table_print(list, columns, out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
    json_decref(list);
}

static void aligns_columns(void **state)
{
    (void)state;
    assert_printed("[]", "NAME  N  MORE\n");
    assert_printed("[{\"name\":\"longer\",\"n\":1,\"more\":\"x\"},{\"name\":\"s\",\"n\":200}]",
                   "NAME    N    MORE\n"
                   "longer  1    x\n"
                   "s       200  -\n");
    /* By characters, not by bytes. */
    assert_printed("[{\"name\":\"\\u00e4\\u00f6\\u00fc12\",\"n\":1,\"more\":\"x\"}]",
                   "NAME   N  MORE\n"
                   "\xc3\xa4\xc3\xb6\xc3\xbc"
                   "12  1  x\n");
}

/* What others have said moves no cursor and colours nothing. */
static void nothing_reaches_the_terminal_but_text(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_printed("[{\"name\":\"\\u001b[2J\\n\\u009b2J\\u007f\",\"n\":1,\"more\":\"x\"}]",
                   "NAME        N  MORE\n"
                   "?[2J???2J?  1  x\n");
    table_put("a\033[1m\n\xc2\x9b\xc2\xa0"
              "b",
              out);
    fclose(out);
    assert_string_equal(text, "a?[1m??\xc2\xa0"
                              "b");
    free(text);
}

int main(void)
{
    const struct CMUnitTest table[] = {
        cmocka_unit_test(writes_values),
        cmocka_unit_test(writes_times),
        cmocka_unit_test(aligns_columns),
        cmocka_unit_test(nothing_reaches_the_terminal_but_text),
    };

    return cmocka_run_group_tests(table, NULL, NULL);
}
