#include <stdio.h>
#include <stdlib.h>

#include "api_client.h"
#include "appnet/base/memory.h"
#include "instance.h"
#include "output.h"

static void print(const char *name, const struct api_answer *answer)
{
    size_t count = json_array_size(json_object_get(answer->json, "connections"));

    if (answer->status == 202 && count > 0) {
        printf("%s: is removed, after its %zu connection%s\n", name, count, count == 1 ? "" : "s");
    } else {
        printf("%s: %s\n", name, answer->status == 202 ? "is removed" : "removed");
    }
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    const char *name = arguments->operands[0];
    char *path = instance_path(name, "NAME", err);
    struct api_answer answer;
    struct api *api;
    char *whole;
    int code = COMMAND_FAILED;

    if (!path) {
        return COMMAND_USAGE;
    }
    whole = memory_printf("%s%s", path, arguments->options[0] ? "?force=true" : "");
    api = api_new(arguments, err);
    if (api) {
        code = api_ask(api, "DELETE", whole, NULL, &answer, err);
        if (code == COMMAND_DONE && arguments->json) {
            output_text(answer.text);
        } else if (code == COMMAND_DONE) {
            print(name, &answer);
        }
        api_answer_clear(&answer);
    }
    api_free(api);
    free(path);
    free(whole);
    return code;
}

const struct command instance_remove_command = {
    .words = "instance remove",
    .text = "Removes an instance, its connections first. Replicas that still run are cut off.",
    .operands = {{"NAME", "of the instance"}},
    .options = {{.name = "force", .text = "even if others are connected to it"}},
    .prints = true,
    .asks_registry = true,
    .run = run,
};
