#include "key_export.h"

#include <string.h>

#include <mbedtls/version.h>

#if MBEDTLS_VERSION_MAJOR >= 3

static void take(void *slot, mbedtls_ssl_key_export_type type, const unsigned char *secret,
                 size_t length, const unsigned char client_random[TLS_RANDOM_SIZE],
                 const unsigned char server_random[TLS_RANDOM_SIZE], mbedtls_tls_prf_types prf)
{
    struct tls_secrets *secrets = *(struct tls_secrets **)slot;

    if (!secrets || length > TLS_SECRET_MAX) {
        return;
    }
    switch (type) {
    case MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET:
        secrets->prf = prf;
        memcpy(secrets->master, secret, length);
        memcpy(secrets->client_random, client_random, TLS_RANDOM_SIZE);
        memcpy(secrets->server_random, server_random, TLS_RANDOM_SIZE);
        break;
    case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET:
        memcpy(secrets->client, secret, length);
        secrets->length = length;
        break;
    case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
        memcpy(secrets->server, secret, length);
        secrets->length = length;
        break;
    default:
        break;
    }
}

void key_export_configure(mbedtls_ssl_config *config, struct tls_secrets **slot)
{
    (void)config;
    (void)slot;
}

void key_export_attach(mbedtls_ssl_context *ssl, struct tls_secrets **slot)
{
    mbedtls_ssl_set_export_keys_cb(ssl, take, slot);
}

#else

static int take(void *slot, const unsigned char *master, const unsigned char *block,
                size_t mac_length, size_t key_length, size_t iv_length,
                const unsigned char client_random[TLS_RANDOM_SIZE],
                const unsigned char server_random[TLS_RANDOM_SIZE], mbedtls_tls_prf_types prf)
{
    struct tls_secrets *secrets = *(struct tls_secrets **)slot;

    (void)block;
    (void)mac_length;
    (void)key_length;
    (void)iv_length;
    if (secrets) {
        secrets->prf = prf;
        memcpy(secrets->master, master, TLS_MASTER_SIZE);
        memcpy(secrets->client_random, client_random, TLS_RANDOM_SIZE);
        memcpy(secrets->server_random, server_random, TLS_RANDOM_SIZE);
    }
    return 0;
}

void key_export_configure(mbedtls_ssl_config *config, struct tls_secrets **slot)
{
    mbedtls_ssl_conf_export_keys_ext_cb(config, take, slot);
}

void key_export_attach(mbedtls_ssl_context *ssl, struct tls_secrets **slot)
{
    (void)ssl;
    (void)slot;
}

#endif
