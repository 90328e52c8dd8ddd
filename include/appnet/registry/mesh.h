/* The model in memory: instances, the connections between them, join tokens, each found by their
 * keys. It holds what it is given, in step with the store's rows; rules.h decides what may be
 * given. For one thread.
 *
 * Rows are copied in. A pointer to a row is good until that row is put anew or removed. To walk and
 * remove at once, take the next row first. */
#ifndef APPNET_REGISTRY_MESH_H
#define APPNET_REGISTRY_MESH_H

#include <stdbool.h>
#include <stddef.h>

#include "appnet/registry/model.h"

struct mesh;

struct mesh *mesh_new(void);
void mesh_free(struct mesh *mesh);

/* ---- instances, by name ---- */

/* Adds it, or replaces the one of that name. Returns the mesh's own copy. */
const struct model_instance *mesh_put_instance(struct mesh *mesh,
                                               const struct model_instance *instance);
/* False: there is none. Connections that name it stay. */
bool mesh_remove_instance(struct mesh *mesh, const char *name);
const struct model_instance *mesh_instance(const struct mesh *mesh, const char *name);
/* The first whose name sorts after `name`, which need not exist; the first of all for NULL. NULL:
 * that was the last. */
const struct model_instance *mesh_next_instance(const struct mesh *mesh, const char *name);
size_t mesh_instance_count(const struct mesh *mesh);

/* ---- connections, by id, by source and outbound, by target and inbound ---- */

/* Adds it, and removes whatever has the same id, or the same source and outbound. Returns the
 * mesh's own copy. */
const struct model_connection *mesh_put_connection(struct mesh *mesh,
                                                   const struct model_connection *connection);
/* False: there is none. */
bool mesh_remove_connection(struct mesh *mesh, const char *id);
const struct model_connection *mesh_connection(const struct mesh *mesh, const char *id);
/* The one that an outbound has. NULL: none. */
const struct model_connection *mesh_connection_of(const struct mesh *mesh, const char *source,
                                                  const char *outbound);
size_t mesh_connection_count(const struct mesh *mesh);

/* Walks: from NULL to the first, from each to the next, NULL at the end. `after` may be a copy, and
 * need not be in the mesh any more. All are in the order of source and outbound, but those of one
 * target with any inbound are in the order of inbound, source, outbound. */
const struct model_connection *mesh_next_connection(const struct mesh *mesh,
                                                    const struct model_connection *after);
const struct model_connection *mesh_next_from(const struct mesh *mesh, const char *source,
                                              const struct model_connection *after);
/* `inbound` NULL: of any inbound of the target. */
const struct model_connection *mesh_next_to(const struct mesh *mesh, const char *target,
                                            const char *inbound,
                                            const struct model_connection *after);

/* ---- join tokens, by id ---- */

const struct model_token *mesh_put_token(struct mesh *mesh, const struct model_token *token);
bool mesh_remove_token(struct mesh *mesh, const char *id);
const struct model_token *mesh_token(const struct mesh *mesh, const char *id);
/* In the order of their ids, as mesh_next_instance. */
const struct model_token *mesh_next_token(const struct mesh *mesh, const char *id);
size_t mesh_token_count(const struct mesh *mesh);

#endif
