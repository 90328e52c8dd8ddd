#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "appnet/base/duration.h"
#include "appnet/base/loop.h"
#include "appnet/cli/command.h"
#include "output.h"
#include "progress.h"
#include "readiness.h"
#include "sidecar_client.h"

#define PAUSE 50000 /* microseconds */

/* Once: a sidecar that is not there may be on its way. */
static enum readiness look(const char *given, json_t **status, char text[READINESS_TEXT_SIZE])
{
    struct error err = ERROR_INIT;
    char *socket = sidecar_find(given, SIDECAR_FOLDER, &err);
    enum readiness readiness = READINESS_UNKNOWN;

    *status = NULL;
    if (socket) {
        readiness = readiness_ask(socket, SIDECAR_TIMEOUT / 5, status, text);
    } else {
        snprintf(text, READINESS_TEXT_SIZE, "%s", err.text);
    }
    free(socket);
    return readiness;
}

static void print_ready(bool json, json_t *status, const char *text)
{
    if (json) {
        output_json(json_incref(status));
    } else {
        printf("ready: %s\n", *text ? text : "no outbound is required");
    }
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    char text[READINESS_TEXT_SIZE] = "";
    struct progress progress;
    enum readiness readiness;
    int64_t seconds;
    int64_t end;

    if (duration_parse(arguments->options[1], &seconds, err) != 0) {
        error_prefix(err, "--timeout %s", arguments->options[1]);
        return COMMAND_USAGE;
    }
    if (!sidecar_may_come(arguments->options[0], SIDECAR_FOLDER)) {
        free(sidecar_find(arguments->options[0], SIDECAR_FOLDER, err));
        return COMMAND_FAILED;
    }
    progress_begin(&progress);
    end = progress.begun + seconds * 1000000;
    for (;;) {
        json_t *status;
        readiness = look(arguments->options[0], &status, text);
        if (readiness == READINESS_READY) {
            progress_end(&progress);
            print_ready(arguments->json, status, text);
        }
        json_decref(status);
        if (readiness == READINESS_READY || readiness == READINESS_ENDING || loop_now() >= end) {
            break;
        }
        progress_show(&progress, text);
        usleep(PAUSE);
    }
    progress_end(&progress);
    if (readiness == READINESS_READY) {
        return COMMAND_DONE;
    }
    if (readiness == READINESS_ENDING) {
        error_set(err, "%s", text);
    } else {
        error_set(err, "not ready after %s: %s", arguments->options[1], text);
    }
    return COMMAND_FAILED;
}

const struct command wait_command = {
    .words = "wait",
    .text = "Waits until every required outbound of a sidecar of this machine works, and for the "
            "sidecar itself.",
    .options =
        {
            SIDECAR_OPTION,
            {.name = "timeout",
             .value = "TIME",
             .text = "how long at the most: " DURATION_EXPECTED,
             .fallback = "60s"},
        },
    .prints = true,
    .run = run,
};
