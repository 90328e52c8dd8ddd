#include "connection.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appnet/base/duration.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/name.h"
#include "progress.h"

#define WAIT_SECONDS 60

/* Between two questions, in microseconds: the first answers come soon. */
#define PAUSE_MIN 20000
#define PAUSE_MAX 500000

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

int connection_names_from(const struct command_arguments *arguments, struct connection_names *out,
                          struct error *err)
{
    static const char *const words[] = {"SOURCE", "OUTBOUND", "TARGET", "INBOUND"};

    for (int i = 0; i < 4; i++) {
        const char *name = arguments->operands[i];
        if (!name_valid(name, strlen(name))) {
            return error_set(err, "%s \"%s\": expected " NAME_EXPECTED, words[i], name);
        }
    }
    out->source = arguments->operands[0];
    out->outbound = arguments->operands[1];
    out->target = arguments->operands[2];
    out->inbound = arguments->operands[3];
    return 0;
}

static bool is(const json_t *connection, const char *key, const char *value)
{
    return strcmp(string_of(connection, key), value) == 0;
}

/* The connection of the outbound, wherever it leads: there is one at the most. */
static json_t *find_in(const json_t *list, const struct connection_names *names)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *connection = json_array_get(list, i);
        if (is(connection, "source_instance", names->source) &&
            is(connection, "outbound", names->outbound)) {
            return connection;
        }
    }
    return NULL;
}

int connection_find(struct api *api, const struct connection_names *names, json_t **connection,
                    struct error *err)
{
    struct api_answer answer;
    int code = api_ask(api, "GET", "/v1/connections", NULL, &answer, err);
    json_t *found = NULL;

    *connection = NULL;
    if (code == COMMAND_DONE) {
        found = find_in(json_object_get(answer.json, "connections"), names);
    }
    if (found && is(found, "target_instance", names->target) &&
        is(found, "inbound", names->inbound)) {
        *connection = json_incref(found);
    } else if (found) {
        code = COMMAND_FAILED;
        error_set(err, "%s of %s is connected to %s of %s, not to %s of %s", names->outbound,
                  names->source, string_of(found, "inbound"), string_of(found, "target_instance"),
                  names->inbound, names->target);
    } else if (code == COMMAND_DONE) {
        code = COMMAND_FAILED;
        error_set(err, "%s of %s is not connected; appnet list shows what is", names->outbound,
                  names->source);
    }
    api_answer_clear(&answer);
    return code;
}

char *connection_path(const json_t *connection, struct error *err)
{
    const char *id = string_of(connection, "id");
    size_t length = 0;

    while (isalnum((unsigned char)id[length]) || id[length] == '-') {
        length++;
    }
    if (length == 0 || id[length] != '\0') {
        error_set(err, "the registry's answer is not a connection");
        return NULL;
    }
    return memory_printf("/v1/connections/%s", id);
}

int connection_wait_seconds(const char *value, int64_t *seconds, struct error *err)
{
    char *with_unit;
    int rc;

    *seconds = WAIT_SECONDS;
    if (!value || !*value) {
        return 0;
    }
    with_unit =
        memory_printf("%s%s", value, isdigit((unsigned char)value[strlen(value) - 1]) ? "s" : "");
    rc = duration_parse(with_unit, seconds, err);
    free(with_unit);
    return rc == 0 ? 0 : error_set(err, "--wait=%s: expected a number of seconds", value);
}

void connection_describe(const json_t *connection, char *out, size_t size)
{
    snprintf(out, size, "%s of %s to %s of %s", string_of(connection, "outbound"),
             string_of(connection, "source_instance"), string_of(connection, "inbound"),
             string_of(connection, "target_instance"));
}

/* "FAILED, unreachable: the sentence" */
static void describe_state(const json_t *connection, char *out, size_t size)
{
    const char *reason = string_of(connection, "reason");
    const char *detail = string_of(connection, "detail");

    snprintf(out, size, "%s%s%s%s%s", string_of(connection, "status"), *reason ? ", " : "", reason,
             *detail ? ": " : "", detail);
}

enum seen { SEEN_DONE, SEEN_REFUSED, SEEN_WAITING };

/* One question. A registry that does not answer for a while is asked again; its refusals count. */
static enum seen look(struct api *api, const char *path, json_t **connection, bool gone,
                      struct error *err)
{
    struct api_answer answer;
    enum seen seen = SEEN_WAITING;
    struct error ignored = ERROR_INIT;

    if (api_try(api, "GET", path, NULL, &answer, &ignored) != COMMAND_DONE ||
        answer.status >= 500 || answer.status == 429) {
        seen = SEEN_WAITING;
    } else if (answer.status == 404 && gone) {
        seen = SEEN_DONE;
    } else if (answer.status == 404) {
        seen = SEEN_REFUSED;
        error_set(err, "it was removed by somebody else");
    } else if (answer.status != 200) {
        seen = SEEN_REFUSED;
        api_refused(api, &answer, err);
    } else if (json_is_object(answer.json)) {
        json_decref(*connection);
        *connection = json_incref(answer.json);
        if (!gone && is(*connection, "status", "ESTABLISHED")) {
            seen = SEEN_DONE;
        } else if (!gone && is(*connection, "status", "TERMINATED")) {
            seen = SEEN_REFUSED;
            error_set(err, "it is being removed by somebody else");
        }
    }
    api_answer_clear(&answer);
    return seen;
}

int connection_await(struct api *api, json_t **connection, bool gone, int64_t seconds,
                     struct error *err)
{
    char *path = connection_path(*connection, err);
    useconds_t pause = PAUSE_MIN;
    enum seen seen = SEEN_WAITING;
    struct progress progress;
    char name[300];
    char state[512];
    char text[900];

    if (!path) {
        return COMMAND_FAILED;
    }
    progress_begin(&progress);
    while (seen == SEEN_WAITING) {
        seen = look(api, path, connection, gone, err);
        connection_describe(*connection, name, sizeof name);
        describe_state(*connection, state, sizeof state);
        if (seen == SEEN_WAITING && loop_now() - progress.begun >= seconds * 1000000) {
            seen = SEEN_REFUSED;
            error_set(err, "%s: %s after %d second%s", name,
                      gone     ? "is not gone"
                      : *state ? state
                               : "not established",
                      (int)seconds, seconds == 1 ? "" : "s");
        }
        if (seen == SEEN_WAITING) {
            snprintf(text, sizeof text, "%s: %s", name, state);
            progress_show(&progress, text);
            usleep(pause);
            pause = pause * 5 / 4 < PAUSE_MAX ? pause * 5 / 4 : PAUSE_MAX;
        }
    }
    progress_end(&progress);
    free(path);
    return seen == SEEN_DONE ? COMMAND_DONE : COMMAND_FAILED;
}
