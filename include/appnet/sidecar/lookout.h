/* Sockets that nobody waits for input from: with input off, or at its end, epoll would tell of
 * nothing but that there is input; so a reset by an application that has stalled, or has shut its
 * side, would go unseen. They are looked at from time to time instead, many by one poll(2). */
#ifndef APPNET_SIDECAR_LOOKOUT_H
#define APPNET_SIDECAR_LOOKOUT_H

#include <stdbool.h>
#include <sys/queue.h>

#include <event2/event_struct.h>

/* How soon one is found to be broken. */
#define LOOKOUT_SECONDS 2

/* A socket's place in the list; its owner's, zero at first. */
struct lookout_place {
    LIST_ENTRY(lookout_place) link;
    void *owner;
    int fd;
    bool taken;
};

struct lookout {
    LIST_HEAD(, lookout_place) places;
    struct event look;
    void (*broken)(void *owner);
};

/* `broken` is told of each that is broken; it may take that one out, and no other. */
void lookout_init(struct lookout *lookout, struct event_base *base, void (*broken)(void *owner));

/* Before the loop goes. */
void lookout_clear(struct lookout *lookout);

/* One that is there already stays; one that is not there is fine, too. */
void lookout_add(struct lookout *lookout, struct lookout_place *place, int fd, void *owner);
void lookout_remove(struct lookout_place *place);

#endif
