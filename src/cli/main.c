#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "appnet/cli/command.h"

static const struct command *const commands[] = {
    &ca_init_command,
    &ca_issue_command,
    &status_command,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
    puts("usage:");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fputs("  ", stdout);
        command_usage(commands[i], stdout);
    }
    puts("  appnet --help | --version\n\nappnet COMMAND --help says more of one.");
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

static int run(const struct command *command, int argc, char *const *argv)
{
    const char *values[COMMAND_OPTIONS_MAX];
    struct error err = ERROR_INIT;
    int code;

    switch (command_parse(command, argc, argv, values, &err)) {
    case COMMAND_HELP:
        command_help(command, stdout);
        return COMMAND_DONE;
    case COMMAND_WRONG:
        code = COMMAND_USAGE;
        break;
    default:
        code = command->run(values, &err);
    }
    if (code != COMMAND_DONE)
        fprintf(stderr, "appnet: %s\n", err.text);
    if (code == COMMAND_USAGE) {
        fputs("usage: ", stderr);
        command_usage(command, stderr);
    }
    return code;
}

static int dispatch(int argc, char *const *argv)
{
    if (argc == 0)
        return usage("a command is missing", "");
    if (is_help(argv[0]))
        return print_help();
    if (strcmp(argv[0], "--version") == 0) {
        puts("appnet " PACKAGE_VERSION);
        return COMMAND_DONE;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int words = command_match(commands[i], argc, argv);

        if (words > 0)
            return run(commands[i], argc - words, argv + words);
    }
    /* `appnet ca --help`, say. */
    if (argc > 1 && is_help(argv[1]))
        return print_help();
    return usage("there is no such command: ", argv[0]);
}

int main(int argc, char **argv)
{
    int code = dispatch(argc - 1, argv + 1);

    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "appnet: cannot write the answer: %s\n", strerror(errno));
    return COMMAND_FAILED;
}
