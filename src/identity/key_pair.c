#include "key_pair.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "appnet/base/file.h"
#include "appnet/base/secret.h"
#include "appnet/base/time.h"
#include "appnet/identity/certificate.h"

int certificates_load(const char *path, mbedtls_x509_crt *out, char **pem, size_t *size,
                      struct error *err)
{
    int rc;

    if (file_read(path, PEM_LIMIT, pem, size, err) != 0)
        return -1;
    ++*size;
    rc = mbedtls_x509_crt_parse(out, (const unsigned char *)*pem, *size);
    if (rc == 0)
        return 0;
    /* A positive code counts those that could not be read among others. */
    if (rc > 0)
        error_set(err, "%s: %d of its certificates cannot be read", path, rc);
    else
        crypto_error(err, rc, "%s is not a certificate in PEM form", path);
    free(*pem);
    *pem = NULL;
    return -1;
}

static int load_key(struct key_pair *pair, const char *path, struct error *err)
{
    int rc;

    if (file_read_secret(path, PEM_LIMIT, &pair->key_pem, &pair->key_size, err) != 0)
        return -1;
    pair->key_size++;
    rc = crypto_parse_key(&pair->key, pair->key_pem, pair->key_size);
    if (rc == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return error_set(err, "%s has a password: expected a private key without one", path);
    if (rc != 0)
        return crypto_error(err, rc, "%s is not a private key in PEM form", path);
    return 0;
}

static int check_time(const mbedtls_x509_crt *certificate, const char *path, struct error *err)
{
    int64_t now = time(NULL);
    int64_t begin = certificate_time(&certificate->valid_from);
    int64_t end = certificate_time(&certificate->valid_to);
    char text[TIME_TEXT_SIZE];

    if (now > end) {
        time_format(end, text, sizeof(text));
        return error_set(err, "%s expired at %s: issue a new certificate", path, text);
    }
    if (now < begin) {
        time_format(begin, text, sizeof(text));
        return error_set(err, "%s is not valid before %s: is this machine's clock right?", path,
                         text);
    }
    return 0;
}

int key_pair_load(struct key_pair *pair, const char *certificate, const char *key,
                  struct error *err)
{
    memset(pair, 0, sizeof(*pair));
    mbedtls_x509_crt_init(&pair->certificate);
    mbedtls_pk_init(&pair->key);
    if (certificates_load(certificate, &pair->certificate, &pair->certificate_pem,
                          &pair->certificate_size, err) != 0 ||
        load_key(pair, key, err) != 0)
        return -1;
    if (crypto_check_pair(&pair->certificate.pk, &pair->key) != 0)
        return error_set(err, "%s is not the key of %s", key, certificate);
    return check_time(&pair->certificate, certificate, err);
}

void key_pair_free(struct key_pair *pair)
{
    mbedtls_x509_crt_free(&pair->certificate);
    mbedtls_pk_free(&pair->key);
    free(pair->certificate_pem);
    secret_wipe(pair->key_pem, pair->key_size);
    free(pair->key_pem);
}
