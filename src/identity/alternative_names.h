/* The subject alternative name (RFC 5280, 4.2.1.6) as it is written into certificates and into
 * requests for them. */
#ifndef APPNET_IDENTITY_ALTERNATIVE_NAMES_H
#define APPNET_IDENTITY_ALTERNATIVE_NAMES_H

#include "appnet/identity/authority.h"
#include "appnet/identity/crypto.h"
#include "appnet/identity/spiffe.h"

/* A GeneralName that is a uniformResourceIdentifier. */
#define ALTERNATIVE_NAME_URI (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 6)

/* mbedTLS writes DER from the end of a buffer to its front. */
struct alternative_names {
    unsigned char bytes[SPIFFE_TEXT_SIZE + AUTHORITY_NAMES_MAX * 260 + 16];
    unsigned char *start;
};

size_t alternative_names_size(const struct alternative_names *names);

/* The URI, then `count` DNS names and literal addresses. A name that can be neither, and too many
 * of them, are refused. */
int alternative_names_write(struct alternative_names *out, const struct spiffe_id *id,
                            const char *const *names, unsigned count, struct error *err);

#endif
