#include "appnet/registry/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include <event2/event.h>

#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/base/time.h"

/* A comment now and then, so that what stands in between does not take silence for the end. */
#define QUIET_SECONDS 15
#define QUIET_TEXT ": quiet\n\n"

struct listener {
    LIST_ENTRY(listener) link;
    struct events *events;
    struct http_exchange *exchange;
    char *pass; /* NULL: none is needed */
    bool traffic;
};

struct events {
    const int64_t *revision;
    struct event *quiet;
    uint32_t boot;
    uint64_t count;          /* told so far, and the number of the last one */
    char *kept[EVENTS_KEPT]; /* number n is at n % EVENTS_KEPT */
    uint64_t oldest;         /* the number of the first one that is kept */
    size_t kept_size;
    bool (*is_good)(void *argument, const char *pass); /* NULL: all are */
    void *argument;
    LIST_HEAD(, listener) listeners;
    unsigned listener_count;
    unsigned traffic_count; /* of them, those that asked for traffic */
};

static void on_gone(void *argument)
{
    struct listener *listener = argument;

    LIST_REMOVE(listener, link);
    listener->events->listener_count--;
    listener->events->traffic_count -= listener->traffic;
    if (listener->pass) {
        secret_wipe(listener->pass, strlen(listener->pass));
        free(listener->pass);
    }
    free(listener);
}

static void end(struct listener *listener)
{
    struct http_exchange *exchange = listener->exchange;

    on_gone(listener);
    http_exchange_end(exchange);
}

/* A listener that does not read is cut by the exchange, and its end is told by on_gone. */
static void tell(const struct listener *listener, const char *text)
{
    http_exchange_write(listener->exchange, text, strlen(text));
}

static void tell_all(const struct events *events, const char *text)
{
    struct listener *listener;
    struct listener *next;

    for (listener = LIST_FIRST(&events->listeners); listener; listener = next) {
        next = LIST_NEXT(listener, link);
        tell(listener, text);
    }
}

static void on_quiet(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    events_check(argument);
    tell_all(argument, QUIET_TEXT);
}

struct events *events_new(struct event_base *base, const int64_t *revision)
{
    static const struct timeval quiet = {QUIET_SECONDS, 0};
    struct events *events = memory_zalloc(sizeof *events);

    events->revision = revision;
    events->oldest = 1;
    LIST_INIT(&events->listeners);
    random_bytes(&events->boot, sizeof events->boot);
    events->quiet = event_new(base, -1, EV_PERSIST, on_quiet, events);
    event_add(events->quiet, &quiet);
    return events;
}

void events_free(struct events *events)
{
    struct listener *listener;

    if (!events) {
        return;
    }
    while ((listener = LIST_FIRST(&events->listeners))) {
        end(listener);
    }
    for (unsigned i = 0; i < EVENTS_KEPT; i++) {
        free(events->kept[i]);
    }
    event_free(events->quiet);
    free(events);
}

static char *make_text(const struct events *events, const char *name, const json_t *data)
{
    char *body = json_dumps(data, JSON_COMPACT);
    char at[TIME_TEXT_SIZE];
    char *text;

    time_format((int64_t)time(NULL), at, sizeof at);
    text = memory_printf("id: %08" PRIx32 "-%" PRIu64 "\nevent: %s\nat: %s\ndata: %s\n\n",
                         events->boot, events->count, name, at, body);
    free(body);
    return text;
}

/* The newest one stays, whatever its size. */
static void forget_old_ones(struct events *events)
{
    while (events->oldest < events->count && (events->count - events->oldest >= EVENTS_KEPT ||
                                              events->kept_size > EVENTS_KEPT_SIZE)) {
        char **place = &events->kept[events->oldest++ % EVENTS_KEPT];
        events->kept_size -= strlen(*place);
        free(*place);
        *place = NULL;
    }
}

void events_publish(struct events *events, const char *name, json_t *data)
{
    char *text;

    events->count++;
    text = make_text(events, name, data);
    json_decref(data);
    events->kept_size += strlen(text);
    forget_old_ones(events);
    events->kept[events->count % EVENTS_KEPT] = text;
    tell_all(events, text);
}

bool events_are_of_traffic(const struct events *events)
{
    return events->traffic_count > 0;
}

/* Without an id, so that whoever resumes does so after the last of those that are kept. */
void events_tell_traffic(struct events *events, json_t *data)
{
    char *body = json_dumps(data, JSON_COMPACT);
    char *text = memory_printf("event: traffic\ndata: %s\n\n", body);
    struct listener *listener;
    struct listener *next;

    for (listener = LIST_FIRST(&events->listeners); listener; listener = next) {
        next = LIST_NEXT(listener, link);
        if (listener->traffic) {
            tell(listener, text);
        }
    }
    free(text);
    free(body);
    json_decref(data);
}

static void tell_to_begin_anew(const struct events *events, const struct listener *listener)
{
    json_t *data = json_pack("{s:I}", "revision", (json_int_t)*events->revision);
    char *text = make_text(events, "reset", data);

    tell(listener, text);
    free(text);
    json_decref(data);
}

/* The number in "BOOT-NUMBER" if it is of this start, and what follows it is kept; or what is
 * before all that is kept. */
static bool resumes(const struct events *events, const char *last_id, uint64_t *number)
{
    uint32_t boot;
    int end = 0;

    if (last_id && strcmp(last_id, EVENTS_ALL) == 0) {
        *number = events->oldest - 1;
        return true;
    }
    return last_id && sscanf(last_id, "%8" SCNx32 "-%19" SCNu64 "%n", &boot, number, &end) == 2 &&
           last_id[end] == '\0' && boot == events->boot && *number <= events->count &&
           *number + 1 >= events->oldest;
}

void events_guard(struct events *events, bool (*is_good)(void *argument, const char *pass),
                  void *argument)
{
    events->is_good = is_good;
    events->argument = argument;
}

void events_check(struct events *events)
{
    struct listener *listener;
    struct listener *next;

    for (listener = LIST_FIRST(&events->listeners); listener; listener = next) {
        next = LIST_NEXT(listener, link);
        if (listener->pass && events->is_good &&
            !events->is_good(events->argument, listener->pass)) {
            end(listener);
        }
    }
}

bool events_listen(struct events *events, struct http_exchange *exchange, const char *last_id,
                   const char *pass, bool traffic)
{
    struct listener *listener;
    uint64_t number;

    if (events->listener_count >= EVENTS_LISTENERS_MAX) {
        return false;
    }
    listener = memory_zalloc(sizeof *listener);
    listener->events = events;
    listener->exchange = exchange;
    listener->pass = pass ? memory_strdup(pass) : NULL;
    listener->traffic = traffic;
    LIST_INSERT_HEAD(&events->listeners, listener, link);
    events->listener_count++;
    events->traffic_count += traffic;
    http_exchange_on_closed(exchange, on_gone, listener);
    if (!resumes(events, last_id, &number)) {
        http_exchange_begin(exchange, 200, "text/event-stream");
        tell_to_begin_anew(events, listener);
        return true;
    }
    http_exchange_begin(exchange, 200, "text/event-stream");
    while (number < events->count) {
        tell(listener, events->kept[++number % EVENTS_KEPT]);
    }
    return true;
}
