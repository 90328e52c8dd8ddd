/* TLS alerts in words (RFC 8446, section 6). */
#ifndef APPNET_TLS_ALERT_H
#define APPNET_TLS_ALERT_H

#include <mbedtls/ssl.h>

#define TLS_ALERT_CLOSE_NOTIFY 0
#define TLS_ALERT_UNEXPECTED_MESSAGE 10
#define TLS_ALERT_BAD_RECORD_MAC 20
#define TLS_ALERT_RECORD_OVERFLOW 22
#define TLS_ALERT_DECODE_ERROR 50
#define TLS_ALERT_USER_CANCELED 90

/* What a peer means by an alert, e.g. "it does not trust the CA of our certificate"; a constant
 * string. */
const char *tls_alert_text(int description);

/* Which alert ended a session for which mbedTLS returned MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE. */
int tls_alert_received(const mbedtls_ssl_context *ssl);

#endif
