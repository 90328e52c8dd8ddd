#include "api_client.h"
#include "table.h"

static int run(const struct command_arguments *arguments, struct error *err)
{
    static const struct table_column columns[] = {
        {"ID", "id", NULL},
        {"INSTANCE", "instance", NULL},
        {"USES LEFT", "uses_left", NULL},
        {"AGE", "created_at", table_age},
        {"GOOD FOR", "expires_at", table_until},
        {NULL, NULL, NULL},
    };

    return api_print_list(arguments, "/v1/join-tokens", "tokens", columns, err);
}

const struct command token_list_command = {
    .words = "token list",
    .text = "Lists the join tokens. Their secrets are known to nobody but to those they were given "
            "to.",
    .prints = true,
    .asks_registry = true,
    .run = run,
};
