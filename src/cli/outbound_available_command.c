#include "api_client.h"
#include "table.h"

static int run(const struct command_arguments *arguments, struct error *err)
{
    static const struct table_column columns[] = {
        {"INSTANCE", "instance", NULL}, {"OUTBOUND", "name", NULL}, {"REQUIRED", "required", NULL},
        {"PORT", "port", NULL},         {NULL, NULL, NULL},
    };

    return api_print_list(arguments, "/v1/interfaces/outbound/available", "outbounds", columns,
                          err);
}

const struct command outbound_available_command = {
    .words = "outbound available",
    .text = "Lists the outbounds that can be connected: those that are not connected yet.",
    .prints = true,
    .asks_registry = true,
    .run = run,
};
