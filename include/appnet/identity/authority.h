/* A certificate authority in a folder: ca.pem and ca-key.pem (mode 0600). It issues instance
 * certificates. */
#ifndef APPNET_IDENTITY_AUTHORITY_H
#define APPNET_IDENTITY_AUTHORITY_H

#include <stdint.h>

#include "appnet/base/error.h"

#define AUTHORITY_CERTIFICATE "ca.pem"
#define AUTHORITY_KEY "ca-key.pem"
#define AUTHORITY_CA_SECONDS (10LL * 365 * 24 * 3600)
#define AUTHORITY_TTL_SECONDS (24LL * 3600)

/* Makes a new CA (ECDSA P-256, ten years, URI SAN spiffe://TRUST-DOMAIN) in `folder`, which is made
 * if missing. Refuses to touch a folder that holds a CA already. */
int authority_init(const char *folder, const char *trust_domain, struct error *err);

/* Issues a certificate for `instance` and its new key into `out_folder`: cert.pem, key.pem (0600),
 * ca.pem; files of an earlier issue are replaced, key and certificate together or not at all as far
 * as a file system allows. ECDSA P-256, random 128-bit serial, URI SAN
 * spiffe://TRUST-DOMAIN/instance/NAME, client and server use, valid from five minutes ago for `ttl`
 * seconds from now (1 s to 10 years, never past the CA's own end). */
int authority_issue(const char *folder, const char *instance, int64_t ttl, const char *out_folder,
                    struct error *err);

#endif
