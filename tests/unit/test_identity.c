#include "appnet/identity/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/identity/draft.h"
#include "appnet/base/file.h"
#include "appnet/identity/authority.h"
#include "odd_certificate.h"

/* One CA and one identity, "web", for all tests; what a test writes beside them has names of its
 * own. */
static char folder[] = "/tmp/appnet-test-XXXXXX";

static int make_identity(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    if (authority_init("ca", "shop.example", NULL) != 0 ||
        authority_init("other", "shop.example", NULL) != 0)
        return -1;
    return authority_issue("ca", "web", 3600, "web", NULL);
}

static int remove_identity(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return chdir("/") == 0 ? system(command) : -1;
}

static void write_file(const char *path, const char *content, mode_t mode)
{
    assert_int_equal(file_write(path, content, strlen(content), mode, false, NULL), 0);
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
    char *content;
    size_t size;

    assert_int_equal(file_read(from, 100000, &content, &size, NULL), 0);
    assert_int_equal(file_write(to, content, size, mode, false, NULL), 0);
    free(content);
}

static struct identity *load(const char *certificate, const char *key, const char *ca,
                             struct error *err)
{
    return identity_load(certificate, key, ca, "shop.example", "web", err);
}

static void assert_refused(const char *certificate, const char *key, const char *ca,
                           const char *sentence)
{
    struct error err = ERROR_INIT;

    assert_null(load(certificate, key, ca, &err));
    if (!strstr(err.text, sentence))
        assert_string_equal(err.text, sentence);
}

static void loads_what_was_issued(void **state)
{
    struct error err = ERROR_INIT;
    struct identity *identity = load("web/cert.pem", "web/key.pem", "web/ca.pem", &err);
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;

    (void)state;
    assert_non_null(identity);
    assert_string_equal(identity->id.trust_domain, "shop.example");
    assert_string_equal(identity->id.instance, "web");
    assert_string_equal(identity->summary.id, "spiffe://shop.example/instance/web");
    mbedtls_x509_crt_init(&certificate);
    mbedtls_pk_init(&key);
    assert_int_equal(mbedtls_x509_crt_parse(&certificate,
                                            (unsigned char *)identity->certificate_pem,
                                            identity->certificate_size),
                     0);
    assert_int_equal(crypto_parse_key(&key, identity->key_pem, identity->key_size), 0);
    assert_int_equal(crypto_check_pair(&certificate.pk, &key), 0);
    mbedtls_x509_crt_free(&certificate);
    assert_int_equal(
        mbedtls_x509_crt_parse(&certificate, (unsigned char *)identity->ca_pem, identity->ca_size),
        0);
    mbedtls_x509_crt_free(&certificate);
    mbedtls_pk_free(&key);
    identity_free(identity);
    identity_free(NULL);
}

static void refuses_unreadable_files(void **state)
{
    (void)state;
    assert_refused("none", "web/key.pem", "web/ca.pem",
                   "cannot open none: No such file or directory");
    assert_refused("web/cert.pem", "none", "web/ca.pem",
                   "cannot open none: No such file or directory");
    assert_refused("web/cert.pem", "web/key.pem", "none",
                   "cannot open none: No such file or directory");
    assert_refused("web", "web/key.pem", "web/ca.pem", "web is not a regular file");
}

static void refuses_other_contents(void **state)
{
    (void)state;
    write_file("junk", "hello\n", 0600);
    write_file("empty", "", 0600);
    assert_refused("junk", "web/key.pem", "web/ca.pem", "junk is not a certificate in PEM form: ");
    assert_refused("empty", "web/key.pem", "web/ca.pem",
                   "empty is not a certificate in PEM form: ");
    assert_refused("web/key.pem", "web/key.pem", "web/ca.pem",
                   "web/key.pem is not a certificate in PEM form: ");
    assert_refused("web/cert.pem", "junk", "web/ca.pem", "junk is not a private key in PEM form: ");
    assert_refused("web/cert.pem", "empty", "web/ca.pem",
                   "empty is not a private key in PEM form: ");
    assert_refused("web/cert.pem", "web/key.pem", "junk",
                   "junk is not a certificate in PEM form: ");
}

static void refuses_a_bundle_with_a_broken_member(void **state)
{
    char *content;
    char both[20000];
    size_t size;

    (void)state;
    assert_int_equal(file_read("web/ca.pem", 10000, &content, &size, NULL), 0);
    snprintf(both, sizeof(both), "%s-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
             content);
    write_file("bundle", both, 0600);
    free(content);
    assert_refused("web/cert.pem", "web/key.pem", "bundle",
                   "bundle: 1 of its certificates cannot be read");
}

static void refuses_a_key_open_to_others(void **state)
{
    (void)state;
    copy_file("web/key.pem", "open-key", 0644);
    assert_refused("web/cert.pem", "open-key", "web/ca.pem",
                   "open-key is open to others (mode 0644): chmod 600 it");
}

static void refuses_a_key_with_a_password(void **state)
{
    (void)state;
    write_file("locked",
               "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
               "DEK-Info: AES-128-CBC,D8A0E16C1F7B3A2B4C5D6E7F80919293\n\nAAAA\n-----END EC "
               "PRIVATE KEY-----\n",
               0600);
    assert_refused("web/cert.pem", "locked", "web/ca.pem",
                   "locked has a password: expected a private key without one");
}

static void refuses_what_does_not_belong_together(void **state)
{
    (void)state;
    assert_refused("web/cert.pem", "ca/ca-key.pem", "web/ca.pem",
                   "ca/ca-key.pem is not the key of web/cert.pem");
}

static void refuses_another_ca(void **state)
{
    (void)state;
    assert_refused("web/cert.pem", "web/key.pem", "other/ca.pem",
                   "web/cert.pem: it was not issued by a CA of other/ca.pem");
}

static void takes_one_ca_of_several(void **state)
{
    struct error err = ERROR_INIT;
    struct identity *identity;
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "cat other/ca.pem web/ca.pem > both.pem");
    assert_int_equal(system(command), 0);
    identity = load("web/cert.pem", "web/key.pem", "both.pem", &err);
    assert_non_null(identity);
    identity_free(identity);
}

static void refuses_another_name(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_null(
        identity_load("web/cert.pem", "web/key.pem", "web/ca.pem", "shop.example", "db", &err));
    assert_string_equal(err.text,
                        "web/cert.pem: it is for spiffe://shop.example/instance/web, expected "
                        "spiffe://shop.example/instance/db");
    assert_null(
        identity_load("web/cert.pem", "web/key.pem", "web/ca.pem", "other.example", "web", &err));
    assert_string_equal(err.text,
                        "web/cert.pem: it is for spiffe://shop.example/instance/web, expected "
                        "spiffe://other.example/instance/web");
    assert_null(
        identity_load("web/cert.pem", "web/key.pem", "web/ca.pem", "shop.example", "we", &err));
}

static void refuses_a_ca_as_leaf(void **state)
{
    (void)state;
    assert_refused("ca/ca.pem", "ca/ca-key.pem", "web/ca.pem",
                   "ca/ca.pem: it is for the trust domain shop.example itself, as a CA's is, not "
                   "for an instance");
}

static void assert_odd_refused(const struct odd_name *names, bool is_ca, const char *sentence)
{
    char pem[ODD_PEM_SIZE];
    char key_pem[ODD_PEM_SIZE];

    assert_int_equal(odd_certificate(names, is_ca, pem, key_pem), 0);
    write_file("odd.pem", pem, 0644);
    write_file("odd-key.pem", key_pem, 0600);
    assert_refused("odd.pem", "odd-key.pem", "web/ca.pem", sentence);
}

static void refuses_other_alternative_names(void **state)
{
    static const char web[] = "spiffe://shop.example/instance/web";

    (void)state;
    assert_odd_refused(NULL, false,
                       "odd.pem: its subject alternative name has 0 URIs, not exactly one");
    assert_odd_refused((struct odd_name[]){{ODD_URI, web}, {ODD_URI, web}, {0, NULL}}, false,
                       "odd.pem: its subject alternative name has 2 URIs, not exactly one");
    assert_odd_refused((struct odd_name[]){{ODD_URI, web}, {0, NULL}}, true,
                       "odd.pem: it is a CA's certificate, which cannot be an instance's");
    assert_odd_refused((struct odd_name[]){{ODD_URI, web}, {0, NULL}}, false,
                       "odd.pem: it was not issued by a CA of web/ca.pem");
}

/* Signed by the key of the CA: for the identity's key or, without an instance, for the CA again. */
static void sign_with_times(const char *instance, int64_t not_before, int64_t not_after,
                            const char *path)
{
    struct draft draft = {.id = {.trust_domain = "shop.example"}, .subject = "CN=x"};
    mbedtls_x509_crt ca;
    char pem[DRAFT_PEM_SIZE];
    char *key_pem;
    char *ca_pem;
    mbedtls_pk_context key;
    mbedtls_pk_context ca_key;
    size_t size;

    mbedtls_pk_init(&key);
    mbedtls_pk_init(&ca_key);
    assert_int_equal(file_read("ca/ca-key.pem", 10000, &key_pem, &size, NULL), 0);
    assert_int_equal(crypto_parse_key(&ca_key, key_pem, size + 1), 0);
    free(key_pem);
    assert_int_equal(file_read("web/key.pem", 10000, &key_pem, &size, NULL), 0);
    assert_int_equal(crypto_parse_key(&key, key_pem, size + 1), 0);
    free(key_pem);
    snprintf(draft.id.instance, sizeof(draft.id.instance), "%s", instance);
    mbedtls_x509_crt_init(&ca);
    assert_int_equal(file_read("ca/ca.pem", 10000, &ca_pem, &size, NULL), 0);
    assert_int_equal(mbedtls_x509_crt_parse(&ca, (unsigned char *)ca_pem, size + 1), 0);
    free(ca_pem);
    draft.issuer = &ca;
    if (!*instance)
        draft.subject = "O=shop.example,CN=appnet CA";
    draft.key = *instance ? &key : &ca_key;
    draft.issuer_key = &ca_key;
    draft.not_before = not_before;
    draft.not_after = not_after;
    assert_int_equal(draft_sign(&draft, pem, NULL), 0);
    write_file(path, pem, 0644);
    mbedtls_x509_crt_free(&ca);
    mbedtls_pk_free(&key);
    mbedtls_pk_free(&ca_key);
}

static void refuses_expired_and_future_ones(void **state)
{
    (void)state;
    sign_with_times("web", 1577934245, 1577934246, "late.pem");
    assert_refused("late.pem", "web/key.pem", "web/ca.pem",
                   "late.pem expired at 2020-01-02T03:04:06Z: issue a new certificate");
    sign_with_times("web", 2493169445, 2493169446, "early.pem");
    assert_refused(
        "early.pem", "web/key.pem", "web/ca.pem",
        "early.pem is not valid before 2049-01-02T03:04:05Z: is this machine's clock right?");
    sign_with_times("web", 2556144000 + 31536000, 2556144000 + 31536001, "far.pem");
    assert_refused("far.pem", "web/key.pem", "web/ca.pem",
                   "far.pem is not valid before 2052-01-01T00:00:00Z");
}

static void refuses_an_expired_ca(void **state)
{
    (void)state;
    sign_with_times("", 1577934245, 1577934246, "late-ca.pem");
    assert_refused(
        "web/cert.pem", "web/key.pem", "late-ca.pem",
        "web/cert.pem: its issuer, of late-ca.pem or the chain, was refused: it has expired");
}

static void survives_being_cut_anywhere(void **state)
{
    char *content;
    size_t size;

    (void)state;
    assert_int_equal(file_read("web/cert.pem", 10000, &content, &size, NULL), 0);
    for (size_t length = 0; length + 1 < size; length += 3) {
        struct error err = ERROR_INIT;

        assert_int_equal(file_write("cut.pem", content, length, 0644, false, NULL), 0);
        assert_null(load("cut.pem", "web/key.pem", "web/ca.pem", &err));
        assert_memory_equal(err.text, "cut.pem", 7);
    }
    free(content);
}

static char *read_text(const char *path)
{
    char *content;
    size_t size;

    assert_int_equal(file_read(path, 100000, &content, &size, NULL), 0);
    return content;
}

static void takes_texts_in_memory(void **state)
{
    struct error err = ERROR_INIT;
    char *certificate = read_text("web/cert.pem");
    char *key = read_text("web/key.pem");
    char *ca = read_text("web/ca.pem");
    char *other = read_text("other/ca.pem");
    struct identity *identity =
        identity_from_pem(certificate, key, ca, "shop.example", "web", &err);

    (void)state;
    assert_non_null(identity);
    assert_string_equal(identity->certificate_pem, certificate);
    assert_int_equal(identity->certificate_size, strlen(certificate) + 1);
    assert_string_equal(identity->key_pem, key);
    assert_string_equal(identity->ca_pem, ca);
    assert_int_equal(identity->ca_size, strlen(ca) + 1);
    assert_string_equal(identity->summary.id, "spiffe://shop.example/instance/web");
    identity_free(identity);
    assert_null(identity_from_pem("junk", key, ca, "shop.example", "web", &err));
    assert_non_null(strstr(err.text, "the certificate is not a certificate in PEM form: "));
    assert_null(identity_from_pem(certificate, "junk", ca, "shop.example", "web", &err));
    assert_non_null(strstr(err.text, "the key is not a private key in PEM form: "));
    assert_null(identity_from_pem(certificate, key, "junk", "shop.example", "web", &err));
    assert_non_null(strstr(err.text, "the trust bundle is not a certificate in PEM form: "));
    assert_null(identity_from_pem(certificate, key, other, "shop.example", "web", &err));
    assert_string_equal(err.text, "the certificate: it was not issued by a CA of the trust bundle");
    assert_null(identity_from_pem(certificate, key, ca, "shop.example", "db", &err));
    assert_string_equal(err.text,
                        "the certificate: it is for spiffe://shop.example/instance/web, expected "
                        "spiffe://shop.example/instance/db");
    assert_null(identity_from_pem(certificate, key, ca, "shop.example", NULL, &err));
    assert_string_equal(err.text,
                        "the certificate: it is for spiffe://shop.example/instance/web, expected "
                        "spiffe://shop.example/registry");
    free(certificate);
    free(key);
    free(ca);
    free(other);
}

int main(void)
{
    const struct CMUnitTest identity[] = {
        cmocka_unit_test(loads_what_was_issued),
        cmocka_unit_test(refuses_unreadable_files),
        cmocka_unit_test(refuses_other_contents),
        cmocka_unit_test(refuses_a_bundle_with_a_broken_member),
        cmocka_unit_test(refuses_a_key_open_to_others),
        cmocka_unit_test(refuses_a_key_with_a_password),
        cmocka_unit_test(refuses_what_does_not_belong_together),
        cmocka_unit_test(refuses_another_ca),
        cmocka_unit_test(takes_one_ca_of_several),
        cmocka_unit_test(refuses_another_name),
        cmocka_unit_test(refuses_a_ca_as_leaf),
        cmocka_unit_test(refuses_other_alternative_names),
        cmocka_unit_test(refuses_expired_and_future_ones),
        cmocka_unit_test(refuses_an_expired_ca),
        cmocka_unit_test(survives_being_cut_anywhere),
        cmocka_unit_test(takes_texts_in_memory),
    };

    return cmocka_run_group_tests(identity, make_identity, remove_identity);
}
