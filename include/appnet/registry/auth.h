/* Who may do what: a bearer token for each role (RFC 6750), in a file of its own that only the
 * owner may read. */
#ifndef APPNET_REGISTRY_AUTH_H
#define APPNET_REGISTRY_AUTH_H

#include <stdint.h>

#include "appnet/base/error.h"

/* Each may do what the ones before it may. */
enum role {
    ROLE_NONE,
    ROLE_VIEWER,   /* reads */
    ROLE_OPERATOR, /* connects, disconnects, makes join tokens */
    ROLE_ADMIN,    /* applies and removes instances */
};

struct auth;

/* Reads viewer.token, operator.token and admin.token in `folder`; those that are missing are made.
 */
struct auth *auth_open(const char *folder, struct error *err);
void auth_free(struct auth *auth);

/* What the value of an Authorization header (NULL: none) entitles to. */
enum role auth_role(const struct auth *auth, const char *authorization);

/* The same of the text of a token alone. */
enum role auth_token_role(const struct auth *auth, const char *token);

#define AUTH_SEAL_SIZE 32

/* A digest of `text` that no other text has, and that is another once the role's token is another.
 */
void auth_seal(const struct auth *auth, enum role role, const char *text,
               uint8_t out[AUTH_SEAL_SIZE]);

const char *role_text(enum role role);      /* "viewer" */
enum role role_from_text(const char *text); /* ROLE_NONE: it is no role's */

#endif
