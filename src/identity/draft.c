#include "draft.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mbedtls/asn1write.h>
#include <mbedtls/oid.h>

#include "alternative_names.h"
#include "appnet/base/secret.h"
#include "appnet/identity/random.h"

#define SERIAL_SIZE 16
#define SEQUENCE_TAG (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)

/* Every sidecar is both client and server, and so is the registry's certificate (RFC 5280,
 * 4.2.1.12). mbedTLS writes DER from the end of a buffer to its front. */
static int set_purposes(mbedtls_x509write_cert *certificate)
{
    unsigned char bytes[64];
    unsigned char *end = bytes + sizeof bytes;
    unsigned char *start = end;
    int rc = mbedtls_asn1_write_oid(&start, bytes, MBEDTLS_OID_CLIENT_AUTH,
                                    MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));

    if (rc >= 0) {
        rc = mbedtls_asn1_write_oid(&start, bytes, MBEDTLS_OID_SERVER_AUTH,
                                    MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
    }
    if (rc >= 0) {
        rc = mbedtls_asn1_write_len(&start, bytes, (size_t)(end - start));
    }
    if (rc >= 0) {
        rc = mbedtls_asn1_write_tag(&start, bytes, SEQUENCE_TAG);
    }
    if (rc < 0) {
        return rc;
    }
    return mbedtls_x509write_crt_set_extension(certificate, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                                               MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0,
                                               start, (size_t)(end - start));
}

static int set_use(mbedtls_x509write_cert *certificate, bool is_ca)
{
    int rc = mbedtls_x509write_crt_set_basic_constraints(certificate, is_ca, is_ca ? 0 : -1);

    if (rc != 0)
        return rc;
    if (is_ca)
        return mbedtls_x509write_crt_set_key_usage(certificate, MBEDTLS_X509_KU_KEY_CERT_SIGN |
                                                                    MBEDTLS_X509_KU_CRL_SIGN);
    rc = mbedtls_x509write_crt_set_key_usage(certificate, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    return rc != 0 ? rc : set_purposes(certificate);
}

static int set_serial(mbedtls_x509write_cert *certificate)
{
    unsigned char serial[SERIAL_SIZE];

    random_bytes(serial, sizeof(serial));
    /* Positive, and of the same length always. */
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
    return crypto_set_serial(certificate, serial, sizeof(serial));
}

static int set_validity(mbedtls_x509write_cert *certificate, int64_t not_before, int64_t not_after)
{
    const time_t moments[2] = {(time_t)not_before, (time_t)not_after};
    char texts[2][32];
    struct tm parts;

    for (int i = 0; i < 2; i++) {
        gmtime_r(&moments[i], &parts);
        strftime(texts[i], sizeof(texts[i]), "%Y%m%d%H%M%S", &parts);
    }
    return mbedtls_x509write_crt_set_validity(certificate, texts[0], texts[1]);
}

static int fill(mbedtls_x509write_cert *certificate, const struct draft *draft,
                const struct alternative_names *names)
{
    bool is_ca = !*draft->id.instance && !draft->id.is_registry;
    int rc;

    mbedtls_x509write_crt_set_version(certificate, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(certificate, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(certificate, draft->key);
    mbedtls_x509write_crt_set_issuer_key(certificate, draft->issuer_key);
    if ((rc = mbedtls_x509write_crt_set_subject_name(certificate, draft->subject)) != 0 ||
        (rc = draft->issuer
                  ? crypto_set_issuer(certificate, draft->issuer)
                  : mbedtls_x509write_crt_set_issuer_name(certificate, draft->subject)) != 0 ||
        (rc = set_serial(certificate)) != 0 ||
        (rc = set_validity(certificate, draft->not_before, draft->not_after)) != 0 ||
        (rc = set_use(certificate, is_ca)) != 0 ||
        (rc = mbedtls_x509write_crt_set_subject_key_identifier(certificate)) != 0 ||
        (rc = mbedtls_x509write_crt_set_authority_key_identifier(certificate)) != 0) {
        return rc;
    }
    return mbedtls_x509write_crt_set_extension(certificate, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                               MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0,
                                               names->start, alternative_names_size(names));
}

int draft_sign(const struct draft *draft, char *pem, struct error *err)
{
    mbedtls_x509write_cert certificate;
    struct alternative_names names;
    int rc;

    if (alternative_names_write(&names, &draft->id, draft->names, draft->name_count, err) != 0) {
        return -1;
    }
    mbedtls_x509write_crt_init(&certificate);
    rc = fill(&certificate, draft, &names);
    if (rc == 0) {
        rc = mbedtls_x509write_crt_pem(&certificate, (unsigned char *)pem, DRAFT_PEM_SIZE,
                                       identity_random, NULL);
    }
    mbedtls_x509write_crt_free(&certificate);
    return rc == 0 ? 0 : crypto_error(err, rc, "cannot make a certificate for %s", draft->subject);
}
