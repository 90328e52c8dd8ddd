/* Certificate signing requests (PKCS#10, RFC 2986): what a sidecar asks the registry with, so that
 * its private key never leaves its machine. */
#ifndef APPNET_IDENTITY_SIGNING_REQUEST_H
#define APPNET_IDENTITY_SIGNING_REQUEST_H

#include <stddef.h>

#include <mbedtls/pk.h>

#include "appnet/base/error.h"
#include "appnet/identity/spiffe.h"

/* The longest request, in PEM, that is looked at. */
#define SIGNING_REQUEST_MAX ((size_t)16 << 10)

/* Makes a new private key (ECDSA P-256). *key_pem is malloc'ed; it ends in secret_wipe, free. */
int signing_request_make_key(char **key_pem, struct error *err);

/* Makes the request for `instance` of `trust_domain`, signed with the key (which must be P-256):
 * subject CN=INSTANCE, one URI in the subject alternative name, nothing else. *request_pem is
 * malloc'ed. The same key may be asked for again, as when an answer was lost. */
int signing_request_make(const char *key_pem, const char *trust_domain, const char *instance,
                         char **request_pem, struct error *err);

/* A request that was read and found good: of it only the public key is ever used. */
struct signing_request;

/* Reads a request from whoever sent it, of `size` bytes without a zero byte behind them counted,
 * and checks it: at most SIGNING_REQUEST_MAX; PEM; a public key on P-256; signed by the private key
 * that belongs to it, over SHA-256, SHA-384 or SHA-512; every name in it is the expected one: a
 * subject that is just CN=INSTANCE, a subject alternative name that is missing or just the one URI.
 * Other extensions that it asks for are not granted and not looked at. NULL with a sentence
 * otherwise. */
struct signing_request *signing_request_read(const char *pem, size_t size, const char *trust_domain,
                                             const char *instance, struct error *err);
void signing_request_free(struct signing_request *request);

/* Whom it was checked to be for. */
const struct spiffe_id *signing_request_id(const struct signing_request *request);

mbedtls_pk_context *signing_request_public_key(struct signing_request *request);

#endif
