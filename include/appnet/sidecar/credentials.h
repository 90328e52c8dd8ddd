/* What a sidecar proves itself with when there is a registry: key, certificate and trust bundle in
 * state_dir. Without a good certificate it joins with the token; with one it asks for the next at
 * half of its life. The private key never leaves this machine. */
#ifndef APPNET_SIDECAR_CREDENTIALS_H
#define APPNET_SIDECAR_CREDENTIALS_H

#include "appnet/base/loop.h"
#include "appnet/config/config.h"
#include "appnet/identity/identity.h"
#include "appnet/tunnel/handshaker.h"

struct credentials;

/* `handshaker` is for renewals, and has the identity by then; it outlives the credentials, as does
 * `config`. `changed` is told of each new identity, the first one included, never from within
 * credentials_new; it is good until the next. */
struct credentials *
credentials_new(struct loop *loop, struct handshaker *handshaker, const struct config *config,
                void (*changed)(void *argument, const struct identity *identity), void *argument);
void credentials_free(struct credentials *credentials);

/* Uses what is in state_dir, or begins to join. */
void credentials_start(struct credentials *credentials);

/* NULL: not joined yet. */
const struct identity *credentials_identity(const struct credentials *credentials);

/* The file was read anew: the old configuration is going away. */
void credentials_reconfigure(struct credentials *credentials, const struct config *config);

/* The registry trusts other CAs now. */
void credentials_set_bundle(struct credentials *credentials, const char *bundle_pem);

/* The registry does not know this instance any more: only a token helps. */
void credentials_join_again(struct credentials *credentials);

/* Why there is no certificate, or no new one; NULL: nothing is wrong. */
const char *credentials_trouble(const struct credentials *credentials);

#endif
