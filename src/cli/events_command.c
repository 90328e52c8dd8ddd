#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api_client.h"
#include "appnet/base/loop.h"
#include "connection.h"
#include "event_stream.h"
#include "output.h"
#include "table.h"

/* Without --follow it ends when nothing has come for so long, in microseconds. */
#define SILENCE 500000

/* The id before all others. */
#define ALL_KEPT "0"

/* Between two tries to reach a registry that has gone away. */
#define PAUSE 500000

struct events {
    bool json;
    bool follow;
    struct event_stream *stream;
    int64_t heard;        /* as loop_now */
    int64_t silent_since; /* likewise; 0: there is no answer yet */
};

static void print_text(const struct server_event *event, const json_t *data)
{
    const char *name = json_string_value(json_object_get(data, "name"));
    const char *id = json_string_value(json_object_get(data, "id"));
    const char *status = json_string_value(json_object_get(data, "status"));
    const char *detail = json_string_value(json_object_get(data, "detail"));
    char what[300] = "";

    table_put(event->at[0] ? event->at : "-", stdout);
    printf("  %-18s  ", event->type);
    if (strcmp(event->type, "connection") == 0) {
        connection_describe(data, what, sizeof what);
        table_put(what, stdout);
        printf(": ");
        table_put(status ? status : "-", stdout);
        if (detail) {
            fputs(", ", stdout);
            table_put(detail, stdout);
        }
    } else {
        table_put(name ? name : id ? id : "", stdout);
    }
    putchar('\n');
}

static int take(void *argument, const struct server_event *event)
{
    struct events *events = argument;
    json_t *value = json_loads(event->data, JSON_DECODE_ANY, NULL);

    if (events->json) {
        output_json(json_pack("{s:s,s:s,s:s,s:O?}", "event", event->type, "id", event->id, "at",
                              event->at, "data", value));
    } else {
        print_text(event, value);
    }
    json_decref(value);
    return fflush(stdout) == 0 ? 0 : -1;
}

static int on_data(void *argument, const char *data, size_t size)
{
    struct events *events = argument;

    events->heard = events->silent_since = loop_now();
    return event_stream_feed(events->stream, data, size);
}

static int on_tick(void *argument)
{
    struct events *events = argument;

    if (events->silent_since == 0) {
        events->silent_since = loop_now();
    }
    return !events->follow && loop_now() - events->silent_since > SILENCE ? -1 : 0;
}

/* Once, or again and again: where the last one broke, the next goes on. */
static int listen_to(struct api *api, struct events *events, struct error *err)
{
    bool told = false;

    for (;;) {
        const struct api_stream stream = {
            .path = "/v1/events",
            .last_id = event_stream_id(events->stream),
            .take = on_data,
            .tick = on_tick,
            .argument = events,
        };
        bool refused;
        int64_t begun = loop_now();
        int rc;
        events->heard = begun;
        events->silent_since = 0;
        event_stream_restart(events->stream);
        rc = api_follow(api, &stream, &refused, err);
        if (ferror(stdout) || refused || !events->follow) {
            return rc == 0 ? COMMAND_DONE : COMMAND_FAILED;
        }
        if (rc != 0 && !told) {
            fprintf(stderr, "appnet: %s; trying again\n", err->text);
        }
        told = rc != 0 && events->heard == begun;
        err->text[0] = '\0';
        usleep(PAUSE);
    }
}

static int run(const struct command_arguments *arguments, struct error *err)
{
    struct events events = {.json = arguments->json, .follow = arguments->options[0]};
    struct api *api = api_new(arguments, err);
    int code;

    if (!api) {
        return COMMAND_FAILED;
    }
    events.stream = event_stream_new(take, &events);
    if (arguments->options[1]) {
        event_stream_set_id(events.stream, arguments->options[1]);
    } else if (!events.follow) {
        event_stream_set_id(events.stream, ALL_KEPT);
    }
    code = listen_to(api, &events, err);
    event_stream_free(events.stream);
    api_free(api);
    return code;
}

const struct command events_command = {
    .words = "events",
    .text = "Prints what has happened to connections and instances, a line each, as far as the "
            "registry still knows. reset says that what was known before may be out of date.",
    .options =
        {
            {.name = "follow",
             .text = "print what happens from now on, over restarts of the registry, until it is "
                     "interrupted"},
            {.name = "since",
             .value = "ID",
             .text = "what has happened since the event of this id, as -o json shows it"},
        },
    .prints = true,
    .asks_registry = true,
    .run = run,
};
