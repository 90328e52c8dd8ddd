/* A certificate and its private key, that belong together. */
#ifndef APPNET_IDENTITY_KEY_PAIR_H
#define APPNET_IDENTITY_KEY_PAIR_H

#include "appnet/identity/crypto.h"

struct key_pair {
    char *certificate_pem; /* sizes count the zero byte */
    size_t certificate_size;
    char *key_pem;
    size_t key_size;
    mbedtls_x509_crt certificate; /* the first is the leaf, or the CA */
    mbedtls_pk_context key;
};

/* The longest PEM file that is read. */
#define PEM_LIMIT ((size_t)1 << 20)

/* Reads PEM text; `size` counts its zero byte. `name` is what an error calls it. */
int certificates_parse(const char *name, const char *pem, size_t size, mbedtls_x509_crt *out,
                       struct error *err);

/* Reads a PEM file of certificates; on success *pem is the caller's to free. */
int certificates_load(const char *path, mbedtls_x509_crt *out, char **pem, size_t *size,
                      struct error *err);

/* Fails unless both can be read, nobody else can read the key, they belong together and the
 * certificate is valid now. key_pair_free is for what has been loaded, and for what failed to. */
int key_pair_load(struct key_pair *pair, const char *certificate, const char *key,
                  struct error *err);

/* The same of texts in memory, which are copied; `certificate` and `key` are what an error calls
 * them. */
int key_pair_parse(struct key_pair *pair, const char *certificate, const char *certificate_pem,
                   const char *key, const char *key_pem, struct error *err);
void key_pair_free(struct key_pair *pair);

#endif
