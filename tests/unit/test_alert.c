#include "appnet/tls/alert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char unknown[] = "it sent an alert that has no name";

static void has_words_for_those_that_peers_send(void **state)
{
    /* RFC 8446, section 6: numbers that mbedTLS, OpenSSL and GnuTLS send to a peer like us. */
    static const int sent[] = {0,  10, 20, 22, 40, 42, 43, 44, 45,  46,  47,  48,
                               49, 50, 51, 70, 71, 80, 86, 90, 109, 112, 116, 120};

    (void)state;
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
        assert_string_not_equal(tls_alert_text(sent[i]), unknown);
}

static void tells_apart_what_a_person_can_act_on(void **state)
{
    (void)state;
    assert_string_equal(tls_alert_text(48), "it does not trust the CA of our certificate");
    assert_string_equal(tls_alert_text(45), "it finds our certificate expired");
    assert_string_equal(tls_alert_text(116), "it demands a certificate and got none");
    assert_string_equal(tls_alert_text(TLS_ALERT_CLOSE_NOTIFY), "it closed the session");
}

static void has_words_for_every_number(void **state)
{
    (void)state;
    for (int number = -1; number <= 256; number++)
        assert_true(strlen(tls_alert_text(number)) > 0);
    assert_string_equal(tls_alert_text(255), unknown);
    assert_string_equal(tls_alert_text(-1), unknown);
}

int main(void)
{
    const struct CMUnitTest alert[] = {
        cmocka_unit_test(has_words_for_those_that_peers_send),
        cmocka_unit_test(tells_apart_what_a_person_can_act_on),
        cmocka_unit_test(has_words_for_every_number),
    };

    return cmocka_run_group_tests(alert, NULL, NULL);
}
