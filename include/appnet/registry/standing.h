/* How each connection stands, kept, so that a change is noticed and told once. */
#ifndef APPNET_REGISTRY_STANDING_H
#define APPNET_REGISTRY_STANDING_H

#include "appnet/registry/mesh.h"
#include "appnet/registry/presence.h"
#include "appnet/registry/state.h"

struct event_base;
struct standings;

struct standings_events {
    /* It has come, or stands otherwise than before. */
    void (*changed)(void *argument, const struct model_connection *connection,
                    const struct state *state);
    /* Nobody uses a connection any more that is being removed: its row may go. Told again, a while
     * later, as long as it has not. */
    void (*released)(void *argument, const struct model_connection *connection);
    void *argument;
};

/* `mesh` and `presence` outlive it. */
struct standings *standings_new(struct event_base *base, const struct mesh *mesh,
                                const struct presence *presence,
                                const struct standings_events *events);
void standings_free(struct standings *standings);

/* Looks at one connection, in this turn of the loop, or soon at all from or to an instance. */
void standings_look(struct standings *standings, const struct model_connection *connection);
void standings_look_at(struct standings *standings, const char *instance);

/* The row is gone. */
void standings_forget(struct standings *standings, const char *id);

/* Good until the next look. A connection that was never looked at is WAITING. */
const struct state *standings_of(const struct standings *standings, const char *id);

#endif
