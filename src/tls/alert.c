#include "appnet/tls/alert.h"

#include <stddef.h>

/* mbedTLS 3 keeps its structures private by name only, and offers no call for this. */
#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

static const struct {
    int description;
    const char *text;
} alerts[] = {
    {0, "it closed the session"},
    {10, "it met a message that it did not expect"},
    {20, "it met a record that fails authentication"},
    {22, "it met a record that is too long"},
    {40, "it found no common ground in the handshake"},
    {42, "it refuses our certificate: wrong identity or not readable"},
    {43, "it does not support our kind of certificate"},
    {44, "it holds our certificate to be revoked"},
    {45, "it finds our certificate expired"},
    {46, "it refuses our certificate: wrong identity or not readable"},
    {47, "it met an illegal parameter"},
    {48, "it does not trust the CA of our certificate"},
    {49, "it denies us access"},
    {50, "it could not decode a message"},
    {51, "it could not verify a handshake signature"},
    {70, "it does not speak our version of TLS"},
    {71, "it finds our cipher suites too weak"},
    {80, "it had an internal error"},
    {86, "it refuses a fall-back in version"},
    {90, "it cancelled the handshake"},
    {109, "it misses an extension"},
    {112, "it does not know the name we asked for"},
    {116, "it demands a certificate and got none"},
    {120, "it does not speak h2"},
};

const char *tls_alert_text(int description)
{
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        if (alerts[i].description == description) {
            return alerts[i].text;
        }
    }
    return "it sent an alert that has no name";
}

int tls_alert_received(const mbedtls_ssl_context *ssl)
{
    return ssl->MBEDTLS_PRIVATE(in_msg)[1];
}
