/* A certificate authority in a folder: ca.pem and ca-key.pem (mode 0600) issue certificates, ECDSA
 * P-256 with random 128-bit serials; bundle.pem, if it is there, holds further CAs that are
 * trusted. A root is replaced in three steps: the new one is added to bundle.pem; the two change
 * places, and everybody's certificate is renewed; the old one is taken out. */
#ifndef APPNET_IDENTITY_AUTHORITY_H
#define APPNET_IDENTITY_AUTHORITY_H

#include <stdint.h>

#include "appnet/base/error.h"
#include "appnet/identity/identity.h"
#include "appnet/identity/signing_request.h"

#define AUTHORITY_CERTIFICATE "ca.pem"
#define AUTHORITY_KEY "ca-key.pem"
#define AUTHORITY_BUNDLE "bundle.pem"
#define AUTHORITY_CA_SECONDS (10LL * 365 * 24 * 3600)
#define AUTHORITY_TTL_SECONDS (24LL * 3600)
#define AUTHORITY_NAMES_MAX 16 /* DNS names and addresses in the registry's certificate */

/* Makes a new CA (ECDSA P-256, ten years, URI SAN spiffe://TRUST-DOMAIN) in `folder`, which is made
 * if missing. Refuses to touch a folder that holds a CA already. */
int authority_init(const char *folder, const char *trust_domain, struct error *err);

/* A loaded authority. One thread at a time. */
struct authority;

/* Loads the folder. The first certificate of ca.pem issues: it must be a CA's, valid now, belong to
 * ca-key.pem (ECDSA, or RSA of 2048 bits and more), and be able to sign what others then accept,
 * which is tried. What else ca.pem holds is trusted as bundle.pem's are; each must be a CA's. A CA
 * that names a trust domain must name this one; one that a company brings along may name none. With
 * `trust_domain` NULL the issuing CA must name it. */
struct authority *authority_load(const char *folder, const char *trust_domain, struct error *err);
void authority_free(struct authority *authority);

/* Loads the same folder again; if that fails everything stays as it was. */
int authority_reload(struct authority *authority, struct error *err);

const char *authority_trust_domain(const struct authority *authority);

/* The trust bundle: PEM of the issuing CA, then of the others, each once and nothing else (a key
 * that somebody left in a file is not sent around). Good until the next reload. */
const char *authority_bundle(const struct authority *authority);

/* The issuing CA's certificate_hash, the CAHASH of join tokens. Good until the next reload. */
const char *authority_hash(const struct authority *authority);

/* When the issuing CA's certificate ends, in seconds since 1970. */
int64_t authority_not_after(const struct authority *authority);

struct issued {
    char *chain_pem; /* the leaf, then the issuing CA; malloc'ed */
    char serial[64]; /* lower-case hexadecimal */
    int64_t not_before;
    int64_t not_after; /* seconds since 1970 */
};

/* Issues the certificate that was asked for: URI SAN spiffe://TRUST-DOMAIN/instance/NAME, client
 * and server use, valid from five minutes ago for `ttl` seconds from now (1 s to 10 years, never
 * past the CA's own end). Fails, too, when the request is of another trust domain and when the CA
 * has expired. */
int authority_sign(struct authority *authority, struct signing_request *request, int64_t ttl,
                   struct issued *out, struct error *err);
void issued_clear(struct issued *issued);

/* A new key and certificate for the registry itself, as authority_sign: URI SAN
 * spiffe://TRUST-DOMAIN/registry and, for clients that look for names, `count` DNS names and
 * literal addresses (AUTHORITY_NAMES_MAX at most). Its chain is leaf and issuing CA, its trust
 * bundle authority_bundle. Never written anywhere: each start makes a new one. */
struct identity *authority_registry_identity(struct authority *authority, const char *const *names,
                                             unsigned count, int64_t ttl, struct error *err);

/* Issues a certificate for `instance` and its new key into `out_folder`, for machines without a
 * registry: cert.pem, key.pem (0600), ca.pem (the trust bundle), as identity_folder_write writes
 * them; otherwise as authority_sign. */
int authority_issue(const char *folder, const char *instance, int64_t ttl, const char *out_folder,
                    struct error *err);

#endif
