#include "../../src/tls/after.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "appnet/tls/alert.h"

#define V12 TLS_VERSION_12
#define V13 TLS_VERSION_13

static enum after_result take(struct after *after, enum tls_version version, uint8_t type,
                              const char *content, size_t length)
{
    struct error err = ERROR_INIT;
    enum after_result result =
        after_take(after, version, type, (const uint8_t *)content, length, &err);

    assert_int_equal(result == AFTER_FAILED, err.text[0] != '\0');
    return result;
}

/* As the first thing that comes. */
static enum after_result first(enum tls_version version, uint8_t type, const char *content,
                               size_t length)
{
    struct after after = {.header_used = 0};

    return take(&after, version, type, content, length);
}

static void closes_on_a_farewell_of_any_level(void **state)
{
    (void)state;
    assert_int_equal(first(V12, TLS_CONTENT_ALERT, "\x01\x00", 2), AFTER_CLOSED);
    assert_int_equal(first(V12, TLS_CONTENT_ALERT, "\x02\x00", 2), AFTER_CLOSED);
    assert_int_equal(first(V13, TLS_CONTENT_ALERT, "\x02\x00", 2), AFTER_CLOSED);
}

/* RFC 8446, section 6.2: the level says nothing any more. */
static void ends_on_alerts_by_the_rules_of_the_version(void **state)
{
    (void)state;
    assert_int_equal(first(V12, TLS_CONTENT_ALERT, "\x01\x64", 2), AFTER_NOTHING);
    assert_int_equal(first(V12, TLS_CONTENT_ALERT, "\x02\x64", 2), AFTER_FAILED);
    assert_int_equal(first(V13, TLS_CONTENT_ALERT, "\x01\x30", 2), AFTER_FAILED);
    assert_int_equal(first(V13, TLS_CONTENT_ALERT, "\x01\x5a", 2), AFTER_NOTHING);
    assert_int_equal(first(V13, TLS_CONTENT_ALERT, "\x02\x5a", 2), AFTER_NOTHING);
    assert_int_equal(first(V13, TLS_CONTENT_ALERT, "\x02", 1), AFTER_FAILED);
    assert_int_equal(first(V13, TLS_CONTENT_ALERT, "", 0), AFTER_FAILED);
    assert_int_equal(first(V12, TLS_CONTENT_ALERT, "\x02\x30\x00", 3), AFTER_FAILED);
}

static void answers_mistakes_with_an_alert_and_alerts_with_none(void **state)
{
    struct after after = {.header_used = 0};

    (void)state;
    take(&after, V13, TLS_CONTENT_ALERT, "\x02\x30", 2);
    assert_int_equal(after.alert, 0);
    take(&after, V13, TLS_CONTENT_ALERT, "\x02", 1);
    assert_int_equal(after.alert, TLS_ALERT_DECODE_ERROR);
    take(&after, V13, 24, "x", 1);
    assert_int_equal(after.alert, TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void knows_key_updates(void **state)
{
    (void)state;
    assert_int_equal(first(V13, TLS_CONTENT_HANDSHAKE, "\x18\0\0\x01\0", 5), AFTER_UPDATE);
    assert_int_equal(first(V13, TLS_CONTENT_HANDSHAKE, "\x18\0\0\x01\x01", 5),
                     AFTER_UPDATE_REQUEST);
    assert_int_equal(first(V13, TLS_CONTENT_HANDSHAKE, "\x18\0\0\x01\x02", 5), AFTER_FAILED);
    assert_int_equal(first(V13, TLS_CONTENT_HANDSHAKE, "\x18\0\0\x02\0\0", 6), AFTER_FAILED);
    assert_int_equal(first(V13, TLS_CONTENT_HANDSHAKE, "\x18\0\0\0", 4), AFTER_FAILED);
    assert_int_equal(first(V12, TLS_CONTENT_HANDSHAKE, "\x18\0\0\x01\0", 5), AFTER_FAILED);
}

static void puts_messages_together_at_any_cut(void **state)
{
    static const char message[] = "\x04\0\0\x03new\x18\0\0\x01\x01"; /* a ticket, a KeyUpdate */
    size_t length = sizeof(message) - 1;

    (void)state;
    assert_int_equal(first(V13, TLS_CONTENT_HANDSHAKE, message, length), AFTER_UPDATE_REQUEST);
    for (size_t a = 1; a < length; a++) {
        for (size_t b = a + 1; b < length; b++) {
            struct after after = {.header_used = 0};

            assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, message, a), AFTER_NOTHING);
            assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, message + a, b - a),
                             AFTER_NOTHING);
            assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, message + b, length - b),
                             AFTER_UPDATE_REQUEST);
        }
    }
}

static void takes_the_longest_ticket(void **state)
{
    static char part[16384];
    struct after after = {.header_used = 0};
    size_t left = 65535;

    (void)state;
    assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, "\x04\x00\xff\xff", 4),
                     AFTER_NOTHING);
    while (left > 0) {
        size_t length = left < sizeof(part) ? left : sizeof(part);

        assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, part, length), AFTER_NOTHING);
        left -= length;
    }
    assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, "\x18\0\0\x01\0", 5), AFTER_UPDATE);
}

static void lets_nothing_come_between_the_parts_of_a_message(void **state)
{
    static const uint8_t types[] = {TLS_CONTENT_DATA, TLS_CONTENT_ALERT};

    (void)state;
    for (size_t i = 0; i < sizeof(types); i++) {
        struct after after = {.header_used = 0};

        assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, "\x18", 1), AFTER_NOTHING);
        assert_int_equal(take(&after, V13, types[i], "\x01\x00", 2), AFTER_FAILED);
    }
}

static void refuses_every_other_message(void **state)
{
    (void)state;
    for (int type = 0; type < 256; type++) {
        char message[4] = {(char)type, 0, 0, 1};
        enum after_result result = first(V13, TLS_CONTENT_HANDSHAKE, message, 4);

        if (type == 4 || type == 24)
            assert_int_equal(result, AFTER_NOTHING);
        else
            assert_int_equal(result, AFTER_FAILED);
        if (type < 21 || type > 23)
            assert_int_equal(first(V13, (uint8_t)type, "\x01\x00", 2), AFTER_FAILED);
    }
    assert_int_equal(first(V13, TLS_CONTENT_HANDSHAKE, "", 0), AFTER_FAILED);
}

static void counts_records_that_bring_nothing(void **state)
{
    struct after after = {.header_used = 0};

    (void)state;
    for (int i = 0; i < AFTER_IDLE_RECORDS_MAX; i++)
        assert_int_equal(take(&after, V13, TLS_CONTENT_DATA, "", 0), AFTER_NOTHING);
    after_data(&after);
    for (int i = 0; i < AFTER_IDLE_RECORDS_MAX; i++)
        assert_int_equal(take(&after, V13, TLS_CONTENT_HANDSHAKE, "\x18\0\0\x01\x01", 5),
                         AFTER_UPDATE_REQUEST);
    assert_int_equal(take(&after, V13, TLS_CONTENT_DATA, "", 0), AFTER_FAILED);
}

int main(void)
{
    const struct CMUnitTest after[] = {
        cmocka_unit_test(closes_on_a_farewell_of_any_level),
        cmocka_unit_test(ends_on_alerts_by_the_rules_of_the_version),
        cmocka_unit_test(answers_mistakes_with_an_alert_and_alerts_with_none),
        cmocka_unit_test(knows_key_updates),
        cmocka_unit_test(puts_messages_together_at_any_cut),
        cmocka_unit_test(takes_the_longest_ticket),
        cmocka_unit_test(lets_nothing_come_between_the_parts_of_a_message),
        cmocka_unit_test(refuses_every_other_message),
        cmocka_unit_test(counts_records_that_bring_nothing),
    };

    return cmocka_run_group_tests(after, NULL, NULL);
}
