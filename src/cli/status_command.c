#include <jansson.h>
#include <stdlib.h>

#include "appnet/cli/command.h"
#include "output.h"
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

static int run(const struct command_arguments *arguments, struct error *err)
{
    char *socket = sidecar_find(arguments->options[0], SIDECAR_FOLDER, err);
    char *text = socket ? sidecar_get(socket, "/status", SIDECAR_TIMEOUT, err) : NULL;
    int code = COMMAND_FAILED;

    if (text && arguments->json) {
        output_text(text);
        code = COMMAND_DONE;
    } else if (text) {
        code = print_table(text, err);
    }
    free(socket);
    free(text);
    return code;
}

const struct command status_command = {
    .words = "status",
    .text = "Shows a sidecar of this machine: its certificate, interfaces, tunnels and streams.",
    .options = {SIDECAR_OPTION},
    .prints = true,
    .run = run,
};
