/* One command of `appnet`, described: its words, options and what it does. main.c has the table of
 * all. */
#ifndef APPNET_CLI_COMMAND_H
#define APPNET_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "appnet/base/error.h"

#define COMMAND_OPTIONS_MAX 8

/* Every option takes a value: `--name VALUE`, `--name=VALUE`, or for a name of one letter `-n
 * VALUE`. */
struct command_option {
    const char *name;  /* without dashes */
    const char *value; /* what stands for the value in the usage text */
    const char *text;  /* what it means */
    bool required;
    const char *fallback; /* its value when not given; may be NULL */
};

/* Exit codes. */
enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

struct command {
    const char *words;                                  /* "status", "ca init" */
    const char *text;                                   /* one sentence */
    struct command_option options[COMMAND_OPTIONS_MAX]; /* up to the first without a name */
    /* Gets the options' values in their order; returns an exit code, with `err` filled in if it is
     * not COMMAND_DONE. */
    int (*run)(const char *const *values, struct error *err);
};

enum command_parsed { COMMAND_RUN, COMMAND_HELP, COMMAND_WRONG };

/* Reads the arguments after the command's words into `values` (COMMAND_OPTIONS_MAX of them),
 * pointing into argv. */
enum command_parsed command_parse(const struct command *command, int argc, char *const *argv,
                                  const char **values, struct error *err);

/* How many of the arguments are the command's words; 0: it is another command. */
int command_match(const struct command *command, int argc, char *const *argv);

/* "appnet ca init --dir DIR ..." and a line feed. */
void command_usage(const struct command *command, FILE *out);

/* The usage, the sentence and each option. */
void command_help(const struct command *command, FILE *out);

extern const struct command ca_init_command;
extern const struct command ca_issue_command;
extern const struct command status_command;

#endif
