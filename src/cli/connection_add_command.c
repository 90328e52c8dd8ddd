#include <stdio.h>

#include "connection.h"
#include "output.h"

static void print(const struct command_arguments *arguments, const struct api_answer *answer,
                  json_t *connection)
{
    const char *status = json_string_value(json_object_get(connection, "status"));
    char name[300];

    if (arguments->json && connection == answer->json) {
        output_text(answer->text);
    } else if (arguments->json) {
        output_json(json_incref(connection));
    } else {
        connection_describe(connection, name, sizeof name);
        printf("%s: %s\n", name, status ? status : "accepted");
    }
}

static int add(struct api *api, const struct command_arguments *arguments,
               const struct connection_names *names, int64_t seconds, struct error *err)
{
    json_t *body =
        json_pack("{s:s,s:s,s:s,s:s}", "source_instance", names->source, "outbound",
                  names->outbound, "target_instance", names->target, "inbound", names->inbound);
    struct api_answer answer;
    json_t *connection;
    bool accepted;
    int code = api_ask(api, "POST", "/v1/connections", body, &answer, err);

    json_decref(body);
    accepted = code == COMMAND_DONE;
    connection = json_incref(answer.json);
    if (accepted && arguments->options[0]) {
        code = connection_await(api, &connection, false, seconds, err);
    }
    /* A script wants to know what there is, also if it does not work yet. */
    if (code == COMMAND_DONE || (accepted && arguments->json)) {
        print(arguments, &answer, connection);
    }
    json_decref(connection);
    api_answer_clear(&answer);
    return code;
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    struct connection_names names;
    struct api *api;
    int64_t seconds;
    int code;

    if (connection_names_from(arguments, &names, err) != 0 ||
        connection_wait_seconds(arguments->options[0], &seconds, err) != 0) {
        return COMMAND_USAGE;
    }
    api = api_new(arguments, err);
    if (!api) {
        return COMMAND_FAILED;
    }
    code = add(api, arguments, &names, seconds, err);
    api_free(api);
    return code;
}

const struct command connection_add_command = {
    .words = "connection add",
    .alias = "add",
    .text =
        "Connects an outbound of one instance to an inbound of another. It is accepted at once, "
        "and established when the traffic can flow: --wait waits for that.",
    .operands = CONNECTION_OPERANDS,
    .options = {CONNECTION_WAIT_OPTION},
    .prints = true,
    .asks_registry = true,
    .run = run,
};
