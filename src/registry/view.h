/* What the sidecars of one instance are to know, at one moment: a line of JSON for each of its
 * connections, and a digest of all of them. Private to the registry. */
#ifndef APPNET_REGISTRY_VIEW_H
#define APPNET_REGISTRY_VIEW_H

#include <jansson.h>

#include "appnet/registry/mesh.h"
#include "appnet/registry/presence.h"

#define VIEW_DIGEST_SIZE 17

struct view_entry {
    char id[MODEL_CONNECTION_ID_SIZE];
    char *text; /* the connection, as JSON */
};

struct view {
    struct view_entry *entries; /* sorted by id */
    unsigned count;
    char *trust_bundle;
    char digest[VIEW_DIGEST_SIZE];
};

struct view *view_new(const struct mesh *mesh, const struct presence *presence,
                      const char *instance, const char *trust_bundle);
void view_free(struct view *view);

/* "connections", "trust_bundle" and "view" of a whole view into `line`. */
void view_write(const struct view *view, json_t *line);

/* "put", "remove", "view" and, if it is another one, "trust_bundle": what leads from the one to the
 * other. */
void view_write_change(const struct view *from, const struct view *to, json_t *line);

#endif
