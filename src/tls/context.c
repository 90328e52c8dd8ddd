#include "appnet/tls/context.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include "appnet/base/memory.h"
#include "appnet/identity/crypto.h"
#include "appnet/identity/random.h"
#include "key_export.h"

struct tls_context {
    atomic_uint references;
    struct spiffe_id id;
    mbedtls_x509_crt certificate, ca;
    mbedtls_pk_context key;
    mbedtls_ssl_config configs[TLS_OPEN_SERVER + 1]; /* by role */
    char pin[CERTIFICATE_HASH_SIZE];
    struct tls_secrets *exported;
};

/* AES first: where a processor has no instructions for it, the machine is small and either will do.
 * TLS 1.3's suites have names of their own; mbedTLS 2.28 does not know them. */
static const int suites[] = {
#if MBEDTLS_VERSION_MAJOR >= 3
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};

static const char *protocols[] = {"h2", NULL};

static int parse(struct tls_context *context, const struct identity *identity, struct error *err)
{
    int rc;

    if (!identity->certificate_pem) {
        return 0;
    }
    rc = mbedtls_x509_crt_parse(&context->certificate,
                                (const unsigned char *)identity->certificate_pem,
                                identity->certificate_size);
    if (rc == 0) {
        rc = mbedtls_x509_crt_parse(&context->ca, (const unsigned char *)identity->ca_pem,
                                    identity->ca_size);
    }
    if (rc == 0) {
        rc = crypto_parse_key(&context->key, identity->key_pem, identity->key_size);
    }
    return rc == 0 ? 0
                   : crypto_error(err, rc, "the identity of %s cannot be parsed",
                                  identity->id.instance);
}

static int configure(struct tls_context *context, enum tls_role role, bool anonymous,
                     struct error *err)
{
    mbedtls_ssl_config *config = &context->configs[role];

    if (mbedtls_ssl_config_defaults(
            config, role == TLS_CLIENT ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER,
            MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0 ||
        (!anonymous &&
         mbedtls_ssl_conf_own_cert(config, &context->certificate, &context->key) != 0) ||
        mbedtls_ssl_conf_alpn_protocols(config, protocols) != 0) {
        return error_set(err, "no memory for a TLS configuration");
    }
    mbedtls_ssl_conf_authmode(config, role == TLS_OPEN_SERVER ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                              : MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(config, &context->ca, NULL);
    mbedtls_ssl_conf_rng(config, identity_random, NULL);
    mbedtls_ssl_conf_ciphersuites(config, suites);
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
    /* Tunnels last: nothing is ever resumed. */
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
#if defined(MBEDTLS_SSL_SRV_C) && MBEDTLS_VERSION_MAJOR >= 3
    if (role != TLS_CLIENT) {
        mbedtls_ssl_conf_new_session_tickets(config, 0);
    }
#endif
    key_export_configure(config, &context->exported);
    return 0;
}

struct tls_context *tls_context_new(const struct identity *identity, struct error *err)
{
    struct tls_context *context = memory_zalloc(sizeof *context);

    atomic_init(&context->references, 1);
    context->id = identity->id;
    memcpy(context->pin, identity->ca_hash, sizeof context->pin);
    mbedtls_x509_crt_init(&context->certificate);
    mbedtls_x509_crt_init(&context->ca);
    mbedtls_pk_init(&context->key);
    for (enum tls_role role = TLS_CLIENT; role <= TLS_OPEN_SERVER; role++) {
        mbedtls_ssl_config_init(&context->configs[role]);
    }
    if (crypto_start(err) != 0 || parse(context, identity, err) != 0) {
        tls_context_unref(context);
        return NULL;
    }
    for (enum tls_role role = TLS_CLIENT; role <= TLS_OPEN_SERVER; role++) {
        if (configure(context, role, !identity->certificate_pem, err) != 0) {
            tls_context_unref(context);
            return NULL;
        }
    }
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (enum tls_role role = TLS_CLIENT; role <= TLS_OPEN_SERVER; role++) {
        mbedtls_ssl_config_free(&context->configs[role]);
    }
    mbedtls_x509_crt_free(&context->certificate);
    mbedtls_x509_crt_free(&context->ca);
    mbedtls_pk_free(&context->key);
    free(context);
}

const mbedtls_ssl_config *tls_context_config(const struct tls_context *context, enum tls_role role)
{
    return &context->configs[role];
}

const char *tls_context_pin(const struct tls_context *context)
{
    return context->pin;
}

struct tls_secrets **tls_context_export_slot(struct tls_context *context)
{
    return &context->exported;
}

const char *tls_context_trust_domain(const struct tls_context *context)
{
    return context->id.trust_domain;
}
