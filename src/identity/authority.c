#include "appnet/identity/authority.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/ecp.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "appnet/identity/certificate.h"
#include "appnet/identity/random.h"
#include "draft.h"
#include "key_pair.h"

/* For clocks that do not agree. */
#define BACKDATE_SECONDS 300

/* A new ECDSA P-256 key and its PEM text, of DRAFT_PEM_SIZE. */
static int make_key(mbedtls_pk_context *key, char *pem, struct error *err)
{
    int rc = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

    if (rc == 0)
        rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), identity_random,
                                 NULL);
    if (rc == 0)
        rc = mbedtls_pk_write_key_pem(key, (unsigned char *)pem, DRAFT_PEM_SIZE);
    return rc == 0 ? 0 : crypto_error(err, rc, "cannot make a key");
}

static int refuse_existing(const char *folder, const char *certificate, const char *key,
                           struct error *err)
{
    if (access(certificate, F_OK) != 0 && access(key, F_OK) != 0)
        return 0;
    return error_set(err, "%s holds a CA already (%s): it is never overwritten", folder,
                     access(key, F_OK) == 0 ? AUTHORITY_KEY : AUTHORITY_CERTIFICATE);
}

static int sign_ca(mbedtls_pk_context *key, const char *trust_domain, char *pem, struct error *err)
{
    char subject[128];
    struct draft draft = {
        .subject = subject,
        .issuer = subject,
        .key = key,
        .issuer_key = key,
        .not_before = time(NULL) - BACKDATE_SECONDS,
        .not_after = time(NULL) + AUTHORITY_CA_SECONDS,
    };

    /* A name in a certificate holds 64 characters (RFC 5280, appendix A); the URI holds all. */
    snprintf(subject, sizeof(subject), "O=%.64s,CN=appnet CA", trust_domain);
    snprintf(draft.id.trust_domain, sizeof(draft.id.trust_domain), "%s", trust_domain);
    return draft_sign(&draft, pem, err);
}

static int write_ca(const char *certificate, const char *certificate_pem, const char *key,
                    const char *key_pem, struct error *err)
{
    if (file_write(key, key_pem, strlen(key_pem), 0600, true, err) != 0)
        return -1;
    if (file_write(certificate, certificate_pem, strlen(certificate_pem), 0644, true, err) == 0)
        return 0;
    unlink(key);
    return -1;
}

int authority_init(const char *folder, const char *trust_domain, struct error *err)
{
    char *certificate = file_path(folder, AUTHORITY_CERTIFICATE);
    char *key = file_path(folder, AUTHORITY_KEY);
    char certificate_pem[DRAFT_PEM_SIZE];
    char key_pem[DRAFT_PEM_SIZE];
    mbedtls_pk_context pk;
    int rc = -1;

    mbedtls_pk_init(&pk);
    if (!trust_domain_valid(trust_domain, strlen(trust_domain))) {
        error_set(err, "trust domain \"%s\": expected " TRUST_DOMAIN_EXPECTED, trust_domain);
        goto out;
    }
    if (crypto_start(err) != 0 || refuse_existing(folder, certificate, key, err) != 0 ||
        make_key(&pk, key_pem, err) != 0 || sign_ca(&pk, trust_domain, certificate_pem, err) != 0 ||
        file_make_folder(folder, 0700, err) != 0)
        goto out;
    rc = write_ca(certificate, certificate_pem, key, key_pem, err);
out:
    mbedtls_pk_free(&pk);
    secret_wipe(key_pem, sizeof(key_pem));
    free(certificate);
    free(key);
    return rc;
}

/* The files of an issue: written under other names first, so that a full disk leaves the old ones
 * whole. */
#define ISSUED_COUNT 3

struct issued_file {
    const char *content;
    mode_t mode;
    char *path;
    char *staged;
};

static int write_issued(const struct issued_file *files, struct error *err)
{
    for (int i = 0; i < ISSUED_COUNT; i++) {
        const char *content = files[i].content;

        if (file_write(files[i].staged, content, strlen(content), files[i].mode, false, err) != 0)
            return -1;
    }
    for (int i = 0; i < ISSUED_COUNT; i++) {
        if (rename(files[i].staged, files[i].path) != 0)
            return error_set_errno(err, errno, "cannot write %s", files[i].path);
    }
    return 0;
}

static int put_into_folder(const char *folder, const char *key_pem, const char *certificate_pem,
                           const char *ca_pem, struct error *err)
{
    struct issued_file files[ISSUED_COUNT] = {
        {key_pem, 0600, file_path(folder, "key.pem"), NULL},
        {certificate_pem, 0644, file_path(folder, "cert.pem"), NULL},
        {ca_pem, 0644, file_path(folder, "ca.pem"), NULL},
    };
    int rc = file_make_folder(folder, 0755, err);

    for (int i = 0; i < ISSUED_COUNT; i++)
        files[i].staged = memory_printf("%s.new", files[i].path);
    if (rc == 0)
        rc = write_issued(files, err);
    for (int i = 0; i < ISSUED_COUNT; i++) {
        if (rc != 0)
            unlink(files[i].staged);
        free(files[i].path);
        free(files[i].staged);
    }
    return rc;
}

static int sign_leaf(struct key_pair *ca, const char *instance, int64_t ttl,
                     mbedtls_pk_context *key, char *pem, struct error *err)
{
    int64_t ca_begin = certificate_time(&ca->certificate.valid_from);
    int64_t ca_end = certificate_time(&ca->certificate.valid_to);
    int64_t now = time(NULL);
    char subject[NAME_SIZE + 8];
    char issuer[512];
    struct draft draft = {
        .subject = subject,
        .issuer = issuer,
        .key = key,
        .issuer_key = &ca->key,
        .not_before = now - BACKDATE_SECONDS > ca_begin ? now - BACKDATE_SECONDS : ca_begin,
        .not_after = now + ttl < ca_end ? now + ttl : ca_end,
    };
    int rc = mbedtls_x509_dn_gets(issuer, sizeof(issuer), &ca->certificate.subject);

    if (rc < 0)
        return crypto_error(err, rc, "the CA's name cannot be read");
    if (certificate_identity(&ca->certificate, &draft.id, err) != 0)
        return error_prefix(err, "the CA names no trust domain");
    snprintf(draft.id.instance, sizeof(draft.id.instance), "%s", instance);
    snprintf(subject, sizeof(subject), "CN=%s", instance);
    return draft_sign(&draft, pem, err);
}

static int load_ca(const char *folder, struct key_pair *ca, struct error *err)
{
    char *certificate = file_path(folder, AUTHORITY_CERTIFICATE);
    char *key = file_path(folder, AUTHORITY_KEY);
    int rc = key_pair_load(ca, certificate, key, err);

    if (rc == 0 && !crypto_is_ca(&ca->certificate))
        rc = error_set(err, "%s is not a CA's certificate", certificate);
    free(certificate);
    free(key);
    return rc;
}

int authority_issue(const char *folder, const char *instance, int64_t ttl, const char *out_folder,
                    struct error *err)
{
    char certificate_pem[DRAFT_PEM_SIZE];
    char key_pem[DRAFT_PEM_SIZE];
    mbedtls_pk_context key;
    struct key_pair ca;
    int rc = -1;

    if (!name_valid(instance, strlen(instance)))
        return error_set(err, "instance \"%s\": expected " NAME_EXPECTED, instance);
    if (ttl < 1 || ttl > AUTHORITY_CA_SECONDS)
        return error_set(err, "time to live: expected from 1 second to 10 years");
    if (crypto_start(err) != 0)
        return -1;
    mbedtls_pk_init(&key);
    if (load_ca(folder, &ca, err) == 0 && make_key(&key, key_pem, err) == 0 &&
        sign_leaf(&ca, instance, ttl, &key, certificate_pem, err) == 0)
        rc = put_into_folder(out_folder, key_pem, certificate_pem, ca.certificate_pem, err);
    mbedtls_pk_free(&key);
    key_pair_free(&ca);
    secret_wipe(key_pem, sizeof(key_pem));
    return rc;
}
