#include "appnet/identity/signing_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/ecp.h>
#include <mbedtls/pem.h>
#include <mbedtls/rsa.h>

#include "appnet/base/file.h"
#include "odd_certificate.h"
#include "support.h"

#define WEB "spiffe://shop.example/instance/web"
#define PEM_BEGIN "-----BEGIN CERTIFICATE REQUEST-----\n"
#define PEM_END "-----END CERTIFICATE REQUEST-----\n"

static struct signing_request *read_pem(const char *pem, struct error *err)
{
    return signing_request_read(pem, strlen(pem), "shop.example", "web", err);
}

static void assert_good(const char *pem)
{
    struct error err = ERROR_INIT;
    struct signing_request *request = read_pem(pem, &err);

    assert_string_equal(err.text, "");
    assert_non_null(request);
    signing_request_free(request);
}

static void assert_bad(const char *pem, const char *sentence)
{
    struct error err = ERROR_INIT;

    assert_null(read_pem(pem, &err));
    if (!strstr(err.text, sentence)) {
        assert_string_equal(err.text, sentence);
    }
}

/* What a request may have that ours never has. */
struct odd_request {
    const char *subject;
    const struct odd_name *names;
    mbedtls_ecp_group_id curve; /* MBEDTLS_ECP_DP_NONE: RSA */
    mbedtls_md_type_t digest;
    const unsigned char *extensions; /* instead of names: an extension, whatever its contents */
    size_t extension_size;
};

static const struct odd_request good = {
    .subject = "CN=web",
    .curve = MBEDTLS_ECP_DP_SECP256R1,
    .digest = MBEDTLS_MD_SHA256,
};

static void make_odd_key(mbedtls_ecp_group_id curve, mbedtls_pk_context *key)
{
    mbedtls_pk_init(key);
    if (curve == MBEDTLS_ECP_DP_NONE) {
        assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)), 0);
        assert_int_equal(
            mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), identity_random, NULL, 2048, 65537), 0);
        return;
    }
    assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(mbedtls_ecp_gen_key(curve, mbedtls_pk_ec(*key), identity_random, NULL), 0);
}

static void make_odd(const struct odd_request *odd, char *pem)
{
    mbedtls_x509write_csr csr;
    mbedtls_pk_context key;
    unsigned char names[256];

    make_odd_key(odd->curve, &key);
    mbedtls_x509write_csr_init(&csr);
    mbedtls_x509write_csr_set_md_alg(&csr, odd->digest);
    mbedtls_x509write_csr_set_key(&csr, &key);
    assert_int_equal(mbedtls_x509write_csr_set_subject_name(&csr, odd->subject), 0);
    if (odd->names) {
        assert_int_equal(crypto_set_extension(&csr, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                              MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), names,
                                              odd_names(odd->names, names)),
                         0);
    }
    if (odd->extensions) {
        assert_int_equal(crypto_set_extension(&csr, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                              MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME),
                                              odd->extensions, odd->extension_size),
                         0);
    }
    assert_int_equal(
        mbedtls_x509write_csr_pem(&csr, (unsigned char *)pem, ODD_PEM_SIZE, identity_random, NULL),
        0);
    mbedtls_x509write_csr_free(&csr);
    mbedtls_pk_free(&key);
}

static void assert_odd_good(const struct odd_request *odd)
{
    char pem[ODD_PEM_SIZE];

    make_odd(odd, pem);
    assert_good(pem);
}

static void assert_odd_bad(const struct odd_request *odd, const char *sentence)
{
    char pem[ODD_PEM_SIZE];

    make_odd(odd, pem);
    assert_bad(pem, sentence);
}

/* Ours, with a new key. */
static char *make_ours(const char *instance)
{
    struct error err = ERROR_INIT;
    char *key = NULL;
    char *pem = NULL;

    assert_int_equal(signing_request_make_key(&key, &err), 0);
    assert_int_equal(signing_request_make(key, "shop.example", instance, &pem, &err), 0);
    free(key);
    return pem;
}

static void what_is_made_is_taken(void **state)
{
    struct error err = ERROR_INIT;
    struct signing_request *request;
    mbedtls_pk_context private_key;
    char *key;
    char *pem;

    (void)state;
    assert_int_equal(signing_request_make_key(&key, &err), 0);
    assert_int_equal(signing_request_make(key, "shop.example", "web", &pem, &err), 0);
    request = read_pem(pem, &err);
    assert_non_null(request);
    assert_string_equal(signing_request_id(request)->trust_domain, "shop.example");
    assert_string_equal(signing_request_id(request)->instance, "web");
    assert_false(signing_request_id(request)->is_registry);
    mbedtls_pk_init(&private_key);
    assert_int_equal(crypto_parse_key(&private_key, key, strlen(key) + 1), 0);
    assert_int_equal(crypto_check_pair(signing_request_public_key(request), &private_key), 0);
    mbedtls_pk_free(&private_key);
    signing_request_free(request);
    signing_request_free(NULL);
    free(pem);
    free(key);
}

static void is_made_for_good_names_and_keys_only(void **state)
{
    struct error err = ERROR_INIT;
    char *key;
    char *pem;
    char odd[ODD_PEM_SIZE];
    mbedtls_pk_context other;

    (void)state;
    assert_int_equal(signing_request_make_key(&key, &err), 0);
    assert_int_equal(signing_request_make(key, "Shop", "web", &pem, &err), -1);
    assert_non_null(strstr(err.text, "trust domain \"Shop\": expected "));
    assert_int_equal(signing_request_make(key, "shop.example", "a,CN=b", &pem, &err), -1);
    assert_non_null(strstr(err.text, "instance \"a,CN=b\": expected "));
    assert_int_equal(signing_request_make("junk", "shop.example", "web", &pem, &err), -1);
    assert_non_null(strstr(err.text, "the key is not a private key in PEM form"));
    make_odd_key(MBEDTLS_ECP_DP_SECP384R1, &other);
    assert_int_equal(mbedtls_pk_write_key_pem(&other, (unsigned char *)odd, sizeof odd), 0);
    assert_int_equal(signing_request_make(odd, "shop.example", "web", &pem, &err), -1);
    assert_string_equal(err.text, "the key is not an ECDSA key on the curve P-256");
    mbedtls_pk_free(&other);
    free(key);
}

static void takes_the_longest_names(void **state)
{
    struct error err = ERROR_INIT;
    struct signing_request *request;
    char domain[TRUST_DOMAIN_SIZE];
    char name[NAME_SIZE];
    char *key;
    char *pem;

    (void)state;
    memset(domain, 'd', sizeof domain);
    for (int i = 50; i < 250; i += 50) {
        domain[i] = '.';
    }
    domain[255] = '\0';
    memset(name, 'n', sizeof name);
    name[63] = '\0';
    assert_int_equal(signing_request_make_key(&key, &err), 0);
    assert_int_equal(signing_request_make(key, domain, name, &pem, &err), 0);
    request = signing_request_read(pem, strlen(pem), domain, name, &err);
    assert_string_equal(err.text, "");
    assert_non_null(request);
    signing_request_free(request);
    free(pem);
    free(key);
}

static void refuses_another_name(void **state)
{
    struct error err = ERROR_INIT;
    struct odd_request odd = good;
    char *pem = make_ours("db");

    (void)state;
    assert_bad(pem, "the request's subject is not CN=web");
    free(pem);
    pem = make_ours("web");
    assert_null(signing_request_read(pem, strlen(pem), "other.example", "web", &err));
    assert_string_equal(
        err.text, "the request asks for other names than spiffe://other.example/instance/web");
    free(pem);
    odd.subject = "CN=we";
    assert_odd_bad(&odd, "the request's subject is not CN=web");
    odd.subject = "CN=web2";
    assert_odd_bad(&odd, "the request's subject is not CN=web");
    odd.subject = "O=web";
    assert_odd_bad(&odd, "the request's subject is not CN=web");
    odd.subject = "CN=web,O=web";
    assert_odd_bad(&odd, "the request's subject is not CN=web");
    odd.subject = "O=web,CN=web";
    assert_odd_bad(&odd, "the request's subject is not CN=web");
}

static void needs_no_alternative_name(void **state)
{
    struct odd_request odd = good;

    (void)state;
    assert_odd_good(&odd);
    odd.names = (struct odd_name[]){{ODD_URI, WEB}, {0, NULL}};
    assert_odd_good(&odd);
}

static void refuses_other_alternative_names(void **state)
{
    static const char other[] = "the request asks for other names than " WEB;
    const struct odd_name *lists[] = {
        (struct odd_name[]){{ODD_URI, "spiffe://shop.example/instance/db"}, {0, NULL}},
        (struct odd_name[]){{ODD_URI, "spiffe://shop.example/registry"}, {0, NULL}},
        (struct odd_name[]){{ODD_URI, "spiffe://shop.example"}, {0, NULL}},
        (struct odd_name[]){{ODD_URI, ""}, {0, NULL}},
        (struct odd_name[]){{ODD_DNS, WEB}, {0, NULL}},
        (struct odd_name[]){{ODD_DNS, "web"}, {0, NULL}},
        (struct odd_name[]){{ODD_URI, WEB}, {ODD_DNS, "web"}, {0, NULL}},
        (struct odd_name[]){{ODD_DNS, "web"}, {ODD_URI, WEB}, {0, NULL}},
        (struct odd_name[]){{ODD_URI, WEB}, {ODD_URI, WEB}, {0, NULL}},
        (struct odd_name[]){{ODD_URI, WEB "/"}, {0, NULL}},
        (struct odd_name[]){{0, NULL}},
    };
    struct odd_request odd = good;

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        odd.names = lists[i];
        /* mbedTLS 3.6 refuses some of them by itself. */
        assert_odd_bad(&odd, i + 1 < sizeof lists / sizeof lists[0] ? other : "the request");
    }
}

static void refuses_broken_extensions(void **state)
{
    static const unsigned char not_a_list[] = {0x86, 1, 'x'};
    static const unsigned char too_long[] = {0x30, 0x7f, 0x86, 1, 'x'};
    static const unsigned char trailing[] = {0x30, 3, 0x86, 1, 'x', 0};
    struct odd_request odd = good;

    (void)state;
    odd.extensions = not_a_list;
    odd.extension_size = sizeof not_a_list;
    assert_odd_bad(&odd, "the request");
    odd.extensions = too_long;
    odd.extension_size = sizeof too_long;
    assert_odd_bad(&odd, "the request");
    odd.extensions = trailing;
    odd.extension_size = sizeof trailing;
    assert_odd_bad(&odd, "the request");
}

static void refuses_other_keys(void **state)
{
    static const char sentence[] = "the request's key is not an ECDSA key on the curve P-256";
    struct odd_request odd = good;

    (void)state;
    odd.curve = MBEDTLS_ECP_DP_NONE;
    assert_odd_bad(&odd, sentence);
    odd.curve = MBEDTLS_ECP_DP_SECP384R1;
    assert_odd_bad(&odd, sentence);
    odd.curve = MBEDTLS_ECP_DP_SECP256K1;
    assert_odd_bad(&odd, sentence);
    odd.curve = MBEDTLS_ECP_DP_SECP192R1;
    assert_odd_bad(&odd, "the request"); /* mbedTLS 3.6 may not know this curve */
}

static void refuses_weak_signatures(void **state)
{
    struct odd_request odd = good;

    (void)state;
    odd.digest = MBEDTLS_MD_SHA384;
    assert_odd_good(&odd);
    odd.digest = MBEDTLS_MD_SHA512;
    assert_odd_good(&odd);
    odd.digest = MBEDTLS_MD_SHA1;
    assert_odd_bad(&odd, "the request is signed in a way that is not accepted");
}

static size_t to_der(const char *pem, unsigned char *der)
{
    mbedtls_x509_csr csr;
    size_t size;

    mbedtls_x509_csr_init(&csr);
    assert_int_equal(mbedtls_x509_csr_parse(&csr, (const unsigned char *)pem, strlen(pem) + 1), 0);
    size = csr.raw.len;
    memcpy(der, csr.raw.p, size);
    mbedtls_x509_csr_free(&csr);
    return size;
}

static void to_pem(const unsigned char *der, size_t size, char *pem)
{
    size_t used;

    assert_int_equal(mbedtls_pem_write_buffer(PEM_BEGIN, PEM_END, der, size, (unsigned char *)pem,
                                              ODD_PEM_SIZE, &used),
                     0);
}

/* The key of somebody else in a request that is signed by one's own. */
static void refuses_the_signature_of_another_key(void **state)
{
    char *first = make_ours("web");
    char *second = make_ours("web");
    unsigned char der[ODD_PEM_SIZE];
    unsigned char other[ODD_PEM_SIZE];
    size_t size = to_der(first, der);
    size_t other_size = to_der(second, other);
    /* BIT STRING, 66 bytes, no unused bits, an uncompressed point. */
    static const unsigned char mark[] = {0x03, 0x42, 0x00, 0x04};
    unsigned char *at = memmem(der, size, mark, sizeof mark);
    unsigned char *there = memmem(other, other_size, mark, sizeof mark);
    char pem[ODD_PEM_SIZE];

    (void)state;
    assert_non_null(at);
    assert_non_null(there);
    to_pem(der, size, pem);
    assert_good(pem);
    memcpy(at + 3, there + 3, 65);
    to_pem(der, size, pem);
    assert_bad(pem, "the request's signature is not by the key that it is for");
    free(first);
    free(second);
}

static void refuses_every_changed_bit(void **state)
{
    char *ours = make_ours("web");
    unsigned char der[ODD_PEM_SIZE];
    size_t size = to_der(ours, der);
    char pem[ODD_PEM_SIZE];

    (void)state;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        der[bit / 8] ^= (unsigned char)(1 << bit % 8);
        to_pem(der, size, pem);
        assert_bad(pem, "request");
        der[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(ours);
}

static void refuses_every_cut_and_any_more(void **state)
{
    char *ours = make_ours("web");
    unsigned char der[ODD_PEM_SIZE];
    size_t size = to_der(ours, der);
    char pem[ODD_PEM_SIZE];

    (void)state;
    for (size_t length = 1; length < size; length++) {
        to_pem(der, length, pem);
        assert_bad(pem, "request");
    }
    der[size] = 0;
    to_pem(der, size + 1, pem);
    assert_bad(pem, "request");
    for (size_t length = 0; length + 2 < strlen(ours); length++) {
        assert_null(signing_request_read(ours, length, "shop.example", "web", NULL));
    }
    free(ours);
}

static void refuses_what_is_none(void **state)
{
    char *ours = make_ours("web");
    char *key;

    (void)state;
    assert_bad("", "the request is not a certificate request in PEM form");
    assert_bad("hello", "the request is not a certificate request in PEM form");
    assert_int_equal(signing_request_make_key(&key, NULL), 0);
    assert_bad(key, "the request is not a certificate request in PEM form");
    free(key);
    free(ours);
}

static void refuses_what_is_too_long(void **state)
{
    char *ours = make_ours("web");
    char *longer = malloc(SIGNING_REQUEST_MAX + 2);

    (void)state;
    memset(longer, '\n', SIGNING_REQUEST_MAX + 1);
    longer[SIGNING_REQUEST_MAX + 1] = '\0';
    memcpy(longer + SIGNING_REQUEST_MAX + 1 - strlen(ours), ours, strlen(ours));
    assert_bad(longer, "the request is longer than 16384 bytes");
    assert_good(longer + 1);
    free(longer);
    free(ours);
}

static void make_with_openssl(const char *key, const char *more)
{
    char command[512];

    snprintf(command, sizeof command,
             "openssl req -new -nodes -keyout k.pem -out r.pem -newkey %s -subj /CN=web %s "
             ">log 2>&1",
             key, more);
    assert_int_equal(system(command), 0);
}

static void assert_file(const char *sentence)
{
    char *pem;
    size_t size;

    assert_int_equal(file_read("r.pem", 100000, &pem, &size, NULL), 0);
    if (sentence) {
        assert_bad(pem, sentence);
    } else {
        assert_good(pem);
    }
    free(pem);
}

/* Another implementation agrees, on machines that have one. */
static void openssl_agrees(void **state)
{
    static const char p256[] = "ec -pkeyopt ec_paramgen_curve:P-256";
    char *pem;

    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0) {
        skip();
    }
    make_with_openssl(p256, "");
    assert_file(NULL);
    make_with_openssl(p256, "-sha384 -addext subjectAltName=URI:" WEB);
    assert_file(NULL);
    /* What is asked for beyond the name is not granted, so it does no harm. */
    make_with_openssl(p256, "-addext keyUsage=digitalSignature -addext subjectAltName=URI:" WEB
                            " -addext extendedKeyUsage=clientAuth");
    assert_file(NULL);
    make_with_openssl(p256, "-addext subjectAltName=URI:" WEB ",IP:10.0.0.1");
    assert_file("asks for other names");
    make_with_openssl(p256, "-addext subjectAltName=critical,URI:" WEB ",email:a@b");
    assert_file("the request");
    make_with_openssl("ec -pkeyopt ec_paramgen_curve:P-384", "");
    assert_file("P-256");
    make_with_openssl("rsa:1024", "");
    assert_file("P-256");
    make_with_openssl("ed25519", "");
    assert_file("the request");

    pem = make_ours("web");
    assert_int_equal(file_write("ours.pem", pem, strlen(pem), 0644, false, NULL), 0);
    free(pem);
    assert_int_equal(system("openssl req -in ours.pem -verify -noout >log 2>&1"), 0);
    assert_int_equal(system("openssl req -in ours.pem -noout -text |"
                            " grep -qx ' *URI:" WEB "'"),
                     0);
    assert_int_equal(system("openssl req -in ours.pem -noout -subject |"
                            " grep -qx 'subject=CN = web\\|subject=CN=web'"),
                     0);
}

int main(void)
{
    const struct CMUnitTest signing_request[] = {
        cmocka_unit_test(what_is_made_is_taken),
        cmocka_unit_test(is_made_for_good_names_and_keys_only),
        cmocka_unit_test(takes_the_longest_names),
        cmocka_unit_test(refuses_another_name),
        cmocka_unit_test(needs_no_alternative_name),
        cmocka_unit_test(refuses_other_alternative_names),
        cmocka_unit_test(refuses_broken_extensions),
        cmocka_unit_test(refuses_other_keys),
        cmocka_unit_test(refuses_weak_signatures),
        cmocka_unit_test(refuses_the_signature_of_another_key),
        cmocka_unit_test(refuses_every_changed_bit),
        cmocka_unit_test(refuses_every_cut_and_any_more),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(openssl_agrees),
    };

    return cmocka_run_group_tests(signing_request, support_enter_folder, support_leave_folder);
}
