/* What mbedTLS 2.28 and 3.6 call by different names, under one. Functions that return int without
 * an error give mbedTLS's own code, 0 for success, which crypto_error makes a sentence of. */
#ifndef APPNET_IDENTITY_CRYPTO_H
#define APPNET_IDENTITY_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include "appnet/base/error.h"

/* To be called before anything else of mbedTLS; calling it again does nothing. */
int crypto_start(struct error *err);

/* Reads a private key without a password; `size` counts the zero byte behind the PEM text. */
int crypto_parse_key(mbedtls_pk_context *key, const char *pem, size_t size);

/* 0 if the public and the private key belong together. */
int crypto_check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *private_key);

/* Whether this is an ECDSA key on the curve P-256, the only kind that instances have. */
bool crypto_is_p256(const mbedtls_pk_context *key);

#define CRYPTO_SHA256_SIZE 32

void crypto_sha256(const void *data, size_t size, uint8_t out[CRYPTO_SHA256_SIZE]);

/* Sets the serial number, a big-endian number with its top bit clear, of a certificate being
 * written. */
int crypto_set_serial(mbedtls_x509write_cert *certificate, unsigned char *serial, size_t size);

/* Makes the issuer of a certificate being written exactly the subject of `issuer`, as it stands
 * there: a name that another program wrote need not survive the way through text and back. */
int crypto_set_issuer(mbedtls_x509write_cert *certificate, const mbedtls_x509_crt *issuer);

/* Adds an extension, not critical, to a certificate request being written. */
int crypto_set_extension(mbedtls_x509write_csr *request, const char *oid, size_t oid_size,
                         const unsigned char *value, size_t size);

/* Whether the certificate says that it is a CA's (RFC 5280, 4.2.1.9). */
bool crypto_is_ca(const mbedtls_x509_crt *certificate);

/* Writes the sentence, ": " and mbedTLS's text for `code`. Returns -1. */
int crypto_error(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
