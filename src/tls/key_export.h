/* Getting a session's secrets out of mbedTLS, whose two versions do it in two ways. Private to
 * src/tls. */
#ifndef APPNET_TLS_KEY_EXPORT_H
#define APPNET_TLS_KEY_EXPORT_H

#include <mbedtls/ssl.h>

#include "appnet/tls/keys.h"

/* mbedTLS 2.28 exports by configuration, 3.6 by session. `*slot` says where to at the moment of a
 * handshake step; both calls are needed, each does its work in one of the versions. */
void key_export_configure(mbedtls_ssl_config *config, struct tls_secrets **slot);
void key_export_attach(mbedtls_ssl_context *ssl, struct tls_secrets **slot);

#endif
