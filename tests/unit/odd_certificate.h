/* Certificates that nobody should issue, for the tests that refuse them. */
#ifndef TESTS_UNIT_ODD_CERTIFICATE_H
#define TESTS_UNIT_ODD_CERTIFICATE_H

#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include "appnet/identity/crypto.h"
#include "appnet/identity/random.h"

#define ODD_PEM_SIZE 4096

/* GeneralNames, by their tags. */
#define ODD_URI 0x86
#define ODD_DNS 0x82

struct odd_name {
    unsigned char tag; /* 0: the end of the list */
    const char *text;
};

/* Up to 127 bytes of names as the subjectAltName extension has them. */
static inline size_t odd_names(const struct odd_name *names, unsigned char *out)
{
    size_t used = 2;

    for (; names->tag; names++) {
        size_t length = strlen(names->text);

        out[used++] = names->tag;
        out[used++] = (unsigned char)length;
        memcpy(out + used, names->text, length);
        used += length;
    }
    out[0] = 0x30;
    out[1] = (unsigned char)(used - 2);
    return used;
}

/* A certificate signed by its own key, with these names or, for NULL, without the extension.
 * Returns 0. */
static inline int odd_certificate(const struct odd_name *names, bool is_ca, char *pem,
                                  char *key_pem)
{
    mbedtls_x509write_cert certificate;
    mbedtls_pk_context key;
    unsigned char serial[] = {0x0a, 0xbc};
    unsigned char extension[256];
    int rc;

    mbedtls_pk_init(&key);
    mbedtls_x509write_crt_init(&certificate);
    rc = mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (rc == 0)
        rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), identity_random,
                                 NULL);
    mbedtls_x509write_crt_set_md_alg(&certificate, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&certificate, &key);
    mbedtls_x509write_crt_set_issuer_key(&certificate, &key);
    if (rc == 0)
        rc = crypto_set_serial(&certificate, serial, sizeof(serial));
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_subject_name(&certificate, "CN=odd");
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_issuer_name(&certificate, "CN=odd");
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_validity(&certificate, "20200102030405", "20490102030405");
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_basic_constraints(&certificate, is_ca, -1);
    if (rc == 0 && names)
        rc = mbedtls_x509write_crt_set_extension(&certificate, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                                 MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0,
                                                 extension, odd_names(names, extension));
    if (rc == 0)
        rc = mbedtls_x509write_crt_pem(&certificate, (unsigned char *)pem, ODD_PEM_SIZE,
                                       identity_random, NULL);
    if (rc == 0)
        rc = mbedtls_pk_write_key_pem(&key, (unsigned char *)key_pem, ODD_PEM_SIZE);
    mbedtls_x509write_crt_free(&certificate);
    mbedtls_pk_free(&key);
    return rc;
}

#endif
