/* A certificate before it is signed. */
#ifndef APPNET_IDENTITY_DRAFT_H
#define APPNET_IDENTITY_DRAFT_H

#include "appnet/identity/crypto.h"
#include "appnet/identity/spiffe.h"

/* Enough for the PEM text of every certificate and key that is made here. */
#define DRAFT_PEM_SIZE 8192

struct draft {
    struct spiffe_id id;            /* the trust domain itself: a CA's; otherwise a leaf's */
    const char *subject;            /* distinguished name as mbedTLS writes it */
    const mbedtls_x509_crt *issuer; /* NULL: signed by its own key */
    mbedtls_pk_context *key;        /* the subject's: only the public part is used */
    mbedtls_pk_context *issuer_key;
    const char *const *names; /* further names: DNS names and literal addresses */
    unsigned name_count;
    int64_t not_before; /* seconds since 1970 */
    int64_t not_after;
};

/* Signs (SHA-256, random 128-bit serial; RFC 5280, X509-SVID) and writes the PEM text into
 * DRAFT_PEM_SIZE bytes. */
int draft_sign(const struct draft *draft, char *pem, struct error *err);

#endif
