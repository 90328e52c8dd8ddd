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
    };

    return cmocka_run_group_tests(authority, NULL, NULL);
}
