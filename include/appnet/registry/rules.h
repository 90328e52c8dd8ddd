/* The rules of connecting, as questions to the model: may this be done? No I/O, no clock. What is
 * refused gets the API's status and code, and a sentence that says what to do next. Whoever then
 * does it, by the store, makes it conditional on the revisions of the instances asked about. */
#ifndef APPNET_REGISTRY_RULES_H
#define APPNET_REGISTRY_RULES_H

#include <stdbool.h>

#include "appnet/base/error.h"
#include "appnet/registry/mesh.h"

/* Codes, stable: in the API's problems, and for scripts. */
#define RULE_NAME_INVALID "name-invalid"                   /* 422 */
#define RULE_INSTANCE_UNKNOWN "instance-unknown"           /* 404 */
#define RULE_INTERFACE_UNKNOWN "interface-unknown"         /* 404 */
#define RULE_CONNECTION_UNKNOWN "connection-unknown"       /* 404 */
#define RULE_NOT_OUTBOUND "not-outbound"                   /* 409, rule 1 */
#define RULE_NOT_INBOUND "not-inbound"                     /* 409, rule 1 */
#define RULE_SAME_INSTANCE "same-instance"                 /* 409, rule 2 */
#define RULE_OUTBOUND_TAKEN "outbound-taken"               /* 409, rule 3 */
#define RULE_CONFIRMATION_REQUIRED "confirmation-required" /* 409, rules 6 and 7 */
#define RULE_ALREADY_REMOVING "already-removing"           /* 409 */
#define RULE_INTERFACE_IN_USE "interface-in-use"           /* 409 */
#define RULE_DESCRIPTOR_INVALID "descriptor-invalid"       /* 422, see descriptor.h */

struct refusal {
    unsigned status;  /* HTTP's: 404 unknown, 409 against a rule, 422 malformed */
    const char *code; /* one of the above */
    struct error text;
};

/* All return 0: it may be done, or -1: it is refused, and why. */

/* Connecting an outbound to an inbound (rules 1 to 3). Nothing may be connected to or from an
 * instance that is being removed. */
int rules_connect(const struct mesh *mesh, const char *source, const char *outbound,
                  const char *target, const char *inbound, struct refusal *refusal);

/* Removing a connection; that of a required outbound only if `confirmed` (rule 6). */
int rules_disconnect(const struct mesh *mesh, const char *connection_id, bool confirmed,
                     struct refusal *refusal);

/* Removing an instance, with all its connections; one with inbound connections only if `confirmed`
 * (rule 7). */
int rules_remove_instance(const struct mesh *mesh, const char *name, bool confirmed,
                          struct refusal *refusal);

/* Making an instance, or giving one other interfaces: none that is connected may go, or change its
 * direction. */
int rules_replace_instance(const struct mesh *mesh, const struct model_instance *instance,
                           struct refusal *refusal);

#endif
