#include "appnet/sidecar/lookout.h"

#include <poll.h>

#include <event2/event.h>

/* Sockets in one poll(2). */
#define BATCH 256

/* A hang-up alone is no error: it is what both ends of a finished stream look like. */
static void look_at(struct lookout *lookout, struct lookout_place **places, struct pollfd *sockets,
                    unsigned count)
{
    if (poll(sockets, count, 0) <= 0) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (sockets[i].revents & POLLERR) {
            lookout->broken(places[i]->owner);
        }
    }
}

static void look_later(struct lookout *lookout)
{
    static const struct timeval pause = {LOOKOUT_SECONDS, 0};

    if (!LIST_EMPTY(&lookout->places) && !event_pending(&lookout->look, EV_TIMEOUT, NULL)) {
        event_add(&lookout->look, &pause);
    }
}

static void on_look(evutil_socket_t fd, short what, void *argument)
{
    struct lookout *lookout = argument;
    struct lookout_place *places[BATCH];
    struct pollfd sockets[BATCH];
    struct lookout_place *next = LIST_FIRST(&lookout->places);

    (void)fd;
    (void)what;
    while (next) {
        unsigned count = 0;
        for (; next && count < BATCH; next = LIST_NEXT(next, link)) {
            places[count] = next;
            sockets[count] = (struct pollfd){.fd = next->fd};
            count++;
        }
        look_at(lookout, places, sockets, count);
    }
    look_later(lookout);
}

void lookout_init(struct lookout *lookout, struct event_base *base, void (*broken)(void *owner))
{
    LIST_INIT(&lookout->places);
    lookout->broken = broken;
    event_assign(&lookout->look, base, -1, 0, on_look, lookout);
}

void lookout_clear(struct lookout *lookout)
{
    event_del(&lookout->look);
}

void lookout_add(struct lookout *lookout, struct lookout_place *place, int fd, void *owner)
{
    if (!place->taken) {
        place->taken = true;
        place->fd = fd;
        place->owner = owner;
        LIST_INSERT_HEAD(&lookout->places, place, link);
        look_later(lookout);
    }
}

void lookout_remove(struct lookout_place *place)
{
    if (place->taken) {
        place->taken = false;
        LIST_REMOVE(place, link);
    }
}
