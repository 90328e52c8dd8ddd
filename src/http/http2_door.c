#include "appnet/http/http2_door.h"

#include <stdlib.h>

#include "appnet/base/log.h"
#include "appnet/base/memory.h"
#include "http2_exchange.h"
#include "problem.h"

struct http2_door {
    struct http2_room room;
    struct loop *loop;
    struct handshaker *handshaker; /* NULL: it is being freed */
};

/* ---- who gives way ---- */

static struct http2_connection *first_stranger(const struct http2_list *list, bool even_if_served)
{
    struct http2_connection *at;

    TAILQ_FOREACH (at, list, link) {
        if (http2_connection_is_stranger(at) &&
            (even_if_served || !http2_exchange_any_served(at))) {
            return at;
        }
    }
    return NULL;
}

/* Who gives way to a newcomer, or NULL. */
static struct http2_connection *least_needed(const struct http2_room *room, bool for_stranger)
{
    struct http2_connection *found = first_stranger(&room->idle, false);

    if (!found) {
        found = first_stranger(&room->busy, false);
    }
    if (!found && !for_stranger) {
        found = first_stranger(&room->busy, true);
    }
    if (!found && !for_stranger) {
        found = TAILQ_FIRST(&room->idle);
    }
    return found;
}

static bool make_place(struct http2_door *door, const struct established *newcomer)
{
    struct http2_room *room = &door->room;
    struct http2_connection *found;
    uint64_t left_out = 0;

    if (room->count < HTTP_CONNECTIONS_MAX) {
        return true;
    }
    found = least_needed(room, newcomer->peer.instance[0] == '\0');
    if (found) {
        http2_connection_end(found);
        return true;
    }
    if (rate_limit_take(&room->log_limit, loop_now(), &left_out)) {
        log_warn("connection refused", LOG_S("address", newcomer->address),
                 LOG_S("detail", "as many are connected as there may be"),
                 LOG_I("left_out", left_out));
    }
    return false;
}

/* ---- the door ---- */

struct arrival {
    struct http2_door *door;
    struct established *established;
};

static void on_arrival(void *argument)
{
    struct arrival *arrival = argument;
    struct http2_door *door = arrival->door;

    if (door->handshaker && make_place(door, arrival->established)) {
        http2_connection_new(&door->room, arrival->established);
    } else {
        established_free(arrival->established);
    }
    free(arrival);
}

/* On a handshake thread. */
static void on_accepted(void *argument, struct established *established)
{
    struct http2_door *door = argument;
    struct arrival *arrival = memory_zalloc(sizeof *arrival);

    arrival->door = door;
    arrival->established = established;
    loop_post(door->loop, on_arrival, arrival);
}

struct http2_door *http2_door_new(struct loop *loop, struct handshaker *handshaker, int fd,
                                  const struct http_handler *handler, struct error *err)
{
    struct http2_door *door = memory_zalloc(sizeof *door);

    door->loop = loop;
    door->handshaker = handshaker;
    door->room.base = loop_base(loop);
    door->room.buffers = buffers_new();
    door->room.handler = *handler;
    door->room.strangers.most = HTTP_BODIES_MAX / 2;
    door->room.instances.most = HTTP_BODIES_MAX / 2;
    door->room.log_limit = (struct rate_limit)PROBLEM_LOG_LIMIT;
    TAILQ_INIT(&door->room.idle);
    TAILQ_INIT(&door->room.busy);
    if (handshaker_listen(handshaker, fd, TLS_ANYBODY, on_accepted, door, err) != 0) {
        http2_door_free(door);
        return NULL;
    }
    return door;
}

void http2_door_free(struct http2_door *door)
{
    struct http2_connection *connection;

    if (!door) {
        return;
    }
    handshaker_free(door->handshaker);
    door->handshaker = NULL;
    loop_drain(door->loop); /* arrivals that were posted */
    while ((connection = TAILQ_FIRST(&door->room.idle)) ||
           (connection = TAILQ_FIRST(&door->room.busy))) {
        http2_connection_end(connection);
    }
    buffers_free(door->room.buffers);
    free(door);
}
