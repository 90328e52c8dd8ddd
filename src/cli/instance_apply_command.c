#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_client.h"
#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "instance.h"
#include "output.h"

#define DESCRIPTOR_MAX ((size_t)1 << 20)
#define ENDING ".json"

/* From a file, or from standard input for "-". */
static json_t *read_descriptor(const char *path, struct error *err)
{
    json_error_t problem;
    json_t *descriptor;
    char *text;
    size_t size;

    if (strcmp(path, "-") == 0) {
        descriptor = json_loadf(stdin, JSON_REJECT_DUPLICATES, &problem);
    } else {
        if (file_read(path, DESCRIPTOR_MAX, &text, &size, err) != 0) {
            return NULL;
        }
        descriptor = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
        free(text);
    }
    if (!descriptor) {
        error_set(err, "%s:%d:%d: %s", strcmp(path, "-") == 0 ? "standard input" : path,
                  problem.line, problem.column, problem.text);
    } else if (!json_is_object(descriptor)) {
        error_set(err, "%s: expected an object, as a descriptor is", path);
        json_decref(descriptor);
        descriptor = NULL;
    }
    return descriptor;
}

/* Whose descriptor it is: as the option says, or the descriptor itself, or the name of its file. */
static char *name_of(const struct command_arguments *arguments, const json_t *descriptor)
{
    const char *inside = json_string_value(json_object_get(descriptor, "name"));
    const char *path = arguments->operands[0];
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t length = strlen(base);

    if (arguments->options[0] || inside) {
        return memory_strdup(arguments->options[0] ? arguments->options[0] : inside);
    }
    if (length > strlen(ENDING) && strcmp(base + length - strlen(ENDING), ENDING) == 0) {
        length -= strlen(ENDING);
    }
    return memory_printf("%.*s", (int)length, base);
}

static int apply(const struct command_arguments *arguments, const char *path, const char *name,
                 const json_t *descriptor, struct error *err)
{
    struct api *api = api_new(arguments, err);
    struct api_answer answer;
    int code;

    if (!api) {
        return COMMAND_FAILED;
    }
    code = api_ask(api, "PUT", path, descriptor, &answer, err);
    if (code == COMMAND_DONE && arguments->json) {
        output_text(answer.text);
    } else if (code == COMMAND_DONE) {
        printf("%s: %s\n", name, answer.status == 201 ? "created" : "updated");
    }
    api_answer_clear(&answer);
    api_free(api);
    return code;
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    json_t *descriptor = read_descriptor(arguments->operands[0], err);
    char *name;
    char *path;
    int code = COMMAND_FAILED;

    if (!descriptor) {
        return COMMAND_FAILED;
    }
    name = name_of(arguments, descriptor);
    path = instance_path(name, "the instance's name", err);
    if (path) {
        code = apply(arguments, path, name, descriptor, err);
    } else {
        error_prefix(err, "%s", arguments->operands[0]);
    }
    json_decref(descriptor);
    free(name);
    free(path);
    return code;
}

const struct command instance_apply_command = {
    .words = "instance apply",
    .text =
        "Describes an instance to the registry, or describes it anew: its interfaces are there, "
        "and can be connected, before it first starts.",
    .operands = {{"FILE", "the descriptor, in JSON; - for standard input"}},
    .options = {{.name = "instance",
                 .value = "NAME",
                 .text =
                     "whose it is; if not given, as its \"name\" says, or else the file's own"}},
    .prints = true,
    .asks_registry = true,
    .run = run,
};
