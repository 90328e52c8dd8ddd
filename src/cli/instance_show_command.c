#include <stdio.h>
#include <stdlib.h>

#include "api_client.h"
#include "instance.h"
#include "output.h"
#include "table.h"

static const struct table_column inbound_columns[] = {
    {"NAME", "name", NULL},
    {"PORT", "port", NULL},
    {"CONNECTIONS", "connections", NULL},
    {NULL, NULL, NULL},
};

static const struct table_column outbound_columns[] = {
    {"NAME", "name", NULL}, {"REQUIRED", "required", NULL},
    {"PORT", "port", NULL}, {"CONNECTION", "connection", NULL},
    {NULL, NULL, NULL},
};

static const struct table_column replica_columns[] = {
    {"ID", "id", NULL},
    {"LIVE", "live", NULL},
    {"ADDRESS", "address", NULL},
    {"VERSION", "version", NULL},
    {"SEEN", "last_seen", table_age},
    {"CERTIFICATE", "certificate_not_after", table_until},
    {NULL, NULL, NULL},
};

static void print_list(const char *title, const json_t *instance, const char *key,
                       const struct table_column *columns)
{
    const json_t *list = json_object_get(instance, key);

    printf("\n%s\n", title);
    if (json_array_size(list) == 0) {
        puts("  none");
    } else {
        table_print(list, columns, stdout);
    }
}

static void print(const json_t *instance)
{
    table_line("name", instance, "name", NULL, stdout);
    table_line("described", instance, "applied", NULL, stdout);
    table_line("age", instance, "created_at", table_age, stdout);
    table_line("revision", instance, "revision", NULL, stdout);
    print_list("OUTBOUNDS", instance, "outbounds", outbound_columns);
    print_list("INBOUNDS", instance, "inbounds", inbound_columns);
    print_list("REPLICAS", instance, "replicas", replica_columns);
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    char *path = instance_path(arguments->operands[0], "NAME", err);
    struct api_answer answer;
    struct api *api;
    int code = COMMAND_FAILED;

    if (!path) {
        return COMMAND_USAGE;
    }
    api = api_new(arguments, err);
    if (api) {
        code = api_ask(api, "GET", path, NULL, &answer, err);
        if (code == COMMAND_DONE && arguments->json) {
            output_text(answer.text);
        } else if (code == COMMAND_DONE) {
            print(answer.json);
        }
        api_answer_clear(&answer);
    }
    api_free(api);
    free(path);
    return code;
}

const struct command instance_show_command = {
    .words = "instance show",
    .text = "Shows one instance: its interfaces, what they are connected by, and its replicas.",
    .operands = {{"NAME", "of the instance"}},
    .prints = true,
    .asks_registry = true,
    .run = run,
};
