/* What every handshake of one thread shares: the parsed identity and mbedTLS's configuration of it.
 * Immutable once made, except for what mbedTLS computes inside during handshakes: so the handshakes
 * of one context stay on one thread. Sessions that an mbedTLS engine carries keep a reference. */
#ifndef APPNET_TLS_CONTEXT_H
#define APPNET_TLS_CONTEXT_H

#include <stdbool.h>

#include <mbedtls/ssl.h>

#include "appnet/base/error.h"
#include "appnet/identity/identity.h"
#include "appnet/tls/keys.h"

struct tls_context;

/* Parses a copy of the identity. One reference belongs to the caller. */
struct tls_context *tls_context_new(const struct identity *identity, struct error *err);

struct tls_context *tls_context_ref(struct tls_context *context);

/* Drops a reference, from any thread; NULL is fine. */
void tls_context_unref(struct tls_context *context);

enum tls_role {
    TLS_CLIENT,
    TLS_SERVER,      /* every client shows a certificate */
    TLS_OPEN_SERVER, /* a client may have none */
};

const mbedtls_ssl_config *tls_context_config(const struct tls_context *context, enum tls_role role);

/* The certificate_hash of the only CA that is trusted; empty: the bundle is. */
const char *tls_context_pin(const struct tls_context *context);

/* Where the secrets of the handshake that is about to go on are to be written; NULL: nowhere. */
struct tls_secrets **tls_context_export_slot(struct tls_context *context);

const char *tls_context_trust_domain(const struct tls_context *context);

#endif
