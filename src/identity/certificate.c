#include "appnet/identity/certificate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "appnet/identity/crypto.h"

/* A GeneralName that is a uniformResourceIdentifier (RFC 5280, 4.2.1.6). */
#define URI_TAG (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 6)

int certificate_identity(const mbedtls_x509_crt *certificate, struct spiffe_id *out,
                         struct error *err)
{
    const mbedtls_x509_sequence *name = &certificate->subject_alt_names;
    const mbedtls_x509_buf *uri = NULL;
    unsigned count = 0;

    for (; name; name = name->next) {
        if (name->buf.tag == URI_TAG) {
            uri = &name->buf;
            count++;
        }
    }
    if (count != 1)
        return error_set(err, "its subject alternative name has %u URIs, not exactly one", count);
    if (spiffe_parse((const char *)uri->p, uri->len, out, err) != 0)
        return -1;
    if ((*out->instance || out->is_registry) && crypto_is_ca(certificate)) {
        return error_set(err, "it is a CA's certificate, which cannot be %s",
                         out->is_registry ? "the registry's" : "an instance's");
    }
    return 0;
}

void certificate_hash(const mbedtls_x509_crt *certificate, char out[CERTIFICATE_HASH_SIZE])
{
    uint8_t hash[CRYPTO_SHA256_SIZE];

    crypto_sha256(certificate->raw.p, certificate->raw.len, hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        snprintf(out + 2 * i, CERTIFICATE_HASH_SIZE - 2 * i, "%02x", hash[i]);
    }
}

int64_t certificate_time(const mbedtls_x509_time *moment)
{
    struct tm parts = {
        .tm_year = moment->year - 1900,
        .tm_mon = moment->mon - 1,
        .tm_mday = moment->day,
        .tm_hour = moment->hour,
        .tm_min = moment->min,
        .tm_sec = moment->sec,
    };

    return timegm(&parts);
}

static void format_serial(const mbedtls_x509_buf *serial, char *out, size_t size)
{
    *out = '\0';
    for (size_t i = 0; i < serial->len && 2 * i + 2 < size; i++)
        snprintf(out + 2 * i, size - 2 * i, "%02x", serial->p[i]);
}

int certificate_summarize(const mbedtls_x509_crt *certificate, struct certificate_summary *out,
                          struct error *err)
{
    struct spiffe_id id;
    int rc;

    memset(out, 0, sizeof(*out));
    if (certificate_identity(certificate, &id, err) != 0)
        return -1;
    spiffe_format(&id, out->id, sizeof(out->id));
    format_serial(&certificate->serial, out->serial, sizeof(out->serial));
    rc = mbedtls_x509_dn_gets(out->issuer, sizeof(out->issuer), &certificate->issuer);
    if (rc < 0)
        return crypto_error(err, rc, "its issuer's name cannot be read");
    out->not_before = certificate_time(&certificate->valid_from);
    out->not_after = certificate_time(&certificate->valid_to);
    return 0;
}

void certificate_verify_text(uint32_t flags, char *out, size_t size)
{
    static const struct {
        uint32_t flags;
        const char *text;
    } meanings[] = {
        {MBEDTLS_X509_BADCERT_MISSING, "there is none"},
        {MBEDTLS_X509_BADCERT_EXPIRED, "it has expired"},
        {MBEDTLS_X509_BADCERT_FUTURE, "it is not valid yet"},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "it was not issued by a trusted CA"},
        {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
             MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
         "it is not meant for this use"},
        {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
         "its key or signature is of a kind that is not accepted"},
    };
    size_t used = 0;

    *out = '\0';
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (flags & meanings[i].flags && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "; " : "",
                                     meanings[i].text);
        flags &= ~meanings[i].flags;
    }
    if ((flags || used == 0) && used < size)
        snprintf(out + used, size - used, "%sit was refused (flags 0x%x)", used ? "; " : "",
                 (unsigned)flags);
}
