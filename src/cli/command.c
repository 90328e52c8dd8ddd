#include "appnet/cli/command.h"

#include <string.h>

#define TEXT_WIDTH 80

/* Options that several commands have, each list ended by one without a name. */
static const struct command_option form_options[] = {
    {.name = "o",
     .value = "table|json",
     .text = "for people, or for programs",
     .fallback = "table"},
    {.name = NULL},
};

enum { REGISTRY, TOKEN_FILE, CA };

static const struct command_option registry_options[] = {
    [REGISTRY] = {.name = "registry",
                  .value = "URL",
                  .text = "where the registry is; if not given, $APPNET_REGISTRY or "
                          "http://127.0.0.1:15080"},
    [TOKEN_FILE] = {.name = "token-file",
                    .value = "FILE",
                    .text = "holds the token that says who you are; if not given, "
                            "$APPNET_TOKEN_FILE"},
    [CA] = {.name = "ca",
            .value = "FILE",
            .text = "whom to trust about an https registry; if not given, $APPNET_CA or this "
                    "machine's own CAs"},
    {.name = NULL},
};

enum { LIST_OWN, LIST_FORM, LIST_REGISTRY, LIST_COUNT };

/* One of the lists, empty if the command has it not. */
static const struct command_option *list_of(const struct command *command, int list)
{
    static const struct command_option none[] = {{.name = NULL}};

    switch (list) {
    case LIST_OWN:
        return command->options;
    case LIST_FORM:
        return command->prints ? form_options : none;
    default:
        return command->asks_registry ? registry_options : none;
    }
}

/* Where the values of the lists go. */
struct values {
    const char *lists[LIST_COUNT][COMMAND_OPTIONS_MAX];
};

static const char *dashes(const struct command_option *option)
{
    return option->name[1] ? "--" : "-";
}

static int match_words(const char *words, int argc, char *const *argv)
{
    for (int i = 0; words && i < argc; i++) {
        size_t length = strcspn(words, " ");
        if (strlen(argv[i]) != length || strncmp(argv[i], words, length) != 0) {
            return 0;
        }
        if (words[length] == '\0') {
            return i + 1;
        }
        words += length + 1;
    }
    return 0;
}

int command_match(const struct command *command, int argc, char *const *argv)
{
    int count = match_words(command->words, argc, argv);

    return count > 0 ? count : match_words(command->alias, argc, argv);
}

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/* The option of a list that an argument names, and its value if it stands in the same argument,
 * else NULL. */
static const struct command_option *find_in(const struct command_option *list, const char *argument,
                                            const char **value)
{
    bool is_long = strncmp(argument, "--", 2) == 0;
    const char *name = argument + (is_long ? 2 : 1);
    size_t length = is_long ? strcspn(name, "=") : 1;

    for (const struct command_option *option = list; option->name; option++) {
        if ((option->name[1] != '\0') == is_long && strlen(option->name) == length &&
            strncmp(option->name, name, length) == 0) {
            *value = name[length] ? name + length + is_long : NULL;
            return option;
        }
    }
    return NULL;
}

int command_leading_options(int argc, char *const *argv)
{
    int count = 0;

    while (count < argc && is_option(argv[count])) {
        const char *value = NULL;
        if (!find_in(form_options, argv[count], &value) &&
            !find_in(registry_options, argv[count], &value)) {
            break;
        }
        count += value ? 1 : 2;
    }
    return count < argc ? count : argc;
}

static enum command_parsed wrong(struct error *err, const struct command_option *option,
                                 const char *what)
{
    error_set(err, "%s%s %s", dashes(option), option->name, what);
    return COMMAND_WRONG;
}

/* Whether `value` is one of `a|b|c`. */
static bool is_choice(const char *choices, const char *value)
{
    size_t length;

    for (;; choices += length + 1) {
        length = strcspn(choices, "|");
        if (strlen(value) == length && strncmp(choices, value, length) == 0) {
            return true;
        }
        if (choices[length] == '\0') {
            return false;
        }
    }
}

static enum command_parsed check_choice(const struct command_option *option, const char *value,
                                        struct error *err)
{
    char choices[128];
    size_t used = 0;

    if (!strchr(option->value, '|') || is_choice(option->value, value)) {
        return COMMAND_RUN;
    }
    for (const char *c = option->value; *c && used + 5 < sizeof choices; c++) {
        used +=
            (size_t)snprintf(choices + used, sizeof choices - used, *c == '|' ? " or " : "%c", *c);
    }
    error_set(err, "%s%s %s: expected %s", dashes(option), option->name, value, choices);
    return COMMAND_WRONG;
}

/* The value of the option at argv[*i], moving *i to where it was found. */
static enum command_parsed take_value(const struct command_option *option, int argc,
                                      char *const *argv, int *i, const char **value,
                                      struct error *err)
{
    bool needs = option->value && !option->value_optional;

    if (!option->value && *value) {
        return wrong(err, option, "takes no value");
    }
    if (needs && !*value) {
        *value = ++*i < argc ? argv[*i] : "";
    }
    if (!*value) {
        *value = "";
        return COMMAND_RUN;
    }
    if (!**value) {
        return wrong(err, option, "needs a value");
    }
    return check_choice(option, *value, err);
}

static enum command_parsed parse_option(const struct command *command, int argc, char *const *argv,
                                        int *i, struct values *values, struct error *err)
{
    for (int list = 0; list < LIST_COUNT; list++) {
        const struct command_option *options = list_of(command, list);
        const char *value = NULL;
        const struct command_option *option = find_in(options, argv[*i], &value);
        if (!option) {
            continue;
        }
        if (take_value(option, argc, argv, i, &value, err) != COMMAND_RUN) {
            return COMMAND_WRONG;
        }
        if (values->lists[list][option - options]) {
            return wrong(err, option, "is given twice");
        }
        values->lists[list][option - options] = value;
        return COMMAND_RUN;
    }
    error_set(err, "unexpected \"%s\"", argv[*i]);
    return COMMAND_WRONG;
}

static unsigned operand_count(const struct command *command)
{
    unsigned count = 0;

    while (count < COMMAND_OPERANDS_MAX && command->operands[count].name) {
        count++;
    }
    return count;
}

static enum command_parsed finish_options(const struct command *command, struct values *values,
                                          struct error *err)
{
    for (int list = 0; list < LIST_COUNT; list++) {
        const struct command_option *options = list_of(command, list);
        for (int i = 0; i < COMMAND_OPTIONS_MAX && options[i].name; i++) {
            if (values->lists[list][i]) {
                continue;
            }
            if (options[i].required) {
                return wrong(err, &options[i], "is missing");
            }
            values->lists[list][i] = options[i].fallback;
        }
    }
    return COMMAND_RUN;
}

static void hand_over(const struct values *values, struct command_arguments *out)
{
    const char *form = values->lists[LIST_FORM][0];

    memcpy(out->options, values->lists[LIST_OWN], sizeof out->options);
    out->json = form && strcmp(form, "json") == 0;
    out->registry = values->lists[LIST_REGISTRY][REGISTRY];
    out->token_file = values->lists[LIST_REGISTRY][TOKEN_FILE];
    out->ca = values->lists[LIST_REGISTRY][CA];
}

enum command_parsed command_parse(const struct command *command, int argc, char *const *argv,
                                  struct command_arguments *out, struct error *err)
{
    struct values values = {0};
    unsigned expected = operand_count(command);
    unsigned given = 0;
    bool only_operands = false;

    memset(out, 0, sizeof *out);
    for (int i = 0; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands &&
                   (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            return COMMAND_HELP;
        } else if (!only_operands && is_option(argv[i])) {
            if (parse_option(command, argc, argv, &i, &values, err) != COMMAND_RUN) {
                return COMMAND_WRONG;
            }
        } else if (given < expected && *argv[i]) {
            out->operands[given++] = argv[i];
        } else if (command->rest && given == expected) {
            out->rest = &argv[i];
            break;
        } else {
            error_set(err, "unexpected \"%s\"", argv[i]);
            return COMMAND_WRONG;
        }
    }
    if (finish_options(command, &values, err) != COMMAND_RUN) {
        return COMMAND_WRONG;
    }
    if (given < expected || (command->rest && !out->rest)) {
        error_set(err, "%s is missing",
                  given < expected ? command->operands[given].name : command->rest);
        return COMMAND_WRONG;
    }
    hand_over(&values, out);
    return COMMAND_RUN;
}

static void print_option(const struct command_option *option, FILE *out)
{
    bool required = option->required;

    fprintf(out, " %s%s%s", required ? "" : "[", dashes(option), option->name);
    if (option->value_optional) {
        fprintf(out, "[=%s]", option->value);
    } else if (option->value) {
        fprintf(out, " %s", option->value);
    }
    fputs(required ? "" : "]", out);
}

void command_usage(const struct command *command, FILE *out)
{
    fprintf(out, "appnet %s", command->words);
    for (unsigned i = 0; i < operand_count(command); i++) {
        fprintf(out, " %s", command->operands[i].name);
    }
    for (int list = LIST_OWN; list <= LIST_FORM; list++) {
        const struct command_option *options = list_of(command, list);
        for (int i = 0; i < COMMAND_OPTIONS_MAX && options[i].name; i++) {
            print_option(&options[i], out);
        }
    }
    if (command->rest) {
        fprintf(out, " -- %s", command->rest);
    }
    fputc('\n', out);
}

static void describe_option(const struct command_option *option, FILE *out)
{
    fprintf(out, "  %2s%-14s %-12s %s\n", dashes(option), option->name,
            option->value ? option->value : "", option->text);
}

static void describe_options(const struct command_option *options, FILE *out)
{
    for (int i = 0; i < COMMAND_OPTIONS_MAX && options[i].name; i++) {
        describe_option(&options[i], out);
    }
}

void command_registry_help(FILE *out)
{
    describe_options(registry_options, out);
}

/* In lines of a width that can be read. */
static void print_wrapped(const char *text, FILE *out)
{
    size_t column = 0;

    while (*text) {
        size_t length = strcspn(text, " ");
        if (column > 0 && column + 1 + length > TEXT_WIDTH) {
            fputc('\n', out);
            column = 0;
        } else if (column > 0) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, length, out);
        column += length;
        text += length + strspn(text + length, " ");
    }
    fputc('\n', out);
}

void command_help(const struct command *command, FILE *out)
{
    fputs("usage: ", out);
    command_usage(command, out);
    if (command->alias) {
        fprintf(out, "or, shorter: appnet %s ...\n", command->alias);
    }
    fputc('\n', out);
    print_wrapped(command->text, out);
    fputc('\n', out);
    for (unsigned i = 0; i < operand_count(command); i++) {
        fprintf(out, "  %-29s %s\n", command->operands[i].name, command->operands[i].text);
    }
    describe_options(command->options, out);
    describe_options(list_of(command, LIST_FORM), out);
    if (command->asks_registry) {
        command_registry_help(out);
    }
}
