#include "appnet/cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int never_run(const struct command_arguments *arguments, struct error *err)
{
    (void)arguments;
    (void)err;
    return COMMAND_FAILED;
}

static const struct command sample = {
    .words = "thing make",
    .alias = "make",
    .text = "Makes a thing.",
    .options =
        {
            {.name = "dir", .value = "DIR", .text = "where", .required = true},
            {.name = "dirt", .value = "KIND", .text = "which", .fallback = "mud"},
            {.name = "x", .value = "one|two", .text = "how"},
        },
    .run = never_run,
};

static const struct command asking = {
    .words = "thing add",
    .text = "Adds a thing.",
    .operands = {{"THING", "what"}, {"PLACE", "where to"}},
    .options =
        {
            {.name = "force", .text = "whatever it takes"},
            {.name = "wait",
             .value = "SECONDS",
             .text = "until it is there",
             .value_optional = true},
        },
    .prints = true,
    .asks_registry = true,
    .run = never_run,
};

static const struct command running = {
    .words = "do",
    .text = "Does it, whatever it is, wherever it may be found, and says so in words that are too "
            "many for one line.",
    .operands = {{"WHERE", "the place"}},
    .rest = "COMMAND ARGS...",
    .options = {{.name = "c", .value = "FILE", .text = "how"}},
    .run = never_run,
};

static struct command_arguments given;
static struct error err;

#define PARSE(...) parse(&sample, (char *[]){__VA_ARGS__, NULL})
#define ASK(...) parse(&asking, (char *[]){__VA_ARGS__, NULL})
#define DO(...) parse(&running, (char *[]){__VA_ARGS__, NULL})

static enum command_parsed parse(const struct command *command, char **arguments)
{
    int count = 0;

    while (arguments[count]) {
        count++;
    }
    err.text[0] = '\0';
    return command_parse(command, count, arguments, &given, &err);
}

static void takes_all_forms_of_an_option(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--dir", "a", "-x", "two", "--dirt=c=d"), COMMAND_RUN);
    assert_string_equal(given.options[0], "a");
    assert_string_equal(given.options[1], "c=d");
    assert_string_equal(given.options[2], "two");
    assert_int_equal(PARSE("-xone", "--dir=--dirt"), COMMAND_RUN);
    assert_string_equal(given.options[0], "--dirt");
    assert_string_equal(given.options[1], "mud");
    assert_string_equal(given.options[2], "one");
    assert_int_equal(PARSE("--dir", "-x"), COMMAND_RUN);
    assert_string_equal(given.options[0], "-x");
    assert_null(given.options[2]);
    assert_false(given.json);
    assert_null(given.registry);
}

static void assert_wrong(enum command_parsed parsed, const char *sentence)
{
    assert_int_equal(parsed, COMMAND_WRONG);
    assert_string_equal(err.text, sentence);
}

static void refuses_wrong_arguments(void **state)
{
    (void)state;
    assert_wrong(command_parse(&sample, 0, NULL, &given, &err), "--dir is missing");
    assert_wrong(PARSE("--dirt", "x"), "--dir is missing");
    assert_wrong(PARSE("--dir"), "--dir needs a value");
    assert_wrong(PARSE("--dir", ""), "--dir needs a value");
    assert_wrong(PARSE("--dir="), "--dir needs a value");
    assert_wrong(PARSE("--dir", "a", "-x"), "-x needs a value");
    assert_wrong(PARSE("--dir", "a", "--dir=b"), "--dir is given twice");
    assert_wrong(PARSE("--di", "a"), "unexpected \"--di\"");
    assert_wrong(PARSE("--dirty", "a"), "unexpected \"--dirty\"");
    assert_wrong(PARSE("--x", "a"), "unexpected \"--x\"");
    assert_wrong(PARSE("-dir", "a"), "unexpected \"-dir\"");
    assert_wrong(PARSE("-d", "a"), "unexpected \"-d\"");
    assert_wrong(PARSE("-"), "unexpected \"-\"");
    assert_wrong(PARSE("--=a"), "unexpected \"--=a\"");
    assert_wrong(PARSE(""), "unexpected \"\"");
    assert_wrong(PARSE("--dir", "a", "more"), "unexpected \"more\"");
    assert_wrong(PARSE("--dir", "a", "--", "--dirt"), "unexpected \"--dirt\"");
    assert_wrong(PARSE("--dir", "a", "-x", "three"), "-x three: expected one or two");
    assert_wrong(PARSE("--dir", "a", "-x", "on"), "-x on: expected one or two");
    assert_wrong(PARSE("--dir", "a", "-x", "one|two"), "-x one|two: expected one or two");
    /* What it does not print or ask, it takes no options for. */
    assert_wrong(PARSE("--dir", "a", "-o", "json"), "unexpected \"-o\"");
    assert_wrong(PARSE("--dir", "a", "--registry", "x"), "unexpected \"--registry\"");
}

static void takes_operands_in_their_places(void **state)
{
    (void)state;
    assert_int_equal(ASK("a", "b"), COMMAND_RUN);
    assert_string_equal(given.operands[0], "a");
    assert_string_equal(given.operands[1], "b");
    assert_null(given.options[0]);
    assert_null(given.options[1]);
    assert_int_equal(ASK("--force", "a", "--wait=5", "b"), COMMAND_RUN);
    assert_string_equal(given.operands[1], "b");
    assert_string_equal(given.options[0], "");
    assert_string_equal(given.options[1], "5");
    assert_int_equal(ASK("--", "--force", "-"), COMMAND_RUN);
    assert_string_equal(given.operands[0], "--force");
    assert_string_equal(given.operands[1], "-");
    assert_null(given.options[0]);
    assert_wrong(ASK("a"), "PLACE is missing");
    assert_wrong(command_parse(&asking, 0, NULL, &given, &err), "THING is missing");
    assert_wrong(ASK("a", ""), "unexpected \"\"");
    assert_wrong(ASK("a", "b", "c"), "unexpected \"c\"");
}

static void an_optional_value_stands_in_the_same_argument(void **state)
{
    (void)state;
    assert_int_equal(ASK("--wait", "a", "b"), COMMAND_RUN);
    assert_string_equal(given.options[1], "");
    assert_string_equal(given.operands[0], "a");
    assert_wrong(ASK("--wait=", "a", "b"), "--wait needs a value");
    assert_wrong(ASK("--force=yes", "a", "b"), "--force takes no value");
    assert_wrong(ASK("--force", "--force", "a", "b"), "--force is given twice");
}

static void takes_what_all_have(void **state)
{
    (void)state;
    assert_int_equal(ASK("a", "-o", "json", "b", "--registry", "http://r", "--token-file=t"),
                     COMMAND_RUN);
    assert_true(given.json);
    assert_string_equal(given.registry, "http://r");
    assert_string_equal(given.token_file, "t");
    assert_null(given.ca);
    assert_int_equal(ASK("-otable", "a", "b", "--ca", "c"), COMMAND_RUN);
    assert_false(given.json);
    assert_string_equal(given.ca, "c");
    assert_wrong(ASK("a", "b", "-o", "xml"), "-o xml: expected table or json");
    assert_wrong(ASK("a", "b", "--registry"), "--registry needs a value");
}

static void the_rest_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(DO("-c", "f", "here", "--", "ls", "-c", "--help"), COMMAND_RUN);
    assert_string_equal(given.operands[0], "here");
    assert_string_equal(given.options[0], "f");
    assert_string_equal(given.rest[0], "ls");
    assert_string_equal(given.rest[2], "--help");
    assert_null(given.rest[3]);
    assert_int_equal(DO("here", "ls", "-c", "--", ""), COMMAND_RUN);
    assert_null(given.options[0]);
    assert_string_equal(given.rest[0], "ls");
    assert_string_equal(given.rest[1], "-c");
    assert_string_equal(given.rest[2], "--");
    assert_string_equal(given.rest[3], "");
    assert_int_equal(DO("here", "--", "-c"), COMMAND_RUN);
    assert_string_equal(given.rest[0], "-c");
    assert_wrong(DO("here"), "COMMAND ARGS... is missing");
    assert_wrong(DO("here", "--"), "COMMAND ARGS... is missing");
    assert_wrong(DO("-c", "f"), "WHERE is missing");
    assert_int_equal(DO("-h"), COMMAND_HELP);
}

static void asks_for_help_before_anything_is_missing(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--help"), COMMAND_HELP);
    assert_int_equal(PARSE("-h"), COMMAND_HELP);
    assert_int_equal(PARSE("-x", "one", "--help"), COMMAND_HELP);
    assert_int_equal(PARSE("--dir", "--help"), COMMAND_RUN);
    assert_int_equal(ASK("--", "--help", "-h"), COMMAND_RUN);
}

static void matches_its_words(void **state)
{
    (void)state;
    assert_int_equal(command_match(&sample, 2, (char *[]){"thing", "make"}), 2);
    assert_int_equal(command_match(&sample, 3, (char *[]){"thing", "make", "--dir"}), 2);
    assert_int_equal(command_match(&sample, 1, (char *[]){"make"}), 1);
    assert_int_equal(command_match(&sample, 2, (char *[]){"make", "thing"}), 1);
    assert_int_equal(command_match(&sample, 1, (char *[]){"thing"}), 0);
    assert_int_equal(command_match(&sample, 2, (char *[]){"thing", "mak"}), 0);
    assert_int_equal(command_match(&sample, 2, (char *[]){"thing", "makes"}), 0);
    assert_int_equal(command_match(&sample, 1, (char *[]){"thing make"}), 0);
    assert_int_equal(command_match(&sample, 0, NULL), 0);
    assert_int_equal(command_match(&asking, 1, (char *[]){"add"}), 0);
}

static void knows_options_that_stand_first(void **state)
{
    (void)state;
    assert_int_equal(command_leading_options(0, NULL), 0);
    assert_int_equal(command_leading_options(1, (char *[]){"list"}), 0);
    assert_int_equal(command_leading_options(3, (char *[]){"--registry", "x", "list"}), 2);
    assert_int_equal(command_leading_options(4, (char *[]){"--ca=x", "-ojson", "list", "--ca"}), 2);
    assert_int_equal(command_leading_options(2, (char *[]){"--help", "list"}), 0);
    assert_int_equal(command_leading_options(2, (char *[]){"--sidecar", "list"}), 0);
    assert_int_equal(command_leading_options(1, (char *[]){"--registry"}), 1);
}

static void assert_described(const struct command *command, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    command_help(command, out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void describes_itself(void **state)
{
    (void)state;
    assert_described(&sample, "usage: appnet thing make --dir DIR [--dirt KIND] [-x one|two]\n"
                              "or, shorter: appnet make ...\n"
                              "\nMakes a thing.\n\n"
                              "  --dir            DIR          where\n"
                              "  --dirt           KIND         which\n"
                              "   -x              one|two      how\n");
    assert_described(
        &running,
        "usage: appnet do WHERE [-c FILE] -- COMMAND ARGS...\n"
        "\nDoes it, whatever it is, wherever it may be found, and says so in words that are"
        "\ntoo many for one line.\n\n"
        "  WHERE                         the place\n"
        "   -c              FILE         how\n");
}

static void says_what_all_have(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    command_help(&asking, out);
    fclose(out);
    assert_non_null(strstr(text, "usage: appnet thing add THING PLACE [--force] [--wait[=SECONDS]] "
                                 "[-o table|json]\n"));
    assert_non_null(strstr(text, "\n  --force                       whatever it takes\n"));
    assert_non_null(strstr(text, "\n  --wait           SECONDS      until it is there\n"));
    assert_non_null(strstr(text, "\n   -o              table|json   for people"));
    assert_non_null(strstr(text, "\n  --registry       URL "));
    assert_non_null(strstr(text, "\n  --ca             FILE "));
    free(text);
}

/* A command's words are its own, and its description is whole. */
static void the_table_is_in_order(void **state)
{
    (void)state;
    for (const struct command *const *at = commands; *at; at++) {
        assert_non_null((*at)->run);
        assert_non_null((*at)->text);
        for (const struct command *const *other = commands; *other; other++) {
            if (other != at) {
                assert_string_not_equal((*at)->words, (*other)->words);
            }
        }
        for (int i = 0; i < COMMAND_OPTIONS_MAX && (*at)->options[i].name; i++) {
            assert_non_null((*at)->options[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest command[] = {
        cmocka_unit_test(takes_all_forms_of_an_option),
        cmocka_unit_test(refuses_wrong_arguments),
        cmocka_unit_test(takes_operands_in_their_places),
        cmocka_unit_test(an_optional_value_stands_in_the_same_argument),
        cmocka_unit_test(takes_what_all_have),
        cmocka_unit_test(the_rest_is_left_alone),
        cmocka_unit_test(asks_for_help_before_anything_is_missing),
        cmocka_unit_test(matches_its_words),
        cmocka_unit_test(knows_options_that_stand_first),
        cmocka_unit_test(describes_itself),
        cmocka_unit_test(says_what_all_have),
        cmocka_unit_test(the_table_is_in_order),
    };

    return cmocka_run_group_tests(command, NULL, NULL);
}
