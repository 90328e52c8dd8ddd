#include "appnet/identity/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <mbedtls/oid.h>

#include "appnet/base/file.h"
#include "appnet/identity/certificate.h"
#include "appnet/identity/crypto.h"

static int enter_folder(void **state)
{
    char *folder = strdup("/tmp/appnet-test-XXXXXX");

    *state = folder;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    char command[64];
    int rc;

    snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
    rc = chdir("/") == 0 ? system(command) : -1;
    free(*state);
    return rc;
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static char *read_text(const char *path)
{
    char *text;
    size_t size;

    assert_int_equal(file_read(path, 100000, &text, &size, NULL), 0);
    return text;
}

static void parse(const char *path, mbedtls_x509_crt *out)
{
    char *pem = read_text(path);

    mbedtls_x509_crt_init(out);
    assert_int_equal(mbedtls_x509_crt_parse(out, (unsigned char *)pem, strlen(pem) + 1), 0);
    free(pem);
}

static void makes_a_ca(void **state)
{
    struct error err = ERROR_INIT;
    struct certificate_summary summary;
    mbedtls_x509_crt ca;
    int64_t now = time(NULL);

    (void)state;
    assert_int_equal(authority_init("a/ca", "shop.example", &err), 0);
    assert_int_equal(mode_of("a/ca"), 0700);
    assert_int_equal(mode_of("a/ca/ca-key.pem"), 0600);
    assert_int_equal(mode_of("a/ca/ca.pem"), 0644);
    parse("a/ca/ca.pem", &ca);
    assert_true(crypto_is_ca(&ca));
    assert_int_equal(certificate_summarize(&ca, &summary, &err), 0);
    assert_string_equal(summary.id, "spiffe://shop.example");
    assert_string_equal(summary.issuer, "O=shop.example, CN=appnet CA");
    assert_int_equal(strlen(summary.serial), 32);
    assert_true(summary.not_before < now);
    assert_in_range(summary.not_after - now, AUTHORITY_CA_SECONDS - 60, AUTHORITY_CA_SECONDS + 60);
    assert_int_equal(mbedtls_x509_crt_check_key_usage(&ca, MBEDTLS_X509_KU_KEY_CERT_SIGN), 0);
    assert_int_not_equal(mbedtls_x509_crt_check_key_usage(&ca, MBEDTLS_X509_KU_DIGITAL_SIGNATURE),
                         0);
    mbedtls_x509_crt_free(&ca);
}

static void never_overwrites_a_ca(void **state)
{
    struct error err = ERROR_INIT;
    char *before;
    char *after;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    before = read_text("ca/ca-key.pem");
    assert_int_equal(authority_init("ca", "shop.example", &err), -1);
    assert_string_equal(err.text, "ca holds a CA already (ca-key.pem): it is never overwritten");
    after = read_text("ca/ca-key.pem");
    assert_string_equal(before, after);
    free(before);
    free(after);
    assert_int_equal(unlink("ca/ca-key.pem"), 0);
    assert_int_equal(authority_init("ca", "shop.example", &err), -1);
    assert_string_equal(err.text, "ca holds a CA already (ca.pem): it is never overwritten");
    assert_int_not_equal(access("ca/ca-key.pem", F_OK), 0);
}

static void refuses_bad_trust_domains(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(authority_init("ca", "Shop", &err), -1);
    assert_non_null(
        strstr(err.text, "trust domain \"Shop\": expected a name such as shop.example"));
    assert_int_equal(authority_init("ca", "a,CN=b", &err), -1);
    assert_int_not_equal(access("ca", F_OK), 0);
    assert_int_equal(file_write("file", "", 0, 0600, false, NULL), 0);
    assert_int_equal(authority_init("file", "shop.example", &err), -1);
    assert_string_equal(err.text, "cannot make the folder file: File exists");
}

static void takes_the_longest_names(void **state)
{
    struct certificate_summary summary;
    struct error err = ERROR_INIT;
    mbedtls_x509_crt leaf;
    char domain[256];
    char name[64];
    char expected[SPIFFE_TEXT_SIZE];

    (void)state;
    memset(domain, 'd', 255);
    for (int i = 50; i < 250; i += 50)
        domain[i] = '.';
    domain[255] = '\0';
    memset(name, 'n', 63);
    name[63] = '\0';
    assert_int_equal(authority_init("ca", domain, &err), 0);
    assert_int_equal(authority_issue("ca", name, 60, "out", &err), 0);
    parse("out/cert.pem", &leaf);
    assert_int_equal(certificate_summarize(&leaf, &summary, NULL), 0);
    snprintf(expected, sizeof(expected), "spiffe://%s/instance/%s", domain, name);
    assert_string_equal(summary.id, expected);
    mbedtls_x509_crt_free(&leaf);
}

static void issues_for_an_instance(void **state)
{
    struct error err = ERROR_INIT;
    struct certificate_summary summary;
    mbedtls_x509_crt leaf;
    mbedtls_x509_crt ca;
    int64_t now = time(NULL);
    uint32_t flags;
    char *theirs;
    char *ours;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", &err), 0);
    assert_int_equal(authority_issue("ca", "web-1", AUTHORITY_TTL_SECONDS, "out/web", &err), 0);
    assert_int_equal(mode_of("out/web/key.pem"), 0600);
    assert_int_equal(mode_of("out/web/cert.pem"), 0644);
    ours = read_text("ca/ca.pem");
    theirs = read_text("out/web/ca.pem");
    assert_string_equal(ours, theirs);
    free(ours);
    free(theirs);
    parse("out/web/cert.pem", &leaf);
    parse("out/web/ca.pem", &ca);
    assert_int_equal(mbedtls_x509_crt_verify(&leaf, &ca, NULL, NULL, &flags, NULL, NULL), 0);
    assert_false(crypto_is_ca(&leaf));
    assert_int_equal(certificate_summarize(&leaf, &summary, &err), 0);
    assert_string_equal(summary.id, "spiffe://shop.example/instance/web-1");
    assert_int_equal(strlen(summary.serial), 32);
    assert_in_range(now - summary.not_before, 240, 300);
    assert_in_range(summary.not_after - now, AUTHORITY_TTL_SECONDS, AUTHORITY_TTL_SECONDS + 60);
    assert_int_equal(mbedtls_x509_crt_check_key_usage(&leaf, MBEDTLS_X509_KU_DIGITAL_SIGNATURE), 0);
    assert_int_not_equal(mbedtls_x509_crt_check_key_usage(&leaf, MBEDTLS_X509_KU_KEY_CERT_SIGN), 0);
    assert_int_equal(mbedtls_x509_crt_check_extended_key_usage(
                         &leaf, MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH)),
                     0);
    assert_int_equal(mbedtls_x509_crt_check_extended_key_usage(
                         &leaf, MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)),
                     0);
    mbedtls_x509_crt_free(&leaf);
    mbedtls_x509_crt_free(&ca);
}

static void issues_again_with_a_new_key_and_serial(void **state)
{
    struct certificate_summary first;
    struct certificate_summary second;
    mbedtls_x509_crt leaf;
    char *before;
    char *after;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(authority_issue("ca", "web", 60, "out", NULL), 0);
    before = read_text("out/key.pem");
    parse("out/cert.pem", &leaf);
    assert_int_equal(certificate_summarize(&leaf, &first, NULL), 0);
    mbedtls_x509_crt_free(&leaf);
    assert_int_equal(authority_issue("ca", "web", 60, "out", NULL), 0);
    after = read_text("out/key.pem");
    parse("out/cert.pem", &leaf);
    assert_int_equal(certificate_summarize(&leaf, &second, NULL), 0);
    mbedtls_x509_crt_free(&leaf);
    assert_string_not_equal(before, after);
    assert_string_not_equal(first.serial, second.serial);
    free(before);
    free(after);
}

/* What cannot be finished changes nothing. */
static void a_failed_issue_keeps_the_old_files(void **state)
{
    struct error err = ERROR_INIT;
    char *before;
    char *after;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(authority_issue("ca", "web", 60, "out", NULL), 0);
    before = read_text("out/key.pem");
    assert_int_equal(mkdir("out/ca.pem.new", 0700), 0);
    assert_int_equal(authority_issue("ca", "web", 60, "out", &err), -1);
    assert_non_null(strstr(err.text, "cannot write out/ca.pem.new: "));
    after = read_text("out/key.pem");
    assert_string_equal(before, after);
    assert_int_not_equal(access("out/key.pem.new", F_OK), 0);
    assert_int_not_equal(access("out/cert.pem.new", F_OK), 0);
    free(before);
    free(after);
}

static void holds_the_time_to_live(void **state)
{
    struct error err = ERROR_INIT;
    mbedtls_x509_crt leaf;
    mbedtls_x509_crt ca;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(authority_issue("ca", "web", 0, "out", &err), -1);
    assert_string_equal(err.text, "time to live: expected from 1 second to 10 years");
    assert_int_equal(authority_issue("ca", "web", AUTHORITY_CA_SECONDS + 1, "out", &err), -1);
    assert_int_equal(authority_issue("ca", "web", 1, "out", &err), 0);
    assert_int_equal(authority_issue("ca", "web", AUTHORITY_CA_SECONDS, "out", &err), 0);
    parse("out/cert.pem", &leaf);
    parse("ca/ca.pem", &ca);
    assert_int_equal(certificate_time(&leaf.valid_to), certificate_time(&ca.valid_to));
    mbedtls_x509_crt_free(&leaf);
    mbedtls_x509_crt_free(&ca);
}

static void refuses_to_issue(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(authority_issue("none", "web", 60, "out", &err), -1);
    assert_string_equal(err.text, "cannot open none/ca.pem: No such file or directory");
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(authority_issue("ca", "Web", 60, "out", &err), -1);
    assert_non_null(strstr(err.text, "instance \"Web\": expected 1 to 63"));
    assert_int_equal(authority_issue("ca", "", 60, "out", &err), -1);
    assert_int_equal(chmod("ca/ca-key.pem", 0640), 0);
    assert_int_equal(authority_issue("ca", "web", 60, "out", &err), -1);
    assert_string_equal(err.text, "ca/ca-key.pem is open to others (mode 0640): chmod 600 it");
    assert_int_equal(chmod("ca/ca-key.pem", 0600), 0);
    assert_int_not_equal(access("out", F_OK), 0);

    /* A leaf cannot stand in for the CA. */
    assert_int_equal(authority_issue("ca", "web", 60, "out", &err), 0);
    assert_int_equal(rename("out/cert.pem", "out/ca.pem"), 0);
    assert_int_equal(rename("out/key.pem", "out/ca-key.pem"), 0);
    assert_int_equal(authority_issue("out", "db", 60, "out2", &err), -1);
    assert_string_equal(err.text, "out/ca.pem is not a CA's certificate");

    assert_int_equal(authority_init("other", "shop.example", NULL), 0);
    assert_int_equal(rename("other/ca-key.pem", "ca/ca-key.pem"), 0);
    assert_int_equal(authority_issue("ca", "web", 60, "out", &err), -1);
    assert_string_equal(err.text, "ca/ca-key.pem is not the key of ca/ca.pem");
}

/* Another implementation agrees, on machines that have one. */
static void openssl_accepts_what_is_issued(void **state)
{
    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0)
        skip();
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(authority_issue("ca", "web", 3600, "out", NULL), 0);
    assert_int_equal(system("openssl verify -x509_strict -purpose sslclient -CAfile ca/ca.pem "
                            "out/cert.pem >log 2>&1"),
                     0);
    assert_int_equal(system("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem "
                            "out/cert.pem >log 2>&1"),
                     0);
    assert_int_equal(system("openssl x509 -in out/cert.pem -noout -ext subjectAltName |"
                            " grep -qx ' *URI:spiffe://shop.example/instance/web'"),
                     0);
}

static struct signing_request *make_request(const char *trust_domain, const char *instance)
{
    struct signing_request *request;
    struct error err = ERROR_INIT;
    char *key;
    char *pem;

    assert_int_equal(signing_request_make_key(&key, &err), 0);
    assert_int_equal(signing_request_make(key, trust_domain, instance, &pem, &err), 0);
    request = signing_request_read(pem, strlen(pem), trust_domain, instance, &err);
    assert_non_null(request);
    free(key);
    free(pem);
    return request;
}

static void write_text(const char *path, const char *text)
{
    assert_int_equal(file_write(path, text, strlen(text), 0644, false, NULL), 0);
}

static unsigned count_of(const char *text, const char *piece)
{
    unsigned count = 0;

    while ((text = strstr(text, piece))) {
        text += strlen(piece);
        count++;
    }
    return count;
}

#define CERTIFICATE_BEGIN "-----BEGIN CERTIFICATE-----"

static void a_loaded_one_signs_requests(void **state)
{
    struct error err = ERROR_INIT;
    struct authority *authority;
    struct signing_request *request = make_request("shop.example", "web");
    struct certificate_summary summary;
    struct issued issued;
    mbedtls_x509_crt chain;
    mbedtls_x509_crt ca;
    int64_t now = time(NULL);
    uint32_t flags;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    authority = authority_load("ca", "shop.example", &err);
    assert_non_null(authority);
    assert_string_equal(authority_trust_domain(authority), "shop.example");
    assert_int_equal(authority_sign(authority, request, 3600, &issued, &err), 0);
    assert_in_range(issued.not_after, now + 3600, now + 3660);
    assert_in_range(issued.not_before, now - 300, now - 240);
    assert_int_equal(count_of(issued.chain_pem, CERTIFICATE_BEGIN), 2);
    write_text("chain.pem", issued.chain_pem);
    parse("chain.pem", &chain);
    parse("ca/ca.pem", &ca);
    assert_int_equal(certificate_time(&ca.valid_to), authority_not_after(authority));
    assert_int_equal(mbedtls_x509_crt_verify(&chain, &ca, NULL, NULL, &flags, NULL, NULL), 0);
    assert_int_equal(certificate_summarize(&chain, &summary, &err), 0);
    assert_string_equal(summary.id, "spiffe://shop.example/instance/web");
    assert_string_equal(summary.serial, issued.serial);
    assert_int_equal(summary.not_after, issued.not_after);
    assert_int_equal(chain.next->raw.len, ca.raw.len);
    assert_memory_equal(chain.next->raw.p, ca.raw.p, ca.raw.len);
    mbedtls_x509_crt_free(&chain);
    mbedtls_x509_crt_free(&ca);
    issued_clear(&issued);

    assert_int_equal(authority_sign(authority, request, AUTHORITY_CA_SECONDS, &issued, &err), 0);
    assert_int_equal(issued.not_after, authority_not_after(authority));
    issued_clear(&issued);
    assert_int_equal(authority_sign(authority, request, 0, &issued, &err), -1);
    assert_string_equal(err.text, "time to live: expected from 1 second to 10 years");
    issued_clear(&issued);
    signing_request_free(request);
    request = make_request("other.example", "web");
    assert_int_equal(authority_sign(authority, request, 60, &issued, &err), -1);
    assert_string_equal(err.text,
                        "the request is of trust domain other.example, not of shop.example");
    signing_request_free(request);
    authority_free(authority);
    authority_free(NULL);
}

static void is_of_the_trust_domain_that_is_asked_for(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_null(authority_load("ca", "other.example", &err));
    assert_string_equal(err.text, "ca/ca.pem: O=shop.example, CN=appnet CA is the CA of trust "
                                  "domain shop.example, expected other.example");
    assert_null(authority_load("ca", "Shop", &err));
    assert_non_null(strstr(err.text, "trust domain \"Shop\": expected "));
}

static void knows_its_hash(void **state)
{
    struct authority *authority;
    char command[256];

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    authority = authority_load("ca", "shop.example", NULL);
    assert_int_equal(strlen(authority_hash(authority)), 64);
    if (system("openssl version >/dev/null 2>&1") == 0) {
        snprintf(command, sizeof command,
                 "test \"$(openssl x509 -in ca/ca.pem -outform DER | sha256sum)\" = '%s  -'",
                 authority_hash(authority));
        assert_int_equal(system(command), 0);
    }
    authority_free(authority);
}

/* A root is replaced: added, put in front, taken out. */
static void trusts_a_set_of_cas(void **state)
{
    struct error err = ERROR_INIT;
    struct authority *authority;
    struct signing_request *request = make_request("shop.example", "web");
    struct issued before;
    struct issued after;
    mbedtls_x509_crt leaf;
    mbedtls_x509_crt bundle;
    uint32_t flags;
    char *first_hash;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(authority_init("next", "shop.example", NULL), 0);
    authority = authority_load("ca", "shop.example", &err);
    assert_int_equal(count_of(authority_bundle(authority), CERTIFICATE_BEGIN), 1);
    first_hash = strdup(authority_hash(authority));
    assert_int_equal(authority_sign(authority, request, 60, &before, &err), 0);

    assert_int_equal(system("cp next/ca.pem ca/bundle.pem"), 0);
    assert_int_equal(authority_reload(authority, &err), 0);
    assert_int_equal(count_of(authority_bundle(authority), CERTIFICATE_BEGIN), 2);
    assert_string_equal(authority_hash(authority), first_hash);

    assert_int_equal(system("cat ca/ca.pem >> ca/bundle.pem;"
                            " cp -p next/ca.pem next/ca-key.pem ca"),
                     0);
    assert_int_equal(authority_reload(authority, &err), 0);
    /* The one that issues now is named once, and first. */
    assert_int_equal(count_of(authority_bundle(authority), CERTIFICATE_BEGIN), 2);
    assert_string_not_equal(authority_hash(authority), first_hash);
    assert_int_equal(authority_sign(authority, request, 60, &after, &err), 0);
    write_text("bundle", authority_bundle(authority));
    parse("bundle", &bundle);
    write_text("leaf", before.chain_pem);
    parse("leaf", &leaf);
    assert_int_equal(mbedtls_x509_crt_verify(&leaf, &bundle, NULL, NULL, &flags, NULL, NULL), 0);
    mbedtls_x509_crt_free(&leaf);
    write_text("leaf", after.chain_pem);
    parse("leaf", &leaf);
    assert_int_equal(mbedtls_x509_crt_verify(&leaf, &bundle, NULL, NULL, &flags, NULL, NULL), 0);
    mbedtls_x509_crt_free(&leaf);
    mbedtls_x509_crt_free(&bundle);

    assert_int_equal(unlink("ca/bundle.pem"), 0);
    assert_int_equal(authority_reload(authority, &err), 0);
    assert_int_equal(count_of(authority_bundle(authority), CERTIFICATE_BEGIN), 1);
    issued_clear(&before);
    issued_clear(&after);
    free(first_hash);
    signing_request_free(request);
    authority_free(authority);
}

static void a_failed_reload_changes_nothing(void **state)
{
    struct error err = ERROR_INIT;
    struct authority *authority;
    struct signing_request *request = make_request("shop.example", "web");
    struct issued issued;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    authority = authority_load("ca", "shop.example", &err);
    write_text("ca/bundle.pem", "junk");
    assert_int_equal(authority_reload(authority, &err), -1);
    assert_non_null(strstr(err.text, "ca/bundle.pem is not a certificate in PEM form: "));
    assert_int_equal(authority_sign(authority, request, 60, &issued, &err), 0);
    issued_clear(&issued);
    assert_int_equal(count_of(authority_bundle(authority), CERTIFICATE_BEGIN), 1);
    signing_request_free(request);
    authority_free(authority);
}

/* A bundle goes to everybody: nothing but CAs' certificates is in it, whatever its file holds. */
static void sends_nothing_but_cas(void **state)
{
    struct error err = ERROR_INIT;
    struct authority *authority;

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(authority_init("next", "shop.example", NULL), 0);
    assert_int_equal(authority_init("foreign", "other.example", NULL), 0);
    assert_int_equal(authority_issue("ca", "web", 60, "out", NULL), 0);
    assert_int_equal(system("{ echo a comment; cat next/ca-key.pem next/ca.pem next/ca.pem; } >"
                            " ca/bundle.pem"),
                     0);
    authority = authority_load("ca", "shop.example", &err);
    assert_non_null(authority);
    assert_int_equal(count_of(authority_bundle(authority), CERTIFICATE_BEGIN), 2);
    assert_null(strstr(authority_bundle(authority), "KEY"));
    assert_null(strstr(authority_bundle(authority), "comment"));
    authority_free(authority);
    assert_int_equal(system("cp out/cert.pem ca/bundle.pem"), 0);
    assert_null(authority_load("ca", "shop.example", &err));
    assert_string_equal(err.text, "ca/bundle.pem: CN=web is not a CA's certificate");
    assert_int_equal(system("cp foreign/ca.pem ca/bundle.pem"), 0);
    assert_null(authority_load("ca", "shop.example", &err));
    assert_string_equal(err.text, "ca/bundle.pem: O=other.example, CN=appnet CA is the CA of trust "
                                  "domain other.example, expected shop.example");
}

static void a_failed_load_says_why(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_null(authority_load("none", "shop.example", &err));
    assert_string_equal(err.text, "cannot open none/ca.pem: No such file or directory");
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    assert_int_equal(chmod("ca/ca-key.pem", 0644), 0);
    assert_null(authority_load("ca", "shop.example", &err));
    assert_string_equal(err.text, "ca/ca-key.pem is open to others (mode 0644): chmod 600 it");
}

static void registry_has_a_certificate_of_its_own(void **state)
{
    static const char *const names[] = {"registry.example", "10.0.0.7", "localhost", "::1"};
    static const char *const bad[] = {"", "a b", "a..b", ".a", "a,b", "10.0.0.7/8", "[::1]"};
    const char *many[AUTHORITY_NAMES_MAX + 1];
    struct error err = ERROR_INIT;
    struct authority *authority;
    struct identity *identity;
    struct identity *other;
    char long_name[255];

    (void)state;
    assert_int_equal(authority_init("ca", "shop.example", NULL), 0);
    authority = authority_load("ca", "shop.example", &err);
    identity = authority_registry_identity(authority, names, 4, 3600, &err);
    assert_non_null(identity);
    assert_true(identity->id.is_registry);
    assert_string_equal(identity->id.instance, "");
    assert_string_equal(identity->summary.id, "spiffe://shop.example/registry");
    assert_int_equal(count_of(identity->certificate_pem, CERTIFICATE_BEGIN), 2);
    assert_string_equal(identity->ca_pem, authority_bundle(authority));
    other = authority_registry_identity(authority, NULL, 0, 3600, &err);
    assert_non_null(other);
    assert_string_not_equal(other->key_pem, identity->key_pem);
    identity_free(other);
    write_text("chain.pem", identity->certificate_pem);
    identity_free(identity);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "\"%s\" is neither a DNS name nor an address", bad[i]);
        assert_null(authority_registry_identity(authority, &bad[i], 1, 3600, &err));
        assert_string_equal(err.text, expected);
    }
    /* The longest that can be. */
    memset(long_name, 'n', sizeof long_name);
    long_name[253] = '\0';
    for (int i = 0; i <= AUTHORITY_NAMES_MAX; i++) {
        many[i] = long_name;
    }
    identity = authority_registry_identity(authority, many, AUTHORITY_NAMES_MAX, 3600, &err);
    assert_non_null(identity);
    identity_free(identity);
    assert_null(authority_registry_identity(authority, many, AUTHORITY_NAMES_MAX + 1, 3600, &err));
    assert_string_equal(err.text, "17 names for one certificate: expected 16 at most");
    authority_free(authority);
    if (system("openssl version >/dev/null 2>&1") != 0) {
        return;
    }
#define VERIFY "openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem "
    assert_int_equal(system(VERIFY "-verify_hostname registry.example chain.pem >log 2>&1"), 0);
    assert_int_equal(system(VERIFY "-verify_hostname localhost chain.pem >log 2>&1"), 0);
    assert_int_not_equal(system(VERIFY "-verify_hostname other.example chain.pem >log 2>&1"), 0);
    assert_int_equal(system(VERIFY "-verify_ip 10.0.0.7 chain.pem >log 2>&1"), 0);
    assert_int_equal(system(VERIFY "-verify_ip ::1 chain.pem >log 2>&1"), 0);
    assert_int_not_equal(system(VERIFY "-verify_ip 10.0.0.8 chain.pem >log 2>&1"), 0);
}

/* One that a company's own CA has made, which knows nothing of us. */
static void make_foreign_ca(const char *key, const char *subject, const char *more)
{
    char command[512];

    snprintf(
        command, sizeof command,
        "rm -rf own; mkdir own; openssl req -x509 -days 30 -nodes -newkey %s -utf8 -subj '%s' %s"
        " -keyout own/ca-key.pem -out own/ca.pem >log 2>&1; chmod 600 own/ca-key.pem",
        key, subject, more);
    assert_int_equal(system(command), 0);
}

static void assert_foreign_ca_works(void)
{
    struct error err = ERROR_INIT;
    struct authority *authority = authority_load("own", "shop.example", &err);
    struct signing_request *request = make_request("shop.example", "web");
    struct issued issued;

    assert_string_equal(err.text, "");
    assert_non_null(authority);
    assert_int_equal(authority_sign(authority, request, 3600, &issued, &err), 0);
    write_text("chain.pem", issued.chain_pem);
    assert_int_equal(system("openssl verify -x509_strict -purpose sslclient -CAfile own/ca.pem "
                            "chain.pem >log 2>&1"),
                     0);
    issued_clear(&issued);
    signing_request_free(request);
    authority_free(authority);
}

#define CA_USE "-addext keyUsage=critical,keyCertSign,cRLSign"

static void takes_a_ca_that_is_brought_along(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0) {
        skip();
    }
    make_foreign_ca("ec -pkeyopt ec_paramgen_curve:P-384", "/CN=Own", CA_USE);
    assert_foreign_ca_works();
    assert_null(authority_load("own", NULL, &err));
    assert_non_null(strstr(err.text, "own/ca.pem names no trust domain: "));
    make_foreign_ca("rsa:2048", "/DC=example/DC=shop/O=Sh\xc3\xb6p, Inc./OU=a/OU=b/CN=x + y=z",
                    CA_USE);
    assert_foreign_ca_works();
    make_foreign_ca("rsa:1024", "/CN=Own", "");
    assert_null(authority_load("own", "shop.example", &err));
    assert_string_equal(
        err.text, "own/ca-key.pem is an RSA key of 1024 bits: expected 2048 at least, or ECDSA");
    make_foreign_ca("rsa:2048", "/CN=Own", "-addext keyUsage=digitalSignature");
    assert_null(authority_load("own", "shop.example", &err));
    assert_non_null(strstr(err.text, "own/ca.pem cannot issue certificates: "));
    make_foreign_ca("ed25519", "/CN=Own", "");
    assert_null(authority_load("own", "shop.example", &err));
    assert_non_null(strstr(err.text, "own/ca"));
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest authority[] = {
        in_folder(makes_a_ca),
        in_folder(never_overwrites_a_ca),
        in_folder(refuses_bad_trust_domains),
        in_folder(takes_the_longest_names),
        in_folder(issues_for_an_instance),
        in_folder(issues_again_with_a_new_key_and_serial),
        in_folder(a_failed_issue_keeps_the_old_files),
        in_folder(holds_the_time_to_live),
        in_folder(refuses_to_issue),
        in_folder(openssl_accepts_what_is_issued),
        in_folder(a_loaded_one_signs_requests),
        in_folder(is_of_the_trust_domain_that_is_asked_for),
        in_folder(knows_its_hash),
        in_folder(trusts_a_set_of_cas),
        in_folder(a_failed_reload_changes_nothing),
        in_folder(sends_nothing_but_cas),
        in_folder(a_failed_load_says_why),
        in_folder(registry_has_a_certificate_of_its_own),
        in_folder(takes_a_ca_that_is_brought_along),
    };

    return cmocka_run_group_tests(authority, NULL, NULL);
}
