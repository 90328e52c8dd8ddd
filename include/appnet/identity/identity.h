/* What an instance proves itself with: its certificate, its private key and the CAs it trusts. Read
 * from files as a whole and checked as a whole, so that a certificate and a key that do not belong
 * together never come into use. */
#ifndef APPNET_IDENTITY_IDENTITY_H
#define APPNET_IDENTITY_IDENTITY_H

#include <stddef.h>

#include "appnet/base/error.h"
#include "appnet/identity/certificate.h"

/* Immutable once loaded. PEM texts, each with its zero byte counted in the size, as mbedTLS's
 * parsers want them: every handshake thread parses its own copy, since mbedTLS's contexts are not
 * to be shared between threads. */
struct identity {
    char *certificate_pem; /* leaf first, then any intermediates; NULL: it is nobody's yet */
    size_t certificate_size;
    char *key_pem;
    size_t key_size;
    char *ca_pem; /* the trust bundle: one or more CAs */
    size_t ca_size;
    char ca_hash[CERTIFICATE_HASH_SIZE]; /* instead of the bundle, without a certificate */
    struct spiffe_id id;
    struct certificate_summary summary;
};

/* Loads and checks: the files are readable, the key is not readable by others, key and certificate
 * belong together, the certificate is valid now, was issued by one of the CAs, and names `instance`
 * of `trust_domain`, or the registry when `instance` is NULL. */
struct identity *identity_load(const char *certificate, const char *key, const char *ca,
                               const char *trust_domain, const char *instance, struct error *err);

/* The same of PEM texts that are in memory already, as the registry sends them. They are copied. */
struct identity *identity_from_pem(const char *certificate_pem, const char *key_pem,
                                   const char *ca_pem, const char *trust_domain,
                                   const char *instance, struct error *err);

/* For the first contact with a registry: nobody's, and it trusts a chain that ends in the CA with
 * this certificate_hash, as a join token pins it. */
struct identity *identity_pinned(const char *trust_domain, const char *ca_hash);

/* Wipes the key. */
void identity_free(struct identity *identity);

#endif
