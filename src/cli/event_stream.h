/* Server-sent events (the WHATWG's HTML, section 9.2.6), taken apart as they come. */
#ifndef APPNET_CLI_EVENT_STREAM_H
#define APPNET_CLI_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* The longest event that is taken. */
#define EVENT_STREAM_MAX ((size_t)4 << 20)
#define EVENT_ID_SIZE 128

struct event_stream;

struct server_event {
    const char *type; /* "message" if it has none */
    const char *data;
    const char *id; /* the last one that was given, "" at first */
    const char *at; /* when it happened, a field of our registry's; "" if it does not say */
};

/* `take` gets each event, whose texts are good during the call. Returns 0, or -1 to end. */
struct event_stream *event_stream_new(int (*take)(void *argument, const struct server_event *event),
                                      void *argument);
void event_stream_free(struct event_stream *stream);

/* The next bytes. Returns -1 if an event is too long, or `take` wants no more. */
int event_stream_feed(struct event_stream *stream, const char *data, size_t size);

/* A new connection: what was cut in the middle is forgotten, the id is kept. */
void event_stream_restart(struct event_stream *stream);

/* As if the last event that came had had this id. */
void event_stream_set_id(struct event_stream *stream, const char *id);

/* The last id that came with a whole event. */
const char *event_stream_id(const struct event_stream *stream);

#endif
