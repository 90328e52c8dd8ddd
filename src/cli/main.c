#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/cli/command.h"

/* The usage of every command whose words begin with `word`, or of all for NULL. Returns how many
 * there are. */
static unsigned list_commands(const char *word, FILE *out)
{
    size_t length = word ? strlen(word) : 0;
    unsigned count = 0;

    for (const struct command *const *at = commands; *at; at++) {
        const char *words = (*at)->words;
        if (word && (strncmp(words, word, length) != 0 || words[length] != ' ')) {
            continue;
        }
        if (out) {
            fputs("  ", out);
            command_usage(*at, out);
        }
        count++;
    }
    return count;
}

static int print_help(const char *word)
{
    puts("usage:");
    list_commands(word, stdout);
    if (!word) {
        puts("  appnet --help | --version\n\nIn short: appnet list, add and remove are those of "
             "connection. What asks the registry takes, too:");
        command_registry_help(stdout);
    }
    puts("\nappnet COMMAND --help says more of one.");
    return COMMAND_DONE;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static int usage(const char *what, const char *word)
{
    fprintf(stderr, "appnet: %s%s; appnet --help lists the commands\n", what, word);
    return COMMAND_USAGE;
}

/* `appnet connection`, say, or `appnet connection ad`. */
static int half_usage(const char *word, const char *next)
{
    if (next) {
        fprintf(stderr, "appnet: there is no such command: %s %s; there are:\n", word, next);
    } else {
        fprintf(stderr, "appnet: what about %s? There are:\n", word);
    }
    list_commands(word, stderr);
    return COMMAND_USAGE;
}

static int run(const struct command *command, int argc, char *const *argv)
{
    struct command_arguments arguments;
    struct error err = ERROR_INIT;
    bool understood = true;
    int code;

    switch (command_parse(command, argc, argv, &arguments, &err)) {
    case COMMAND_HELP:
        command_help(command, stdout);
        return COMMAND_DONE;
    case COMMAND_WRONG:
        understood = false;
        code = COMMAND_USAGE;
        break;
    default:
        code = command->run(&arguments, &err);
    }
    if (err.text[0] != '\0') {
        fprintf(stderr, "appnet: %s\n", err.text);
    }
    /* A program that a command runs may well end with 2, too. */
    if (!understood || (code == COMMAND_USAGE && !command->rest)) {
        fputs("usage: ", stderr);
        command_usage(command, stderr);
    }
    return code;
}

/* Options that stand before the command's words are put behind them. `words` of the arguments after
 * those, at `argv`, are the command's. */
static int run_with(const struct command *command, int leading, char *const *options, int words,
                    int argc, char *const *argv)
{
    char **all = memory_zalloc((size_t)(leading + argc + 1) * sizeof *all);
    int code;

    memcpy(all, options, (size_t)leading * sizeof *all);
    memcpy(all + leading, argv + words, (size_t)(argc - words) * sizeof *all);
    code = run(command, leading + argc - words, all);
    free(all);
    return code;
}

static int dispatch(int argc, char *const *argv)
{
    int leading = command_leading_options(argc, argv);
    char *const *options = argv;

    argv += leading;
    argc -= leading;
    if (argc == 0) {
        return usage("a command is missing", "");
    }
    if (is_help(argv[0])) {
        return print_help(NULL);
    }
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
        puts("appnet " PACKAGE_VERSION);
        return COMMAND_DONE;
    }
    for (const struct command *const *at = commands; *at; at++) {
        int words = command_match(*at, argc, argv);
        if (words > 0) {
            return run_with(*at, leading, options, words, argc, argv);
        }
    }
    if (list_commands(argv[0], NULL) == 0) {
        return usage("there is no such command: ", argv[0]);
    }
    return argc > 1 && is_help(argv[1]) ? print_help(argv[0])
                                        : half_usage(argv[0], argc > 1 ? argv[1] : NULL);
}

int main(int argc, char **argv)
{
    int code = dispatch(argc - 1, argv + 1);

    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return code;
    }
    fprintf(stderr, "appnet: cannot write the answer: %s\n", strerror(errno));
    return COMMAND_FAILED;
}
