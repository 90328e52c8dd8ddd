#include "readiness.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sidecar_client.h"

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* Adds "name" or "name is state" to a list; what does not fit is left out. */
static void add(char *text, const char *separator, const char *name, const char *state)
{
    size_t used = strlen(text);

    snprintf(text + used, READINESS_TEXT_SIZE - used, "%s%s%s%s", *text ? separator : "", name,
             state ? " is " : "", state ? state : "");
}

/* "FAILED, unreachable: the sentence" */
static void describe(const json_t *outbound, char *out, size_t size)
{
    const char *status = string_of(outbound, "status");
    const char *reason = string_of(outbound, "reason");
    const char *detail = string_of(outbound, "detail");

    if (*string_of(outbound, "instance") == '\0') {
        snprintf(out, size, "not connected");
        return;
    }
    snprintf(out, size, "%s%s%s%s%s", *status ? status : "no status yet", *reason ? ", " : "",
             reason, *detail ? ": " : "", detail);
}

/* Without a certificate nothing can be connected: said first, with what is in the way of one. */
static void explain_missing(const json_t *status, const char *missing, char *out)
{
    const char *trouble = string_of(json_object_get(status, "registry"), "detail");
    bool joined = !json_is_null(json_object_get(status, "certificate"));

    if (joined) {
        snprintf(out, READINESS_TEXT_SIZE, "%s", missing);
    } else {
        snprintf(out, READINESS_TEXT_SIZE, "not joined yet%s%s; %s", *trouble ? ": " : "", trouble,
                 missing);
    }
}

enum readiness readiness_of(const json_t *status, char text[READINESS_TEXT_SIZE])
{
    char required[READINESS_TEXT_SIZE] = "";
    char missing[READINESS_TEXT_SIZE] = "";
    json_t *outbound;
    size_t index;

    json_array_foreach(json_object_get(status, "outbounds"), index, outbound)
    {
        const char *name = string_of(outbound, "name");
        char state[512];
        if (!json_is_true(json_object_get(outbound, "required"))) {
            continue;
        }
        add(required, ", ", name, NULL);
        if (strcmp(string_of(outbound, "status"), "ESTABLISHED") != 0) {
            describe(outbound, state, sizeof state);
            add(missing, "; ", name, state);
        }
    }
    if (strcmp(string_of(status, "state"), "draining") == 0) {
        snprintf(text, READINESS_TEXT_SIZE, "the sidecar is ending");
        return READINESS_ENDING;
    }
    if (*missing) {
        explain_missing(status, missing, text);
        return READINESS_WAITING;
    }
    snprintf(text, READINESS_TEXT_SIZE, "%s", required);
    return READINESS_READY;
}

enum readiness readiness_ask(const char *socket, long timeout, json_t **status,
                             char text[READINESS_TEXT_SIZE])
{
    struct error err = ERROR_INIT;
    char *answer = sidecar_get(socket, "/status", timeout, &err);

    *status = answer ? json_loads(answer, 0, NULL) : NULL;
    free(answer);
    if (json_is_array(json_object_get(*status, "outbounds"))) {
        return readiness_of(*status, text);
    }
    json_decref(*status);
    *status = NULL;
    snprintf(text, READINESS_TEXT_SIZE, "%s",
             err.text[0] ? err.text : "the sidecar's answer is not a status in JSON");
    return READINESS_UNKNOWN;
}
