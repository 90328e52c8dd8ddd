/* How a sidecar comes to its identity: a join token that an operator makes, once exchanged for a
 * certificate; then, with that, a new one before it ends. */
#ifndef APPNET_REGISTRY_ENROLMENT_H
#define APPNET_REGISTRY_ENROLMENT_H

#include "appnet/identity/authority.h"
#include "appnet/registry/reply.h"

#define ENROLMENT_TTL_SECONDS 900 /* of a token for which no time is said */
#define ENROLMENT_TTL_MAX (30 * 86400)
#define ENROLMENT_USES_MAX 10000

struct core;
struct enrolment;

/* Both outlive it. `certificate_ttl` in seconds. */
struct enrolment *enrolment_new(struct core *core, struct authority *authority,
                                int64_t certificate_ttl);
void enrolment_free(struct enrolment *enrolment);

/* POST /v1/join-tokens: 201, with the token's text, which is shown this once. */
void enrolment_make_token(struct enrolment *enrolment, struct reply *reply, const char *instance,
                          int64_t ttl, int64_t uses);
/* DELETE /v1/join-tokens/ID: 204. */
void enrolment_revoke_token(struct enrolment *enrolment, struct reply *reply, const char *id);

/* POST /v1/enroll: 201 with certificate, trust bundle and end. `client` is the address that asks,
 * for the log. */
void enrolment_enrol(struct enrolment *enrolment, struct reply *reply, const char *token,
                     const char *request_pem, const char *client);
/* POST /v1/renew by the sidecar of `instance`: the same. */
void enrolment_renew(struct enrolment *enrolment, struct reply *reply, const char *instance,
                     const char *request_pem);

#endif
