#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "connection.h"
#include "output.h"

static bool is_going(const json_t *connection)
{
    const char *status = json_string_value(json_object_get(connection, "status"));

    return status && strcmp(status, "TERMINATED") == 0;
}

/* Whoever waits for the end need not have begun it. */
static int ask_for_it(struct api *api, const json_t *connection, bool force, bool waits,
                      struct api_answer *answer, struct error *err)
{
    char *path;
    char *whole;
    int code;

    memset(answer, 0, sizeof *answer);
    if (waits && is_going(connection)) {
        return COMMAND_DONE;
    }
    path = connection_path(connection, err);
    if (!path) {
        return COMMAND_FAILED;
    }
    whole = memory_printf("%s%s", path, force ? "?confirm_required=true" : "");
    code = api_ask(api, "DELETE", whole, NULL, answer, err);
    free(path);
    free(whole);
    return code;
}

static int remove_it(struct api *api, const struct command_arguments *arguments,
                     json_t **connection, int64_t seconds, struct error *err)
{
    bool waits = arguments->options[1];
    struct api_answer answer;
    char name[300];
    int code = ask_for_it(api, *connection, arguments->options[0], waits, &answer, err);

    if (code == COMMAND_DONE && waits) {
        code = connection_await(api, connection, true, seconds, err);
    }
    if (code == COMMAND_DONE && !arguments->json) {
        connection_describe(*connection, name, sizeof name);
        printf("%s: %s\n", name, waits ? "gone" : "TERMINATED");
    } else if (code == COMMAND_DONE && answer.text) {
        output_text(answer.text);
    } else if (code == COMMAND_DONE) {
        output_json(json_incref(*connection));
    }
    api_answer_clear(&answer);
    return code;
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    struct connection_names names;
    json_t *connection = NULL;
    struct api *api;
    int64_t seconds;
    int code;

    if (connection_names_from(arguments, &names, err) != 0 ||
        connection_wait_seconds(arguments->options[1], &seconds, err) != 0) {
        return COMMAND_USAGE;
    }
    api = api_new(arguments, err);
    if (!api) {
        return COMMAND_FAILED;
    }
    code = connection_find(api, &names, &connection, err);
    if (code == COMMAND_DONE) {
        code = remove_it(api, arguments, &connection, seconds, err);
    }
    json_decref(connection);
    api_free(api);
    return code;
}

const struct command connection_remove_command = {
    .words = "connection remove",
    .alias = "remove",
    .text =
        "Disconnects an outbound. Live traffic is cut. --wait waits until both ends have closed.",
    .operands = CONNECTION_OPERANDS,
    .options = {{.name = "force", .text = "even if the outbound is required"},
                CONNECTION_WAIT_OPTION},
    .prints = true,
    .asks_registry = true,
    .run = run,
};
