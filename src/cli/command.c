#include "appnet/cli/command.h"

#include <string.h>

static const char *dashes(const struct command_option *option)
{
    return option->name[1] ? "--" : "-";
}

int command_match(const struct command *command, int argc, char *const *argv)
{
    const char *words = command->words;

    for (int i = 0; i < argc; i++) {
        size_t length = strcspn(words, " ");

        if (strlen(argv[i]) != length || strncmp(argv[i], words, length) != 0)
            return 0;
        if (words[length] == '\0')
            return i + 1;
        words += length + 1;
    }
    return 0;
}

/* The option that an argument names, and its value if it stands in the same argument, else NULL. */
static const struct command_option *find_option(const struct command *command, const char *argument,
                                                const char **value)
{
    bool is_long = strncmp(argument, "--", 2) == 0;
    const char *name = argument + (is_long ? 2 : 1);
    size_t length = is_long ? strcspn(name, "=") : 1;

    for (const struct command_option *option = command->options; option->name; option++) {
        if ((option->name[1] != '\0') != is_long || strlen(option->name) != length ||
            strncmp(option->name, name, length) != 0)
            continue;
        *value = name[length] ? name + length + is_long : NULL;
        return option;
    }
    return NULL;
}

static enum command_parsed wrong(struct error *err, const struct command_option *option,
                                 const char *what)
{
    error_set(err, "%s%s %s", dashes(option), option->name, what);
    return COMMAND_WRONG;
}

static enum command_parsed fill_in(const struct command *command, const char **values,
                                   struct error *err)
{
    for (int i = 0; command->options[i].name; i++) {
        const struct command_option *option = &command->options[i];

        if (values[i])
            continue;
        if (option->required)
            return wrong(err, option, "is missing");
        values[i] = option->fallback;
    }
    return COMMAND_RUN;
}

enum command_parsed command_parse(const struct command *command, int argc, char *const *argv,
                                  const char **values, struct error *err)
{
    memset(values, 0, COMMAND_OPTIONS_MAX * sizeof(*values));
    for (int i = 0; i < argc; i++) {
        const struct command_option *option = NULL;
        const char *value = NULL;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return COMMAND_HELP;
        if (argv[i][0] == '-' && argv[i][1] != '\0')
            option = find_option(command, argv[i], &value);
        if (!option) {
            error_set(err, "unexpected \"%s\"", argv[i]);
            return COMMAND_WRONG;
        }
        if (!value)
            value = ++i < argc ? argv[i] : "";
        if (!*value)
            return wrong(err, option, "needs a value");
        if (values[option - command->options])
            return wrong(err, option, "is given twice");
        values[option - command->options] = value;
    }
    return fill_in(command, values, err);
}

void command_usage(const struct command *command, FILE *out)
{
    fprintf(out, "appnet %s", command->words);
    for (const struct command_option *option = command->options; option->name; option++) {
        bool required = option->required;

        fprintf(out, " %s%s%s %s%s", required ? "" : "[", dashes(option), option->name,
                option->value, required ? "" : "]");
    }
    fputc('\n', out);
}

void command_help(const struct command *command, FILE *out)
{
    fputs("usage: ", out);
    command_usage(command, out);
    fprintf(out, "\n%s\n\n", command->text);
    for (const struct command_option *option = command->options; option->name; option++)
        fprintf(out, "  %2s%-14s %-12s %s\n", dashes(option), option->name, option->value,
                option->text);
}
