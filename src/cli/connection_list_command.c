#include <stdio.h>

#include "api_client.h"
#include "table.h"

/* With a star when its instance does not work without it. */
static void outbound(const json_t *row, const char *key, char *out)
{
    const char *name = json_string_value(json_object_get(row, key));
    int required = json_is_true(json_object_get(row, "outbound_required"));

    snprintf(out, TABLE_CELL_SIZE, "%s%s", name ? name : "-", required ? "*" : "");
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    static const struct table_column columns[] = {
        {"SOURCE", "source_instance", NULL},
        {"OUTBOUND", "outbound", outbound},
        {"TARGET", "target_instance", NULL},
        {"INBOUND", "inbound", NULL},
        {"PORT", "port", NULL},
        {"STATUS", "status", NULL},
        {"REASON", "reason", NULL},
        {"AGE", "created_at", table_age},
        {NULL, NULL, NULL},
    };

    return api_print_list(arguments, "/v1/connections", "connections", columns, err);
}

const struct command connection_list_command = {
    .words = "connection list",
    .alias = "list",
    .text = "Lists the connections. An outbound with a star is required: its instance does not "
            "work without it.",
    .prints = true,
    .asks_registry = true,
    .run = run,
};
