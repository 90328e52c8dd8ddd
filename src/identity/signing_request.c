#include "appnet/identity/signing_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_csr.h>

#include "alternative_names.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/identity/crypto.h"
#include "appnet/identity/random.h"
#include "private_key.h"

#define SEQUENCE_TAG (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define SET_TAG (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SET)
#define ATTRIBUTES_TAG (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED)

/* extensionRequest (RFC 2985, section 5.4.2). */
#define EXTENSION_REQUEST "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"

struct signing_request {
    struct spiffe_id id;
    mbedtls_x509_csr csr;
};

int signing_request_make_key(char **key_pem, struct error *err)
{
    char pem[DRAFT_PEM_SIZE];
    mbedtls_pk_context key;
    int rc = -1;

    mbedtls_pk_init(&key);
    if (crypto_start(err) == 0 && private_key_make(&key, pem, err) == 0) {
        *key_pem = memory_strdup(pem);
        rc = 0;
    }
    mbedtls_pk_free(&key);
    secret_wipe(pem, sizeof pem);
    return rc;
}

static int write_request(mbedtls_pk_context *key, const struct spiffe_id *id, char *pem,
                         struct error *err)
{
    mbedtls_x509write_csr csr;
    struct alternative_names names;
    char subject[NAME_SIZE + 8];
    int rc;

    if (alternative_names_write(&names, id, NULL, 0, err) != 0) {
        return -1;
    }
    snprintf(subject, sizeof subject, "CN=%s", id->instance);
    mbedtls_x509write_csr_init(&csr);
    mbedtls_x509write_csr_set_md_alg(&csr, MBEDTLS_MD_SHA256);
    mbedtls_x509write_csr_set_key(&csr, key);
    rc = mbedtls_x509write_csr_set_subject_name(&csr, subject);
    if (rc == 0) {
        rc = crypto_set_extension(&csr, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), names.start,
                                  alternative_names_size(&names));
    }
    if (rc == 0) {
        rc = mbedtls_x509write_csr_pem(&csr, (unsigned char *)pem, DRAFT_PEM_SIZE, identity_random,
                                       NULL);
    }
    mbedtls_x509write_csr_free(&csr);
    return rc == 0 ? 0 : crypto_error(err, rc, "cannot make a certificate request");
}

static int set_id(struct spiffe_id *id, const char *trust_domain, const char *instance,
                  struct error *err)
{
    if (!trust_domain_valid(trust_domain, strlen(trust_domain))) {
        return error_set(err, "trust domain \"%s\": expected " TRUST_DOMAIN_EXPECTED, trust_domain);
    }
    if (!name_valid(instance, strlen(instance))) {
        return error_set(err, "instance \"%s\": expected " NAME_EXPECTED, instance);
    }
    memset(id, 0, sizeof *id);
    snprintf(id->trust_domain, sizeof id->trust_domain, "%s", trust_domain);
    snprintf(id->instance, sizeof id->instance, "%s", instance);
    return 0;
}

int signing_request_make(const char *key_pem, const char *trust_domain, const char *instance,
                         char **request_pem, struct error *err)
{
    char pem[DRAFT_PEM_SIZE];
    struct spiffe_id id;
    mbedtls_pk_context key;
    int rc;

    if (crypto_start(err) != 0 || set_id(&id, trust_domain, instance, err) != 0) {
        return -1;
    }
    mbedtls_pk_init(&key);
    rc = crypto_parse_key(&key, key_pem, strlen(key_pem) + 1);
    if (rc != 0) {
        rc = crypto_error(err, rc, "the key is not a private key in PEM form");
    } else if (!crypto_is_p256(&key)) {
        rc = error_set(err, "the key is not an ECDSA key on the curve P-256");
    } else {
        rc = write_request(&key, &id, pem, err);
    }
    mbedtls_pk_free(&key);
    if (rc == 0) {
        *request_pem = memory_strdup(pem);
    }
    return rc;
}

/* What is left to read of a DER value. */
struct der {
    unsigned char *at;
    const unsigned char *end;
};

/* Steps into the next element, which must have this tag. */
static int der_enter(struct der *der, int tag, struct der *inside)
{
    size_t size;

    if (mbedtls_asn1_get_tag(&der->at, der->end, &size, tag) != 0) {
        return -1;
    }
    inside->at = der->at;
    inside->end = der->at + size;
    der->at += size;
    return 0;
}

static bool der_equals(const struct der *der, const void *bytes, size_t size)
{
    return (size_t)(der->end - der->at) == size && memcmp(der->at, bytes, size) == 0;
}

static bool der_empty(const struct der *der)
{
    return der->at == der->end;
}

static mbedtls_md_type_t digest_of(const struct der *oid)
{
    if (der_equals(oid, MBEDTLS_OID_ECDSA_SHA256, MBEDTLS_OID_SIZE(MBEDTLS_OID_ECDSA_SHA256))) {
        return MBEDTLS_MD_SHA256;
    }
    if (der_equals(oid, MBEDTLS_OID_ECDSA_SHA384, MBEDTLS_OID_SIZE(MBEDTLS_OID_ECDSA_SHA384))) {
        return MBEDTLS_MD_SHA384;
    }
    if (der_equals(oid, MBEDTLS_OID_ECDSA_SHA512, MBEDTLS_OID_SIZE(MBEDTLS_OID_ECDSA_SHA512))) {
        return MBEDTLS_MD_SHA512;
    }
    return MBEDTLS_MD_NONE;
}

/* CertificationRequest ::= SEQUENCE { info, algorithm, signature BIT STRING } (RFC 2986, section
 * 4.2). mbedTLS has read all of it, and checks no signature. */
static int check_signature(mbedtls_x509_csr *csr, struct error *err)
{
    struct der all = {csr->raw.p, csr->raw.p + csr->raw.len};
    struct der parts;
    struct der info;
    struct der algorithm;
    struct der oid;
    struct der signature;
    const mbedtls_md_info_t *digest;
    unsigned char hash[MBEDTLS_MD_MAX_SIZE];

    if (der_enter(&all, SEQUENCE_TAG, &parts) != 0 || der_enter(&parts, SEQUENCE_TAG, &info) != 0 ||
        der_enter(&parts, SEQUENCE_TAG, &algorithm) != 0 ||
        der_enter(&algorithm, MBEDTLS_ASN1_OID, &oid) != 0 ||
        der_enter(&parts, MBEDTLS_ASN1_BIT_STRING, &signature) != 0 || !der_empty(&parts) ||
        !der_empty(&all) || der_empty(&signature) || *signature.at++ != 0) {
        return error_set(err, "the request is not of the form of RFC 2986");
    }
    digest = mbedtls_md_info_from_type(digest_of(&oid));
    if (!digest) {
        return error_set(err, "the request is signed in a way that is not accepted: expected ECDSA "
                              "with SHA-256");
    }
    if (mbedtls_md(digest, csr->cri.p, csr->cri.len, hash) != 0 ||
        mbedtls_pk_verify(&csr->pk, mbedtls_md_get_type(digest), hash, mbedtls_md_get_size(digest),
                          signature.at, (size_t)(signature.end - signature.at)) != 0) {
        return error_set(err, "the request's signature is not by the key that it is for");
    }
    return 0;
}

static int check_subject(const mbedtls_x509_csr *csr, const char *instance, struct error *err)
{
    const mbedtls_x509_name *name = &csr->subject;

    if (name->next || MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) != 0 ||
        name->val.len != strlen(instance) || memcmp(name->val.p, instance, name->val.len) != 0) {
        return error_set(err, "the request's subject is not CN=%s", instance);
    }
    return 0;
}

/* The value of a subjectAltName extension. */
static int check_names(struct der value, const char *uri, struct error *err)
{
    struct der names;
    struct der name;

    if (der_enter(&value, SEQUENCE_TAG, &names) != 0 || !der_empty(&value)) {
        return error_set(err, "the request's subject alternative name cannot be read");
    }
    if (der_enter(&names, ALTERNATIVE_NAME_URI, &name) != 0 ||
        !der_equals(&name, uri, strlen(uri)) || !der_empty(&names)) {
        return error_set(err, "the request asks for other names than %s", uri);
    }
    return 0;
}

/* Extension ::= SEQUENCE { OID, critical BOOLEAN DEFAULT FALSE, value OCTET STRING } */
static int check_extension(struct der *extensions, const char *uri, unsigned *alternative_names,
                           struct error *err)
{
    struct der extension;
    struct der oid;
    struct der critical;
    struct der value;

    if (der_enter(extensions, SEQUENCE_TAG, &extension) != 0 ||
        der_enter(&extension, MBEDTLS_ASN1_OID, &oid) != 0) {
        return error_set(err, "the request's extensions cannot be read");
    }
    (void)der_enter(&extension, MBEDTLS_ASN1_BOOLEAN, &critical);
    if (der_enter(&extension, MBEDTLS_ASN1_OCTET_STRING, &value) != 0 || !der_empty(&extension)) {
        return error_set(err, "the request's extensions cannot be read");
    }
    if (!der_equals(&oid, MBEDTLS_OID_SUBJECT_ALT_NAME,
                    MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME))) {
        return 0;
    }
    if (++*alternative_names > 1) {
        return error_set(err, "the request has more than one subject alternative name");
    }
    return check_names(value, uri, err);
}

/* Attribute ::= SEQUENCE { OID, SET OF value } */
static int check_attribute(struct der *attributes, const char *uri, unsigned *alternative_names,
                           struct error *err)
{
    struct der attribute;
    struct der oid;
    struct der values;

    if (der_enter(attributes, SEQUENCE_TAG, &attribute) != 0 ||
        der_enter(&attribute, MBEDTLS_ASN1_OID, &oid) != 0 ||
        der_enter(&attribute, SET_TAG, &values) != 0 || !der_empty(&attribute)) {
        return error_set(err, "the request's attributes cannot be read");
    }
    if (!der_equals(&oid, EXTENSION_REQUEST, sizeof EXTENSION_REQUEST - 1)) {
        return 0;
    }
    while (!der_empty(&values)) {
        struct der extensions;
        if (der_enter(&values, SEQUENCE_TAG, &extensions) != 0) {
            return error_set(err, "the request's extensions cannot be read");
        }
        while (!der_empty(&extensions)) {
            if (check_extension(&extensions, uri, alternative_names, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* CertificationRequestInfo ::= SEQUENCE { version, subject, public key, attributes [0] } (RFC 2986,
 * section 4.1). mbedTLS 2.28 does not look at attributes, mbedTLS 3.6 keeps the last names only. */
static int check_attributes(const mbedtls_x509_csr *csr, const char *uri, struct error *err)
{
    struct der all = {csr->cri.p, csr->cri.p + csr->cri.len};
    struct der info;
    struct der skipped;
    struct der attributes;
    unsigned alternative_names = 0;

    if (der_enter(&all, SEQUENCE_TAG, &info) != 0 ||
        der_enter(&info, MBEDTLS_ASN1_INTEGER, &skipped) != 0 ||
        der_enter(&info, SEQUENCE_TAG, &skipped) != 0 ||
        der_enter(&info, SEQUENCE_TAG, &skipped) != 0) {
        return error_set(err, "the request is not of the form of RFC 2986");
    }
    if (der_empty(&info)) {
        return 0;
    }
    if (der_enter(&info, ATTRIBUTES_TAG, &attributes) != 0 || !der_empty(&info)) {
        return error_set(err, "the request's attributes cannot be read");
    }
    while (!der_empty(&attributes)) {
        if (check_attribute(&attributes, uri, &alternative_names, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_request(struct signing_request *request, const char *pem, size_t size,
                        struct error *err)
{
    char *text;
    char uri[SPIFFE_TEXT_SIZE];
    int rc;

    if (size > SIGNING_REQUEST_MAX) {
        return error_set(err, "the request is longer than %zu bytes", SIGNING_REQUEST_MAX);
    }
    text = memory_zalloc(size + 1);
    memcpy(text, pem, size);
    rc = strstr(text, "-----BEGIN")
             ? mbedtls_x509_csr_parse(&request->csr, (unsigned char *)text, strlen(text) + 1)
             : MBEDTLS_ERR_X509_INVALID_FORMAT;
    free(text);
    if (rc != 0) {
        return crypto_error(err, rc, "the request is not a certificate request in PEM form");
    }
    if (!crypto_is_p256(&request->csr.pk)) {
        return error_set(err, "the request's key is not an ECDSA key on the curve P-256");
    }
    spiffe_format(&request->id, uri, sizeof uri);
    if (check_signature(&request->csr, err) != 0 ||
        check_subject(&request->csr, request->id.instance, err) != 0) {
        return -1;
    }
    return check_attributes(&request->csr, uri, err);
}

struct signing_request *signing_request_read(const char *pem, size_t size, const char *trust_domain,
                                             const char *instance, struct error *err)
{
    struct signing_request *request;

    if (crypto_start(err) != 0) {
        return NULL;
    }
    request = memory_zalloc(sizeof *request);
    mbedtls_x509_csr_init(&request->csr);
    if (set_id(&request->id, trust_domain, instance, err) == 0 &&
        read_request(request, pem, size, err) == 0) {
        return request;
    }
    signing_request_free(request);
    return NULL;
}

void signing_request_free(struct signing_request *request)
{
    if (request) {
        mbedtls_x509_csr_free(&request->csr);
        free(request);
    }
}

const struct spiffe_id *signing_request_id(const struct signing_request *request)
{
    return &request->id;
}

mbedtls_pk_context *signing_request_public_key(struct signing_request *request)
{
    return &request->csr.pk;
}
