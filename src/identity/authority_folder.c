/* Making a CA's folder, and issuing from it by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "appnet/base/file.h"
#include "appnet/base/secret.h"
#include "appnet/identity/authority.h"
#include "appnet/identity/identity_folder.h"
#include "draft.h"
#include "private_key.h"

/* For clocks that do not agree. */
#define BACKDATE_SECONDS 300

static int refuse_existing(const char *folder, const char *certificate, const char *key,
                           struct error *err)
{
    if (access(certificate, F_OK) != 0 && access(key, F_OK) != 0) {
        return 0;
    }
    return error_set(err, "%s holds a CA already (%s): it is never overwritten", folder,
                     access(key, F_OK) == 0 ? AUTHORITY_KEY : AUTHORITY_CERTIFICATE);
}

static int sign_ca(mbedtls_pk_context *key, const char *trust_domain, char *pem, struct error *err)
{
    char subject[128];
    struct draft draft = {
        .subject = subject,
        .key = key,
        .issuer_key = key,
        .not_before = time(NULL) - BACKDATE_SECONDS,
        .not_after = time(NULL) + AUTHORITY_CA_SECONDS,
    };

    /* A name in a certificate holds 64 characters (RFC 5280, appendix A); the URI holds all. */
    snprintf(subject, sizeof subject, "O=%.64s,CN=appnet CA", trust_domain);
    snprintf(draft.id.trust_domain, sizeof draft.id.trust_domain, "%s", trust_domain);
    return draft_sign(&draft, pem, err);
}

static int write_ca(const char *certificate, const char *certificate_pem, const char *key,
                    const char *key_pem, struct error *err)
{
    if (file_write(key, key_pem, strlen(key_pem), 0600, true, err) != 0) {
        return -1;
    }
    if (file_write(certificate, certificate_pem, strlen(certificate_pem), 0644, true, err) == 0) {
        return 0;
    }
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
        private_key_make(&pk, key_pem, err) != 0 ||
        sign_ca(&pk, trust_domain, certificate_pem, err) != 0 ||
        file_make_folder(folder, 0700, err) != 0) {
        goto out;
    }
    rc = write_ca(certificate, certificate_pem, key, key_pem, err);
out:
    mbedtls_pk_free(&pk);
    secret_wipe(key_pem, sizeof key_pem);
    free(certificate);
    free(key);
    return rc;
}

/* The leaf alone: whoever checks it has the CA. */
static void cut_chain(char *chain_pem)
{
    static const char end[] = "-----END CERTIFICATE-----\n";
    char *leaf_end = strstr(chain_pem, end);

    if (leaf_end) {
        leaf_end[sizeof end - 1] = '\0';
    }
}

static int issue(struct authority *authority, const char *instance, int64_t ttl,
                 const char *out_folder, struct error *err)
{
    struct issued issued = {0};
    struct signing_request *request = NULL;
    char *key_pem = NULL;
    char *request_pem = NULL;
    int rc = -1;

    if (signing_request_make_key(&key_pem, err) != 0 ||
        signing_request_make(key_pem, authority_trust_domain(authority), instance, &request_pem,
                             err) != 0) {
        goto out;
    }
    request = signing_request_read(request_pem, strlen(request_pem),
                                   authority_trust_domain(authority), instance, err);
    if (!request || authority_sign(authority, request, ttl, &issued, err) != 0) {
        goto out;
    }
    cut_chain(issued.chain_pem);
    rc = identity_folder_write(out_folder, 0755, key_pem, issued.chain_pem,
                               authority_bundle(authority), err);
out:
    signing_request_free(request);
    issued_clear(&issued);
    free(request_pem);
    if (key_pem) {
        secret_wipe(key_pem, strlen(key_pem));
    }
    free(key_pem);
    return rc;
}

int authority_issue(const char *folder, const char *instance, int64_t ttl, const char *out_folder,
                    struct error *err)
{
    struct authority *authority;
    int rc;

    if (!name_valid(instance, strlen(instance))) {
        return error_set(err, "instance \"%s\": expected " NAME_EXPECTED, instance);
    }
    if (ttl < 1 || ttl > AUTHORITY_CA_SECONDS) {
        return error_set(err, "time to live: expected from 1 second to 10 years");
    }
    authority = authority_load(folder, NULL, err);
    if (!authority) {
        return -1;
    }
    rc = issue(authority, instance, ttl, out_folder, err);
    authority_free(authority);
    return rc;
}
