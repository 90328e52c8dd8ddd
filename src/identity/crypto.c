#include "appnet/identity/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/platform.h>
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

int crypto_set_extension(mbedtls_x509write_csr *request, const char *oid, size_t oid_size,
                         const unsigned char *value, size_t size)
{
    return mbedtls_x509write_csr_set_extension(request, oid, oid_size, 0, value, size);
}

bool crypto_is_ca(const mbedtls_x509_crt *certificate)
{
    return mbedtls_x509_crt_get_ca_istrue(certificate) == 1;
}

static mbedtls_ecp_group_id curve(const mbedtls_pk_context *key)
{
    return mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*key));
}

#define ISSUER(certificate) ((certificate)->MBEDTLS_PRIVATE(issuer))

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

int crypto_set_extension(mbedtls_x509write_csr *request, const char *oid, size_t oid_size,
                         const unsigned char *value, size_t size)
{
    return mbedtls_x509write_csr_set_extension(request, oid, oid_size, value, size);
}

bool crypto_is_ca(const mbedtls_x509_crt *certificate)
{
    return certificate->ca_istrue != 0;
}

static mbedtls_ecp_group_id curve(const mbedtls_pk_context *key)
{
    return mbedtls_pk_ec(*key)->grp.id;
}

#define ISSUER(certificate) ((certificate)->issuer)

#endif

bool crypto_is_p256(const mbedtls_pk_context *key)
{
    mbedtls_pk_type_t type = mbedtls_pk_get_type(key);

    return (type == MBEDTLS_PK_ECKEY || type == MBEDTLS_PK_ECDSA) &&
           curve(key) == MBEDTLS_ECP_DP_SECP256R1;
}

void crypto_sha256(const void *data, size_t size, uint8_t out[CRYPTO_SHA256_SIZE])
{
    /* It is never missing and asks for no memory; and nothing safe could follow. */
    if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), data, size, out) != 0) {
        abort();
    }
}

static int copy_buffer(mbedtls_asn1_buf *to, const mbedtls_asn1_buf *from)
{
    to->p = mbedtls_calloc(1, from->len > 0 ? from->len : 1);
    if (!to->p) {
        return MBEDTLS_ERR_ASN1_ALLOC_FAILED;
    }
    if (from->len > 0) {
        memcpy(to->p, from->p, from->len);
    }
    to->tag = from->tag;
    to->len = from->len;
    return 0;
}

/* The list of a certificate being written begins with the last part of the name. */
int crypto_set_issuer(mbedtls_x509write_cert *certificate, const mbedtls_x509_crt *issuer)
{
    int rc = 0;

    for (const mbedtls_x509_name *part = &issuer->subject; part && rc == 0; part = part->next) {
        mbedtls_asn1_named_data *copy = mbedtls_calloc(1, sizeof *copy);

        if (!copy) {
            return MBEDTLS_ERR_ASN1_ALLOC_FAILED;
        }
        copy->next = ISSUER(certificate);
        ISSUER(certificate) = copy;
        rc = copy_buffer(&copy->oid, &part->oid);
        if (rc == 0) {
            rc = copy_buffer(&copy->val, &part->val);
        }
    }
    return rc;
}

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
