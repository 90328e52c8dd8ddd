#include <stdio.h>

#include "api_client.h"
#include "table.h"

/* "2/3": live ones, of all. */
static void replicas(const json_t *row, const char *key, char *out)
{
    const json_t *list = json_object_get(row, key);
    size_t live = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        live += json_is_true(json_object_get(json_array_get(list, i), "live"));
    }
    snprintf(out, TABLE_CELL_SIZE, "%zu/%zu", live, json_array_size(list));
}

/* "sql, admin"; required ones with a star. */
static void names(const json_t *row, const char *key, char *out)
{
    const json_t *list = json_object_get(row, key);
    size_t used = 0;

    snprintf(out, TABLE_CELL_SIZE, "-");
    for (size_t i = 0; i < json_array_size(list) && used < TABLE_CELL_SIZE; i++) {
        const json_t *interface = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(interface, "name"));
        used += (size_t)snprintf(out + used, TABLE_CELL_SIZE - used, "%s%s%s", i > 0 ? ", " : "",
                                 name ? name : "-",
                                 json_is_true(json_object_get(interface, "required")) ? "*" : "");
    }
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    static const struct table_column columns[] = {
        {"NAME", "name", NULL},
        {"REPLICAS", "replicas", replicas},
        {"INBOUNDS", "inbound_net_interfaces", names},
        {"OUTBOUNDS", "outbound_net_interfaces", names},
        {"AGE", "created_at", table_age},
        {NULL, NULL, NULL},
    };

    return api_print_list(arguments, "/v1/instances", "instances", columns, err);
}

const struct command instance_list_command = {
    .words = "instance list",
    .text = "Lists the instances: how many of their replicas are live, and their interfaces. An "
            "outbound with a star is required.",
    .prints = true,
    .asks_registry = true,
    .run = run,
};
