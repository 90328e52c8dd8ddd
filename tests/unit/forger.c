#include "forger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/gcm.h>

#define HEADER 5
#define TAG 16

static size_t explicit_size(const struct forger *forger)
{
    return forger->keys.version == TLS_VERSION_12 && forger->keys.cipher != TLS_CHACHA20_POLY1305
               ? 8
               : 0;
}

static void big_endian(uint8_t *out, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static void header(uint8_t *out, uint8_t type, size_t length)
{
    out[0] = type;
    big_endian(out + 1, 0x0303, 2);
    big_endian(out + 3, length, 2);
}

struct aead {
    uint8_t nonce[12];
    uint8_t added[13];
    size_t added_size;
};

/* `plain` is the length of the content, `sealed` that of all behind the header. */
static void prepare(const struct forger *forger, struct aead *aead, uint8_t type,
                    const uint8_t *explicit_nonce, size_t plain, size_t sealed)
{
    uint8_t sequence[12] = {0};

    big_endian(sequence + 4, forger->key.sequence, 8);
    if (forger->keys.version == TLS_VERSION_13) {
        header(aead->added, CONTENT_DATA, sealed);
        aead->added_size = HEADER;
    } else {
        memcpy(aead->added, sequence + 4, 8);
        header(aead->added + 8, type, plain);
        aead->added_size = 13;
    }
    memcpy(aead->nonce, forger->key.iv, 12);
    if (explicit_size(forger) > 0) {
        memcpy(aead->nonce + 4, explicit_nonce, 8);
        return;
    }
    for (int i = 0; i < 12; i++)
        aead->nonce[i] ^= sequence[i];
}

/* Seals or opens in place; the tag is behind the content. Returns 0. */
static int run(const struct forger *forger, const struct aead *aead, bool seal, uint8_t *content,
               size_t length)
{
    uint8_t *tag = content + length;
    int rc;

    if (forger->keys.cipher == TLS_CHACHA20_POLY1305) {
        mbedtls_chachapoly_context chacha;

        mbedtls_chachapoly_init(&chacha);
        rc = mbedtls_chachapoly_setkey(&chacha, forger->key.key);
        if (rc == 0 && seal)
            rc = mbedtls_chachapoly_encrypt_and_tag(&chacha, length, aead->nonce, aead->added,
                                                    aead->added_size, content, content, tag);
        else if (rc == 0)
            rc = mbedtls_chachapoly_auth_decrypt(&chacha, length, aead->nonce, aead->added,
                                                 aead->added_size, tag, content, content);
        mbedtls_chachapoly_free(&chacha);
    } else {
        mbedtls_gcm_context gcm;

        mbedtls_gcm_init(&gcm);
        rc = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, forger->key.key,
                                forger->keys.cipher == TLS_AES_128_GCM ? 128 : 256);
        if (rc == 0 && seal)
            rc = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, length, aead->nonce, 12,
                                           aead->added, aead->added_size, content, content, TAG,
                                           tag);
        else if (rc == 0)
            rc = mbedtls_gcm_auth_decrypt(&gcm, length, aead->nonce, 12, aead->added,
                                          aead->added_size, tag, TAG, content, content);
        mbedtls_gcm_free(&gcm);
    }
    return rc;
}

size_t forger_seal(struct forger *forger, uint8_t type, const void *content, size_t length,
                   size_t padding, uint8_t *wire)
{
    size_t before = HEADER + explicit_size(forger);
    struct aead aead;
    size_t sealed;

    if (length > 0)
        memcpy(wire + before, content, length);
    if (forger->keys.version == TLS_VERSION_13) {
        wire[before + length++] = type;
        memset(wire + before + length, 0, padding);
        length += padding;
        type = CONTENT_DATA;
    }
    sealed = explicit_size(forger) + length + TAG;
    assert_in_range(sealed, 0, 65535);
    header(wire, type, sealed);
    big_endian(wire + HEADER, forger->key.sequence, (int)explicit_size(forger));
    prepare(forger, &aead, type, wire + HEADER, length, sealed);
    assert_int_equal(run(forger, &aead, true, wire + before, length), 0);
    forger->key.sequence++;
    return HEADER + sealed;
}

size_t forger_open(struct forger *forger, const uint8_t *wire, size_t size, uint8_t *type,
                   uint8_t *content)
{
    size_t before = HEADER + explicit_size(forger);
    size_t length = size - before - TAG;
    struct aead aead;
    uint8_t *copy;

    assert_in_range(size, before + TAG, FORGER_WIRE_MAX);
    assert_int_equal((size_t)wire[3] << 8 | wire[4], size - HEADER);
    assert_int_equal(wire[1] << 8 | wire[2], 0x0303);
    copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, wire, size);
    *type = wire[0];
    prepare(forger, &aead, *type, copy + HEADER, length, size - HEADER);
    assert_int_equal(run(forger, &aead, false, copy + before, length), 0);
    forger->key.sequence++;
    if (forger->keys.version == TLS_VERSION_13) {
        assert_int_equal(*type, CONTENT_DATA);
        while (length > 0 && copy[before + length - 1] == 0)
            length--;
        assert_true(length > 0);
        *type = copy[before + --length];
    }
    memcpy(content, copy + before, length);
    free(copy);
    return length;
}

void forger_update(struct forger *forger)
{
    assert_int_equal(tls_key_update(&forger->keys, &forger->key, NULL), 0);
}
