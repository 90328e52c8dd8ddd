#include "appnet/tls/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void from_hex(const char *hex, uint8_t *out)
{
    for (; *hex; hex += 2, out++) {
        unsigned value;

        assert_int_equal(sscanf(hex, "%2x", &value), 1);
        *out = (uint8_t)value;
    }
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char text[200];

    assert_true(2 * size < sizeof(text));
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    text[2 * size] = '\0';
    assert_string_equal(text, expected);
}

/* Which direction is whose: the server's keys are the client's, the other way round. */
static void derive_both(struct tls_keys *client, const struct tls_secrets *secrets)
{
    struct error err = ERROR_INIT;
    struct tls_keys server = *client;

    if (tls_keys_derive(client, secrets, true, &err) != 0 ||
        tls_keys_derive(&server, secrets, false, &err) != 0)
        fail_msg("%s", err.text);
    assert_memory_equal(&client->send, &server.receive, sizeof(client->send));
    assert_memory_equal(&client->receive, &server.send, sizeof(client->receive));
    assert_int_equal(client->hash, server.hash);
}

/* ---- TLS 1.2: the vectors of NIST's CAVP for the key derivation of TLS 1.2 (SP 800-135), count 0
 * of SHA-256 and of SHA-384. The key block is cut as RFC 5246, section 6.3 and the suites' RFCs
 * say: client's key, server's key, client's IV, server's IV. ---- */

#define BLOCK_256                                                                                  \
    "d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f7e1d6590d0f0" \
    "566b2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c38445ad9f8c64bf8068"
#define BLOCK_384                                                                                  \
    "10fd89ef689c7ef033387b8a8f3e5e8e7c11f680f6bdd71fbac3246a73e98d45d03185dde686e6b2369e4503e9dc" \
    "5a6d2cee3e2bf2fa3f41d3de57dff3e197c8a9d5f74cc2d27711"

static struct tls_secrets secrets_256(void)
{
    struct tls_secrets secrets = {.prf = MBEDTLS_SSL_TLS_PRF_SHA256};

    from_hex("202c88c00f84a17a20027079604787461176455539e705be730890602c289a50"
             "01e34eeb3a043e5d52a65e66125188bf",
             secrets.master);
    from_hex("ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868",
             secrets.server_random);
    from_hex("62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616",
             secrets.client_random);
    return secrets;
}

/* `at` is where the part begins in the key block, in bytes. */
static void assert_part(const uint8_t *bytes, const char *block, size_t at, size_t size)
{
    char expected[100];

    assert_true(2 * (at + size) <= strlen(block));
    memcpy(expected, block + 2 * at, 2 * size);
    expected[2 * size] = '\0';
    assert_hex(bytes, size, expected);
}

static void assert_block(const struct tls_keys *keys, const char *block, size_t key_size,
                         size_t iv_size)
{
    static const uint8_t zeros[TLS_SECRET_MAX];

    assert_part(keys->send.key, block, 0, key_size);
    assert_part(keys->receive.key, block, key_size, key_size);
    assert_part(keys->send.iv, block, 2 * key_size, iv_size);
    assert_part(keys->receive.iv, block, 2 * key_size + iv_size, iv_size);
    assert_memory_equal(keys->send.iv + iv_size, zeros, TLS_IV_SIZE - iv_size);
    assert_memory_equal(keys->send.secret, zeros, sizeof(zeros));
    assert_int_equal(keys->send.sequence, 1);
    assert_int_equal(keys->receive.sequence, 1);
}

static void cuts_the_key_block_of_tls_1_2(void **state)
{
    struct tls_secrets secrets = secrets_256();
    struct tls_keys small = {.version = TLS_VERSION_12, .cipher = TLS_AES_128_GCM};
    struct tls_keys chacha = {.version = TLS_VERSION_12, .cipher = TLS_CHACHA20_POLY1305};

    (void)state;
    derive_both(&small, &secrets);
    assert_block(&small, BLOCK_256, 16, 4);
    derive_both(&chacha, &secrets);
    assert_block(&chacha, BLOCK_256, 32, TLS_IV_SIZE); /* RFC 7905: the whole IV is of the block */
}

static void cuts_the_key_block_of_tls_1_2_with_sha_384(void **state)
{
    struct tls_secrets secrets = {.prf = MBEDTLS_SSL_TLS_PRF_SHA384};
    struct tls_keys keys = {.version = TLS_VERSION_12, .cipher = TLS_AES_256_GCM};

    (void)state;
    from_hex("b4d49bfa87747fe815457bc3da15073d6ac73389e703079a3503c09e14bd559a"
             "5b3c7c601c7365f6ea8c68d3d9596827",
             secrets.master);
    from_hex("1b1c8568344a65c30828e7483c0e353e2c68641c9551efae6927d9cd627a107c",
             secrets.server_random);
    from_hex("954b5fe1849c2ede177438261f099a2fcd884d001b9fe1de754364b1f6a6dd8e",
             secrets.client_random);
    derive_both(&keys, &secrets);
    assert_block(&keys, BLOCK_384, 32, 4);
}

/* ---- TLS 1.3: the traffic secrets of RFC 8448, section 3, with their keys and IVs ---- */

static struct tls_secrets secrets_13(void)
{
    struct tls_secrets secrets = {.length = 32};

    from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", secrets.client);
    from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", secrets.server);
    return secrets;
}

static void derives_traffic_keys_of_tls_1_3(void **state)
{
    struct tls_secrets secrets = secrets_13();
    struct tls_keys keys = {.version = TLS_VERSION_13, .cipher = TLS_AES_128_GCM};

    (void)state;
    derive_both(&keys, &secrets);
    assert_int_equal(keys.hash, MBEDTLS_MD_SHA256);
    assert_hex(keys.send.key, 16, "17422dda596ed5d9acd890e3c63f5051");
    assert_hex(keys.send.iv, TLS_IV_SIZE, "5b78923dee08579033e523d9");
    assert_hex(keys.receive.key, 16, "9f02283b6c9c07efc26bb9f2ac92e356");
    assert_hex(keys.receive.iv, TLS_IV_SIZE, "cf782b88dd83549aadf1e984");
    assert_int_equal(keys.send.sequence, 0);
    assert_int_equal(keys.receive.sequence, 0);
}

/* No vectors are published for what follows: the expected values were computed by another
 * implementation of HKDF-Expand-Label (RFC 8446, section 7.1). */

static void derives_longer_keys_of_tls_1_3(void **state)
{
    struct tls_secrets secrets = secrets_13();
    struct tls_keys keys = {.version = TLS_VERSION_13, .cipher = TLS_CHACHA20_POLY1305};

    (void)state;
    derive_both(&keys, &secrets);
    assert_hex(keys.receive.key, 32,
               "848e80ab93efeb09c572c66873c184f99207c95b0fc817f91e8e7e8e14ac5ca9");
    assert_hex(keys.receive.iv, TLS_IV_SIZE, "cf782b88dd83549aadf1e984");
}

static void derives_keys_of_tls_1_3_with_sha_384(void **state)
{
    struct tls_secrets secrets = {.length = 48};
    struct tls_keys keys = {.version = TLS_VERSION_13, .cipher = TLS_AES_256_GCM};

    (void)state;
    for (uint8_t i = 0; i < 48; i++)
        secrets.client[i] = secrets.server[i] = i;
    derive_both(&keys, &secrets);
    assert_int_equal(keys.hash, MBEDTLS_MD_SHA384);
    assert_hex(keys.send.key, 32,
               "6877d022f1c61d24ebb7487c16752d9a4798e40431c75b39320e537c90e23225");
    assert_hex(keys.send.iv, TLS_IV_SIZE, "42822531a0fe88648fc09e9f");
    assert_int_equal(tls_key_update(&keys, &keys.send, NULL), 0);
    assert_hex(keys.send.secret, 48,
               "401331b63e9d59f202e8f041042d9516f4cd7fa2e2ee14631d3b49fc340d7af3"
               "7fc2c0c9f252d8036f81ec5b85cbe5db");
    assert_hex(keys.send.key, 32,
               "eb354f3b48924ed78de34dd8aa6a6a0a51d857ddad1454d5cfa7b69f60712911");
    assert_hex(keys.send.iv, TLS_IV_SIZE, "8478ffbe4f2e5450789775b3");
}

static void updates_one_direction(void **state)
{
    struct tls_secrets secrets = secrets_13();
    struct tls_keys keys = {.version = TLS_VERSION_13, .cipher = TLS_AES_128_GCM};
    struct tls_key other;

    (void)state;
    derive_both(&keys, &secrets);
    other = keys.receive;
    keys.send.sequence = 77;
    assert_int_equal(tls_key_update(&keys, &keys.send, NULL), 0);
    assert_hex(keys.send.secret, 32,
               "fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207");
    assert_hex(keys.send.key, 16, "3879d82f5f14056e623f2ce5bfc66fce");
    assert_hex(keys.send.iv, TLS_IV_SIZE, "5dfb2c5938c3379b6cc5d1f2");
    assert_int_equal(keys.send.sequence, 0);
    assert_memory_equal(&keys.receive, &other, sizeof(other));
    assert_int_equal(tls_key_update(&keys, &keys.receive, NULL), 0);
    assert_hex(keys.receive.key, 16, "2e63be99d67b39097feb9786cf7a15a0");
    assert_hex(keys.receive.iv, TLS_IV_SIZE, "628a0a8298ac953baef4255a");
}

static void refuses_a_handshake_without_secrets(void **state)
{
    struct tls_secrets secrets = secrets_13();
    struct tls_keys keys = {.version = TLS_VERSION_13, .cipher = TLS_AES_128_GCM};
    struct error err = ERROR_INIT;

    (void)state;
    secrets.length = 0;
    assert_int_equal(tls_keys_derive(&keys, &secrets, true, &err), -1);
    assert_string_equal(err.text, "the handshake gave no traffic secrets");
    secrets.length = TLS_SECRET_MAX + 1;
    assert_int_equal(tls_keys_derive(&keys, &secrets, true, &err), -1);
    keys.version = TLS_VERSION_12;
    secrets.prf = MBEDTLS_SSL_TLS_PRF_NONE;
    assert_int_equal(tls_keys_derive(&keys, &secrets, true, &err), -1);
    assert_string_equal(err.text, "the session's keys could not be derived");
}

/* ---- suites ---- */

static void knows_its_suites(void **state)
{
    static const struct {
        const char *suite;
        enum tls_cipher cipher;
        size_t key_length;
    } suites[] = {
        {"TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", TLS_AES_128_GCM, 16},
        {"TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", TLS_AES_256_GCM, 32},
        {"TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256", TLS_CHACHA20_POLY1305, 32},
        {"TLS1-3-AES-128-GCM-SHA256", TLS_AES_128_GCM, 16},
        {"TLS1-3-AES-256-GCM-SHA384", TLS_AES_256_GCM, 32},
        {"TLS1-3-CHACHA20-POLY1305-SHA256", TLS_CHACHA20_POLY1305, 32},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        enum tls_cipher cipher;

        assert_int_equal(tls_cipher_from_suite(suites[i].suite, &cipher, NULL), 0);
        assert_int_equal(cipher, suites[i].cipher);
        assert_int_equal(tls_key_length(cipher), suites[i].key_length);
    }
}

static void refuses_other_suites(void **state)
{
    static const char *const suites[] = {
        "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256",
        "TLS-ECDHE-ECDSA-WITH-AES-128-CCM",
        "TLS-ECDHE-ECDSA-WITH-CAMELLIA-128-GCM-SHA256",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        struct error err = ERROR_INIT;
        enum tls_cipher cipher;

        assert_int_equal(tls_cipher_from_suite(suites[i], &cipher, &err), -1);
        assert_non_null(strstr(err.text, "is not one of ours"));
    }
}

int main(void)
{
    const struct CMUnitTest keys[] = {
        cmocka_unit_test(cuts_the_key_block_of_tls_1_2),
        cmocka_unit_test(cuts_the_key_block_of_tls_1_2_with_sha_384),
        cmocka_unit_test(derives_traffic_keys_of_tls_1_3),
        cmocka_unit_test(derives_longer_keys_of_tls_1_3),
        cmocka_unit_test(derives_keys_of_tls_1_3_with_sha_384),
        cmocka_unit_test(updates_one_direction),
        cmocka_unit_test(refuses_a_handshake_without_secrets),
        cmocka_unit_test(knows_its_suites),
        cmocka_unit_test(refuses_other_suites),
    };

    return cmocka_run_group_tests(keys, NULL, NULL);
}
