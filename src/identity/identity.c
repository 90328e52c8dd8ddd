#include "appnet/identity/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "key_pair.h"

/* The leaf names exactly the one that was asked for. */
static int check_name(const mbedtls_x509_crt *leaf, const struct spiffe_id *expected,
                      struct certificate_summary *summary, struct error *err)
{
    struct spiffe_id id;
    char text[SPIFFE_TEXT_SIZE];

    if (certificate_identity(leaf, &id, err) != 0 ||
        certificate_summarize(leaf, summary, err) != 0) {
        return -1;
    }
    if (spiffe_equal(&id, expected)) {
        return 0;
    }
    if (!*id.instance && !id.is_registry) {
        return error_set(err,
                         "it is for the trust domain %s itself, as a CA's is, not for an instance",
                         id.trust_domain);
    }
    spiffe_format(expected, text, sizeof text);
    return error_set(err, "it is for %s, expected %s", summary->id, text);
}

static int check_issuer(mbedtls_x509_crt *leaf, mbedtls_x509_crt *trusted, const char *ca,
                        struct error *err)
{
    uint32_t flags = 0;
    char reason[256];
    int rc = mbedtls_x509_crt_verify(leaf, trusted, NULL, NULL, &flags, NULL, NULL);

    if (rc == 0) {
        return 0;
    }
    if (rc != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
        return crypto_error(err, rc, "it cannot be verified by %s", ca);
    }
    if (flags == MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        return error_set(err, "it was not issued by a CA of %s", ca);
    }
    certificate_verify_text(flags, reason, sizeof reason);
    /* The leaf's own times were found good before. */
    return error_set(err, "its issuer, of %s or the chain, was refused: %s", ca, reason);
}

static int check(struct key_pair *pair, mbedtls_x509_crt *trusted, const struct spiffe_id *expected,
                 struct certificate_summary *summary, const char *certificate, const char *ca,
                 struct error *err)
{
    if (check_name(&pair->certificate, expected, summary, err) != 0 ||
        check_issuer(&pair->certificate, trusted, ca, err) != 0) {
        return error_prefix(err, "%s", certificate);
    }
    return 0;
}

static void take_pair(struct identity *identity, struct key_pair *pair)
{
    identity->certificate_pem = pair->certificate_pem;
    identity->certificate_size = pair->certificate_size;
    identity->key_pem = pair->key_pem;
    identity->key_size = pair->key_size;
    pair->certificate_pem = NULL;
    pair->key_pem = NULL;
}

/* What is wanted, and nothing yet of what proves it. */
static struct identity *begin(const char *trust_domain, const char *instance)
{
    struct identity *identity = memory_zalloc(sizeof *identity);

    snprintf(identity->id.trust_domain, sizeof identity->id.trust_domain, "%s", trust_domain);
    snprintf(identity->id.instance, sizeof identity->id.instance, "%s", instance ? instance : "");
    identity->id.is_registry = !instance;
    return identity;
}

static struct identity *end(struct identity *identity, struct key_pair *pair,
                            mbedtls_x509_crt *trusted, int rc)
{
    if (rc == 0) {
        take_pair(identity, pair);
    } else {
        identity_free(identity);
        identity = NULL;
    }
    mbedtls_x509_crt_free(trusted);
    key_pair_free(pair);
    return identity;
}

struct identity *identity_load(const char *certificate, const char *key, const char *ca,
                               const char *trust_domain, const char *instance, struct error *err)
{
    struct identity *identity;
    struct key_pair pair;
    mbedtls_x509_crt trusted;
    int rc;

    if (crypto_start(err) != 0) {
        return NULL;
    }
    identity = begin(trust_domain, instance);
    mbedtls_x509_crt_init(&trusted);
    rc = key_pair_load(&pair, certificate, key, err);
    if (rc == 0) {
        rc = certificates_load(ca, &trusted, &identity->ca_pem, &identity->ca_size, err);
    }
    if (rc == 0) {
        rc = check(&pair, &trusted, &identity->id, &identity->summary, certificate, ca, err);
    }
    return end(identity, &pair, &trusted, rc);
}

struct identity *identity_from_pem(const char *certificate_pem, const char *key_pem,
                                   const char *ca_pem, const char *trust_domain,
                                   const char *instance, struct error *err)
{
    static const char certificate[] = "the certificate";
    static const char ca[] = "the trust bundle";
    struct identity *identity;
    struct key_pair pair;
    mbedtls_x509_crt trusted;
    int rc;

    if (crypto_start(err) != 0) {
        return NULL;
    }
    identity = begin(trust_domain, instance);
    identity->ca_pem = memory_strdup(ca_pem);
    identity->ca_size = strlen(ca_pem) + 1;
    mbedtls_x509_crt_init(&trusted);
    rc = key_pair_parse(&pair, certificate, certificate_pem, "the key", key_pem, err);
    if (rc == 0) {
        rc = certificates_parse(ca, identity->ca_pem, identity->ca_size, &trusted, err);
    }
    if (rc == 0) {
        rc = check(&pair, &trusted, &identity->id, &identity->summary, certificate, ca, err);
    }
    return end(identity, &pair, &trusted, rc);
}

struct identity *identity_pinned(const char *trust_domain, const char *ca_hash)
{
    struct identity *identity = memory_zalloc(sizeof *identity);

    snprintf(identity->id.trust_domain, sizeof identity->id.trust_domain, "%s", trust_domain);
    snprintf(identity->ca_hash, sizeof identity->ca_hash, "%s", ca_hash);
    return identity;
}

void identity_free(struct identity *identity)
{
    if (!identity) {
        return;
    }
    free(identity->certificate_pem);
    secret_wipe(identity->key_pem, identity->key_size);
    free(identity->key_pem);
    free(identity->ca_pem);
    free(identity);
}
