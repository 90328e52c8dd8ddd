#include "appnet/identity/crypto.h"

#include <stdio.h>

#include <mbedtls/error.h>
#include <mbedtls/version.h>

#include "appnet/identity/random.h"

#if MBEDTLS_VERSION_MAJOR >= 3

#include <psa/crypto.h>

int crypto_start(struct error *err)
{
    if (psa_crypto_init() != PSA_SUCCESS)
        return error_set(err, "mbedTLS cannot start its cryptography");
    return 0;
}

int crypto_parse_key(mbedtls_pk_context *key, const char *pem, size_t size)
{
    return mbedtls_pk_parse_key(key, (const unsigned char *)pem, size, NULL, 0, identity_random,
                                NULL);
}

int crypto_check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *private_key)
{
    return mbedtls_pk_check_pair(public_key, private_key, identity_random, NULL);
}

int crypto_set_serial(mbedtls_x509write_cert *certificate, unsigned char *serial, size_t size)
{
    return mbedtls_x509write_crt_set_serial_raw(certificate, serial, size);
}

bool crypto_is_ca(const mbedtls_x509_crt *certificate)
{
    return mbedtls_x509_crt_get_ca_istrue(certificate) == 1;
}

#else

int crypto_start(struct error *err)
{
    (void)err;
    return 0;
}

int crypto_parse_key(mbedtls_pk_context *key, const char *pem, size_t size)
{
    return mbedtls_pk_parse_key(key, (const unsigned char *)pem, size, NULL, 0);
}

int crypto_check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *private_key)
{
    return mbedtls_pk_check_pair(public_key, private_key);
}

int crypto_set_serial(mbedtls_x509write_cert *certificate, unsigned char *serial, size_t size)
{
    mbedtls_mpi number;
    int rc;

    mbedtls_mpi_init(&number);
    rc = mbedtls_mpi_read_binary(&number, serial, size);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_serial(certificate, &number);
    mbedtls_mpi_free(&number);
    return rc;
}

bool crypto_is_ca(const mbedtls_x509_crt *certificate)
{
    return certificate->ca_istrue != 0;
}

#endif

int crypto_error(struct error *err, int code, const char *format, ...)
{
    struct error what;
    char reason[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what.text, sizeof(what.text), format, arguments);
    va_end(arguments);
    mbedtls_strerror(code, reason, sizeof(reason));
    return error_set(err, "%s: %s", what.text, reason);
}
