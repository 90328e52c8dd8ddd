#include "appnet/identity/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "odd_certificate.h"

#define WEB "spiffe://shop.example/instance/web"

static int make_and_parse(const struct odd_name *names, bool is_ca, mbedtls_x509_crt *out)
{
    char pem[ODD_PEM_SIZE];
    char key_pem[ODD_PEM_SIZE];

    mbedtls_x509_crt_init(out);
    assert_int_equal(crypto_start(NULL), 0);
    assert_int_equal(odd_certificate(names, is_ca, pem, key_pem), 0);
    return mbedtls_x509_crt_parse(out, (unsigned char *)pem, strlen(pem) + 1);
}

static void assert_identity(const struct odd_name *names, bool is_ca, const char *instance)
{
    mbedtls_x509_crt certificate;
    struct spiffe_id id;

    assert_int_equal(make_and_parse(names, is_ca, &certificate), 0);
    assert_int_equal(certificate_identity(&certificate, &id, NULL), 0);
    assert_string_equal(id.trust_domain, "shop.example");
    assert_string_equal(id.instance, instance);
    mbedtls_x509_crt_free(&certificate);
}

static void assert_refused(const struct odd_name *names, bool is_ca, const char *sentence)
{
    struct error err = ERROR_INIT;
    mbedtls_x509_crt certificate;
    struct spiffe_id id;

    assert_int_equal(make_and_parse(names, is_ca, &certificate), 0);
    assert_int_equal(certificate_identity(&certificate, &id, &err), -1);
    assert_non_null(strstr(err.text, sentence));
    mbedtls_x509_crt_free(&certificate);
}

static void reads_the_one_uri(void **state)
{
    (void)state;
    assert_identity((struct odd_name[]){{ODD_URI, WEB}, {0, NULL}}, false, "web");
    assert_identity(
        (struct odd_name[]){{ODD_DNS, "other.example"}, {ODD_URI, WEB}, {ODD_DNS, "x"}, {0, NULL}},
        false, "web");
    assert_identity((struct odd_name[]){{ODD_URI, "spiffe://shop.example"}, {0, NULL}}, true, "");
}

static void refuses_none_and_several(void **state)
{
    (void)state;
    assert_refused(NULL, false, "has 0 URIs, not exactly one");
    assert_refused((struct odd_name[]){{ODD_DNS, WEB}, {0, NULL}}, false,
                   "has 0 URIs, not exactly one");
    assert_refused((struct odd_name[]){{ODD_URI, WEB}, {ODD_URI, WEB}, {0, NULL}}, false,
                   "has 2 URIs, not exactly one");
    assert_refused(
        (struct odd_name[]){{ODD_URI, WEB}, {ODD_DNS, "x"}, {ODD_URI, "https://x"}, {0, NULL}},
        false, "has 2 URIs, not exactly one");
}

static void refuses_other_uris(void **state)
{
    (void)state;
    assert_refused((struct odd_name[]){{ODD_URI, "https://shop.example/instance/web"}, {0, NULL}},
                   false, "does not begin with spiffe://");
    assert_refused((struct odd_name[]){{ODD_URI, ""}, {0, NULL}}, false,
                   "does not begin with spiffe://");
    assert_refused((struct odd_name[]){{ODD_URI, WEB "/"}, {0, NULL}}, false, "instance is not");
}

static void refuses_a_ca_as_an_instance(void **state)
{
    (void)state;
    assert_refused((struct odd_name[]){{ODD_URI, WEB}, {0, NULL}}, true,
                   "it is a CA's certificate");
}

static void summarizes(void **state)
{
    struct certificate_summary summary;
    mbedtls_x509_crt certificate;

    (void)state;
    assert_int_equal(
        make_and_parse((struct odd_name[]){{ODD_URI, WEB}, {0, NULL}}, false, &certificate), 0);
    assert_int_equal(certificate_summarize(&certificate, &summary, NULL), 0);
    assert_string_equal(summary.id, WEB);
    assert_string_equal(summary.serial, "0abc");
    assert_string_equal(summary.issuer, "CN=odd");
    assert_int_equal(summary.not_before, 1577934245);
    assert_int_equal(summary.not_after, 2493169445);
    mbedtls_x509_crt_free(&certificate);
    assert_int_equal(make_and_parse(NULL, false, &certificate), 0);
    assert_int_equal(certificate_summarize(&certificate, &summary, NULL), -1);
    mbedtls_x509_crt_free(&certificate);
}

static void assert_text(uint32_t flags, const char *expected)
{
    char text[256];

    certificate_verify_text(flags, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void says_what_verification_found(void **state)
{
    char small[8];

    (void)state;
    assert_text(MBEDTLS_X509_BADCERT_EXPIRED, "it has expired");
    assert_text(MBEDTLS_X509_BADCERT_FUTURE, "it is not valid yet");
    assert_text(MBEDTLS_X509_BADCERT_NOT_TRUSTED, "it was not issued by a trusted CA");
    assert_text(MBEDTLS_X509_BADCERT_MISSING, "there is none");
    assert_text(MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE,
                "it is not meant for this use");
    assert_text(MBEDTLS_X509_BADCERT_BAD_KEY,
                "its key or signature is of a kind that is not accepted");
    assert_text(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_NOT_TRUSTED,
                "it has expired; it was not issued by a trusted CA");
    assert_text(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_OTHER,
                "it has expired; it was refused (flags 0x100)");
    assert_text(0, "it was refused (flags 0x0)");
    certificate_verify_text(UINT32_MAX, small, sizeof(small));
    assert_string_equal(small, "there i");
    certificate_verify_text(MBEDTLS_X509_BADCERT_EXPIRED, small, 1);
    assert_string_equal(small, "");
}

int main(void)
{
    const struct CMUnitTest certificate[] = {
        cmocka_unit_test(reads_the_one_uri),  cmocka_unit_test(refuses_none_and_several),
        cmocka_unit_test(refuses_other_uris), cmocka_unit_test(refuses_a_ca_as_an_instance),
        cmocka_unit_test(summarizes),         cmocka_unit_test(says_what_verification_found),
    };

    return cmocka_run_group_tests(certificate, NULL, NULL);
}
