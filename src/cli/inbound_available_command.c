#include "api_client.h"
#include "table.h"

static int run(const struct command_arguments *arguments, struct error *err)
{
    static const struct table_column columns[] = {
        {"INSTANCE", "instance", NULL},
        {"INBOUND", "name", NULL},
        {"PORT", "port", NULL},
        {NULL, NULL, NULL},
    };

    return api_print_list(arguments, "/v1/interfaces/inbound/available", "inbounds", columns, err);
}

const struct command inbound_available_command = {
    .words = "inbound available",
    .text =
        "Lists the inbounds that can be connected to: all there are, since one takes any number "
        "of outbounds.",
    .prints = true,
    .asks_registry = true,
    .run = run,
};
