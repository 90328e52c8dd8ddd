/* New private keys: ECDSA P-256. */
#ifndef APPNET_IDENTITY_PRIVATE_KEY_H
#define APPNET_IDENTITY_PRIVATE_KEY_H

#include "appnet/identity/crypto.h"
#include "draft.h"

/* Makes a key into an initialised context, and its PEM text, which is a secret. */
int private_key_make(mbedtls_pk_context *key, char pem[DRAFT_PEM_SIZE], struct error *err);

#endif
