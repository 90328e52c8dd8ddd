/* One command of `appnet`, described: its words, operands, options and what it does. commands.c has
 * the table of all. */
#ifndef APPNET_CLI_COMMAND_H
#define APPNET_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "appnet/base/error.h"

#define COMMAND_OPTIONS_MAX 6
#define COMMAND_OPERANDS_MAX 4

/* A word that must be there, in its place. */
struct command_operand {
    const char *name; /* what stands for it in the usage text, such as SOURCE */
    const char *text; /* what it means */
};

/* `--name VALUE`, `--name=VALUE`, or for a name of one letter `-n VALUE`, `-nVALUE`. */
struct command_option {
    const char *name;  /* without dashes */
    const char *value; /* what stands for the value in the usage text; `a|b`: one of these; NULL: it
                          takes none */
    const char *text;  /* what it means */
    bool required;
    const char *fallback; /* its value when not given; may be NULL */
    bool value_optional;  /* a value only as `--name=VALUE`; `--name` alone has the empty value */
};

/* Exit codes. */
enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

/* What was given. Texts point into argv. */
struct command_arguments {
    const char *options[COMMAND_OPTIONS_MAX]; /* in the order of their description; NULL: not given.
                                                 One without a value is empty when it is given. */
    const char *operands[COMMAND_OPERANDS_MAX];
    char *const *rest; /* of a command with such: at least one, ended by NULL */
    bool json;         /* `-o json` */
    const char *registry, *token_file, *ca; /* NULL: not given */
};

struct command {
    const char *words;                                     /* "status", "ca init" */
    const char *alias;                                     /* other words for the same, or NULL */
    const char *text;                                      /* what it does, in a sentence or two */
    struct command_operand operands[COMMAND_OPERANDS_MAX]; /* up to the first without a name */
    const char *rest; /* what stands for the words that it does not look at: all from the first that
                         is no option, or behind `--`; NULL: there are none such */
    struct command_option options[COMMAND_OPTIONS_MAX]; /* up to the first without a name */
    bool prints;                                        /* takes `-o table|json` */
    bool asks_registry; /* takes --registry, --token-file and --ca */
    /* Returns an exit code, its own or, with `rest`, another program's. With `err` filled in when
     * something is left to be said. */
    int (*run)(const struct command_arguments *arguments, struct error *err);
};

enum command_parsed { COMMAND_RUN, COMMAND_HELP, COMMAND_WRONG };

/* Reads the arguments after the command's words. Options and operands may stand in any order;
 * behind `--` all are operands. */
enum command_parsed command_parse(const struct command *command, int argc, char *const *argv,
                                  struct command_arguments *out, struct error *err);

/* How many of the arguments are the command's words; 0: it is another command. */
int command_match(const struct command *command, int argc, char *const *argv);

/* How many arguments at the beginning are options that every command that asks the registry takes,
 * with their values: people write them before the command, too. */
int command_leading_options(int argc, char *const *argv);

/* "appnet ca init --dir DIR ..." and a line feed. */
void command_usage(const struct command *command, FILE *out);

/* The usage, what it does, each operand and each option. */
void command_help(const struct command *command, FILE *out);

/* The options of all commands that ask the registry, a line each. */
void command_registry_help(FILE *out);

/* Every command there is, ended by NULL. */
extern const struct command *const commands[];

extern const struct command ca_init_command;
extern const struct command ca_issue_command;
extern const struct command connection_add_command;
extern const struct command connection_list_command;
extern const struct command connection_remove_command;
extern const struct command events_command;
extern const struct command inbound_available_command;
extern const struct command instance_apply_command;
extern const struct command instance_list_command;
extern const struct command instance_remove_command;
extern const struct command instance_show_command;
extern const struct command outbound_available_command;
extern const struct command run_command;
extern const struct command status_command;
extern const struct command token_create_command;
extern const struct command token_list_command;
extern const struct command token_revoke_command;
extern const struct command wait_command;

#endif
