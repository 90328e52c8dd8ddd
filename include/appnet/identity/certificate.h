/* Reading X.509 certificates: who does a certificate name, from when to when, by whom. RFC 5280;
 * X509-SVID. */
#ifndef APPNET_IDENTITY_CERTIFICATE_H
#define APPNET_IDENTITY_CERTIFICATE_H

#include <stdint.h>

#include <mbedtls/x509_crt.h>

#include "appnet/identity/spiffe.h"

struct certificate_summary {
    char id[SPIFFE_TEXT_SIZE];
    char serial[64];    /* lower-case hexadecimal */
    char issuer[256];   /* distinguished name */
    int64_t not_before; /* seconds since 1970, UTC */
    int64_t not_after;
};

/* The SPIFFE ID of this one certificate (a chain's further members are not looked at): exactly one
 * URI in the subject alternative name, of the exact form; and not a CA certificate when it names an
 * instance or the registry. */
int certificate_identity(const mbedtls_x509_crt *certificate, struct spiffe_id *out,
                         struct error *err);

#define CERTIFICATE_HASH_SIZE 65 /* 64 digits and the zero */

/* SHA-256 of the certificate's DER form in lower-case hexadecimal: the CAHASH of a join token. Of
 * this one certificate of a chain. */
void certificate_hash(const mbedtls_x509_crt *certificate, char out[CERTIFICATE_HASH_SIZE]);

/* One of a certificate's two times, in seconds since 1970, UTC. */
int64_t certificate_time(const mbedtls_x509_time *moment);

/* What `appnet status` shows of a certificate. */
int certificate_summarize(const mbedtls_x509_crt *certificate, struct certificate_summary *out,
                          struct error *err);

/* A sentence for the flags of mbedtls_x509_crt_verify, e.g. "it has expired; ...". Always
 * terminated. */
void certificate_verify_text(uint32_t flags, char *out, size_t size);

#endif
