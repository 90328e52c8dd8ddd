#include "appnet/identity/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/pem.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/base/time.h"
#include "appnet/identity/certificate.h"
#include "draft.h"
#include "key_pair.h"
#include "private_key.h"

/* For clocks that do not agree. */
#define BACKDATE_SECONDS 300

#define RSA_BITS_MIN 2048

/* What was read from the folder; replaced whole. */
struct loaded {
    struct key_pair ca;
    char trust_domain[TRUST_DOMAIN_SIZE];
    char hash[CERTIFICATE_HASH_SIZE];
    char *bundle;
    char *ca_pem; /* the issuing CA alone */
};

struct authority {
    char *folder;
    char *trust_domain; /* that was asked for; or NULL */
    struct loaded *loaded;
};

static void loaded_free(struct loaded *loaded)
{
    if (!loaded) {
        return;
    }
    key_pair_free(&loaded->ca);
    free(loaded->bundle);
    free(loaded->ca_pem);
    free(loaded);
}

/* Whether `other` comes before `certificate` in its list. */
static bool is_repeated(const mbedtls_x509_crt *first, const mbedtls_x509_crt *certificate)
{
    for (const mbedtls_x509_crt *other = first; other != certificate; other = other->next) {
        if (other->raw.len == certificate->raw.len &&
            memcmp(other->raw.p, certificate->raw.p, other->raw.len) == 0) {
            return true;
        }
    }
    return false;
}

/* PEM text from the certificate's own bytes; malloc'ed. */
static char *certificate_pem(const mbedtls_x509_crt *certificate)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
    static const char end[] = "-----END CERTIFICATE-----\n";
    size_t size = sizeof begin + sizeof end + certificate->raw.len * 3 / 2 + 64;
    char *pem = memory_zalloc(size);
    size_t used;

    if (mbedtls_pem_write_buffer(begin, end, certificate->raw.p, certificate->raw.len,
                                 (unsigned char *)pem, size, &used) != 0) {
        free(pem);
        return NULL;
    }
    return pem;
}

/* A CA need not name a trust domain, but no CA vouches for another one's. */
static int check_trusted(const mbedtls_x509_crt *certificate, const char *trust_domain,
                         const char *path, struct error *err)
{
    char name[256];
    struct spiffe_id id;

    if (mbedtls_x509_dn_gets(name, sizeof name, &certificate->subject) < 0) {
        snprintf(name, sizeof name, "one of its certificates");
    }
    if (!crypto_is_ca(certificate)) {
        return error_set(err, "%s: %s is not a CA's certificate", path, name);
    }
    if (certificate_identity(certificate, &id, NULL) == 0 &&
        strcmp(id.trust_domain, trust_domain) != 0) {
        return error_set(err, "%s: %s is the CA of trust domain %s, expected %s", path, name,
                         id.trust_domain, trust_domain);
    }
    return 0;
}

/* The issuing CA, then the rest of its list: ca.pem's and, behind them, bundle.pem's. */
static int build_bundle(struct loaded *loaded, const char *path, const char *bundle_path,
                        unsigned in_ca, struct error *err)
{
    char *bundle = memory_strdup("");
    unsigned index = 0;

    for (const mbedtls_x509_crt *at = &loaded->ca.certificate; at; at = at->next, index++) {
        char *pem;
        char *longer;

        if (check_trusted(at, loaded->trust_domain, index < in_ca ? path : bundle_path, err) != 0) {
            free(bundle);
            return -1;
        }
        if (is_repeated(&loaded->ca.certificate, at)) {
            continue;
        }
        pem = certificate_pem(at);
        longer = memory_printf("%s%s", bundle, pem ? pem : "");
        free(bundle);
        free(pem);
        bundle = longer;
    }
    loaded->bundle = bundle;
    return 0;
}

static int set_trust_domain(struct loaded *loaded, const char *expected, const char *path,
                            struct error *err)
{
    struct error reason = ERROR_INIT;
    struct spiffe_id id;

    if (!crypto_is_ca(&loaded->ca.certificate)) {
        return error_set(err, "%s is not a CA's certificate", path);
    }
    if (expected) {
        snprintf(loaded->trust_domain, sizeof loaded->trust_domain, "%s", expected);
        return 0;
    }
    if (certificate_identity(&loaded->ca.certificate, &id, &reason) != 0) {
        return error_set(err, "%s names no trust domain: %s", path, reason.text);
    }
    snprintf(loaded->trust_domain, sizeof loaded->trust_domain, "%s", id.trust_domain);
    return 0;
}

static int check_key(const struct loaded *loaded, const char *path, struct error *err)
{
    mbedtls_pk_type_t type = mbedtls_pk_get_type(&loaded->ca.key);
    size_t bits = mbedtls_pk_get_bitlen(&loaded->ca.key);

    if (type == MBEDTLS_PK_RSA && bits < RSA_BITS_MIN) {
        return error_set(err, "%s is an RSA key of %zu bits: expected %d at least, or ECDSA", path,
                         bits, RSA_BITS_MIN);
    }
    if (type != MBEDTLS_PK_RSA && type != MBEDTLS_PK_ECKEY && type != MBEDTLS_PK_ECDSA) {
        return error_set(err, "%s is neither an ECDSA nor an RSA key", path);
    }
    return 0;
}

static int sign(struct loaded *loaded, struct draft *draft, int64_t ttl, char *pem,
                struct error *err)
{
    const mbedtls_x509_crt *ca = &loaded->ca.certificate;
    int64_t begin = certificate_time(&ca->valid_from);
    int64_t end = certificate_time(&ca->valid_to);
    int64_t now = time(NULL);
    char text[TIME_TEXT_SIZE];

    if (ttl < 1 || ttl > AUTHORITY_CA_SECONDS) {
        return error_set(err, "time to live: expected from 1 second to 10 years");
    }
    if (now >= end) {
        time_format(end, text, sizeof text);
        return error_set(err, "the CA expired at %s: replace it", text);
    }
    draft->issuer = ca;
    draft->issuer_key = &loaded->ca.key;
    draft->not_before = now - BACKDATE_SECONDS > begin ? now - BACKDATE_SECONDS : begin;
    draft->not_after = now + ttl < end ? now + ttl : end;
    snprintf(draft->id.trust_domain, sizeof draft->id.trust_domain, "%s", loaded->trust_domain);
    return draft_sign(draft, pem, err);
}

/* The registry's certificate, and a key for it, as an identity. */
static struct identity *registry_identity(struct loaded *loaded, const char *const *names,
                                          unsigned count, int64_t ttl, struct error *err)
{
    struct draft draft = {
        .id = {.is_registry = true},
        .subject = "CN=appnet registry",
        .names = names,
        .name_count = count,
    };
    char key_pem[DRAFT_PEM_SIZE];
    char pem[DRAFT_PEM_SIZE];
    struct identity *identity = NULL;
    mbedtls_pk_context key;

    mbedtls_pk_init(&key);
    draft.key = &key;
    if (private_key_make(&key, key_pem, err) == 0 && sign(loaded, &draft, ttl, pem, err) == 0) {
        char *chain = memory_printf("%s%s", pem, loaded->ca_pem);
        identity =
            identity_from_pem(chain, key_pem, loaded->bundle, loaded->trust_domain, NULL, err);
        free(chain);
    }
    mbedtls_pk_free(&key);
    secret_wipe(key_pem, sizeof key_pem);
    return identity;
}

/* What this CA signs must be accepted by others: mbedTLS may be unable to write its name as it
 * stands, and its own constraints may forbid it. */
static int try_it(struct loaded *loaded, const char *path, struct error *err)
{
    struct identity *identity = registry_identity(loaded, NULL, 0, 3600, err);

    if (!identity) {
        return error_prefix(err, "%s cannot issue certificates", path);
    }
    identity_free(identity);
    return 0;
}

static unsigned count_certificates(const mbedtls_x509_crt *certificate)
{
    unsigned count = 0;

    for (; certificate; certificate = certificate->next) {
        count++;
    }
    return count;
}

static int load_bundle(struct loaded *loaded, const char *path, const char *bundle_path,
                       struct error *err)
{
    unsigned in_ca = count_certificates(&loaded->ca.certificate);
    char *text = NULL;
    size_t size;

    if (access(bundle_path, F_OK) == 0 &&
        certificates_load(bundle_path, &loaded->ca.certificate, &text, &size, err) != 0) {
        return -1;
    }
    free(text);
    return build_bundle(loaded, path, bundle_path, in_ca, err);
}

static int load_parts(struct loaded *loaded, const char *trust_domain, const char *path,
                      const char *key_path, const char *bundle_path, struct error *err)
{
    if (key_pair_load(&loaded->ca, path, key_path, err) != 0 ||
        set_trust_domain(loaded, trust_domain, path, err) != 0 ||
        check_key(loaded, key_path, err) != 0 || load_bundle(loaded, path, bundle_path, err) != 0) {
        return -1;
    }
    certificate_hash(&loaded->ca.certificate, loaded->hash);
    loaded->ca_pem = certificate_pem(&loaded->ca.certificate);
    if (!loaded->ca_pem) {
        return error_set(err, "%s cannot be written in PEM form", path);
    }
    return try_it(loaded, path, err);
}

static struct loaded *load(const struct authority *authority, struct error *err)
{
    struct loaded *loaded = memory_zalloc(sizeof *loaded);
    char *path = file_path(authority->folder, AUTHORITY_CERTIFICATE);
    char *key_path = file_path(authority->folder, AUTHORITY_KEY);
    char *bundle_path = file_path(authority->folder, AUTHORITY_BUNDLE);

    if (load_parts(loaded, authority->trust_domain, path, key_path, bundle_path, err) != 0) {
        loaded_free(loaded);
        loaded = NULL;
    }
    free(path);
    free(key_path);
    free(bundle_path);
    return loaded;
}

struct authority *authority_load(const char *folder, const char *trust_domain, struct error *err)
{
    struct authority *authority;

    if (trust_domain && !trust_domain_valid(trust_domain, strlen(trust_domain))) {
        error_set(err, "trust domain \"%s\": expected " TRUST_DOMAIN_EXPECTED, trust_domain);
        return NULL;
    }
    if (crypto_start(err) != 0) {
        return NULL;
    }
    authority = memory_zalloc(sizeof *authority);
    authority->folder = memory_strdup(folder);
    authority->trust_domain = trust_domain ? memory_strdup(trust_domain) : NULL;
    authority->loaded = load(authority, err);
    if (!authority->loaded) {
        authority_free(authority);
        return NULL;
    }
    return authority;
}

int authority_reload(struct authority *authority, struct error *err)
{
    struct loaded *loaded = load(authority, err);

    if (!loaded) {
        return -1;
    }
    loaded_free(authority->loaded);
    authority->loaded = loaded;
    return 0;
}

void authority_free(struct authority *authority)
{
    if (!authority) {
        return;
    }
    loaded_free(authority->loaded);
    free(authority->folder);
    free(authority->trust_domain);
    free(authority);
}

const char *authority_trust_domain(const struct authority *authority)
{
    return authority->loaded->trust_domain;
}

const char *authority_bundle(const struct authority *authority)
{
    return authority->loaded->bundle;
}

const char *authority_hash(const struct authority *authority)
{
    return authority->loaded->hash;
}

int64_t authority_not_after(const struct authority *authority)
{
    return certificate_time(&authority->loaded->ca.certificate.valid_to);
}

/* Reads back what was signed: the answer says what the certificate says. */
static int fill_issued(const char *pem, const char *ca_pem, struct issued *out, struct error *err)
{
    struct certificate_summary summary;
    mbedtls_x509_crt leaf;
    int rc;

    mbedtls_x509_crt_init(&leaf);
    rc = certificates_parse("the new certificate", pem, strlen(pem) + 1, &leaf, err);
    if (rc == 0) {
        rc = certificate_summarize(&leaf, &summary, err);
    }
    mbedtls_x509_crt_free(&leaf);
    if (rc != 0) {
        return -1;
    }
    out->chain_pem = memory_printf("%s%s", pem, ca_pem);
    snprintf(out->serial, sizeof out->serial, "%s", summary.serial);
    out->not_before = summary.not_before;
    out->not_after = summary.not_after;
    return 0;
}

int authority_sign(struct authority *authority, struct signing_request *request, int64_t ttl,
                   struct issued *out, struct error *err)
{
    struct loaded *loaded = authority->loaded;
    char subject[NAME_SIZE + 8];
    char pem[DRAFT_PEM_SIZE];
    struct draft draft = {
        .id = *signing_request_id(request),
        .subject = subject,
        .key = signing_request_public_key(request),
    };

    memset(out, 0, sizeof *out);
    if (strcmp(draft.id.trust_domain, loaded->trust_domain) != 0) {
        return error_set(err, "the request is of trust domain %s, not of %s", draft.id.trust_domain,
                         loaded->trust_domain);
    }
    snprintf(subject, sizeof subject, "CN=%s", draft.id.instance);
    if (sign(loaded, &draft, ttl, pem, err) != 0) {
        return -1;
    }
    return fill_issued(pem, loaded->ca_pem, out, err);
}

void issued_clear(struct issued *issued)
{
    free(issued->chain_pem);
    memset(issued, 0, sizeof *issued);
}

struct identity *authority_registry_identity(struct authority *authority, const char *const *names,
                                             unsigned count, int64_t ttl, struct error *err)
{
    return registry_identity(authority->loaded, names, count, ttl, err);
}
