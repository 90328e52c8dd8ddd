#include "key_pair.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/base/time.h"
#include "appnet/identity/certificate.h"

int certificates_parse(const char *name, const char *pem, size_t size, mbedtls_x509_crt *out,
                       struct error *err)
{
    int rc = mbedtls_x509_crt_parse(out, (const unsigned char *)pem, size);

    if (rc == 0) {
        return 0;
    }
    /* A positive code counts those that could not be read among others. */
    if (rc > 0) {
        return error_set(err, "%s: %d of its certificates cannot be read", name, rc);
    }
    return crypto_error(err, rc, "%s is not a certificate in PEM form", name);
}

int certificates_load(const char *path, mbedtls_x509_crt *out, char **pem, size_t *size,
                      struct error *err)
{
    if (file_read(path, PEM_LIMIT, pem, size, err) != 0) {
        return -1;
    }
    ++*size;
    if (certificates_parse(path, *pem, *size, out, err) == 0) {
        return 0;
    }
    free(*pem);
    *pem = NULL;
    return -1;
}

static int check_time(const mbedtls_x509_crt *certificate, const char *name, struct error *err)
{
    int64_t now = time(NULL);
    int64_t begin = certificate_time(&certificate->valid_from);
    int64_t end = certificate_time(&certificate->valid_to);
    char text[TIME_TEXT_SIZE];

    if (now > end) {
        time_format(end, text, sizeof text);
        return error_set(err, "%s expired at %s: issue a new certificate", name, text);
    }
    if (now < begin) {
        time_format(begin, text, sizeof text);
        return error_set(err, "%s is not valid before %s: is this machine's clock right?", name,
                         text);
    }
    return 0;
}

static void start(struct key_pair *pair)
{
    memset(pair, 0, sizeof *pair);
    mbedtls_x509_crt_init(&pair->certificate);
    mbedtls_pk_init(&pair->key);
}

/* Both texts are there, and the certificate is parsed. */
static int finish(struct key_pair *pair, const char *certificate, const char *key,
                  struct error *err)
{
    int rc = crypto_parse_key(&pair->key, pair->key_pem, pair->key_size);

    if (rc == MBEDTLS_ERR_PK_PASSWORD_REQUIRED) {
        return error_set(err, "%s has a password: expected a private key without one", key);
    }
    if (rc != 0) {
        return crypto_error(err, rc, "%s is not a private key in PEM form", key);
    }
    if (crypto_check_pair(&pair->certificate.pk, &pair->key) != 0) {
        return error_set(err, "%s is not the key of %s", key, certificate);
    }
    return check_time(&pair->certificate, certificate, err);
}

int key_pair_load(struct key_pair *pair, const char *certificate, const char *key,
                  struct error *err)
{
    start(pair);
    if (certificates_load(certificate, &pair->certificate, &pair->certificate_pem,
                          &pair->certificate_size, err) != 0 ||
        file_read_secret(key, PEM_LIMIT, &pair->key_pem, &pair->key_size, err) != 0) {
        return -1;
    }
    pair->key_size++;
    return finish(pair, certificate, key, err);
}

int key_pair_parse(struct key_pair *pair, const char *certificate, const char *certificate_pem,
                   const char *key, const char *key_pem, struct error *err)
{
    start(pair);
    pair->certificate_pem = memory_strdup(certificate_pem);
    pair->certificate_size = strlen(certificate_pem) + 1;
    pair->key_pem = memory_strdup(key_pem);
    pair->key_size = strlen(key_pem) + 1;
    if (certificates_parse(certificate, pair->certificate_pem, pair->certificate_size,
                           &pair->certificate, err) != 0) {
        return -1;
    }
    return finish(pair, certificate, key, err);
}

void key_pair_free(struct key_pair *pair)
{
    mbedtls_x509_crt_free(&pair->certificate);
    mbedtls_pk_free(&pair->key);
    free(pair->certificate_pem);
    secret_wipe(pair->key_pem, pair->key_size);
    free(pair->key_pem);
}
