#include "appnet/http/http1_door.h"

#include <stdlib.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/memory.h"
#include "http1_connection.h"
#include "problem.h"

struct http1_door {
    struct http1_room room; /* first: the one is a pointer to the other */
    struct acceptor *acceptor;
    bool paused;
};

/* Who gives way to a newcomer, or NULL. */
static struct http1_connection *least_needed(const struct http1_room *room)
{
    return TAILQ_EMPTY(&room->idle) ? TAILQ_FIRST(&room->unfinished) : TAILQ_FIRST(&room->idle);
}

/* At the limit, newcomers wait unless somebody can give way to them. */
static void on_changed(struct http1_room *room)
{
    struct http1_door *door = (struct http1_door *)room;
    bool full = room->count >= HTTP_CONNECTIONS_MAX && !least_needed(room);

    if (full == door->paused || !door->acceptor) {
        return;
    }
    door->paused = full;
    if (full) {
        acceptor_pause(door->acceptor);
    } else {
        acceptor_resume(door->acceptor);
    }
}

static void on_accepted(void *argument, int fd)
{
    struct http1_door *door = argument;

    if (door->room.count >= HTTP_CONNECTIONS_MAX) {
        http1_connection_end(least_needed(&door->room)); /* there is one, or we were paused */
    }
    http1_connection_new(&door->room, fd);
}

struct http1_door *http1_door_new(struct event_base *base, int fd,
                                  const struct http_handler *handler, struct error *err)
{
    struct http1_door *door = memory_zalloc(sizeof *door);

    door->room.base = base;
    door->room.handler = *handler;
    door->room.changed = on_changed;
    door->room.bodies.most = HTTP_BODIES_MAX;
    door->room.log_limit = (struct rate_limit)PROBLEM_LOG_LIMIT;
    TAILQ_INIT(&door->room.idle);
    TAILQ_INIT(&door->room.unfinished);
    TAILQ_INIT(&door->room.busy);
    door->acceptor = acceptor_new(base, fd, on_accepted, door, err);
    if (!door->acceptor) {
        free(door);
        return NULL;
    }
    return door;
}

void http1_door_free(struct http1_door *door)
{
    struct http1_connection *connection;

    if (!door) {
        return;
    }
    acceptor_free(door->acceptor);
    door->acceptor = NULL;
    while ((connection = least_needed(&door->room)) ||
           (connection = TAILQ_FIRST(&door->room.busy))) {
        http1_connection_end(connection);
    }
    free(door);
}
