#include "appnet/registry/feed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "appnet/base/memory.h"
#include "view.h"

#define LINES_TYPE "application/x-ndjson"

struct watcher {
    LIST_ENTRY(watcher) link;
    struct feed *feed;
    struct http_exchange *exchange;
    struct replica *replica;
    struct view *told;
    int64_t revision; /* told last */
    bool touched;
};

struct feed {
    struct feed_sources sources;
    struct event *flush, *alive;
    LIST_HEAD(, watcher) watchers;
};

/* The one exit; the exchange is somebody else's, or gone. */
static void forget(struct watcher *watcher)
{
    LIST_REMOVE(watcher, link);
    presence_watch(watcher->feed->sources.presence, watcher->replica, false);
    view_free(watcher->told);
    free(watcher);
}

static void on_gone(void *argument)
{
    forget(argument);
}

static void end(struct watcher *watcher)
{
    struct http_exchange *exchange = watcher->exchange;

    http_exchange_on_closed(exchange, NULL, NULL);
    forget(watcher);
    http_exchange_end(exchange);
}

/* A sidecar that does not read is cut by the exchange, and its end is told by on_gone. */
static void send_line(const struct watcher *watcher, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    char *whole = memory_printf("%s\n", text);

    http_exchange_write(watcher->exchange, whole, strlen(whole));
    free(whole);
    free(text);
    json_decref(line);
}

static json_t *make_line(const struct feed *feed, const char *type)
{
    return json_pack("{s:s, s:I}", "type", type, "revision", (json_int_t)*feed->sources.revision);
}

static struct view *look(const struct feed *feed, const struct replica *replica)
{
    const struct feed_sources *sources = &feed->sources;

    return view_new(sources->mesh, sources->presence, replica->instance,
                    sources->trust_bundle(sources->argument));
}

/* A connection that came and went between two looks leaves nothing to say but the revision; and
 * that must be said, because its removal waits until the replica reports it. */
static void update(struct watcher *watcher)
{
    struct feed *feed = watcher->feed;
    struct view *now = look(feed, watcher->replica);
    json_t *line;

    watcher->touched = false;
    if (strcmp(now->digest, watcher->told->digest) == 0 &&
        *feed->sources.revision == watcher->revision) {
        view_free(now);
        return;
    }
    watcher->revision = *feed->sources.revision;
    line = make_line(feed, "change");
    view_write_change(watcher->told, now, line);
    view_free(watcher->told);
    watcher->told = now;
    send_line(watcher, line);
}

static void on_flush(evutil_socket_t fd, short what, void *argument)
{
    struct feed *feed = argument;
    struct watcher *watcher;
    struct watcher *next;

    (void)fd;
    (void)what;
    for (watcher = LIST_FIRST(&feed->watchers); watcher; watcher = next) {
        next = LIST_NEXT(watcher, link);
        if (watcher->touched) {
            update(watcher);
        }
    }
}

static void on_alive(evutil_socket_t fd, short what, void *argument)
{
    struct feed *feed = argument;
    struct watcher *watcher;
    struct watcher *next;

    (void)fd;
    (void)what;
    for (watcher = LIST_FIRST(&feed->watchers); watcher; watcher = next) {
        next = LIST_NEXT(watcher, link);
        send_line(watcher, json_pack("{s:s}", "type", "alive"));
    }
}

struct feed *feed_new(struct event_base *base, const struct feed_sources *sources)
{
    struct feed *feed = memory_zalloc(sizeof *feed);
    const struct timeval often = {(time_t)(sources->lease / 3),
                                  (suseconds_t)(sources->lease % 3 * 333333)};

    feed->sources = *sources;
    LIST_INIT(&feed->watchers);
    feed->flush = event_new(base, -1, 0, on_flush, feed);
    feed->alive = event_new(base, -1, EV_PERSIST, on_alive, feed);
    event_add(feed->alive, &often);
    return feed;
}

void feed_free(struct feed *feed)
{
    struct watcher *watcher;

    if (!feed) {
        return;
    }
    while ((watcher = LIST_FIRST(&feed->watchers))) {
        end(watcher);
    }
    event_free(feed->flush);
    event_free(feed->alive);
    free(feed);
}

static void end_earlier(struct feed *feed, const struct replica *replica)
{
    struct watcher *watcher;
    struct watcher *next;

    for (watcher = LIST_FIRST(&feed->watchers); watcher; watcher = next) {
        next = LIST_NEXT(watcher, link);
        if (watcher->replica == replica) {
            end(watcher);
        }
    }
}

void feed_watch(struct feed *feed, struct http_exchange *exchange, struct replica *replica,
                const char *view)
{
    struct watcher *watcher = memory_zalloc(sizeof *watcher);
    json_t *line;

    end_earlier(feed, replica);
    watcher->feed = feed;
    watcher->exchange = exchange;
    watcher->replica = replica;
    watcher->told = look(feed, replica);
    watcher->revision = *feed->sources.revision;
    LIST_INSERT_HEAD(&feed->watchers, watcher, link);
    http_exchange_on_closed(exchange, on_gone, watcher);
    http_exchange_begin(exchange, 200, LINES_TYPE);
    line =
        make_line(feed, view && strcmp(view, watcher->told->digest) == 0 ? "resume" : "snapshot");
    json_object_set_new(line, "lease", json_integer(feed->sources.lease));
    if (view && strcmp(view, watcher->told->digest) == 0) {
        json_object_set_new(line, "view", json_string(view));
    } else {
        view_write(watcher->told, line);
    }
    presence_watch(feed->sources.presence, replica, true);
    send_line(watcher, line);
}

void feed_touch_all(struct feed *feed)
{
    struct watcher *watcher;

    LIST_FOREACH (watcher, &feed->watchers, link) {
        watcher->touched = true;
    }
    event_active(feed->flush, EV_TIMEOUT, 0);
}

void feed_touch(struct feed *feed, const char *instance)
{
    struct watcher *watcher;

    LIST_FOREACH (watcher, &feed->watchers, link) {
        if (strcmp(watcher->replica->instance, instance) == 0) {
            watcher->touched = true;
            event_active(feed->flush, EV_TIMEOUT, 0);
        }
    }
}

void feed_cut(struct feed *feed, const char *instance)
{
    struct watcher *watcher;
    struct watcher *next;

    for (watcher = LIST_FIRST(&feed->watchers); watcher; watcher = next) {
        next = LIST_NEXT(watcher, link);
        if (strcmp(watcher->replica->instance, instance) == 0) {
            end(watcher);
        }
    }
}
