/* What the registry's modules share: the model in memory in step with the store, and those who are
 * to hear when it changes. Private to the registry. */
#ifndef APPNET_REGISTRY_CORE_H
#define APPNET_REGISTRY_CORE_H

#include "appnet/base/loop.h"
#include "appnet/registry/events.h"
#include "appnet/registry/feed.h"
#include "appnet/registry/forms.h"
#include "appnet/registry/mesh.h"
#include "appnet/registry/presence.h"
#include "appnet/registry/standing.h"
#include "appnet/registry/store.h"

struct core {
    struct loop *loop;
    struct store *store;
    struct mesh *mesh;
    struct presence *presence;
    struct standings *standings;
    struct feed *feed;
    struct events *events;
    struct forms forms;
    int64_t revision;   /* of the last commit */
    unsigned under_way; /* commits that the store has not answered */
};

/* Commits `count` changes (each row is copied); when the store has them they are in the mesh, and
 * everybody who must know is told, before `done` is called. `done` may be NULL. */
void core_commit(struct core *core, const struct store_change *changes, unsigned count,
                 void (*done)(void *argument, const struct store_result *result), void *argument);

/* A row that the store has: into the mesh, without telling anybody. */
void core_take(struct core *core, const struct store_change *change);

#endif
