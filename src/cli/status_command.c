#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/cli/command.h"
#include "sidecar_client.h"
#include "status_table.h"

static int print_table(const char *text, struct error *err)
{
    json_error_t problem;
    json_t *status = json_loads(text, 0, &problem);

    if (!json_is_object(status)) {
        json_decref(status);
        error_set(err, "the sidecar's answer is not a status in JSON");
        return COMMAND_FAILED;
    }
    status_table_print(status, stdout);
    json_decref(status);
    return COMMAND_DONE;
}

static int run(const char *const *values, struct error *err)
{
    bool json = strcmp(values[1], "json") == 0;
    char *socket;
    char *text = NULL;
    int code = COMMAND_FAILED;

    if (!json && strcmp(values[1], "table") != 0) {
        error_set(err, "-o %s: expected table or json", values[1]);
        return COMMAND_USAGE;
    }
    socket = sidecar_find(values[0], SIDECAR_FOLDER, err);
    if (socket)
        text = sidecar_get(socket, "/status", err);
    if (text && json)
        code = puts(text) < 0 ? COMMAND_FAILED : COMMAND_DONE;
    else if (text)
        code = print_table(text, err);
    free(socket);
    free(text);
    return code;
}

const struct command status_command = {
    .words = "status",
    .text = "Shows a sidecar of this machine: its certificate, interfaces, tunnels and streams.",
    .options =
        {
            {"sidecar", "SOCKET",
             "its admin socket; if not given, $APPNET_SIDECAR or the only one in " SIDECAR_FOLDER,
             false, NULL},
            {"o", "table|json", "for people, or for programs", false, "table"},
        },
    .run = run,
};
