#include "event_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/base/time.h"

struct text {
    char *bytes;
    size_t size;
};

struct event_stream {
    int (*take)(void *argument, const struct server_event *event);
    void *argument;
    struct text line; /* not whole yet */
    struct text data; /* of the event that is not whole yet */
    bool has_data;
    bool after_return; /* a line feed right behind a carriage return ends no second line */
    char type[64];
    char at[TIME_TEXT_SIZE];
    char next_id[EVENT_ID_SIZE];
    char id[EVENT_ID_SIZE];
};

struct event_stream *event_stream_new(int (*take)(void *argument, const struct server_event *event),
                                      void *argument)
{
    struct event_stream *stream = memory_zalloc(sizeof *stream);

    stream->take = take;
    stream->argument = argument;
    return stream;
}

void event_stream_free(struct event_stream *stream)
{
    if (stream) {
        free(stream->line.bytes);
        free(stream->data.bytes);
        free(stream);
    }
}

static int append(struct text *text, const char *bytes, size_t size)
{
    if (size > EVENT_STREAM_MAX - text->size) {
        return -1;
    }
    text->bytes = memory_grow(text->bytes, text->size + size + 1, 1);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
    return 0;
}

/* An empty line ends the event. */
static int dispatch(struct event_stream *stream)
{
    const struct server_event event = {
        .type = stream->type[0] ? stream->type : "message",
        .data = stream->data.bytes ? stream->data.bytes : "",
        .id = stream->id,
        .at = stream->at,
    };
    int rc = 0;

    memcpy(stream->id, stream->next_id, sizeof stream->id);
    if (stream->has_data) {
        rc = stream->take(stream->argument, &event);
    }
    stream->type[0] = stream->at[0] = '\0';
    stream->data.size = 0;
    if (stream->data.bytes) {
        stream->data.bytes[0] = '\0';
    }
    stream->has_data = false;
    return rc;
}

static int add_data(struct event_stream *stream, const char *value, size_t size)
{
    if (stream->has_data && append(&stream->data, "\n", 1) != 0) {
        return -1;
    }
    stream->has_data = true;
    return append(&stream->data, value, size);
}

static bool is_field(const char *name, const char *line, size_t length)
{
    return strlen(name) == length && memcmp(name, line, length) == 0;
}

static int take_line(struct event_stream *stream)
{
    const char *line = stream->line.bytes ? stream->line.bytes : "";
    size_t size = stream->line.size;
    size_t name = strcspn(line, ":");
    const char *value = line + name;
    int rc = 0;

    stream->line.size = 0;
    if (size == 0) {
        return dispatch(stream);
    }
    if (*value == ':') {
        value++;
    }
    if (*value == ' ') {
        value++;
    }
    if (is_field("data", line, name)) {
        rc = add_data(stream, value, size - (size_t)(value - line));
    } else if (is_field("event", line, name)) {
        snprintf(stream->type, sizeof stream->type, "%s", value);
    } else if (is_field("id", line, name)) {
        snprintf(stream->next_id, sizeof stream->next_id, "%s", value);
    } else if (is_field("at", line, name)) {
        snprintf(stream->at, sizeof stream->at, "%s", value);
    }
    if (stream->line.bytes) {
        stream->line.bytes[0] = '\0';
    }
    return rc;
}

int event_stream_feed(struct event_stream *stream, const char *data, size_t size)
{
    const char *end = data + size;

    while (data < end) {
        const char *stop = data;
        if (stream->after_return && *data == '\n') {
            data++;
            stream->after_return = false;
            continue;
        }
        while (stop < end && *stop != '\n' && *stop != '\r') {
            stop++;
        }
        if (append(&stream->line, data, (size_t)(stop - data)) != 0) {
            return -1;
        }
        stream->after_return = stop < end && *stop == '\r';
        if (stop < end && take_line(stream) != 0) {
            return -1;
        }
        data = stop < end ? stop + 1 : stop;
    }
    return 0;
}

void event_stream_restart(struct event_stream *stream)
{
    stream->line.size = 0;
    stream->data.size = 0;
    stream->has_data = false;
    stream->after_return = false;
    stream->type[0] = stream->at[0] = '\0';
    memcpy(stream->next_id, stream->id, sizeof stream->next_id);
}

const char *event_stream_id(const struct event_stream *stream)
{
    return stream->id;
}

void event_stream_set_id(struct event_stream *stream, const char *id)
{
    snprintf(stream->id, sizeof stream->id, "%s", id);
    memcpy(stream->next_id, stream->id, sizeof stream->next_id);
}
