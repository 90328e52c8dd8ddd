/* What can be done to the mesh, each as a request that is checked against the rules, committed to
 * the store, and answered when it is there for good. */
#ifndef APPNET_REGISTRY_ACTIONS_H
#define APPNET_REGISTRY_ACTIONS_H

#include "appnet/registry/model.h"
#include "appnet/registry/reply.h"
#include "appnet/registry/store.h"

struct core;

/* 202 with the connection; answered with a refusal when a rule, or another request that was
 * quicker, stands against it. */
void action_connect(struct core *core, struct reply *reply, const char *source,
                    const char *outbound, const char *target, const char *inbound);

/* 202 with the connection, TERMINATED: it goes when both ends have let go. */
void action_disconnect(struct core *core, struct reply *reply, const char *id, bool confirmed);

/* The store's last word on a connection that both ends have let go, and on its instance, if that
 * was waiting for it. */
void action_release(struct core *core, const struct model_connection *connection);

/* 200 or, if it is new, 201, with the instance. Takes `instance` over. */
void action_apply(struct core *core, struct reply *reply, struct model_instance *instance);

/* What a replica declares becomes its instance's interfaces, unless that has a descriptor. One that
 * is connected stays for as long as it is: ask again then. */
void action_declare(struct core *core, const struct model_instance *declared);

/* 202 with its name and the ids of its connections, which go first. */
void action_remove_instance(struct core *core, struct reply *reply, const char *name,
                            bool confirmed);

/* Goes on with the removal of an instance, if that was accepted: its connections, then itself.
 * Called for each at the start. */
void action_finish_removal(struct core *core, const char *name);

/* What is said of a change that the store did not make. */
void action_failed(struct reply *reply, const struct store_result *result);

#endif
