/* A certificate before it is signed. */
#ifndef APPNET_IDENTITY_DRAFT_H
#define APPNET_IDENTITY_DRAFT_H

#include "appnet/identity/crypto.h"
#include "appnet/identity/spiffe.h"

/* Enough for the PEM text of every certificate and key that is made here. */
#define DRAFT_PEM_SIZE 4096

struct draft {
    struct spiffe_id id; /* with an instance it is a leaf's, without one a CA's */
    const char *subject; /* distinguished names as mbedTLS writes them */
    const char *issuer;
    mbedtls_pk_context *key; /* the subject's: only the public part is used */
    mbedtls_pk_context *issuer_key;
    int64_t not_before; /* seconds since 1970 */
    int64_t not_after;
};

/* Signs (ECDSA, SHA-256, random 128-bit serial; RFC 5280, X509-SVID) and writes the PEM text into
 * DRAFT_PEM_SIZE bytes. */
int draft_sign(const struct draft *draft, char *pem, struct error *err);

#endif
