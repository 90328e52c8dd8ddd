#include "appnet/cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int never_run(const char *const *values, struct error *err)
{
    (void)values;
    (void)err;
    return COMMAND_FAILED;
}

static const struct command sample = {
    .words = "thing make",
    .text = "Makes a thing.",
    .options =
        {
            {"dir", "DIR", "where", true, NULL},
            {"dirt", "KIND", "which", false, "mud"},
            {"o", "FORM", "how", false, NULL},
        },
    .run = never_run,
};

static const char *values[COMMAND_OPTIONS_MAX];
static struct error err;

#define PARSE(...) parse((char *[]){__VA_ARGS__, NULL})

static enum command_parsed parse(char **arguments)
{
    int count = 0;

    while (arguments[count])
        count++;
    err.text[0] = '\0';
    return command_parse(&sample, count, arguments, values, &err);
}

static void takes_all_forms_of_an_option(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--dir", "a", "-o", "b", "--dirt=c=d"), COMMAND_RUN);
    assert_string_equal(values[0], "a");
    assert_string_equal(values[1], "c=d");
    assert_string_equal(values[2], "b");
    assert_int_equal(PARSE("-ojson", "--dir=--dirt"), COMMAND_RUN);
    assert_string_equal(values[0], "--dirt");
    assert_string_equal(values[1], "mud");
    assert_string_equal(values[2], "json");
    assert_int_equal(PARSE("--dir", "-x"), COMMAND_RUN);
    assert_string_equal(values[0], "-x");
    assert_null(values[2]);
}

static void assert_wrong(enum command_parsed parsed, const char *sentence)
{
    assert_int_equal(parsed, COMMAND_WRONG);
    assert_string_equal(err.text, sentence);
}

static void refuses_wrong_arguments(void **state)
{
    (void)state;
    assert_wrong(command_parse(&sample, 0, NULL, values, &err), "--dir is missing");
    assert_wrong(PARSE("--dirt", "x"), "--dir is missing");
    assert_wrong(PARSE("--dir"), "--dir needs a value");
    assert_wrong(PARSE("--dir", ""), "--dir needs a value");
    assert_wrong(PARSE("--dir="), "--dir needs a value");
    assert_wrong(PARSE("--dir", "a", "-o"), "-o needs a value");
    assert_wrong(PARSE("--dir", "a", "--dir=b"), "--dir is given twice");
    assert_wrong(PARSE("--di", "a"), "unexpected \"--di\"");
    assert_wrong(PARSE("--dirty", "a"), "unexpected \"--dirty\"");
    assert_wrong(PARSE("--o", "a"), "unexpected \"--o\"");
    assert_wrong(PARSE("-dir", "a"), "unexpected \"-dir\"");
    assert_wrong(PARSE("-d", "a"), "unexpected \"-d\"");
    assert_wrong(PARSE("--"), "unexpected \"--\"");
    assert_wrong(PARSE("-"), "unexpected \"-\"");
    assert_wrong(PARSE("--=a"), "unexpected \"--=a\"");
    assert_wrong(PARSE(""), "unexpected \"\"");
    assert_wrong(PARSE("--dir", "a", "more"), "unexpected \"more\"");
}

static void asks_for_help_before_anything_is_missing(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--help"), COMMAND_HELP);
    assert_int_equal(PARSE("-h"), COMMAND_HELP);
    assert_int_equal(PARSE("-o", "x", "--help"), COMMAND_HELP);
    assert_int_equal(PARSE("--dir", "--help"), COMMAND_RUN);
}

static void matches_its_words(void **state)
{
    (void)state;
    assert_int_equal(command_match(&sample, 2, (char *[]){"thing", "make"}), 2);
    assert_int_equal(command_match(&sample, 3, (char *[]){"thing", "make", "--dir"}), 2);
    assert_int_equal(command_match(&sample, 1, (char *[]){"thing"}), 0);
    assert_int_equal(command_match(&sample, 2, (char *[]){"thing", "mak"}), 0);
    assert_int_equal(command_match(&sample, 2, (char *[]){"thing", "makes"}), 0);
    assert_int_equal(command_match(&sample, 1, (char *[]){"thing make"}), 0);
    assert_int_equal(command_match(&sample, 0, NULL), 0);
}

static void describes_itself(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    command_help(&sample, out);
    fclose(out);
    assert_string_equal(text, "usage: appnet thing make --dir DIR [--dirt KIND] [-o FORM]\n"
                              "\nMakes a thing.\n\n"
                              "  --dir            DIR          where\n"
                              "  --dirt           KIND         which\n"
                              "   -o              FORM         how\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest command[] = {
        cmocka_unit_test(takes_all_forms_of_an_option),
        cmocka_unit_test(refuses_wrong_arguments),
        cmocka_unit_test(asks_for_help_before_anything_is_missing),
        cmocka_unit_test(matches_its_words),
        cmocka_unit_test(describes_itself),
    };

    return cmocka_run_group_tests(command, NULL, NULL);
}
