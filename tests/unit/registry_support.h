/* Models for tests of the registry, written short. */
#ifndef REGISTRY_SUPPORT_H
#define REGISTRY_SUPPORT_H

#include "appnet/registry/mesh.h"
#include "appnet/registry/model.h"

/* An instance from words such as "db!" (a required outbound), "cache" (an outbound) and "http:80"
 * (an inbound with its port). To be freed with model_instance_free. */
struct model_instance *support_instance(const char *name, const char *words);

/* A connection from "source.outbound target.inbound". */
struct model_connection support_connection(const char *id, const char *ends);

/* Puts such an instance, or connection, into the mesh. */
void support_put_instance(struct mesh *mesh, const char *name, const char *words);
void support_put_connection(struct mesh *mesh, const char *id, const char *ends);

#endif
