/* The model's rows as the API shows them. */
#ifndef APPNET_REGISTRY_FORMS_H
#define APPNET_REGISTRY_FORMS_H

#include <jansson.h>

#include "appnet/registry/mesh.h"
#include "appnet/registry/presence.h"
#include "appnet/registry/standing.h"

struct forms {
    const struct mesh *mesh;
    const struct presence *presence;
    const struct standings *standings;
};

json_t *forms_instance(const struct forms *forms, const struct model_instance *instance);
json_t *forms_connection(const struct forms *forms, const struct model_connection *connection);
/* Of it, what changes as it is used: {"id","streams","sent","received"}. */
json_t *forms_traffic(const struct forms *forms, const struct model_connection *connection);
json_t *forms_token(const struct model_token *token);

/* {"instances":[...],"revision":N} and so on. */
json_t *forms_instances(const struct forms *forms, int64_t revision);
json_t *forms_connections(const struct forms *forms, int64_t revision);
json_t *forms_tokens(const struct forms *forms, int64_t revision);
/* Inbounds take any number of connections, and all are available; of the outbounds those that have
 * none. */
json_t *forms_available(const struct forms *forms, enum model_direction direction,
                        int64_t revision);

#endif
