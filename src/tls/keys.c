#include "appnet/tls/keys.h"

#include <string.h>

#include <mbedtls/hkdf.h>

#include "appnet/base/secret.h"

/* The longest key block of our suites: two keys and two IVs. */
#define KEY_BLOCK_MAX (2 * (TLS_KEY_MAX + TLS_IV_SIZE))

size_t tls_key_length(enum tls_cipher cipher)
{
    return cipher == TLS_AES_128_GCM ? 16 : 32;
}

int tls_cipher_from_suite(const char *suite, enum tls_cipher *out, struct error *err)
{
    if (strstr(suite, "AES-128-GCM")) {
        *out = TLS_AES_128_GCM;
    } else if (strstr(suite, "AES-256-GCM")) {
        *out = TLS_AES_256_GCM;
    } else if (strstr(suite, "CHACHA20-POLY1305")) {
        *out = TLS_CHACHA20_POLY1305;
    } else {
        return error_set(err, "cipher suite %s is not one of ours", suite);
    }
    return 0;
}

static int derive_12(struct tls_keys *keys, const struct tls_secrets *secrets,
                     struct tls_key *client, struct tls_key *server, struct error *err)
{
    uint8_t seed[2 * TLS_RANDOM_SIZE];
    uint8_t block[KEY_BLOCK_MAX];
    size_t key_length = tls_key_length(keys->cipher);
    size_t iv_length = keys->cipher == TLS_CHACHA20_POLY1305 ? TLS_IV_SIZE : 4;
    const uint8_t *at = block;

    memcpy(seed, secrets->server_random, TLS_RANDOM_SIZE);
    memcpy(seed + TLS_RANDOM_SIZE, secrets->client_random, TLS_RANDOM_SIZE);
    if (mbedtls_ssl_tls_prf(secrets->prf, secrets->master, TLS_MASTER_SIZE, "key expansion", seed,
                            sizeof seed, block, 2 * (key_length + iv_length)) != 0) {
        return error_set(err, "the session's keys could not be derived");
    }
    memcpy(client->key, at, key_length);
    at += key_length;
    memcpy(server->key, at, key_length);
    at += key_length;
    memcpy(client->iv, at, iv_length);
    at += iv_length;
    memcpy(server->iv, at, iv_length);
    secret_wipe(block, sizeof block);
    client->sequence = server->sequence = 1; /* Finished was record 0 */
    return 0;
}

/* HKDF-Expand-Label with an empty context: RFC 8446, section 7.1. */
static int expand_label(mbedtls_md_type_t hash, const uint8_t *secret, size_t secret_length,
                        const char *label, uint8_t *out, size_t length)
{
    static const char prefix[] = "tls13 ";
    uint8_t info[2 + 1 + 32 + 1];
    size_t label_length = strlen(label);
    size_t used = 0;

    info[used++] = (uint8_t)(length >> 8);
    info[used++] = (uint8_t)length;
    info[used++] = (uint8_t)(sizeof prefix - 1 + label_length);
    memcpy(info + used, prefix, sizeof prefix - 1);
    used += sizeof prefix - 1;
    memcpy(info + used, label, label_length);
    used += label_length;
    info[used++] = 0;
    return mbedtls_hkdf_expand(mbedtls_md_info_from_type(hash), secret, secret_length, info, used,
                               out, length);
}

static int derive_13(const struct tls_keys *keys, struct tls_key *key, struct error *err)
{
    if (expand_label(keys->hash, key->secret, key->secret_length, "key", key->key,
                     tls_key_length(keys->cipher)) != 0 ||
        expand_label(keys->hash, key->secret, key->secret_length, "iv", key->iv, TLS_IV_SIZE) !=
            0) {
        return error_set(err, "the session's keys could not be derived");
    }
    key->sequence = 0;
    return 0;
}

int tls_keys_derive(struct tls_keys *keys, const struct tls_secrets *secrets, bool is_client,
                    struct error *err)
{
    struct tls_key *client = is_client ? &keys->send : &keys->receive;
    struct tls_key *server = is_client ? &keys->receive : &keys->send;

    if (keys->version == TLS_VERSION_12) {
        return derive_12(keys, secrets, client, server, err);
    }
    if (secrets->length == 0 || secrets->length > TLS_SECRET_MAX) {
        return error_set(err, "the handshake gave no traffic secrets");
    }
    keys->hash = secrets->length == 48 ? MBEDTLS_MD_SHA384 : MBEDTLS_MD_SHA256;
    memcpy(client->secret, secrets->client, secrets->length);
    memcpy(server->secret, secrets->server, secrets->length);
    client->secret_length = server->secret_length = secrets->length;
    return derive_13(keys, client, err) == 0 ? derive_13(keys, server, err) : -1;
}

int tls_key_update(const struct tls_keys *keys, struct tls_key *key, struct error *err)
{
    uint8_t next[TLS_SECRET_MAX];

    if (expand_label(keys->hash, key->secret, key->secret_length, "traffic upd", next,
                     key->secret_length) != 0) {
        return error_set(err, "the session's next keys could not be derived");
    }
    memcpy(key->secret, next, key->secret_length);
    secret_wipe(next, sizeof next);
    return derive_13(keys, key, err);
}
