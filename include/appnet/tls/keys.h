/* Traffic keys of one TLS session, as the handshake exports them and the record engines use them.
 */
#ifndef APPNET_TLS_KEYS_H
#define APPNET_TLS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/md.h>
#include <mbedtls/ssl.h>

#include "appnet/base/error.h"

enum tls_version { TLS_VERSION_12, TLS_VERSION_13 };
enum tls_cipher { TLS_AES_128_GCM, TLS_AES_256_GCM, TLS_CHACHA20_POLY1305 };

#define TLS_KEY_MAX 32
#define TLS_IV_SIZE 12
#define TLS_SECRET_MAX 48
#define TLS_RANDOM_SIZE 32
#define TLS_MASTER_SIZE 48

/* One direction. */
struct tls_key {
    uint8_t secret[TLS_SECRET_MAX]; /* TLS 1.3: the application traffic secret; all zero in 1.2 */
    size_t secret_length;
    uint8_t key[TLS_KEY_MAX];
    uint8_t iv[TLS_IV_SIZE]; /* TLS 1.2 GCM: the first four bytes only */
    uint64_t sequence;       /* number of the next record */
};

struct tls_keys {
    enum tls_version version;
    enum tls_cipher cipher;
    mbedtls_md_type_t hash; /* TLS 1.3: of the key schedule */
    struct tls_key send, receive;
};

/* What mbedTLS hands out during the handshake. */
struct tls_secrets {
    mbedtls_tls_prf_types prf;       /* TLS 1.2 */
    uint8_t master[TLS_MASTER_SIZE]; /* TLS 1.2 */
    uint8_t client_random[TLS_RANDOM_SIZE], server_random[TLS_RANDOM_SIZE];
    uint8_t client[TLS_SECRET_MAX],
        server[TLS_SECRET_MAX]; /* TLS 1.3: application traffic secrets */
    size_t length;              /* of each of them */
};

size_t tls_key_length(enum tls_cipher cipher);

/* The cipher behind an IANA suite name such as TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256 (mbedTLS
 * writes hyphens). */
int tls_cipher_from_suite(const char *suite, enum tls_cipher *out, struct error *err);

/* Derives both directions' keys: RFC 5246 section 6.3 with the sequence numbers after Finished (1),
 * or RFC 8446 section 7.3 with sequence numbers 0. `keys->version` and `keys->cipher` are set
 * already. */
int tls_keys_derive(struct tls_keys *keys, const struct tls_secrets *secrets, bool is_client,
                    struct error *err);

/* The next generation of one direction after a KeyUpdate: RFC 8446 section 7.2. */
int tls_key_update(const struct tls_keys *keys, struct tls_key *key, struct error *err);

#endif
